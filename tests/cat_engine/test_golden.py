"""Agreement with reference software, on numbers committed under tests/golden: catR 3.17 and mirtCAT 1.14."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cat_engine import (
    Answered,
    EndSection,
    Grid,
    ItemParams,
    NormalPrior,
    Pool,
    Present,
    Presented,
    Row,
    Section,
    TestPlan,
    ask,
    start,
    tell,
)
from cat_engine import information as information_of
from cat_engine import probabilities as probabilities_of
from cat_engine.batch import Batch
from cat_engine.exposure import Randomesque
from cat_engine.irt import derivatives_at, item_terms
from cat_engine.stop import PosteriorSD
from tests.cat_engine.catr import row

Golden = Callable[[str], Any]
CATR_GRID = Grid(-4.0, 4.0, 33)


def pool_of(model: str, items: list[list[float | None]], scaling: float = 1.0, grid: Grid = CATR_GRID) -> Pool:
    params = ItemParams.from_rows([row(model, values, scaling) for values in items])
    n = len(items)
    return Pool(tuple(str(i + 1) for i in range(n)), params, ("A",), np.ones(n, dtype=bool), np.zeros(n), grid)


def one_section(se: float, length: int, k: int = 0) -> TestPlan:
    section = Section("all", "all", ("A",), 1, length, 60.0, (PosteriorSD(se),) if se else ())
    return TestPlan("golden", (section,), exposure=Randomesque(k)) if k else TestPlan("golden", (section,))


def test_probabilities_and_information_are_those_of_catr(golden: Golden) -> None:
    for case in golden("catr_models.json")["cases"]:
        params = ItemParams.from_rows([row(case["model"], values, case["D"]) for values in case["items"]])
        for point in case["points"]:
            found = probabilities_of(params, point["theta"])[0]
            wanted = np.array(point["P"], dtype=float)
            if wanted.ndim == 1:
                wanted = np.stack([1 - wanted, wanted], axis=1)
                np.testing.assert_allclose(found[:, 1], wanted[:, 1], rtol=1e-12)
            width = min(wanted.shape[1], found.shape[1])
            assert np.isnan(wanted[:, width:]).all()
            assert not found[:, width:].any()
            np.testing.assert_allclose(found[:, :width], np.nan_to_num(wanted[:, :width]), rtol=1e-12, atol=1e-15)
            info = information_of(params, point["theta"])[0]
            if "info" in point:
                # catR takes 1 - P by subtraction: where P is near 1 its own information is right to eps / (1 - P) only (checked with 60 digits).
                rounding = 4 * np.finfo(float).eps / (1 - found[:, :width].max(axis=1))
                difference = np.abs(info / np.array(point["info"]) - 1)
                assert np.all(difference <= 1e-12 + rounding), f"{case['model']} at {point['theta']}: {difference.max()}"
            else:  # catR's own figure is off by D^2
                np.testing.assert_allclose(info, point["info_numeric"], rtol=1e-8)


def test_derivatives_and_the_slope_of_information_are_those_of_catr(golden: Golden) -> None:
    for case in golden("catr_derivatives.json")["cases"]:
        params = ItemParams.from_rows([row(case["model"], values) for values in case["items"]])
        for point in case["points"]:
            theta = np.full((1, len(params)), point["theta"])
            p, (_, second), (first, _, slope, j) = (
                probabilities_of(params, point["theta"])[0],
                derivatives_at(params, theta),
                item_terms(params, theta),
            )
            # catR takes the probabilities of graded items by subtraction, which costs their derivatives up to 5e-11.
            close, label = 1e-10 if "GRM" in case["model"] else 1e-11, f"{case['model']} at {point['theta']}"
            for name, found in (("dP", p * first[0]), ("d2P", p * (second[0] + first[0] ** 2))):
                if name not in point:
                    continue
                wanted = np.array(point[name], dtype=float)
                found = found[:, 1] if wanted.ndim == 1 else np.where(np.isnan(wanted), np.nan, found[:, : wanted.shape[1]])
                np.testing.assert_allclose(found, wanted, rtol=close, atol=1e-14, err_msg=f"{name} of {label}")
            np.testing.assert_allclose(slope[0], point["dinfo"], rtol=close, atol=1e-14, err_msg=f"slope of information of {label}")
            np.testing.assert_allclose(j[0], point["J"], rtol=close, atol=1e-14, err_msg=f"J of {label}")


@pytest.mark.parametrize(
    ("name", "prior", "grid"), [("EAP", NormalPrior(), CATR_GRID), ("EAP_n05_15_q61", NormalPrior(0.5, 1.5), Grid(-6.0, 6.0, 61))]
)
def test_eap_and_its_standard_error_are_those_of_catr(golden: Golden, name: str, prior: NormalPrior, grid: Grid) -> None:
    plan, compared = TestPlan("golden", (), prior), 0
    for case in golden("catr_eap.json")["cases"]:
        pool = pool_of(case["model"], case["items"], case["D"], grid)
        for pattern in case["patterns"]:
            if name not in pattern:
                continue
            given = [i for i, x in enumerate(pattern["x"]) if x is not None]
            batch = Batch.replay(plan, pool, given, [pattern["x"][i] for i in given])
            label = f"{case['model']} {pattern['tag']}"
            np.testing.assert_allclose([batch.theta[0, 0], batch.se[0, 0]], pattern[name], rtol=1e-12, atol=1e-12, err_msg=label)
            compared += 1
    assert compared >= 400


def test_maximum_information_values_and_the_next_item_are_those_of_catr(golden: Golden) -> None:
    for case in golden("catr_mfi.json")["cases"]:
        pool = pool_of(case["model"], case["items"], case["D"])
        plan = one_section(0.0, len(case["items"]))
        for situation in case["states"]:
            state = start(0)
            for item, category in zip(situation["administered"], situation["x"], strict=True):
                state = tell(tell(state, Presented(item - 1)), Answered(category, 1.0))
            batch = Batch.replay(plan, pool, state.items, state.categories)
            assert batch.theta[0, 0] == pytest.approx(situation["theta"], abs=1e-12)
            wanted = np.array(situation["MFI"], dtype=float)
            left = ~np.isnan(wanted)
            np.testing.assert_allclose(batch.info[0, left], wanted[left], rtol=1e-10)
            decision = ask(plan, pool, state)
            assert isinstance(decision, Present)
            assert decision.item == situation["chosen"] - 1


def test_randomesque_gives_each_of_the_five_items_that_catr_names_and_no_other(golden: Golden) -> None:
    for case in golden("catr_mfi.json")["cases"]:
        pool = pool_of(case["model"], case["items"], case["D"])
        plan = one_section(0.0, len(case["items"]), k=5)
        situation = case["states"][4]
        given = set()
        for seed in range(120):
            state = start(seed)
            for item, category in zip(situation["administered"], situation["x"], strict=True):
                state = tell(tell(state, Presented(item - 1)), Answered(category, 1.0))
            decision = ask(plan, pool, state)
            assert isinstance(decision, Present)
            given.add(decision.item + 1)
        assert given == set(situation["top5"])


def test_whole_adaptive_tests_run_as_in_catr(golden: Golden) -> None:
    for run in golden("catr_runs.json")["runs"]:
        pool, plan = pool_of(run["model"], run["items"]), one_section(run["se"], run["length"])
        for examinee in run["examinees"]:
            state = start(0)
            for k, (item, category) in enumerate(zip(examinee["items"], examinee["pattern"], strict=True)):
                decision = ask(plan, pool, state)
                assert isinstance(decision, Present), f"{run['name']}: ended after {k} items"
                assert decision.item == item - 1
                state = tell(tell(state, Presented(decision.item)), Answered(category, 1.0))
                batch = Batch.replay(plan, pool, state.items, state.categories)
                np.testing.assert_allclose([batch.theta[0, 0], batch.se[0, 0]], [examinee["theta"][k], examinee["se"][k]], atol=1e-12)
            decision = ask(plan, pool, state)
            assert isinstance(decision, EndSection)
            assert decision.reason in examinee["rule"]


def test_whole_adaptive_tests_run_as_in_mirtcat(golden: Golden) -> None:
    reference = golden("mirtcat_eap.json")
    rows = [Row("2pl", a, [b]) for a, b in reference["items"]]
    pool = Pool.of(tuple(str(i) for i in range(len(rows))), ItemParams.from_rows(rows), ("A",))
    plan = one_section(0.3, 40)
    for examinee, responses in zip(reference["examinees"], reference["responses"], strict=True):
        state = start(0)
        for k, item in enumerate(examinee["items"]):
            decision = ask(plan, pool, state)
            assert isinstance(decision, Present)
            assert decision.item == item - 1
            assert decision.evidence.theta == pytest.approx(examinee["theta"][k], abs=1e-6)
            assert decision.evidence.se == pytest.approx(examinee["se"][k], abs=1e-6)
            state = tell(tell(state, Presented(decision.item)), Answered(responses[item - 1], 1.0))
        assert isinstance(ask(plan, pool, state), EndSection)
