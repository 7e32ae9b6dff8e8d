"""Priors of groups and persons: they steer which items come and when a test ends, and the score knows nothing of them."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import (
    Answered,
    Faulty,
    ItemParams,
    NormalPrior,
    Pool,
    Present,
    Presented,
    Row,
    TestPlan,
    ask,
    check,
    dump_plan,
    estimate,
    information,
    load_plan,
    simulate,
    start,
    tell,
)  # fmt: skip
from cat_engine.batch import Batch
from cat_engine.eligibility import Restricted
from cat_engine.people import People
from cat_engine.priors import StartPriors
from cat_engine.simulate import Trial, blocks, run_block
from cat_engine.tally import Tally
from cat_engine.timing import ItemTimes

PRIORS = """
[prior]
person = true
[prior.groups.low]
mean = -0.4
sd = 0.9
[prior.groups.high]
mean = 0.4
sd = 0.9
"""
ONE = '[[sections]]\ncode = "s"\ncompetencies = ["A"]\nmin_items = 1\nmax_items = 60\ntime_budget_min = 30\n'
HIGH, LOW, OWN = NormalPrior(0.4, 0.9), NormalPrior(-0.4, 0.9), NormalPrior(1.5, 0.5)
MIXED = (HIGH, None, LOW, OWN, HIGH, LOW, None, HIGH)


def plan_of(more: str = "", priors: str = PRIORS) -> TestPlan:
    return load_plan(f'name = "t"\n{priors}{more}{ONE}')


@pytest.fixture(scope="module")
def pool() -> Pool:
    rng = np.random.default_rng(3)
    rows = [Row("3pl", float(rng.lognormal(0.1, 0.3)), [float(rng.normal(0, 1.2))], 0.2) for _ in range(300)]
    return Pool.of(tuple(map(str, range(300))), ItemParams.from_rows(rows), ("A",))


def test_a_persons_own_prior_counts_before_that_of_the_group_and_that_before_the_plans() -> None:
    starts = plan_of().starts
    assert [starts.of("high"), starts.of("high", OWN), starts.of("other", OWN), starts.of("other")] == [HIGH, OWN, OWN, None]
    assert replace(starts, person=False).of("high", OWN) == HIGH


def test_a_plan_starting_elsewhere_differs_in_the_prior_alone() -> None:
    plan = plan_of()
    assert plan.starting_at(HIGH) == replace(plan, prior=HIGH, starts=StartPriors())
    assert plan.starting_at(None) is plan
    assert plan.starting_at(NormalPrior()) is plan


def test_a_plan_with_priors_is_written_and_read_back_and_one_without_keeps_its_digest() -> None:
    plan = plan_of()
    assert load_plan(dump_plan(plan)) == plan
    bare = plan_of(priors="")
    assert plan_of(priors="[prior]\nperson = false\n[prior.groups]\n").digest == bare.digest
    assert "groups" not in dump_plan(bare)
    other = plan_of(priors=PRIORS.replace("mean = 0.4", "mean = 0.5"))
    assert len({plan.digest, bare.digest, other.digest, replace(plan, starts=replace(plan.starts, person=False)).digest}) == 4


@pytest.mark.parametrize(
    ("priors", "where", "field"),
    [
        ("[prior.groups.high]\nsd = 0", "prior.groups.high", "sd"),
        ("[prior.groups.high]\nsd = 9", "prior.groups.high", "sd"),
        ("[prior.groups.high]\nmean = 7", "prior.groups.high", "mean"),
        ("[prior.groups.high]\nmean = 'x'", "prior.groups.high", "mean"),
        ("[prior.groups.high]\nskew = 1", "prior.groups.high", "skew"),
        ("[prior.groups.high]\nname = 'uniform'", "prior.groups.high", "name"),
        ("[prior.groups]\nhigh = 3", "prior.groups.high", "name"),
        ("[prior]\ngroups = 3", "prior", "groups"),
        ("[prior]\nperson = 1", "prior", "person"),
        ("[prior]\nname = 'uniform'\nperson = 1", "prior", "person"),
    ],
)
def test_a_prior_that_is_none_is_named(priors: str, where: str, field: str) -> None:
    with pytest.raises(Faulty) as caught:
        plan_of(priors=priors + "\n")
    assert [(fault.where, fault.field) for fault in caught.value.faults] == [(where, field)]


def test_all_faults_of_priors_are_named_at_once() -> None:
    with pytest.raises(Faulty) as caught:
        plan_of(priors="[prior]\nmean = 9\nperson = 2\n[prior.groups.a]\nmean = 8\nsd = -1\n[prior.groups.b]\nsd = 0\n")
    assert len(caught.value.faults) == 5


def test_a_group_prior_that_the_grid_cuts_off_is_named(pool: Pool) -> None:
    plan = plan_of(priors="[prior.groups.high]\nmean = 3\nsd = 1.1\n")
    assert [(f.where, f.field) for f in check(plan, pool)] == [("prior.groups.high", "sd")]
    assert check(plan_of(), pool) == []


@pytest.mark.parametrize("prior", [LOW, HIGH, OWN])
def test_the_first_item_is_the_most_informative_at_the_mean_of_the_prior(pool: Pool, prior: NormalPrior) -> None:
    decision = ask(plan_of().starting_at(prior), pool, start(1))
    assert isinstance(decision, Present)
    assert decision.item == int(np.argmax(information(pool.params, prior.mean)[0]))
    assert (decision.evidence.theta, decision.evidence.se) == (pytest.approx(prior.mean, abs=1e-5), pytest.approx(prior.sd, abs=1e-4))


def test_people_of_different_groups_get_different_first_items_and_one_plan(pool: Pool) -> None:
    result = simulate(plan_of(), pool, np.zeros((3, 1)), 1, priors=(LOW, HIGH, OWN))
    first = result.step_item[result.step_position == 0].tolist()
    assert first == [int(np.argmax(information(pool.params, prior.mean)[0])) for prior in (LOW, HIGH, OWN)]
    assert len(set(first)) == 3


@given(
    seed=st.integers(0, 10_000),
    more=st.sampled_from(["", '[final]\nname = "map"\n', '[final]\nname = "mle"\n', '[interim]\nname = "wle"\n']),
)
@settings(max_examples=12, deadline=None)
def test_equal_answers_get_equal_scores_whatever_the_group(pool: Pool, seed: int, more: str) -> None:
    """The scores that the simulator gives to tests begun at different priors are those of the same answers in a plan without any."""
    plan, true = plan_of(more + "[stop]\nse = 0.5\n"), np.random.default_rng(seed).normal(size=(4, 1))
    result = simulate(plan, pool, true, seed, priors=(HIGH, None, LOW, OWN))
    bare = replace(plan, starts=StartPriors())
    for n in range(4):
        own = result.step_person == n
        scored = Batch.replay(bare, pool, result.step_item[own].tolist(), result.step_category[own].tolist())
        theta, se = scored.final()
        assert (result.theta[n, 0], result.se[n, 0]) == (theta[0, 0], se[0, 0])


def test_the_prior_of_a_group_is_in_the_interim_ability_and_not_in_the_score(pool: Pool) -> None:
    plan, item = plan_of(), 5
    state = tell(tell(start(1), Presented(item)), Answered(1, 1.0))
    asked = {prior: ask(plan.starting_at(prior), pool, state) for prior in (LOW, HIGH)}
    assert asked[LOW].evidence.theta < asked[HIGH].evidence.theta - 0.3
    assert estimate(plan, pool, state).theta == estimate(replace(plan, starts=StartPriors()), pool, state).theta


@pytest.mark.parametrize("block", [1, 3, 500])
def test_the_numbers_do_not_depend_on_who_else_is_simulated(mixed_pool: Pool, plan: TestPlan, block: int) -> None:
    plan = replace(plan, starts=StartPriors((("high", HIGH), ("low", LOW)), person=True))
    true, rng = np.random.default_rng(1).normal(size=(len(MIXED), 3)), np.random.default_rng(2)
    times, tau = ItemTimes(np.full(len(mixed_pool), 2.0), rng.normal(5.4, 0.3, len(mixed_pool))), rng.normal(0, 0.4, len(MIXED))
    together = simulate(plan, mixed_pool, true, 3, priors=MIXED, times=times, tau=tau, block=block)
    assert "time" in {reason for own in together.reasons for reason in own}
    trial = Trial(plan, mixed_pool, 3, times=times)
    for n, prior in enumerate(MIXED):
        alone = run_block(trial, People(true[n : n + 1], tau[n : n + 1], None, n, priors=(prior,)))
        own = together.step_person == n
        assert together.seconds is not None
        assert together.step_seconds is not None
        assert alone.seconds is not None
        assert alone.step_seconds is not None
        assert (together.theta[n].tolist(), together.se[n].tolist()) == (alone.theta[0].tolist(), alone.se[0].tolist())
        assert (list(together.reasons[n]), list(together.stops[n])) == (alone.reasons[0], alone.stops[0])
        assert (
            np.stack([together.step_position[own], together.step_item[own], together.step_category[own]]).tolist()
            == alone.answers[1:].tolist()
        )
        assert np.stack([together.step_theta[own], together.step_se[own]]).tolist() == alone.abilities.tolist()
        assert together.seconds[n].tolist() == alone.seconds[0].tolist()
        assert together.step_seconds[own].tolist() == alone.step_seconds.tolist()


def test_people_with_different_priors_come_in_their_order_from_one_block(mixed_pool: Pool, plan: TestPlan) -> None:
    people = People(np.random.default_rng(1).normal(size=(len(MIXED), 3)), priors=MIXED)
    (block,) = blocks(Trial(plan, mixed_pool, 3), people)
    tally = Tally.of(Trial(plan, mixed_pool, 3), people.true, np.array([0.0]))
    tally.add(block)
    assert block.people.priors == MIXED
    assert tally.people == len(MIXED)
    assert (np.diff(block.answers[0]) >= 0).all()
    np.testing.assert_array_equal(np.bincount(block.answers[0]), block.count.sum(axis=1))


@pytest.mark.parametrize("more", ["", "[joint]\ncorrelation = 0.6\n"])
def test_live_tests_are_the_simulated_ones_for_people_of_every_prior(sit: Callable, mixed_pool: Pool, plan: TestPlan, more: str) -> None:
    own = load_plan(dump_plan(plan) + more)
    answers = np.random.default_rng(4).integers(0, 100, (len(MIXED), len(mixed_pool))) % mixed_pool.params.n_cat
    seeds = tuple(range(len(MIXED)))
    result = simulate(own, mixed_pool, np.zeros((len(MIXED), 3)), 1, answers=answers, seeds=seeds, priors=MIXED)
    for n, prior in enumerate(MIXED):
        state, _ = sit(own.starting_at(prior), mixed_pool, n, lambda _, item, n=n: int(answers[n, item]))
        found = estimate(own, mixed_pool, state)
        assert list(state.items) == result.step_item[result.step_person == n].tolist()
        assert (found.theta.tolist(), found.se.tolist()) == (result.theta[n].tolist(), result.se[n].tolist())


def test_with_competencies_together_the_prior_moves_the_mean_and_the_spread_of_all(mixed_pool: Pool, plan: TestPlan) -> None:
    own = load_plan(dump_plan(plan) + "[joint]\ncorrelation = 0.6\n").starting_at(OWN)
    batch = Batch.begin(own, mixed_pool, 1)
    np.testing.assert_allclose(batch.theta, OWN.mean, atol=1e-9)
    np.testing.assert_allclose(batch.covariance()[0], OWN.sd**2 * np.array([[1, 0.6, 0.6], [0.6, 1, 0.6], [0.6, 0.6, 1]]), atol=1e-9)


def test_exposure_control_that_learns_takes_people_one_by_one_at_their_own_priors(pool: Pool) -> None:
    plan = replace(plan_of("[stop]\nse = 0.6\n"), eligibility=Restricted(0.5))
    result = simulate(plan, pool, np.zeros((4, 1)), 1, priors=(HIGH, HIGH, HIGH, LOW))
    first = result.step_item[result.step_position == 0].tolist()
    best = [int(np.argmax(information(pool.params, prior.mean)[0])) for prior in (HIGH, LOW)]
    assert first[0] == best[0]
    assert first[1] != best[0]  # the first person had it
    assert first[3] == best[1]


def test_priors_for_another_number_of_people_are_refused(pool: Pool) -> None:
    with pytest.raises(ValueError, match="2 priors to start at for 3 people"):
        simulate(plan_of(), pool, np.zeros((3, 1)), 1, priors=(HIGH, LOW))


def halves(apart: float, sd: float, rng: np.random.Generator) -> tuple[np.ndarray, list[NormalPrior]]:
    """4,000 people of two groups, and the priors of their groups."""
    means = np.where(np.arange(4000) % 2 == 1, apart / 2, -apart / 2)
    return means + sd * rng.normal(size=4000), [NormalPrior(float(mean), sd) for mean in means]


def of_their_own(sd: float, rng: np.random.Generator) -> tuple[np.ndarray, list[NormalPrior]]:
    """2,000 people, together N(0, 1), and what is known of each: a mean, to a tenth, with the spread sd around it."""
    means = np.round(np.sqrt(1 - sd**2) * rng.normal(size=2000), 1)
    return means + sd * rng.normal(size=2000), [NormalPrior(float(mean), sd) for mean in means]


@pytest.mark.parametrize(
    ("draw", "apart", "items", "se", "rmse"),
    [(halves, (0.8, 0.9), 12.3, 0.40, 0.40), (halves, (1.6, 0.6), 7.9, 0.50, 0.48), (of_their_own, (0.5,), 4.9, 0.61, 0.60)],
)
def test_priors_save_the_items_that_the_document_says(
    pool: Pool, draw: Callable, apart: tuple[float, ...], items: float, se: float, rmse: float
) -> None:
    """Until the interim se is .40. Simulated twice, mean lengths differ by .2, RMSE by .008 (2,000 people: .6 / sqrt(4,000) = .009)."""
    true, priors = draw(*apart, np.random.default_rng(11))
    plan = plan_of("[stop]\nse = 0.4\n")
    without, own = (simulate(plan, pool, true[:, None], 5, priors=given) for given in (None, priors))
    assert without.length.mean() == pytest.approx(13.2, abs=0.3)
    assert (without.se.mean(), without.rmse[0]) == (pytest.approx(0.39, abs=0.01), pytest.approx(0.39, abs=0.025))
    assert own.length.mean() == pytest.approx(items, abs=0.3)
    assert (own.se.mean(), own.rmse[0]) == (pytest.approx(se, abs=0.01), pytest.approx(rmse, abs=0.025))
