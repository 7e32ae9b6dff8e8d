"""When a shadow test is assembled anew (Choi, Lim & van der Linden, 2022, whose names these are).

| refresh | a new shadow test is assembled |
|---|---|
| always | before every item |
| position | before the items at `positions`, counted from 1, and the first |
| interval | before every `interval`-th item: 1, 1 + interval, ... |
| threshold | when the last answer moved an ability of the section by more than `threshold` |
| interval-threshold | at the positions of `interval`, if the last answer moved an ability by more than `threshold` |
| stimulus | when an item set is finished |

Between refreshes the last shadow test stands. It is not kept but found again: the test that is best at the ability of that moment and holds what
has been given since is that very test, as what was given came from it.
"""

from collections.abc import Callable, Sequence

from cat_engine.families import Ints

REFRESH = ("always", "position", "interval", "threshold", "interval-threshold", "stimulus")


def last_refresh(
    refresh: str, position: int, *, positions: Sequence[int], interval: int, moved: Callable[[int], bool], stimuli: Ints
) -> int:
    """The latest position from 0 to `position` (answers in the section) before which a test was assembled.

    moved(k): whether answer k, counted from 1, moved an ability by more than the threshold; stimuli[position]: of each item given, -1 for none.
    """
    if refresh == "position":
        return max((p - 1 for p in positions if p - 1 <= position), default=0)
    if refresh == "interval":
        return position - position % interval
    if refresh in ("threshold", "interval-threshold"):
        step = interval if refresh == "interval-threshold" else 1
        return next((k for k in range(position, 0, -1) if k % step == 0 and moved(k)), 0)
    if refresh == "stimulus" and position and stimuli[-1] >= 0:
        begun = position - 1
        while begun and stimuli[begun - 1] == stimuli[-1]:
            begun -= 1
        return begun
    return position
