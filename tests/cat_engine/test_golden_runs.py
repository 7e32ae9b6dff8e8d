"""Whole adaptive tests run as in catR 3.17 (14 plans, 175 people) and in mirtCAT 1.14 (4 plans, 48 people).

Items are the same throughout. Means are those of catR to 1e-12, of mirtCAT, whose quadrature is its own, to 1e-6. Abilities that are roots hold to 1e-4:
both search with a wide tolerance (catR up to 3.1e-5 beside the exact root, which is followed), and no choice between items turned on it.

While all answers are right or all wrong, catR's fixed steps give no standard error, ours that of the information there.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from cat_engine import Answered, EndSection, ItemParams, Pool, Present, Presented, Row, Section, TestPlan, ask, simulate, start, tell
from cat_engine.beginning import AtThetas
from cat_engine.estimators import Estimator, ExpectedAPosteriori, MaximumAPosteriori, MaximumLikelihood, WeightedLikelihood
from cat_engine.people import attempt_seed
from cat_engine.select import SELECTION
from cat_engine.simulated import SimulationResult
from cat_engine.stop.classification import ConfidenceInterval, ProbabilityRatio
from cat_engine.stop.precision import MinimumInformation, PosteriorSD
from tests.cat_engine.catr import pool_of

METHODS: dict[str, Estimator] = {
    "BM": MaximumAPosteriori(),
    "WL": WeightedLikelihood(),
    "ML": MaximumLikelihood(step=0.4),
    "EAP": ExpectedAPosteriori(),
}
SELECT = {"MFI": "mfi", "thOpt": "thopt", "MPWI": "mpwi", "KLP": "klp", "MEPV": "mepv", "MEI": "mei", "GDIP": "gdip", "bOpt": "urry"}
REASONS = {"classification": "classified", "minInfo": "information", "length": "length", "precision": "precision"}
LIVE = 2  # people of each plan who are asked live, too


def listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def catr_plan(config: dict[str, Any]) -> TestPlan:
    stop = config["stop"]
    found = dict(zip(listed(stop["rule"]), listed(stop["thr"]), strict=True))
    rules: list[Any] = []
    if "classification" in found:
        rules.append(ConfidenceInterval((found["classification"],), stop["alpha"]))
    if "minInfo" in found:
        rules.append(MinimumInformation(found["minInfo"]))
    if "precision" in found:
        rules.append(PosteriorSD(found["precision"]))
    table: dict[str, Any] = {"name": SELECT[config["test"]["itemSelect"]]}
    if table["name"] == "mepv":
        table["predictive"] = False
    if table["name"] == "mei":
        table["info"] = config["test"]["infoType"].lower()
    return TestPlan(
        "golden",
        (Section("s", "s", ("A",), config["min_length"] or 1, found["length"], 1.0, tuple(rules)),),
        interim=METHODS[config["test"]["method"]],
        final=METHODS[config["final"]["method"]],
        select=SELECTION.build(table, []),
        start=AtThetas(tuple(map(float, listed(config["start"]["theta"]))), SELECT[config["start"]["startSelect"]]),
    )


def sat(plan: TestPlan, pool: Pool, examinees: list[dict[str, Any]], answers: np.ndarray) -> SimulationResult:
    """All of them at once; and some live, who get the same."""
    result = simulate(plan, pool, np.zeros((len(answers), 1)), seed=1, answers=answers)
    for person, examinee in enumerate(examinees):
        mine = result.step_person == person
        assert (result.step_item[mine] + 1).tolist() == examinee["items"], f"person {person}"
        state = start(attempt_seed(1, person))
        for item in examinee["items"] if person < LIVE else ():
            decision = ask(plan, pool, state)
            assert isinstance(decision, Present)
            assert decision.item == item - 1
            state = tell(tell(state, Presented(item - 1)), Answered(int(answers[person, item - 1]), 1.0))
        assert person >= LIVE or isinstance(ask(plan, pool, state), EndSection)
    return result


def test_whole_tests_run_as_in_catr(golden: Callable[[str], Any]) -> None:
    people = 0
    for run in golden("catr_runs.json")["runs"]:
        plan, pool, examinees = catr_plan(run["config"]), pool_of(run["model"], run["items"]), run["examinees"]
        answers = np.zeros((len(examinees), len(pool)), dtype=int)
        for person, examinee in enumerate(examinees):
            answers[person, np.array(examinee["items"]) - 1] = [int(x) for x in examinee["x"]]
        result = sat(plan, pool, examinees, answers)
        close = 1e-12 if run["config"]["test"]["method"] == "EAP" else 1e-4
        np.testing.assert_allclose(
            result.step_theta, np.concatenate([e["theta"] for e in examinees]), atol=close, rtol=0, err_msg=run["name"]
        )
        se = np.concatenate([np.array(e["se"], dtype=float) for e in examinees])
        np.testing.assert_allclose(result.step_se[~np.isnan(se)], se[~np.isnan(se)], atol=close, rtol=0, err_msg=run["name"])
        final = np.column_stack([result.theta[:, 0], result.se[:, 0]])
        np.testing.assert_allclose(final, [e["final"] for e in examinees], atol=close, rtol=0, err_msg=run["name"])
        for stops, examinee in zip(result.stops, examinees, strict=True):
            assert stops[0] in [REASONS[rule] for rule in listed(examinee["rule"])], run["name"]
        people += len(examinees)
    assert people == 175


def test_whole_tests_run_as_in_mirtcat(golden: Callable[[str], Any]) -> None:
    reference = golden("mirtcat_runs.json")
    rows = [Row("2pl", a, [b]) for a, b in reference["items"]]
    pool = Pool.of(tuple(map(str, range(len(rows)))), ItemParams.from_rows(rows), ("A",))
    answers = np.array([[int(x) for x in line] for line in reference["responses"]])
    for run in reference["runs"]:
        design, examinees = run["design"], run["examinees"]
        cut = None
        rule: Any = PosteriorSD(design["min_SEM"])
        if "classify" in design:
            cut = design["classify"]
            rule = ConfidenceInterval((cut,), 1 - design["classify_CI"])
        if "sprt_lower" in design:
            cut, half = (design["sprt_lower"] + design["sprt_upper"]) / 2, (design["sprt_upper"] - design["sprt_lower"]) / 2
            rule = ProbabilityRatio((cut,), half)
        section = Section("s", "s", ("A",), design.get("min_items", 1), design["max_items"], 1.0, (rule,))
        plan = replace(TestPlan("golden", (section,)), interim=MaximumAPosteriori() if run["method"] == "MAP" else ExpectedAPosteriori())
        result = sat(plan, pool, examinees, answers)
        close = 1e-4 if run["method"] == "MAP" else 1e-6
        np.testing.assert_allclose(
            result.step_theta, np.concatenate([e["theta"] for e in examinees]), atol=close, rtol=0, err_msg=run["name"]
        )
        np.testing.assert_allclose(result.step_se, np.concatenate([e["se"] for e in examinees]), atol=close, rtol=0, err_msg=run["name"])
        for stops, theta, examinee in zip(result.stops, result.theta[:, 0], examinees, strict=True):
            if cut is None:
                assert stops[0] == ("length" if len(examinee["items"]) == design["max_items"] else "precision")
            elif examinee["class"] == "no decision":
                assert stops[0] == "length"
            else:
                assert stops[0] == "classified"
                assert examinee["class"] == ("above cutoff" if theta > cut else "below cutoff")


@pytest.mark.parametrize("step", [0.4, 0.7])
def test_fixed_steps_end_where_answers_differ(step: float) -> None:
    rows = [Row("grm", 1.0, [-1.0, 0.5]), Row("2pl", 1.3, [0.2])] * 4
    pool = Pool.of(tuple(map(str, range(8))), ItemParams.from_rows(rows), ("A",))
    right, wrong = np.array([2, 1] * 4), np.zeros(8, dtype=int)
    mixed = np.array([2, 1, 1, 1, 2, 0, 2, 1])  # the third answer is in a middle category: from there on there is a maximum
    plan = TestPlan(
        "t",
        (Section("s", "s", ("A",), 8, 8, 1.0),),
        interim=MaximumLikelihood(-2.0, 2.0, step),
        select=SELECTION.build({"name": "sequential"}, []),
    )
    result = simulate(plan, pool, np.zeros((3, 1)), seed=1, answers=np.stack([right, wrong, mixed]))
    theta = result.step_theta.reshape(3, 8)
    ladder = np.minimum(step * np.arange(1, 9), 2.0)
    np.testing.assert_allclose(theta[0], ladder)
    np.testing.assert_allclose(theta[1], -ladder)
    np.testing.assert_allclose(theta[2, :2], ladder[:2])
    plain = replace(plan, interim=MaximumLikelihood(-2.0, 2.0))
    np.testing.assert_array_equal(theta[2, 2:], simulate(plain, pool, np.zeros((1, 1)), seed=1, answers=mixed[None]).step_theta[2:])
