"""What of past use a plan asks for when it is made ready: exposure, control parameters, and how many answers pretest items still need. Pure."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from cat_engine import Fault, Pool, TestPlan, check
from cat_engine.control import Watch, found_beforehand, remembered
from cat_engine.eligibility import Finished, FoundBeforehand
from cat_engine.population import Population
from cat_engine.select.timed import InformationPerTime
from itembank.bank import Bank, Snapshot, pool_of, time_faults
from webtest.events import canonical
from webtest.job_levels import JOB_LEVELS

PEOPLE, CYCLES = 300, 6  # of the simulations that find control parameters

Controls = tuple[Mapping[str, float], ...]  # control parameters as a Snapshot has them
Control = Callable[[TestPlan, Bank], Controls]  # who finds those that a plan's rule asks for on a bank


def needs(plan: TestPlan, bank: Bank, answers: Mapping[str, int]) -> dict[str, int]:
    """The pretest items of the sections that ask for some, and how many answers each still lacks after answers[item id]."""
    wanted = {code: s.pretest.answers for s in plan.sections if s.pretest is not None for code in s.competencies}
    mine = [i for i in range(len(bank)) if bank.status[i] == "pretest" and bank.competency_of(i) in wanted]
    lacking = {bank.ids[i]: wanted[bank.competency_of(i)] - answers.get(bank.ids[i], 0) for i in mine}
    return {item_id: n for item_id, n in lacking.items() if n > 0}


def control_of(plan: TestPlan, bank: Bank, watch: Watch | None = None) -> Controls:
    """The control parameters that a plan's rule asks for on a bank: always the same ones, since seed and people of the simulation follow from nothing else.

    None where the plan does not fit the bank: it is refused for that. `watch` hears after each simulation how many are done, and of how many. Raises
    Faulty where the bank cannot keep the limits of the rule.
    """
    bare, pool = _searched(plan, bank)
    if plan_faults(bare, bank, pool):
        return ()
    mean, sd = plan.prior.start
    true = mean + sd * Population().abilities(PEOPLE, len(pool.competencies), 0)
    return _by_id(found_beforehand(bare, pool, true, 0, cycles=CYCLES, watch=watch))


def search_digest(plan: TestPlan, bank: Bank) -> str:
    """What tells one search for control parameters from another: all that `control_of` looks at."""
    bare, pool = _searched(plan, bank)
    return hashlib.sha256(canonical([bare.digest, pool.digest, PEOPLE, CYCLES]).encode()).hexdigest()


def _searched(plan: TestPlan, bank: Bank) -> tuple[TestPlan, Pool]:
    """The part of a plan and of a bank that control parameters depend on: pretest items have none."""
    bare = replace(plan, sections=tuple(replace(section, pretest=None) for section in plan.sections))
    return bare, pool_of(bank, plan.competencies)


def learned(plan: TestPlan, bank: Bank, past: Callable[[Pool], Iterable[Finished]]) -> Snapshot:
    """What the plan's rule of eligibility has learned from the tests that `past` gives of a pool: exposure and control."""
    pool = pool_of(bank, plan.competencies)
    found = remembered(plan.eligibility, pool, past(pool))
    exposure = {item_id: float(rate) for item_id, rate in zip(found.ids, found.exposure, strict=True) if rate > 0}
    return Snapshot(exposure, _by_id(found))


def untried(plan: TestPlan, bank: Bank, control: Control = control_of) -> Snapshot:
    """The snapshot where nothing has been tested yet: for trying a plan out. Raises Faulty, and what `control` raises."""
    found = control(plan, bank) if isinstance(plan.eligibility, FoundBeforehand) else ()
    return Snapshot({}, found, needs(plan, bank, {}))


def _by_id(pool: Pool) -> Controls:
    rows = () if pool.control is None else pool.control.tolist()
    return tuple({item_id: p for item_id, p in zip(pool.ids, row, strict=True) if p != 1} for row in rows)


def group_faults(plan: TestPlan) -> list[Fault]:
    """Groups of the plan's priors that are no job level."""
    legal = "one of " + ", ".join(JOB_LEVELS)
    return [
        Fault(f"prior.groups.{name}", "", f"'{name}' is no job level", legal) for name, _ in plan.starts.groups if name not in JOB_LEVELS
    ]


def plan_faults(plan: TestPlan, bank: Bank, pool: Pool) -> list[Fault]:
    """All that keeps a bank from serving a plan."""
    legal = "the bank has " + ", ".join(bank.competencies)
    faults = [  # of the pool, which holds no more than the plan asks for
        replace(f, remedy=legal) if f.field == "competencies" and "no competency" in f.message else f for f in check(plan, pool)
    ]
    faults += group_faults(plan)
    timed = any(row.kind == "time" for section in plan.sections for row in section.blueprint)
    if (timed or isinstance(plan.select, InformationPerTime)) and pool.seconds is None:
        faults += time_faults(bank, [item_id for item_id, scored in zip(pool.ids, pool.operational, strict=True) if scored])
    return faults
