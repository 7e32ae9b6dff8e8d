"""The search for control parameters on the command line: here and now, with a bar on a terminal."""

from typing import TYPE_CHECKING

from cat_engine import TestPlan
from itembank.bank import Bank
from webtest.console import err
from webtest.snapshots import Control, Controls, control_of

if TYPE_CHECKING:
    from webtest.services.searches import Searches


def control_with_bar(plan: TestPlan, bank: Bank) -> Controls:
    """The control parameters that a plan's rule asks for on a bank, with a bar while they are searched for. Raises as control_of."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} simulations"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("control parameters", total=None)
        return control_of(plan, bank, lambda done, total: bar.update(task, completed=done, total=total))


def found_or_with_bar(searches: "Searches") -> Control:
    """What a search of the server's found already, else as control_with_bar."""

    def control(plan: TestPlan, bank: Bank) -> Controls:
        known = searches.state(plan, bank)
        return tuple(known.outcome["control"]) if known is not None and known.outcome is not None else control_with_bar(plan, bank)

    return control
