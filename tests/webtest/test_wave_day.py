"""The day of a wave: rules of scoring must hold on it, and the page offers today's as it is in Indonesia."""

import pytest
from sqlmodel import Session as SqlSession

from cat_engine import Faulty
from tests.webtest.conftest import OFFICER, PLAN, T0, MakeRoom, finished_room
from tests.webtest.site import Browser, app_of
from webtest.config import House
from webtest.formats import today
from webtest.founding import invented_roster
from webtest.models import Wave
from webtest.services.waves import NewWave


def test_a_wave_of_a_day_without_rules_is_not_made_as_it_would_have_no_results(house: House) -> None:
    for day in ("2023-12-31", "0001-01-01"):
        with pytest.raises(Faulty, match=f"wave, day: no rules .* are valid on {day}"):
            house.waves.create(NewWave("Uji", "Kota", "Aula", day), invented_roster(2), PLAN, actor=OFFICER, now=T0)
    assert house.waves.create(NewWave("Uji", "Kota", "Aula", "2024-01-01"), invented_roster(2), PLAN, actor=OFFICER, now=T0)


def test_a_wave_of_such_a_day_that_was_made_before_does_not_open_and_its_results_say_why(light: MakeRoom) -> None:
    house = light(1).house
    room = finished_room(house)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        wave = sql.get_one(Wave, room.wave)
        wave.day = "2020-02-02"
        sql.add(wave)
    assert any(fault.field == "day" for fault in house.waves.preflight(room.wave))
    found = Browser(app_of(house)).officer("asesor").get(f"/petugas/hasil/{room.wave}")
    assert found.status_code == 422
    assert "tidak ada aturan penilaian yang berlaku pada 2020-02-02" in found.text


def test_today_is_the_day_in_the_zone_not_in_greenwich() -> None:
    evening = 1_795_647_600_000  # 2026-11-25 23:00 UTC
    assert [today(evening, zone) for zone in ("WIB", "WITA", "WIT")] == ["2026-11-26"] * 3
    assert today(evening - 7 * 3_600_000, "WIB") == "2026-11-25"
    assert today(evening - 7 * 3_600_000, "WIT") == "2026-11-26"


def test_a_wave_named_twice_is_calibrated_once(light: MakeRoom) -> None:
    from webtest.services.psychometrics import Psychometrics

    room = finished_room(light(1).house)
    service = Psychometrics(room.house.engine, room.house.store)
    once, twice = (service.responses(waves)[0] for waves in ([room.wave], [room.wave] * 2))
    assert len(once) == len(twice)
