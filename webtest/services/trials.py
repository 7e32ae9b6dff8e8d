"""Trials of a version of the bank: a plan simulated on it and on its parent, against the plan's limits. Everything is kept."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, func
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Pool, TestPlan, load_plan
from cat_engine.acceptance import Check
from cat_engine.trial import BankTrial
from itembank.bank import Bank
from itembank.demo import plan_text
from itembank.models import BankVersion
from itembank.store import load_bank
from webtest.engine_inputs import pool_for
from webtest.models import CalibrationRun, VersionTrial, Wave
from webtest.refusal import Refused
from webtest.services.works import Waiting, Work, Works
from webtest.snapshots import Control, control_of
from webtest.tasks import Trial

TRIAL = "trial"
SEED = 1
LARGEST_NUMBER = 2**31 - 1  # of a column of integers


@dataclass(frozen=True, slots=True)
class Tried:
    """The latest trial of a version: when, by whom, on which plan; the figures of its parent before, and its own after."""

    at: int
    actor: str
    plan_name: str
    people: int
    before: dict[str, float]
    after: BankTrial


class Trials:
    """Use cases on trials, and the kind of works that they are."""

    def __init__(self, engine: Engine, control: Control = control_of) -> None:
        """`control` finds the control parameters of plans on which versions are tried."""
        self._engine, self._control = engine, control

    def latest(self, version: int) -> Tried | None:
        """The latest trial of a version."""
        with SqlSession(self._engine) as sql:
            return latest_trial(sql, version)

    def plan(self, version: int) -> TestPlan:
        """The plan on which a version is tried: that of the newest wave of its calibration, else the sample plan. Raises Refused("unknown")."""
        if version > LARGEST_NUMBER:
            raise Refused("unknown")
        with SqlSession(self._engine) as sql:
            run = sql.exec(
                select(CalibrationRun).where(CalibrationRun.draft_version == version).order_by(col(CalibrationRun.id).desc())
            ).first()
            waves = json.loads(run.waves) if run is not None else []
            wave = sql.exec(select(Wave).where(col(Wave.id).in_(waves)).order_by(col(Wave.created_at).desc())).first()
        return load_plan(wave.plan if wave is not None else plan_text())

    def begin(self, version: int, works: Works, *, actor: str) -> Work:
        """Try a version aside, once more where it was tried before; of several who ask at once the first is served. Raises
        Refused("unknown" | "not_draft").
        """
        with SqlSession(self._engine) as sql:
            found = sql.get(BankVersion, version) if version <= LARGEST_NUMBER else None
            if found is None:
                raise Refused("unknown")
            if found.status != "draft":
                raise Refused("not_draft")
        return works.begin(TRIAL, str(version), actor=actor, again=True)

    def try_version(self, version: int, plan: TestPlan, *, actor: str, now: int) -> Tried:
        """Try a version here and now. Raises Refused("unknown"), Faulty where the plan does not fit, and what `control` raises."""
        outcome = self._task(version, plan).run()
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            return _kept(sql, version, outcome, actor, now)

    def task(self, subject: str) -> Trial:
        """What is to be computed of a version. Raises as try_version."""
        return self._task(int(subject), self.plan(int(subject)))

    def keep(self, sql: SqlSession, work: Work) -> None:
        """Write down the trial that a work was, for who asked for it and when."""
        _kept(sql, int(work.subject), work.outcome or {}, work.actor, work.asked_at)

    def _task(self, version: int, plan: TestPlan) -> Trial:
        new, old = self._tried_on(version)
        pools: list[Pool] = []
        waited: list[Work] = []
        for bank in (new, old):
            try:
                pools += [] if bank is None else [pool_for(bank, plan, control=self._control)]
            except Waiting as error:
                waited += error.works
        if waited:
            raise Waiting(waited)
        return Trial(plan, pools[0], None if old is None else pools[1], SEED)

    def _tried_on(self, version: int) -> tuple[Bank, Bank | None]:
        """A version and its parent, if it has one. Raises Refused("unknown")."""
        with SqlSession(self._engine) as sql:
            if version > LARGEST_NUMBER or sql.get(BankVersion, version) is None:
                raise Refused("unknown")
            new = load_bank(sql, version)
            return new, load_bank(sql, new.parent) if new.parent else None


def latest_trial(sql: SqlSession, version: int) -> Tried | None:
    """The latest trial of a version."""
    row = sql.exec(select(VersionTrial).where(VersionTrial.version == version).order_by(col(VersionTrial.n).desc())).first()
    return None if row is None else _tried(row)


def _kept(sql: SqlSession, version: int, outcome: Mapping[str, Any], actor: str, at: int) -> Tried:
    sql.get(BankVersion, version, with_for_update=True)  # trials of a version are numbered one after another
    n = sql.exec(select(func.max(VersionTrial.n)).where(VersionTrial.version == version)).one() or 0
    texts = {name: json.dumps(outcome[name]) for name in ("before", "after", "checks")}
    holds = all(check["holds"] for check in outcome["checks"])
    facts = {name: outcome[name] for name in ("plan_name", "plan_digest", "people", "seed")}
    row = VersionTrial(version=version, n=n + 1, at=at, actor=actor, holds=holds, **facts, **texts)
    sql.add(row)
    return _tried(row)


def _tried(row: VersionTrial) -> Tried:
    after = BankTrial(json.loads(row.after), tuple(Check(**c) for c in json.loads(row.checks)))
    return Tried(row.at, row.actor, row.plan_name, row.people, json.loads(row.before), after)
