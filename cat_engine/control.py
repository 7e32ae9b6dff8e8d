"""Control parameters of exposure, found by simulation before a test is used."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from cat_engine.eligibility import SympsonHetter
from cat_engine.families import Floats
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool
from cat_engine.simulate import simulate


def sympson_hetter(plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, *, cycles: int = 12) -> Pool:
    """The pool with control parameters under which no item is given to more than r_max of people like true[N, S] (Sympson & Hetter, 1985).

    Each cycle simulates the plan; from administrations follow selections, P(S_i) = P(A_i) / k_i; then k_i = r_max / P(S_i) where that is below
    1. As many items as the longest test are kept at 1, so that a test can always be filled. Raises ValueError where the plan's eligibility
    rule is another one.
    """
    rule = plan.eligibility
    if not isinstance(rule, SympsonHetter):
        msg = "the plan's eligibility rule is not sympson_hetter"
        raise ValueError(msg)
    k: Floats = np.ones(len(pool))
    longest = sum(len(section.competencies) * section.max_items for section in plan.sections)
    best, least = k, np.inf
    for cycle in range(cycles):
        result = simulate(plan, replace(pool, control=k[None]), true, seed + cycle)
        highest = float(result.exposure.max())
        if highest < least:
            best, least = k, highest
        selected = result.exposure / k
        k = np.where(selected > rule.r_max, rule.r_max / np.maximum(selected, 1e-12), 1.0)
        open_items = np.argsort(-k, kind="stable")[:longest]
        k[open_items] = 1.0
    return replace(pool, control=best[None])
