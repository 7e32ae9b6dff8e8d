"""The test plan: which competencies in which sections, how items are chosen, when to stop. TOML in, every fault named, a digest out."""

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property

import numpy as np

from cat_engine.ability import NormalPrior
from cat_engine.exposure import EXPOSURE, Best, Exposure
from cat_engine.faults import Fault, Faulty
from cat_engine.pool import Pool
from cat_engine.registry import option_faults
from cat_engine.select import SELECTION, MaximumInformation, Selection
from cat_engine.stop import StopRule


@dataclass(frozen=True, slots=True)
class Section:
    """One timed part of the test. min_items and max_items count per competency; the budget counts from the section's first item."""

    code: str
    title: str
    competencies: tuple[str, ...]
    min_items: int
    max_items: int
    time_budget_min: float
    stop: StopRule


@dataclass(frozen=True)
class TestPlan:
    """A whole test. `digest` identifies it: equal plans, equal digests."""

    __test__ = False  # not a pytest class, whatever its name says

    name: str
    sections: tuple[Section, ...]
    prior: NormalPrior = field(default_factory=NormalPrior)
    select: Selection = field(default_factory=MaximumInformation)
    exposure: Exposure = field(default_factory=Best)

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        content = {
            "name": self.name,
            "prior": asdict(self.prior),
            "select": {"name": SELECTION.name_of(self.select), **asdict(self.select)},  # type: ignore[call-overload]
            "exposure": {"name": EXPOSURE.name_of(self.exposure), **asdict(self.exposure)},  # type: ignore[call-overload]
            "sections": [asdict(section) for section in self.sections],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


TOP = {"name": str, "prior": dict, "select": dict, "exposure": dict, "stop": dict, "sections": list}
SECTION = {
    "code": str,
    "title": str,
    "competencies": list,
    "min_items": int,
    "max_items": int,
    "time_budget_min": float,
    "stop": dict,
}


def load_plan(text: str) -> TestPlan:
    """Read a plan from TOML text. Raises Faulty with *all* faults, each with the legal values."""
    try:
        table = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Faulty([Fault("plan", "", f"is not TOML: {error}")]) from None
    faults = option_faults("plan", table, TOP, frozenset({"name", "sections"}))
    prior = _prior(_table(table, "prior"), faults)
    select = SELECTION.build({"name": "mfi", **_table(table, "select")}, faults)
    exposure = EXPOSURE.build({"name": "none", **_table(table, "exposure")}, faults)
    base = _table(table, "stop")
    faults += StopRule.faults("stop", base)
    sections = _sections(table.get("sections"), base, faults)
    if faults or select is None or exposure is None:
        raise Faulty(faults)
    return TestPlan(str(table["name"]), sections, prior, select, exposure)


def _table(table: Mapping[str, object], key: str) -> dict[str, object]:
    value = table.get(key, {})
    return dict(value) if isinstance(value, Mapping) else {}


def _prior(table: dict[str, object], faults: list[Fault]) -> NormalPrior:
    found = option_faults("prior", table, {"mean": float, "sd": float}, frozenset())
    mean, sd = table.get("mean", 0.0), table.get("sd", 1.0)
    if not found and isinstance(mean, int | float) and isinstance(sd, int | float):
        if 0 < sd <= 5 and abs(mean) <= 4:
            return NormalPrior(float(mean), float(sd))
        found = [Fault("prior", "", f"mean {mean}, sd {sd} is out of range", "mean in [-4, 4], sd in (0, 5]")]
    faults += found
    return NormalPrior()


def _sections(tables: object, base: dict[str, object], faults: list[Fault]) -> tuple[Section, ...]:
    if not isinstance(tables, list) or not tables:
        faults.append(Fault("plan", "sections", "a plan needs at least one [[sections]]"))
        return ()
    sections: list[Section] = []
    seen: dict[str, str] = {}
    codes: set[str] = set()
    for i, table in enumerate(tables):
        where = f"sections[{i}]"
        if not isinstance(table, dict):
            faults.append(Fault(where, "", "is not a table"))
            continue
        found = option_faults(where, table, SECTION, frozenset(SECTION) - {"stop", "title"})
        stop = {**base, **_table(table, "stop")}
        found += StopRule.faults(f"{where}.stop", _table(table, "stop"))
        faults += found
        if found:
            continue
        faults += _section_faults(where, table, seen, codes)
        codes.add(table["code"])
        if not StopRule.faults("stop", stop):
            sections.append(
                Section(
                    table["code"],
                    str(table.get("title", table["code"])),
                    tuple(str(c) for c in table["competencies"]),
                    table["min_items"],
                    table["max_items"],
                    float(table["time_budget_min"]),
                    StopRule.build(stop),
                )
            )
    return tuple(sections)


def _section_faults(where: str, table: Mapping[str, object], seen: dict[str, str], codes: set[str]) -> list[Fault]:
    faults = []
    names = table["competencies"]
    assert isinstance(names, list)  # noqa: S101 - option_faults has said so
    if table["code"] in codes:
        faults.append(Fault(where, "code", f"'{table['code']}' is used twice"))
    if not names:
        faults.append(Fault(where, "competencies", "is empty"))
    for name in names:
        if not isinstance(name, str):
            faults.append(Fault(where, "competencies", f"{name!r} is not a competency code"))
        elif name in seen:
            faults.append(Fault(where, "competencies", f"'{name}' already stands in {seen[name]}"))
        else:
            seen[name] = where
    low, high, budget = table["min_items"], table["max_items"], table["time_budget_min"]
    assert isinstance(low, int)  # noqa: S101
    assert isinstance(high, int)  # noqa: S101
    assert isinstance(budget, int | float)  # noqa: S101
    if low < 1 or high < low:
        faults.append(Fault(where, "min_items", f"{low} to {high} items is not a range", "1 <= min_items <= max_items"))
    if budget <= 0:
        faults.append(Fault(where, "time_budget_min", f"{budget} is not a positive number of minutes"))
    return faults


def check(plan: TestPlan, pool: Pool) -> list[Fault]:
    """Faults between a plan and the pool it would run on: competencies unknown to the pool, or with too few items."""
    faults = []
    for i, section in enumerate(plan.sections):
        for name in section.competencies:
            where = f"sections[{i}]"
            if name not in pool.competencies:
                legal = "the pool has " + ", ".join(pool.competencies)
                faults.append(Fault(where, "competencies", f"the pool has no competency '{name}'", legal))
                continue
            mine = pool.params.scale == pool.competencies.index(name)
            count = int(np.count_nonzero(mine & pool.operational))
            if count < section.min_items:
                message = f"'{name}' has {count} operational items, and the section asks for at least {section.min_items}"
                faults.append(Fault(where, "min_items", message, "add items or lower min_items"))
    return faults
