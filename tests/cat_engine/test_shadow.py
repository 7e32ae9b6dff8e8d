"""Shadow tests as people meet them: when they are assembled anew, how rows give way, at whose pace seconds count, and which rows conflict."""

import itertools
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import (
    Answered,
    EndSection,
    Faulty,
    ItemParams,
    Pool,
    Present,
    Presented,
    Row,
    Section,
    SectionEnded,
    Stop,
    TestPlan,
    ask,
    check,
    estimate,
    simulate,
    start,
    tell,
)
from cat_engine.batch import Batch
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.conflict import conflict_faults, smallest_conflict
from cat_engine.content import LADDER, ShadowTest
from cat_engine.people import People, attempt_seed
from cat_engine.plan_text import dump_plan, load_plan
from cat_engine.pretest import Pretest
from cat_engine.refresh import last_refresh
from cat_engine.simulate import Trial, run_block
from cat_engine.simulated import Block, Steps
from cat_engine.state import State
from cat_engine.timing import ItemTimes

AREAS, KINDS = 3, 2


def rows_of(*rows: tuple) -> tuple[BlueprintRow, ...]:
    return tuple(BlueprintRow(f"C{k}", *row) for k, row in enumerate(rows, start=1))


def bank(n: int = 60, seed: int = 3, *, sets: bool = False, best: int | None = None, **attributes: list) -> Pool:
    """`best`: an item that everybody would be given."""
    rng = np.random.default_rng(seed)
    items = [Row("2pl", float(rng.uniform(0.8, 1.8)), [float(rng.normal())]) for _ in range(n)]
    if best is not None:
        items[best] = Row("2pl", 4.0, [0.7])
    columns = {"AREA": [k % AREAS for k in range(n)], "KIND": [k // AREAS % KINDS for k in range(n)], **attributes}
    if sets:
        columns["STID"] = [f"s{k // 6}" for k in range(n)]
    ids = tuple(f"i{k}" for k in range(n))
    content = Content.of(ids, {name: [str(v) for v in values] for name, values in columns.items()})
    return replace(Pool.of(ids, ItemParams.from_rows(items), ("A",)), content=content, seconds=rng.uniform(20, 100, n))


def plan_of(rows: tuple[BlueprintRow, ...], length: int = 9, **options: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A",), length, length, 10.0, (), rows),), content=ShadowTest(**options))


LENGTH = ("number", "item", "", 9, 9)
BLUEPRINT = rows_of(LENGTH, ("number", "item", "AREA", 2, 4), ("number", "item", "KIND", 4, 5))
SETS = rows_of(("number", "item", "", 12, 12), ("number", "stimulus", "", 3, 3), ("number", "item", "Per Stimulus", 4, 4))


# when a test is assembled anew


def times(refresh: str, *, positions: tuple = (), interval: int = 1, moves: Sequence[float] = (), threshold: float = 0.0) -> list[int]:
    """The positions, counted from 1, before which a test is assembled in a section of 30."""
    moved = [move > threshold for move in moves]
    found = []
    for k in range(30):
        nothing = np.full(k, -1)
        if last_refresh(refresh, k, positions=positions, interval=interval, moved=lambda j: moved[j - 1], stimuli=nothing) == k:
            found.append(k + 1)
    return found


def test_tests_are_assembled_anew_at_the_positions_of_testdesign() -> None:
    # the schedules that TestDesign 1.7.0's own tests of its refresh policies expect
    assert times("always") == list(range(1, 31))
    assert times("position", positions=(1, 10, 20)) == [1, 10, 20]
    assert times("interval", interval=3) == list(range(1, 31, 3))
    moves = [0.5, 0.05, 0.2, 0.02] * 7 + [0.3]
    assert times("threshold", moves=moves, threshold=0.1) == [1, *(k + 1 for k in range(1, 30) if moves[k - 1] > 0.1)]
    assert times("interval-threshold", interval=3, moves=moves, threshold=0.1) == [
        1,
        *(k + 1 for k in range(3, 30, 3) if moves[k - 1] > 0.1),
    ]


def best_test(plan: TestPlan, pool: Pool, state: State, upto: int) -> np.ndarray:
    """The shadow test before answer `upto`, from first principles: the largest information at the ability of that moment around what was given."""
    batch = Batch.replay(plan, pool, state.items[:upto], state.categories[:upto])
    found = pool.assembly(plan.sections[0].blueprint).solve(batch.info[0], pool.operational, state.items[:upto])
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("options", "anew"),
    [
        ({}, lambda k, _: k >= 0),
        ({"refresh": "position", "positions": (4, 6)}, lambda k, _: k in (0, 3, 5)),
        ({"refresh": "interval", "interval": 3}, lambda k, _: k % 3 == 0),
        ({"refresh": "threshold", "threshold": 0.25}, lambda k, moves: k == 0 or moves[k - 1] > 0.25),
        (
            {"refresh": "interval-threshold", "interval": 2, "threshold": 0.2},
            lambda k, moves: k == 0 or (k % 2 == 0 and moves[k - 1] > 0.2),
        ),
    ],
)
def test_between_refreshes_the_last_test_stands(sit: Callable, options: dict, anew: Callable) -> None:
    pool, plan = bank(), plan_of(BLUEPRINT, **options)
    stood = 0
    for seed in range(4):
        state, _ = sit(plan, pool, seed, lambda position, item, seed=seed: (item + seed + position) % 2)
        theta = [float(Batch.replay(plan, pool, state.items[:k], state.categories[:k]).theta[0, 0]) for k in range(10)]
        moves = np.abs(np.diff(theta))
        for k, item in enumerate(state.items):
            last = max(j for j in range(k + 1) if anew(j, moves))
            test = best_test(plan, pool, state, last)
            assert test[item]
            free = np.setdiff1d(np.flatnonzero(test), state.items[:k])
            info = Batch.replay(plan, pool, state.items[:k], state.categories[:k]).info[0]
            assert (
                item
                == free[np.argmax(np.round(info[free] * Batch.replay(plan, pool, state.items[:k], state.categories[:k]).se[0, 0] ** 2, 12))]
            )
            stood += last < k and not np.array_equal(test, best_test(plan, pool, state, k))
    assert (stood > 0) == bool(options)  # the policies do make a difference here


def test_a_set_is_finished_from_the_test_that_it_was_begun_from(sit: Callable) -> None:
    pool, plan = bank(sets=True), plan_of(SETS, 12, refresh="stimulus")
    assert check(plan, pool) == []
    for seed in range(4):
        state, _ = sit(plan, pool, seed, lambda _, item, seed=seed: (item + seed) % 2)
        sets = np.array(state.items) // 6
        assert [len(list(group)) for _, group in itertools.groupby(sets)] == [4, 4, 4]
        for first in (0, 4, 8):
            test = best_test(plan, pool, state, first)
            assert test[list(state.items[first : first + 4])].all()


@pytest.mark.parametrize(
    ("rows", "options"),
    [
        (BLUEPRINT, {"refresh": "interval", "interval": 4}),
        (BLUEPRINT, {"refresh": "threshold", "threshold": 0.2}),
        (SETS, {"refresh": "stimulus"}),
        (SETS, {}),
    ],
)
def test_live_and_simulator_refresh_alike(sit: Callable, rows: tuple, options: dict) -> None:
    length = int(rows[0].high)
    pool = bank(sets=rows is SETS)
    plan = plan_of(rows, length, **options)
    result = simulate(plan, pool, np.zeros((3, 1)), seed=4)
    for person in range(3):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, decisions = sit(plan, pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
        assert {d.evidence.rung for d in decisions} == {"full"}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"refresh": "sometimes"}, "refresh"),
        ({"refresh": "position"}, "positions"),
        ({"refresh": "position", "positions": (0, 3)}, "positions"),
        ({"refresh": "interval"}, "interval"),
        ({"refresh": "interval", "interval": 0}, "interval"),
        ({"refresh": "threshold"}, "threshold"),
        ({"refresh": "threshold", "threshold": -1.0}, "threshold"),
        ({"threshold": 0.2}, "threshold"),
        ({"refresh": "stimulus", "interval": 3}, "interval"),
    ],
)
def test_a_refresh_policy_that_cannot_be_is_refused(options: dict, field: str) -> None:
    with pytest.raises(Faulty) as refused:
        ShadowTest(**options)
    assert field in [fault.field for fault in refused.value.faults]


def test_refreshing_by_sets_needs_rows_about_sets() -> None:
    assert [fault.field for fault in check(plan_of(BLUEPRINT, refresh="stimulus"), bank(sets=True))] == ["refresh"]


def test_what_was_added_later_leaves_the_digests_of_older_plans_alone() -> None:
    plan = plan_of(BLUEPRINT)
    assert "refresh" not in dump_plan(plan)
    assert "priority" not in dump_plan(plan)
    newer = plan_of(tuple(replace(row, priority=2) for row in BLUEPRINT), refresh="interval", interval=2)
    assert load_plan(dump_plan(newer)) == newer
    assert len({plan.digest, newer.digest, plan_of(BLUEPRINT, refresh="interval", interval=2).digest}) == 3


# how rows give way


def decision_on(rows: tuple[BlueprintRow, ...], pool: Pool, items: tuple[int, ...] = ()) -> Present:
    state = start(1)
    for item in items:
        state = tell(tell(state, Presented(item)), Answered(1, 40.0))
    decision = ask(plan_of(rows), pool, state)
    assert isinstance(decision, Present)
    return decision


def test_rows_of_the_lowest_priority_are_missed_first() -> None:
    pool = bank()
    area = np.array([k % AREAS for k in range(60)])
    pool = replace(pool, operational=area != 0)  # nothing of area 0 is left
    for gives in (2, 3):
        rows = list(
            rows_of(
                LENGTH, ("number", "item", "AREA == 0", 3, 3), ("number", "item", "AREA == 1", 3, 3), ("number", "item", "AREA == 2", 3, 3)
            )
        )
        rows[1] = replace(rows[1], priority=1)
        rows[gives] = replace(rows[gives], priority=1)
        kept = 5 - gives  # the other row of a whole area
        found = pool.assembly(tuple(rows)).solve(np.ones(60), pool.operational, relax=1)
        assert found is not None
        assert np.bincount(area[found], minlength=3)[kept - 1] == 3
        assert found.sum() == 9
        assert decision_on(tuple(rows), pool).evidence.rung == "relaxed"


def test_a_hard_row_is_dropped_only_when_bounds_cannot_help_and_by_priority() -> None:
    pool = bank(best=1)
    enemies = BlueprintRow("E", "enemy", "item", 'ID %in% c("i0", "i1")', priority=7)
    together = BlueprintRow("T", "allornone", "item", 'ID %in% c("i2", "i3")', priority=3)
    rows = (*BLUEPRINT, enemies, together)
    whole = replace(pool, operational=np.arange(60) != 3)
    assert decision_on(rows, whole).evidence.rung == "full"  # i2 stays out
    assert decision_on(rows, whole, (2,)).evidence.rung == "dropped"  # i2 was given, and i3 cannot be
    assert decision_on(BLUEPRINT, whole, (2, 0)).item == 1
    both = decision_on(rows, whole, (2, 0))
    assert both.evidence.rung == "dropped"
    assert both.item != 1  # the enemies are of higher priority, and stand
    assert decision_on(rows, pool, (0, 1)).evidence.rung == "dropped"


AREA_ROWS = [("number", "item", f"AREA == {k}", 0, 9) for k in range(AREAS)]


@st.composite
def blueprints(draw: st.DrawFn) -> tuple[BlueprintRow, ...]:
    """Rows of every kind over the bank of sets, some with tests and some without."""
    length = draw(st.integers(4, 7))
    rows = [("number", "item", "", length, length)]
    listed = st.lists(st.integers(0, 29), min_size=2, max_size=4, unique=True).map(
        lambda at: "ID %in% c(" + ", ".join(f'"i{k}"' for k in at) + ")"
    )
    for _ in range(draw(st.integers(1, 5))):
        kind = draw(st.sampled_from(["enemy", "allornone", "exclude", "number", "sum", "per", "order", "sets"]))
        low = draw(st.integers(0, 3))
        if kind in ("enemy", "allornone", "exclude"):
            rows.append((kind, "item", draw(listed)))
        elif kind == "number":
            rows.append((kind, "item", f"AREA == {draw(st.integers(0, 2))}", low, low + draw(st.integers(0, 2))))
        elif kind == "sum":
            rows.append((kind, "item", "KIND", low, low + 2))
        elif kind == "order":
            rows.append((kind, draw(st.sampled_from(["item", "stimulus"])), "STID"))
        elif kind == "sets":
            rows.append(("number", "stimulus", "", 1, 3))
        else:
            rows.append(("number", "item", "Per Stimulus", 2, 4))
    return tuple(
        BlueprintRow(f"C{k}", *row, priority=draw(st.integers(1, 3))) if len(row) == 5 else BlueprintRow(f"C{k}", *row)
        for k, row in enumerate(rows)
    )


def broken(rows: tuple[BlueprintRow, ...], pool: Pool, items: tuple[int, ...]) -> list[BlueprintRow]:
    """The hard rows that a whole test does not keep, counted here and not by the engine's own compiler."""
    passages = [pool.content.attributes["STID"][item] for item in items]
    found = []
    for row in rows:
        listed = {int(name) for name in re.findall(r"i(\d+)", row.condition)}
        if row.soft:
            continue
        if row.per_stimulus:
            kept = all(row.low <= n <= row.high for n in Counter(passages).values())
        elif row.kind == "order":
            kept = passages == sorted(passages)
        else:
            kept = len(listed & set(items)) in {"enemy": (0, 1), "allornone": (0, len(listed)), "exclude": (0,)}[row.kind]
        if not kept:
            found.append(row)
    return found


@settings(max_examples=25, deadline=None)
@given(blueprints(), st.integers(0, 100))
def test_whatever_the_blueprint_a_test_goes_on_and_keeps_its_hard_rows_until_one_is_dropped(
    rows: tuple[BlueprintRow, ...], seed: int
) -> None:
    pool = bank(30, sets=True)
    plan, state, rungs = plan_of(rows, int(rows[0].high)), start(seed), []
    while isinstance(decision := ask(plan, pool, state), Present):
        rungs.append(decision.evidence.rung)
        state = tell(tell(state, Presented(decision.item)), Answered((decision.item + seed) % 2, 30.0))
    assert len(set(state.items)) == len(state.items) == int(rows[0].high)
    worst = max(rungs, key=LADDER.index)
    if worst in ("full", "relaxed"):
        assert broken(rows, pool, state.items) == []
    if worst == "full":
        assembly = pool.assembly(rows)
        assert assembly.solve(np.ones(30), np.zeros(30, dtype=bool), state.items) is not None


# seconds


TIMED = (*BLUEPRINT, BlueprintRow("time", "time", "item", "", 0, 500))


def paced(pool: Pool, factor: float) -> tuple[State, list[str]]:
    """The live test of somebody who takes `factor` times what is expected, and its rungs."""
    state, rungs = start(2), []
    while isinstance(decision := ask(plan_of(TIMED), pool, state), Present):
        rungs.append(decision.evidence.rung)
        state = tell(tell(state, Presented(decision.item)), Answered(decision.item % 2, factor * float(pool.seconds[decision.item])))
    return state, rungs


def test_a_slow_person_gets_items_that_take_less_time_and_ends_within_the_limit() -> None:
    pool = bank()
    expected = {}
    for factor in (0.7, 1.0, 1.25):
        state, rungs = paced(pool, factor)
        assert set(rungs) == {"full"}
        expected[factor] = float(pool.seconds[list(state.items)].sum())
        assert factor * expected[factor] <= 500 * 1.05  # a speed is estimated, and drawn towards the mean
    assert expected[1.25] < expected[1.0] <= 500
    assert expected[1.25] < expected[0.7]


def test_a_row_of_seconds_counts_what_was_taken_and_what_is_expected_of_the_person() -> None:
    pool = bank()
    assembly = pool.assembly(TIMED)
    high = assembly.limits(np.array([4, 7]), np.array([100.0, 50.0]), np.log(2.0))  # twice as fast as the average
    free = np.array([1, 2, 3])
    row = assembly.matrix[assembly.timed].toarray()[0]
    assert 150 + pool.seconds[free].sum() / 2 - 500 == pytest.approx((row[[4, 7, *free]].sum() - high[assembly.timed][0]) / 2)
    assert pool.assembly(BLUEPRINT).limits(np.array([4]), np.array([100.0]), 0.0) is None


PER_PART = (
    *rows_of(LENGTH, ("number", "item", "AREA", 2, 4), ("time", "item", "KIND == 1", 0, 150)),
    BlueprintRow("all", "time", "item", "", 0, 480),
)


def steps_of(block: Block, person: int) -> Steps:
    """One person's."""
    steps = block.steps
    mine = steps.person == person
    return Steps(*(None if (column := getattr(steps, f.name)) is None else column[mine] for f in fields(Steps)))


def followed(plan: TestPlan, pool: Pool, seed: int, steps: Steps, reasons: Sequence[str]) -> State:
    """The live session that gives the answers of a simulated one, in the time that they took there, cut short where that was."""
    state, left = start(seed), list(zip(steps.item.tolist(), steps.category.tolist(), steps.seconds.tolist(), strict=True))
    while not isinstance(decision := ask(plan, pool, state), Stop):
        if isinstance(decision, EndSection):
            state = tell(state, SectionEnded(decision.reason))
        elif left and decision.item == left[0][0]:
            state = tell(tell(state, Presented(decision.item)), Answered(*left.pop(0)[1:]))
        else:
            assert reasons[state.section] == "time", f"{decision.item} was not given in the simulation"
            state = tell(tell(state, Presented(decision.item)), SectionEnded("time"))
    assert not left
    return state


@pytest.mark.parametrize(
    ("options", "seeded"),
    [
        ({}, True),
        pytest.param({"refresh": "interval", "interval": 3}, True, marks=pytest.mark.slow),
        pytest.param({"refresh": "threshold", "threshold": 0.3}, False, marks=pytest.mark.slow),
    ],
)
def test_live_and_simulator_keep_rows_of_seconds_at_the_same_pace(options: dict, seeded: bool) -> None:
    pool = bank()
    pretest = Pretest(2, 2, 6) if seeded else None
    if seeded:
        new = np.arange(len(pool)) % 7 == 3
        pool = replace(pool, operational=~new, need=np.where(new, 50, 0))
    sections = tuple(Section(code, code, ("A",), 9, 9, budget, (), PER_PART, pretest) for code, budget in (("s", 7.5), ("t", 30.0)))
    plan = TestPlan("t", sections, content=ShadowTest(**options))
    times = ItemTimes(np.full(len(pool), 2.0), np.log(pool.seconds) - 0.125)
    tau = np.array([-0.4, 0.4])
    ran = run_block(Trial(plan, pool, 4, times=times), People(np.zeros((2, 1)), tau))
    for person in range(2):
        mine = steps_of(ran, person)
        state = followed(plan, pool, attempt_seed(4, person), mine, ran.reasons[person])
        assert list(state.items) == mine.item.tolist()
        assert list(state.ended) == ran.reasons[person]
        found = estimate(plan, pool, state)
        assert (found.theta.tolist(), found.se.tolist()) == (ran.theta[person].tolist(), ran.se[person].tolist())
    assert {found[0] for found in ran.reasons} == {"time", "length"}  # some are cut short
    # The pace matters: expected seconds alone, as in a simulation without times, give other items.
    untimed = run_block(Trial(plan, pool, 4), People(np.zeros((2, 1))))
    assert [steps_of(untimed, person).item.tolist() for person in range(2)] != [steps_of(ran, person).item.tolist() for person in range(2)]


def test_asking_again_at_any_pace_gives_the_same_item() -> None:
    pool = bank()
    state, _ = paced(pool, 1.2)
    for k in range(1, 9):
        again = State(2, state.items[:k], state.categories[:k], state.rt_s[:k])
        decision = ask(plan_of(TIMED), pool, again)
        assert isinstance(decision, Present)
        assert decision.item == state.items[k]


def test_a_row_of_seconds_needs_expected_times_and_takes_the_budget_for_its_limit() -> None:
    assert [fault.field for fault in check(plan_of(TIMED), replace(bank(), seconds=None))] == ["time TYPE"]
    text = dump_plan(plan_of(TIMED)).replace("high = 500\n", "").replace("high = 500.0\n", "")
    assert load_plan(text).sections[0].blueprint[-1].high == 600.0


# conflicts


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.lists(st.sets(st.integers(0, 6), min_size=1, max_size=4), max_size=4))
def test_the_smallest_conflict_is_that_of_trying_every_set(count: int, conflicts: list[set[int]]) -> None:
    conflicts = [found for found in conflicts if max(found) < count]
    found = smallest_conflict(count, lambda mask: not any(all(mask[k] for k in conflict) for conflict in conflicts))
    if not conflicts:
        assert found is None
    else:
        assert found is not None
        assert int(found.sum()) == min(len(conflict) for conflict in conflicts)
        assert any(set(np.flatnonzero(found).tolist()) == conflict for conflict in conflicts)


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ((LENGTH, ("number", "item", "AREA", 4, 5)), {"C1", "C2"}),
        ((LENGTH, ("number", "item", "KIND == 1", 31, 40), ("number", "item", "AREA", 0, 9)), {"C2"}),
        ((LENGTH, ("include", "item", 'ID == "i0"'), ("exclude", "item", "AREA == 0"), ("number", "item", "KIND", 1, 8)), {"C2", "C3"}),
        ((LENGTH, ("include", "item", "AREA == 0"), ("enemy", "item", 'ID %in% c("i1", "i2")')), {"C1", "C2"}),
        ((LENGTH, ("allornone", "item", 'ID %in% c("i0", "i3")'), ("include", "item", 'ID == "i0"'), ("exclude", "item", 'ID == "i3"')), {"C2", "C3", "C4"}),
        ((("number", "item", "", 12, 12), ("number", "stimulus", "", 2, 2), ("number", "item", "Per Stimulus", 4, 5)), {"C1", "C2", "C3"}),
        ((("number", "stimulus", "", 11, 12), ("number", "item", "AREA", 0, 9)), {"C1"}),
        ((("include", "stimulus", 'STID == "s1"'), ("exclude", "item", "AREA >= 0"), ("sum", "item", "AREA", 0, 9)), {"C1", "C2"}),
        ((LENGTH, ("order", "item", "AREA"), ("number", "item", "AREA", 3, 3)), set()),
    ],
)  # fmt: skip
def test_a_blueprint_without_a_test_is_named_by_the_fewest_rows_that_conflict(rows: tuple, named: set[str]) -> None:
    faults = conflict_faults(rows_of(*rows), bank(sets=True))
    words = {word for fault in faults for word in fault.message.replace(",", " ").split()}
    assert {word for word in words if word.startswith("C")} == named
    assert len(faults) == (1 if named else 0)


def test_items_come_in_the_order_of_their_stimuli() -> None:
    rows = (*SETS, BlueprintRow("O", "order", "stimulus", "STID"))
    result = simulate(plan_of(rows, 12), bank(sets=True), np.zeros((3, 1)), seed=1)
    sets = result.step_item.reshape(3, 12) // 6
    assert np.all(np.diff(sets, axis=1) >= 0)
    assert all(len(set(test.tolist())) == 3 for test in sets)
