"""What the checks of test security share: people by room and time, and one rule about many tests at once.

Every check names somebody, or an item, only where Holm's adjusted p (1979) is at most the level: the chance that a run names any innocent one is then at
most that level, however many were tested and however they depend on each other. What is named is a list to look into, never a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cat_engine.irt import Floats, Ints


def holm(p: Floats, tests: int | None = None) -> Floats:
    """Adjusted p-values of p[n], in its order; `tests` is how many were done where only the smallest p are handed in. NaN is no test and stays."""
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factor = (len(known) if tests is None else tests) - np.arange(len(order))
    out = np.full(len(p), np.nan)
    out[order] = np.minimum(np.maximum.accumulate(p[order] * factor), 1.0) if len(order) else []
    return out


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """What is known of P people beside their answers: room[P]; window[P], the name of the wave or day; order[P], by time, earliest first, equal where it is
    not known who came first.
    """

    room: tuple[str, ...]
    window: tuple[str, ...]
    order: Ints

    @classmethod
    def unknown(cls, n: int) -> "People":
        """Everybody in one room at one time."""
        return cls(("",) * n, ("",) * n, np.zeros(n, dtype=np.int64))

    def windows(self) -> Sequence[str]:
        """The windows in order of time."""
        first = np.argsort(self.order, kind="stable")
        return tuple(dict.fromkeys(self.window[p] for p in first.tolist()))
