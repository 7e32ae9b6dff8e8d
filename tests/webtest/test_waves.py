"""The room's use cases on both databases: making a wave, PINs, acts on people, voiding by two officers, closing."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

from cat_engine import Faulty, NormalPrior
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, PLAN, SECOND_OFFICER, T0, MakeRoom, Room, finished_room, open_room, verify
from webtest.config import House
from webtest.events import canonical
from webtest.founding import invented_roster
from webtest.models import Person, Wave
from webtest.refusal import Refused
from webtest.services.psychometrics import Psychometrics
from webtest.services.results import Results
from webtest.services.waves import NewWave
from webtest.session import Session

NEW = NewWave("Uji", "Kota", "Aula", "2026-11-24")


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, match=f"^{code}$")


def results(house: House) -> Results:
    return Results(house.engine, house.store, house.catalog, house.keys)


def state(room: Room, i: int = 0) -> Session:
    return room.house.store.load(room.ids[i])


# making


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", " "),
        ("name", "x" * 201),
        ("agency", ""),
        ("place", ""),
        ("day", ""),
        ("day", "besok"),
        ("day", "2026-02-30"),
        ("day", "2026-1-1"),
        ("day", "20261124"),
        ("day", "2026-11-24T00:00"),
    ],
)
def test_a_wave_with_a_faulty_field_is_not_made(house: House, field: str, value: str) -> None:
    with pytest.raises(Faulty) as caught:
        house.waves.create(replace(NEW, **{field: value}), invented_roster(2), PLAN, actor=OFFICER, now=T0)
    assert [fault.field for fault in caught.value.faults] == [field]
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(Wave)).all() == []
        assert sql.exec(select(Person)).all() == []


def test_a_wave_on_a_plan_that_cannot_be_names_every_fault_and_writes_nothing(house: House) -> None:
    with pytest.raises(Faulty):
        house.waves.create(NEW, invented_roster(2), PLAN.replace('"P.01"', '"P.99"'), actor=OFFICER, now=T0)
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(Wave)).all() == []


def test_a_prior_of_a_group_that_is_no_job_level_makes_no_wave(house: House) -> None:
    with pytest.raises(Faulty) as caught:
        house.waves.create(NEW, invented_roster(2), PLAN + "[prior.groups.kepala]\nmean = 3\nsd = 2\n", actor=OFFICER, now=T0)
    assert [(fault.where, fault.field) for fault in caught.value.faults] == [("prior.groups.kepala", "sd"), ("prior.groups.kepala", "")]


def test_a_roster_with_priors_has_a_digest_of_its_own_and_one_without_keeps_its(house: House) -> None:
    [row] = invented_roster(1)
    waves = [house.waves.create(NEW, [r], PLAN, actor=OFFICER, now=T0) for r in (row, row, replace(row, prior=NormalPrior(0.5, 1.0)))]
    with SqlSession(house.engine) as sql:
        digests = [sql.get_one(Wave, wave).roster_digest for wave in waves]
    listed = canonical([[row.nip, row.name, row.job_level, row.unit, row.room]])
    assert digests[0] == digests[1] == hashlib.sha256(listed.encode()).hexdigest() != digests[2]
    [line] = house.monitor.board(waves[2], T0, fresh=True).lines
    assert "prior" not in house.store.load(line.attempt).terms  # the plan does not ask for persons' priors


def test_a_known_person_is_brought_up_to_date_and_earlier_results_stay_what_they_were(house: House) -> None:
    room = finished_room(house, 1)
    before = results(house).wave(room.wave).profiles[0]
    [row] = invented_roster(1)
    promoted = replace(row, name="Nama Baru", job_level="jpt_madya", unit="Unit Baru")
    house.waves.create(NEW, [promoted], PLAN, actor=OFFICER, now=T0 + HOUR)
    with SqlSession(house.engine) as sql:
        [person] = sql.exec(select(Person)).all()
        assert (person.name, person.job_level, person.unit) == ("Nama Baru", "jpt_madya", "Unit Baru")
    after = results(house).wave(room.wave).profiles[0]
    assert (after.job_level, after.levels, after.match) == (before.job_level, before.levels, before.match)


def test_seats_are_numbered_within_rooms_and_seeds_differ(house: House) -> None:
    roster = [replace(row, room=f"R{i % 2}") for i, row in enumerate(invented_roster(6))]
    wave = house.waves.create(NEW, roster, PLAN, actor=OFFICER, now=T0)
    lines = house.monitor.board(wave, T0, fresh=True).lines
    assert [(line.room, line.seat) for line in lines] == [(r, s) for r in ("R0", "R1") for s in (1, 2, 3)]
    assert len({house.store.load(line.attempt).terms["seed"] for line in lines}) == 6


def test_a_wave_opens_once_and_only_a_whole_one(house: House) -> None:
    empty = house.waves.create(NEW, [], PLAN, actor=OFFICER, now=T0)
    with pytest.raises(Faulty, match="nobody is expected"):
        house.waves.open(empty, actor=OFFICER, now=T0)
    room = open_room(house, 1)
    with refused("wave_not_draft"):
        house.waves.open(room.wave, actor=OFFICER, now=T0)


ACTS: list[Callable[[Room], object]] = [
    lambda r: r.house.waves.issue_pins(r.wave, r.ids, actor=OFFICER, now=T0),
    lambda r: r.house.waves.attend(r.wave, r.ids, True, actor=OFFICER, now=T0),
    lambda r: r.house.waves.start(r.wave, r.ids, actor=OFFICER, now=T0),
    lambda r: r.house.waves.pause(r.wave, r.ids, "other", "x", actor=OFFICER, now=T0),
    lambda r: r.house.waves.resume(r.wave, r.ids, actor=OFFICER, now=T0),
    lambda r: r.house.waves.extend(r.wave, r.ids, 5, "other", "x", actor=OFFICER, now=T0),
    lambda r: r.house.waves.release_device(r.wave, r.ids, "x", actor=OFFICER, now=T0),
    lambda r: r.house.waves.finish(r.wave, r.ids, "other", "x", actor=OFFICER, now=T0),
    lambda r: r.house.waves.close(r.wave, actor=OFFICER, now=T0),
]


@pytest.mark.parametrize("act", ACTS)
def test_no_act_on_a_draft_or_on_a_closed_wave(light: MakeRoom, act: Callable[[Room], object]) -> None:
    room = light(1)
    draft = Room(room.house, room.house.waves.create(NEW, invented_roster(1), PLAN, actor=OFFICER, now=T0))
    room.close(T0 + HOUR)
    for closed in (room, draft):
        before = room.house.store.wave_events(closed.wave)
        with refused("wave_not_open"):
            act(closed)
        assert room.house.store.wave_events(closed.wave) == before


@pytest.mark.parametrize("act", ACTS[:-1])
def test_no_act_reaches_people_of_another_wave(light: MakeRoom, act: Callable[[Room], object]) -> None:
    room = light(1)
    other = open_room(room.house, 1, name="Lain", now=T0 + 1)
    before = room.kinds(room.takers[0])
    with refused("nobody"):
        act(Room(room.house, other.wave, room.takers))
    assert room.kinds(room.takers[0]) == before


@pytest.mark.parametrize(("code", "reason"), [("", "x"), ("rubbish", "x"), ("other", ""), ("other", "   ")])
def test_acts_that_need_a_reason_refuse_without_one(light: MakeRoom, code: str, reason: str) -> None:
    room, waves = light(1), light(1).house.waves
    for call in (
        lambda: waves.pause(room.wave, room.ids, code, reason, actor=OFFICER, now=T0),
        lambda: waves.extend(room.wave, room.ids, 5, code, reason, actor=OFFICER, now=T0),
        lambda: waves.finish(room.wave, room.ids, code, reason, actor=OFFICER, now=T0),
        lambda: waves.note(room.wave, code, reason, actor=OFFICER, now=T0),
        lambda: waves.request_void(room.wave, room.ids, code, reason, actor=OFFICER, now=T0),
    ):
        with refused("reason_missing"):
            call()


@pytest.mark.parametrize("minutes", [-5, 0, 121, 10**9])
def test_extensions_are_one_to_120_minutes(light: MakeRoom, minutes: int) -> None:
    room = light(1)
    with refused("minutes_wrong"):
        room.house.waves.extend(room.wave, room.ids, minutes, "other", "x", actor=OFFICER, now=T0)


def test_an_act_tells_for_each_person_whether_it_was_done(room: Room) -> None:
    room.enter(room.takers[0], T0)
    room.start(T0)
    done = room.house.waves.pause(room.wave, room.ids, "other", "x", actor=OFFICER, now=T0)
    assert {o.attempt: (o.done, o.code) for o in done} == {room.ids[0]: (True, ""), room.ids[1]: (False, "not_now")}
    again = room.house.waves.pause(room.wave, room.ids[:1], "other", "x", actor=OFFICER, now=T0)
    assert not again[0].done


def test_whoever_has_logged_in_cannot_be_marked_absent(room: Room) -> None:
    room.log_in(room.takers[0], T0)
    done = {o.attempt: o.done for o in room.house.waves.attend(room.wave, room.ids, False, actor=OFFICER, now=T0)}
    assert done == {room.ids[0]: False, room.ids[1]: True}


def test_a_finished_person_gets_no_new_pin(room: Room) -> None:
    room.under_way(T0)
    room.house.waves.finish(room.wave, room.ids[:1], "examinee.illness", "sakit", actor=OFFICER, now=T0 + MINUTE)
    cards = room.house.waves.issue_pins(room.wave, room.ids, actor=OFFICER, now=T0 + MINUTE)
    assert [card.nip for card in cards] == [room.takers[1].nip]
    with refused("nobody"):
        room.house.waves.issue_pins(room.wave, room.ids[:1], actor=OFFICER, now=T0 + MINUTE)
    assert state(room).finish_reason == "proctor"


# closing


def test_closing_ends_who_is_under_way_and_says_why(house: House) -> None:
    room = open_room(house, 4)
    done, late, busy, absent = room.takers
    for t in (done, late, busy):
        room.enter(t, T0)
    room.start(T0)
    room.begin(late, T0)
    room.sit(done, T0)
    room.begin(busy, T0 + 9 * MINUTE)
    room.close(T0 + 11 * MINUTE)
    assert [state(room, i).finish_reason for i in range(4)] == ["length", "proctor", "proctor", None]
    assert room.kinds(late)[-2:] == ["section_ended", "finished"]
    assert room.kinds(busy)[-1] == "finished"
    assert "finished" not in room.kinds(absent)
    closed = house.store.events(room.wave)[-1]
    assert closed.payload == {"expected": 4, "tested": 3}
    assert all(verify(events) is None for events in house.store.wave_events(room.wave).values())


def test_after_closing_nobody_enters_answers_or_goes_a_step_further(house: House) -> None:
    room = open_room(house, 3)
    busy, reading, outside = room.takers
    room.enter(busy, T0)
    room.log_in(reading, T0)
    room.start(T0)
    room.house.waves.start(room.wave, room.ids, actor=OFFICER, now=T0)
    screen = room.begin(busy, T0)
    room.close(T0 + MINUTE)
    before = house.store.wave_events(room.wave)
    with refused("stale_item"):
        room.answer(busy, screen, 0, T0 + MINUTE)
    with refused("login_failed"):
        room.log_in(outside, T0 + MINUTE)
    with refused("wave_not_open"):
        house.taking.step(*room.who(reading), "identity_confirmed", T0 + MINUTE)  # type: ignore[arg-type]
    assert room.screen(busy, T0 + MINUTE).name == "finished"
    assert house.store.wave_events(room.wave) == before


# voiding


def void(room: Room, first: str = OFFICER, second: str = SECOND_OFFICER, now: int = T0 + HOUR) -> None:
    room.house.waves.request_void(room.wave, room.ids[:1], "examinee.behaviour", "menyontek", actor=first, now=now)
    room.house.waves.confirm_void(room.wave, room.ids[:1], actor=second, now=now + 1)


def test_voiding_takes_two_officers(room: Room) -> None:
    waves = room.house.waves
    screens = room.under_way(T0)
    assert not waves.confirm_void(room.wave, room.ids[:1], actor=SECOND_OFFICER, now=T0)[0].done  # nothing was proposed
    assert waves.request_void(room.wave, room.ids[:1], "examinee.behaviour", "menyontek", actor=OFFICER, now=T0)[0].done
    assert waves.request_void(room.wave, room.ids[:1], "other", "lagi", actor=SECOND_OFFICER, now=T0)[0].code == "not_now"
    same = waves.confirm_void(room.wave, room.ids[:1], actor=OFFICER, now=T0)
    assert [(o.done, o.code) for o in same] == [(False, "same_person")]
    screens[0] = room.answer(room.takers[0], screens[0], 0, T0 + 1)  # a proposal changes nothing yet
    assert waves.confirm_void(room.wave, room.ids[:1], actor=SECOND_OFFICER, now=T0 + 2)[0].done
    last = room.house.store.events(room.ids[0])[-1]
    assert (last.kind, last.actor) == ("voided", SECOND_OFFICER)
    assert last.payload == {"code": "examinee.behaviour", "reason": "menyontek", "requested_by": OFFICER}
    assert room.screen(room.takers[0], T0 + 3).name == "voided"
    with refused("stale_item"):
        room.answer(room.takers[0], screens[0], 0, T0 + 3)
    assert not waves.request_void(room.wave, room.ids[:1], "other", "lagi", actor=OFFICER, now=T0)[0].done
    room.close(T0 + 4)
    assert state(room).finished_at is None


def test_who_was_voided_is_in_no_result_and_in_no_calibration(finished: Room) -> None:
    room, house = finished, finished.house
    psychometrics = Psychometrics(house.engine, house.store)
    before, _ = psychometrics.responses([room.wave])
    void(room, now=T0 + 2 * HOUR)
    view = results(house).wave(room.wave)
    assert [p.attempt for p in view.profiles] == room.ids[1:]
    after, dropped = psychometrics.responses([room.wave])
    assert (len(before), len(after), dropped) == (12, 6, {"dibatalkan": 6})


def test_voiding_after_closing_seals_the_log_anew_and_ends_with_the_release(finished: Room) -> None:
    from webtest.audit import audit_wave

    room, house = finished, finished.house
    void(room, now=T0 + 2 * HOUR)
    report = audit_wave(house.engine, house.store, room.wave, house.keys)
    assert (report.findings, report.checkpoints) == ((), 3)
    results(house).release(room.wave, actor="user:4", now=T0 + 3 * HOUR)
    with refused("not_now"):
        house.waves.request_void(room.wave, room.ids[1:], "other", "x", actor=OFFICER, now=T0 + 4 * HOUR)


def test_notes_are_kept_with_their_reason(room: Room) -> None:
    room.house.waves.note(room.wave, "environment.weather", "  banjir  ", actor=OFFICER, now=T0)
    last = room.house.store.events(room.wave)[-1]
    assert (last.kind, dict(last.payload)) == ("incident", {"code": "environment.weather", "reason": "banjir"})
    with refused("unknown"):
        room.house.waves.note("W0", "other", "x", actor=OFFICER, now=T0)
