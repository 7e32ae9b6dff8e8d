"""The audit of a wave: what is pinned, chains, checkpoints, and every decision asked of the engine again.

The claim that a result makes is: this score follows from these answers under this bank and this plan, given by this person in that time. The
audit checks it from the database alone, and from one thing that is not in it: the installation's public key.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.catalog import Catalog, Kit, kit_of
from webtest.checkpoints import checkpoint_fault
from webtest.events import Kind, SessionEvent, read_chain
from webtest.kept_answers import answers_differ
from webtest.keys import Keys
from webtest.models import Attempt, Checkpoint, KeptAnswers, Person, Wave
from webtest.refusal import Refused
from webtest.replay import Finding, replay
from webtest.services.results import NO_PERFORMANCE, Results, performance_digest, results_digest
from webtest.services.waves import seed_of
from webtest.store import EventStore, stored_events

Streams = Mapping[str, Sequence[SessionEvent]]
ENTERING = (Kind.CONNECTED, Kind.MOVE_REQUESTED, Kind.IDENTITY_CONFIRMED, Kind.RULES_ACCEPTED, Kind.PRACTISED)


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


def audit_wave(engine: Engine, store: EventStore, wave_id: str, keys: Keys) -> AuditReport:
    """Audit one wave; its checkpoints must bear the signature of `keys`. Raises Refused("unknown" | "searching")."""
    findings = _file_faults(engine)
    try:
        return _audit(engine, store, wave_id, keys, findings)
    except DatabaseError as error:
        findings.append(Finding("database", -1, f"cannot be read: {error.orig}"))
        return AuditReport(wave_id, 0, 0, 0, 0, "", tuple(findings))


def _audit(engine: Engine, store: EventStore, wave_id: str, keys: Keys, findings: list[Finding]) -> AuditReport:
    kit: Kit | None = None
    with SqlSession(engine, expire_on_commit=False) as sql:
        wave = sql.get(Wave, wave_id)
        if wave is None:
            raise Refused("unknown")
        if wave.waiting is not None and wave.discarded_at is None:  # it has no log yet
            raise Refused("searching")
        query = select(Attempt, Person).join(Person, col(Attempt.person_id) == Person.id).where(Attempt.wave_id == wave_id)
        roster = {attempt.id: (attempt, person) for attempt, person in sql.exec(query).all()}
        seals = list(sql.exec(select(Checkpoint).where(Checkpoint.wave_id == wave_id).order_by(col(Checkpoint.n))).all())
        performance = performance_digest(sql, wave_id)
        kept = sql.get(KeptAnswers, wave_id)
        try:
            kit = kit_of(sql, wave)
        except (ValueError, KeyError, TypeError) as error:
            findings.append(Finding(wave_id, -1, f"plan or bank is not the one pinned: {error}"))
    stored = stored_events(engine, wave_id)
    streams: dict[str, list[SessionEvent]] = {}
    torn = set()
    decisions = 0
    for stream, rows in stored.items():
        streams[stream], broken = read_chain(rows)
        if broken is not None:
            torn.add(stream)
            findings.append(Finding(stream, broken.seq, broken.why))
        elif stream != wave_id and kit is not None:
            asked, wrong = replay(kit, streams[stream])
            decisions += asked
            findings += wrong
    findings += _wave_faults(wave, streams.get(wave_id, []), len(roster), keys, performance)
    findings += _roster_faults(wave, roster, streams)
    findings += _seal_faults(seals, keys)
    findings += _against_seals(streams, seals, torn)
    findings += _after_closing(wave, streams, seals)
    if kept is not None and not torn and answers_differ(kept.content, stored):
        findings.append(Finding(wave_id, -1, "the answers that are kept of it for calibration are not those of its log"))
    if wave.released_at is not None and not findings:
        findings += _release_faults(wave_id, Results(engine, store, Catalog(engine), keys), streams[wave_id])
    root = seals[-1].root if seals else ""
    return AuditReport(wave_id, len(roster), sum(map(len, stored.values())), decisions, len(seals), root, tuple(findings))


def _file_faults(engine: Engine) -> list[Finding]:
    """What SQLite itself finds wrong with its file (a server does this on its own)."""
    if engine.dialect.name != "sqlite":
        return []
    with engine.connect() as connection:
        try:
            said = [row[0] for row in connection.exec_driver_sql("PRAGMA integrity_check(20)")]
        except DatabaseError as error:
            said = [str(error.orig)]
    return [Finding("database", -1, line) for line in said if line != "ok"]


def _wave_faults(wave: Wave, events: Sequence[SessionEvent], n_attempts: int, keys: Keys, performance: str) -> list[Finding]:
    """The wave's row, its roster's size and its performance values against what the wave's own stream says of them."""
    said: dict[str, SessionEvent] = {event.kind: event for event in events}

    def differ(kind: Kind, **held: object) -> list[Finding]:
        event = said.get(kind)
        if event is None:
            return []
        return [
            Finding(wave.id, event.seq, f"{name} is {value!r} in the database, {event.payload.get(name)!r} in this '{kind}' event")
            for name, value in held.items()
            if event.payload.get(name) != value
        ]

    findings = differ(Kind.WAVE_CREATED, plan_digest=wave.plan_digest, pool_digest=wave.pool_digest, bank_version=wave.bank_version)
    findings += differ(Kind.ROSTER_LOADED, digest=wave.roster_digest, people=n_attempts)
    findings += differ(Kind.WAVE_OPENED, public_key=keys.public_hex)
    findings += differ(Kind.PERFORMANCE_LOADED, digest=performance)
    if Kind.PERFORMANCE_LOADED not in said and performance != NO_PERFORMANCE:
        findings.append(Finding(wave.id, -1, "there are performance values that nobody has loaded"))
    at = {
        Kind.WAVE_OPENED: wave.opened_at, Kind.WAVE_CLOSED: wave.closed_at, Kind.RESULTS_RELEASED: wave.released_at, Kind.WAVE_DISCARDED: wave.discarded_at,
    }  # fmt: skip
    for kind, held in at.items():
        logged = said[kind].at if kind in said else None
        if logged != held:
            findings.append(
                Finding(wave.id, said[kind].seq if kind in said else -1, f"'{kind}' at {held} in the database, at {logged} in the log")
            )
    if Kind.WAVE_CREATED not in said and wave.waiting is None:
        findings.append(Finding(wave.id, 0, "the wave's own stream does not tell that it was created"))
    return findings


def _roster_faults(wave: Wave, roster: Mapping[str, tuple[Attempt, Person]], streams: Streams) -> list[Finding]:
    """Each attempt has its stream, each stream its attempt, and both say the same of person, seat and seed."""
    findings = [Finding(attempt, 0, "an attempt of the roster has no events") for attempt in roster if attempt not in streams]
    findings += [Finding(s, 0, "a stream that belongs to no attempt of the roster") for s in streams if s != wave.id and s not in roster]
    for stream, (attempt, person) in roster.items():
        events = streams.get(stream, [])
        if not events or events[0].kind != Kind.ASSIGNED:
            continue
        held = {
            "person": attempt.person_id, "room": attempt.room, "seat": attempt.seat, "seed": seed_of(wave.seed, person.nip),
            "bank_version": wave.bank_version, "plan_digest": wave.plan_digest, "pool_digest": wave.pool_digest,
        }  # fmt: skip
        findings += [
            Finding(stream, 0, f"{name} is not the one that was assigned")
            for name, value in held.items()
            if events[0].payload.get(name) != value
        ]
    return findings


def _seal_faults(seals: Sequence[Checkpoint], keys: Keys) -> list[Finding]:
    findings = []
    for n, seal in enumerate(seals, 1):
        wrong = checkpoint_fault(seal, keys.public_hex)
        if wrong is not None:
            findings.append(Finding(seal.wave_id, -1, f"checkpoint {seal.n}: {wrong}"))
        if seal.n != n:
            findings.append(Finding(seal.wave_id, -1, f"checkpoint {n} is missing (the next one found is {seal.n})"))
            break
    return findings


def _heads(seal: Checkpoint) -> dict[str, tuple[int, str]]:
    try:
        return {stream: (int(seq), str(head)) for stream, (seq, head) in json.loads(seal.heads).items()}
    except (ValueError, TypeError, AttributeError):
        return {}  # `checkpoint_fault` names it


def _against_seals(streams: Streams, seals: Sequence[Checkpoint], torn: set[str]) -> list[Finding]:
    """What the seals saw is still there, unchanged, and nothing has come beside it. Streams whose chain is torn are named already."""
    findings = []
    for seal in seals:
        heads = _heads(seal)
        for stream, (seq, head) in heads.items():
            events = streams.get(stream, [])
            if stream in torn:
                continue
            if len(events) <= seq:
                findings.append(Finding(stream, len(events), f"checkpoint {seal.n} saw events up to {seq}; the tail is gone"))
            elif events[seq].hash != head:
                findings.append(Finding(stream, seq, f"is not the event that checkpoint {seal.n} saw: the chain was computed anew"))
        unseen = sorted(s for s in streams if s not in heads) if heads else []
        findings += [Finding(stream, 0, f"was not there at checkpoint {seal.n}: an inserted stream") for stream in unseen]
    return findings


def _after_closing(wave: Wave, streams: Streams, seals: Sequence[Checkpoint]) -> list[Finding]:
    """A closed wave is sealed to its end; whoever had not begun by then may have come as far as the waiting room."""
    if wave.closed_at is None:
        return []
    heads = _heads(seals[-1]) if seals else {}
    return [
        Finding(stream, event.seq, f"this '{event.kind}' event of a closed wave is under no seal")
        for stream, events in streams.items()
        for event in events[heads.get(stream, (-1, ""))[0] + 1 :]
        if event.kind not in ENTERING
    ]


def _release_faults(wave_id: str, results: Results, events: Sequence[SessionEvent]) -> list[Finding]:
    """The results computed again from log and norms against the digest that was released."""
    released = next(event for event in events if event.kind == Kind.RESULTS_RELEASED)
    try:
        digest = results_digest(results.wave(wave_id))
    except (ValueError, LookupError, TypeError) as error:
        return [Finding(wave_id, released.seq, f"the results that were released cannot be computed any more: {error}")]
    if released.payload["digest"] == digest:
        return []
    return [Finding(wave_id, released.seq, "the results computed now are not those that were released: norms or performance values differ")]
