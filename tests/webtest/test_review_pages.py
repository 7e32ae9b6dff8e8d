"""The page on which a calibration is reviewed, with two people at it."""

import re
from dataclasses import replace

from sqlmodel import Session as SqlSession

from itembank.store import load_bank, load_contents, save_version
from tests.conftest import PASSWORD
from tests.webtest.conftest import MakeRoom, finished_room
from tests.webtest.site import Browser, app_of
from tests.webtest.test_review import T0, WHO, a_run, bank_of
from webtest.services.origins import Calibrated, Decided, Sample, origins
from webtest.services.psychometrics import Psychometrics
from webtest.services.review import LONGEST_REASON, Decision, Review

FIELD = re.compile(r'<input type="hidden" name="((?:butir|tadi-)[^"]*)" value="([^"]*)">')
CHOICE = re.compile(r'<select name="(putusan-[^"]+)".*?</select>')
CHOSEN = re.compile(r'<option value="([^"]+)" selected>')


def form_of(page: str) -> dict[str, object]:
    """What a browser sends of the form if nobody touches it."""
    fields: dict[str, object] = {}
    for name, value in FIELD.findall(page):
        fields[name] = [*fields.get(name, []), value] if name == "butir" else value  # type: ignore[misc]
    for found in CHOICE.finditer(page):
        chosen = CHOSEN.search(found[0])
        assert chosen is not None
        fields[found[1]] = chosen[1]
    return fields


def test_a_page_opened_earlier_does_not_undo_what_somebody_else_has_decided_since(light: MakeRoom) -> None:
    house = light(1).house
    run, ids = a_run(house)
    site = app_of(house)
    one, other = (Browser(site).officer("psikometrisi", PASSWORD) for _ in range(2))
    path = f"/petugas/bank/kalibrasi/{run.id}"
    pages = [form_of(browser.get(path).text) for browser in (one, other)]
    assert pages[0] == pages[1]
    assert set(pages[0]["butir"]) == set(ids)  # type: ignore[call-overload]
    assert one.post(f"{path}/putusan", {**pages[0], f"putusan-{ids[0]}": "hold", "reason": "bocor"}).status_code == 303
    assert other.post(f"{path}/putusan", {**pages[1], f"putusan-{ids[1]}": "adopt", "reason": "cukup"}).status_code == 303
    decided = Review(house.engine).decisions(run.id or 0)
    assert {item: (d.decision, d.reason) for item, d in decided.items()} == {ids[0]: ("hold", "bocor"), ids[1]: ("adopt", "cukup")}
    assert "Putusan disimpan" in other.get(path).text
    assert other.post(f"{path}/putusan", {**form_of(other.get(path).text), "reason": ""}).status_code == 303  # sent twice: nothing changes
    said = other.get(path).text
    assert "Tidak ada putusan yang diubah." in said
    assert "Putusan disimpan" not in said
    assert len(Review(house.engine).decisions(run.id or 0)) == 2


def test_a_reason_is_kept_as_long_as_the_page_lets_it_be(light: MakeRoom) -> None:
    house = light(1).house
    run, ids = a_run(house)
    review = Review(house.engine)
    draft = review.override(run.id or 0, {ids[1]: Decision("hold", "x" * 100_000)}, actor=WHO, now=T0 + 1) or 0
    assert len(review.decisions(run.id or 0)[ids[1]].reason) == LONGEST_REASON
    review.decide(draft, "refuse", actor=WHO, now=T0 + 2, reason="y" * 100_000)
    verdict = review.verdict(draft)
    assert verdict is not None
    assert len(verdict.reason) == LONGEST_REASON
    assert bank_of(house, None).version == 1


def test_a_calibration_without_a_wave_or_of_an_unknown_kind_is_refused(light: MakeRoom) -> None:
    house = light(1).house
    page = Browser(app_of(house)).officer("psikometrisi", PASSWORD)
    none = page.post("/petugas/bank/kalibrasi", {"mode": "free"})
    assert none.status_code == 409
    assert "Pilih paling sedikit satu gelombang." in none.text
    assert page.post("/petugas/bank/kalibrasi", {"wave": "W0", "mode": "bebas"}).status_code == 404


def test_the_note_of_a_version_that_the_system_made_is_in_the_readers_language_and_a_persons_stays(light: MakeRoom) -> None:
    house = light(1).house
    run, ids = a_run(house)
    review = Review(house.engine)
    for at, item in enumerate(ids[:2], start=1):
        review.override(run.id or 0, {item: Decision("hold", "bocor")}, actor=WHO, now=T0 + at)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        bank = replace(load_bank(sql), parent=1, status=("held",) * len(load_bank(sql)))
        save_version(
            sql, bank, load_contents(sql, 1), note="Kalibrasi 7 jawaban", actor=WHO, now=T0
        )  # a person's words, at the same moment
    assert origins(house.engine) == {1: Sample(), 2: Calibrated(600, 1), 3: Decided(1, 1), 4: Decided(1, 2)}
    page = Browser(app_of(house)).officer("psikometrisi", PASSWORD)
    shown = page.get("/petugas/bank/versi").text
    for note in ("Kalibrasi 600 jawaban dari 1 gelombang", "Kalibrasi 1 dengan 2 putusan petugas", "Kalibrasi 7 jawaban"):
        assert f"<td>{note}</td>" in shown
    page.post("/bahasa/en")
    shown = page.get("/petugas/bank/versi").text
    for note in (
        "Sample bank, not yet calibrated",
        "Calibration of 600 answers from 1 wave",
        "Calibration 1 with 1 decision of an officer",
        "Calibration 1 with 2 decisions of officers",
        "Kalibrasi 7 jawaban",
    ):
        assert f"<td>{note}</td>" in shown
    assert "<p>Calibration of 600 answers from 1 wave ·" in page.get("/petugas/bank/versi/2").text


def test_a_calibration_that_proposes_nothing_does_not_ask_for_a_draft_to_be_published(light: MakeRoom) -> None:
    room = finished_room(light(1).house)
    page = Browser(app_of(room.house)).officer("psikometrisi", PASSWORD)
    done = page.post("/petugas/bank/kalibrasi", {"mode": "free", "wave": room.wave})
    assert done.status_code == 303
    said = page.get(done.location).text
    assert "Tidak ada rancangan versi" in said
    assert "terbitkan atau tolak" not in said
    report = page.get(f"{done.location}/laporan").text
    assert report.count(f'<body><nav aria-label="Hasil kalibrasi"><a href="{done.location}">Hasil kalibrasi</a></nav><h1>') == 1
    stored = Psychometrics(room.house.engine, room.house.store).report(1, "id")  # as it was made
    assert done.location not in stored
    fault = page.post("/petugas/bank/kalibrasi", {"mode": "online", "wave": room.wave}).text
    assert "tidak ada butir uji coba" in fault
    assert "there is" not in fault
