"""The reader's language: figures, times, counts and the minutes follow it; the printed minutes are Indonesian whoever prints them."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from flask_babel import force_locale
from markupsafe import Markup

from cat_engine import Row
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, T0, MakeRoom, Room, finished_room
from tests.webtest.site import Browser, site_of
from webtest.figures import item_figure, level_strip, talent_map
from webtest.formats import day, moment, number
from webtest.minutes import Minutes, minutes_of
from webtest.roster import PerformanceRow
from webtest.scoring import LevelResult
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


def test_the_minutes_on_the_page_are_in_the_readers_language_and_the_printed_ones_are_indonesian(
    light: MakeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = light(2)
    browser = extended(room)
    page = browser.get(f"/petugas/gelombang/{room.wave}/berita-acara").text
    assert "Time extended by 1 minute<" in page
    assert "On Tuesday, 24 November 2026, at" in page
    assert "<div>Proctor 1</div>" in page
    printed: list[Minutes] = []
    print_it = room_pages.minutes_pdf
    monkeypatch.setattr(room_pages, "minutes_pdf", lambda m: (printed.append(m), print_it(m))[1])
    browser.get(f"/petugas/gelombang/{room.wave}/berita-acara.pdf")
    assert printed == [minutes_of(room.house, room.wave, T0)]
    assert printed[0].incidents[0].what == "Perpanjangan waktu 1 menit"
    assert printed[0].day == "Selasa, 24 November 2026"


def test_words_with_two_meanings_have_two_translations(light: MakeRoom) -> None:
    room = light(2)
    page = extended(room).get(f"/petugas/gelombang/{room.wave}").text
    assert ">Waves</a>" in page
    assert ">Questions</th>" in page
    assert ">Last answer</th>" in page
