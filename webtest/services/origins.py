"""What the versions that the system itself made were made of, so that a page need not show the note it wrote in one language only."""

import json
from collections import defaultdict
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from itembank.models import BankVersion
from webtest.founding import SYSTEM
from webtest.models import CalibrationDecision, CalibrationDraft, CalibrationRun


@dataclass(frozen=True, slots=True)
class Sample:
    """The sample bank, published when the installation was made."""


@dataclass(frozen=True, slots=True)
class Calibrated:
    """The draft that a calibration made of so many answers from so many waves."""

    answers: int
    waves: int


@dataclass(frozen=True, slots=True)
class Decided:
    """The draft that followed when a person had decided on so many items of a calibration otherwise."""

    run: int
    decisions: int


Origin = Sample | Calibrated | Decided


def origins(engine: Engine) -> dict[int, Origin]:
    """Version -> what it was made of; none for an imported file, nor where a calibration led to a version that was there before."""
    with SqlSession(engine) as sql:
        made = {v.version: (v.created_by, v.created_at) for v in sql.exec(select(BankVersion)).all()}
        found: dict[int, Origin] = {version: Sample() for version, (actor, _at) in made.items() if actor == SYSTEM}
        items: dict[int, set[str]] = defaultdict(set)
        decisions: dict[tuple[int, str, int], int] = {}  # (run, actor, at) -> items decided by then
        for d in sql.exec(select(CalibrationDecision).order_by(col(CalibrationDecision.n))).all():
            items[d.run_id].add(d.item_id)
            decisions[d.run_id, d.actor, d.at] = len(items[d.run_id])
        drafts = select(CalibrationDraft.version, CalibrationRun).join(CalibrationRun, col(CalibrationDraft.run_id) == CalibrationRun.id)
        for version, run in sql.exec(drafts).all():
            if made[version] == (run.actor, run.at):
                found[version] = Calibrated(json.loads(run.summary)["answers"], len(json.loads(run.waves)))
            elif (run.id, *made[version]) in decisions:
                found[version] = Decided(run.id, decisions[run.id, *made[version]])
    return found
