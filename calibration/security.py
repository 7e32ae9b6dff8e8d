"""What the checks of test security share: people by room and time, and one rule.

Every check names somebody, or an item, only where a p adjusted for all that were tested (Holm, 1979; of items Westfall & Young, 1993) is at most the level:
the chance that a run names any innocent one is then at most that level. What is named is a list to look into, never a verdict.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cat_engine.irt import Ints


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
