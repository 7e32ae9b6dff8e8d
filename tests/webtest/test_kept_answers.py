"""The answers kept of closed waves: they say what the log says, whatever happens to them, and nobody reads the log where they are there."""

import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Engine, event, text
from sqlmodel import Session as SqlSession
from sqlmodel import delete, select

from calibration.responses import Response, ResponseLog
from tests.webtest.audit.forging import tampering
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, SECOND_OFFICER, T0, MakeOwn, MakeRoom, MakeScene, Room, finished_room, open_room
from webtest.config import House
from webtest.events import Entry, Kind
from webtest.kept_answers import COLUMNS
from webtest.models import KeptAnswers
from webtest.services.psychometrics import Psychometrics
from webtest.session import Session
from webtest.store import Asked, Conflict


def responses(house: House, *waves: str) -> tuple[ResponseLog, dict[str, int]]:
    return Psychometrics(house.engine, house.store).responses(waves)


def by_events(house: House, *waves: str) -> ResponseLog:
    """The answers by whole events, one after the other, without what is kept of them."""
    said = []
    for wave in waves:
        for attempt, events in sorted(house.store.wave_events(wave).items()):
            why = {e.payload["item_id"]: e.payload["why"] for e in events if e.kind == Kind.PRESENTED}
            if all(e.kind != Kind.VOIDED for e in events):
                answered = [e.payload for e in events if e.kind == Kind.ANSWERED]
                said += [
                    Response(attempt, p["item_id"], p["category"], p["rt_ms"], place, why[p["item_id"]]) for place, p in enumerate(answered)
                ]
    return ResponseLog.of(said)


def assert_same(log: ResponseLog, other: ResponseLog) -> None:
    assert (log.person_ids, log.item_ids) == (other.person_ids, other.item_ids)
    for name in COLUMNS:
        np.testing.assert_array_equal(getattr(log, name), getattr(other, name), strict=True)


def void(room: Room, attempts: Sequence[str], now: int) -> None:
    room.house.waves.request_void(room.wave, attempts, "other", "x", actor=OFFICER, now=now)
    room.house.waves.confirm_void(room.wave, attempts, actor=SECOND_OFFICER, now=now)


def content(house: House) -> list[bytes]:
    with SqlSession(house.engine) as sql:
        return list(sql.exec(select(KeptAnswers.content).order_by(KeptAnswers.wave_id)).all())


def hold(house: House, wave: str, kept: bytes) -> None:
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        sql.get_one(KeptAnswers, wave).content = kept


def forget(house: House) -> None:
    """As in an installation of before."""
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        sql.exec(delete(KeptAnswers))


def unread(monkeypatch: pytest.MonkeyPatch, house: House) -> None:
    """Whoever reads the log's payloads from now on fails."""

    def read(wave: str, _asked: Sequence[Asked]) -> None:
        raise AssertionError(f"the log of {wave} was read")

    monkeypatch.setattr(house.store, "facts", read)


def test_a_wave_that_is_closed_has_its_answers_kept_and_its_log_is_not_read_for_them(
    finished: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = by_events(finished.house, finished.wave)
    unread(monkeypatch, finished.house)
    log, dropped = responses(finished.house, finished.wave)
    assert_same(log, wanted)
    assert (len(log), dropped) == (12, {})


def test_whoever_is_declared_void_before_or_after_the_end_does_not_count(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor do items that nobody else met, in the order of items."""
    first, second = open_room(house, 3), finished_room(house, 3)
    for t in first.takers:
        first.enter(t, T0)
    first.start(T0)
    for k, t in enumerate(first.takers):
        first.sit(t, T0, seed=7 + k)
    early, late, _ = sorted(first.ids)
    void(first, [early], T0 + MINUTE)
    first.close(T0 + HOUR)
    void(first, [late], T0 + 2 * HOUR)
    void(second, [min(second.ids)], T0 + 2 * HOUR)
    unread(monkeypatch, house)
    for waves in ([first.wave, second.wave], [second.wave, first.wave], [second.wave]):
        log, dropped = responses(house, *waves)
        assert_same(log, by_events(house, *waves))
        assert dropped == {"dibatalkan": 6 if waves == [second.wave] else 18}


def test_what_is_missing_is_made_from_the_log_and_kept(finished: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    house = finished.house
    before = content(house)
    forget(house)
    log, _ = responses(house, finished.wave)
    assert content(house) == before
    unread(monkeypatch, house)
    assert_same(log, responses(house, finished.wave)[0])


def with_column(kept: bytes, name: str, value: int) -> bytes:
    names, _, numbers = zlib.decompress(kept).partition(b"\n")
    columns = np.frombuffer(numbers, dtype="<i8").reshape(len(COLUMNS), -1).copy()
    columns[COLUMNS.index(name)] = value
    return zlib.compress(names + b"\n" + columns.tobytes())


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut off": lambda kept: kept[:-5],
    "one bit": lambda kept: kept[:40] + bytes([kept[40] ^ 1]) + kept[41:],
    "one bit of its checksum": lambda kept: kept[:-1] + bytes([kept[-1] ^ 1]),
    "another text": lambda _: zlib.compress(b"5\n"),
    "a number short": lambda kept: zlib.compress(zlib.decompress(kept)[:-8]),
    "brackets without end": lambda _: zlib.compress(b"[" * 100_000),
    "names that are none": lambda kept: zlib.compress(zlib.decompress(kept).replace(b'["A', b'[null,"A', 1)),
    "a category below 0": lambda kept: with_column(kept, "category", -1),
    "an item that has no name": lambda kept: zlib.compress(zlib.decompress(kept).replace(b'["A', b'["A1","A', 1)[:-8] + b"\x09" + bytes(7)),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_what_is_damaged_is_made_again(scene: MakeScene, own: MakeOwn, damage: Callable[[bytes], bytes]) -> None:
    room = own(scene("sqlite", finished_room))
    before = content(room.house)
    hold(room.house, room.wave, damage(before[0]))
    log, _ = responses(room.house, room.wave)
    assert_same(log, by_events(room.house, room.wave))
    assert content(room.house) == before


def test_many_who_want_what_is_missing_all_get_it_and_it_is_kept_once(finished: Room) -> None:
    house, wanted = finished.house, by_events(finished.house, finished.wave)
    before = content(house)
    forget(house)
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(lambda _: responses(house, finished.wave)[0], range(12)))
    for log in found:
        assert_same(log, wanted)
    assert content(house) == before


KILLED = """
import os, sys
from pathlib import Path
from sqlalchemy import event
from webtest.config import open_house
from webtest.services.psychometrics import Psychometrics
house = open_house(Path(sys.argv[1]), sys.argv[2])
def end(connection):
    if connection.get_execution_options().get("write"):
        os._exit(9)
event.listen(house.engine, "commit", end)
Psychometrics(house.engine, house.store).responses([sys.argv[3]])
"""


def test_a_process_that_is_killed_while_it_keeps_them_leaves_nothing_half_written(finished: Room) -> None:
    house = finished.house
    before = content(house)
    forget(house)
    place = (str(house.folder), house.engine.url.render_as_string(hide_password=False))
    assert subprocess.run([sys.executable, "-c", KILLED, *place, finished.wave], check=False).returncode == 9
    assert content(house) == []
    assert_same(responses(house, finished.wave)[0], by_events(house, finished.wave))
    assert content(house) == before


def only_reads(engine: Engine) -> None:
    """From now on the database takes nothing."""
    sqlite = engine.dialect.name == "sqlite"

    def refuse(connection: Any, _record: object) -> None:
        connection.execute("PRAGMA query_only = ON" if sqlite else "SET default_transaction_read_only = on")
        connection.commit()

    event.listen(engine, "connect", refuse)
    engine.dispose()


def test_a_database_that_only_reads_still_gives_its_answers(finished: Room, caplog: pytest.LogCaptureFixture) -> None:
    house = finished.house
    forget(house)
    only_reads(house.engine)
    assert_same(responses(house, finished.wave)[0], by_events(house, finished.wave))
    assert content(house) == []
    assert f"the answers of wave {finished.wave} could not be kept" in caplog.text


def test_a_user_of_the_database_who_may_only_read_gets_them_too(finished: Room, caplog: pytest.LogCaptureFixture) -> None:
    house = finished.house
    if house.engine.dialect.name == "sqlite":
        pytest.skip("SQLite has no users")
    forget(house)
    role = house.engine.url.database
    with house.engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE ROLE {role}")
        connection.exec_driver_sql(f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role}")

    def become(connection: Any, _record: object) -> None:
        connection.execute(f"SET ROLE {role}")
        connection.commit()

    event.listen(house.engine, "connect", become)
    house.engine.dispose()
    assert_same(responses(house, finished.wave)[0], by_events(house, finished.wave))
    assert f"the answers of wave {finished.wave} could not be kept" in caplog.text


@pytest.mark.parametrize("damaged", ["{", '{"item_id":"x","category":null,"rt_ms":1}'], ids=["no JSON", "no answer"])
def test_a_wave_is_closed_and_sealed_though_its_answers_cannot_be_read(room: Room, caplog: pytest.LogCaptureFixture, damaged: str) -> None:
    screen = room.under_way(T0)[0]
    room.answer(room.takers[0], screen, 0, T0 + 1_000)
    with tampering(room.house) as sql:
        sql.execute(text("UPDATE session_event SET payload = :p WHERE kind = 'answered'"), {"p": damaged})
    assert room.house.waves.close(room.wave, actor=OFFICER, now=T0 + MINUTE).n > 0
    assert f"the answers of wave {room.wave} could not be kept" in caplog.text
    assert content(room.house) == []


def test_the_logs_of_a_wave_are_read_before_others_wait_for_its_closing(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    room.under_way(T0)
    store = room.house.store
    store._cache.clear()  # as of a process that did not give the test
    begun = store.load

    def load(stream: str) -> Session:
        assert stream in store._cache or stream == room.wave
        return begun(stream)

    monkeypatch.setattr(store, "load", load)
    room.close(T0 + MINUTE)


def test_a_wave_in_which_nobody_answered_keeps_that(light: MakeRoom, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = light(1)
    nobody.close(T0 + HOUR)
    room = finished_room(nobody.house)
    unread(monkeypatch, room.house)
    assert_same(responses(room.house, nobody.wave, room.wave)[0], by_events(room.house, room.wave))


def test_an_answer_that_was_on_its_way_when_the_wave_closed_is_neither_in_the_log_nor_kept(room: Room) -> None:
    """Why what is kept does not age: closing takes the next event of everybody under way."""
    [t, _] = room.takers
    screen = room.under_way(T0)[0]
    before = room.house.store.load(t.attempt)
    room.answer(t, screen, 0, T0 + 1_000)
    on_its_way = room.house.store.load(t.attempt)
    room.close(T0 + MINUTE)
    for seen in (before, on_its_way):
        with pytest.raises(Conflict):
            room.house.store.append(seen, room.wave, [Entry(Kind.ANSWERED, {"item_id": "x"})], actor="taker", now=T0 + MINUTE)
    assert len(responses(room.house, room.wave)[0]) == 1


def test_use_of_the_bank_is_counted_without_reading_a_log(finished: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    house, wanted = finished.house, by_events(finished.house, finished.wave)
    unread(monkeypatch, house)
    use = Psychometrics(house.engine, house.store).use()
    assert {item_id: own.answers for item_id, own in use.items()} == dict(
        zip(wanted.item_ids, np.bincount(wanted.item).tolist(), strict=True)
    )
