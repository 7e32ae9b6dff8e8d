"""When a competency, and with it a section, is finished. Every stop names its reason."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.faults import Fault
from cat_engine.irt import Floats, Ints
from cat_engine.registry import option_faults


@dataclass(frozen=True, slots=True)
class StopRule:
    """Stop a competency when the posterior SD of its ability is at most `se` (0 = only by length); a section after `time_s` seconds of
    answering (0 = no such limit; the wall clock of a live test is kept outside the engine).
    """

    se: float = 0.0
    time_s: float = 0.0

    @classmethod
    def faults(cls, where: str, table: Mapping[str, object]) -> list[Fault]:
        """What is wrong with a plan's stop table."""
        found = option_faults(where, table, {"se": float, "time_s": float}, frozenset())
        for key in ("se", "time_s"):
            value = table.get(key, 0.0)
            if isinstance(value, int | float) and value < 0:
                found.append(Fault(where, key, f"{value} is negative", "0 switches the rule off"))
        return found

    @classmethod
    def build(cls, table: Mapping[str, object]) -> "StopRule":
        """From a table without faults."""
        return cls(*(float(str(table.get(key, 0.0))) for key in ("se", "time_s")))

    def finished(self, se: Floats, n: Ints, min_items: int, max_items: int) -> NDArray[np.bool_]:
        """Which competencies are finished: se and n of the same shape -> that shape."""
        return (n >= max_items) | ((n >= min_items) & (se <= self.se))
