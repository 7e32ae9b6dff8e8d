"""Answers of closed waves that somebody has forged, in what is kept of them or in the log itself: nobody calibrates on them, and nothing falls over."""

import json
import zlib
from collections.abc import Callable

import pytest
from sqlalchemy import text

from cat_engine import Faulty
from tests.conftest import PASSWORD
from tests.webtest.audit.forging import audit, chained_anew, last_answer, tampering, write_stream
from tests.webtest.conftest import MakeRoom, Room, finished_room
from tests.webtest.site import Browser
from tests.webtest.test_kept_answers import assert_same, by_events, content, forget, hold, responses
from webtest.app import create_app
from webtest.events import GENESIS, SessionEvent, canonical, digest
from webtest.services.answers import export_answers
from webtest.wave_answers import wave_answers

PAGE = "/petugas/bank/kalibrasi"


def test_what_is_kept_of_others_than_the_roster_names_is_made_again(finished: Room, caplog: pytest.LogCaptureFixture) -> None:
    """Its check sum is right: somebody has put it there."""
    house, before = finished.house, content(finished.house)
    names, _, numbers = zlib.decompress(before[0]).partition(b"\n")
    people, items = json.loads(names)
    hold(house, finished.wave, zlib.compress(canonical([["Ax", *people[1:]], items]).encode() + b"\n" + numbers))
    page = Browser(create_app(house)).officer("psikometrisi", PASSWORD)
    page.get(PAGE)
    assert page.post(PAGE, {"mode": "free", "wave": finished.wave}).status_code == 303
    assert_same(responses(house, finished.wave)[0], by_events(house, finished.wave))
    assert content(house) == before
    assert f"the answers kept of wave {finished.wave} are of others" in caplog.text


def test_what_is_kept_of_other_items_than_those_that_were_answered_is_not_looked_into_for_security(light: MakeRoom) -> None:
    room = finished_room(light(1).house)
    kept = zlib.decompress(content(room.house)[0])
    item = by_events(room.house, room.wave).item_ids[0]
    other = next(i for i in room.house.catalog.kit(room.wave).pool.ids if i.encode() not in kept and len(i) == len(item))
    hold(room.house, room.wave, zlib.compress(kept.replace(item.encode(), other.encode())))
    with pytest.raises(Faulty, match=f"wave {room.wave}: the answers that are kept of it are not those of its log"):
        wave_answers(room.house, [room.wave])


def forge(room: Room, *, forget_kept: bool = True, **said: object) -> SessionEvent:
    """The last answer says otherwise, under hashes that fit; `payload`: the whole of what it says, as text. Gives the event that was there."""
    house, event = room.house, last_answer(room)
    payload = said.get("payload") or canonical({**event.payload, **said})
    with tampering(house) as sql:
        prev_hash = GENESIS
        for e in house.store.events(event.attempt):
            says = str(payload) if e.seq == event.seq else canonical(e.payload)
            own = digest(prev_hash, e.attempt, e.seq, e.kind, e.at, e.actor, says)
            sql.execute(
                text("UPDATE session_event SET payload = :p, prev_hash = :v, hash = :h WHERE attempt = :a AND seq = :s"),
                {"p": says, "v": prev_hash, "h": own, "a": e.attempt, "s": e.seq},
            )
            prev_hash = own
        sql.execute(text("DELETE FROM checkpoint"))  # as if it had never been sealed
    if forget_kept:
        forget(house)
    return event


def named(event: SessionEvent) -> str:
    return f"event {event.seq} of {event.attempt}: does not hold: "


NO_ANSWER: dict[str, dict[str, object]] = {
    "no category": {"category": None},
    "a text for a category": {"category": "2"},
    "half a category": {"category": 1.5},
    "a category below 0": {"category": -1},
    "more than a number can be": {"category": 2**70},
    "no time": {"rt_ms": None},
    "no item": {"item_id": None},
    "a list": {"payload": "[1]"},
    "no JSON": {"payload": "{"},
    "lists within lists beyond reading": {"payload": "[" * 100_000},
}


@pytest.mark.parametrize("said", NO_ANSWER.values(), ids=NO_ANSWER)
def test_an_event_that_is_no_answer_is_named_to_whoever_wants_answers_and_by_the_audit(finished: Room, said: dict[str, object]) -> None:
    event = forge(finished, **said)
    house = finished.house
    readers: list[Callable[[], object]] = [
        lambda: responses(house, finished.wave), lambda: export_answers(house, [finished.wave], []), lambda: wave_answers(house, [finished.wave]),
    ]  # fmt: skip
    for reader in readers:
        with pytest.raises(Faulty) as caught:
            reader()
        assert named(event) in str(caught.value)
    assert any((f.stream, f.seq) == (event.attempt, event.seq) for f in audit(finished).findings)
    assert content(house) == []


@pytest.mark.parametrize("said", [{"why": "whim"}, {"item_id": 5}], ids=["an unknown reason", "an item that is a number"])
def test_an_event_that_shows_no_item_is_named_too(finished: Room, said: dict[str, object]) -> None:
    house = finished.house
    events = house.store.events(finished.ids[0])
    shown = next(e for e in events if e.kind == "presented")
    with tampering(house) as sql:
        changed = {shown.seq: {**shown.payload, **said}}
        write_stream(sql, finished.wave, chained_anew([_saying(e, changed.get(e.seq, e.payload)) for e in events]))
    forget(house)
    if "why" in said:
        with pytest.raises(Faulty, match=named(shown)):
            responses(house, finished.wave)
    with pytest.raises(Faulty, match=named(shown)):
        export_answers(house, [finished.wave], [])


def _saying(event: SessionEvent, payload: object) -> SessionEvent:
    return SessionEvent(event.attempt, event.seq, event.kind, event.at, event.actor, payload, event.prev_hash, event.hash)  # type: ignore[arg-type]


def test_what_is_kept_does_not_hide_such_an_event_from_whoever_reads_the_log(finished: Room) -> None:
    event = forge(finished, forget_kept=False, category=None)
    assert len(responses(finished.house, finished.wave)[0]) == 12  # as they were when the wave was closed
    with pytest.raises(Faulty):
        wave_answers(finished.house, [finished.wave])
    found = audit(finished).findings
    assert {event.attempt, finished.wave} <= {finding.stream for finding in found}


def test_answers_of_nobody_on_the_roster_are_named(finished: Room) -> None:
    house = finished.house
    events = house.store.events(finished.ids[0])
    with tampering(house) as sql:
        write_stream(sql, finished.wave, chained_anew([SessionEvent("Ax", *_rest(e)) for e in events]))
    forget(house)
    for reader in (lambda: responses(house, finished.wave), lambda: export_answers(house, [finished.wave], [])):
        with pytest.raises(Faulty, match="event 0 of Ax: does not hold: its answers are of no attempt of the roster"):
            reader()
    assert any(f.stream == "Ax" for f in audit(finished).findings)


def _rest(e: SessionEvent) -> tuple[object, ...]:
    return e.seq, e.kind, e.at, e.actor, e.payload, e.prev_hash, e.hash


def test_the_page_says_which_event_of_the_log_is_no_answer_and_what_to_do(light: MakeRoom) -> None:
    room = finished_room(light(1).house)
    page = Browser(create_app(room.house)).officer("psikometrisi", PASSWORD)
    page.get(PAGE)
    event = forge(room, category=None)
    shown = page.post(PAGE, {"mode": "free", "wave": room.wave})
    assert shown.status_code == 422
    for words in (f"peristiwa {event.seq} dari {event.attempt}", "rantai catatan tidak utuh", "cact audit"):
        assert words in shown.text
    items = page.get("/petugas/bank/butir")  # shows how often items were answered
    assert items.status_code == 422
    assert "rantai catatan tidak utuh" in items.text
