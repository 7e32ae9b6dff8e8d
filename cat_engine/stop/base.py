"""When a competency, and with it a section, is finished. Every stop names its reason.

A rule is a frozen dataclass registered under its key in a plan's [stop] table. A rule with one option takes its value from that key, one with
several a table: se = 0.4, sprt = {cuts = [0.5], delta = 0.2}. A competency is finished by the first of its section's rules that fires; a rule
that waits does not fire below the section's minimum number of items. The table `all` holds rules that must fire at once.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault
from cat_engine.once import once
from cat_engine.registry import Registry, fits

if TYPE_CHECKING:
    from cat_engine.batch import Batch
    from cat_engine.estimators import Given

Number = TypeVar("Number", np.float64, np.int64)

GOING_ON = -1
BANK = "bank"  # not a rule: the reason where a competency is unfinished and no eligible item is left
TIME = "time"  # also the reason where a section's budget is spent, which is no rule either
ALL = "all"
PRECEDENCE = (TIME, BANK, "length", "precision")  # of reasons, where the competencies of a section ended for several


@dataclass(eq=False)
class Standing:
    """What a rule may look at, for N sessions and the S competencies of their section: rows[N] of the batch, scales[S] (indices in the pool),
    available[N, I] (items that might still be given), and seconds[N] of answering in this section.
    """

    batch: "Batch"
    rows: Ints
    scales: Ints
    available: NDArray[np.bool_]
    seconds: Floats

    def _own(self, values: NDArray[Number]) -> NDArray[Number]:
        """Of values[all sessions, all competencies] those that are looked at, [N, S]; the array itself where they are all of one competency."""
        if values.shape == (len(self.rows), 1) and len(self.scales) == 1:
            return values
        return values[self.rows[:, None], self.scales]

    @once
    def theta(self) -> Floats:
        """Interim ability, [N, S]."""
        return self._own(self.batch.theta)

    @once
    def se(self) -> Floats:
        """Its standard error, [N, S]."""
        return self._own(self.batch.se)

    @once
    def n(self) -> Ints:
        """Answers, [N, S]."""
        return self._own(self.batch.count)

    @property
    def most(self) -> int:
        """No competency of anybody has more answers."""
        return self.batch.most

    @once
    def previous(self) -> Floats:
        """Interim ability before the last answer on each competency, [N, S]; NaN before the first."""
        return self._own(self.batch.previous())

    @once
    def best(self) -> tuple[Floats, Ints]:
        """The largest information that an available item has at the interim ability, and that item, ties on 1e-12 to the lowest index as where an item
        is chosen: [N, S] each; -inf where there is none.
        """
        info = np.where(self.available, self.batch.information(self.rows), -np.inf)
        own = self.batch.pool.params.scale[None, :] == self.scales[:, None]
        by_scale = np.where(own[None], info[:, None, :], -np.inf)
        alike = by_scale.round(12)
        return by_scale.max(axis=-1, initial=-np.inf), np.asarray(
            alike.argmax(axis=-1) if alike.shape[-1] else alike.sum(axis=-1).astype(int)
        )

    def each(self, function: "Callable[[Given], Floats]") -> Floats:
        """function(the answers of the sessions on one competency) -> [N] for each competency: [N, S]."""
        columns = [function(self.batch.given(self.rows, s)) for s in self.scales.tolist()]
        return np.stack(columns, axis=1) if columns else np.zeros((len(self.rows), 0))


class StopRule(Protocol):
    """reached(standing) -> [N, S]: where the rule would finish a competency; None where it is plain that it finishes none, for anybody. `reason` is
    what a stopped competency says.
    """

    @property
    def reason(self) -> str: ...

    @property
    def waits(self) -> bool: ...

    def reached(self, standing: Standing) -> NDArray[np.bool_] | None: ...


STOP: Registry[StopRule] = Registry("stop")


@dataclass(frozen=True, slots=True)
class Length:
    """So many answers on the competency: the section's max_items, the last rule of every section."""

    at_most: int
    reason: ClassVar[str] = "length"
    waits: ClassVar[bool] = False

    def reached(self, standing: Standing) -> NDArray[np.bool_] | None:
        """n >= at_most."""
        return None if standing.most < self.at_most else standing.n >= self.at_most


@dataclass(frozen=True, slots=True)
class SectionLength:
    """So many answers in the whole section: the length that its blueprint asks for."""

    at_most: int
    reason: ClassVar[str] = "length"
    waits: ClassVar[bool] = False

    def reached(self, standing: Standing) -> NDArray[np.bool_] | None:
        """For all competencies of the section at once."""
        if standing.most * len(standing.scales) < self.at_most:
            return None
        return np.broadcast_to(standing.n.sum(axis=1, keepdims=True) >= self.at_most, standing.n.shape)


@dataclass(frozen=True, slots=True)
class AllOf:
    """Several rules at once: reached where every one of them is. In a plan the table `all`."""

    rules: tuple[StopRule, ...]
    waits: ClassVar[bool] = True

    @property
    def reason(self) -> str:
        """The reasons, joined."""
        return "+".join(dict.fromkeys(rule.reason for rule in self.rules))

    def reached(self, standing: Standing) -> NDArray[np.bool_] | None:
        """The conjunction."""
        found = [rule.reached(standing) for rule in self.rules]
        fires = [one for one in found if one is not None]
        return np.asarray(np.logical_and.reduce(fires)) if len(fires) == len(found) else None


def build_rules(where: str, table: Mapping[str, object], faults: list[Fault]) -> tuple[StopRule, ...]:
    """The rules of a plan's stop table, in the order of their names; 0 switches a rule off. What is wrong is added to `faults`."""
    rules: list[StopRule] = []
    for key in sorted(table):
        value = table[key]
        if key == ALL:
            rules += _all_of(f"{where}.{ALL}", value, faults)
        elif key not in STOP.names:
            faults.append(Fault(where, key, "is not known here", "known: " + ", ".join((*STOP.names, ALL))))
        elif isinstance(value, Mapping):
            found: list[Fault] = []
            rule = STOP.build({"name": key, **value}, found)
            faults += [Fault(where, f"{key}.{fault.field}", fault.message, fault.remedy) for fault in found]
            rules += [] if rule is None else [rule]
        elif STOP.options_of(key) != ("at_most",) and value != 0:
            faults.append(Fault(where, key, f"{value!r} is not a table", "its options: " + ", ".join(STOP.options_of(key))))
        elif not fits(value, float) or not isinstance(value, int | float) or value < 0:
            faults.append(Fault(where, key, f"{value!r} is not a finite number from 0", "0 switches the rule off"))
        elif value > 0:
            rule = STOP.build({"name": key, "at_most": float(value)}, faults)
            rules += [] if rule is None else [rule]
    return tuple(rules)


def _all_of(where: str, value: object, faults: list[Fault]) -> list[StopRule]:
    if not isinstance(value, Mapping) or ALL in value:
        faults.append(Fault(where, "", f"{value!r} is not a table of rules", "se = 0.4, theta_change = 0.05"))
        return []
    together = build_rules(where, value, faults)
    return [AllOf(together)] if together else []


def table_of(rules: tuple[StopRule, ...]) -> dict[str, object]:
    """The stop table that describes `rules`: `build_rules` gives equal ones back."""
    out: dict[str, object] = {}
    for rule in rules:
        if isinstance(rule, AllOf):
            out[ALL] = table_of(rule.rules)
            continue
        table = STOP.table_of(rule)
        name = str(table.pop("name"))
        out[name] = table["at_most"] if tuple(table) == ("at_most",) else table
    return out


def verdict(rules: tuple[StopRule, ...], standing: Standing, min_items: int) -> Ints | None:
    """[N, S]: the index of the first rule that finishes each competency, GOING_ON where none does; None where none does for anybody."""
    out = None
    for k in range(len(rules) - 1, -1, -1):
        rule = rules[k]
        fires = rule.reached(standing)
        if fires is not None and np.count_nonzero(fires):
            if out is None:
                out = np.empty(fires.shape, dtype=int)
                out.fill(GOING_ON)
            out[fires & (standing.n >= min_items) if rule.waits else fires] = k
    return out


def reasons(rules: tuple[StopRule, ...], row: Ints, unfinished: str = BANK) -> tuple[str, ...]:
    """Why each competency of a section that ends is over; `unfinished` where none of the rules has fired. `row`[S] out of `verdict`."""
    return tuple(unfinished if k == GOING_ON else rules[k].reason for k in row.tolist())


def section_reason(found: tuple[str, ...]) -> str:
    """One reason for the section: what bound it hardest, in the order of PRECEDENCE ("bank" where it has no competencies)."""
    rank = {name: k for k, name in enumerate(PRECEDENCE)}
    return min(found, key=lambda name: rank.get(name, len(rank)), default=BANK)
