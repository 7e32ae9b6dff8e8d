"""The test-taker's use cases, on both databases: entering, answering, time, pauses, moving to another PC."""

import json

import pytest
from sqlmodel import Session as SqlSession

from cat_engine import Answered, tell
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, SECOND, STEPS, T0, MakeRoom, Room, Taker, open_room
from webtest import catalog
from webtest import session as sessions
from webtest.config import House
from webtest.events import Kind
from webtest.models import Attempt
from webtest.refusal import Refused
from webtest.services import taking
from webtest.services.acts import PIN_MS
from webtest.services.taking import Screen
from webtest.session import begin, fold


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, match=f"^{code}$")


def first(room: Room) -> tuple[Taker, Screen]:
    """The first person at the first item, at T0."""
    return room.takers[0], room.under_way(T0)[0]


# entering


def test_the_steps_come_in_order_and_a_repeat_is_a_no_op(room: Room) -> None:
    t = room.takers[0]
    room.log_in(t, T0)
    names = [room.screen(t, T0).name]
    for kind, later in zip(STEPS, (*STEPS[1:], None), strict=True):
        if later is not None:
            with refused("not_now"):
                room.house.taking.step(*room.who(t), later, T0)
        for _ in range(2):
            room.house.taking.step(*room.who(t), kind, T0)
        names.append(room.screen(t, T0).name)
    assert names == ["identity", "rules", "practice", "waiting"]
    assert room.kinds(t)[-3:] == [kind.value for kind in STEPS]


def test_nobody_begins_before_the_proctor_has_started_the_room(room: Room) -> None:
    t = room.takers[0]
    room.enter(t, T0)
    assert room.begin(t, T0).name == "waiting"
    room.start(T0 + 1)
    assert room.screen(t, T0 + 1).name == "ready"
    assert room.begin(t, T0 + 2).name == "item"


def test_who_is_still_reading_when_the_room_starts_reads_to_the_end(room: Room) -> None:
    t = room.takers[0]
    room.log_in(t, T0)
    room.start(T0)
    assert room.screen(t, T0).name == "identity"
    assert room.begin(t, T0).name == "identity"
    for kind in STEPS:
        room.house.taking.step(*room.who(t), kind, T0)
    assert room.screen(t, T0 + HOUR).name == "ready"  # the clock has not run


def test_starting_together_starts_those_who_have_logged_in(room: Room) -> None:
    room.log_in(room.takers[0], T0)
    outcomes = room.house.waves.start(room.wave, room.ids, actor=OFFICER, now=T0)
    assert {o.attempt: (o.done, o.code) for o in outcomes} == {room.ids[0]: (True, ""), room.ids[1]: (False, "not_now")}
    again = room.house.waves.start(room.wave, room.ids, actor=OFFICER, now=T0)
    assert not any(o.done for o in again)


def test_a_pin_expires(room: Room) -> None:
    t = room.takers[0]
    with refused("login_failed"):
        room.log_in(t, T0 + PIN_MS)
    room.log_in(t, T0 + PIN_MS - 1)


def test_a_new_pin_kills_the_old_one(room: Room) -> None:
    t = room.takers[0]
    old = t.pin
    [card] = room.house.waves.issue_pins(room.wave, [t.attempt], actor=OFFICER, now=T0)
    assert card.nip == t.nip
    if card.pin != old:
        with refused("login_failed"):
            room.log_in(t, T0)
    t.pin = card.pin
    room.log_in(t, T0)


def test_no_pin_is_in_the_database_or_in_the_log(light: MakeRoom) -> None:
    room = light(1)
    t = room.takers[0]
    room.under_way(T0)
    with SqlSession(room.house.engine) as sql:
        assert t.pin not in str(sql.get_one(Attempt, t.attempt))
    said = json.dumps([dict(event.payload) for event in room.house.store.events(t.attempt)])
    assert t.pin not in said
    assert t.nip not in said


def test_a_person_on_two_open_waves_sits_the_one_whose_pin_they_hold(house: House) -> None:
    earlier, later = open_room(house, 1), open_room(house, 1, name="Kedua", now=T0 + 1)
    for room in (earlier, later):
        t = room.takers[0]
        assert house.taking.login(t.nip, t.pin, t.device, T0) == (t.attempt, room.wave)


# one device


def test_a_second_device_is_refused_until_the_proctor_approves_and_then_the_first_one_is_moved(room: Room) -> None:
    t, screen = first(room)
    taking, waves = room.house.taking, room.house.waves
    with refused("device_bound"):
        taking.login(t.nip, t.pin, "other", T0)
    with refused("device_bound"):
        taking.login(t.nip, t.pin, "third", T0)
    assert room.kinds(t).count("move_requested") == 1
    assert [line.alert for line in room.house.monitor.board(room.wave, T0, fresh=True).lines] == ["move", ""]
    room.log_in(t, T0)  # the first device is still the right one
    assert waves.release_device(room.wave, [t.attempt], "layar mati", actor=OFFICER, now=T0)[0].done
    for call in (
        lambda: room.screen(t, T0),
        lambda: room.begin(t, T0),
        lambda: room.answer(t, screen, 0, T0),
        lambda: taking.step(*room.who(t), STEPS[0], T0),
    ):
        with refused("moved"):
            call()
    taking.login(t.nip, t.pin, "other", T0)
    with refused("device_bound"):
        room.log_in(t, T0)
    t.device = "other"
    after = room.screen(t, T0 + SECOND)
    assert (after.seq, after.content) == (screen.seq, screen.content)  # the same item


def test_another_attempts_device_opens_nothing(room: Room) -> None:
    first(room)
    a, b = room.takers
    with refused("moved"):
        room.house.taking.screen(a.attempt, room.wave, b.device, T0)


# answering


def test_an_answer_brings_the_next_item_in_one_write(room: Room) -> None:
    t, screen = first(room)
    before = len(room.kinds(t))
    after = room.answer(t, screen, 1, T0 + 5 * SECOND)
    assert room.kinds(t)[before:] == ["answered", "presented"]
    assert (after.name, after.number, after.seq) == ("item", 2, screen.seq + 2)
    event = room.house.store.events(t.attempt)[before]
    content = room.house.catalog.kit(room.wave).contents[event.payload["item_id"]]
    assert event.payload["category"] == content.categories[1]
    assert event.payload["rt_ms"] == 5 * SECOND


def test_the_same_post_again_is_a_no_op(room: Room) -> None:
    t, screen = first(room)
    once = room.answer(t, screen, 1, T0 + SECOND)
    n = len(room.kinds(t))
    assert room.answer(t, screen, 1, T0 + SECOND) == once  # same key
    assert room.answer(t, screen, 1, T0 + SECOND, key="other") == once  # another key, the same choice
    assert len(room.kinds(t)) == n


def test_another_choice_for_an_answered_item_is_refused(room: Room) -> None:
    t, screen = first(room)
    room.answer(t, screen, 1, T0 + SECOND)
    n = len(room.kinds(t))
    with refused("already_answered"):
        room.answer(t, screen, 0, T0 + SECOND, key="other")
    assert len(room.kinds(t)) == n


@pytest.mark.parametrize("seq", [-1, 0, 3, 99, 10**12])
def test_an_answer_to_what_is_not_on_the_screen_is_stale(light: MakeRoom, seq: int) -> None:
    room = light(1)
    t, screen = first(room)
    with refused("stale_item"):
        room.house.taking.answer(*room.who(t), seq if seq != screen.seq else -2, 0, 0, "k", T0)


def test_an_answer_of_two_items_ago_is_stale(light: MakeRoom) -> None:
    room = light(1)
    t, screen = first(room)
    second = room.answer(t, screen, 0, T0)
    room.answer(t, second, 0, T0)
    with refused("stale_item"):
        room.answer(t, screen, 0, T0)


@pytest.mark.parametrize("choice", [-1, 4, 5, 99])
def test_an_option_that_does_not_exist_is_refused(light: MakeRoom, choice: int) -> None:
    room = light(1)
    t, screen = first(room)
    assert screen.content is not None
    with refused("no_such_option"):
        room.answer(t, screen, choice if choice != 4 else len(screen.content.options), T0)


def test_reload_shows_the_same_item_and_writes_nothing(room: Room) -> None:
    t, screen = first(room)
    n = len(room.kinds(t))
    for later in (0, SECOND, MINUTE):
        again = room.screen(t, T0 + later)
        assert (again.seq, again.content) == (screen.seq, screen.content)
    assert room.begin(t, T0 + MINUTE).seq == screen.seq
    assert len(room.kinds(t)) == n


def test_a_test_from_start_to_receipt(room: Room) -> None:
    t, screen = first(room)
    names = [screen.name]
    now = T0
    while screen.name != "finished":
        now += SECOND
        screen = room.begin(t, now) if screen.name == "ready" else room.answer(t, screen, 0, now)
        names.append(screen.name)
    assert names == ["item"] * 4 + ["ready"] + ["item"] * 2 + ["finished"]
    assert (screen.receipt, len(screen.receipt)) == (room.house.store.load(t.attempt).head[:12].upper(), 12)
    assert room.kinds(t)[-2:] == ["section_ended", "finished"]
    assert room.screen(t, now + HOUR).receipt == screen.receipt
    for kind in STEPS:
        room.house.taking.step(*room.who(t), kind, now)  # repeats, no-ops
    with refused("stale_item"):
        room.house.taking.answer(*room.who(t), 999, 0, 0, "k", now)


# time


BUDGET = 10 * MINUTE


def test_an_answer_before_the_deadline_counts_one_in_the_grace_counts_and_ends_the_section_a_later_one_does_not(room: Room) -> None:
    a, b = room.takers
    screens = room.under_way(T0)
    screens[0] = room.answer(a, screens[0], 0, T0 + BUDGET - 1)
    assert screens[0].name == "item"
    assert room.answer(a, screens[0], 0, T0 + BUDGET + 4_999).name == "ready"
    assert room.kinds(a)[-2:] == ["answered", "section_ended"]
    with refused("time_up"):
        room.answer(b, screens[1], 0, T0 + BUDGET + 5_000)
    assert "answered" not in room.kinds(b)
    assert room.screen(b, T0 + BUDGET + 5_000).name == "ready"
    assert room.kinds(b)[-1] == "section_ended"


def test_an_item_that_was_on_the_screen_when_time_ran_out_is_not_scored_and_never_shown_again(room: Room) -> None:
    t, screen = first(room)
    room.screen(t, T0 + HOUR)
    engine = room.house.store.load(t.attempt).engine
    assert engine.items == ()
    assert len(engine.dropped) == 1
    assert screen.content is not None
    seen = [e.payload["item_id"] for e in room.house.store.events(t.attempt) if e.kind == "presented"]
    room.begin(t, T0 + HOUR)
    assert [e.payload["item_id"] for e in room.house.store.events(t.attempt) if e.kind == "presented"][-1] not in seen


def test_the_last_sections_time_ends_the_test(room: Room) -> None:
    t, _screen = first(room)
    room.screen(t, T0 + HOUR)
    room.begin(t, T0 + HOUR)
    assert room.screen(t, T0 + 2 * HOUR).name == "finished"
    session = room.house.store.load(t.attempt)
    assert session.finish_reason == "time"


def test_a_pause_stops_the_clock_and_the_answers(room: Room) -> None:
    t, screen = first(room)
    waves = room.house.waves
    waves.pause(room.wave, room.ids, "environment.power", "padam", actor=OFFICER, now=T0 + MINUTE)
    assert room.screen(t, T0 + HOUR).name == "paused"
    assert room.screen(t, T0 + HOUR).content is None
    with refused("paused"):
        room.answer(t, screen, 0, T0 + HOUR)
    waves.resume(room.wave, room.ids, actor=OFFICER, now=T0 + HOUR)
    again = room.screen(t, T0 + HOUR)
    assert (again.name, again.seq, again.clock.left_ms) == ("item", screen.seq, BUDGET - MINUTE)
    room.answer(t, again, 0, T0 + HOUR + SECOND)
    answered = next(e for e in room.house.store.events(t.attempt) if e.kind == "answered")
    assert answered.payload["rt_ms"] == MINUTE + SECOND  # the pause is not thinking


def test_an_extension_is_seen_at_once_and_holds_for_the_section(room: Room) -> None:
    t, _screen = first(room)
    room.house.waves.extend(room.wave, [t.attempt], 5, "technical.freeze", "macet", actor=OFFICER, now=T0 + MINUTE)
    assert room.screen(t, T0 + MINUTE).clock.left_ms == BUDGET + 4 * MINUTE
    assert room.screen(room.takers[1], T0 + MINUTE).clock.left_ms == BUDGET - MINUTE
    assert room.screen(t, T0 + BUDGET + 5 * MINUTE + 5 * SECOND).name == "ready"
    assert room.screen(t, T0 + HOUR).clock.left_ms == 5 * MINUTE  # the next section has its own


def test_an_extension_saves_who_has_run_out_of_time_but_has_not_been_ended(room: Room) -> None:
    t, screen = first(room)
    room.house.waves.extend(room.wave, [t.attempt], 60, "technical.network", "putus", actor=OFFICER, now=T0 + 20 * MINUTE)
    assert room.answer(t, screen, 0, T0 + 21 * MINUTE).name == "item"


def test_extra_time_is_a_factor_of_every_sections_budget(room: Room) -> None:
    t, _ = first(room)
    kit = room.house.catalog.kit(room.wave)
    events = room.house.store.events(t.attempt)
    terms = {**events[0].payload, "time_factor": 1.3}
    plain = fold(begin(t.attempt), events)
    slow = sessions.replace(plain, terms=terms)
    assert kit.clock(T0, slow).left_ms == round(1.3 * BUDGET)
    assert kit.clock(T0, plain).left_ms == BUDGET


# a crash at any instant


def test_after_a_crash_at_any_instant_the_right_screen_is_there_and_the_engine_is_not_asked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = open_room(house, 1)
    t = room.takers[0]
    room.under_way(T0)
    end = room.sit(t, T0)
    events = room.house.store.events(t.attempt)
    kit = house.catalog.kit(room.wave)

    def asked(*_: object) -> None:
        raise AssertionError("the fold asked the engine")

    monkeypatch.setattr(taking, "ask", asked)
    monkeypatch.setattr(catalog, "look", asked)
    taker = house.taking
    wanted = {
        "assigned": "identity", "attended": "identity", "pin_issued": "identity", "connected": "identity", "identity_confirmed": "rules",
        "rules_accepted": "practice", "practised": "waiting", "admitted": "ready", "presented": "item", "section_ended": "ready", "finished": "finished",
    }  # fmt: skip
    answers = 0
    for cut in range(1, len(events) + 1):
        session = fold(begin(t.attempt), events[:cut])
        last = events[cut - 1]
        answers += last.kind == "answered"
        assert session.n_answers == answers
        if last.kind == "answered":
            # never on disk alone: the next item (or end) is in the same commit
            assert events[cut].at == last.at
            assert session.shown is None
            continue
        if last.kind == "section_ended" and events[cut].kind == "finished":
            assert events[cut].at == last.at
            continue
        screen = taker._screen(kit, session, last.at)
        assert screen.name == wanted[last.kind], last
        if last.kind == "presented":
            assert screen.content == kit.contents[last.payload["item_id"]]
            assert screen.seq == last.seq
            assert tell(session.engine, Answered(0, 1.0)).items[-1] == last.payload["item"]
    assert end > T0


def test_a_server_that_comes_back_shows_the_same_item(light: MakeRoom) -> None:
    room = light(1)
    t, screen = first(room)
    screen = room.answer(t, screen, 0, T0 + SECOND)
    from webtest.config import open_house

    again = open_house(room.house.folder, str(room.house.engine.url))
    try:
        after = again.taking.screen(*room.who(t), T0 + 2 * SECOND)
        assert (after.seq, after.content, after.number) == (screen.seq, screen.content, 2)
        assert room.kinds(t)[-1] == Kind.PRESENTED
    finally:
        again.close()
