"""The psychometrician's use cases: the bank with its use, simulation, calibration of closed waves, publishing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from calibration.expectation import Here, Hold
from calibration.pipeline import CalibrationOptions, Proposal, calibrate
from calibration.report import html_reports
from calibration.responses import ResponseLog
from cat_engine import Fault, Faulty, Pool, SimulationResult, TestPlan, load_plan, simulate
from cat_engine.population import Population
from cat_engine.section_time import SectionAdvice, section_advice
from itembank.bank import Bank, Change, ItemContent, diff
from itembank.models import BankVersion
from itembank.store import hold_versions, load_bank, load_contents, save_version, versions
from webtest.engine_inputs import pool_for
from webtest.item_times import times_for
from webtest.job_levels import JOB_LEVELS
from webtest.kept_answers import answers_of
from webtest.languages import INDONESIAN, LANGUAGES, language
from webtest.models import Attempt, CalibrationDraft, CalibrationReport, CalibrationRun, Person, Wave
from webtest.refusal import Refused
from webtest.roster import sex_of
from webtest.services.review import as_json
from webtest.services.trials import LARGEST_NUMBER
from webtest.services.wavelist import closed_waves
from webtest.services.works import Waiting, Work
from webtest.snapshots import Control, control_of
from webtest.store import EventStore


@dataclass(frozen=True, slots=True)
class Use:
    """How often an item was answered on closed waves, and by what share of the test-takers."""

    answers: int
    exposure: float


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A plan tried out on simulated people; advice on its sections, where answers take time."""

    plan: TestPlan
    pool: Pool
    result: SimulationResult
    advice: tuple[SectionAdvice, ...]


class Psychometrics:
    """Use cases on the bank and on the answers of closed waves."""

    def __init__(self, engine: Engine, store: EventStore, control: Control = control_of) -> None:
        """`control` finds the control parameters of plans that are simulated."""
        self._engine, self._store, self._control = engine, store, control

    def bank(self, version: int | None = None) -> tuple[Bank, dict[str, ItemContent]]:
        """A version (None: the newest published) with its content. Raises Refused."""
        if version is not None and not 0 < version <= LARGEST_NUMBER:
            raise Refused("unknown")
        with SqlSession(self._engine) as sql:
            try:
                bank = load_bank(sql, version)
            except LookupError:
                raise Refused("no_bank" if version is None else "unknown") from None
            return bank, load_contents(sql, bank.version)

    def versions(self) -> list[BankVersion]:
        """All versions, newest first."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            return versions(sql)

    def closed_waves(self) -> list[Wave]:
        """Waves whose answers may be calibrated."""
        return closed_waves(self._engine)

    def responses(self, waves: Sequence[str]) -> tuple[ResponseLog, dict[str, int]]:
        """The answers of closed waves, and what was left out and why. Raises Refused("no_answers" | "unknown" | "discarded" | "wave_not_closed")."""
        if not waves:
            raise Refused("no_answers")
        closed_waves(self._engine, waves)
        logs = []
        dropped = 0
        for wave in dict.fromkeys(waves):  # a wave named twice counts once
            log = answers_of(self._engine, self._store, wave)
            voided = self._store.voided(wave)
            counted = np.array([attempt not in voided for attempt in log.person_ids], dtype=bool)[log.person]
            logs.append(log.where(counted))
            dropped += len(log) - len(logs[-1])
        log = ResponseLog.joined(logs)
        if not len(log):
            raise Refused("no_answers")
        return log, {"dibatalkan": dropped} if dropped else {}

    def _groups(self, log: ResponseLog, waves: Sequence[str]) -> dict[str, list[str]]:
        """Sex (by the NIP), job level, unit and wave of each person of a log, in Indonesian."""
        with SqlSession(self._engine) as sql:
            query = select(Attempt.id, Attempt.wave_id, Person.nip, Person.job_level, Person.unit).join(
                Person, col(Attempt.person_id) == Person.id
            )
            rows = {row[0]: row[1:] for row in sql.exec(query.where(col(Attempt.wave_id).in_(waves))).all()}
        people = [rows[person_id] for person_id in log.person_ids]
        return {
            "sex": [sex_of(nip) for _, nip, _, _ in people], "job_level": [JOB_LEVELS.get(level, level) for _, _, level, _ in people],
            "unit": [unit for *_, unit in people], "wave": [wave for wave, *_ in people],
        }  # fmt: skip

    def use(self) -> dict[str, Use]:
        """Item id -> use on all closed waves."""
        try:
            log, _ = self.responses([wave.id for wave in self.closed_waves()])
        except Refused:
            return {}
        counts = np.bincount(log.item, minlength=len(log.item_ids))
        return {item_id: Use(int(n), float(n / len(log.person_ids))) for item_id, n in zip(log.item_ids, counts, strict=True)}

    def simulate(self, texts: Sequence[str], n: int, seed: int) -> tuple[Bank, tuple[Tried, ...]]:
        """Plans on the newest published bank, each given to the same n people of abilities N(0, 1) correlated at .6. Answers take time where the bank
        knows of every item how long. Raises Faulty with the faults of every plan, and Waiting where control parameters are still searched for.
        """
        bank, _ = self.bank()
        plans: list[tuple[TestPlan, Pool]] = []
        faults: list[Fault] = []
        waited: list[Work] = []
        for number, text in enumerate(texts, start=1):
            try:
                plan = load_plan(text)
                plans.append((plan, pool_for(bank, plan, control=self._control)))
            except Waiting as error:
                waited += error.works
            except Faulty as error:
                faults += [replace(f, where=f"plan {number}, {f.where}") if len(texts) > 1 else f for f in error.faults]
        if faults:
            raise Faulty(faults)
        if waited:
            raise Waiting(waited)
        wanted = {code for plan, _ in plans for code in plan.competencies}
        competencies = [code for code in bank.competencies if code in wanted]
        population = Population()
        true = population.abilities(n, len(competencies), seed)
        tau, tried = population.tau(true, seed), []
        for plan, pool in plans:
            own, times = true[:, [competencies.index(code) for code in pool.competencies]], times_for(bank, pool)
            result = simulate(plan, pool, own, seed, times=times, tau=None if times is None else tau)
            tried.append(Tried(plan, pool, result, () if times is None else section_advice(plan, pool, times, population.speeds)))
        return bank, tuple(tried)

    def calibrate(
        self, waves: Sequence[str], options: CalibrationOptions, *, actor: str, now: int, truth: Bank | None = None, hold: Hold = Here
    ) -> tuple[int, Proposal]:
        """Calibrate the answers of closed waves on the newest published bank; keeps the report in each language and, where items are adopted, a draft version.

        `truth`: the bank by which the answers of a rehearsal were made; the report then says how near the estimates came. `hold`: where
        the work is done (calibration.expectation). Answers that were rapid guesses are left out, as those of attempts declared void are. Whether the
        log holds is looked at before a version is published (services.review).
        """
        waves = list(dict.fromkeys(waves))
        everything, dropped = self.responses(waves)
        log = everything.without_rapid()
        if len(log) < len(everything):
            dropped["terburu-buru"] = len(everything) - len(log)
        bank, contents = self.bank()
        proposal = replace(calibrate(log, bank, options, self._groups(log, waves), hold), dropped=dropped)
        known = {item_id: truth.row(i) for i, item_id in enumerate(truth.ids)} if truth else None
        reports = html_reports(proposal, map(language, LANGUAGES), provisional=bank.provisional, truth=known)
        tally = {name: sum(v.verdict == name for v in proposal.verdicts) for name in ("adopt", "keep", "reject")}
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            draft = None
            hold_versions(sql)
            if proposal.adopted():
                new = proposal.apply(bank)
                same = sql.exec(select(BankVersion.version).where(BankVersion.digest == new.digest)).first()
                note = f"Kalibrasi {len(log)} jawaban dari {len(waves)} gelombang"
                draft = same or save_version(sql, new, contents, note=note, actor=actor, now=now)
            run = CalibrationRun(
                at=now, actor=actor, waves=json.dumps(list(waves)), base_version=bank.version, draft_version=draft,
                estimates=as_json(proposal), summary=json.dumps({**tally, "answers": len(log), "dropped": dropped, "seconds": round(proposal.seconds, 2)}),
            )  # fmt: skip
            sql.add(run)
            sql.flush()
            run_id = run.id or 0
            if draft is not None:
                sql.add(CalibrationDraft(run_id=run_id, version=draft))
            sql.add_all(
                CalibrationReport(run_id=run_id, language=code, html=report) for code, report in zip(LANGUAGES, reports, strict=True)
            )
            return run_id, proposal

    def runs(self) -> list[CalibrationRun]:
        """All calibration runs, newest first."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            return list(sql.exec(select(CalibrationRun).order_by(col(CalibrationRun.id).desc())).all())

    def run(self, run_id: int) -> CalibrationRun:
        """One run. Raises Refused("unknown")."""
        with SqlSession(self._engine, expire_on_commit=False) as sql:
            found = sql.get(CalibrationRun, run_id) if 0 < run_id <= LARGEST_NUMBER else None
        if found is None:
            raise Refused("unknown")
        return found

    def report(self, run_id: int, code: str) -> str:
        """The report of a run as HTML in a language of LANGUAGES, in Indonesian where it was not made in that one. Raises Refused("unknown")."""
        self.run(run_id)
        with SqlSession(self._engine) as sql:
            found = sql.get(CalibrationReport, (run_id, code)) or sql.get_one(CalibrationReport, (run_id, INDONESIAN.code))
            return found.html

    def changes(self, version: int) -> list[Change]:
        """What a version changes against its parent."""
        new, _ = self.bank(version)
        return diff(self.bank(new.parent)[0], new) if new.parent else []
