"""How long the sections of a plan take, and what their limits should be, before anyone sits them."""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Ints
from cat_engine.plan import Section, TestPlan
from cat_engine.pool import Pool
from cat_engine.stop import SectionLength
from cat_engine.timing import ItemTimes, Speeds, TimeAdvice, time_limit, total_of_draws


@dataclass(frozen=True, slots=True)
class SectionAdvice:
    """A section at its full length: mean_s, the expected seconds of the population on items drawn at random; its budget; the advice."""

    section: Section
    mean_s: float
    budget_s: float
    advice: TimeAdvice

    @property
    def tight(self) -> bool:
        """Whether the budget is below the limit that lets slow people finish."""
        return self.budget_s < self.advice.limit_s


def draws(section: Section, pool: Pool) -> list[tuple[Ints, int]]:
    """The most that the section gives out of each competency: (indices of its operational items, how many); where the blueprint asks for fewer in
    all, that many out of all of them.
    """
    own = [np.flatnonzero((pool.params.scale == pool.competencies.index(name)) & pool.operational) for name in section.competencies]
    total = min((rule.at_most for rule in section.rules if isinstance(rule, SectionLength)), default=len(pool))
    found = [(at, min(section.max_items, len(at))) for at in own]
    return found if sum(count for _, count in found) <= total else [(np.concatenate(own), total)]


def section_advice(plan: TestPlan, pool: Pool, times: ItemTimes, speeds: Speeds) -> tuple[SectionAdvice, ...]:
    """Advice on each section: see timing.time_limit. The plan must fit the pool (plan.check)."""
    found = []
    for section in plan.sections:
        most = draws(section, pool)
        mean = total_of_draws(times, most).mean * float(np.exp(0.5 * speeds.sd**2 - speeds.mean))
        found.append(SectionAdvice(section, mean, 60 * section.time_budget_min, time_limit(times, most, speeds)))
    return tuple(found)
