"""The life of a wave: made from a roster and a plan, opened after a pre-flight check, closed and sealed. What happens to its people: acts.py."""

import datetime as dt
import hashlib
import json
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import text
from sqlmodel import Session as SqlSession
from sqlmodel import col, delete, select

from cat_engine import Fault, Faulty, Pool, TestPlan, load_plan
from cat_engine.priors import StartPriors
from itembank.bank import Bank, Snapshot, check_bank, pool_of
from itembank.store import load_bank, load_contents
from webtest.catalog import Kit
from webtest.checkpoints import write_checkpoint
from webtest.events import Entry, Kind, canonical
from webtest.kept_answers import keep
from webtest.models import Attempt, Checkpoint, Person, Wave
from webtest.refusal import Refused
from webtest.roster import RosterRow
from webtest.services.acts import Acts, reasoned, under_way
from webtest.services.results import norms_on
from webtest.services.taking import end_section
from webtest.services.works import Waiting
from webtest.session import Phase, Session
from webtest.snapshots import Control, control_of, plan_faults
from webtest.tasks import Preflight

LONGEST_TEXT = 200

UPSERT_PERSON = (
    "INSERT INTO person (nip, name, job_level, unit) VALUES (:nip, :name, :job_level, :unit) "
    "ON CONFLICT (nip) DO UPDATE SET name = excluded.name, job_level = excluded.job_level, unit = excluded.unit"
)


@dataclass(frozen=True, slots=True)
class NewWave:
    """What a coordinator says of a wave."""

    name: str
    agency: str
    place: str
    day: str
    zone: str = "WIB"


Simulated = Callable[[Kit], None]  # simulates a room of people on a wave's kit; raises Faulty where it does not get to the end


def simulated_here(kit: Kit) -> None:
    """Simulate here and now."""
    Preflight(kit.plan, kit.pool).run()


class Waves(Acts):
    """Use cases on a whole wave, and on its people."""

    def create(
        self, new: NewWave, roster: Sequence[RosterRow], plan_text: str, *, actor: str, now: int, seed: int | None = None, control: Control = control_of
    ) -> str:  # fmt: skip
        """Write wave, people and attempts; pin plan, newest published bank, and the pool with what past use says of it. Where the plan needs control
        parameters, `control` finds them; while it is still Waiting the wave waits: its log begins when it is opened. Raises Faulty with all that
        is wrong with the wave and all that keeps the bank from serving the plan, or Refused("no_bank").
        """
        faults = self.faults(new)
        plan = load_plan(plan_text)
        bank = self._newest_bank()
        faults += plan_faults(plan, bank, pool_of(bank, plan.competencies, self._past.pretest(plan, bank)))
        if faults:
            raise Faulty(faults)
        snapshot, waits = self._snapshot(plan, bank, control)  # may simulate: before the transaction, which others wait for
        pool = pool_of(bank, plan.competencies, snapshot)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            listed = canonical(
                [[r.nip, r.name, r.job_level, r.unit, r.room, *(() if r.prior is None else (r.prior.mean, r.prior.sd))] for r in roster]
            )
            wave = Wave(
                id="W" + secrets.token_hex(4), name=new.name.strip(), agency=new.agency.strip(), place=new.place.strip(), day=new.day, zone=new.zone,
                seed=secrets.randbits(53) if seed is None else seed, plan=plan_text, plan_digest=plan.digest, bank_version=bank.version,
                pool_digest=pool.digest, snapshot=snapshot.to_json(), roster_digest=hashlib.sha256(listed.encode()).hexdigest(), created_by=actor, created_at=now,
            )  # fmt: skip
            sql.add(wave)
            sql.flush()
            terms = self._add_attempts(sql, wave, roster, plan.starts)
            if waits:
                wave.waiting = canonical(terms)
            else:
                self._begin_log(sql, wave, terms, now)
            return wave.id

    def _snapshot(self, plan: TestPlan, bank: Bank, control: Control) -> tuple[Snapshot, bool]:
        """What a wave is to be pinned to, and whether it waits for its control parameters."""
        try:
            return self._past.snapshot(plan, bank, control), False
        except Waiting:
            return self._past.pretest(plan, bank), True

    def _begin_log(self, sql: SqlSession, wave: Wave, terms: Mapping[str, Mapping[str, object]], now: int) -> None:
        """The first events of a wave whose pool is pinned, and of its attempts: terms by attempt are what each is assigned."""
        pinned = {"plan_digest": wave.plan_digest, "bank_version": wave.bank_version, "pool_digest": wave.pool_digest}
        entries = [
            Entry(Kind.WAVE_CREATED, {"name": wave.name, **pinned}),
            Entry(Kind.ROSTER_LOADED, {"people": len(terms), "digest": wave.roster_digest}),
        ]
        for stream in sorted(terms):
            assigned = [Entry(Kind.ASSIGNED, {**terms[stream], **pinned})]
            self._store.write_in(sql, stream, wave.id, lambda _, assigned=assigned: assigned, actor=wave.created_by, now=now)
        self._store.write_in(sql, wave.id, wave.id, lambda _: entries, actor=wave.created_by, now=now)

    def _pin(self, wave_id: str, control: Control, now: int) -> None:
        """A wave that waits for its control parameters gets them, and its log begins. Raises Refused("searching"), and Faulty as `create`."""
        needed = self.needs(wave_id)
        if needed is None:
            return
        plan, bank = needed
        try:
            snapshot = self._past.snapshot(plan, bank, control)
        except Waiting:
            raise Refused("searching") from None
        pool = pool_of(bank, plan.competencies, snapshot)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._wave(sql, wave_id)
            if wave.waiting is None:  # somebody else was faster
                return
            if wave.bank_version != bank.version:  # it was given another bank meanwhile: these are not its parameters any more
                raise Refused("searching")
            terms = json.loads(wave.waiting)
            wave.snapshot, wave.pool_digest, wave.waiting = snapshot.to_json(), pool.digest, None
            sql.add(wave)
            self._begin_log(sql, wave, terms, now)

    def check_draft(self, wave_id: str) -> None:
        """Raises Refused("unknown" | "discarded" | "wave_not_draft") where a wave can never be opened (again)."""
        with SqlSession(self._engine) as sql:
            if self._wave(sql, wave_id).opened_at is not None:
                raise Refused("wave_not_draft")

    def needs(self, wave_id: str) -> tuple[TestPlan, Bank] | None:
        """The plan and the bank whose control parameters a wave waits for; None where it waits for none. Raises Refused("unknown" |
        "discarded").
        """
        with SqlSession(self._engine) as sql:
            wave = sql.get(Wave, wave_id)
            if wave is None:
                raise Refused("unknown")
            if wave.discarded_at is not None:
                raise Refused("discarded")
            return None if wave.waiting is None else (load_plan(wave.plan), load_bank(sql, wave.bank_version))

    def runs_on(self, wave_id: str, control: Control) -> tuple[TestPlan, Pool]:
        """The plan and the pool of a wave; of one that waits for control parameters those that it will have. Raises Refused("unknown"), and what `control`
        raises.
        """
        needed = self.needs(wave_id)
        if needed is None:
            kit = self._catalog.kit(wave_id)
            return kit.plan, kit.pool
        plan, bank = needed
        return plan, pool_of(bank, plan.competencies, self._past.snapshot(plan, bank, control))

    def faults(self, new: NewWave) -> list[Fault]:
        """What is wrong with what a coordinator says of a wave, so that a form can say it beside what is wrong with the roster."""
        told = {name: getattr(new, name) for name in ("name", "agency", "place")}
        faults = [Fault("wave", name, "is empty") for name, value in told.items() if not value.strip()]
        faults += [
            Fault("wave", name, f"is longer than {LONGEST_TEXT} characters") for name, value in told.items() if len(value) > LONGEST_TEXT
        ]
        return faults + self._day_faults(new.day)

    def _day_faults(self, day: str) -> list[Fault]:
        """A wave of a day without rules could be held, and would never have results."""
        if not _is_day(day):
            return [Fault("wave", "day", f"'{day}' is not a date", "as 2026-11-24")]
        with SqlSession(self._engine) as sql:
            try:
                norms_on(sql, day)
            except Faulty as error:
                return list(error.faults)
        return []

    def _newest_bank(self) -> Bank:
        with SqlSession(self._engine) as sql:
            try:
                return load_bank(sql)
            except LookupError:
                raise Refused("no_bank") from None

    def _add_attempts(self, sql: SqlSession, wave: Wave, roster: Sequence[RosterRow], starts: StartPriors) -> dict[str, dict[str, object]]:
        """People who are new, and those who are known brought up to date; gives by attempt what a test and its result depend on (where it starts, the job
        level), to be frozen in the attempt's log.
        """
        people = [{"nip": r.nip, "name": r.name, "job_level": r.job_level, "unit": r.unit} for r in sorted(roster, key=lambda r: r.nip)]
        if people:
            sql.connection().execute(text(UPSERT_PERSON), people)
        known = dict(sql.exec(select(Person.nip, Person.id).where(col(Person.nip).in_([r.nip for r in roster]))).all())
        seats: dict[str, int] = {}
        terms: dict[str, dict[str, object]] = {}
        for row in roster:
            seats[row.room] = seats.get(row.room, 0) + 1
            attempt = Attempt(
                id="A" + secrets.token_hex(6), wave_id=wave.id, person_id=known[row.nip] or 0, room=row.room, seat=seats[row.room]
            )
            sql.add(attempt)
            prior = starts.of(row.job_level, row.prior)
            terms[attempt.id] = {
                "seed": seed_of(wave.seed, row.nip), "person": attempt.person_id, "job_level": row.job_level, "room": row.room, "seat": attempt.seat,
                "time_factor": 1.0,
                **({} if prior is None else {"prior": {"mean": prior.mean, "sd": prior.sd}}),
            }  # fmt: skip
        sql.flush()
        return terms

    def preflight(self, wave_id: str, simulated: Simulated = simulated_here) -> list[Fault]:
        """Would this wave run? Bank against content, plan against pool, and a room of simulated people. Raises what `simulated` raises but Faulty."""
        with SqlSession(self._engine) as sql:
            wave = self._wave(sql, wave_id)
            bank, contents = load_bank(sql, wave.bank_version), load_contents(sql, wave.bank_version)
            people = len(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())
        kit = self._catalog.kit(wave_id)
        active = set(kit.pool.ids)
        faults = [fault for fault in check_bank(bank, contents) if fault.where in active]
        faults += plan_faults(kit.plan, bank, kit.pool) + self._day_faults(wave.day)
        if not people:
            faults.append(Fault("roster", "", "nobody is expected", "load a roster"))
        if not faults:
            try:
                simulated(kit)
            except Faulty as error:
                faults += error.faults
        return faults

    def open(self, wave_id: str, *, actor: str, now: int, control: Control = control_of, simulated: Simulated = simulated_here) -> None:
        """Open the wave: its roster is frozen from now on. Control parameters that it waits for are pinned first, `control` finds them; `simulated` says
        whether simulated people get to the end of its test. Raises Refused("searching"), what `simulated` raises, and Faulty where the bank cannot keep the plan's limits or the pre-flight check finds a fault.
        """
        self.check_draft(wave_id)
        self._pin(wave_id, control, now)
        faults = self.preflight(wave_id, simulated)
        if faults:
            raise Faulty(faults)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._wave(sql, wave_id)
            if wave.opened_at is not None:
                raise Refused("wave_not_draft")
            wave.opened_at = now
            sql.add(wave)
            entry = Entry(Kind.WAVE_OPENED, {"roster_digest": wave.roster_digest, "public_key": self._keys.public_hex})
            self._store.write_in(sql, wave_id, wave_id, lambda _: [entry], actor=actor, now=now)

    def newer_bank(self, wave_id: str) -> int | None:
        """The newest published version of the bank where a wave could still change to it: its log has not begun, and it has an older one."""
        with SqlSession(self._engine) as sql:
            wave = sql.get(Wave, wave_id)
        newest = self._newest_bank().version
        return newest if wave is not None and wave.waiting is not None and wave.bank_version < newest else None

    def renew(self, wave_id: str, *, now: int, control: Control = control_of) -> None:
        """Change a wave whose log has not begun to the newest published bank, under the same plan; control parameters as in `create`. Raises
        Refused("unknown" | "discarded" | "wave_not_draft"), and Faulty with what keeps that bank from serving the plan.
        """
        needed = self.needs(wave_id)
        if needed is None:
            raise Refused("wave_not_draft")
        plan, bank = needed[0], self._newest_bank()
        faults = plan_faults(plan, bank, pool_of(bank, plan.competencies, self._past.pretest(plan, bank)))
        if faults:
            raise Faulty(faults)
        snapshot, waits = self._snapshot(plan, bank, control)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._wave(sql, wave_id)
            if wave.waiting is None:
                raise Refused("wave_not_draft")
            wave.bank_version, wave.pool_digest = bank.version, pool_of(bank, plan.competencies, snapshot).digest
            wave.snapshot = snapshot.to_json()
            if not waits:
                terms, wave.waiting = json.loads(wave.waiting), None
                self._begin_log(sql, wave, terms, now)
            sql.add(wave)

    def discard(self, wave_id: str, *, actor: str, now: int) -> None:
        """Discard a wave that was never opened: nobody sees it any more, and its log says by whom and when. A roster that is not in the log yet goes, with
        the people whom no other wave knows. Raises Refused("unknown" | "discarded" | "wave_not_draft").
        """
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._wave(sql, wave_id)
            if wave.opened_at is not None:
                raise Refused("wave_not_draft")
            wave.discarded_at, wave.discarded_by = now, actor
            gone = Entry(Kind.WAVE_DISCARDED, {"name": wave.name, "roster_digest": wave.roster_digest})
            self._store.write_in(sql, wave_id, wave_id, lambda _: [gone], actor=actor, now=now)
            if wave.waiting is not None:
                wave.waiting = canonical({})
                people = select(Person.id).join(Attempt, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
                known = sql.exec(people.order_by(Person.nip).with_for_update(of=Person)).all()  # held as a roster that is loaded holds them
                sql.exec(delete(Attempt).where(col(Attempt.wave_id) == wave_id))
                others = select(Attempt.person_id).where(col(Attempt.person_id).in_(known))
                sql.exec(delete(Person).where(col(Person.id).in_(known), col(Person.id).not_in(others)))
            sql.add(wave)

    def note(self, wave_id: str, code: str, text: str, *, actor: str, now: int) -> None:
        """An incident of the wave, for the minutes."""
        payload = reasoned(code, text)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._wave(sql, wave_id)
            if wave.waiting is not None:
                raise Refused("searching")
            self._store.write_in(sql, wave_id, wave_id, lambda _: [Entry(Kind.INCIDENT, payload)], actor=actor, now=now)
            if wave.closed_at is not None:
                write_checkpoint(sql, wave_id, self._keys, now)

    def close(self, wave_id: str, *, actor: str, now: int) -> Checkpoint:
        """Close the wave: whoever is under way is finished (reason "time" where the clock says so, else "proctor"), and the log is sealed."""
        kit = self._catalog.kit(wave_id)
        with SqlSession(self._engine) as sql:
            self._store.load_many(
                sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all()
            )  # before others' answers wait for it
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._open_wave(sql, wave_id)
            ids = sorted(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())

            def entries(session: Session) -> list[Entry]:
                if not under_way(session):
                    return []
                late = kit.clock(now, session).phase in (Phase.TIME_UP, Phase.GRACE)
                ended = end_section(kit, session.engine, "time") if late else []
                over = bool(ended) and ended[-1].kind is Kind.FINISHED
                return ended if over else [*ended, Entry(Kind.FINISHED, {"reason": "proctor"})]

            after = [self._store.write_in(sql, stream, wave_id, entries, actor=actor, now=now) for stream in ids]
            wave.closed_at = now
            sql.add(wave)
            tested = sum(session.finished_at is not None for session in after)
            closed = Entry(Kind.WAVE_CLOSED, {"expected": len(ids), "tested": tested})
            self._store.write_in(sql, wave_id, wave_id, lambda _: [closed], actor=actor, now=now)
            sql.flush()
            seal = write_checkpoint(sql, wave_id, self._keys, now)
        keep(self._engine, self._store, wave_id)  # for whoever calibrates; nobody else's answers wait meanwhile
        return seal


def seed_of(wave_seed: int, nip: str) -> int:
    """The seed of one attempt: follows from the wave's seed, tells nothing of the person."""
    return int.from_bytes(hashlib.sha256(f"{wave_seed}|{nip}".encode()).digest()[:6], "big")


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
