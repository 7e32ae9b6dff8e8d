"""Results of closed waves and the calibration of their answers, on both databases."""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

import webtest
from calibration.pipeline import CalibrationOptions
from cat_engine import Faulty, estimate
from cat_engine.batch import Batch
from tests.webtest.conftest import HOUR, OFFICER, PLAN, T0, MakeRoom, Room, finished_room, open_room
from webtest.config import House
from webtest.models import Norm, Performance
from webtest.refusal import MESSAGES, Refused
from webtest.roster import PerformanceRow
from webtest.services.psychometrics import Psychometrics
from webtest.services.results import Results, log_lines, norms_on
from webtest.session import begin, fold


def results(house: House) -> Results:
    return Results(house.engine, house.store, house.catalog, house.keys)


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, match=f"^{code}$")


def test_a_profile_follows_from_the_log_alone(finished: Room) -> None:
    room, house = finished, finished.house
    kit = house.catalog.kit(room.wave)
    for profile in results(house).wave(room.wave).profiles:
        session = fold(begin(profile.attempt), house.store.events(profile.attempt))
        found = estimate(kit.plan, kit.pool, session.engine)
        assert [r.code for r in (*profile.levels, *profile.aspects)] == ["M.01", "M.02", "P.01"]
        for r in (*profile.levels, *profile.aspects):
            s = kit.pool.competencies.index(r.code)
            assert r.theta == pytest.approx(float(found.theta[s]))
            assert r.n == 2
            assert sum(r.probabilities) == pytest.approx(1)
        assert profile.match is not None
        assert profile.match.jpm == pytest.approx(100 * sum(r.level for r in profile.levels) / sum(r.standard for r in profile.levels))
        assert profile.n_answers == 6
        assert profile.finish_reason
        assert profile.box is None
        assert set(profile.strengths) | set(profile.development) == set(profile.levels)


def test_results_are_of_closed_waves_and_of_people_who_answered(house: House) -> None:
    room = open_room(house, 3)
    for call in (
        lambda: results(house).wave(room.wave),
        lambda: results(house).release(room.wave, actor=OFFICER, now=T0),
        lambda: log_lines(house.engine, house.store, room.wave),
    ):
        with refused("wave_not_closed"):
            call()
    room.enter(room.takers[0], T0)
    room.start(T0)
    room.sit(room.takers[0], T0)
    room.close(T0 + HOUR)
    view = results(house).wave(room.wave)
    assert ([p.attempt for p in view.profiles], view.absent, view.provisional) == (room.ids[:1], 2, True)
    with refused("unknown"):
        results(house).wave("W0")


def test_performance_values_place_people_and_a_second_upload_replaces_the_first(finished: Room) -> None:
    room, house = finished, finished.house
    a, b = room.takers
    service = results(house)
    stranger = PerformanceRow("198504122008121001", 50.0, None)
    assert service.load_performance(room.wave, [PerformanceRow(a.nip, 50.0, None), stranger], actor="user:4", now=T0 + 2 * HOUR) == (1, 1)
    assert service.load_performance(
        room.wave, [PerformanceRow(a.nip, 85.0, 70.0), PerformanceRow(b.nip, 60.0, None)], actor="user:4", now=T0 + 2 * HOUR
    ) == (2, 0)
    view = service.wave(room.wave)
    boxes = {p.nip: p.box for p in view.profiles}
    assert {nip: (box.performance, box.complete) for nip, box in boxes.items() if box} == {a.nip: (85.0, True), b.nip: (60.0, False)}
    assert sum(view.boxes().values()) == 2
    with SqlSession(house.engine) as sql:
        assert len(sql.exec(select(Performance)).all()) == 2


def test_a_release_happens_once_and_is_in_the_log(finished: Room) -> None:
    room, house = finished, finished.house
    results(house).release(room.wave, actor="user:4", now=T0 + 2 * HOUR)
    assert results(house).wave(room.wave).wave.status == "released"
    last = house.store.events(room.wave)[-1]
    assert (last.kind, last.actor, len(last.payload["digest"])) == ("results_released", "user:4", 64)
    with refused("not_now"):
        results(house).release(room.wave, actor="user:4", now=T0 + 3 * HOUR)


def test_the_newest_table_that_is_valid_on_the_day_holds(light: MakeRoom) -> None:
    house = light(1).house
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        sql.add(Norm(kind="potential", valid_from="2026-06-01", source="Aturan baru", body='{"required": 4}'))
    with SqlSession(house.engine) as sql:
        assert [norms_on(sql, day).potential_required for day in ("2026-05-31", "2026-06-01", "2030-01-01")] == [3, 4, 4]
        assert "Aturan baru" in norms_on(sql, "2026-06-01").sources
        with pytest.raises(Faulty, match=r"levels.* valid on 2001-01-01"):
            norms_on(sql, "2001-01-01")


def test_the_table_has_a_row_a_person_and_a_cell_a_column(finished: Room) -> None:
    room, house = finished, finished.house
    header, *rows = results(house).table(room.wave)
    assert [row[0] for row in rows] == [t.nip for t in room.takers]  # in order of name
    assert {len(row) for row in rows} == {len(header)}


def test_scores_of_competencies_taken_together_stand_beside_those_of_each_alone(light: MakeRoom) -> None:
    house = light().house
    apart = results(house).table(finished_room(house).wave)[0]
    assert "theta" in " ".join(map(str, apart))
    assert not any("tanpa pinjaman" in str(head) for head in apart)
    room = finished_room(house, 2, PLAN.replace("[select]", "[joint]\ncorrelation = 0.7\n[select]"))
    header, *rows = results(house).table(room.wave)
    assert {len(row) for row in rows} == {len(header)}
    kit = house.catalog.kit(room.wave)
    for profile, row in zip(results(house).wave(room.wave).profiles, rows, strict=True):
        cell = dict(zip(header, row, strict=True))
        session = fold(begin(profile.attempt), house.store.events(profile.attempt))
        found = estimate(kit.plan, kit.pool, session.engine)
        for s, code in enumerate(kit.pool.competencies):
            own = [k for k, item in enumerate(session.engine.items) if kit.pool.params.scale[item] == s]
            alone = Batch.replay(
                replace(kit.plan, joint=None), kit.pool, [session.engine.items[k] for k in own], [session.engine.categories[k] for k in own]
            )
            assert cell[f"{code} theta tanpa pinjaman"] == pytest.approx(alone.theta[0, s], abs=6e-4)
            assert cell[f"{code} SE tanpa pinjaman"] == pytest.approx(alone.se[0, s], abs=6e-4)
            assert cell[f"{code} theta"] == pytest.approx(found.theta[s], abs=6e-4)
            assert cell[f"{code} SE"] < cell[f"{code} SE tanpa pinjaman"]


def test_the_log_for_checking_from_outside_is_the_log(finished: Room) -> None:
    room, house = finished, finished.house
    lines = list(log_lines(house.engine, house.store, room.wave))
    assert len(lines) == sum(map(len, house.store.wave_events(room.wave).values()))
    mine = [line for line in lines if line["attempt"] == room.ids[0]]
    assert {line["nip"] for line in mine} == {room.takers[0].nip}
    assert [line["hash"] for line in mine] == [e.hash for e in house.store.events(room.ids[0])]


# calibration


def wide(house: House) -> Room:
    """Enough answers for the run to go through all its steps."""
    return finished_room(house, 12)


def test_answers_of_closed_waves_become_responses(finished: Room) -> None:
    room, house = finished, finished.house
    log, dropped = Psychometrics(house.engine, house.store).responses([room.wave])
    assert (len(log), dropped) == (12, {})
    logged = [e.payload for t in room.takers for e in house.store.events(t.attempt) if e.kind == "answered"]
    assert sorted(log.item_ids[i] for i in log.item) == sorted(p["item_id"] for p in logged)
    assert sorted(np.asarray(log.category).tolist()) == sorted(p["category"] for p in logged)


def test_open_unknown_and_empty_waves_are_not_calibrated(house: House) -> None:
    service = Psychometrics(house.engine, house.store)
    room = open_room(house, 1)
    for waves, code in (([], "no_answers"), ([room.wave], "wave_not_closed"), (["W0"], "unknown")):
        with refused(code):
            service.responses(waves)
    room.close(T0 + HOUR)
    with refused("no_answers"):
        service.responses([room.wave])


def test_a_calibration_run_is_kept_with_its_report_and_changes_no_published_bank(house: House) -> None:
    room = wide(house)
    service = Psychometrics(house.engine, house.store)
    before = service.bank()[0].digest
    run_id, proposal = service.calibrate([room.wave], CalibrationOptions(mode="anchored", girth=False), actor="user:3", now=T0 + 2 * HOUR)
    run = service.run(run_id)
    assert (run.actor, run.base_version) == ("user:3", 1)
    assert [f'<html lang="{code}">' in service.report(run_id, code) for code in ("id", "en")] == [True, True]
    assert proposal.verdicts
    assert service.bank()[0].digest == before
    assert [r.id for r in service.runs()] == [run_id]
    with refused("unknown"):
        service.run(run_id + 1)


def test_every_refusal_code_is_raised_somewhere() -> None:
    """A code that nothing raises is a message that nobody reads."""
    folder = Path(webtest.__file__).parent
    said = {
        node.value
        for path in folder.rglob("*.py")
        if path.name != "refusal.py"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    assert set(MESSAGES) - said == set()
    with pytest.raises(KeyError):
        Refused("no_such_code")
