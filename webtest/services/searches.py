"""Searches for control parameters as works of the server: the same plan on the same bank is one search."""

from collections.abc import Iterable

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Faulty, TestPlan
from itembank.bank import Bank, Snapshot, pool_of
from webtest.models import Wave
from webtest.services.works import Waiting, Work, Works
from webtest.snapshots import Controls, plan_faults, search_digest
from webtest.tasks import ControlSearch

CONTROL = "control"


class Searches:
    """The searches of an installation."""

    def __init__(self, engine: Engine, works: Works) -> None:
        self._engine, self._works = engine, works

    def state(self, plan: TestPlan, bank: Bank) -> Work | None:
        """How the search for a plan's control parameters stands; None where nobody has begun one."""
        return self._works.state(CONTROL, search_digest(plan, bank))

    def at(self, digests: Iterable[str]) -> list[Work | None]:
        """How the searches of these digests stand."""
        return self._works.states(CONTROL, digests)

    def begin(self, plan: TestPlan, bank: Bank, *, again: bool = False) -> Work:
        """Begin a search, as Works.begin."""
        return self._works.begin(CONTROL, search_digest(plan, bank), task=ControlSearch(plan, bank), again=again)

    def control(self, plan: TestPlan, bank: Bank) -> Controls:
        """The control parameters that a plan's rule asks for on a bank, where they are known; else the search begins. None where the plan does not fit
        the bank: it is refused for that. Raises Waiting while they are searched for, and Faulty where the bank cannot keep the limits of the rule.
        """
        known = known_control(self._engine, plan, bank)
        if known or plan_faults(plan, bank, pool_of(bank, plan.competencies)):
            return known
        found = self.begin(plan, bank)
        if found.state == "failed":
            raise Faulty(found.faults)
        if found.outcome is None:
            raise Waiting([found])
        return tuple(found.outcome["control"])


def known_control(engine: Engine, plan: TestPlan, bank: Bank) -> Controls:
    """The control parameters of an earlier wave of the same plan and bank: finding them again would give the same."""
    with SqlSession(engine) as sql:
        query = select(Wave.snapshot).where(Wave.plan_digest == plan.digest, Wave.bank_version == bank.version, col(Wave.waiting).is_(None))
        found = sql.exec(query.where(col(Wave.snapshot).is_not(None))).first()
    return () if found is None else tuple(dict(row) for row in Snapshot.from_json(found).control)
