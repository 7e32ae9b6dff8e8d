"""The answers of closed waves as test security needs them: with the option chosen, who sat in which room, and when."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from calibration.responses import ResponseLog
from calibration.security import People
from cat_engine import Faulty
from webtest.config import House
from webtest.events import Kind, read_chain
from webtest.kept_answers import differing, odd_answer
from webtest.models import Attempt, Wave
from webtest.services.psychometrics import Psychometrics
from webtest.store import stored_events


@dataclass(frozen=True, slots=True, eq=False)
class WaveAnswers:
    """The log, whose people are attempts; the option chosen in each answer, by its place in the item; the people; the plan of the waves, None where they differ."""

    log: ResponseLog
    option: tuple[str, ...]
    people: People
    plan: str | None


def wave_answers(house: House, waves: Sequence[str]) -> WaveAnswers:
    """Of closed waves, without void attempts. A room is one of a wave; a window is a wave; people are in order of their first answer. Raises Refused, and
    Faulty where the log does not say what was chosen.
    """
    log, _ = Psychometrics(house.engine, house.store).responses(waves)
    chosen: dict[tuple[str, str], int] = {}
    began: dict[str, int] = {}
    for wave in waves:
        for attempt, rows in stored_events(house.engine, wave).items():
            events, broken = read_chain(rows)
            broken = broken or odd_answer(events)
            if broken is not None:
                raise Faulty([broken.fault])
            for event in events:
                if event.kind == Kind.ANSWERED:
                    chosen[attempt, event.payload["item_id"]] = event.payload["choice"]
                    began.setdefault(attempt, event.at)
    with SqlSession(house.engine) as sql:
        seats = {a.id: a for a in sql.exec(select(Attempt).where(col(Attempt.wave_id).in_(waves))).all()}
        plans = {wave.plan for wave in sql.exec(select(Wave).where(col(Wave.id).in_(waves))).all()}
    mine = [seats[attempt] for attempt in log.person_ids]
    given = [(log.person_ids[person], log.item_ids[item]) for person, item in zip(log.person.tolist(), log.item.tolist(), strict=True)]
    strange = {seats[attempt].wave_id for attempt, item_id in given if (attempt, item_id) not in chosen}
    if strange:
        raise Faulty(map(differing, sorted(strange)))
    order = np.unique([began[attempt] for attempt in log.person_ids], return_inverse=True)[1]
    people = People(
        tuple(f"{seat.wave_id} {seat.room}" for seat in mine), tuple(seat.wave_id for seat in mine), np.asarray(order, dtype=np.int64)
    )
    return WaveAnswers(log, tuple(str(chosen[which]) for which in given), people, plans.pop() if len(plans) == 1 else None)
