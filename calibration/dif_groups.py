"""What every test of differential item functioning needs: two groups, and anchors that put them on one scale, purified of items that function differently."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine import Fault, Faulty

Mask = NDArray[np.bool_]
SMALLEST_GROUP = 2
FEWEST_ANCHORS = 2
MOST_ROUNDS = 100  # an end, no choice: flags settle, or come round, in far fewer


def check_groups(focal: Mask, anchors: Mask | None = None) -> None:
    """Raises Faulty for a group of fewer than two people and where fewer than two anchors are left."""
    faults = [
        Fault("groups", name, f"the group has {int(group.sum())} people")
        for name, group in (("focal", focal), ("reference", ~focal))
        if group.sum() < SMALLEST_GROUP
    ]
    if anchors is not None and anchors.sum() < FEWEST_ANCHORS:
        faults.append(Fault("anchors", "", f"{int(anchors.sum())} are left", "without two, the groups are on no common scale"))
    if faults:
        raise Faulty(faults)


@dataclass(frozen=True, slots=True, eq=False)
class Purified:
    """The anchors[I] at the end, the rounds it took, and how many sets of flags take turns: 1 where the last round flagged what the one before had
    flagged, 0 where nobody knows.
    """

    anchors: Mask
    rounds: int
    turns: int

    @property
    def settled(self) -> bool:
        """Whether the flags lead to themselves."""
        return self.turns == 1


def purify(flagged: Callable[[Mask], Mask], n_items: int, most: int = MOST_ROUNDS) -> Purified:
    """Test with the unflagged items as anchors until the flags settle (Clauser, Mazor & Hambleton, 1993). flagged: of anchors[I], [I], always the same.

    Flags may lead to each other in a circle instead. The anchors are then the items that no round of the circle flags, wherever it was entered; where
    fewer than two are none, those of the round that flags most, of several the first in order of the items. Stops, with 0 turns, before fewer than
    two anchors would be left, and after `most` rounds.
    """
    seen = [np.ones(n_items, dtype=bool)]
    for number in range(1, most + 1):
        clean = ~flagged(seen[-1])
        back = next((k for k, before in enumerate(seen) if np.array_equal(before, clean)), None)
        if back is not None:
            circle = seen[back:]
            common = np.logical_and.reduce(circle)
            return Purified(common if common.sum() >= FEWEST_ANCHORS else min(circle, key=_strictness), number, len(circle))
        if clean.sum() < FEWEST_ANCHORS:
            return Purified(seen[-1], number, 0)
        seen.append(clean)
    return Purified(seen[-1], most, 0)


def _strictness(anchors: Mask) -> tuple[int, list[bool]]:
    """Orders sets of anchors: the fewest first."""
    return int(anchors.sum()), anchors.tolist()
