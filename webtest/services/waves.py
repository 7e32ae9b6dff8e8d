"""The room's use cases: make a wave from a roster, issue PINs, start, pause, extend, close."""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Fault, Faulty, check, load_plan, simulate
from itembank.bank import check_bank, pool_of
from itembank.store import load_bank, load_contents
from webtest.catalog import Catalog, Kit
from webtest.checkpoints import write_checkpoint
from webtest.events import Entry, Kind, canonical
from webtest.keys import Keys, pin_hash
from webtest.models import Attempt, Checkpoint, Person, Wave
from webtest.refusal import Refused
from webtest.roster import RosterRow
from webtest.services.taking import end_section
from webtest.session import Phase, Session
from webtest.store import EventStore

PIN_HOURS = 12
REASONS = (
    "environment.comfort", "environment.disturbance", "environment.noise", "environment.power", "environment.weather", "examinee.behaviour",
    "examinee.complaint", "examinee.id", "examinee.illness", "examinee.late", "examinee.navigation", "examinee.no_show", "staff.behaviour",
    "staff.compliance", "staff.error", "staff.late", "technical.freeze", "technical.launch", "technical.network", "technical.printing",
    "technical.workstation", "other",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class NewWave:
    """What a coordinator says of a wave."""

    name: str
    agency: str
    place: str
    day: str
    zone: str = "WIB"


@dataclass(frozen=True, slots=True)
class Card:
    """A PIN card: shown and printed once, kept nowhere."""

    name: str
    nip: str
    room: str
    seat: int
    pin: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What an action did to one attempt: done, or the code of why not."""

    attempt: str
    done: bool
    code: str = ""


class Waves:
    """Use cases on a whole wave, a room, or some of its people."""

    def __init__(self, engine: Engine, store: EventStore, catalog: Catalog, keys: Keys) -> None:
        self._engine, self._store, self._catalog, self._keys = engine, store, catalog, keys

    # making a wave

    def create(self, new: NewWave, roster: Sequence[RosterRow], plan_text: str, *, actor: str, now: int, seed: int | None = None) -> str:
        """Write wave, people and attempts; pin plan, newest published bank and pool. Raises Faulty, or Refused("no_bank")."""
        faults = [Fault("wave", name, "is empty") for name in ("name", "agency", "place", "day") if not getattr(new, name).strip()]
        plan = load_plan(plan_text)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            try:
                bank = load_bank(sql)
            except LookupError:
                raise Refused("no_bank") from None
            pool = pool_of(bank, [code for section in plan.sections for code in section.competencies])
            faults += check(plan, pool)
            if faults:
                raise Faulty(faults)
            text = canonical([[r.nip, r.name, r.job_level, r.unit, r.room] for r in roster])
            wave = Wave(
                id="W" + secrets.token_hex(4), name=new.name.strip(), agency=new.agency.strip(), place=new.place.strip(), day=new.day, zone=new.zone,
                seed=secrets.randbits(53) if seed is None else seed, plan=plan_text, plan_digest=plan.digest, bank_version=bank.version,
                pool_digest=pool.digest, roster_digest=hashlib.sha256(text.encode()).hexdigest(), created_by=actor, created_at=now,
            )  # fmt: skip
            sql.add(wave)
            sql.flush()
            self._add_attempts(sql, wave, roster, now)
            entries = [
                Entry(
                    Kind.WAVE_CREATED,
                    {"name": wave.name, "plan_digest": plan.digest, "bank_version": bank.version, "pool_digest": pool.digest},
                ),
                Entry(Kind.ROSTER_LOADED, {"people": len(roster), "digest": wave.roster_digest}),
            ]
            self._store.append_in(sql, self._store.load(wave.id), wave.id, entries, actor=actor, now=now)
            return wave.id

    def _add_attempts(self, sql: SqlSession, wave: Wave, roster: Sequence[RosterRow], now: int) -> None:
        known = {p.nip: p for p in sql.exec(select(Person).where(col(Person.nip).in_([r.nip for r in roster]))).all()}
        for row in roster:
            person = known.get(row.nip)
            if person is None:
                known[row.nip] = person = Person(nip=row.nip, name=row.name, job_level=row.job_level, unit=row.unit)
            else:
                person.name, person.job_level, person.unit = row.name, row.job_level, row.unit
            sql.add(person)
        sql.flush()
        seats: dict[str, int] = {}
        for row in roster:
            seats[row.room] = seats.get(row.room, 0) + 1
            attempt = Attempt(
                id="A" + secrets.token_hex(6), wave_id=wave.id, person_id=known[row.nip].id or 0, room=row.room, seat=seats[row.room]
            )
            sql.add(attempt)
            terms = {
                "seed": _seed_of(wave.seed, row.nip), "person": attempt.person_id, "bank_version": wave.bank_version,
                "plan_digest": wave.plan_digest, "pool_digest": wave.pool_digest, "room": row.room, "seat": attempt.seat, "time_factor": 1.0,
            }  # fmt: skip
            session = self._store.load(attempt.id)
            self._store.append_in(sql, session, wave.id, [Entry(Kind.ASSIGNED, terms)], actor=wave.created_by, now=now)

    def preflight(self, wave_id: str) -> list[Fault]:
        """Would this wave run? Bank against content, plan against pool, and a simulated room of 40."""
        with SqlSession(self._engine) as sql:
            wave = self._wave(sql, wave_id)
            bank, contents = load_bank(sql, wave.bank_version), load_contents(sql, wave.bank_version)
            people = len(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())
        kit = self._catalog.kit(wave_id)
        active = set(kit.pool.ids)
        faults = [fault for fault in check_bank(bank, contents) if fault.where in active]
        faults += check(kit.plan, kit.pool)
        if not people:
            faults.append(Fault("roster", "", "nobody is expected", "load a roster"))
        if not faults:
            true = np.random.default_rng(0).normal(size=(40, len(kit.pool.competencies)))
            result = simulate(kit.plan, kit.pool, true, seed=0)
            if any("bank" in reasons for reasons in result.reasons):
                faults.append(Fault("bank", "", "simulated people ran out of items", "add items or lower min_items"))
        return faults

    def open(self, wave_id: str, *, actor: str, now: int) -> None:
        """Open the wave: its roster is frozen from now on. Raises Faulty where the pre-flight check finds a fault."""
        faults = self.preflight(wave_id)
        if faults:
            raise Faulty(faults)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._wave(sql, wave_id)
            if wave.opened_at is not None:
                raise Refused("wave_not_draft")
            wave.opened_at = now
            sql.add(wave)
            entry = Entry(Kind.WAVE_OPENED, {"roster_digest": wave.roster_digest, "public_key": self._keys.public_hex})
            self._store.append_in(sql, self._store.load(wave_id), wave_id, [entry], actor=actor, now=now)

    # people

    def issue_pins(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Card]:
        """New PINs for people whose identity has been checked; older PINs die. Marks them present. Cards are returned once."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            self._open_wave(sql, wave_id)
            query = select(Attempt, Person).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
            rows = [(a, p) for a, p in sql.exec(query.order_by(col(Attempt.room), col(Attempt.seat))).all() if a.id in set(attempts)]
            sessions = self._store.load_many([a.id for a, _ in rows])
            cards = []
            for attempt, person in rows:
                session = sessions[attempt.id]
                if session.finished_at is not None or session.voided is not None:
                    continue
                pin = f"{secrets.randbelow(1_000_000):06d}"
                attempt.pin_hash = pin_hash(self._keys.pepper, attempt.id, pin)
                attempt.pin_expires_at = now + PIN_HOURS * 3_600_000
                attempt.failures = attempt.locked_until = 0
                sql.add(attempt)
                entries = [] if session.attended else [Entry(Kind.ATTENDED, {"present": True})]
                entries.append(Entry(Kind.PIN_ISSUED, {"expires_at": attempt.pin_expires_at}))
                self._store.append_in(sql, session, wave_id, entries, actor=actor, now=now)
                cards.append(Card(person.name, person.nip, attempt.room, attempt.seat, pin))
            if not cards:
                raise Refused("nobody")
            return cards

    def attend(self, wave_id: str, attempts: Sequence[str], present: bool, *, actor: str, now: int) -> list[Outcome]:
        """Mark people present or absent."""
        return self._each(wave_id, attempts, lambda _k, _s: [Entry(Kind.ATTENDED, {"present": present})], actor=actor, now=now)

    def start(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Outcome]:
        """Start together: those who have a PIN and have logged in may begin from now on."""

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.ADMITTED, {})] if s.admitted_at is None and s.device is not None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def pause(self, wave_id: str, attempts: Sequence[str], code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Stop the clock of people who are under way."""
        payload = _reasoned(code, reason)

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.PAUSED, payload)] if _under_way(s) and s.paused_at is None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def resume(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Outcome]:
        """Let the clock of paused people run again."""

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.RESUMED, {})] if s.paused_at is not None and _under_way(s) else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def extend(self, wave_id: str, attempts: Sequence[str], minutes: int, code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Lengthen the current section for people who are under way."""
        if not 1 <= minutes <= 120:
            raise Refused("minutes_wrong")
        payload = {"minutes": minutes, **_reasoned(code, reason)}

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.EXTENDED, payload)] if _under_way(s) else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def release_device(self, wave_id: str, attempts: Sequence[str], reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Approve a move: the person may log in on another device with the same PIN; the old one is refused from now on."""
        payload = _reasoned("technical.workstation", reason)

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.DEVICE_RELEASED, payload)] if s.device is not None and s.finished_at is None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def finish(self, wave_id: str, attempts: Sequence[str], code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """End people's tests now; what they answered is scored."""
        payload = {"officer_reason": _reasoned(code, reason)}

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.FINISHED, {"reason": "proctor", **payload})] if _under_way(s) else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def note(self, wave_id: str, code: str, text: str, *, actor: str, now: int) -> None:
        """An incident of the wave, for the minutes."""
        payload = _reasoned(code, text)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            self._wave(sql, wave_id)
            self._store.append_in(sql, self._store.load(wave_id), wave_id, [Entry(Kind.INCIDENT, payload)], actor=actor, now=now)

    def close(self, wave_id: str, *, actor: str, now: int) -> Checkpoint:
        """Close the wave: whoever is under way is finished (reason "time" where the clock says so, else "proctor"), and the log is sealed."""
        kit = self._catalog.kit(wave_id)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._open_wave(sql, wave_id)
            ids = list(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())
            sessions = self._store.load_many(ids)
            for session in sessions.values():
                if not _under_way(session):
                    continue
                late = kit.clock(now, session).phase in (Phase.TIME_UP, Phase.GRACE)
                entries = end_section(kit, session.engine, "time") if late else []
                if not entries or entries[-1].kind is not Kind.FINISHED:
                    entries.append(Entry(Kind.FINISHED, {"reason": "proctor"}))
                self._store.append_in(sql, session, wave_id, entries, actor=actor, now=now)
            wave.closed_at = now
            sql.add(wave)
            count = sum(s.finished_at is not None or _under_way(s) for s in sessions.values())
            closed = Entry(Kind.WAVE_CLOSED, {"expected": len(ids), "tested": count})
            self._store.append_in(sql, self._store.load(wave_id), wave_id, [closed], actor=actor, now=now)
            sql.flush()
            return write_checkpoint(sql, wave_id, self._keys, now)

    # inside

    def _each(
        self,
        wave_id: str,
        attempts: Sequence[str],
        entries: Callable[[Kit, Session], list[Entry] | str],
        *,
        actor: str,
        now: int,
    ) -> list[Outcome]:
        """Apply an action to each attempt in one transaction; a race with an answer is run again from the start."""
        kit = self._catalog.kit(wave_id)
        for _ in range(5):
            try:
                with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
                    self._open_wave(sql, wave_id)
                    own = set(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())
                    wanted = [attempt for attempt in attempts if attempt in own]
                    outcomes = []
                    for attempt, session in self._store.load_many(wanted).items():
                        made = entries(kit, session)
                        if isinstance(made, str):
                            outcomes.append(Outcome(attempt, False, made))
                            continue
                        self._store.append_in(sql, session, wave_id, made, actor=actor, now=now)
                        outcomes.append(Outcome(attempt, True))
            except IntegrityError:
                continue
            if not outcomes:
                raise Refused("nobody")
            return outcomes
        raise Refused("not_now")

    @staticmethod
    def _wave(sql: SqlSession, wave_id: str) -> Wave:
        wave = sql.get(Wave, wave_id)
        if wave is None:
            raise Refused("unknown")
        return wave

    def _open_wave(self, sql: SqlSession, wave_id: str) -> Wave:
        wave = self._wave(sql, wave_id)
        if wave.opened_at is None or wave.closed_at is not None:
            raise Refused("wave_not_open")
        return wave


def _seed_of(wave_seed: int, nip: str) -> int:
    """The seed of one attempt: follows from the wave's seed, tells nothing of the person."""
    return int.from_bytes(hashlib.sha256(f"{wave_seed}|{nip}".encode()).digest()[:6], "big")


def _reasoned(code: str, reason: str) -> dict[str, str]:
    if code not in REASONS or not reason.strip():
        raise Refused("reason_missing")
    return {"code": code, "reason": reason.strip()[:500]}


def _under_way(session: Session) -> bool:
    return session.admitted_at is not None and session.finished_at is None and session.voided is None
