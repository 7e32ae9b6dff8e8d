"""Which rows of a blueprint cannot hold together: the fewest, so that a person sees what to change.

Every set of rows that can hold together leaves out at least one row of every conflict. So the smallest conflict is the smallest set that meets the
complements of all sets that can hold; these are found as they are needed (Ignatiev, Previti, Liffiton & Marques-Silva, 2015).
"""

from collections.abc import Callable, Sequence

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp

from cat_engine.assembly import Compiler
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.faults import Fault
from cat_engine.pool import Pool
from cat_engine.sets import Mask


def smallest_conflict(count: int, possible: Callable[[Mask], bool]) -> Mask | None:
    """The fewest of `count` rows [count] that cannot hold together; None where all can. possible(mask): whether these can."""
    if possible(np.ones(count, dtype=bool)):
        return None
    left_out: list[Mask] = []
    while True:
        rows = _meets_all(count, left_out)
        if not possible(rows):
            return rows
        for k in range(count):  # as many more as can hold beside these
            if not rows[k]:
                rows[k] = True
                rows[k] = possible(rows)
        left_out.append(~rows)


def _meets_all(count: int, masks: Sequence[Mask]) -> Mask:
    """The smallest set that has something of every mask."""
    if not masks:
        return np.zeros(count, dtype=bool)
    meets = LinearConstraint(np.array(masks, dtype=float), 1.0, np.inf)
    found = milp(np.ones(count), integrality=np.ones(count), bounds=Bounds(0, 1), constraints=meets, options={"mip_rel_gap": 0.0})
    return np.asarray(found.x > 0.5)


def conflict_faults(rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]:
    """A fault that names the smallest conflict of a blueprint on a pool, none where a test of operational items satisfies it."""
    compiler = Compiler(pool.content or Content.of(pool.ids, {}), len(pool), pool.seconds)
    parts = [compiler.part(row) for row in rows]
    whole = compiler.join(parts)

    def possible(there: Mask) -> bool:
        return compiler.only(whole, parts, there).possible(pool.operational)

    found = smallest_conflict(len(parts), possible)
    if found is None:
        return []
    names = [row.row_id for row, there in zip(rows, found, strict=True) if there]
    if len(names) == 1:
        return [Fault("plan", "blueprint", f"no test of the pool satisfies {names[0]}", "loosen it, or add items")]
    listed = ", ".join(names[:-1]) + " and " + names[-1]
    return [
        Fault("plan", "blueprint", f"no test of the pool satisfies {listed} together", "loosen or drop one of these rows, or add items")
    ]
