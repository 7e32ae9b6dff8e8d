"""Signed checkpoints: a Merkle root over the heads of all chains of a wave, signed with the installation's Ed25519 key.

A hash chain alone shows neither a cut-off tail nor a chain that was computed anew. A checkpoint does, once its root stands on the minutes that
the officers sign and take away. One is written every few minutes while a wave is open, at its closing, and at each act upon a closed wave.
"""

import json
from collections.abc import Mapping
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from sqlalchemy import Engine, func, text
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.events import canonical, merkle_root
from webtest.keys import Keys
from webtest.models import Checkpoint, Wave

EVERY_MS = 5 * 60_000
HEADS = (
    "SELECT e.attempt, e.seq, e.hash FROM session_event e JOIN "
    "(SELECT attempt, max(seq) AS seq FROM session_event WHERE wave = :wave GROUP BY attempt) m ON e.attempt = m.attempt AND e.seq = m.seq "
    "ORDER BY e.attempt"
)


def root_of(heads: Mapping[str, Any]) -> str:
    """Merkle root over the heads {attempt: [seq, hash]} in order of attempt id."""
    return merkle_root(heads[attempt][1] for attempt in sorted(heads))


def signed_text(wave_id: str, n: int, at: int, root: str) -> bytes:
    """What the signature covers."""
    return canonical(["cact-checkpoint-1", wave_id, n, at, root]).encode()


def write_checkpoint(sql: SqlSession, wave_id: str, keys: Keys, now: int) -> Checkpoint:
    """Seal a wave as it stands, in the caller's transaction."""
    return _seal(sql, wave_id, heads_of(sql, wave_id), keys, now)


def heads_of(sql: SqlSession, wave_id: str) -> dict[str, list[Any]]:
    """Stream -> [last seq, its hash], for every stream of a wave."""
    return {row[0]: [row[1], row[2]] for row in sql.connection().execute(text(HEADS), {"wave": wave_id})}


def seal_due(engine: Engine, keys: Keys, now: int) -> list[str]:
    """Seal every open wave whose log has grown since its last checkpoint, EVERY_MS or longer ago; gives their ids.

    Any number of workers may call this at once: the wave's row is held meanwhile, so that the second one finds nothing due.
    """
    with SqlSession(engine) as sql:
        open_waves = list(sql.exec(select(Wave.id).where(col(Wave.opened_at).is_not(None), col(Wave.closed_at).is_(None))).all())
    return [wave_id for wave_id in open_waves if _seal_if_due(engine, wave_id, keys, now)]


def _seal_if_due(engine: Engine, wave_id: str, keys: Keys, now: int) -> bool:
    with SqlSession(engine.execution_options(write=True)) as sql, sql.begin():
        wave = sql.get_one(Wave, wave_id, with_for_update=True)
        last = sql.exec(select(Checkpoint).where(Checkpoint.wave_id == wave_id).order_by(col(Checkpoint.n).desc())).first()
        if wave.closed_at is not None or (last is not None and now - last.at < EVERY_MS):
            return False
        heads = heads_of(sql, wave_id)
        if last is not None and json.loads(last.heads) == heads:
            return False
        _seal(sql, wave_id, heads, keys, now)
        return True


def _seal(sql: SqlSession, wave_id: str, heads: dict[str, list[Any]], keys: Keys, now: int) -> Checkpoint:
    n = (sql.exec(select(func.max(Checkpoint.n)).where(Checkpoint.wave_id == wave_id)).one() or 0) + 1
    root = root_of(heads)
    signature = keys.signing.sign(signed_text(wave_id, n, now, root)).hex()
    checkpoint = Checkpoint(
        wave_id=wave_id, n=n, at=now, root=root, heads=canonical(heads), signature=signature, public_key=keys.public_hex
    )
    sql.add(checkpoint)
    sql.flush()
    sql.expunge(checkpoint)
    return checkpoint


def checkpoint_fault(checkpoint: Checkpoint, trusted_key: str) -> str | None:
    """What is wrong inside a checkpoint: its root does not follow from its heads, another key signed it, or its signature does not verify."""
    try:
        follows = root_of(json.loads(checkpoint.heads)) == checkpoint.root
    except (ValueError, TypeError, LookupError):
        follows = False
    if not follows:
        return "its root does not follow from its heads"
    if checkpoint.public_key != trusted_key:
        return "it is signed with another key than this installation's"
    key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(checkpoint.public_key))
    try:
        key.verify(bytes.fromhex(checkpoint.signature), signed_text(checkpoint.wave_id, checkpoint.n, checkpoint.at, checkpoint.root))
    except (InvalidSignature, ValueError):
        return "its signature does not verify"
    return None


def short_form(root: str) -> str:
    """The root as printed: four groups of four characters."""
    return "-".join(root[i : i + 4].upper() for i in range(0, 16, 4))
