"""What officers do with people of an open wave: PINs, attendance, start, pause, extension, ending, voiding by two."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.catalog import Catalog, Kit
from webtest.checkpoints import write_checkpoint
from webtest.events import Entry, Kind
from webtest.keys import Keys, name_hash, pin_hash
from webtest.models import Attempt, Person, Wave
from webtest.refusal import Refused
from webtest.services.past import Past
from webtest.session import Session
from webtest.store import EventStore
from webtest.tries import forget_tries

PIN_MS = 12 * 3_600_000  # how long a PIN is valid
REASONS = (
    "environment.comfort", "environment.disturbance", "environment.noise", "environment.power", "environment.weather", "examinee.behaviour",
    "examinee.complaint", "examinee.id", "examinee.illness", "examinee.late", "examinee.navigation", "examinee.no_show", "staff.behaviour",
    "staff.compliance", "staff.error", "staff.late", "technical.freeze", "technical.launch", "technical.network", "technical.printing",
    "technical.workstation", "other",
)  # fmt: skip


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


class Acts:
    """Use cases on people of a wave: on one of them, some, or a whole room."""

    def __init__(self, engine: Engine, store: EventStore, catalog: Catalog, keys: Keys) -> None:
        self._engine, self._store, self._catalog, self._keys = engine, store, catalog, keys
        self._past = Past(engine, store, catalog)

    def issue_pins(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int, newest: int | None = None) -> list[Card]:
        """New PINs for people whose identity has been checked; older PINs die. Marks them present. Cards are returned once.

        `newest`: Board.newest_pin as the officer saw it when asked. Whoever has got a PIN since is left out, so that a form sent twice (a page of cards that is
        loaded again, a colleague who was faster) makes no printed card worthless. Raises Refused("pins_issued") where that leaves nobody. The PINs of a wave
        die in the order in which they were written down, whatever the clocks said: a colleague's may have been begun before the question, and written after it.
        """
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            self._open_wave(sql, wave_id)
            query = select(Attempt, Person).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
            everybody, meant = sql.exec(query.order_by(col(Attempt.room), col(Attempt.seat))).all(), set(attempts)
            chosen = [(a, p) for a, p in everybody if a.id in meant]
            rows = [(a, p) for a, p in chosen if newest is None or a.pin_expires_at <= newest]
            if chosen and not rows:
                raise Refused("pins_issued")
            pins = {attempt.id: f"{secrets.randbelow(1_000_000):06d}" for attempt, _ in rows}
            expires_at = max(now + PIN_MS, 1 + max((a.pin_expires_at for a, _ in everybody), default=0))

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
            # Whoever has logged in was here, whatever the device is now; of whoever is out of the wave nobody asks.
            return "not_now" if s.connections or s.voided is not None else [Entry(Kind.ATTENDED, {"present": present})]

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def start(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Outcome]:
        """Start together: those who have a PIN and have logged in may begin from now on. What they met in earlier tests is fixed here, where the
        plan wants to know it.
        """
        seen = self._past.seen(self._catalog.kit(wave_id), attempts, now)

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            known = {"seen": seen[s.attempt]} if s.attempt in seen else {}
            return [Entry(Kind.ADMITTED, known)] if s.admitted_at is None and s.device is not None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def pause(self, wave_id: str, attempts: Sequence[str], code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Stop the clock of people who are under way."""
        payload = reasoned(code, reason)

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.PAUSED, payload)] if under_way(s) and s.paused_at is None else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def resume(self, wave_id: str, attempts: Sequence[str], *, actor: str, now: int) -> list[Outcome]:
        """Let the clock of paused people run again."""

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.RESUMED, {})] if s.paused_at is not None and under_way(s) else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def extend(self, wave_id: str, attempts: Sequence[str], minutes: int, code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Lengthen the current section for people who are under way."""
        if not 1 <= minutes <= 120:
            raise Refused("minutes_wrong")
        payload = {"minutes": minutes, **reasoned(code, reason)}

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.EXTENDED, payload)] if under_way(s) else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def release_device(self, wave_id: str, attempts: Sequence[str], reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Approve a move: the person may log in on another device with the same PIN; the old one is refused from now on."""
        payload = reasoned("technical.workstation", reason)

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return (
                [Entry(Kind.DEVICE_RELEASED, payload)] if s.device is not None and s.finished_at is None and s.voided is None else "not_now"
            )

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    def finish(self, wave_id: str, attempts: Sequence[str], code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """End people's tests now; what they answered is scored."""
        payload = {"officer_reason": reasoned(code, reason)}

        def entries(_kit: Kit, s: Session) -> list[Entry] | str:
            return [Entry(Kind.FINISHED, {"reason": "proctor", **payload})] if under_way(s) else "not_now"

        return self._each(wave_id, attempts, entries, actor=actor, now=now)

    # voiding: one officer asks, another confirms

    def request_void(self, wave_id: str, attempts: Sequence[str], code: str, reason: str, *, actor: str, now: int) -> list[Outcome]:
        """Propose to take attempts out of the wave (until its results are released). Nothing changes for the test-taker before `confirm_void`."""
        payload = reasoned(code, reason)

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
        if wave.discarded_at is not None:
            raise Refused("discarded")
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


def reasoned(code: str, reason: str) -> dict[str, str]:
    if code not in REASONS or not reason.strip():
        raise Refused("reason_missing")
    return {"code": code, "reason": reason.strip()[:500]}


def under_way(session: Session) -> bool:
    return session.admitted_at is not None and session.finished_at is None and session.voided is None
