"""Items that a person met in an earlier test are not given again while others are left."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.faults import Fault, Faulty

REPEATED = "retest"  # the rung of a decision that had only such items left
DAYS_A_MONTH = 365.2425 / 12


@dataclass(frozen=True, slots=True)
class Retest:
    """Items met within the last `months` months; 0: however long ago."""

    months: int = 0

    def __post_init__(self) -> None:
        if self.months < 0:
            raise Faulty([Fault("retest", "months", f"{self.months} is negative", "0 = however long ago")])

    def reaches(self, earlier_ms: int, now_ms: int) -> bool:
        """Whether a test of that time (ms) is recent enough to count."""
        return self.months == 0 or now_ms - earlier_ms <= self.months * DAYS_A_MONTH * 86_400_000


def without_seen(eligible: NDArray[np.bool_], seen: NDArray[np.bool_] | None) -> tuple[NDArray[np.bool_], NDArray[np.bool_] | None]:
    """eligible[N, I] without the items seen[N, I] earlier, and repeated[N]: where that would have left nothing, and they may come again (None where
    nothing was seen).
    """
    if seen is None:
        return eligible, None
    new: NDArray[np.bool_] = np.logical_and(eligible, ~seen)
    repeated: NDArray[np.bool_] = np.logical_and(~new.any(axis=1), eligible.any(axis=1))
    return np.where(repeated[:, None], eligible, new), repeated
