"""Many at once, on both databases: nothing is lost, nothing is doubled, nobody is told that the database failed."""

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import func, select

from itembank.demo import load_demo
from itembank.store import save_version
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, PLAN, SECOND, SECOND_OFFICER, STEPS, T0, MakeRoom, Room, open_room, verify
from webtest.audit import audit_wave
from webtest.config import House
from webtest.events import Entry, Kind
from webtest.founding import invented_roster
from webtest.models import Checkpoint, Person
from webtest.refusal import Refused
from webtest.roster import PerformanceRow
from webtest.services.psychometrics import Psychometrics
from webtest.services.results import Results
from webtest.services.review import Review
from webtest.services.taking import Screen
from webtest.services.waves import NewWave
from webtest.store import RACES, Conflict

NEW = NewWave("Uji", "Kota", "Aula", "2026-11-24")


def at_once(calls: Sequence[Callable[[], object]]) -> list[object]:
    """Run all calls at the same instant; a Refused is given back as its code, anything else is raised."""
    gate = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        gate.wait()
        try:
            return call()
        except Refused as refusal:
            return refusal.code

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("keys", ["same", "different"])
def test_of_posts_of_one_seq_at_once_exactly_one_is_an_answer(room: Room, keys: str) -> None:
    t = room.takers[0]
    screen = room.under_way(T0)[0]
    n = 6

    def post(choice: int, key: str) -> Callable[[], object]:
        return lambda: room.house.taking.answer(*room.who(t), screen.seq, choice, 0, key, T0 + SECOND)

    said = at_once([post(0 if keys == "same" else i % 2, "k" if keys == "same" else f"k{i}") for i in range(n)])
    assert room.kinds(t).count("answered") == 1
    shown = [s for s in said if isinstance(s, Screen)]
    assert {s.seq for s in shown} == {screen.seq + 2}
    assert [s for s in said if not isinstance(s, Screen)] == ([] if keys == "same" else ["already_answered"] * (n - len(shown)))


def test_steps_and_starts_at_once_are_each_written_once(room: Room) -> None:
    t = room.takers[0]
    at_once([lambda: room.log_in(t, T0)] * 4)
    for kind in STEPS:
        at_once([lambda kind=kind: room.house.taking.step(*room.who(t), kind, T0)] * 4)
    at_once([lambda: room.start(T0)] * 4)
    screens = at_once([lambda: room.begin(t, T0)] * 6)
    kinds = room.kinds(t)
    for once in ("connected", "identity_confirmed", "rules_accepted", "practised", "admitted", "presented"):
        assert kinds.count(once) == 1, once
    assert len({s.seq for s in screens if isinstance(s, Screen)}) == 1


def test_of_two_devices_at_once_one_is_bound_and_the_other_asks(room: Room) -> None:
    t = room.takers[0]
    said = at_once([lambda d=d: room.house.taking.login(t.nip, t.pin, d, T0) for d in ("a", "b")])  # type: ignore[misc]
    assert sorted(map(str, said)) == sorted([str((t.attempt, room.wave)), "device_bound"])
    assert room.kinds(t).count("connected") == 1


@pytest.mark.parametrize("seed", range(3))
def test_closing_while_all_are_answering_loses_no_answer_that_was_acknowledged(house: House, seed: int) -> None:
    room = open_room(house, 8)
    screens = room.under_way(T0)
    acknowledged: list[list[int]] = [[] for _ in room.takers]
    refusals: list[str] = []

    def sit(i: int) -> None:
        t, screen = room.takers[i], screens[i]
        for k in range(200):
            try:
                after = room.begin(t, T0 + MINUTE) if screen.name == "ready" else room.answer(t, screen, k % 2, T0 + MINUTE)
            except Refused as refusal:
                refusals.append(refusal.code)
                return
            if screen.name == "item":
                acknowledged[i].append(screen.seq)
            screen = after
            if screen.name == "finished":
                return

    def close() -> None:
        threading.Event().wait(0.02 * (seed + 1))
        room.close(T0 + 2 * MINUTE)

    at_once([*(lambda i=i: sit(i) for i in range(len(room.takers))), close])  # type: ignore[misc]
    assert set(refusals) <= {"stale_item"}  # the closing was first
    for t, seqs in zip(room.takers, acknowledged, strict=True):
        events = house.store.events(t.attempt)
        assert verify(events) is None
        assert [e.payload["presented_seq"] for e in events if e.kind == "answered"] == seqs
        assert events[-1].kind == "finished"
    assert audit_wave(house.engine, house.store, room.wave, house.keys).findings == ()


def test_acts_on_a_room_while_all_are_answering(house: House) -> None:
    room = open_room(house, 6)
    screens = room.under_way(T0)
    waves = house.waves
    refusals: list[str] = []

    def sit(i: int) -> None:
        t, screen = room.takers[i], screens[i]
        for _ in range(200):
            try:
                screen = room.answer(t, screen, 0, T0 + MINUTE) if screen.name == "item" else room.begin(t, T0 + MINUTE)
            except Refused as refusal:
                refusals.append(refusal.code)
                screen = room.screen(t, T0 + MINUTE)
            if screen.name == "finished":
                return

    def act() -> None:
        for _ in range(6):
            waves.extend(room.wave, room.ids, 1, "other", "x", actor=OFFICER, now=T0 + MINUTE)
            waves.pause(room.wave, room.ids, "other", "x", actor=OFFICER, now=T0 + MINUTE)
            waves.issue_pins(room.wave, room.ids, actor=OFFICER, now=T0 + MINUTE)
            waves.resume(room.wave, room.ids, actor=SECOND_OFFICER, now=T0 + MINUTE)

    said = at_once([*(lambda i=i: sit(i) for i in range(len(room.takers))), act, act])  # type: ignore[misc]
    assert set(said[:6]) == {None}
    assert set(said[6:]) <= {None, "nobody"}
    assert set(refusals) <= {"paused"}
    for t in room.takers:
        assert verify(house.store.events(t.attempt)) is None


def test_of_closings_openings_and_releases_at_once_one_is_done(house: House) -> None:
    draft = house.waves.create(NEW, invented_roster(2), PLAN, actor=OFFICER, now=T0)
    said = at_once([lambda: house.waves.open(draft, actor=OFFICER, now=T0)] * 3)
    assert sorted(map(str, said)) == ["None", "wave_not_draft", "wave_not_draft"]
    room = open_room(house, 1, name="Lain")
    said = at_once([lambda: room.close(T0 + HOUR)] * 3)
    assert sorted(map(str, said)) == ["None", "wave_not_open", "wave_not_open"]
    results = Results(house.engine, house.store, house.catalog, house.keys)
    said = at_once([lambda: results.release(room.wave, actor=OFFICER, now=T0 + HOUR)] * 3)
    assert sorted(map(str, said)) == ["None", "not_now", "not_now"]
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(func.count()).select_from(Checkpoint).where(Checkpoint.wave_id == room.wave)).one() == 2


def test_waves_of_the_same_people_made_at_once_make_each_person_once(house: House) -> None:
    made = at_once([lambda k=k: house.waves.create(NEW, invented_roster(20)[::k], PLAN, actor=OFFICER, now=T0) for k in (1, -1, 1, -1)])  # type: ignore[misc]
    assert len(set(map(str, made))) == 4
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(func.count()).select_from(Person)).one() == 20


def test_two_confirmations_at_once_void_once_and_the_proposer_never_does(room: Room) -> None:
    waves = room.house.waves
    room.house.waves.request_void(room.wave, room.ids[:1], "other", "x", actor=OFFICER, now=T0)
    actors = (OFFICER, SECOND_OFFICER, "user:3", OFFICER)
    at_once([lambda a=a: waves.confirm_void(room.wave, room.ids[:1], actor=a, now=T0) for a in actors])  # type: ignore[misc]
    voided = [e for e in room.house.store.events(room.ids[0]) if e.kind == "voided"]
    assert len(voided) == 1
    assert voided[0].actor != OFFICER


def test_performance_values_loaded_at_once_are_kept_and_the_log_fits(house: House) -> None:
    room = open_room(house, 4)
    room.close(T0 + HOUR)
    results = Results(house.engine, house.store, house.catalog, house.keys)

    def load(value: float) -> Callable[[], object]:
        return lambda: results.load_performance(
            room.wave, [PerformanceRow(t.nip, value, None) for t in room.takers], actor=OFFICER, now=T0 + HOUR
        )

    assert set(at_once([load(v) for v in (60.0, 70.0, 80.0)])) == {(4, 0)}
    assert audit_wave(house.engine, house.store, room.wave, house.keys).findings == ()


def test_of_two_verdicts_on_a_draft_at_once_the_first_holds(house: House) -> None:
    bank, contents = load_demo()
    held = replace(bank, status=("held", *bank.status[1:]))
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        version = save_version(sql, held, contents, note="", actor="x", now=T0)
    psychometrics, review = Psychometrics(house.engine, house.store), Review(house.engine)
    said = at_once([lambda v=v: review.decide(version, v, actor="x", now=T0) for v in ("publish", "refuse")])  # type: ignore[misc]
    assert sorted(map(str, said)) == ["None", "not_draft"]
    status = next(v.status for v in psychometrics.versions() if v.version == version)
    assert status == ("published" if said[0] is None else "refused")


def test_a_writer_that_loses_every_race_says_so(light: MakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    room = light(1)
    store, attempt = room.house.store, room.ids[0]
    stale = store.load(attempt)
    store.append(stale, room.wave, [Entry(Kind.NOTED, {})], actor="x", now=T0)
    asked = []
    monkeypatch.setattr(store, "load", lambda _: stale)

    def decide(_: object) -> list[Entry]:
        asked.append(1)
        return [Entry(Kind.NOTED, {})]

    with pytest.raises(Conflict):
        store.write(attempt, room.wave, decide, actor="x", now=T0)
    with pytest.raises(Conflict), SqlSession(room.house.engine.execution_options(write=True)) as sql, sql.begin():
        store.write_in(sql, attempt, room.wave, decide, actor="x", now=T0)
    assert len(asked) == 2 * RACES
