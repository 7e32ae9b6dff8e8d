"""What an attempt is now: a fold over its events, and the one function that decides all about time.

Status is computed from facts and the clock, never stored. Pure: no clock, no database, no engine decision (the fold replays what was decided and
never asks again, so a library upgrade cannot change a running test).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from cat_engine import Answered, NormalPrior, Presented, SectionEnded, State, Stopped, start, tell
from cat_engine.content import OPEN
from webtest.events import GENESIS, Kind, SessionEvent


@dataclass(frozen=True, slots=True)
class Shown:
    """The item on the screen: the event that presented it, its index in the pool, its id, when (ms UTC), and the section's pauses until then."""

    seq: int
    item: int
    item_id: str
    at: int
    paused_ms: int = 0


@dataclass(frozen=True, slots=True)
class LastAnswer:
    """The newest answer: to which presentation, which option, under which idempotency key; a repeat of it is a no-op."""

    presented_seq: int
    choice: int
    key: str
    at: int


@dataclass(frozen=True, slots=True)
class Session:
    """The state of one attempt after its events up to (seq, head). `held`: exposure control was never dropped for want of an item."""

    attempt: str
    seq: int
    head: str
    engine: State
    terms: Mapping[str, Any]
    attended: bool | None = None
    pin_issued_at: int | None = None
    device: str | None = None
    move_requested: str | None = None
    connections: int = 0
    identity_confirmed: bool = False
    rules_accepted: bool = False
    practised: bool = False
    admitted_at: int | None = None
    shown: Shown | None = None
    last_answer: LastAnswer | None = None
    section_started_at: int | None = None
    paused_at: int | None = None
    paused_ms: int = 0
    extension_ms: int = 0
    finished_at: int | None = None
    finish_reason: str | None = None
    void_requested: Mapping[str, str] | None = None
    voided: str | None = None
    held: bool = True

    @property
    def prior(self) -> NormalPrior | None:
        """Where the test starts; None: at the plan's prior. Pinned with the assignment."""
        pinned = self.terms.get("prior")
        return None if pinned is None else NormalPrior(pinned["mean"], pinned["sd"])

    @property
    def n_answers(self) -> int:
        """Answers accepted so far, over all sections."""
        return len(self.engine.categories)

    def answering_ms(self, now: int) -> int:
        """How long the item on the screen has been answered by now, without pauses; 0 where the clock was set back."""
        if self.shown is None:
            msg = f"no item is on the screen of {self.attempt}"
            raise ValueError(msg)
        return max(0, now - self.shown.at - (self.paused_ms - self.shown.paused_ms))


def begin(attempt: str) -> Session:
    """A session before its first event."""
    return Session(attempt, -1, GENESIS, start(0), {})


def fold(session: Session, events: Iterable[SessionEvent]) -> Session:
    """Apply events in seq order."""
    for event in events:
        if event.attempt != session.attempt or event.seq != session.seq + 1 or event.prev_hash != session.head:
            msg = f"event {event.seq} of {event.attempt} does not follow event {session.seq} of {session.attempt}"
            raise ValueError(msg)
        session = replace(_apply(session, event), seq=event.seq, head=event.hash)
    return session


def _apply(s: Session, event: SessionEvent) -> Session:
    p, at = event.payload, event.at
    match event.kind:
        case Kind.ASSIGNED:
            return replace(s, terms=p, engine=start(p["seed"]))
        case Kind.ATTENDED:
            return replace(s, attended=p["present"])
        case Kind.PIN_ISSUED:
            return replace(s, pin_issued_at=at)
        case Kind.PIN_REVOKED:
            return replace(s, pin_issued_at=None)
        case Kind.CONNECTED:
            return replace(s, device=p["device"], move_requested=None, connections=s.connections + 1)
        case Kind.MOVE_REQUESTED:
            return replace(s, move_requested=p["device"])
        case Kind.DEVICE_RELEASED:
            return replace(s, device=None, move_requested=None)
        case Kind.IDENTITY_CONFIRMED:
            return replace(s, identity_confirmed=True)
        case Kind.RULES_ACCEPTED:
            return replace(s, rules_accepted=True)
        case Kind.PRACTISED:
            return replace(s, practised=True)
        case Kind.ADMITTED:
            return replace(s, admitted_at=at, engine=start(s.engine.seed, p.get("seen", ())))
        case Kind.PRESENTED:
            return _presented(s, event)
        case Kind.ANSWERED:
            answer = LastAnswer(p["presented_seq"], p["choice"], p["key"], at)
            return replace(s, engine=tell(s.engine, Answered(p["category"], p["rt_ms"] / 1000)), shown=None, last_answer=answer)
        case Kind.SECTION_ENDED:
            return replace(
                s,
                engine=tell(s.engine, SectionEnded(p["reason"])),
                shown=None,
                section_started_at=None,
                paused_ms=0,
                extension_ms=0,
            )
        case Kind.FINISHED:
            engine = s.engine if s.engine.stopped else tell(s.engine, Stopped(p["reason"]))
            return replace(s, engine=engine, shown=None, finished_at=at, finish_reason=p["reason"])
        case Kind.PAUSED:
            return replace(s, paused_at=at)
        case Kind.RESUMED:
            return _resumed(s, at)
        case Kind.EXTENDED:
            return replace(s, extension_ms=s.extension_ms + p["minutes"] * 60_000)
        case Kind.VOID_REQUESTED:
            return replace(s, void_requested={"actor": event.actor, "code": p["code"], "reason": p["reason"]})
        case Kind.VOIDED:
            return replace(s, voided=p["reason"], shown=None)
        case _:
            return s


def _presented(s: Session, event: SessionEvent) -> Session:
    p, at = event.payload, event.at
    first = s.section_started_at is None
    return replace(
        s,
        engine=tell(s.engine, Presented(p["item"])),
        shown=Shown(event.seq, p["item"], p["item_id"], at, 0 if first else s.paused_ms),
        section_started_at=at if first else s.section_started_at,
        paused_ms=0 if first else s.paused_ms,
        held=s.held and p.get("rung") != OPEN,
    )


def _resumed(s: Session, at: int) -> Session:
    if s.paused_at is None:
        return s
    # A pause counts against the section's clock only while that clock runs.
    since = at if s.section_started_at is None else max(s.paused_at, s.section_started_at)
    return replace(s, paused_at=None, paused_ms=s.paused_ms + at - since)


class Phase(StrEnum):
    """Where an attempt stands. Exactly one holds at any instant:

    ABSENT    no PIN issued yet: the identity check has not taken place
    ENTERING  PIN issued; the test-taker logs in, confirms, reads the rules, tries the practice item
    WAITING   ready, in front of the waiting room; the proctor has not started
    READY     started by the proctor, no section's clock runs: before the first item, and in the break between sections
    RUNNING   an item may be shown and answered; the clock runs
    GRACE     the budget is used up, an answer on its way still counts (a few seconds)
    TIME_UP   budget and grace are over: the section ends at the next touch
    PAUSED    a proctor's or a technical pause: the clock stands still
    FINISHED  all answers are in
    VOIDED    taken out of the wave by two officers
    """

    ABSENT = "absent"
    ENTERING = "entering"
    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    GRACE = "grace"
    TIME_UP = "time_up"
    PAUSED = "paused"
    FINISHED = "finished"
    VOIDED = "voided"


@dataclass(frozen=True, slots=True)
class Clock:
    """The phase, and the time left of the section in ms (the whole budget before its first item; never below 0)."""

    phase: Phase
    left_ms: int


GRACE_MS = 5_000


def clock(now: int, session: Session, budget_ms: int, grace_ms: int = GRACE_MS) -> Clock:
    """The single source of truth about time.

    The clock of a section starts with its first item, stands still in a pause, and is lengthened by extensions. `budget_ms` is the budget of
    the current section with the test-taker's extra-time factor already in it. All times in ms.
    """
    s = session
    allowed = budget_ms + s.extension_ms
    if s.section_started_at is None:
        left = allowed
    else:
        until = now if s.paused_at is None else max(s.paused_at, s.section_started_at)
        left = allowed - (until - s.section_started_at - s.paused_ms)
    return Clock(_phase(s, left, grace_ms), max(left, 0))


def _phase(s: Session, left: int, grace_ms: int) -> Phase:
    if s.voided is not None:
        return Phase.VOIDED
    if s.finished_at is not None:
        return Phase.FINISHED
    if s.admitted_at is None:
        if s.pin_issued_at is None:
            return Phase.ABSENT
        return Phase.WAITING if s.practised else Phase.ENTERING
    if s.paused_at is not None:
        return Phase.PAUSED
    if s.section_started_at is None:
        return Phase.READY
    if left > 0:
        return Phase.RUNNING
    return Phase.GRACE if left > -grace_ms else Phase.TIME_UP
