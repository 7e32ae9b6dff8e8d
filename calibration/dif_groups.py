"""What every test of differential item functioning needs: two groups, and anchors that put them on one scale, purified of items that function differently."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine import Fault, Faulty

Mask = NDArray[np.bool_]
SMALLEST_GROUP = 2
FEWEST_ANCHORS = 2
MOST_ROUNDS = 10


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
    """The anchors[I] at the end, the rounds it took, and whether the last round flagged the items that the one before had flagged."""

    anchors: Mask
    rounds: int
    settled: bool


def purify(flagged: Callable[[Mask], Mask], n_items: int, most: int = MOST_ROUNDS) -> Purified:
    """Test with the unflagged items as anchors until the flags settle (Clauser, Mazor & Hambleton, 1993). flagged: of anchors[I], [I].

    Stops, unsettled, after `most` rounds, or before fewer than two anchors would be left.
    """
    anchors = np.ones(n_items, dtype=bool)
    for number in range(1, most + 1):
        clean = ~flagged(anchors)
        if np.array_equal(clean, anchors):
            return Purified(anchors, number, True)
        if clean.sum() < FEWEST_ANCHORS:
            return Purified(anchors, number, False)
        anchors = clean
    return Purified(anchors, most, False)
