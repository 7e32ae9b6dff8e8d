"""Weights of competencies in the A- and c-rule: the closed forms against inverting the posterior precision, and what the weights do to a test."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import Faulty, ItemParams, Pool, Present, Row, Section, TestPlan, dump_plan, load_plan, simulate
from cat_engine.batch import Batch
from cat_engine.engine import ask
from cat_engine.joint import Joint
from cat_engine.randomness import Draws
from cat_engine.select import Moment
from cat_engine.select.variance import AverageVariance, CompositeVariance, Weighted
from cat_engine.state import Answered, Presented, fold
from cat_engine.stop import SectionLength

NAMES = ("A", "B", "C")


def pool_of(n: int = 30) -> Pool:
    rng = np.random.default_rng(1)
    rows = [Row("2pl", float(rng.uniform(0.8, 2.0)), [float(rng.normal())], scale=i % 3) for i in range(n)]
    return Pool.of(tuple(f"i{i}" for i in range(n)), ItemParams.from_rows(rows), NAMES)


POOL = pool_of()


def plan_of(select: Weighted, joint: Joint | None, low: int = 1, high: int = 6, names: tuple[str, ...] = NAMES) -> TestPlan:
    return TestPlan("t", (Section("s", "s", names, low, high, 10.0),), select=select, joint=joint)


def moment_of(batch: Batch) -> Moment:
    return Moment(batch, np.zeros(1, dtype=int), batch.free, np.zeros(1, dtype=int), 8, Draws((1,), (0,)))


def with_covariance(matrix: np.ndarray) -> Moment:
    """A session at ability 0 whose posterior covariance is `matrix`."""
    batch = Batch.begin(plan_of(AverageVariance(), Joint(0.5)), POOL, 1)
    batch.sigma, batch.se = matrix[None], np.sqrt(np.diag(matrix))[None]
    return moment_of(batch)


WEIGHTS = st.lists(st.one_of(st.just(0.0), st.floats(0.1, 5)), min_size=3, max_size=3).filter(any)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 10_000), WEIGHTS, st.floats(0.05, 3))
def test_the_closed_forms_are_what_inverting_the_precision_gives(seed: int, weights: list[float], scale: float) -> None:
    root = np.random.default_rng(seed).normal(size=(3, 3))
    sigma = scale * (root @ root.T + 0.05 * np.eye(3))  # correlations of either sign
    now, w, named = with_covariance(sigma), np.array(weights), dict(zip(NAMES, weights, strict=True))
    a_rule, c_rule = AverageVariance(named).score(now)[0], CompositeVariance(named).score(now)[0]
    for i, information in enumerate(now.info[0]):
        precision = np.linalg.inv(sigma)
        precision[i % 3, i % 3] += information
        after = np.linalg.inv(precision)
        assert w @ np.diag(sigma) - w @ np.diag(after) == pytest.approx(a_rule[i], rel=1e-6, abs=1e-8)
        assert w @ sigma @ w - w @ after @ w == pytest.approx(c_rule[i], rel=1e-6, abs=1e-8)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 1), max_size=12), st.one_of(st.none(), st.floats(0.05, 0.9)), WEIGHTS)
def test_the_item_given_is_the_one_that_brute_force_finds(answers: list[int], rho: float | None, weights: list[float]) -> None:
    w, joint = np.array(weights), None if rho is None else Joint(rho)
    state = fold(3, [event for i, k in enumerate(answers) for event in (Presented(i), Answered(k, 5.0))])
    for rule in (AverageVariance, CompositeVariance):
        plan = plan_of(rule(dict(zip(NAMES, weights, strict=True))), joint)
        batch = Batch.replay(plan, POOL, state.items, state.categories)
        sigma, left = np.linalg.inv(batch.covariance()[0]), []
        for i in range(len(POOL)):
            precision = sigma.copy()
            precision[i % 3, i % 3] += batch.info[0, i]
            after = np.linalg.inv(precision)
            value = w @ np.diag(after) if rule is AverageVariance else w @ after @ w
            left.append(np.inf if i in state.items else value)
        decision = ask(plan, POOL, state)
        assert isinstance(decision, Present)
        assert left[decision.item] == pytest.approx(min(left), rel=1e-9)


def test_equal_weights_are_no_weights() -> None:
    now = with_covariance(np.array([[1.0, 0.6, 0.2], [0.6, 0.8, 0.1], [0.2, 0.1, 0.5]]))
    for rule in (AverageVariance, CompositeVariance):
        np.testing.assert_array_equal(rule().score(now), rule({"A": 1, "C": 1.0}).score(now))
        np.testing.assert_allclose(rule({"A": 3, "B": 3, "C": 3}).score(now), rule().score(now) * (3 if rule is AverageVariance else 9))


def test_a_heavier_competency_is_measured_better() -> None:
    true = np.random.default_rng(1).normal(size=(200, 3))
    for rule in (AverageVariance, CompositeVariance):
        even, heavy = (
            simulate(_total(plan_of(rule(weights), None)), pool_of(90), true, seed=1)
            for weights in ({}, {"A": 6.0})
        )  # fmt: skip
        assert heavy.se[:, 0].mean() < even.se[:, 0].mean() - 0.02
        assert heavy.se[:, 1].mean() > even.se[:, 1].mean() + 0.02


def _total(plan: TestPlan) -> TestPlan:
    """The same with 9 items altogether."""
    return replace(plan, sections=tuple(replace(section, stop=(SectionLength(9),)) for section in plan.sections))


def test_the_composite_is_measured_better_by_its_own_rule() -> None:
    true, w = np.random.default_rng(2).multivariate_normal(np.zeros(3), 0.5 + 0.5 * np.eye(3), size=200), np.array([2.0, 1.0, 0.0])
    weights = dict(zip(NAMES, w.tolist(), strict=True))
    variance = []
    for rule in (CompositeVariance(weights), AverageVariance()):
        plan, pool = _total(plan_of(rule, Joint(0.5))), pool_of(90)
        result = simulate(plan, pool, true, seed=1)
        found = []
        for n in range(len(true)):
            mine = result.step_person == n
            sigma = Batch.replay(plan, pool, result.step_item[mine].tolist(), result.step_category[mine].tolist()).covariance()[0]
            found.append(w @ sigma @ w)
        variance.append(np.mean(found))
    assert variance[0] < 0.97 * variance[1]


@pytest.mark.parametrize("rule", [AverageVariance, CompositeVariance])
@pytest.mark.parametrize("joint", [None, Joint(0.4)])
def test_competencies_without_weight_are_still_measured_and_by_their_good_items(rule: type[Weighted], joint: Joint | None) -> None:
    weights = {"A": 1.0, "B": 0.0, "C": 0.0}
    true = np.random.default_rng(1).normal(size=(60, 3))
    result = simulate(plan_of(rule(weights), joint, 3, 4), POOL, true, seed=1)
    assert (result.count == 4).all()  # A is finished first, and the others get all their items
    if joint is None:
        first = [result.step_item[result.step_person == n][:4] % 3 for n in range(60)]
        assert not np.any(first)
        best = simulate(plan_of(AverageVariance(), None, 3, 4), POOL, true, seed=1)
        # answers differ, which come by position; the first items of the pool would give .08 and .11 more
        np.testing.assert_allclose(result.se[:, 1:].mean(axis=0), best.se[:, 1:].mean(axis=0), atol=0.01)


def text_of(weights: str, more: str = "") -> str:
    return (
        f'name = "x"\n[select]\nname = "c_rule"\nweights = {weights}\n{more}'
        '[[sections]]\ncode = "s"\ncompetencies = ["M.01", "P.01"]\nmin_items = 1\nmax_items = 2\ntime_budget_min = 1\n'
    )


@pytest.mark.parametrize(
    ("weights", "said"),
    [('{"M.02" = 2}', "no competency 'M.02' .competencies of the plan: M.01, P.01"), ('{"M.01" = -1}', "-1 of 'M.01' is not a weight"),
     ('{"M.01" = 0, "P.01" = 0.0}', "every competency has weight 0"), ('{"M.01" = "much"}', "'much' of 'M.01'"),
     ('{"M.01" = inf}', "inf of 'M.01'"), ('{"M.01" = true}', "True of 'M.01'"), ("3", "3 is not a table")],
)  # fmt: skip
def test_weights_that_cannot_be_are_named(weights: str, said: str) -> None:
    with pytest.raises(Faulty, match=said):
        load_plan(text_of(weights))


def test_weights_are_named_beside_other_faults() -> None:
    with pytest.raises(Faulty) as refused:
        load_plan(text_of('{"M.02" = 2}', '[exposure]\nname = "nobody"\n'))
    assert {fault.field for fault in refused.value.faults} == {"weights", "name"}


def test_weights_are_written_back_and_stand_in_a_digest_only_where_they_are() -> None:
    plan = load_plan(text_of('{"M.01" = 2, "P.01" = 0.5}'))
    assert load_plan(dump_plan(plan)) == plan
    assert load_plan(text_of('{"M.01" = 2.0, "P.01" = 0.5}')).digest == plan.digest
    assert "weights" not in dump_plan(plan_of(AverageVariance(), None))
    # as it was before there were weights
    assert plan_of(AverageVariance(), None).digest == "be4f74e95e57a6089ce0652bdda98b76dd7048e1102b0ecabd64286a3a62af5f"
