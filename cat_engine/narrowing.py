"""What a way to keep a blueprint is, and how far it may have to give way.

A method is a frozen dataclass registered by name; its fields are its options in the plan's [content] table. It never leaves a person without an
item: where a rule cannot be kept it gives way, and the rung of the fallback ladder says how far.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cat_engine.blueprint import BlueprintRow
from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault
from cat_engine.pool import Pool
from cat_engine.registry import Registry
from cat_engine.select.base import Moment

FULL = "full"  # every rule of the plan held
OPEN = "eligibility"  # exposure control was dropped
RELAXED = "relaxed"  # bounds of the blueprint were missed, by as little as possible, those of the lowest priority first
DROPPED = "dropped"  # rows that cannot be missed by a little were dropped, those of the lowest priority first
ANY = "any"  # no test could be assembled at all: the best item left
LADDER = (FULL, OPEN, RELAXED, DROPPED, ANY)


@dataclass(frozen=True, slots=True, eq=False)
class Narrowed:
    """score[N, I], eligible[N, I] with an item for every session, and the rung of each session."""

    score: Floats
    eligible: NDArray[np.bool_]
    rungs: tuple[str, ...]


class ContentMethod(Protocol):
    """narrow(moment, score, rows, open_items) -> Narrowed; open_items[N, I] are the items before exposure control. faults(rows, pool): what a
    section's blueprint and a pool lack.
    """

    def narrow(self, moment: Moment, score: Floats, rows: Sequence[BlueprintRow], open_items: NDArray[np.bool_]) -> Narrowed: ...

    def faults(self, where: str, rows: Sequence[BlueprintRow], pool: Pool) -> list[Fault]: ...


CONTENT: Registry[ContentMethod] = Registry("content")


def given_in_section(moment: Moment, n: int) -> Ints:
    """The items that session n has answered in this section."""
    row = moment.rows[n]
    total = int(moment.batch.count[row].sum())
    return np.asarray(moment.batch.items[row, total - int(moment.position[n]) : total])


def needs_rows(where: str, rows: Sequence[BlueprintRow]) -> list[Fault]:
    """A section without a blueprint."""
    return [] if rows else [Fault(where, "blueprint", "is missing", "at least one [[sections.blueprint]] row")]


def criterion(moment: Moment, position: int) -> Floats:
    """The plan's scores [N, I] of sessions that have answered `position` items of their section."""
    plan = moment.batch.plan
    return plan.start.score(moment, position) if position < plan.start.length else plan.select.score(moment)
