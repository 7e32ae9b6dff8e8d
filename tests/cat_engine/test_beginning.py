"""How a section begins."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cat_engine import Faulty, ItemParams, Pool, Row, Section, TestPlan, check, information, load_plan, simulate
from cat_engine.batch import Batch
from cat_engine.beginning import Adaptive, AtRandom, AtThetas, GivenItems
from cat_engine.people import attempt_seed
from cat_engine.randomness import Draws
from cat_engine.select import Moment

CRITERIA = {"MFI": "mfi", "bOpt": "urry", "thOpt": "thopt"}


def pool_of(rows: list[Row]) -> Pool:
    return Pool.of(tuple(f"i{i}" for i in range(len(rows))), ItemParams.from_rows(rows), ("A",))


def plan_of(length: int, **options: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A",), length, length, 1.0),), **options)


def test_first_items_are_those_of_catr(golden: Callable[[str], Any]) -> None:
    reference = golden("catr_start.json")
    pool = pool_of([Row("4pl", a, [b], c, d) for a, b, c, d in reference["bank"]])
    for case in reference["cases"]:
        start = AtThetas(tuple(case["theta"]), CRITERIA[case["startSelect"]])
        result = simulate(plan_of(len(case["theta"]), start=start), pool, np.zeros((1, 1)), seed=1)
        assert (result.step_item + 1).tolist() == case["items"]


def test_an_adaptive_start_scores_by_the_selection_rule() -> None:
    pool, plan = pool_of([Row("2pl", a, [b]) for a, b in ((0.8, 0.0), (1.5, 0.1), (1.5, 2.0))]), plan_of(2)
    batch = Batch.begin(plan, pool, 2)
    score = Adaptive().score(Moment(batch, np.arange(2), batch.free, np.zeros(2, dtype=int), 2, Draws((1, 2), (0, 0))), 0)
    info = information(pool.params, 0.0)[0]
    np.testing.assert_allclose(score / score[:, :1], np.stack([info / info[0]] * 2), rtol=1e-12)  # a criterion holds up to a factor


def test_named_items_come_first_and_in_their_order() -> None:
    pool = pool_of([Row("2pl", 1.0 + 0.1 * i, [0.0]) for i in range(8)])
    result = simulate(plan_of(4, start=GivenItems(("i2", "i0"))), pool, np.zeros((2, 1)), seed=1)
    assert result.step_item.tolist() == [2, 0, 7, 6] * 2


def test_a_named_item_that_may_not_be_given_is_passed_over() -> None:
    pool = pool_of([Row("2pl", 1.0, [0.0])] * 4)
    pool = replace(pool, operational=np.array([True, True, False, True]))
    result = simulate(plan_of(2, start=GivenItems(("i2", "i3"))), pool, np.zeros((1, 1)), seed=1)
    assert result.step_item.tolist() == [3, 0]


def test_random_first_items_differ_between_people() -> None:
    pool = pool_of([Row("2pl", 1.0, [0.1 * i]) for i in range(20)])
    result = simulate(plan_of(3, start=AtRandom(1)), pool, np.zeros((60, 1)), seed=1)
    assert len(set(result.step_item[result.step_position == 0].tolist())) > 12


def test_an_unknown_first_item_is_named_by_the_check() -> None:
    pool = pool_of([Row("2pl", 1.0, [0.0])] * 4)
    found = check(plan_of(2, start=GivenItems(("i2", "x9"))), pool)
    assert [(fault.where, fault.field) for fault in found] == [("start", "items")]
    assert "x9" in found[0].message


@pytest.mark.parametrize(
    "table",
    [
        'name = "thetas"\nthetas = []', 'name = "thetas"\nthetas = ["high"]', 'name = "thetas"\nthetas = 1.0',
        'name = "thetas"\ncriterion = "kl"', 'name = "items"\nitems = ["a", "a"]', 'name = "items"\nitems = [1]', 'name = "random"\ncount = 0',
        'name = "first"',
    ],
)  # fmt: skip
def test_a_start_that_cannot_be_is_refused(plan_text: str, table: str) -> None:
    with pytest.raises(Faulty):
        load_plan(plan_text.replace("[exposure]", f"[start]\n{table}\n[exposure]"))


@pytest.mark.parametrize("start", [AtThetas((-1.0, 1.0), "thopt"), GivenItems(("item-004", "item-003")), AtRandom(2)])
def test_live_and_simulator_begin_alike(sit: Callable, plan: TestPlan, mixed_pool: Pool, start: object) -> None:
    mixed = replace(plan, start=start)
    result = simulate(mixed, mixed_pool, np.zeros((3, 3)), seed=4)
    for person in range(3):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, _ = sit(mixed, mixed_pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
