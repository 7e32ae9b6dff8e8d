"""Pages that wait for control parameters: they answer at once, say how far the search is, and what follows when it is over."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

from itembank.demo import plan_text
from itembank.store import load_bank, load_contents, save_version
from tests.webtest.conftest import Room, open_room
from tests.webtest.searching import CONTROL, CONTROLLED, FAILED, FOUND, UNREACHED, Told, until
from tests.webtest.site import FRAGMENT, NOW, Browser, Site, site_of
from webtest.audit import audit_wave
from webtest.config import House, aside_of
from webtest.founding import invented_roster
from webtest.models import Person, Wave
from webtest.refusal import Refused
from webtest.services import works
from webtest.services.review import Review
from webtest.services.wavelist import list_waves
from webtest.services.waves import NewWave
from webtest.services.works import Waiting
from webtest.snapshots import Controls
from webtest.views import room
from webtest.work_apart import Said

ROSTER = "nip,nama,jenjang jabatan,unit kerja,ruang\n" + "".join(
    f"{row.nip},{row.name},Pengawas,Dinas,Ruang A\n" for row in invented_roster(2)
)
WAVE = {"name": "Uji", "agency": "Kota Contoh", "place": "Aula", "day": "2026-11-24", "zone": "WIB", "action": "create"}
SIMULATION = "/petugas/bank/simulasi"


@dataclass
class Searched:
    """A site whose searches say what the test tells them to."""

    site: Site
    told: Told

    def reach(self, browser: Browser, path: str, state: str) -> None:
        until(lambda: browser.get(path, headers=FRAGMENT).headers["X-State"] == state)


@pytest.fixture
def searched(place_lite: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Searched]:
    monkeypatch.setattr(works, "LOOK_S", 0.05)
    told = Told()
    house = replace(place_lite, **aside_of(place_lite.engine, place_lite.waves, told)._asdict())
    monkeypatch.setattr(room, "plan_text", lambda: CONTROLLED)
    yield Searched(site_of(house), told)
    house.works.close()


@pytest.fixture
def room_of_two(searched: Searched) -> Room:
    """An open wave of the same two people."""
    return open_room(searched.site.house, 2, now=NOW)


def new_wave(browser: Browser) -> str:
    browser.get("/petugas/gelombang/baru")
    made = browser.upload("/petugas/gelombang/baru", WAVE, ROSTER.encode(), "daftar.csv")
    assert made.status_code == 303, made.text
    return str(made.location)


def flown(house: House, board: str) -> Said:
    """What the simulation of a wave's plan says last, with the parameters that it is to be pinned to."""
    plan, pool = house.waves.runs_on(board.rsplit("/", 1)[1], lambda *_: tuple(CONTROL))
    return {"outcome": {"plan_digest": plan.digest, "pool_digest": pool.digest}}


def test_a_wave_is_made_at_once_and_opened_when_its_parameters_are_found(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    page = browser.get(board).text
    assert "Gelombang dapat dibuka sesudah rencana tesnya selesai dicoba" in page
    assert "sedang dicari dengan simulasi" in page
    assert "Buka gelombang" not in page
    assert "sedang dicoba" in browser.get("/petugas/gelombang").text
    for path in ("berita-acara", "papan", f"peserta/{searched.site.house.monitor.board(board.rsplit('/', 1)[1], NOW).lines[0].attempt}"):
        assert browser.get(f"{board}/{path}").status_code == 200
    searched.told.say({"done": 2, "total": 6})
    until(lambda: "2 dari 6 simulasi" in browser.get(f"{board}/persiapan", headers=FRAGMENT).text)
    assert "2 dari 6 simulasi" in browser.get(board).text  # a reload loses nothing
    browser.post(f"{board}/buka", headers={"Referer": f"http://localhost{board}"})
    assert "Parameter kendali paparan masih dicari" in browser.get(board).text
    searched.told.say(FOUND)
    until(lambda: "sedang dicoba dengan simulasi" in browser.get(board).text)  # with the parameters found
    assert "Buka gelombang" not in browser.get(board).text
    searched.told.say({"done": 10, "total": 40})
    until(lambda: "10 dari 40 orang maya" in browser.get(board).text)
    searched.told.say(flown(searched.site.house, board))
    searched.reach(browser, f"{board}/persiapan", "finished")
    page = browser.get(board).text
    assert "Rencana tes sudah dicoba" in page
    assert "Buka gelombang" in page
    assert browser.post(f"{board}/buka").status_code == 303
    assert "Gelombang dibuka" in browser.get(board).text
    assert "Parameter kendali" not in browser.get(board).text


def test_the_board_says_why_a_wave_cannot_be_opened_in_the_readers_language(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    searched.told.say(UNREACHED)
    searched.reach(browser, f"{board}/persiapan", "failed")
    page = browser.get(board).text
    assert "0.3 tidak terjangkau: dalam simulasi paparan tertinggi sebuah butir tidak pernah di bawah 0.4" in page
    assert "0.4 atau lebih, butir lebih banyak, atau tes lebih pendek" in page
    assert "Buka gelombang" not in page
    assert browser.post(f"{board}/buka").status_code == 422


def test_what_failed_may_be_tried_again(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    searched.told.say(FAILED)
    searched.reach(browser, f"{board}/persiapan", "failed")
    assert "Coba lagi" in browser.get(board).text
    assert "! belum dapat dibuka" in browser.get("/petugas/gelombang").text
    for _ in range(2):
        assert browser.post(f"{board}/persiapan").status_code == 303
    assert "Parameter kendali paparan sedang dicari" in browser.get(board).text
    until(lambda: searched.told.begun == 2)
    searched.told.say(FOUND, flown(searched.site.house, board))
    searched.reach(browser, f"{board}/persiapan", "finished")
    browser.post(f"{board}/persiapan")
    searched.reach(browser, f"{board}/persiapan", "finished")
    assert searched.told.begun == 3


def test_a_search_that_was_interrupted_is_begun_again_by_itself(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    searched.told.say({"done": 2, "total": 6}, None, FOUND, flown(searched.site.house, board))
    searched.reach(browser, f"{board}/persiapan", "finished")
    assert searched.told.begun == 3


def test_a_wave_is_opened_by_the_simulation_of_its_own_plan_and_pool_only(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    searched.told.say(FOUND, {"outcome": {"plan_digest": "d", "pool_digest": "d"}})
    searched.reach(browser, f"{board}/persiapan", "finished")
    browser.post(f"{board}/buka", headers={"Referer": f"http://localhost{board}"})
    page = browser.get(board).text
    assert "sedang dicoba dengan simulasi. Buka gelombang sesudah simulasinya selesai." in page
    searched.told.say(flown(searched.site.house, board))
    searched.reach(browser, f"{board}/persiapan", "finished")
    browser.post(f"{board}/buka")
    assert "Gelombang dibuka" in browser.get(board).text
    (wave,) = list_waves(searched.site.house.engine)
    assert [(event.kind, event.actor) for event in searched.site.house.store.events(wave.wave.id)][-1] == ("wave_opened", "user:2")


def test_a_draft_that_nobody_has_simulated_is_simulated_when_it_is_to_be_opened(searched: Searched) -> None:
    house, browser = searched.site.house, searched.site.browser().officer("koordinator")
    plain = CONTROLLED.replace('name = "sympson_hetter"\nr_max = 0.5', 'name = "none"')
    wave = house.waves.create(NewWave("Lama", "Kota", "Aula", "2026-11-24"), invented_roster(2), plain, actor="user:2", now=NOW)
    board = f"/petugas/gelombang/{wave}"
    assert "Buka gelombang" in browser.get(board).text
    before = perf_counter()
    assert browser.post(f"{board}/buka", headers={"Referer": f"http://localhost{board}"}).status_code == 303
    assert perf_counter() - before < 0.5
    assert "sedang dicoba dengan simulasi" in browser.get(board).text
    searched.told.say(flown(house, board))
    searched.reach(browser, f"{board}/persiapan", "finished")
    browser.post(f"{board}/buka")
    assert "Gelombang dibuka" in browser.get(board).text


def test_a_simulation_says_what_it_waits_for_and_runs_when_all_is_found(searched: Searched) -> None:
    browser = searched.site.browser().officer("psikometrisi")
    browser.get(SIMULATION)
    form = {"plan": [CONTROLLED, CONTROLLED.replace("0.5", "0.6")], "n": "20", "seed": "1"}
    waiting = browser.post(SIMULATION, dict(form))
    assert waiting.status_code == 202
    assert "sedang dicari dengan simulasi" in waiting.text
    assert "r_max = 0.6" in waiting.text  # the form is as it was
    part = waiting.text.split('data-source="')[1].split('"')[0].replace("&amp;", "&")
    searched.told.say({"done": 2, "total": 6})
    until(lambda: searched.told.lines.empty())
    assert browser.get(part, headers=FRAGMENT).headers["X-State"] == "running"
    searched.told.say(FOUND, FOUND)
    searched.reach(browser, part, "finished")
    done = browser.post(SIMULATION, dict(form))
    assert done.status_code == 200
    assert "Perbandingan pada orang yang sama" in done.text
    assert searched.told.begun == 2


def test_a_simulation_of_limits_that_cannot_be_kept_names_them(searched: Searched) -> None:
    browser = searched.site.browser().officer("psikometrisi")
    browser.get(SIMULATION)
    form: dict[str, object] = {"plan": CONTROLLED, "n": "20", "seed": "1"}
    part = browser.post(SIMULATION, form).text.split('data-source="')[1].split('"')[0].replace("&amp;", "&")
    searched.told.say(FAILED)
    searched.reach(browser, part, "failed")
    refused = browser.post(SIMULATION, form)
    assert refused.status_code == 422
    assert "0.4 or more" in refused.text


# waves that cannot be opened


def failed_wave(searched: Searched, browser: Browser) -> str:
    """The board of a wave whose search has failed."""
    board = new_wave(browser)
    searched.told.say(FAILED)
    searched.reach(browser, f"{board}/persiapan", "failed")
    return board


def publish_another(house: House) -> int:
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        bank = load_bank(sql)
        other = replace(bank, status=("held", *bank.status[1:]), parent=bank.version)
        version = save_version(sql, other, load_contents(sql, bank.version), note="uji", actor="cli:x", now=NOW)
    Review(house.engine).decide(version, "publish", actor="cli:x", now=NOW)
    return version


def test_a_wave_that_failed_takes_the_bank_that_was_published_since(searched: Searched) -> None:
    house, browser = searched.site.house, searched.site.browser().officer("koordinator")
    board = failed_wave(searched, browser)
    assert "Pakai bank soal versi" not in browser.get(board).text
    version = publish_another(house)
    assert f"Pakai bank soal versi {version}" in browser.get(board).text
    assert browser.post(f"{board}/perbarui").status_code == 303
    page = browser.get(board).text
    assert f"bank soal versi {version}" in page
    assert "Parameter kendali paparan sedang dicari" in page
    searched.told.say(FOUND, flown(house, board))
    searched.reach(browser, f"{board}/persiapan", "finished")
    browser.post(f"{board}/buka")
    assert "Gelombang dibuka" in browser.get(board).text
    wave = board.rsplit("/", 1)[1]
    assert audit_wave(house.engine, house.store, wave, house.keys).findings == ()
    assert browser.post(f"{board}/perbarui").status_code == 409  # its log has begun


def test_a_wave_is_discarded_after_a_question_and_its_log_says_by_whom(searched: Searched) -> None:
    house, browser = searched.site.house, searched.site.browser().officer("koordinator")
    board = failed_wave(searched, browser)
    wave = board.rsplit("/", 1)[1]
    assert f"{board}/hapus" in browser.get(board).text
    assert "2 pesertanya" in browser.get(f"{board}/hapus").text
    assert [line.wave.id for line in list_waves(house.engine)] == [wave]  # a question changes nothing
    assert browser.post(f"{board}/hapus").status_code == 303
    assert "dihapus" in browser.get("/petugas/gelombang").text
    assert list_waves(house.engine) == []
    (event,) = house.store.events(wave)
    assert (event.kind, event.actor) == ("wave_discarded", "user:2")
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(Person)).all() == []  # nobody else knows these people
        assert sql.get_one(Wave, wave).status == "discarded"
    for path in ("", "/hapus", "/berita-acara"):
        assert browser.get(f"{board}{path}").status_code == 409
    for path in ("buka", "hapus", "persiapan", "perbarui"):
        assert browser.post(f"{board}/{path}").status_code == 409
    assert len(house.store.events(wave)) == 1
    assert house.works.state("preflight", wave) is None
    report = audit_wave(house.engine, house.store, wave, house.keys)
    assert (report.events, report.findings) == (1, ())


def test_a_draft_whose_log_has_begun_is_discarded_with_its_log_kept(site: Site) -> None:
    house, browser = site.house, site.browser().officer("koordinator")
    wave = house.waves.create(NewWave("Uji", "Kota", "Aula", "2026-11-24"), invented_roster(2), plan_text(), actor="user:2", now=NOW)
    board = f"/petugas/gelombang/{wave}"
    assert browser.post(f"{board}/hapus").status_code == 303
    assert [event.kind for event in house.store.events(wave)] == ["wave_created", "roster_loaded", "wave_discarded"]
    assert audit_wave(house.engine, house.store, wave, house.keys).findings == ()
    with SqlSession(house.engine) as sql:
        assert len(sql.exec(select(Person)).all()) == 2  # their log names them by number
    for at in (None, NOW + 7):  # as if it had never been, or at another time
        with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
            sql.get_one(Wave, wave).discarded_at = at
        (found,) = audit_wave(house.engine, house.store, wave, house.keys).findings
        assert (found.stream, found.seq) == (wave, 2)
        assert f"'wave_discarded' at {at} in the database" in found.what


def test_parameters_that_were_found_for_a_bank_are_not_pinned_to_the_newer_one_that_a_wave_was_given_meanwhile(site: Site) -> None:
    """Who opens a wave on the command line searches for minutes; meanwhile somebody else gives it the newest bank."""
    house = site.house

    def under_way(*_: object) -> Controls:
        raise Waiting([])

    wave = house.waves.create(
        NewWave("Uji", "Kota", "Aula", "2026-11-24"), invented_roster(2), CONTROLLED, actor="user:2", now=NOW, control=under_way
    )

    def slowly(*_: object) -> Controls:
        publish_another(house)
        house.waves.renew(wave, now=NOW, control=under_way)
        return tuple(CONTROL)

    with pytest.raises(Refused, match="searching"):
        house.waves.open(wave, actor="user:2", now=NOW, control=slowly)
    house.waves.open(wave, actor="user:2", now=NOW, control=lambda *_: tuple(CONTROL))
    assert house.catalog.kit(wave).bank.version == house.newest_bank().version == 2
    assert audit_wave(house.engine, house.store, wave, house.keys).findings == ()


def test_people_of_other_waves_stay_when_a_wave_is_discarded_and_an_open_wave_cannot_be(searched: Searched, room_of_two: Room) -> None:
    house, browser = searched.site.house, searched.site.browser().officer("koordinator")
    board = failed_wave(searched, browser)
    browser.post(f"{board}/hapus")
    with SqlSession(house.engine) as sql:
        assert len(sql.exec(select(Person)).all()) == 2
    assert browser.post(f"/petugas/gelombang/{room_of_two.wave}/hapus").status_code == 409
    assert browser.get(f"/petugas/gelombang/{room_of_two.wave}/hapus").status_code == 409


def test_nothing_is_simulated_for_a_wave_that_was_opened_elsewhere(searched: Searched, room_of_two: Room) -> None:
    """On the command line, which simulates there and then: a page that is still open in a browser has its button yet."""
    browser, board = searched.site.browser().officer("koordinator"), f"/petugas/gelombang/{room_of_two.wave}"
    browser.get(board)
    for path in ("buka", "persiapan"):
        assert browser.post(f"{board}/{path}").status_code == 409
    assert searched.site.house.works.state("preflight", room_of_two.wave) is None
