"""Pages that wait for control parameters: they answer at once, say how far the search is, and what follows when it is over."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from tests.webtest.searching import CONTROLLED, FAILED, FOUND, Told, until
from tests.webtest.site import FRAGMENT, NOW, Browser, Site, site_of
from webtest.config import House, aside_of
from webtest.founding import invented_roster
from webtest.services import works
from webtest.views import room

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
    house = replace(place_lite, **aside_of(place_lite.engine, told)._asdict())
    monkeypatch.setattr(room, "plan_text", lambda: CONTROLLED)
    yield Searched(site_of(house), told)
    house.works.close()


def new_wave(browser: Browser) -> str:
    browser.get("/petugas/gelombang/baru")
    made = browser.upload("/petugas/gelombang/baru", WAVE, ROSTER.encode(), "daftar.csv")
    assert made.status_code == 303, made.text
    return str(made.location)


def test_a_wave_is_made_at_once_and_opened_when_its_parameters_are_found(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    page = browser.get(board).text
    assert "Gelombang dapat dibuka sesudah parameternya ditemukan" in page
    assert "sedang dicari dengan simulasi" in page
    assert "Buka gelombang" not in page
    assert "menunggu parameter" in browser.get("/petugas/gelombang").text
    for path in ("berita-acara", "papan", f"peserta/{searched.site.house.monitor.board(board.rsplit('/', 1)[1], NOW).lines[0].attempt}"):
        assert browser.get(f"{board}/{path}").status_code == 200
    searched.told.say({"done": 2, "total": 6})
    until(lambda: "2 dari 6 simulasi" in browser.get(f"{board}/persiapan", headers=FRAGMENT).text)
    assert "2 dari 6 simulasi" in browser.get(board).text  # a reload loses nothing
    browser.post(f"{board}/buka", headers={"Referer": f"http://localhost{board}"})
    assert "Parameter kendali paparan masih dicari" in browser.get(board).text
    searched.told.say(FOUND)
    searched.reach(browser, f"{board}/persiapan", "finished")
    page = browser.get(board).text
    assert "sudah ditemukan" in page
    assert "Buka gelombang" in page
    assert browser.post(f"{board}/buka").status_code == 303
    assert "Gelombang dibuka" in browser.get(board).text
    assert "Parameter kendali" not in browser.get(board).text


def test_the_board_says_why_a_wave_cannot_be_opened_in_the_readers_language(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    fault = {"where": "eligibility", "field": "r_max", "remedy": "0.4 or more, more items, or a shorter test"}
    fault["message"] = "0.3 is out of reach: the highest exposure of an item in simulations was never below 0.4"
    searched.told.say({"faults": [fault]})
    searched.reach(browser, f"{board}/persiapan", "failed")
    page = browser.get(board).text
    assert "0.3 tidak terjangkau: dalam simulasi paparan tertinggi sebuah butir tidak pernah di bawah 0.4" in page
    assert "0.4 atau lebih, butir lebih banyak, atau tes lebih pendek" in page
    assert "Buka gelombang" not in page
    assert browser.post(f"{board}/buka").status_code == 422


def test_a_search_that_was_interrupted_is_begun_again_once_however_often_the_button_is_pressed(searched: Searched) -> None:
    browser = searched.site.browser().officer("koordinator")
    board = new_wave(browser)
    searched.told.say({"done": 2, "total": 6}, None)
    searched.reach(browser, f"{board}/persiapan", "interrupted")
    assert "Mulai pencarian lagi" in browser.get(board).text
    for _ in range(2):
        assert browser.post(f"{board}/persiapan").status_code == 303
    assert "menyiapkan simulasi pertama" in browser.get(board).text
    until(lambda: searched.told.begun == 2)
    searched.told.say(FOUND)
    searched.reach(browser, f"{board}/persiapan", "finished")
    browser.post(f"{board}/persiapan")
    searched.reach(browser, f"{board}/persiapan", "finished")
    assert searched.told.begun == 2


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
