"""The log's store: what was acknowledged is there, one winner of a race, and the database refuses to change the past."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DatabaseError

from tests.webtest.conftest import verify
from webtest.config import House
from webtest.events import Entry, Kind
from webtest.store import Asked, Conflict


def test_an_appended_event_is_read_back_by_another_process_of_the_house(house: House) -> None:
    before = house.store.load("A1")
    house.store.append(before, "W1", [Entry(Kind.NOTED, {"text": "é"}), Entry(Kind.NOTED, {})], actor="system", now=5)
    events = house.store.events("A1")
    assert [e.seq for e in events] == [0, 1]
    assert verify(events) is None


def test_of_many_posts_of_one_seq_exactly_one_wins(house: House) -> None:
    before = house.store.load("A1")

    def post(k: int) -> bool:
        try:
            house.store.append(before, "W1", [Entry(Kind.NOTED, {"k": k})], actor="system", now=5)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(post, range(24)))
    assert sum(won) == 1
    assert [e.payload["k"] for e in house.store.events("A1")] == [won.index(True)]


@pytest.mark.parametrize("statement", ["UPDATE session_event SET payload = '{}'", "DELETE FROM session_event"])
def test_the_database_refuses_to_change_the_past(house: House, statement: str) -> None:
    house.store.append(house.store.load("A1"), "W1", [Entry(Kind.NOTED, {})], actor="system", now=5)
    with pytest.raises(DatabaseError, match="append-only"), house.engine.begin() as connection:
        connection.execute(text(statement))
    assert len(house.store.events("A1")) == 1


def test_facts_are_what_whole_events_say(house: House) -> None:
    for attempt in ("A2", "A1"):
        entries = [Entry(Kind.NOTED, {"n": k, "why": why, "text": "é"}) for k, why in enumerate(("adaptive", "pretest", "adaptiveish"))]
        entries += [Entry(Kind.PAUSED, {"n": 9}), Entry(Kind.NOTED, {"n": 7})]
        house.store.append(house.store.load(attempt), "W1", entries, actor="system", now=5)
    house.store.append(house.store.load("B1"), "W2", [Entry(Kind.NOTED, {"n": 1})], actor="system", now=5)
    whole = [e for own in house.store.wave_events("W1").values() for e in own if e.kind == Kind.NOTED]
    notes, pauses, voids = house.store.facts("W1", [Asked(Kind.NOTED, ("n", "text")), Asked(Kind.PAUSED, ("n",)), Asked(Kind.VOIDED)])
    assert list(zip(*notes, strict=True)) == [(e.attempt, e.seq, e.payload["n"], e.payload.get("text")) for e in whole]
    assert pauses == [["A1", "A2"], [3, 3], [9, 9]]
    assert voids == [[], []]
    (others,) = house.store.facts("W1", [Asked(Kind.NOTED, ("why",), unless={"why": "adaptive"})])
    said = [(e.attempt, e.seq, e.payload.get("why")) for e in whole]
    assert list(zip(*others, strict=True)) == [row for row in said if row[2] != "adaptive"]


def test_void_attempts_are_found_without_reading_the_log(house: House) -> None:
    for attempt, wave, kind in (("A1", "W1", Kind.VOIDED), ("A2", "W1", Kind.NOTED), ("A3", "W2", Kind.VOIDED), ("A4", "W1", Kind.VOIDED)):
        house.store.append(house.store.load(attempt), wave, [Entry(Kind.NOTED, {}), Entry(kind, {"reason": "x"})], actor="system", now=5)
    assert house.store.voided("W1") == {"A1", "A4"}
    if house.engine.dialect.name == "sqlite":  # PostgreSQL chooses by the size of the log
        asked: list[str] = []
        house.store._reader().set_trace_callback(asked.append)
        house.store.voided("W1")
        house.store._reader().set_trace_callback(None)
        (plan,) = house.store._query(f"EXPLAIN QUERY PLAN {asked[0]}", ())
        assert "USING INDEX ix_session_event_voided" in plan[-1]
