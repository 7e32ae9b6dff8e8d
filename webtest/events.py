"""Session events: what happened to an attempt, in order, each chained to the one before.

    hash_n = SHA-256( prev_hash | canonical JSON of [attempt, seq, kind, at, actor, payload] ),   prev_hash of seq 0 = 64 zeros

A chain shows an edited, swapped or inserted event. It cannot show a cut-off tail or a wholly recomputed chain: that is what the signed
checkpoints (webtest.checkpoints) are for. Pure: no clock, no database.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from cat_engine import Fault

GENESIS = "0" * 64


class Kind(StrEnum):
    """Every kind of event. The life of an attempt:

    assigned -> attended -> pin_issued -> connected -> identity_confirmed -> rules_accepted -> practised -> admitted (waiting ends)
             -> (presented -> answered)* -> section_ended -> ... -> finished ;  any -> void_requested (one officer) -> voided (another)
    """

    # an attempt's stream
    ASSIGNED = "assigned"
    ATTENDED = "attended"
    PIN_ISSUED = "pin_issued"
    PIN_REVOKED = "pin_revoked"
    CONNECTED = "connected"
    MOVE_REQUESTED = "move_requested"
    DEVICE_RELEASED = "device_released"
    IDENTITY_CONFIRMED = "identity_confirmed"
    RULES_ACCEPTED = "rules_accepted"
    PRACTISED = "practised"
    ADMITTED = "admitted"
    PRESENTED = "presented"
    ANSWERED = "answered"
    SECTION_ENDED = "section_ended"
    FINISHED = "finished"
    PAUSED = "paused"
    RESUMED = "resumed"
    EXTENDED = "extended"
    NOTED = "noted"
    VOID_REQUESTED = "void_requested"
    VOIDED = "voided"
    # a wave's stream
    WAVE_CREATED = "wave_created"
    ROSTER_LOADED = "roster_loaded"
    WAVE_OPENED = "wave_opened"
    WAVE_CLOSED = "wave_closed"
    WAVE_DISCARDED = "wave_discarded"
    INCIDENT = "incident"
    PERFORMANCE_LOADED = "performance_loaded"
    RESULTS_RELEASED = "results_released"


@dataclass(frozen=True, slots=True)
class SessionEvent:
    """One row of the log. `at` is milliseconds since 1970 UTC; `actor` is "taker", "system", "user:<id>" or "cli:<login>"."""

    attempt: str
    seq: int
    kind: str
    at: int
    actor: str
    payload: Mapping[str, Any]
    prev_hash: str
    hash: str


def canonical(value: object) -> str:
    """JSON with sorted keys, no spaces, and the shortest float that reads back the same: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


_quoted = lru_cache(4096)(canonical)  # names that come again and again; a log is long


def digest(prev_hash: str, attempt: str, seq: int, kind: str, at: int, actor: str, payload: str) -> str:
    """The hash of an event whose payload is already canonical JSON text."""
    head = f"[{_quoted(attempt)},{seq},{_quoted(kind)},{at},{_quoted(actor)}]"
    return hashlib.sha256(f"{prev_hash}|{head}|{payload}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """An event about to be written: what the caller says; the chain adds attempt, seq and hashes."""

    kind: Kind
    payload: Mapping[str, Any]


def chain(attempt: str, seq: int, prev_hash: str, at: int, actor: str, entries: Iterable[Entry]) -> tuple[SessionEvent, ...]:
    """Link entries behind (seq - 1, prev_hash); the first gets `seq`."""
    linked = []
    for entry in entries:
        h = digest(prev_hash, attempt, seq, entry.kind, at, actor, canonical(entry.payload))
        linked.append(SessionEvent(attempt, seq, entry.kind.value, at, actor, entry.payload, prev_hash, h))
        seq, prev_hash = seq + 1, h
    return tuple(linked)


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a chain does not hold."""

    attempt: str
    seq: int
    why: str

    @property
    def fault(self) -> Fault:
        """The same, to whoever wanted something of the log."""
        where = f"event {self.seq} of {self.attempt}"
        return Fault("log", where, f"does not hold: {self.why}", "see 'cact audit'; nothing can be taken from it")


class StoredEvent(NamedTuple):
    """A row of the log as it is found, before anything is believed of it; `payload` is the text that was hashed."""

    attempt: str
    seq: int
    kind: str
    at: int
    actor: str
    payload: str
    prev_hash: str
    hash: str

    def fault(self, seq: int, prev_hash: str) -> str:
        """Why the row cannot stand at `seq`, after an event of that hash; empty where it can."""
        if self.seq != seq:
            return f"event {seq} is missing (the next one found is {self.seq})"
        if self.prev_hash != prev_hash:
            return "its prev_hash is not the hash of the event before"
        if digest(prev_hash, self.attempt, seq, self.kind, self.at, self.actor, self.payload) != self.hash:
            return f"the content of this '{self.kind}' event does not match its hash"
        return ""


def read_chain(rows: Sequence[StoredEvent]) -> tuple[list[SessionEvent], Break | None]:
    """One stream's rows (in seq order) as events, up to the first place where they do not form a chain."""
    events: list[SessionEvent] = []
    prev_hash = GENESIS
    for seq, row in enumerate(rows):
        if why := row.fault(seq, prev_hash):
            return events, Break(row.attempt, seq, why)
        try:
            payload = json.loads(row.payload)
        except (ValueError, RecursionError):
            return events, Break(row.attempt, seq, f"the content of this '{row.kind}' event is no JSON")
        events.append(SessionEvent(row.attempt, seq, row.kind, row.at, row.actor, payload, row.prev_hash, row.hash))
        prev_hash = row.hash
    return events, None


def first_break(rows: Iterable[StoredEvent]) -> Break | None:
    """The first place where one stream's rows (in seq order) do not form a chain, or None; what they say is not read."""
    prev_hash = GENESIS
    for seq, row in enumerate(rows):
        if why := row.fault(seq, prev_hash):
            return Break(row.attempt, seq, why)
        prev_hash = row.hash
    return None


def merkle_root(leaves: Iterable[str]) -> str:
    """Merkle root (hex) over hex leaves in the order given; an odd node is carried up. The empty tree is 64 zeros.

    Leaves and inner nodes are hashed with different prefixes, as in RFC 6962 section 2.1, so that a node cannot pose as a leaf.
    """
    level = [hashlib.sha256(b"\x00" + bytes.fromhex(leaf)).digest() for leaf in leaves]
    if not level:
        return GENESIS
    while len(level) > 1:
        paired = [hashlib.sha256(b"\x01" + a + b).digest() for a, b in zip(level[::2], level[1::2], strict=False)]
        level = paired + ([level[-1]] if len(level) % 2 else [])
    return level[0].hex()
