"""Abilities and standard errors are those of catR 3.17: 502 patterns of 1 to 40 answers, 8 models and two metrics, by 9 methods.

Means are compared to 1e-12. Roots are compared with the exact roots of catR's own functions, to 1e-9: catR stops its search up to 3.1e-5 beside them (uniroot
with its default tolerance), so the exact roots are followed. Without a root in [-4, 4] the estimate is a bound.

catR's standard errors of the mode under Jeffreys' prior are wrong where D is not 1, by up to 23 %; ours are held there by 40 digits of arithmetic.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from cat_engine import Grid, NormalPrior, Pool, TestPlan
from cat_engine.batch import Batch
from cat_engine.estimators import Estimator, ExpectedAPosteriori, Given, MaximumAPosteriori, MaximumLikelihood, WeightedLikelihood
from cat_engine.priors import JeffreysPrior, Prior, UniformPrior
from tests.cat_engine.catr import CATR_GRID, answers_of, pool_of

MODE = MaximumAPosteriori()
ROOTS: dict[str, tuple[Prior, Estimator]] = {
    "ML": (NormalPrior(), MaximumLikelihood()),
    "WL": (NormalPrior(), WeightedLikelihood()),
    "BM": (NormalPrior(), MODE),
    "BM_n05_15": (NormalPrior(0.5, 1.5), MODE),
    "BM_Jeffreys": (JeffreysPrior(), MODE),
}
MEANS: dict[str, tuple[Prior, Grid]] = {
    "EAP": (NormalPrior(), CATR_GRID),
    "EAP_n05_15_q61": (NormalPrior(0.5, 1.5), Grid(-6.0, 6.0, 61)),
    "EAP_unif44": (UniformPrior(), CATR_GRID),
    "EAP_Jeffreys": (JeffreysPrior(), CATR_GRID),
}
EXACT = ("ML", "WL", "BM")  # catR was asked for these again at the exact root
PATTERNS = 502


def roots(method: Estimator, prior: Prior, pool: Pool, patterns: list[str]) -> Iterator[tuple[float, float]]:
    """theta and se of every pattern, found at once."""
    answers = [answers_of(pattern) for pattern in patterns]
    row = np.repeat(np.arange(len(patterns)), [len(given) for given, _ in answers])
    item, category = (np.concatenate([part[k] for part in answers]) for k in range(2))
    logpost = np.tile(pool.prior_logpost(prior), (len(patterns), 1))
    np.add.at(logpost, row, pool.log_table[item, category])
    theta, se = method.estimate(Given(pool, prior, logpost, row, item, category))
    return zip(theta.tolist(), se.tolist(), strict=True)


@pytest.mark.parametrize("name", ROOTS)
def test_roots_are_those_of_catrs_estimating_functions(golden: Callable[[str], Any], name: str) -> None:
    prior, method = ROOTS[name]
    compared = 0
    for case in golden("catr_theta.json")["cases"]:
        pool = pool_of(case["model"], case["items"], case["D"])
        estimates = roots(method, prior, pool, [pattern["x"] for pattern in case["patterns"]])
        for pattern, (theta, se) in zip(case["patterns"], estimates, strict=True):
            wanted, wanted_se, *several = pattern[name]
            label = f"{case['model']} {pattern['tag']}"
            assert theta == pytest.approx(wanted, abs=1e-9), label
            exact = (name in EXACT and not several) or (name == "BM_Jeffreys" and case["D"] != 1)
            if wanted_se is not None:  # once catR gave none: all wrong, where the curvature exceeds the information
                assert se == pytest.approx(wanted_se, abs=1e-9 if exact else 5e-5), label
            compared += 1
    assert compared == PATTERNS


@pytest.mark.parametrize("name", MEANS)
def test_posterior_means_and_their_standard_errors_are_those_of_catr(golden: Callable[[str], Any], name: str) -> None:
    prior, grid = MEANS[name]
    plan, compared = TestPlan("t", (), prior, interim=ExpectedAPosteriori()), 0
    for case in golden("catr_theta.json")["cases"]:
        pool = pool_of(case["model"], case["items"], case["D"], grid)
        for pattern in case["patterns"]:
            batch = Batch.replay(plan, pool, *answers_of(pattern["x"]))
            assert [batch.theta[0, 0], batch.se[0, 0]] == pytest.approx(pattern[name], abs=1e-12), f"{case['model']} {pattern['tag']}"
            compared += 1
    assert compared == PATTERNS
