"""The test-taker's use cases: log in, confirm, practise, begin a section, answer."""

import hmac
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Answered, Decision, EndSection, Present, State, Stop, ask, tell
from itembank.bank import ItemContent
from webtest.catalog import Catalog, Kit
from webtest.events import Entry, Kind
from webtest.keys import name_hash, pin_hash
from webtest.models import Attempt, Person, Wave
from webtest.refusal import Refused
from webtest.roster import nip_fault
from webtest.session import Clock, Phase, Session
from webtest.store import EventStore
from webtest.tries import count_try, forget_tries

TAKER = "taker"


@dataclass(frozen=True, slots=True)
class Screen:
    """What the test-taker sees now. `name` chooses the page; `content` is the item without key, score or parameter."""

    name: str
    wave_id: str
    attempt: str
    clock: Clock
    section_title: str
    section_number: int
    n_sections: int
    number: int
    progress: float
    minutes: int
    seq: int = -1
    content: ItemContent | None = None
    receipt: str = ""


@dataclass(frozen=True, slots=True)
class Identity:
    """What the confirmation page shows."""

    name: str
    nip: str
    job_level: str
    unit: str
    room: str
    seat: int
    wave: str


class Taking:
    """Use cases of one test-taker at a time. Devices are random tokens kept in the browser's cookie."""

    def __init__(self, engine: Engine, store: EventStore, catalog: Catalog, pepper: bytes) -> None:
        self._engine, self._store, self._catalog, self._pepper = engine, store, catalog, pepper

    # entering

    def login(self, nip: str, pin: str, device: str, now: int) -> tuple[str, str]:
        """Bind a device to the attempt that NIP and PIN name; gives (attempt, wave). Says the same of a wrong NIP and a wrong PIN.

        Five tries are free, each further one locks the NIP for a minute, two, four ... (webtest.tries); a new PIN opens it.
        """
        who = name_hash(self._pepper, "taker", nip)
        count_try(self._engine, who, now)
        found: Sequence[tuple[Attempt, Wave]] = []
        if nip_fault(nip) is None:
            with SqlSession(self._engine) as sql:
                query = select(Attempt, Wave).join(Wave, col(Attempt.wave_id) == Wave.id).join(Person, col(Attempt.person_id) == Person.id)
                query = query.where(Person.nip == nip, col(Wave.opened_at).is_not(None), col(Wave.closed_at).is_(None))
                found = sql.exec(query.order_by(col(Wave.created_at).desc())).all()
        right = [
            (a, w)
            for a, w in found
            if a.pin_hash and a.pin_expires_at > now and hmac.compare_digest(a.pin_hash, pin_hash(self._pepper, a.id, pin))
        ]
        if not right:
            raise Refused("login_failed")
        with SqlSession(self._engine.execution_options(write=True)) as sql, sql.begin():
            forget_tries(sql, who)
        attempt, wave = right[0]
        self._connect(attempt.id, wave.id, device, now)
        return attempt.id, wave.id

    def _connect(self, attempt: str, wave: str, device: str, now: int) -> None:
        def decide(session: Session) -> list[Entry]:
            if session.device is None:
                return [Entry(Kind.CONNECTED, {"device": device})]
            asked = session.device == device or session.move_requested is not None
            return [] if asked else [Entry(Kind.MOVE_REQUESTED, {"device": device})]

        if self._store.write(attempt, wave, decide, actor=TAKER, now=now).device != device:
            raise Refused("device_bound")

    def identity(self, attempt: str) -> Identity:
        """The person's own data, for the confirmation page."""
        with SqlSession(self._engine) as sql:
            query = (
                select(Attempt, Person, Wave).join(Person, col(Attempt.person_id) == Person.id).join(Wave, col(Attempt.wave_id) == Wave.id)
            )
            found = sql.exec(query.where(Attempt.id == attempt)).first()
        if found is None:
            raise Refused("unknown")
        row, person, wave = found
        return Identity(person.name, person.nip, person.job_level, person.unit, row.room, row.seat, wave.name)

    def step(self, attempt: str, wave: str, device: str, kind: Kind, now: int) -> None:
        """Confirm identity, accept the rules, or finish the practice item, in that order; a repeat is a no-op."""
        order = {Kind.IDENTITY_CONFIRMED: "identity_confirmed", Kind.RULES_ACCEPTED: "rules_accepted", Kind.PRACTISED: "practised"}
        earlier = list(order.values())[: list(order).index(kind)]

        def decide(session: Session) -> list[Entry]:
            _bound(session, device)
            if getattr(session, order[kind]):
                return []
            over = session.finished_at is not None or session.voided is not None
            if over or not all(getattr(session, name) for name in earlier):
                raise Refused("not_now")
            return [Entry(kind, {})]

        with SqlSession(self._engine) as sql:
            if sql.get_one(Wave, wave).closed_at is not None:
                raise Refused("wave_not_open")
        self._store.write(attempt, wave, decide, actor=TAKER, now=now)

    # the test

    def screen(self, attempt: str, wave: str, device: str, now: int) -> Screen:
        """What to show. Ends a section whose time is over; otherwise reads only."""
        kit = self._catalog.kit(wave)

        def decide(session: Session) -> list[Entry]:
            _bound(session, device)
            return end_section(kit, session.engine, "time") if kit.clock(now, session).phase is Phase.TIME_UP else []

        return self._screen(kit, self._store.write(attempt, wave, decide, actor="system", now=now), now)

    def begin(self, attempt: str, wave: str, device: str, now: int) -> Screen:
        """Start the clock of the section: present its first item. A repeat shows what is there."""
        kit = self._catalog.kit(wave)

        def decide(session: Session) -> list[Entry]:
            _bound(session, device)
            ready = kit.clock(now, session).phase is Phase.READY and session.practised
            return _decided(kit, session.engine, ask(kit.plan_of(session), kit.pool, session.engine)) if ready else []

        self._store.write(attempt, wave, decide, actor="system", now=now)
        return self.screen(attempt, wave, device, now)

    def answer(self, attempt: str, wave: str, device: str, seq: int, choice: int, client_ms: int, key: str, now: int) -> Screen:
        """Take the answer to the item that event `seq` presented, and decide and present the next: one durable commit.

        The first write wins. The same post again is a no-op; another choice for an answered item is refused.
        """
        kit = self._catalog.kit(wave)

        def decide(session: Session) -> list[Entry]:
            _bound(session, device)
            last = session.last_answer
            if last is not None and last.presented_seq == seq:
                if last.key == key or last.choice == choice:
                    return []
                raise Refused("already_answered")
            return self._answered(kit, session, kit.clock(now, session).phase, seq, choice, client_ms, key, now)

        return self._screen(kit, self._store.write(attempt, wave, decide, actor=TAKER, now=now), now)

    def _answered(self, kit: Kit, session: Session, phase: Phase, seq: int, choice: int, client_ms: int, key: str, now: int) -> list[Entry]:
        if phase is Phase.PAUSED:
            raise Refused("paused")
        if phase is Phase.TIME_UP:
            raise Refused("time_up")
        shown = session.shown
        if phase not in (Phase.RUNNING, Phase.GRACE) or shown is None or shown.seq != seq:
            raise Refused("stale_item")
        content = kit.contents[shown.item_id]
        if not 0 <= choice < len(content.options):
            raise Refused("no_such_option")
        category = content.categories[choice]
        rt_ms = session.answering_ms(now)
        state = tell(session.engine, Answered(category, rt_ms / 1000))
        decision, after = kit.look(session, state)
        scale = kit.pool.params.scale[shown.item]
        payload = {
            "presented_seq": seq, "item_id": shown.item_id, "choice": choice, "category": category, "rt_ms": rt_ms,
            "client_ms": client_ms, "key": key, "theta": float(after.theta[scale]), "se": float(after.se[scale]),
        }  # fmt: skip
        answered = Entry(Kind.ANSWERED, payload)
        if phase is Phase.GRACE:
            return [answered, *end_section(kit, state, "time")]
        return [answered, *_decided(kit, state, decision)]

    def _screen(self, kit: Kit, session: Session, now: int) -> Screen:
        clock = kit.clock(now, session)
        section = kit.section(session)
        at = min(session.engine.section, len(kit.plan.sections) - 1)
        in_section = session.n_answers - session.engine.section_starts[-1]
        expected = len(section.competencies) * (section.min_items + section.max_items) / 2
        expected += 0 if section.pretest is None else section.pretest.count
        return Screen(
            name=_name(clock.phase, session),
            wave_id=kit.wave_id,
            attempt=session.attempt,
            clock=clock,
            section_title=section.title,
            section_number=at + 1,
            n_sections=len(kit.plan.sections),
            number=session.n_answers + 1,
            progress=min(1.0, in_section / expected),
            minutes=round(clock.left_ms / 60_000),
            seq=session.shown.seq if session.shown else -1,
            content=kit.contents[session.shown.item_id] if session.shown and clock.phase in (Phase.RUNNING, Phase.GRACE) else None,
            receipt=session.head[:12].upper() if session.finished_at else "",
        )


def _bound(session: Session, device: str) -> None:
    if session.device != device:
        raise Refused("moved")


def _name(phase: Phase, session: Session) -> str:
    if phase in (Phase.ABSENT, Phase.ENTERING):
        if not session.identity_confirmed:
            return "identity"
        return "practice" if session.rules_accepted else "rules"
    if phase in (Phase.READY, Phase.RUNNING, Phase.GRACE, Phase.TIME_UP) and not session.practised:
        # Started by the proctor while still reading: the steps before the first item are not skipped.
        return "identity" if not session.identity_confirmed else "practice" if session.rules_accepted else "rules"
    names = {Phase.WAITING: "waiting", Phase.READY: "ready", Phase.PAUSED: "paused", Phase.FINISHED: "finished", Phase.VOIDED: "voided"}
    return names.get(phase, "item")


def end_section(kit: Kit, state: State, reason: str) -> list[Entry]:
    """The entries that end the current section, and the test with its last section."""
    entries = [Entry(Kind.SECTION_ENDED, {"section": state.section, "reason": reason})]
    if state.section + 1 >= len(kit.plan.sections):
        entries.append(Entry(Kind.FINISHED, {"reason": reason}))
    return entries


def _decided(kit: Kit, state: State, decision: Decision) -> list[Entry]:
    """What the engine decides now, as entries."""
    match decision:
        case Present(item, section, evidence):
            grounds = {
                "theta": evidence.theta, "se": evidence.se, "info": evidence.info, "n_eligible": evidence.n_eligible, "rung": evidence.rung,
                "why": evidence.why,
            }  # fmt: skip
            return [Entry(Kind.PRESENTED, {"item": item, "item_id": kit.pool.ids[item], "section": section, **grounds})]
        case EndSection(_, reason):
            return end_section(kit, state, reason)
        case Stop(reason):
            return [Entry(Kind.FINISHED, {"reason": reason})]
