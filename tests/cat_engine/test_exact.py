"""The solver behind shadow tests is exact: against enumeration, and against the full model in HiGHS on random moments of random tests."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, milp

from cat_engine import exact, relaxation
from cat_engine.assembly import Assembly
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.exact import System, contenders, maximise, ranking
from cat_engine.families import Floats
from cat_engine.sets import Mask
from tests.cat_engine.worlds import World, make_world

RELATIVE = 2e-7  # twice what ties may cost
State = tuple[Floats, Mask, list[int]]  # score, items that may enter, items given


def all_tests(assembly: Assembly, score: Floats, may: Mask, given_items: list[int]) -> float | None:
    """The optimum by trying every set of items."""
    n = len(score)
    sets = np.array(list(product((False, True), repeat=n)))
    used = [sets[:, assembly.stimulus == s].any(axis=1) for s in range(assembly.n_stimuli)]
    activity = np.column_stack([sets, *used]).astype(float) @ assembly.matrix.toarray().T
    fits = np.all((activity >= assembly.low - 1e-9) & (activity <= assembly.high + 1e-9), axis=1)
    inside = np.isin(np.arange(n), given_items)
    fits &= sets[:, inside | assembly.forced].all(axis=1) & ~sets[:, ~inside & (~may | assembly.forbidden)].any(axis=1)
    return float((sets[fits] @ score).max()) if np.any(fits) else None


def full_model(assembly: Assembly, score: Floats, may: Mask, given_items: list[int]) -> float:
    """The optimum of the whole program by HiGHS, without reduction, bound, repair or core."""
    low = np.zeros(len(score) + assembly.n_stimuli)
    low[given_items] = 1
    high = np.maximum(low, np.concatenate([may, np.ones(assembly.n_stimuli)]))
    found = milp(
        -np.concatenate([score, np.zeros(assembly.n_stimuli)]),
        integrality=np.ones(len(low)),
        bounds=Bounds(low, high),
        constraints=LinearConstraint(assembly.matrix, assembly.low, assembly.high),
        options={"mip_rel_gap": 0.0},
    )
    return -float(found.fun)


@st.composite
def small_blueprints(draw: st.DrawFn) -> tuple[Assembly, State]:
    """Up to nine items on up to two stimuli under rows of every kind, most of them without a test or with few."""
    n = draw(st.integers(2, 9))
    ids = [f"i{k}" for k in range(n)]
    weights = draw(st.lists(st.integers(0, 9).map(str), min_size=n, max_size=n))
    stimuli = [*draw(st.lists(st.sampled_from(["", "p", "q"]), min_size=n - 1, max_size=n - 1)), "p"]
    low = draw(st.integers(0, 4))
    rows = [BlueprintRow("length", "number", "item", "", low, low + draw(st.integers(0, 3)))]
    listed = st.lists(st.sampled_from(ids), min_size=1, max_size=3, unique=True)
    for k in range(draw(st.integers(0, 4))):
        kind = draw(st.sampled_from(["enemy", "include", "exclude", "allornone", "number", "sum", "stimuli", "per", "of stimuli"]))
        condition = "ID %in% c(" + ", ".join(f'"{i}"' for i in draw(listed)) + ")"
        if kind == "sum":
            rows.append(BlueprintRow(f"r{k}", kind, "item", "W", draw(st.integers(0, 12)), draw(st.integers(12, 25))))
        elif kind == "stimuli":
            rows.append(BlueprintRow(f"r{k}", "number", "stimulus", "", draw(st.integers(0, 1)), draw(st.integers(1, 2))))
        elif kind == "of stimuli":
            other = draw(st.sampled_from(["enemy", "include", "exclude", "allornone"]))
            rows.append(BlueprintRow(f"r{k}", other, "stimulus", draw(st.sampled_from(['STID == "p"', 'STID %in% c("p", "q")']))))
        elif kind == "per":
            rows.append(BlueprintRow(f"r{k}", "number", "item", "per stimulus", draw(st.integers(1, 2)), draw(st.integers(2, 3))))
        else:
            rows.append(BlueprintRow(f"r{k}", kind, "item", condition, draw(st.integers(0, 1)), draw(st.integers(1, 3))))
    values = st.one_of(st.floats(-1, 5), st.sampled_from([0.0, 1.0, 1.0, 2.0]))
    score = np.array(draw(st.lists(values, min_size=n, max_size=n)))
    may = np.array(draw(st.lists(st.sampled_from([True, True, True, False]), min_size=n, max_size=n)))
    given_items = draw(st.lists(st.integers(0, n - 1), max_size=2, unique=True))
    return Assembly.of(rows, Content.of(ids, {"W": weights, "STID": stimuli}), n), (score, may, given_items)


@settings(max_examples=100)
@given(small_blueprints())
def test_no_set_of_items_beats_the_test_that_is_found(drawn: tuple[Assembly, State]) -> None:
    assembly, (score, may, given_items) = drawn
    found, best = assembly.solve(score, may, given_items), all_tests(assembly, score, may, given_items)
    assert (found is None) == (best is None)
    if found is not None:
        assert score[found].sum() == pytest.approx(best, rel=RELATIVE, abs=5e-6)
        assert found[given_items].all()
        only_it = found & ~np.isin(np.arange(len(found)), given_items)
        assert all_tests(assembly, score, only_it, np.flatnonzero(found).tolist()) is not None  # it keeps every row


def random_state(world: World, rng: np.random.Generator) -> State:
    """A moment of a test: part of the best test for one ability is given, another ability is estimated now, a fifth of the items is held back."""
    n = len(world.pool)
    may = rng.random(n) > 0.2
    may[list(world.hidden)] = True
    theta = float(rng.normal())
    first = world.assembly.solve(world.info(theta), may)
    assert first is not None
    items = np.flatnonzero(first)
    given_items = rng.choice(items, size=int(rng.integers(0, len(items))), replace=False).tolist()
    return world.info(theta + 0.3 * float(rng.normal())), may, given_items


def agrees_with_the_full_model(count: int, size: int, length: int, *, sets: bool = False, anew: bool = True) -> None:
    for seed in range(count):
        world = make_world(seed // 10, size, length, slack=1 + seed % 3, sets=sets)
        score, may, given_items = random_state(world, np.random.default_rng(1000 + seed))
        found = world.assembly.solve(score, may, given_items)
        assert found is not None
        if anew:  # whatever was solved before
            again = Assembly.of(world.rows, world.pool.content, size).solve(score, may, given_items)
            assert again is not None
            assert found.tolist() == again.tolist()
        assert found[given_items].all()
        assert not np.any(np.delete(found & ~may, given_items))
        assert score[found].sum() == pytest.approx(full_model(world.assembly, score, may, given_items), rel=RELATIVE)
        activity = world.assembly.matrix @ with_stimuli(world.assembly, found)
        assert np.all((activity >= world.assembly.low - 1e-6) & (activity <= world.assembly.high + 1e-6))


def with_stimuli(assembly: Assembly, found: Mask) -> Floats:
    """The items of a test and the stimuli that they bring, [I + G]."""
    used = np.zeros(assembly.n_stimuli)
    used[np.unique(assembly.stimulus[found & (assembly.stimulus >= 0)])] = 1.0
    return np.concatenate([found.astype(float), used])


def test_forty_moments_agree_with_the_full_model() -> None:
    agrees_with_the_full_model(40, 200, 20)


def test_a_dozen_moments_of_item_sets_agree_with_the_full_model() -> None:
    agrees_with_the_full_model(12, 150, 15, sets=True, anew=False)


@pytest.mark.slow
def test_a_thousand_moments_of_a_thousand_items_agree_with_the_full_model() -> None:
    agrees_with_the_full_model(1000, 1000, 40, anew=False)


@pytest.mark.slow
def test_three_hundred_moments_of_item_sets_agree_with_the_full_model() -> None:
    agrees_with_the_full_model(300, 240, 20, sets=True, anew=False)


@pytest.mark.parametrize("sets", [False, True])
def test_without_a_warm_solver_the_tests_are_the_same(monkeypatch: pytest.MonkeyPatch, sets: bool) -> None:
    world = make_world(4, 300, 20, slack=2, sets=sets)
    states = [random_state(world, np.random.default_rng(seed)) for seed in range(3)]
    warm = [world.assembly.solve(*state) for state in states]
    assert relaxation.highs is not None
    monkeypatch.setattr(relaxation, "highs", None)
    for state, test in zip(states, warm, strict=True):
        cold = world.assembly.solve(*state)
        assert cold is not None
        assert test is not None
        assert cold.tolist() == test.tolist()


@pytest.mark.parametrize("sets", [False, True])
def test_past_the_limit_of_nodes_the_whole_program_gives_the_same_tests(monkeypatch: pytest.MonkeyPatch, sets: bool) -> None:
    world = make_world(4, 240, 20, slack=2, sets=sets)
    states = [random_state(world, np.random.default_rng(seed)) for seed in range(4)]
    branched = [world.assembly.solve(*state) for state in states]
    monkeypatch.setattr(exact, "NODES", 0)
    for state, test in zip(states, branched, strict=True):
        searched = world.assembly.solve(*state)
        assert searched is not None
        assert test is not None
        assert searched.tolist() == test.tolist()


def test_a_search_cut_short_at_its_nodes_gives_a_test_that_keeps_the_rows_or_none(monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world(4, 300, 20)
    states = [random_state(world, np.random.default_rng(seed)) for seed in range(6)]
    monkeypatch.setattr(exact, "NODES", 0)
    monkeypatch.setattr(exact, "WHOLE_NODES", 0)
    for state in states:
        found, again = world.assembly.solve(*state), world.assembly.solve(*state)
        assert found is None or world.assembly.system.holds(found)
        assert (found is None and again is None) or np.array_equal(found, again)


def test_the_reduction_keeps_the_best_of_each_class() -> None:
    world = make_world(7, 1000, 8)
    system = world.assembly.system
    value = ranking(system, world.info(0.3))
    keep = contenders(system, value, np.ones(1000, dtype=bool), system.high)
    assert len(keep) < 900
    for i in np.setdiff1d(np.arange(1000), keep).tolist():
        better = keep[(system.classes[keep] == system.classes[i]) & (value[keep] > value[i])]
        allowed = [high for weight, high in zip(system.matrix[:, [i]].toarray().ravel(), system.high, strict=True) if weight == 1]
        assert len(better) >= min(allowed)


def flat_blueprint(n: int = 60) -> Assembly:
    rows = (
        BlueprintRow("n", "number", "item", "", 10, 10), BlueprintRow("x", "number", "item", "X", 1, 2),
        BlueprintRow("y", "number", "item", "Y", 1, 3),
    )  # fmt: skip
    attributes = {"X": [str(k % 6) for k in range(n)], "Y": [str(k // 12) for k in range(n)]}
    return Assembly.of(rows, Content.of([f"i{k}" for k in range(n)], attributes), n)


def test_among_equal_scores_the_best_test_stays_the_best_once_part_of_it_is_given() -> None:
    assembly, score, may = flat_blueprint(), np.ones(60), np.ones(60, dtype=bool)
    first = assembly.solve(score, may)
    assert first is not None
    assert first.sum() == 10
    again = assembly.solve(score, may, np.flatnonzero(first)[:4].tolist())
    assert again is not None
    assert again.tolist() == first.tolist()


def test_of_items_alike_in_all_the_lowest_index_is_taken() -> None:
    assembly = flat_blueprint()
    found = assembly.solve(np.ones(60), np.ones(60, dtype=bool))
    assert found is not None
    assert assembly.system.classes[:12].tolist() == [0, 1, 2, 3, 4, 5] * 2
    for first in range(60):
        twin = first + 6
        if first % 12 < 6:
            assert found[first] >= found[twin]


def test_values_that_are_not_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        flat_blueprint().solve(np.full(60, np.nan), np.ones(60, dtype=bool))


def test_what_no_row_binds_is_taken_where_it_is_worth_something() -> None:
    everything = System.of(sparse.csr_array((0, 4)), np.zeros(0), np.zeros(0))
    value, must, may = np.array([1.0, -1.0, 2.0, 3.0]), np.zeros(4, dtype=bool), np.array([True, True, True, False])
    for system in (everything, System.of(sparse.csr_array([[1.0, 1.0, 0.0, 0.0]]), np.ones(1), np.ones(1))):
        found = maximise(system, value, must, may)
        assert found is not None
        assert found.tolist() == [True, False, True, False]


def test_rows_that_no_whole_numbers_satisfy_have_no_solution() -> None:
    half = System.of(sparse.csr_array([[2.0, 2.0, 2.0]]), np.array([3.0]), np.array([3.0]))
    assert maximise(half, np.ones(3), np.zeros(3, dtype=bool), np.ones(3, dtype=bool)) is None
