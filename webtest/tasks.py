"""What is computed aside of the server, in a process of its own: a task is a value that is given to the process whole. Pure."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from cat_engine import TestPlan
from itembank.bank import Bank
from webtest.snapshots import control_of

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
