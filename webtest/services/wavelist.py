"""Waves as a list: what each is and how many people it holds."""

from dataclasses import dataclass

from sqlalchemy import Engine, func
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.models import Attempt, Wave


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
