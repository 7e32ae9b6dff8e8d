"""Waves as a list: what each is and how many people it holds; those whose answers may be used."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, func
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from cat_engine import Fault
from webtest.models import Attempt, Wave
from webtest.refusal import Refused

UNUSABLE = {  # why answers of a wave may not be used: what is wrong with it, and what to do
    "unknown": ("is no wave of this installation", "'cact wave list' names them"),
    "discarded": ("was discarded before it was opened", "leave it out"),
    "wave_not_closed": ("is not closed", "close it first, or leave it out"),
}


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
    found = _all_waves(engine)
    unusable = {code for wave_id in chosen if (code := _unusable(found.get(wave_id)))}
    for code in UNUSABLE:
        if code in unusable:
            raise Refused(code)
    return [wave for wave in found.values() if (wave.id in chosen if chosen else wave.closed_at is not None)]


def wave_faults(engine: Engine, named: Sequence[str]) -> list[Fault]:
    """A fault for each wave named by --waves whose answers may not be used."""
    found = _all_waves(engine)
    return [Fault("--waves", wave_id, *UNUSABLE[code]) for wave_id in dict.fromkeys(named) if (code := _unusable(found.get(wave_id)))]


def _all_waves(engine: Engine) -> dict[str, Wave]:
    """By id, oldest first."""
    with SqlSession(engine, expire_on_commit=False) as sql:
        return {wave.id: wave for wave in sql.exec(select(Wave).order_by(col(Wave.created_at))).all()}


def _unusable(wave: Wave | None) -> str:
    """The refusal, of UNUSABLE; empty where the wave's answers may be used."""
    if wave is None:
        return "unknown"
    if wave.discarded_at is not None:
        return "discarded"
    return "" if wave.closed_at is not None else "wave_not_closed"
