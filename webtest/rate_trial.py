"""Whether control parameters that were found beforehand keep r_max: the people that they were found on do not say, as these were chosen by them."""

from dataclasses import dataclass

import numpy as np

from cat_engine import Pool, TestPlan, simulate
from cat_engine.eligibility import FoundBeforehand
from cat_engine.population import Population
from cat_engine.rates import above_limit, limit_of

PEOPLE, SEED = 1_000, 1  # others than those of the search
REMEDY = "a higher r_max, more items, a shorter test, or eligibility 'restricted' or 'fading'"


@dataclass(frozen=True, slots=True)
class RateTrial:
    """What other people got: the limit r_max, how many people they were, the highest exposure of an item, and the items above it beyond chance."""

    r_max: float
    people: int
    highest: float
    above: tuple[str, ...]

    @property
    def words(self) -> str:
        """One line for a person."""
        seen = f"of {self.people:,} simulated people {self.highest:.1%} got the most used item"
        if not self.above:
            return f"r_max = {self.r_max:g} is kept within chance: {seen}"
        return f"r_max = {self.r_max:g} is NOT kept: {seen}; {listed(self.above)}; {REMEDY}"


def listed(above: tuple[str, ...] | list[str], most: int = 5) -> str:
    """Items above the limit, the first few by name."""
    more = f", … ({len(above) - most} more)" if len(above) > most else ""
    return f"above it beyond chance: {', '.join(above[:most])}{more}"


def rate_trial(plan: TestPlan, pool: Pool) -> RateTrial | None:
    """The plan's test on a pool with its control parameters, given to PEOPLE others; None where the plan's rule finds none beforehand."""
    limit = limit_of(plan.eligibility)
    if limit is None or not isinstance(plan.eligibility, FoundBeforehand):
        return None
    mean, sd = plan.prior.start
    true = mean + sd * Population().abilities(PEOPLE, len(pool.competencies), SEED)
    exposure = simulate(plan, pool, true, SEED).exposure
    over = above_limit(np.rint(exposure * PEOPLE).astype(int), PEOPLE, limit)
    return RateTrial(limit, PEOPLE, float(exposure.max()), tuple(pool.ids[i] for i in np.flatnonzero(over)))
