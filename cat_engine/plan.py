"""The test plan: which competencies in which sections, how items are chosen, when to stop; its digest, and whether it fits a pool.

Plans are written as TOML: see plan_text.py.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from cat_engine.ability import NormalPrior
from cat_engine.exposure import EXPOSURE, Best, Exposure
from cat_engine.faults import Fault
from cat_engine.pool import Pool
from cat_engine.select import SELECTION, MaximumInformation, Selection
from cat_engine.stop import Length, StopRule, table_of

PRIOR_REACH = 3.0  # standard deviations of the prior that must lie on the pool's grid


@dataclass(frozen=True)
class Section:
    """One timed part of the test. min_items and max_items count per competency; the budget counts from the section's first item."""

    code: str
    title: str
    competencies: tuple[str, ...]
    min_items: int
    max_items: int
    time_budget_min: float
    stop: tuple[StopRule, ...] = ()

    @cached_property
    def rules(self) -> tuple[StopRule, ...]:
        """The stopping rules in the order in which they are tried: the plan's own, then the section's max_items."""
        return (*self.stop, Length(self.max_items))


@dataclass(frozen=True)
class TestPlan:
    """A whole test. `digest` identifies it: equal plans, equal digests."""

    __test__ = False  # not a pytest class, whatever its name says

    name: str
    sections: tuple[Section, ...]
    prior: NormalPrior = field(default_factory=NormalPrior)
    select: Selection = field(default_factory=MaximumInformation)
    exposure: Exposure = field(default_factory=Best)

    @property
    def competencies(self) -> tuple[str, ...]:
        """All competencies, in the order of the sections."""
        return tuple(name for section in self.sections for name in section.competencies)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return hashlib.sha256(json.dumps(as_table(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def as_table(plan: TestPlan) -> dict[str, object]:
    """The plan as nested tables of text, numbers and lists, each section with its own stop table."""
    return {
        "name": plan.name,
        "prior": asdict(plan.prior),
        "select": SELECTION.table_of(plan.select),
        "exposure": EXPOSURE.table_of(plan.exposure),
        "sections": [
            {
                "code": section.code,
                "title": section.title,
                "competencies": list(section.competencies),
                "min_items": section.min_items,
                "max_items": section.max_items,
                "time_budget_min": section.time_budget_min,
                "stop": table_of(section.stop),
            }
            for section in plan.sections
        ],
    }


def check(plan: TestPlan, pool: Pool) -> list[Fault]:
    """Faults between a plan and the pool it would run on, all of them: competencies that the pool does not know, that have no operational
    item or fewer than min_items, and a prior that the pool's grid cuts off.
    """
    faults = []
    for i, section in enumerate(plan.sections):
        where = f"sections[{i}]"
        for name in section.competencies:
            if name not in pool.competencies:
                legal = "the pool has " + (", ".join(pool.competencies) or "none")
                faults.append(Fault(where, "competencies", f"the pool has no competency '{name}'", legal))
                continue
            mine = pool.params.scale == pool.competencies.index(name)
            count = int(np.count_nonzero(mine & pool.operational))
            if count == 0:
                faults.append(
                    Fault(where, "competencies", f"'{name}' has no operational item in the pool", "add items or drop the competency")
                )
            elif count < section.min_items:
                message = f"'{name}' has {count} operational items, and the section asks for at least {section.min_items}"
                faults.append(Fault(where, "min_items", message, f"add items, or at most {count}"))
    reach = PRIOR_REACH * plan.prior.sd
    if plan.prior.mean - reach < pool.grid.low or plan.prior.mean + reach > pool.grid.high:
        legal = f"mean and {PRIOR_REACH:g} sd on either side within [{pool.grid.low:g}, {pool.grid.high:g}]"
        faults.append(Fault("prior", "sd", f"the grid cuts off Normal({plan.prior.mean:g}, sd {plan.prior.sd:g})", legal))
    return faults
