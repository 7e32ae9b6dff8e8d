"""A closed wave as one file: its facts, its signed checkpoints, then its whole log, so that a third party can verify it without the database.

JSON lines. The first is the header: {"format", "wave", "people", "events", "checkpoints", "public_key", "how"}; each further line is one event
of one stream (an attempt's, or the wave's own), in order of stream and seq. To verify: every stream is a chain of hashes (webtest.events); every
checkpoint's root follows from its heads, its signature from public_key (webtest.checkpoints); every head is an event of the file. The public
key and the last root stand on the signed minutes, outside the file.
"""

import json
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from itembank.models import BankVersion
from webtest.models import Checkpoint, Wave
from webtest.refusal import Refused
from webtest.services.results import log_lines
from webtest.store import EventStore

FORMAT = "cact-wave-1"
HOW = (
    "hash = SHA-256(prev_hash | canonical [attempt, seq, kind, at, actor] | canonical payload), prev_hash of seq 0 is 64 zeros, '|' stands between; "
    "root = Merkle root (RFC 6962 prefixes) over the heads' hashes in order of stream name; "
    "signature = Ed25519 over canonical ['cact-checkpoint-1', wave, n, at, root]; canonical = JSON, keys sorted, no spaces, UTF-8"
)
FACTS = (
    "id", "name", "agency", "place", "day", "zone", "seed", "plan", "plan_digest", "bank_version", "pool_digest", "snapshot", "roster_digest", "created_by",
    "created_at", "opened_at", "closed_at", "released_at",
)  # fmt: skip


def wave_lines(engine: Engine, store: EventStore, wave_id: str) -> Iterator[dict[str, Any]]:
    """Header, then every event. Raises Refused("unknown" | "discarded" | "wave_not_closed")."""
    events = list(log_lines(engine, store, wave_id))
    with SqlSession(engine) as sql:
        wave = sql.get(Wave, wave_id)
        if wave is None:
            raise Refused("unknown")
        version = sql.get_one(BankVersion, wave.bank_version)
        seals = sql.exec(select(Checkpoint).where(Checkpoint.wave_id == wave_id).order_by(col(Checkpoint.n))).all()
        yield {
            "format": FORMAT,
            "wave": {**{name: getattr(wave, name) for name in FACTS}, "bank_digest": version.digest},
            "people": len({line["attempt"] for line in events} - {wave_id}),
            "events": len(events),
            "checkpoints": [
                {"n": s.n, "at": s.at, "root": s.root, "heads": json.loads(s.heads), "signature": s.signature, "public_key": s.public_key}
                for s in seals
            ],
            "public_key": seals[-1].public_key if seals else "",
            "how": HOW,
        }
    yield from events
