"""The answers of closed waves as columns, kept beside the log: whoever calibrates does not wait for a log to be read.

What is kept is derived, never the truth: the audit holds it against the log, event by event. It does not age. A closed wave has no answer to come, because
closing writes the next event of everybody who is under way, and an answer that comes then has lost the race; the answers of attempts that are declared
void later are kept like all others. What is missing or damaged is made from the log again by whoever wants it next.
"""

import json
import logging
import zlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import Engine, text
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session as SqlSession
from sqlmodel import select

from calibration.responses import WHY, ResponseLog, places
from cat_engine import Fault, Faulty
from webtest.events import Break, Kind, SessionEvent, StoredEvent, canonical, read_chain
from webtest.models import Attempt, KeptAnswers
from webtest.store import Asked, EventStore, stored_events

GIVEN = Asked(Kind.PRESENTED, ("item_id", "why"), unless={"why": "adaptive"})
ANSWERED = Asked(Kind.ANSWERED, ("item_id", "category", "rt_ms"))
COLUMNS = ("person", "item", "category", "rt_ms", "position", "why")  # of ResponseLog
NUMBER = "<i8"
LARGEST = 2**63 - 1
QUICK = 1  # of the levels of zlib: 9 would save a fifth of the room for many times the work
KEEP = "INSERT INTO kept_answers (wave_id, content) VALUES (:wave, :content) ON CONFLICT (wave_id) DO UPDATE SET content = excluded.content"


def answers_of(engine: Engine, store: EventStore, wave: str) -> ResponseLog:
    """All answers of a closed wave, of void attempts too, in order of attempt and place; persons are attempts. As they are kept, else from the log, and kept
    from then on, unless the database cannot be written to. Raises Faulty naming the first event of a log that is no answer, or of nobody.
    """
    with SqlSession(engine) as sql:
        kept, roster = sql.get(KeptAnswers, wave), set(sql.exec(select(Attempt.id).where(Attempt.wave_id == wave)).all())
        log = None if kept is None else _unpacked(kept.content)
    if log is not None and not roster.issuperset(log.person_ids):
        logging.getLogger(__name__).warning("the answers kept of wave %s are of others than its roster names; they are made again", wave)
        log = None
    if log is None:
        log = _logged(engine, store, wave)
        strangers = [person for person in log.person_ids if person not in roster]
        if strangers:
            raise Faulty([of_nobody(person) for person in strangers])
        try:
            with engine.execution_options(write=True).begin() as connection:
                connection.execute(text(KEEP), {"wave": wave, "content": _packed(log)})
        except DatabaseError as error:  # one that only reads, or lets this user only read
            _not_kept(wave, error)
    return log


def keep(engine: Engine, store: EventStore, wave: str) -> None:
    """Keep the answers of a wave that has just been closed. What goes wrong undoes nothing of that, and whoever wants the answers next hears of it."""
    try:
        answers_of(engine, store, wave)
    except (*_damage(engine), DatabaseError) as error:
        _not_kept(wave, error)


def _damage(engine: Engine) -> tuple[type[Exception], ...]:
    """What is raised where a row of the log is damaged: by the database, which takes payloads apart, or by what comes after it."""
    return engine.dialect.loaded_dbapi.Error, TypeError, ValueError, OverflowError


def _not_kept(wave: str, error: Exception) -> None:
    logging.getLogger(__name__).warning("the answers of wave %s could not be kept: %s", wave, type(error).__name__)


def answers_differ(content: bytes, streams: Mapping[str, Sequence[StoredEvent]]) -> bool:
    """Whether what is kept of a wave is not what its streams say, whose chains hold; event by event, another way than it was made."""
    log = _unpacked(content)
    try:
        said = [row for attempt in sorted(streams) for row in _said(attempt, streams[attempt])]
    except (ValueError, TypeError, AttributeError, RecursionError):  # a chain computed anew over what is no answer
        return True
    return log is None or list(_rows(log)) != said


def differing(wave: str) -> Fault:
    """What is wrong where `answers_differ`."""
    return Fault(f"wave {wave}", "", "the answers that are kept of it are not those of its log", f"cact audit {wave}")


def of_nobody(attempt: str) -> Fault:
    """What is wrong with the answers of an attempt that the wave does not have."""
    return Break(attempt, 0, "its answers are of no attempt of the roster").fault


def odd_answer(events: Sequence[SessionEvent]) -> Break | None:
    """The first event of an attempt (a sound chain) that should be an answer, or show an item, and does not say so; None where there is none."""
    shown = set()
    for event in events:
        if event.kind not in (Kind.PRESENTED, Kind.ANSWERED):
            continue
        p = event.payload if isinstance(event.payload, dict) else {}
        sound = isinstance(p.get("item_id"), str)
        if event.kind == Kind.PRESENTED:
            shown.add(event.seq)
            sound &= p.get("why") in (None, *WHY) and isinstance(p.get("theta"), float | int)
        else:
            sound &= all(_whole(p.get(name)) for name in ("category", "rt_ms", "choice", "presented_seq")) and p["presented_seq"] in shown
        if not sound:
            return Break(event.attempt, event.seq, f"the content of this '{event.kind}' event cannot be that of one")
    return None


def _whole(value: Any) -> bool:
    return type(value) is int and 0 <= value <= LARGEST


def _logged(engine: Engine, store: EventStore, wave: str) -> ResponseLog:
    """The same from the log. Raises Faulty where an event is not what it should be, and what was raised where that is not why."""
    try:
        return _columns(store, wave)
    except _damage(engine):
        for rows in stored_events(engine, wave).values():
            events, broken = read_chain(rows)
            odd = odd_answer(events) or broken
            if odd is not None:
                raise Faulty([odd.fault]) from None
        raise


def _columns(store: EventStore, wave: str) -> ResponseLog:
    (attempts, _, items, categories, rt_ms), (shown_to, _, shown, reasons) = store.facts(wave, (ANSWERED, GIVEN))
    if not set(map(type, (*categories, *rt_ms))) <= {int} or not set(map(type, items)) <= {str}:
        msg = f"the log of wave {wave} holds what is no answer"
        raise ValueError(msg)
    given = zip(zip(shown_to, shown, strict=True), reasons, strict=True)
    why = {which: reason for which, reason in given if reason is not None}  # an older log does not say why
    said = [why.get(which, "adaptive") for which in zip(attempts, items, strict=True)]
    log = ResponseLog.of_columns(attempts, items, categories, rt_ms, places(attempts), said)
    if min(log.category.min(initial=0), log.rt_ms.min(initial=0)) < 0:
        msg = f"the log of wave {wave} holds an answer below 0"
        raise ValueError(msg)
    return log


def _packed(log: ResponseLog) -> bytes:
    """Names as a line of JSON, then the numbers column by column, compressed under a checksum (Adler-32)."""
    names = canonical([log.person_ids, log.item_ids]).encode()
    numbers = np.array([getattr(log, name) for name in COLUMNS], dtype=NUMBER)
    return zlib.compress(names + b"\n" + numbers.tobytes(), QUICK)


def _unpacked(content: bytes) -> ResponseLog | None:
    """None where it is damaged."""
    try:
        names, _, numbers = zlib.decompress(content).partition(b"\n")
        people, items = map(tuple, json.loads(names))
        columns = np.frombuffer(numbers, dtype=NUMBER).reshape(len(COLUMNS), -1)
    except (zlib.error, ValueError, TypeError, RecursionError):
        return None
    log = ResponseLog(people, items, *columns)
    named = all(isinstance(name, str) for name in (*people, *items))
    numbered = all((column < len(of)).all() for column, of in ((log.person, people), (log.item, items), (log.why, WHY)))
    return log if named and numbered and (columns >= 0).all() else None


def _rows(log: ResponseLog) -> Iterator[tuple[object, ...]]:
    for person, item, category, rt_ms, position, why in zip(*(getattr(log, name).tolist() for name in COLUMNS), strict=True):
        yield log.person_ids[person], log.item_ids[item], category, rt_ms, position, WHY[why]


def _said(attempt: str, events: Sequence[StoredEvent]) -> Iterator[tuple[object, ...]]:
    shown = [json.loads(event.payload) for event in events if event.kind == Kind.PRESENTED]
    answered = [json.loads(event.payload) for event in events if event.kind == Kind.ANSWERED]
    why = {p.get("item_id"): p.get("why") for p in shown}
    for position, p in enumerate(answered):
        item_id = p.get("item_id")
        yield attempt, item_id, p.get("category"), p.get("rt_ms"), position, why.get(item_id) or "adaptive"
