"""Waves as a list: what each is and how many people it holds; those whose answers may be used."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.models import Attempt, Wave
from webtest.refusal import Refused


@dataclass(frozen=True, slots=True)
class WaveLine:
    """A wave and the number of people on its roster."""

    wave: Wave
    people: int


def list_waves(engine: Engine) -> list[WaveLine]:
    """All waves but those discarded, newest first."""
    with SqlSession(engine, expire_on_commit=False) as sql:
        counts = dict(sql.exec(select(Attempt.wave_id, func.count()).group_by(Attempt.wave_id)).all())
        found = sql.exec(select(Wave).where(col(Wave.discarded_at).is_(None)).order_by(col(Wave.created_at).desc())).all()
        sql.expunge_all()
    return [WaveLine(wave, counts.get(wave.id, 0)) for wave in found]


def closed_waves(engine: Engine, chosen: Sequence[str] = ()) -> list[Wave]:
    """Waves whose answers may be used, oldest first: the chosen ones, or all without a choice. Raises Refused("unknown" | "discarded" |
    "wave_not_closed").
    """
    with SqlSession(engine, expire_on_commit=False) as sql:
        found = list(sql.exec(select(Wave).order_by(col(Wave.created_at))).all())
    if not set(chosen) <= {wave.id for wave in found}:
        raise Refused("unknown")
    if any(wave.id in chosen and wave.discarded_at is not None for wave in found):
        raise Refused("discarded")
    closed = [wave for wave in found if wave.closed_at is not None and (not chosen or wave.id in chosen)]
    if not set(chosen) <= {wave.id for wave in closed}:
        raise Refused("wave_not_closed")
    return closed
