"""The fold and the clock: what an attempt is follows from its events alone, and one function decides all about time, at every border."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtest.events import Entry, Kind, SessionEvent, chain
from webtest.session import GRACE_MS, Phase, Session, begin, clock, fold

BUDGET = 600_000


def events(*steps: tuple[int, Kind, dict[str, object]]) -> list[SessionEvent]:
    out: list[SessionEvent] = []
    start = begin("A1")
    seq, head = 0, start.head
    for at, kind, payload in steps:
        out += chain("A1", seq, head, at, "taker", [Entry(kind, payload)])
        seq, head = seq + 1, out[-1].hash
    return out


def session(*steps: tuple[int, Kind, dict[str, object]]) -> Session:
    return fold(begin("A1"), events(*steps))


ASSIGNED = (0, Kind.ASSIGNED, {"seed": 5})
PIN = (0, Kind.PIN_ISSUED, {"expires_at": 9})
READ = [(0, Kind.CONNECTED, {"device": "pc"}), (0, Kind.IDENTITY_CONFIRMED, {}), (0, Kind.RULES_ACCEPTED, {}), (0, Kind.PRACTISED, {})]
ENTERED = [ASSIGNED, PIN, *READ]
ADMITTED = [*ENTERED, (10, Kind.ADMITTED, {})]


def presented(at: int, item: int = 0) -> tuple[int, Kind, dict[str, object]]:
    return (at, Kind.PRESENTED, {"item": item, "item_id": f"i{item}"})


def answered(at: int, seq: int) -> tuple[int, Kind, dict[str, object]]:
    return (at, Kind.ANSWERED, {"presented_seq": seq, "choice": 0, "category": 0, "rt_ms": 5, "key": "k"})


def paused(at: int) -> tuple[int, Kind, dict[str, object]]:
    return (at, Kind.PAUSED, {"code": "other", "reason": "r"})


def resumed(at: int) -> tuple[int, Kind, dict[str, object]]:
    return (at, Kind.RESUMED, {})


def extended(at: int, minutes: int) -> tuple[int, Kind, dict[str, object]]:
    return (at, Kind.EXTENDED, {"minutes": minutes})


RUNNING = [*ADMITTED, presented(1_000)]
END = 1_000 + BUDGET  # the deadline of RUNNING


@pytest.mark.parametrize(
    ("steps", "now", "phase", "left"),
    [
        ([ASSIGNED], 5, Phase.ABSENT, BUDGET),
        ([ASSIGNED, PIN], 5, Phase.ENTERING, BUDGET),
        ([ASSIGNED, PIN, *READ[:3]], 5, Phase.ENTERING, BUDGET),
        (ENTERED, 5, Phase.WAITING, BUDGET),
        ([*ENTERED, (6, Kind.PIN_REVOKED, {})], 7, Phase.ABSENT, BUDGET),
        (ADMITTED, 99_999_999, Phase.READY, BUDGET),  # no item shown: the clock has not started
        (RUNNING, 1_000, Phase.RUNNING, BUDGET),
        (RUNNING, END - 1, Phase.RUNNING, 1),
        (RUNNING, END, Phase.GRACE, 0),
        (RUNNING, END + GRACE_MS - 1, Phase.GRACE, 0),
        (RUNNING, END + GRACE_MS, Phase.TIME_UP, 0),
        # an extension, also when the time was up already and nobody has touched the attempt
        ([*RUNNING, extended(2_000, 3)], END + 179_999, Phase.RUNNING, 1),
        ([*RUNNING, extended(2_000, 3)], END + 180_000, Phase.GRACE, 0),
        ([*RUNNING, extended(END + 60_000, 3)], END + 60_000, Phase.RUNNING, 120_000),
        ([*ADMITTED, extended(20, 2), presented(1_000)], 1_000, Phase.RUNNING, BUDGET + 120_000),
        # pauses: before the section's first item, within, over the deadline, still on, in the break
        ([*ADMITTED, paused(20)], 5_000, Phase.PAUSED, BUDGET),
        ([*ADMITTED, paused(20), resumed(900), presented(1_000)], 1_000, Phase.RUNNING, BUDGET),
        ([*RUNNING, paused(2_000)], 9_999_999, Phase.PAUSED, BUDGET - 1_000),
        ([*RUNNING, paused(2_000), resumed(50_000)], 50_000, Phase.RUNNING, BUDGET - 1_000),
        ([*RUNNING, paused(2_000), resumed(50_000)], END + 48_000 - 1, Phase.RUNNING, 1),
        ([*RUNNING, paused(2_000), resumed(50_000)], END + 48_000, Phase.GRACE, 0),
        ([*RUNNING, paused(2_000), resumed(3_000), paused(4_000), resumed(6_000)], END + 3_000, Phase.GRACE, 0),
        ([*RUNNING, paused(END + 1_000), resumed(END + 90_000)], END + 90_000, Phase.GRACE, 0),
        ([*RUNNING, paused(END + GRACE_MS), resumed(END + 90_000)], END + 90_000, Phase.TIME_UP, 0),
        # a section's end gives the next one its whole budget: pauses and extensions were of the section before
        (
            [*RUNNING, paused(2_000), resumed(3_000), extended(4_000, 5), (5_000, Kind.SECTION_ENDED, {"reason": "length"})],
            9_000,
            Phase.READY,
            BUDGET,
        ),
        (
            [*RUNNING, (5_000, Kind.SECTION_ENDED, {"reason": "time"}), paused(6_000), resumed(8_000), presented(9_000, 1)],
            9_000,
            Phase.RUNNING,
            BUDGET,
        ),
        ([*RUNNING, (5_000, Kind.FINISHED, {"reason": "proctor"})], 9_000, Phase.FINISHED, BUDGET - 8_000),
        ([*RUNNING, (5_000, Kind.VOID_REQUESTED, {"code": "other", "reason": "r"})], 9_000, Phase.RUNNING, BUDGET - 8_000),
        ([*RUNNING, (5_000, Kind.VOIDED, {"code": "other", "reason": "r"})], 9_000, Phase.VOIDED, BUDGET - 8_000),
        (
            [*RUNNING, (5_000, Kind.FINISHED, {"reason": "proctor"}), (6_000, Kind.VOIDED, {"reason": "r"})],
            9_000,
            Phase.VOIDED,
            BUDGET - 8_000,
        ),
    ],
)
def test_phase_and_time_left(steps: list[tuple[int, Kind, dict[str, object]]], now: int, phase: Phase, left: int) -> None:
    found = clock(now, session(*steps), BUDGET)
    assert (found.phase, found.left_ms) == (phase, left)


def test_the_grace_is_as_long_as_the_caller_says() -> None:
    assert clock(END, session(*RUNNING), BUDGET, grace_ms=0).phase is Phase.TIME_UP


@given(st.lists(st.tuples(st.integers(0, 300_000), st.integers(0, 300_000)), max_size=5), st.integers(0, 5), st.integers(0, 3_000_000))
def test_time_used_is_time_since_the_first_item_less_the_pauses(gaps: list[tuple[int, int]], minutes: int, after: int) -> None:
    steps, at, stood = list(RUNNING), 1_000, 0
    for run, stand in gaps:
        steps += [paused(at + run), resumed(at + run + stand)]
        at, stood = at + run + stand, stood + stand
    if minutes:
        steps.append(extended(at, minutes))
    now = at + after
    left = BUDGET + 60_000 * minutes - (now - 1_000 - stood)
    found = clock(now, session(*steps), BUDGET)
    assert found.left_ms == max(0, left)
    assert (found.phase is Phase.RUNNING) == (left > 0)


def test_of_phases_exactly_one_holds_and_time_only_runs_down() -> None:
    s, seen = session(*RUNNING), []
    for now in range(1_000, END + 20_000, 500):
        found = clock(now, s, BUDGET)
        seen.append((found.phase, -found.left_ms))
    order = [Phase.RUNNING, Phase.GRACE, Phase.TIME_UP]
    assert [order.index(p) for p, _ in seen] == sorted(order.index(p) for p, _ in seen)
    assert [left for _, left in seen] == sorted(left for _, left in seen)


def test_a_repeated_resume_changes_nothing() -> None:
    once, twice = session(*RUNNING, paused(2_000), resumed(3_000)), session(*RUNNING, paused(2_000), resumed(3_000), resumed(4_000))
    assert (once.paused_ms, once.paused_at) == (twice.paused_ms, twice.paused_at) == (1_000, None)


def test_pauses_before_an_item_are_told_apart_from_pauses_on_it() -> None:
    s = session(*RUNNING, paused(2_000), resumed(3_000), answered(4_000, 7), presented(4_000, 1), paused(5_000), resumed(9_000))
    assert s.shown is not None
    assert (s.paused_ms, s.shown.paused_ms) == (5_000, 1_000)


TIMES = st.integers(0, 10_000)
SIMPLE = st.lists(
    st.one_of(
        st.tuples(TIMES, st.just(Kind.ATTENDED), st.fixed_dictionaries({"present": st.booleans()})),
        st.tuples(TIMES, st.sampled_from([Kind.CONNECTED, Kind.MOVE_REQUESTED]), st.fixed_dictionaries({"device": st.sampled_from("ab")})),
        st.tuples(
            TIMES,
            st.sampled_from([Kind.DEVICE_RELEASED, Kind.PIN_ISSUED, Kind.PIN_REVOKED, Kind.RESUMED, Kind.ADMITTED, Kind.NOTED]),
            st.just({}),
        ),
        st.tuples(TIMES, st.just(Kind.PAUSED), st.just({"code": "other"})),
        st.tuples(TIMES, st.just(Kind.EXTENDED), st.fixed_dictionaries({"minutes": st.integers(1, 9)})),
        st.tuples(TIMES, st.just(Kind.VOID_REQUESTED), st.just({"code": "other", "reason": "r"})),
    ),
    max_size=12,
)


@given(SIMPLE, st.integers(0, 14))
def test_the_fold_of_a_prefix_and_then_the_rest_is_the_fold_of_all(steps: list[tuple[int, Kind, dict[str, object]]], cut: int) -> None:
    log = events(ASSIGNED, *steps)
    assert fold(fold(begin("A1"), log[:cut]), log[cut:]) == fold(begin("A1"), log)


@pytest.mark.parametrize("broken", ["gap", "other attempt", "other past"])
def test_the_fold_refuses_an_event_that_does_not_follow(broken: str) -> None:
    log = events(ASSIGNED, PIN, (1, Kind.NOTED, {}))
    wrong = {
        "gap": [log[0], log[2]],
        "other attempt": [log[0], *chain("A2", 1, log[0].hash, 1, "taker", [Entry(Kind.NOTED, {})])],
        "other past": [log[0], *chain("A1", 1, "f" * 64, 1, "taker", [Entry(Kind.NOTED, {})])],
    }[broken]
    with pytest.raises(ValueError, match="does not follow"):
        fold(begin("A1"), wrong)
