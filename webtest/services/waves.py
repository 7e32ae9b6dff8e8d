"""The room's use cases: make a wave from a roster, issue PINs, start, pause, extend, close."""

import datetime as dt
import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from sqlalchemy import Engine, text
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Fault, Faulty, check, load_plan, simulate
from itembank.bank import check_bank, pool_of
from itembank.store import load_bank, load_contents
from webtest.catalog import Catalog, Kit
from webtest.checkpoints import write_checkpoint
from webtest.events import Entry, Kind, canonical
from webtest.keys import Keys, name_hash, pin_hash
from webtest.models import Attempt, Checkpoint, Person, Wave
from webtest.refusal import Refused
from webtest.roster import RosterRow
from webtest.services.taking import end_section
from webtest.session import Phase, Session
from webtest.store import EventStore
from webtest.tries import forget_tries

PIN_HOURS = 12
LONGEST_TEXT = 200
REASONS = (
    "environment.comfort", "environment.disturbance", "environment.noise", "environment.power", "environment.weather", "examinee.behaviour",
    "examinee.complaint", "examinee.id", "examinee.illness", "examinee.late", "examinee.navigation", "examinee.no_show", "staff.behaviour",
    "staff.compliance", "staff.error", "staff.late", "technical.freeze", "technical.launch", "technical.network", "technical.printing",
    "technical.workstation", "other",
)  # fmt: skip

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
        faults = [Fault("wave", name, "is empty") for name in ("name", "agency", "place") if not getattr(new, name).strip()]
        faults += [
            Fault("wave", name, "is longer than 200 characters")
            for name in ("name", "agency", "place")
            if len(getattr(new, name)) > LONGEST_TEXT
        ]
        if not _is_day(new.day):
            faults.append(Fault("wave", "day", f"'{new.day}' is not a date", "as 2026-11-24"))
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
            listed = canonical([[r.nip, r.name, r.job_level, r.unit, r.room] for r in roster])
            wave = Wave(
                id="W" + secrets.token_hex(4), name=new.name.strip(), agency=new.agency.strip(), place=new.place.strip(), day=new.day, zone=new.zone,
                seed=secrets.randbits(53) if seed is None else seed, plan=plan_text, plan_digest=plan.digest, bank_version=bank.version,
                pool_digest=pool.digest, roster_digest=hashlib.sha256(listed.encode()).hexdigest(), created_by=actor, created_at=now,
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
            self._store.write_in(sql, wave.id, wave.id, lambda _: entries, actor=actor, now=now)
            return wave.id

    def _add_attempts(self, sql: SqlSession, wave: Wave, roster: Sequence[RosterRow], now: int) -> None:
        """People who are new, and those who are known brought up to date; what a result depends on (the job level) is frozen in the attempt's log."""
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
            terms[attempt.id] = {
                "seed": seed_of(wave.seed, row.nip), "person": attempt.person_id, "job_level": row.job_level, "bank_version": wave.bank_version,
                "plan_digest": wave.plan_digest, "pool_digest": wave.pool_digest, "room": row.room, "seat": attempt.seat, "time_factor": 1.0,
            }  # fmt: skip
        sql.flush()
        for stream in sorted(terms):
            assigned = [Entry(Kind.ASSIGNED, terms[stream])]
            self._store.write_in(sql, stream, wave.id, lambda _, assigned=assigned: assigned, actor=wave.created_by, now=now)

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
            self._store.write_in(sql, wave_id, wave_id, lambda _: [entry], actor=actor, now=now)

    # people

    def issue_pins(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Card]:
        """New PINs for people whose identity has been checked; older PINs die. Marks them present. Cards are returned once."""
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            self._open_wave(sql, wave_id)
            query = select(Attempt, Person).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
            rows = [(a, p) for a, p in sql.exec(query.order_by(col(Attempt.room), col(Attempt.seat))).all() if a.id in set(attempts)]
            pins = {attempt.id: f"{secrets.randbelow(1_000_000):06d}" for attempt, _ in rows}
            expires_at = now + PIN_HOURS * 3_600_000

            def entries(session: Session) -> list[Entry]:
                if session.finished_at is not None or session.voided is not None:
                    return []
                present = [] if session.attended else [Entry(Kind.ATTENDED, {"present": True})]
                return [*present, Entry(Kind.PIN_ISSUED, {"expires_at": expires_at})]

            after = {stream: self._store.write_in(sql, stream, wave_id, entries, actor=actor, now=now) for stream in sorted(pins)}
            cards = []
            for attempt, person in rows:
                if after[attempt.id].finished_at is not None or after[attempt.id].voided is not None:
                    continue
                attempt.pin_hash = pin_hash(self._keys.pepper, attempt.id, pins[attempt.id])
                attempt.pin_expires_at = expires_at
                sql.add(attempt)
                cards.append(Card(person.name, person.nip, attempt.room, attempt.seat, pins[attempt.id]))
            if not cards:
                raise Refused("nobody")
            forget_tries(sql, *(name_hash(self._keys.pepper, "taker", card.nip) for card in cards))
            return cards

    def attend(self, wave_id: str, attempts: Sequence[str], present: bool, *, actor: str, now: int) -> list[Outcome]:
        """Mark people present or absent."""

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            # Whoever has logged in is here.
            return [Entry(Kind.ATTENDED, {"present": present})] if present or s.device is None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

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
            return (
                [Entry(Kind.DEVICE_RELEASED, payload)] if s.device is not None and s.finished_at is None and s.voided is None else "not_now"
            )

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
            wave = self._wave(sql, wave_id)
            self._store.write_in(sql, wave_id, wave_id, lambda _: [Entry(Kind.INCIDENT, payload)], actor=actor, now=now)
            if wave.closed_at is not None:
                write_checkpoint(sql, wave_id, self._keys, now)

    def close(self, wave_id: str, *, actor: str, now: int) -> Checkpoint:
        """Close the wave: whoever is under way is finished (reason "time" where the clock says so, else "proctor"), and the log is sealed."""
        kit = self._catalog.kit(wave_id)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._open_wave(sql, wave_id)
            ids = sorted(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())

            def entries(session: Session) -> list[Entry]:
                if not _under_way(session):
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
            return write_checkpoint(sql, wave_id, self._keys, now)

    # voiding: one officer asks, another confirms

    def request_void(self, wave_id: str, attempts: Sequence[str], code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Propose to take attempts out of the wave (until its results are released). Nothing changes for the test-taker before `confirm_void`."""
        payload = _reasoned(code, reason)

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.VOID_REQUESTED, payload)] if s.voided is None and s.void_requested is None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now, closed_too=True)

    def confirm_void(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Outcome]:
        """Void what another officer proposed: the attempt is out of results and calibration, for good."""

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            if s.voided is not None or s.void_requested is None:
                return "not_now"
            asked = s.void_requested
            if asked["actor"] == actor:
                return "same_person"
            return [Entry(Kind.VOIDED, {"code": asked["code"], "reason": asked["reason"], "requested_by": asked["actor"]})]

        return self._each(wave_id, attempts, entries, actor=actor, now=now, closed_too=True)

    # inside

    def _each(
        self,
        wave_id: str,
        attempts: Sequence[str],
        entries: Callable[[Kit, Session], list[Entry] | str],
        *,
        actor: str,
        now: int,
        closed_too: bool = False,
    ) -> list[Outcome]:
        """Apply an action to each attempt of the wave, in one transaction. `closed_too`: also after closing, which seals the log anew."""
        kit = self._catalog.kit(wave_id)
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            wave = self._unreleased(sql, wave_id) if closed_too else self._open_wave(sql, wave_id)
            own = set(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())
            outcomes = [self._act(sql, kit, stream, entries, actor, now) for stream in sorted(own & set(attempts))]
            if wave.closed_at is not None and any(outcome.done for outcome in outcomes):
                write_checkpoint(sql, wave_id, self._keys, now)
        if not outcomes:
            raise Refused("nobody")
        return outcomes

    def _act(
        self, sql: SqlSession, kit: Kit, stream: str, entries: Callable[[Kit, Session], list[Entry] | str], actor: str, now: int
    ) -> Outcome:
        refusal = ""

        def decide(session: Session) -> list[Entry]:
            nonlocal refusal
            made = entries(kit, session)
            refusal = made if isinstance(made, str) else ""
            return [] if isinstance(made, str) else made

        self._store.write_in(sql, stream, kit.wave_id, decide, actor=actor, now=now)
        return Outcome(stream, not refusal, refusal)

    @staticmethod
    def _wave(sql: SqlSession, wave_id: str) -> Wave:
        """The wave's row, held until the end of the transaction: officers' acts on one wave come one after another."""
        wave = sql.get(Wave, wave_id, with_for_update=True)
        if wave is None:
            raise Refused("unknown")
        return wave

    def _open_wave(self, sql: SqlSession, wave_id: str) -> Wave:
        wave = self._wave(sql, wave_id)
        if wave.opened_at is None or wave.closed_at is not None:
            raise Refused("wave_not_open")
        return wave

    def _unreleased(self, sql: SqlSession, wave_id: str) -> Wave:
        wave = self._wave(sql, wave_id)
        if wave.opened_at is None:
            raise Refused("wave_not_open")
        if wave.released_at is not None:
            raise Refused("not_now")
        return wave


def seed_of(wave_seed: int, nip: str) -> int:
    """The seed of one attempt: follows from the wave's seed, tells nothing of the person."""
    return int.from_bytes(hashlib.sha256(f"{wave_seed}|{nip}".encode()).digest()[:6], "big")


def _is_day(text: str) -> bool:
    try:
        return dt.date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


def _reasoned(code: str, reason: str) -> dict[str, str]:
    if code not in REASONS or not reason.strip():
        raise Refused("reason_missing")
    return {"code": code, "reason": reason.strip()[:500]}


def _under_way(session: Session) -> bool:
    return session.admitted_at is not None and session.finished_at is None and session.voided is None
