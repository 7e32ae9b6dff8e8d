"""The audit of a wave: chains, checkpoints, and every decision asked of the engine again.

The claim that a result makes is: this score follows from these answers under this bank and this plan. The audit checks it from the log alone.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Answered, EngineRefusal, Present, Presented, SectionEnded, State, Stopped, ask, estimate, start, tell
from webtest.catalog import Kit, kit_of
from webtest.checkpoints import checkpoint_fault
from webtest.events import Kind, SessionEvent, verify
from webtest.models import Attempt, Checkpoint, Wave
from webtest.refusal import Refused
from webtest.store import EventStore

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not hold: in which stream, at which event, and what."""

    stream: str
    seq: int
    what: str


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What was checked and what was found; sound when nothing was found."""

    wave: str
    attempts: int
    events: int
    decisions: int
    checkpoints: int
    root: str
    findings: tuple[Finding, ...]


def audit_wave(engine: Engine, store: EventStore, wave_id: str) -> AuditReport:
    """Audit one wave. Raises Refused("unknown")."""
    with SqlSession(engine, expire_on_commit=False) as sql:
        wave = sql.get(Wave, wave_id)
        if wave is None:
            raise Refused("unknown")
        expected = list(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave_id)).all())
        seals = list(sql.exec(select(Checkpoint).where(Checkpoint.wave_id == wave_id).order_by(col(Checkpoint.n))).all())
        findings: list[Finding] = []
        kit: Kit | None = None
        try:
            kit = kit_of(sql, wave)
        except ValueError as error:
            findings.append(Finding(wave_id, -1, f"plan or bank is not the one pinned: {error}"))
    streams = store.wave_events(wave_id)
    findings += [Finding(attempt, 0, "an attempt of the roster has no events") for attempt in expected if attempt not in streams]
    findings += [
        Finding(s, 0, "a stream that belongs to no attempt of the roster") for s in streams if s != wave_id and s not in set(expected)
    ]
    decisions = 0
    for stream, events in streams.items():
        broken = verify(events)
        if broken is not None:
            findings.append(Finding(stream, broken.seq, broken.why))
        elif stream != wave_id and kit is not None:
            asked, wrong = replay(kit, events)
            decisions += asked
            findings += wrong
    findings += _against_seals(streams, seals, closed=wave.closed_at is not None)
    root = seals[-1].root if seals else ""
    return AuditReport(wave_id, len(expected), sum(map(len, streams.values())), decisions, len(seals), root, tuple(findings))


def replay(kit: Kit, events: Sequence[SessionEvent]) -> tuple[int, list[Finding]]:
    """Ask the engine again for every decision of one attempt: same item, same theta and SE, same category from the same choice."""
    state: State | None = None
    decisions, findings = 0, []
    for event in events:
        p = event.payload
        try:
            if event.kind == Kind.ASSIGNED:
                state = start(p["seed"])
            elif state is None:
                continue
            elif event.kind == Kind.PRESENTED:
                decisions += 1
                findings += [Finding(event.attempt, event.seq, what) for what in _presented_faults(kit, state, event)]
                state = tell(state, Presented(p["item"]))
            elif event.kind == Kind.ANSWERED:
                pending = state.pending
                state = tell(state, Answered(p["category"], p["rt_ms"] / 1000))
                findings += [Finding(event.attempt, event.seq, what) for what in _answered_faults(kit, state, pending, event)]
            elif event.kind == Kind.SECTION_ENDED:
                state = tell(state, SectionEnded(p["reason"]))
            elif event.kind == Kind.FINISHED:
                state = tell(state, Stopped(p["reason"]))
        except (EngineRefusal, KeyError, IndexError) as error:
            findings.append(Finding(event.attempt, event.seq, f"the engine refuses this '{event.kind}' event: {error}"))
            return decisions, findings
    return decisions, findings


def _presented_faults(kit: Kit, state: State, event: SessionEvent) -> list[str]:
    decision = ask(kit.plan, kit.pool, state)
    p = event.payload
    if not isinstance(decision, Present):
        return [f"the engine would have ended the section, the log presents {p['item_id']}"]
    faults = []
    if decision.item != p["item"] or kit.pool.ids[decision.item] != p["item_id"]:
        faults.append(f"the engine gives {kit.pool.ids[decision.item]}, the log {p['item_id']}")
    if abs(decision.evidence.theta - p["theta"]) > TOLERANCE or abs(decision.evidence.se - p["se"]) > TOLERANCE:
        faults.append(f"theta before the item is {decision.evidence.theta!r}, the log says {p['theta']!r}")
    return faults


def _answered_faults(kit: Kit, state: State, item: int | None, event: SessionEvent) -> list[str]:
    p = event.payload
    if item is None or kit.pool.ids[item] != p["item_id"]:
        return [f"answers {p['item_id']}, which was not on the screen"]
    faults = []
    if kit.contents[p["item_id"]].categories[p["choice"]] != p["category"]:
        faults.append("the category does not follow from the choice and the key")
    found = estimate(kit.plan, kit.pool, state)
    scale = kit.pool.params.scale[item]
    if abs(float(found.theta[scale]) - p["theta"]) > TOLERANCE or abs(float(found.se[scale]) - p["se"]) > TOLERANCE:
        faults.append(f"theta after the answer is {float(found.theta[scale])!r}, the log says {p['theta']!r}")
    return faults


def _against_seals(streams: dict[str, list[SessionEvent]], seals: Sequence[Checkpoint], *, closed: bool) -> list[Finding]:
    findings = [
        Finding(seal.wave_id, -1, f"checkpoint {seal.n}: {wrong}") for seal in seals if (wrong := checkpoint_fault(seal)) is not None
    ]
    if closed and not seals:
        findings.append(Finding("", -1, "the wave is closed, and no checkpoint seals it"))
    for seal in seals:
        for stream, (seq, head) in json.loads(seal.heads).items():
            events = streams.get(stream, [])
            if len(events) <= seq:
                findings.append(Finding(stream, len(events), f"checkpoint {seal.n} saw events up to {seq}; the tail is gone"))
            elif events[seq].hash != head:
                findings.append(Finding(stream, seq, f"is not the event that checkpoint {seal.n} saw: the chain was computed anew"))
        unseen = sorted(s for s in streams if s not in json.loads(seal.heads))
        findings += [Finding(stream, 0, f"was not there at checkpoint {seal.n}: an inserted stream") for stream in unseen]
    return findings
