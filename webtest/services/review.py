"""The review of a calibration: what it estimated, decided otherwise with a reason, tried on a plan, published or refused. Everything is kept."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Engine, func
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from calibration.language import INDONESIAN, Language
from calibration.pipeline import Proposal
from calibration.proposal_files import proposal_items
from calibration.verdicts import verdict_sentence
from cat_engine import Row
from itembank.bank import Bank
from itembank.models import BankVersion
from itembank.store import decide, hold_versions, load_bank, load_contents, save_version
from webtest.models import CalibrationDecision, CalibrationDraft, CalibrationRun, VersionVerdict
from webtest.refusal import Refused
from webtest.services.answers import check_logs
from webtest.services.trials import LARGEST_NUMBER, TRIAL, latest_trial
from webtest.services.works import state_in

DECISIONS = ("adopt", "keep", "hold")
LONGEST_REASON = 500
FACTS = ("model", "old", "se", "rmsd", "shift", "robust_z", "d2", "girth_b", "dif", "counts", "pair", "partners")


@dataclass(frozen=True, slots=True)
class Estimate:
    """An item of a run as it was proposed: verdict ("adopt", "keep", "reject"), flags, why in a sentence, answers, largest SE of b, and the new
    parameters, None where nothing could be estimated. facts: what else calibration.proposal_files says of an item; none in runs of before it was kept.
    """

    item_id: str
    competency: str
    verdict: str
    flags: tuple[str, ...]
    why: str
    n: int
    se_b: float | None
    new: Row | None
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def proposed(self) -> str:
        """What happens if nobody decides otherwise: "adopt" or "keep"."""
        return "adopt" if self.verdict == "adopt" else "keep"


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person wants instead, and why."""

    decision: str
    reason: str


def as_json(proposal: Proposal) -> str:
    """The estimates of a run, to be kept with it."""
    return json.dumps(
        [
            {
                "item_id": v.item_id, "competency": v.competency, "verdict": v.verdict, "flags": v.flags, "n": v.n,
                "se_b": v.se_largest if v.new is not None and v.se_largest == v.se_largest else None,
                "new": None if v.new is None else v.new._asdict(), "facts": {name: item[name] for name in FACTS},
            }
            for v, item in zip(proposal.verdicts, proposal_items(proposal), strict=True)
        ]
    )  # fmt: skip


def _row(table: Mapping[str, Any]) -> Row:
    """The inverse of Row._asdict through JSON, which knows no empty tuple."""
    return Row(**{**table, "slopes": table.get("slopes") or ()})


def _estimate(e: Mapping[str, Any], language: Language) -> Estimate:
    nan = float("nan")
    why = verdict_sentence(
        e["verdict"], e["flags"], e["n"], nan if e["se_b"] is None else e["se_b"], language, e.get("facts", {}).get("partners") or ()
    )
    return Estimate(**{**e, "flags": tuple(e["flags"]), "new": None if e["new"] is None else _row(e["new"]), "why": why})


class Review:
    """Use cases on the drafts that calibrations made."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def estimates(self, run: CalibrationRun, language: Language = INDONESIAN) -> list[Estimate]:
        """What the run estimated, item by item, and why in a language; empty for runs of before it was kept."""
        return [_estimate(e, language) for e in json.loads(run.estimates)]

    def decisions(self, run_id: int) -> dict[str, CalibrationDecision]:
        """Item id -> the decision that counts."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            return _decisions(sql, run_id)

    def override(self, run_id: int, wanted: Mapping[str, Decision], *, actor: str, now: int) -> int | None:
        """Decide on items otherwise than was proposed (or than was decided before); gives the draft that follows, None where nothing changes.

        Raises Refused("unknown" | "not_draft" | "no_estimate" | "reason_missing").
        """
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            run = sql.get(CalibrationRun, run_id, with_for_update=True) if run_id <= LARGEST_NUMBER else None
            if run is None:
                raise Refused("unknown")
            estimates = {e.item_id: e for e in self.estimates(run)}
            before = {item_id: d.decision for item_id, d in _decisions(sql, run_id).items()}
            changed = {
                item_id: d for item_id, d in wanted.items() if item_id in estimates and d.decision != _now(estimates[item_id], before)
            }
            if set(wanted) - estimates.keys() or any(d.decision not in DECISIONS for d in wanted.values()):
                raise Refused("unknown")
            if _status(sql, run.draft_version) not in (None, "draft"):
                raise Refused("not_draft")
            for item_id, d in changed.items():
                if d.decision == "adopt" and estimates[item_id].new is None:
                    raise Refused("no_estimate")
                if not d.reason.strip():
                    raise Refused("reason_missing")
            n = sql.exec(select(func.max(CalibrationDecision.n)).where(CalibrationDecision.run_id == run_id)).one() or 0
            for k, (item_id, d) in enumerate(changed.items(), start=n + 1):
                sql.add(
                    CalibrationDecision(
                        run_id=run_id,
                        n=k,
                        at=now,
                        actor=actor,
                        item_id=item_id,
                        decision=d.decision,
                        reason=d.reason.strip()[:LONGEST_REASON],
                    )
                )
            sql.flush()
            if changed:
                decided = before | {item_id: d.decision for item_id, d in changed.items()}
                run.draft_version = _draft(sql, run, estimates, decided, actor, now)
                sql.add(run)
                if run.draft_version is not None and sql.get(CalibrationDraft, (run_id, run.draft_version)) is None:
                    sql.add(CalibrationDraft(run_id=run_id, version=run.draft_version))
            return run.draft_version

    def verdict(self, version: int) -> VersionVerdict | None:
        """Who decided on a version, and why."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            return sql.get(VersionVerdict, version)

    def decide(self, version: int, verdict: str, *, actor: str, now: int, reason: str = "") -> None:
        """Publish or refuse a draft. A draft of a calibration is tried first; one that misses a limit is published for a reason only.

        Nothing older than what is published is published over it, no draft that a decision of the review has replaced, and none from answers whose
        log does not hold. Raises Refused("unknown" | "not_draft" | "superseded" | "outdated" | "trying" | "untried" |
        "limits_missed"), Faulty for a log.
        """
        if version > LARGEST_NUMBER:
            raise Refused("unknown")
        if verdict == "publish":
            with SqlSession(self._engine) as sql:
                runs = sql.exec(select(CalibrationRun.waves).where(CalibrationRun.draft_version == version)).all()
            check_logs(self._engine, sorted({wave for waves in runs for wave in json.loads(waves)}))  # seconds: before the transaction
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            hold_versions(sql)
            found = sql.get(BankVersion, version, with_for_update=True)  # of two verdicts at once the first one holds
            if found is None:
                raise Refused("unknown")
            if found.status != "draft":
                raise Refused("not_draft")
            if verdict == "publish":
                _may_publish(sql, found, reason, now)
            outcome = "published" if verdict == "publish" else "refused"
            decide(sql, version, outcome, actor=actor, now=now)
            sql.add(VersionVerdict(version=version, at=now, actor=actor, verdict=outcome, reason=reason.strip()[:LONGEST_REASON]))


def _may_publish(sql: SqlSession, draft: BankVersion, reason: str, now: int) -> None:
    calibrated = sql.exec(select(CalibrationRun.id).where(CalibrationRun.draft_version == draft.version)).first() is not None
    if not calibrated and sql.exec(select(CalibrationDraft).where(CalibrationDraft.version == draft.version)).first() is not None:
        raise Refused("superseded")
    newest = sql.exec(select(func.max(BankVersion.version)).where(BankVersion.status == "published")).one() or 0
    if newest > draft.version or (calibrated and newest != draft.parent):
        raise Refused("outdated")
    tried, work = latest_trial(sql, draft.version), state_in(sql, TRIAL, str(draft.version), now)
    if work is not None and work.under_way and (tried is None or tried.at <= work.asked_at):
        raise Refused("trying")
    if calibrated:
        if tried is None:
            raise Refused("untried")
        if not tried.after.holds and not reason.strip():
            raise Refused("limits_missed")


def _status(sql: SqlSession, version: int | None) -> str | None:
    found = sql.get(BankVersion, version) if version is not None else None
    return found.status if found is not None else None


def _decisions(sql: SqlSession, run_id: int) -> dict[str, CalibrationDecision]:
    rows = sql.exec(select(CalibrationDecision).where(CalibrationDecision.run_id == run_id).order_by(col(CalibrationDecision.n))).all()
    return {row.item_id: row for row in rows}


def _now(estimate: Estimate, decided: Mapping[str, str]) -> str:
    return decided.get(estimate.item_id, estimate.proposed)


def _draft(
    sql: SqlSession, run: CalibrationRun, estimates: Mapping[str, Estimate], decided: Mapping[str, str], actor: str, now: int
) -> int | None:
    """The version that follows from the decisions: saved anew, or the one that says the same already; None where it is the base itself."""
    base = load_bank(sql, run.base_version)
    new = _applied(base, list(estimates.values()), decided)
    if new.digest == base.digest:
        return None
    same = sql.exec(select(BankVersion.version).where(BankVersion.digest == new.digest)).first()
    note = f"Kalibrasi {run.id} dengan {len(decided)} putusan petugas"
    return same or save_version(sql, new, load_contents(sql, base.version), note=note, actor=actor, now=now)


def _applied(base: Bank, estimates: Sequence[Estimate], decided: Mapping[str, str]) -> Bank:
    rows = {
        e.item_id: e.new._replace(scale=int(base.params.scale[base.index[e.item_id]]))
        for e in estimates
        if e.new is not None and _now(e, decided) == "adopt"
    }
    held = {item_id for item_id, decision in decided.items() if decision == "hold"}
    status = tuple("held" if item_id in held else old for item_id, old in zip(base.ids, base.status, strict=True))
    return replace(base.with_params(rows), status=status)
