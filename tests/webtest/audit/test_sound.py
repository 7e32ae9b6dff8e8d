"""The audit of what a live server wrote: it holds, whatever happened in the wave."""

import pytest

from cat_engine import Decision, Estimate, Pool, State, TestPlan, look
from itembank.demo import plan_text
from tests.conftest import Place
from tests.webtest.audit.forging import audit, results
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, SECOND_OFFICER, T0, Room, finished_room, open_room
from webtest.audit import audit_wave
from webtest.checkpoints import seal_due
from webtest.config import House
from webtest.refusal import Refused
from webtest.roster import PerformanceRow


def test_sessions_answered_at_random_on_the_whole_plan_hold(house: House) -> None:
    room = open_room(house, 3, plan_text())
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0)
    ends = [room.sit(t, T0, seed=i) for i, t in enumerate(room.takers)]
    seal_due(house.engine, house.keys, max(ends))
    room.close(max(ends) + 5 * MINUTE)
    report = audit(room)
    assert report.findings == ()
    presented = sum(e.kind == "presented" for t in room.takers for e in house.store.events(t.attempt))
    assert (report.attempts, report.decisions, report.checkpoints) == (3, presented, 2)
    assert presented > 60


def test_a_day_with_all_that_can_happen_holds(house: House) -> None:
    """Pauses, extensions, time that runs out, a moved PC, an ended test, an absentee, a voided attempt, performance values, a release."""
    waves = house.waves
    room = open_room(house, 6)
    late, paused, moved, ended, voided, _absent = room.takers
    for t in room.takers[:5]:
        room.enter(t, T0)
    room.start(T0)
    screens = {t.attempt: room.begin(t, T0) for t in room.takers[:5]}
    room.answer(late, screens[late.attempt], 0, T0 + 10 * MINUTE + 4_999)  # in the grace
    room.begin(late, T0 + 12 * MINUTE)
    waves.pause(room.wave, [paused.attempt], "environment.power", "padam", actor=OFFICER, now=T0 + MINUTE)
    waves.resume(room.wave, [paused.attempt], actor=OFFICER, now=T0 + 20 * MINUTE)
    waves.extend(room.wave, [paused.attempt], 5, "other", "x", actor=OFFICER, now=T0 + 20 * MINUTE)
    room.answer(paused, screens[paused.attempt], 0, T0 + 33 * MINUTE)
    with pytest.raises(Refused):
        house.taking.login(moved.nip, moved.pin, "other", T0 + MINUTE)
    waves.release_device(room.wave, [moved.attempt], "macet", actor=OFFICER, now=T0 + MINUTE)
    moved.device = "other"
    room.log_in(moved, T0 + MINUTE)
    room.sit(moved, T0 + MINUTE)
    room.answer(ended, screens[ended.attempt], 0, T0 + MINUTE)
    waves.finish(room.wave, [ended.attempt], "examinee.illness", "sakit", actor=OFFICER, now=T0 + 2 * MINUTE)
    waves.request_void(room.wave, [voided.attempt], "examinee.behaviour", "x", actor=OFFICER, now=T0 + 2 * MINUTE)
    waves.note(room.wave, "other", "catatan", actor=OFFICER, now=T0 + 2 * MINUTE)
    room.close(T0 + 40 * MINUTE)
    waves.confirm_void(room.wave, [voided.attempt], actor=SECOND_OFFICER, now=T0 + HOUR)
    waves.note(room.wave, "other", "catatan sesudah", actor=OFFICER, now=T0 + HOUR)
    results(room).load_performance(room.wave, [PerformanceRow(late.nip, 80.0, None)], actor="user:4", now=T0 + 2 * HOUR)
    results(room).release(room.wave, actor="user:4", now=T0 + 2 * HOUR)
    report = audit(room)
    assert report.findings == ()
    assert report.checkpoints == 5
    assert report.root


def test_an_open_wave_can_be_audited_too(room: Room) -> None:
    room.under_way(T0)
    report = audit(room)
    assert (report.findings, report.root, report.checkpoints) == ((), "", 0)


def test_the_engine_is_asked_once_of_each_state(lite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[State] = []

    def counted(plan: TestPlan, pool: Pool, state: State) -> tuple[Decision, Estimate]:
        asked.append(state)
        return look(plan, pool, state)

    house = lite.open()
    room = finished_room(house, 1)
    monkeypatch.setattr("webtest.catalog.look", counted)
    report = audit(room)
    house.close()
    assert report.findings == ()
    assert len(asked) == len({str(state) for state in asked}) > report.decisions > 0


def test_a_wave_that_does_not_exist_is_unknown(house: House) -> None:
    with pytest.raises(Refused, match="unknown"):
        audit_wave(house.engine, house.store, "W0", house.keys)
