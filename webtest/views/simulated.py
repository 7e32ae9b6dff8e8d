"""Would this wave reach its targets? What a simulation says of each competency, against what the plan itself asks for, and of plans side by side."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from flask_babel import gettext as _
from werkzeug.datastructures import MultiDict

from cat_engine import Fault, Faulty, Pool, Section, SimulationResult, TestPlan
from cat_engine.stop import BANK, TIME, PosteriorSD
from webtest.services.psychometrics import Tried
from webtest.simulation_comparison import best_of

ENOUGH = 0.9  # share of people who must reach a competency's precision for it to count as reached
MOST_PLANS = 4
PEOPLE, SEEDS = (10, 2000), (0, 999_999_999)


@dataclass(frozen=True, slots=True)
class Asked:
    """The form as it was filled in: the plans that are not blank, how many people, which seed."""

    texts: tuple[str, ...]
    people: str = "200"
    seed: str = "1"

    @classmethod
    def of(cls, form: MultiDict[str, str]) -> "Asked":
        """What the browser sent."""
        texts = tuple(text for text in form.getlist("plan") if text.strip())
        return cls(texts, form.get("n", "200").strip(), form.get("seed", "1").strip())

    def numbers(self) -> tuple[int, int]:
        """People and seed. Raises Faulty with everything that is wrong with the form."""
        faults = [] if self.texts else [Fault("form", "plan", "is empty")]
        if len(self.texts) > MOST_PLANS:
            faults.append(Fault("form", "plan", f"{len(self.texts)} plans are too many to compare"))
        for name, text, (low, high) in (("people", self.people, PEOPLE), ("seed", self.seed, SEEDS)):
            if not (text.isascii() and text.isdigit() and len(text) <= len(str(high)) and low <= int(text) <= high):
                faults.append(Fault("form", name, f"'{text[:20]}' is not a whole number from {low} to {high}"))
        if faults:
            raise Faulty(faults)
        return int(self.people), int(self.seed)


@dataclass(frozen=True, slots=True)
class Reached:
    """One competency. `aim` is the SE that its section stops at (None: the section asks for no precision), `share` who got there."""

    code: str
    items: float
    se: float
    rmse: float
    bias: float
    aim: float | None
    share: float
    out_of_items: float

    @property
    def verdict(self) -> str:
        """'yes', 'no', or '' where the plan sets no precision."""
        if self.out_of_items > 0:
            return "no"
        if self.aim is None:
            return ""
        return "yes" if self.share >= ENOUGH else "no"


def aim_of(section: Section) -> float | None:
    """The posterior SD at which the section's competencies stop."""
    return next((rule.at_most for rule in section.stop if isinstance(rule, PosteriorSD)), None)


def targets(plan: TestPlan, pool: Pool, result: SimulationResult) -> list[Reached]:
    """A line a competency, in the plan's order."""
    rows = []
    for section in plan.sections:
        for code in section.competencies:
            s = pool.competencies.index(code)
            aim = aim_of(section)
            share = float(np.mean(result.se[:, s] <= aim)) if aim is not None else 1.0
            dry = float(np.mean([stops[s] == BANK for stops in result.stops]))
            rows.append(
                Reached(
                    code,
                    float(result.count[:, s].mean()),
                    float(result.se[:, s].mean()),
                    float(result.rmse[s]),
                    float(result.bias[s]),
                    aim,
                    share,
                    dry,
                )
            )
    return rows


@dataclass(frozen=True, slots=True)
class SectionMinutes:
    """The time of a section: mean, when 95 % are done, its budget and the advised limit, in minutes, and the share whose time ran out."""

    title: str
    mean: float
    p95: float
    late: float
    budget: float
    advised: float

    @property
    def tight(self) -> bool:
        """Whether the budget is below the advice."""
        return self.budget < self.advised


def section_minutes(tried: Tried) -> list[SectionMinutes]:
    """A line a section; none where answers take no time."""
    if tried.result.seconds is None:
        return []
    minutes, late = tried.result.seconds / 60, _late(tried.result)
    return [
        SectionMinutes(
            one.section.title, float(minutes[:, k].mean()), float(np.quantile(minutes[:, k], 0.95)), float(late[:, k].mean()),
            one.section.time_budget_min, one.advice.limit_s / 60,
        )
        for k, one in enumerate(tried.advice)
    ]  # fmt: skip


def _late(result: SimulationResult) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Whose time ran out in which section, [N, sections]."""
    return np.array([[reason == TIME for reason in found] for found in result.reasons])


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure of each plan, None where it has none; digits, None for a share; the places of the best."""

    words: str
    values: tuple[float | None, ...]
    digits: int | None
    best: frozenset[int]


def measures(trials: Sequence[Tried]) -> list[Measure]:
    """The figures by which plans are compared; those of time where answers take some."""
    results = [tried.result for tried in trials]
    rows: list[tuple[str, list[float | None], int | None]] = [
        (_("Butir rata-rata"), [float(r.length.mean()) for r in results], 1),
        (_("Waktu rata-rata (menit)"), [None if r.seconds is None else float(r.seconds.sum(axis=1).mean()) / 60 for r in results], 1),
        (_("Kehabisan waktu"), [None if r.seconds is None else float(_late(r).any(axis=1).mean()) for r in results], None),
        (_("SE rata-rata"), [float(r.se.mean()) for r in results], 3),
        ("RMSE", [math.sqrt(float(((r.theta - r.true) ** 2).mean())) for r in results], 3),
        (_("Paparan tertinggi"), [float(r.exposure.max()) for r in results], None),
        (_("Butir tidak terpakai"), [tried.result.unused for tried in trials], None),
        (_("Butir sama antara dua orang"), [r.overlap for r in results], None),
    ]
    return [
        Measure(words, tuple(values), digits, frozenset(best_of(values, "low")))
        for words, values, digits in rows
        if any(value is not None for value in values)
    ]


def by_competency(rows: Sequence[Sequence[Reached]]) -> list[tuple[str, list[Reached | None]]]:
    """Each competency with what each of the plans reaches on it, None where a plan does not test it."""
    found = [{row.code: row for row in own} for own in rows]
    return [(code, [own.get(code) for own in found]) for code in sorted({code for own in found for code in own})]
