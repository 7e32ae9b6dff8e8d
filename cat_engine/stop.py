"""When a competency, and with it a section, is finished. Every stop names its reason.

A rule is a frozen dataclass registered under its key in a plan's [stop] table; its one option is the value of that key. A competency is finished
by the first of its section's rules that fires; a rule that waits does not fire below the section's minimum number of items.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault
from cat_engine.registry import Registry, fits

GOING_ON = -1
BANK = "bank"  # not a rule: the reason where a competency is unfinished and no eligible item is left
PRECEDENCE = ("time", BANK, "length", "precision")  # of reasons, where the competencies of a section ended for several


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """What a rule may look at, for N sessions and the S competencies of their section: se[N, S], n[N, S] answers, and seconds[N] of answering
    in this section.
    """

    se: Floats
    n: Ints
    seconds: Floats


class StopRule(Protocol):
    """reached(standing) -> [N, S]: where the rule would finish a competency. `reason` is what a stopped competency says."""

    reason: ClassVar[str]
    waits: ClassVar[bool]

    def reached(self, standing: Standing) -> NDArray[np.bool_]: ...


STOP: Registry[StopRule] = Registry("stop")


@STOP.register("time_s")
@dataclass(frozen=True, slots=True)
class AnsweringTime:
    """Seconds spent on the answers of the section. The wall clock of a live test is kept outside the engine; a simulation without response
    times never gets here.
    """

    at_most: float
    reason: ClassVar[str] = "time"
    waits: ClassVar[bool] = False

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """For all competencies of the section at once."""
        return np.broadcast_to(standing.seconds[:, None] >= self.at_most, standing.n.shape)


@STOP.register("se")
@dataclass(frozen=True, slots=True)
class PosteriorSD:
    """The posterior standard deviation of the competency is at most this (Bock & Mislevy, 1982; catR's "precision")."""

    at_most: float
    reason: ClassVar[str] = "precision"
    waits: ClassVar[bool] = True

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """se <= at_most."""
        return np.asarray(standing.se <= self.at_most, dtype=bool)


@dataclass(frozen=True, slots=True)
class Length:
    """So many answers on the competency: the section's max_items, the last rule of every section."""

    at_most: int
    reason: ClassVar[str] = "length"
    waits: ClassVar[bool] = False

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """n >= at_most."""
        return np.asarray(standing.n >= self.at_most, dtype=bool)


def build_rules(where: str, table: Mapping[str, object], faults: list[Fault]) -> tuple[StopRule, ...]:
    """The rules of a plan's stop table, in the order of their names; 0 switches a rule off. What is wrong is added to `faults`."""
    rules: list[StopRule] = []
    for key in sorted(table):
        value = table[key]
        if key not in STOP.names:
            faults.append(Fault(where, key, "is not known here", "known: " + ", ".join(STOP.names)))
        elif not fits(value, float) or not isinstance(value, int | float) or value < 0:
            faults.append(Fault(where, key, f"{value!r} is not a finite number from 0", "0 switches the rule off"))
        elif value > 0:
            rule = STOP.build({"name": key, "at_most": float(value)}, faults)
            rules += [] if rule is None else [rule]
    return tuple(rules)


def table_of(rules: tuple[StopRule, ...]) -> dict[str, object]:
    """The stop table that describes `rules`: `build_rules` gives equal ones back."""
    tables = [STOP.table_of(rule) for rule in rules]
    return {str(table["name"]): table["at_most"] for table in tables}


def verdict(rules: tuple[StopRule, ...], standing: Standing, min_items: int) -> Ints:
    """[N, S]: the index of the first rule that finishes each competency, GOING_ON where none does."""
    waited = standing.n >= min_items
    out = np.full(standing.n.shape, GOING_ON)
    for k in range(len(rules) - 1, -1, -1):
        rule = rules[k]
        fires = rule.reached(standing)
        out[fires & waited if rule.waits else fires] = k
    return out


def reasons(rules: tuple[StopRule, ...], row: Ints) -> tuple[str, ...]:
    """Why each competency of a section that ends is over; "bank" where none of the rules has fired. `row`[S] out of `verdict`."""
    return tuple(BANK if k == GOING_ON else rules[k].reason for k in row.tolist())


def section_reason(found: tuple[str, ...]) -> str:
    """One reason for the section: what bound it hardest, in the order of PRECEDENCE ("bank" where it has no competencies)."""
    rank = {name: k for k, name in enumerate(PRECEDENCE)}
    return min(found, key=lambda name: rank.get(name, len(rank)), default=BANK)
