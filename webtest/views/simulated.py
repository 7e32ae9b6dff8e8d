"""Would this wave reach its targets? What a simulation says of each competency, against what the plan itself asks for. Pure."""

from dataclasses import dataclass

import numpy as np

from cat_engine import Pool, Section, SimulationResult, TestPlan
from cat_engine.stop import BANK, PosteriorSD

ENOUGH = 0.9  # share of people who must reach a competency's precision for it to count as reached


@dataclass(frozen=True, slots=True)
class Reached:
    """One competency. `aim` is the SE that its section stops at (None: the section asks for no precision), `share` who got there."""

    code: str
    items: float
    se: float
    rmse: float
    bias: float
    aim: float | None
    share: float
    out_of_items: float

    @property
    def verdict(self) -> str:
        """'yes', 'no', or '' where the plan sets no precision."""
        if self.out_of_items > 0:
            return "no"
        if self.aim is None:
            return ""
        return "yes" if self.share >= ENOUGH else "no"


def aim_of(section: Section) -> float | None:
    """The posterior SD at which the section's competencies stop."""
    return next((rule.at_most for rule in section.stop if isinstance(rule, PosteriorSD)), None)


def targets(plan: TestPlan, pool: Pool, result: SimulationResult) -> list[Reached]:
    """A line a competency, in the plan's order."""
    rows = []
    for section in plan.sections:
        for code in section.competencies:
            s = pool.competencies.index(code)
            aim = aim_of(section)
            share = float(np.mean(result.se[:, s] <= aim)) if aim is not None else 1.0
            dry = float(np.mean([stops[s] == BANK for stops in result.stops]))
            rows.append(
                Reached(
                    code,
                    float(result.count[:, s].mean()),
                    float(result.se[:, s].mean()),
                    float(result.rmse[s]),
                    float(result.bias[s]),
                    aim,
                    share,
                    dry,
                )
            )
    return rows
