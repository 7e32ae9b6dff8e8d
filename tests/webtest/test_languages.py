"""The reader's language: figures, times, counts, the minutes and the export follow it."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask_babel import force_locale
from markupsafe import Markup
from sqlmodel import Session as SqlSession

from calibration.pipeline import CalibrationOptions
from cat_engine import Row
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, T0, MakeRoom, Room, finished_room
from tests.webtest.site import Browser, site_of
from webtest.figures import item_figure, level_strip, talent_map
from webtest.formats import day, moment, number
from webtest.languages import language as language_of
from webtest.minutes import Minutes, minutes_of, minutes_pdf
from webtest.models import CalibrationReport
from webtest.roster import PerformanceRow
from webtest.scoring import LevelResult
from webtest.services.psychometrics import Psychometrics
from webtest.services.results import Results
from webtest.views import room as room_pages


@contextmanager
def reading(room: Room, language: str) -> Iterator[None]:
    """As within a request of somebody who reads `language`."""
    with site_of(room.house).app.test_request_context(), force_locale(language):
        yield


def test_outside_a_request_texts_are_indonesian() -> None:
    assert (number(-0.5), number(82.54, 1), number(3.0, 0)) == ("-0,50", "82,5", "3")
    assert moment(T0, "WITA", "HH.mm").count(".") == 1
    assert moment(None) == "–"
    assert day("2026-11-24") == "Selasa, 24 November 2026"
    assert day("besok") == "besok"


def test_numbers_days_and_times_are_written_as_the_reader_writes_them(light: MakeRoom) -> None:
    with reading(light(1), "en"):
        assert number(0.5) == "0.50"
        assert day("2026-11-24") == "Tuesday, 24 November 2026"
        english = moment(T0, "WIB", "HH.mm.ss")
    assert english == moment(T0, "WIB", "HH.mm.ss").replace(".", ":")


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("id", ("Fungsi informasi", "kemampuan (theta)", "informasi (tertinggi 0,50)")),
        ("en", ("Information function", "ability (theta)", "information (highest 0.50)")),
    ],
)
def test_the_figures_of_an_item_speak_the_readers_language(light: MakeRoom, language: str, said: tuple[str, ...]) -> None:
    with reading(light(1), language):
        figure = item_figure(Row("2pl", 1.0, (0.0,)))[1]
    assert all(text in figure for text in said)


@pytest.mark.parametrize(
    ("language", "said"),
    [
        ("id", "Perkiraan level 3, standar level 2, peluang memenuhi standar 0,90"),
        ("en", "Estimated level 3, standard level 2, probability of meeting the standard 0.90"),
    ],
)
def test_a_strip_says_its_level_in_the_readers_language(light: MakeRoom, language: str, said: str) -> None:
    result = LevelResult("M.01", 0.0, 0.3, 4, 3, (0.1, 0.0, 0.8, 0.1, 0.0), 2)
    with reading(light(1), language):
        assert f'aria-label="{said}"' in level_strip(result, (-1.5, -0.5, 0.5, 1.5))


def map_of(room: Room) -> Markup:
    service = Results(room.house.engine, room.house.store, room.house.catalog, room.house.keys)
    service.load_performance(room.wave, [PerformanceRow(room.takers[0].nip, 85.0, 70.0)], actor="user:4", now=T0 + 2 * HOUR)
    view = service.wave(room.wave)
    return talent_map(view, view.profiles, lambda profile: profile.attempt)


def test_the_talent_map_counts_one_person_and_several_people(light: MakeRoom) -> None:
    room = finished_room(light(1).house, 1)
    with reading(room, "en"):
        english = map_of(room)
    assert (english.count(">1 person<"), english.count(">0 people<")) == (1, 8)
    assert "probability 0." in english
    assert "Nine-box talent map" in english
    with reading(room, "id"):
        indonesian = map_of(room)
    assert (indonesian.count(">1 orang<"), indonesian.count(">0 orang<")) == (1, 8)
    assert "peluang 0," in indonesian


def extended(room: Room) -> Browser:
    """A room where one minute was given, and a reader of English before it."""
    room.under_way(T0)
    room.house.waves.extend(room.wave, room.ids, 1, "technical.freeze", "komputer macet", actor=OFFICER, now=T0 + MINUTE)
    browser = site_of(room.house).browser().officer("koordinator")
    browser.post("/bahasa/en")
    return browser


def test_the_minutes_are_in_the_readers_language_and_the_indonesian_ones_are_there_to_be_signed(
    light: MakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = light(2)
    browser = extended(room)
    page = browser.get(f"/petugas/gelombang/{room.wave}/berita-acara").text
    assert "Time extended by 1 minute<" in page
    assert "On Tuesday, 24 November 2026, at" in page
    assert "<b>Proctor 1</b>" in page
    printed: list[Minutes] = []
    print_it = room_pages.minutes_pdf
    monkeypatch.setattr(room_pages, "minutes_pdf", lambda m: (printed.append(m), print_it(m))[1])
    path = f"/petugas/gelombang/{room.wave}/berita-acara.pdf"
    assert f'href="{path}?bahasa=id"' in page
    browser.get(path)
    browser.get(f"{path}?bahasa=id")
    assert [m.incidents[0].what for m in printed] == ["Time extended by 1 minute", "Perpanjangan waktu 1 menit"]
    assert printed[0].day == "Tuesday, 24 November 2026"
    assert printed[1] == minutes_of(room.house, room.wave, T0)


@pytest.mark.parametrize(
    ("language", "said", "unsaid"),
    [
        ("id", "Berita acara pelaksanaan tes; Pada hari Selasa, 24 November 2026 bertempat di; Gangguan teknis: Komputer macet. komputer macet", "Terjemahan"),
        ("en", "Minutes of the test; On Tuesday, 24 November 2026, at; Technical fault: Computer frozen. komputer macet; Translation.", ""),
    ],
)  # fmt: skip
def test_the_printed_sheet_says_all_its_texts_in_one_language(
    light: MakeRoom, monkeypatch: pytest.MonkeyPatch, language: str, said: str, unsaid: str
) -> None:
    room = light(2)
    extended(room)
    sheets: list[dict[str, bytes]] = []
    monkeypatch.setattr("webtest.minutes.typst.compile", lambda files: sheets.append(files) or b"")
    with reading(room, language):
        minutes_pdf(minutes_of(room.house, room.wave, T0))
    sheet = sheets[0]["minutes.json"].decode()
    assert all(text in sheet for text in said.split("; "))
    assert not unsaid or unsaid not in sheet


def test_the_export_has_its_header_job_levels_and_categories_in_the_readers_language(light: MakeRoom) -> None:
    room = finished_room(light(2).house, 1)
    service = Results(room.house.engine, room.house.store, room.house.catalog, room.house.keys)
    (indonesian, *own), (english, *same) = (service.table(room.wave, language_of(code)) for code in ("id", "en"))
    assert indonesian[:5] == ["nip", "nama", "jenjang", "unit", f"{str(indonesian[4]).split()[0]} level"]
    assert english[:4] == ["nip", "name", "job level", "unit"]
    assert {"kategori", "kotak", "JPM dibatasi"} <= set(indonesian)
    assert {"category", "box", "JPM capped"} <= set(english)
    assert {"P(Cukup Optimal)"} <= set(indonesian)
    assert {"P(Fairly optimal)"} <= set(english)
    at = indonesian.index("kategori")
    assert {(row[at], other[at]) for row, other in zip(own, same, strict=True)} <= {
        ("Kurang Optimal", "Less than optimal"),
        ("Cukup Optimal", "Fairly optimal"),
        ("Optimal", "Optimal"),
    }
    assert [[*row[4:at], *row[at + 1 :]] for row in own] == [[*row[4:at], *row[at + 1 :]] for row in same]


def test_a_calibration_keeps_its_report_and_says_its_reasons_in_each_language(light: MakeRoom) -> None:
    room = finished_room(light(2).house, 2)
    service = Psychometrics(room.house.engine, room.house.store)
    run_id, _proposal = service.calibrate([room.wave], CalibrationOptions(), actor=OFFICER, now=T0 + 2 * HOUR)
    browser = site_of(room.house).browser().officer("psikometrisi")
    path = f"/petugas/bank/kalibrasi/{run_id}"
    indonesian, reasons = browser.get(f"{path}/laporan").text, browser.get(f"{path}/butir.json").text
    assert '<html lang="id">' in indonesian
    assert "belum ada yang menjawab butir ini" in reasons
    browser.post("/bahasa/en")
    english, reasons = browser.get(f"{path}/laporan").text, browser.get(f"{path}/butir.json").text
    assert '<html lang="en">' in english
    assert "<h2>Course of the estimation</h2>" in english
    assert "nobody has answered the item" in reasons
    with SqlSession(room.house.engine.execution_options(write=True)) as sql, sql.begin():  # a report of before there were two
        sql.delete(sql.get_one(CalibrationReport, (run_id, "en")))
    without = browser.get(f"{path}/laporan").text  # but for the link back, which is in the reader's language
    assert without.replace("Calibration result", "Hasil kalibrasi", 2) == indonesian


def test_words_with_two_meanings_have_two_translations(light: MakeRoom) -> None:
    room = light(2)
    page = extended(room).get(f"/petugas/gelombang/{room.wave}").text
    assert ">Waves</a>" in page
    assert ">Questions</th>" in page
    assert ">Last answer</th>" in page
