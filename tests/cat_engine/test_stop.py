"""Stopping rules: what each looks at, how they combine, and whole tests as in catR and mirtCAT."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from cat_engine import (
    Faulty,
    ItemParams,
    Pool,
    Row,
    Section,
    TestPlan,
    dump_plan,
    load_plan,
    simulate,
)
from cat_engine.batch import Batch
from cat_engine.people import attempt_seed
from cat_engine.select import SELECTION
from cat_engine.stop import BANK, GOING_ON, STOP, AllOf, AnsweringTime, Length, PosteriorSD, reasons, section_reason, verdict
from cat_engine.stop.base import Standing
from cat_engine.stop.classification import ConfidenceInterval, GeneralisedRatio, ProbabilityRatio
from cat_engine.stop.precision import MinimumInformation, PosteriorVariance, PredictedReduction, ThetaChange

RULES = (PosteriorSD(0.4), AnsweringTime(100.0), Length(5))


@dataclass
class Numbers:
    """Just the numbers that simple rules look at."""

    se: np.ndarray
    n: np.ndarray
    seconds: np.ndarray
    theta: np.ndarray | None = None
    previous: np.ndarray | None = None
    most: int = 0


def verdict_of(se: list[float], n: list[int], seconds: float = 0.0, min_items: int = 2) -> list[int]:
    found = verdict(RULES, Numbers(np.array([se]), np.array([n]), np.array([seconds]), most=max(n)), min_items)
    return [GOING_ON] * len(n) if found is None else found[0].tolist()


def test_a_competency_goes_on_until_its_se_is_at_most_the_target() -> None:
    assert verdict_of([0.41, 0.40, 0.39], [3, 3, 3]) == [GOING_ON, 0, 0]


def test_below_the_minimum_no_se_is_small_enough() -> None:
    assert verdict_of([0.1, 0.1], [1, 2]) == [GOING_ON, 0]


def test_at_the_maximum_a_competency_is_finished_whatever_its_se() -> None:
    assert verdict_of([0.9, 0.9, 0.3], [4, 5, 5]) == [GOING_ON, 2, 0]


def test_time_finishes_all_competencies_below_their_minimum_too() -> None:
    assert verdict_of([0.9, 0.3, 0.9], [0, 3, 5], seconds=100.0) == [1, 0, 1]
    assert verdict_of([0.9, 0.3, 0.9], [0, 3, 5], seconds=99.9) == [GOING_ON, 0, 2]


def test_every_end_has_its_reason() -> None:
    assert reasons(RULES, np.array([0, 1, 2, GOING_ON])) == ("precision", "time", "length", BANK)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (("precision", "precision"), "precision"),
        (("precision", "length"), "length"),
        (("precision", "bank", "length"), "bank"),
        (("bank", "time"), "time"),
        (("stable", "precision"), "precision"),
        (("classified", "classified"), "classified"),
        ((), "bank"),
    ],
)
def test_a_section_says_what_bound_it_hardest(found: tuple[str, ...], reason: str) -> None:
    assert section_reason(found) == reason


# single rules


def test_variance_is_the_square_of_the_standard_error() -> None:
    now = Numbers(np.array([[0.5, 0.51]]), np.array([[3, 3]]), np.zeros(1))
    assert PosteriorVariance(0.25).reached(now).tolist() == [[True, False]]


def test_theta_change_needs_two_answers() -> None:
    theta, before = np.array([[0.5, 0.5, 0.5]]), np.array([[0.48, 0.3, np.nan]])
    now = Numbers(theta, np.array([[2, 2, 1]]), np.zeros(1), theta, before)
    assert ThetaChange(0.05).reached(now).tolist() == [[True, False, False]]


def test_all_of_several_rules_must_fire_at_once_and_the_reason_names_them() -> None:
    theta = np.array([[0.5, 0.5]])
    now = Numbers(np.array([[0.3, 0.5]]), np.array([[2, 2]]), np.zeros(1), theta, theta)
    rule = AllOf((PosteriorSD(0.4), ThetaChange(0.05)))
    assert rule.reached(now).tolist() == [[True, False]]
    assert rule.reason == "precision+stable"


def test_a_confidence_interval_must_hold_no_cut() -> None:
    now = Numbers(np.array([[0.3, 0.3, 0.2]]), np.array([[5, 5, 5]]), np.zeros(1), np.array([[0.0, 1.0, 0.0]]))
    assert ConfidenceInterval((-0.5, 0.5), 0.05).reached(now).tolist() == [[False, False, True]]


def standing_after(rows: list[Row], answers: list[int], n_given: int) -> Standing:
    pool = Pool.of(tuple(map(str, range(len(rows)))), ItemParams.from_rows(rows), ("A",))
    batch = Batch.replay(TestPlan("t", ()), pool, range(n_given), answers)
    return Standing(batch, np.zeros(1, dtype=int), np.zeros(1, dtype=int), batch.free, np.zeros(1))


def test_minimum_information_looks_at_the_best_item_left() -> None:
    rows = [Row("2pl", 1.0, [0.0]), Row("2pl", 1.0, [0.0]), Row("2pl", 0.5, [0.0])]
    assert not MinimumInformation(0.2).reached(standing_after(rows, [1], 1))[0, 0]
    assert MinimumInformation(0.2).reached(standing_after(rows, [1, 0], 2))[0, 0]
    assert not MinimumInformation(0.2).reached(standing_after(rows, [1, 0, 1], 3))[0, 0]  # the bank is used up: another reason


def test_of_items_that_differ_in_their_last_bits_the_first_is_the_best_as_where_one_is_chosen() -> None:
    now = standing_after([Row("2pl", 1.0, [0.7]), Row("2pl", 1.0, [0.7 - 1e-14])], [], 0)
    info = now.batch.information(now.rows)[0]
    assert info[1] > info[0]
    assert [found.tolist() for found in now.best] == [[[info[1]]], [[0]]]


def test_predicted_reduction_is_the_fall_of_the_expected_posterior_sd() -> None:
    rows = [Row("2pl", 1.5, [0.0]), Row("2pl", 1.5, [0.1]), Row("2pl", 0.3, [0.0])]
    now = standing_after(rows, [1], 1)
    mepv = -SELECTION.build({"name": "mepv"}, []).score(_moment(now))[0, 1]
    gain = now.se[0, 0] - np.sqrt(mepv)
    for hypo, expected in ((gain * 0.99, False), (gain * 1.01, True)):
        assert PredictedReduction(0.1, hypo, 0.5).reached(now)[0, 0] == expected  # the target is missed
    for hyper, expected in ((gain * 0.99, False), (gain * 1.01, True)):
        assert PredictedReduction(0.99, 0.0, hyper).reached(now)[0, 0] == expected  # the target is reached


def _moment(now: Standing) -> Any:
    from cat_engine.randomness import Draws
    from cat_engine.select import Moment

    return Moment(now.batch, now.rows, now.available, np.array([1]), 5, Draws((1,), (1,)))


@pytest.mark.parametrize(("items", "asked"), [(0, "A"), (5, "Z"), (5, "A")], ids=["no item", "no item of the competency", "items"])
def test_predicted_reduction_ends_for_want_of_items_where_there_are_none(sit: Callable, items: int, asked: str) -> None:
    pool = Pool.of(tuple(map(str, range(items))), ItemParams.from_rows([Row("2pl", 1.0, [0.0])] * items), ("A",))
    plan = TestPlan("t", (Section("s", "s", (asked,), 1, 9, 1.0, stop=(PredictedReduction(0.1, 0.0, 0.0),)),))
    state, _ = sit(plan, pool, 1, lambda _position, _item: 0)
    assert (len(state.items), state.stopped) == (items if asked == "A" else 0, BANK)


@pytest.mark.parametrize("answer", [0, 1])
@pytest.mark.parametrize(("alpha", "beta"), [(0.05, 0.05), (0.2, 0.01)])
def test_the_sequential_test_compares_the_likelihood_on_both_sides_of_the_cut(answer: int, alpha: float, beta: float) -> None:
    rows = [Row("2pl", 1.7, [0.1 * i]) for i in range(40)]
    sign = 1 if answer else -1  # P(wrong) is P(right) with the sign of theta - b turned

    def ratio(k: int) -> float:
        return sum(np.log((1 + np.exp(-1.7 * sign * (0.3 - 0.1 * i))) / (1 + np.exp(-1.7 * sign * (0.7 - 0.1 * i)))) for i in range(k))

    ends = []
    for k in range(1, 41):
        decided = ProbabilityRatio((0.5,), 0.2, alpha, beta).reached(standing_after(rows, [answer] * k, k))[0, 0]
        assert decided == (ratio(k) >= np.log((1 - beta) / alpha) or ratio(k) <= np.log(beta / (1 - alpha)))
        ends.append(decided)
    assert set(ends) == {False, True}


def test_the_generalised_ratio_decides_no_later_than_the_simple_one() -> None:
    rng = np.random.default_rng(5)
    rows = [Row("2pl", 1.5, [float(b)]) for b in rng.normal(0.5, 0.5, 30)]
    sooner = 0
    for seed in range(12):
        answers = (np.random.default_rng(seed).random(30) < (0.85 if seed % 2 else 0.2)).astype(int).tolist()
        ends = []
        for rule in (GeneralisedRatio((0.5,), 0.2), ProbabilityRatio((0.5,), 0.2)):
            reached = (k for k in range(30) if rule.reached(standing_after(rows, answers[: k + 1], k + 1))[0, 0])
            ends.append(next(reached, 30))
        assert ends[0] <= ends[1]
        sooner += ends[0] < ends[1]
    assert sooner > 4


# plans


def test_a_stop_table_survives_being_written_and_read(plan_text: str) -> None:
    stop = "se = 0.4\nsprt = {cuts = [0.5, 1.0], delta = 0.3}\nall = {se = 0.5, theta_change = 0.1, pser = {se = 0.3}}"
    plan = load_plan(plan_text.replace("se = 0.4", stop))
    assert load_plan(dump_plan(plan)) == plan
    assert AllOf((PredictedReduction(0.3), PosteriorSD(0.5), ThetaChange(0.1))) in plan.sections[0].stop


@pytest.mark.parametrize(
    ("stop", "field"),
    [
        ("sprt = 3", "sprt"),
        ("sprt = {}", "sprt.cuts"),
        ("sprt = {cuts = []}", "sprt.cuts"),
        ("sprt = {cuts = [1.0, 0.0]}", "sprt.cuts"),
        ("sprt = {cuts = [0.0], alpha = 0.6}", "sprt.alpha"),
        ("glr = {cuts = [0.0], delta = 0.0}", "glr.delta"),
        ("classify_ci = {cuts = [0.0], level = 3}", "classify_ci.level"),
        ("pser = {se = -1.0}", "pser.se"),
        ("all = 3", ""),
        ("all = {all = {se = 1}}", ""),
        ("all = {sem = 1}", "sem"),
    ],
)
def test_a_stop_rule_that_cannot_be_is_named(plan_text: str, stop: str, field: str) -> None:
    with pytest.raises(Faulty) as refused:
        load_plan(plan_text.replace("se = 0.4", stop))
    assert field in [fault.field for fault in refused.value.faults]


@pytest.mark.parametrize("name", [name for name in STOP.names if name != "time_s"])
def test_live_and_simulator_stop_alike(sit: Callable, plan: TestPlan, mixed_pool: Pool, name: str) -> None:
    options = {"pser": {"se": 0.45}, "min_info": {"at_most": 0.6}, "theta_change": {"at_most": 0.08}, "variance": {"at_most": 0.2}}
    cuts = {"cuts": [0.3], "alpha": 0.2}
    rule = STOP.build({"name": name, **(cuts if name in ("sprt", "glr", "classify_ci") else options.get(name, {"at_most": 0.45}))}, [])
    mixed = replace(plan, sections=tuple(replace(section, stop=(rule,)) for section in plan.sections))
    result = simulate(mixed, mixed_pool, np.random.default_rng(1).normal(size=(5, 3)), seed=4)
    assert any(rule.reason in stops for stops in result.stops)
    for person in range(5):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, _ = sit(mixed, mixed_pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
        assert state.ended == result.reasons[person]
