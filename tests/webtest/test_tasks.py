"""What is computed aside is what is computed here, step by step; a wave's plan that people cannot take to its end is named."""

from dataclasses import asdict, replace

import pytest

from cat_engine import Faulty, Pool, TestPlan, load_plan
from cat_engine.trial import PEOPLE, trial
from itembank.bank import pool_of
from itembank.exchange import read_bank_csv
from tests.webtest.small import BANK, PLAN
from webtest.tasks import TRIED, Preflight, Trial
from webtest.work_apart import apart

LIMITED = PLAN + "[acceptance]\nmax_rmse = 0.9\nmin_reliability = 0.9\n"


@pytest.fixture
def plan() -> TestPlan:
    return load_plan(LIMITED)


@pytest.fixture
def pool(plan: TestPlan) -> Pool:
    return pool_of(read_bank_csv(BANK), plan.competencies)


def test_a_trial_aside_has_the_figures_of_either_version_with_the_same_people(plan: TestPlan, pool: Pool) -> None:
    parent = replace(pool, params=replace(pool.params, a=pool.params.a * 0.5))
    said = [line for line in apart(Trial(plan, pool, parent, 1)) if line]
    steps = [(line["done"], line["total"]) for line in said[:-1]]
    assert steps == [(done, 2 * PEOPLE) for done in range(100, 2 * PEOPLE + 1, 100)]
    new, old = trial(plan, pool, 1), trial(plan, parent, 1)
    assert old.figures["rmse"] > new.figures["rmse"]
    outcome = said[-1]["outcome"]
    assert (outcome["after"], outcome["before"]) == (new.figures, old.figures)
    assert outcome["checks"] == [asdict(check) for check in new.checks]
    assert (outcome["plan_digest"], outcome["people"], outcome["seed"]) == (plan.digest, PEOPLE, 1)


def test_a_version_without_a_parent_is_compared_with_itself(plan: TestPlan, pool: Pool) -> None:
    steps: list[tuple[int, int]] = []
    outcome = Trial(plan, pool, None, 1).run(lambda *step: steps.append(step))
    assert steps[-1] == (PEOPLE, PEOPLE)
    assert outcome["before"] == outcome["after"]


def test_a_preflight_says_of_which_plan_and_pool_people_came_to_the_end(plan: TestPlan, pool: Pool) -> None:
    said = [line for line in apart(Preflight(plan, pool)) if line]
    assert [line["done"] for line in said[:-1]] == [10, 20, 30, TRIED]
    assert said[-1] == {"outcome": {"plan_digest": plan.digest, "pool_digest": pool.digest}}


def test_a_preflight_in_which_people_run_out_of_items_has_no_outcome(pool: Pool) -> None:
    longer = load_plan(PLAN.replace("min_items = 2", "min_items = 5").replace("max_items = 3", "max_items = 9"))
    with pytest.raises(Faulty, match="ran out of items"):
        Preflight(longer, pool).run()
    (said,) = [line for line in apart(Preflight(longer, pool)) if line]
    assert said["faults"][0]["message"] == "simulated people ran out of items"
