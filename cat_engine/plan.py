"""The test plan: which competencies in which sections, how items are chosen, when to stop; its digest, and whether it fits a pool.

Plans are written as TOML: see plan_text.py.
"""

import hashlib
import json
from dataclasses import dataclass, field, replace

import numpy as np

from cat_engine.acceptance import Acceptance
from cat_engine.beginning import START, Adaptive, Start
from cat_engine.blueprint import BlueprintRow, Content, row_faults
from cat_engine.content import CONTENT, ContentMethod, Unbalanced
from cat_engine.eligibility import ELIGIBILITY, Eligibility, Everyone, Overlap
from cat_engine.estimators import ESTIMATOR, Estimator, ExpectedAPosteriori
from cat_engine.exposure import EXPOSURE, Best, Exposure
from cat_engine.families import Floats
from cat_engine.faults import Fault
from cat_engine.joint import Joint
from cat_engine.once import once
from cat_engine.overlap import CLOSE, least_overlap, rounded_up
from cat_engine.pool import Pool
from cat_engine.pretest import Pretest
from cat_engine.priors import PRIOR, NormalPrior, Prior, StartPriors, reach_faults
from cat_engine.registry import plain
from cat_engine.retest import Retest
from cat_engine.select import SELECTION, MaximumInformation, Selection
from cat_engine.select.timed import InformationPerTime
from cat_engine.stop import Length, SectionLength, StopRule, table_of


@dataclass(frozen=True)
class Section:
    """One timed part of the test. min_items and max_items count per competency; the budget counts from the section's first item."""

    code: str
    title: str
    competencies: tuple[str, ...]
    min_items: int
    max_items: int
    time_budget_min: float
    stop: tuple[StopRule, ...] = ()
    blueprint: tuple[BlueprintRow, ...] = ()
    pretest: Pretest | None = None

    @once
    def rules(self) -> tuple[StopRule, ...]:
        """The stopping rules in the order in which they are tried: the plan's own, the blueprint's length, the section's max_items."""
        totals = [row.high for row in self.blueprint if (row.kind, row.what, row.condition) == ("number", "item", "")]
        return (*self.stop, *(SectionLength(int(total)) for total in totals[:1]), Length(self.max_items))


@dataclass(frozen=True)
class TestPlan:
    """A whole test. `digest` identifies it: equal plans, equal digests. `interim` estimates ability while items are chosen; `final` scores the
    test, where it is not the same; with `joint` the competencies are taken together; with `retest` what a person met before does not come again;
    `acceptance` is what a simulation on a bank must keep. `starts`: priors of groups and persons, under which they are asked; scored are all by `prior`.
    """

    __test__ = False  # not a pytest class, whatever its name says

    name: str
    sections: tuple[Section, ...]
    prior: Prior = field(default_factory=NormalPrior)
    select: Selection = field(default_factory=MaximumInformation)
    exposure: Exposure = field(default_factory=Best)
    interim: Estimator = field(default_factory=ExpectedAPosteriori)
    final: Estimator | None = None
    start: Start = field(default_factory=Adaptive)
    eligibility: Eligibility = field(default_factory=Everyone)
    joint: Joint | None = None
    content: ContentMethod = field(default_factory=Unbalanced)
    acceptance: Acceptance = field(default_factory=Acceptance)
    retest: Retest | None = None
    starts: StartPriors = field(default_factory=StartPriors)

    @property
    def competencies(self) -> tuple[str, ...]:
        """All competencies, in the order of the sections."""
        return tuple(name for section in self.sections for name in section.competencies)

    @property
    def most_pretest(self) -> int:
        """The most pretest items that anyone can be given."""
        return sum(0 if section.pretest is None else section.pretest.count for section in self.sections)

    def starting_at(self, prior: NormalPrior | None) -> "TestPlan":
        """The plan as somebody is asked by who starts at `prior` (None: at the plan's own): which item comes next, and when to stop.

        Not for the score: that comes from this plan, so that equal answers get equal scores.
        """
        return self if prior is None or prior == self.prior else replace(self, prior=prior, starts=StartPriors())

    def prior_precision(self, competencies: tuple[str, ...]) -> Floats:
        """The inverse of the joint prior's covariance between `competencies`, [S, S]. Read only."""
        if competencies not in self._prior_precisions:
            correlations = (self.joint or Joint()).correlations(self.competencies, competencies)
            found = np.asarray(np.linalg.inv(correlations * self.prior.start[1] ** 2), dtype=np.float64)
            found.setflags(write=False)
            self._prior_precisions[competencies] = found
        return self._prior_precisions[competencies]

    @once
    def _prior_precisions(self) -> dict[tuple[str, ...], Floats]:
        return {}

    @once
    def digest(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return hashlib.sha256(json.dumps(as_table(self), sort_keys=True, separators=(",", ":")).encode()).hexdigest()


def as_table(plan: TestPlan) -> dict[str, object]:
    """The plan as nested tables of text, numbers and lists, each section with its own stop table.

    What was added to plans later stands in the table only where it is not the default, so that the digest of an older plan stays what it was.
    """
    prior = PRIOR.table_of(plan.prior)
    if isinstance(plan.prior, NormalPrior):
        del prior["name"]
    if plan.starts.person:
        prior["person"] = True
    if plan.starts.groups:
        prior["groups"] = {name: plain(own) for name, own in plan.starts.groups}
    table: dict[str, object] = {
        "name": plan.name,
        "prior": prior,
        "select": SELECTION.table_of(plan.select),
        "exposure": EXPOSURE.table_of(plan.exposure),
    }
    if plan.interim != ExpectedAPosteriori():
        table["interim"] = ESTIMATOR.table_of(plan.interim)
    if plan.final is not None:
        table["final"] = ESTIMATOR.table_of(plan.final)
    if plan.start != Adaptive():
        table["start"] = START.table_of(plan.start)
    if plan.eligibility != Everyone():
        table["eligibility"] = ELIGIBILITY.table_of(plan.eligibility)
    if plan.joint is not None:
        table["joint"] = {"matrix": plan.joint.matrix} if plan.joint.matrix else {"correlation": plan.joint.correlation}
    if plan.content != Unbalanced():
        table["content"] = CONTENT.table_of(plan.content)
    if plan.retest is not None:
        table["retest"] = {"exclude": True, **plain(plan.retest)}
    if plan.acceptance.limits:
        table["acceptance"] = plan.acceptance.limits
    table["sections"] = [_section_table(section) for section in plan.sections]
    return table


def _section_table(section: Section) -> dict[str, object]:
    table: dict[str, object] = {
        "code": section.code,
        "title": section.title,
        "competencies": list(section.competencies),
        "min_items": section.min_items,
        "max_items": section.max_items,
        "time_budget_min": section.time_budget_min,
        "stop": table_of(section.stop),
    }
    if section.blueprint:
        table["blueprint"] = [plain(row) for row in section.blueprint]
    if section.pretest is not None:
        table["pretest"] = plain(section.pretest)
    return table


def check(plan: TestPlan, pool: Pool) -> list[Fault]:
    """Faults between a plan and the pool it would run on, all of them: competencies that the pool does not know, that have no operational
    item or fewer than min_items, what the plan's rules need and the pool does not have (expected times, content, items named), and a prior that
    the pool's grid cuts off. That no pretest item needs answers any more is no fault: then none is given.
    """
    faults = []
    for i, section in enumerate(plan.sections):
        where = f"sections[{i}]"
        for name in section.competencies:
            if name not in pool.competencies:
                legal = "the pool has " + (", ".join(pool.competencies) or "none")
                faults.append(Fault(where, "competencies", f"the pool has no competency '{name}'", legal))
                continue
            mine = pool.params.scale == pool.competencies.index(name)
            count = int(np.count_nonzero(mine & pool.operational))
            if count == 0:
                faults.append(
                    Fault(where, "competencies", f"'{name}' has no operational item in the pool", "add items or drop the competency")
                )
            elif count < section.min_items:
                message = f"'{name}' has {count} operational items, and the section asks for at least {section.min_items}"
                faults.append(Fault(where, "min_items", message, f"add items, or at most {count}"))
        content = pool.content or Content.of(pool.ids, {})
        found = row_faults(section.blueprint, content, len(pool), timed=pool.seconds is not None)
        faults += [Fault(f"{where}.blueprint", f"{f.where} {f.field}", f.message, f.remedy) for f in found] or plan.content.faults(
            where, section.blueprint, pool
        )
    if isinstance(plan.select, InformationPerTime) and pool.seconds is None:
        message = "the pool does not know how long its items take"
        faults.append(Fault("select", "name", message, "rt_alpha and rt_beta, or seconds, for every active item of the bank"))
    faults += plan.start.faults(pool)
    segments = len(plan.eligibility.edges) + 1
    if plan.eligibility.active and pool.control is not None and len(pool.control) not in (1, segments):
        message = f"the pool's control parameters are for {len(pool.control)} segments of ability, the plan has {segments}"
        faults.append(Fault("eligibility", "cuts", message, f"{len(pool.control) - 1} cuts"))
    if isinstance(plan.eligibility, Overlap):
        faults += _overlap_faults(plan.eligibility, plan, pool)
    priors = [("prior", plan.prior), *((f"prior.groups.{name}", prior) for name, prior in plan.starts.groups)]
    return faults + [fault for where, prior in priors for fault in reach_faults(where, prior, pool.grid.low, pool.grid.high)]


def _overlap_faults(rule: Overlap, plan: TestPlan, pool: Pool) -> list[Fault]:
    """Limits that even a test which uses all items equally often would not keep."""
    faults: list[Fault] = []
    bounds: list[tuple[int, int, int]] = []  # fewest and most items of a competency, and how many there are
    for section in plan.sections:
        for scale in pool.places(section.competencies).tolist():
            n = int(np.count_nonzero((pool.params.scale == scale) & pool.operational))
            if n < section.min_items:
                return []  # the pool does not hold one test
            bounds.append((section.min_items, min(section.max_items, n), n))
            if section.min_items / n > rule.r_max + CLOSE:
                message = (
                    f"{rule.r_max:g} is out of reach: min_items = {section.min_items} of the {n} items of '{pool.competencies[scale]}'"
                )
                faults.append(
                    Fault("eligibility", "r_max", message, f"{rounded_up(section.min_items / n):g} or more, more items, or a shorter test")
                )
    least = least_overlap(*np.array(bounds).T) if bounds else 0.0
    if least > rule.max_overlap + CLOSE:
        message = f"{rule.max_overlap:g} is out of reach: two tests have {rounded_up(least):g} of their items in common if all items are used alike"
        faults.append(Fault("eligibility", "max_overlap", message, f"more than {rounded_up(least):g}, more items, or a shorter test"))
    return faults
