"""The engine's own state: a fold over four events, nothing mutable, nothing that a decision could not be made from again.

presented -> answered -> presented -> ... -> section_ended -> presented -> ... -> section_ended -> stopped
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Presented:
    """Item `item` (index in the pool) is on the screen."""

    item: int


@dataclass(frozen=True, slots=True)
class Answered:
    """The pending item was answered in `category` after `rt_s` seconds."""

    category: int
    rt_s: float


@dataclass(frozen=True, slots=True)
class SectionEnded:
    """The current section is over; an item still pending is dropped, not scored."""

    reason: str


@dataclass(frozen=True, slots=True)
class Stopped:
    """The test is over."""

    reason: str


Event = Presented | Answered | SectionEnded | Stopped


class EngineRefusal(ValueError):
    """An event that does not fit the state: an answer to nothing, an item twice, a category that cannot be, anything after the end."""


class State(NamedTuple):
    """What has happened: `items` and `categories` in order of answering, `section_starts[s]` = number of answers when section s began,
    `ended[s]` = why section s ended, `dropped` = items that were on the screen when their section ended: seen, not scored, never given again.
    `seen` = items that the person met in an earlier test: given only where nothing else is left.
    """

    seed: int
    items: tuple[int, ...] = ()
    categories: tuple[int, ...] = ()
    rt_s: tuple[float, ...] = ()
    pending: int | None = None
    section: int = 0
    section_starts: tuple[int, ...] = (0,)
    stopped: str | None = None
    ended: tuple[str, ...] = ()
    dropped: tuple[int, ...] = ()
    seen: tuple[int, ...] = ()

    @property
    def position(self) -> int:
        """The number of answers so far, and so the address of the next decision's randomness."""
        return len(self.items)


def start(seed: int, seen: Iterable[int] = ()) -> State:
    """A test before its first item. `seed` addresses all randomness of the attempt, with the position; `seen` are items met in earlier tests.

    Raises ValueError for a negative number.
    """
    known = tuple(seen)
    if min(seed, *known, 0) < 0:
        msg = f"seed {seed} is negative" if seed < 0 else f"{min(known)} is not an item"
        raise ValueError(msg)
    return State(seed, seen=known)


def tell(state: State, event: Event) -> State:
    """The state after `event`. Raises EngineRefusal, and the state stays, where the event does not fit."""
    if state.stopped is not None:
        raise EngineRefusal("the test is over")
    match event:
        case Presented():
            item = event.item
            if state.pending is not None:
                raise EngineRefusal("an item is still pending")
            if item < 0:
                raise EngineRefusal(f"{item} is not an item")
            if item in state.items or item in state.dropped:
                raise EngineRefusal(f"item {item} was already given")
            return _going_on(state, state.items, state.categories, state.rt_s, item)
        case Answered():
            category, rt_s = event.category, event.rt_s
            if state.pending is None:
                raise EngineRefusal("no item is pending")
            if category < 0:
                raise EngineRefusal(f"{category} is not a category")
            if not (math.isfinite(rt_s) and rt_s >= 0):
                raise EngineRefusal(f"{rt_s} s is not a response time")
            return _going_on(state, (*state.items, state.pending), (*state.categories, category), (*state.rt_s, rt_s), None)
        case SectionEnded(reason):
            return state._replace(
                pending=None,
                section=state.section + 1,
                section_starts=(*state.section_starts, len(state.items)),
                ended=(*state.ended, reason),
                dropped=state.dropped if state.pending is None else (*state.dropped, state.pending),
            )
        case Stopped(reason):
            return state._replace(pending=None, stopped=reason)


def _going_on(s: State, items: tuple[int, ...], categories: tuple[int, ...], rt_s: tuple[float, ...], pending: int | None) -> State:
    """The state with other answers, in the same section. Written out, since _replace takes twice as long."""
    return State(s.seed, items, categories, rt_s, pending, s.section, s.section_starts, s.stopped, s.ended, s.dropped, s.seen)


def fold(seed: int, events: Iterable[Event], seen: Iterable[int] = ()) -> State:
    """The state after all of `events`, from the start."""
    state = start(seed, seen)
    for event in events:
        state = tell(state, event)
    return state
