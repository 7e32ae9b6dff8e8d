"""What is computed aside of the server, in a process of its own: a task is a value that is given to the process whole. Pure."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from cat_engine import Fault, Faulty, Pool, TestPlan
from cat_engine.people import People
from cat_engine.simulate import Trial as Simulation
from cat_engine.simulate import run_block
from cat_engine.stop import BANK
from cat_engine.trial import PEOPLE, trial
from itembank.bank import Bank
from webtest.snapshots import control_of

TRIED, TOGETHER = 40, 10  # people simulated before a wave opens, and how many of them are stepped together

Outcome = dict[str, Any]  # what came out, as JSON can carry it
Watch = Callable[[int, int], None]  # hears how many steps are done, and of how many


class Task(Protocol):
    """Something to compute. The same task gives the same outcome, wherever it runs."""

    def run(self, watch: Watch | None = None) -> Outcome:
        """Compute it. Raises Faulty where it has no outcome."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class ControlSearch:
    """The search for the control parameters that a plan's rule asks for on a bank: {"control"}, a row a segment of ability."""

    plan: TestPlan
    bank: Bank

    def run(self, watch: Watch | None = None) -> Outcome:
        """As `control_of`; a step is a simulation. Raises Faulty where the bank cannot keep the limits of the rule."""
        return {"control": [dict(row) for row in control_of(self.plan, self.bank, watch)]}


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """A plan on a version of a bank and, where it has one, on its parent, with the same people: {"plan_name", "plan_digest", "people", "seed", "before",
    "after", "checks"}: the figures of either, and the plan's limits on those of the version.
    """

    plan: TestPlan
    version: Pool
    parent: Pool | None
    seed: int

    def run(self, watch: Watch | None = None) -> Outcome:
        """As `trial`; a step is a person."""
        total = PEOPLE if self.parent is None else 2 * PEOPLE

        def heard(done: int) -> None:
            if watch is not None:
                watch(done, total)

        after = trial(self.plan, self.version, self.seed, watch=heard)
        before = after if self.parent is None else trial(self.plan, self.parent, self.seed, watch=lambda done: heard(PEOPLE + done))
        return {
            "plan_name": self.plan.name, "plan_digest": self.plan.digest, "people": PEOPLE, "seed": self.seed, "before": before.figures,
            "after": after.figures, "checks": [asdict(check) for check in after.checks],
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Preflight:
    """A room of simulated people who take a wave's test: {"plan_digest", "pool_digest"} of what they got to the end of."""

    plan: TestPlan
    pool: Pool

    def run(self, watch: Watch | None = None) -> Outcome:
        """A step is a person. As in the room, nothing is learned from person to person; all start alike. Raises Faulty where one runs out of items."""
        people = People(np.random.default_rng(0).normal(size=(TRIED, len(self.pool.competencies))))
        for at in range(0, TRIED, TOGETHER):
            ran = run_block(Simulation(self.plan, self.pool, 0), people.part(at, TOGETHER))
            if any(BANK in reasons for reasons in ran.reasons):
                raise Faulty([Fault("bank", "", "simulated people ran out of items", "add items or lower min_items")])
            if watch is not None:
                watch(min(at + TOGETHER, TRIED), TRIED)
        return {"plan_digest": self.plan.digest, "pool_digest": self.pool.digest}
