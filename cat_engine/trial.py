"""A bank tried out on a plan before it is used: the figures of a simulation, and whether they keep the plan's acceptance limits."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from cat_engine.acceptance import Check
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool
from cat_engine.population import Population
from cat_engine.simulate import simulate
from cat_engine.simulated import SimulationResult

PEOPLE = 500
TOGETHER = 100  # people whose tests are stepped together: a watcher hears so often


@dataclass(frozen=True, slots=True)
class BankTrial:
    """figures: acceptance.FIGURES -> the worst value over competencies or items; checks: the plan's limits, in its order."""

    figures: dict[str, float]
    checks: tuple[Check, ...]

    @property
    def holds(self) -> bool:
        """Whether every limit is kept."""
        return all(check.holds for check in self.checks)


def worst(result: SimulationResult) -> dict[str, float]:
    """The figures of a simulation that acceptance limits speak of. Reliability is 1 - mean SE^2 / variance of true ability, per competency."""
    return {
        "rmse": float(result.rmse.max()),
        "bias": float(np.abs(result.bias).max()),
        "reliability": float((1 - (result.se**2).mean(axis=0) / result.true.var(axis=0)).min()),
        "items": float(result.length.mean()),
        "exposure": float(result.exposure.max(initial=0.0)),
        "overlap": result.overlap,
    }


def trial(plan: TestPlan, pool: Pool, seed: int, n: int = PEOPLE, watch: Callable[[int], None] | None = None) -> BankTrial:
    """Simulate the plan on a pool with n people of the usual `Population`; the same seed gives two versions of a bank the same people. `watch` hears
    from time to time how many people are done.
    """
    true = Population().abilities(n, len(pool.competencies), seed)
    figures = worst(simulate(plan, pool, true, seed, block=TOGETHER, watch=watch))
    return BankTrial(figures, plan.acceptance.checks(figures))
