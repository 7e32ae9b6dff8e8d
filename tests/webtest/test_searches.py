"""Control parameters searched for aside: one search whoever asks, what becomes of it, and waves that wait for it. On each kind of database."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import pytest
from sqlalchemy import text

from cat_engine import Faulty, TestPlan, load_plan
from itembank.bank import Bank, Snapshot
from itembank.demo import load_demo
from tests.conftest import Place
from tests.webtest.conftest import OFFICER, SECOND_OFFICER, T0
from tests.webtest.searching import CONTROL, CONTROLLED, FAILED, FOUND, OUT_OF_REACH, Told, until
from webtest.audit import audit_wave
from webtest.config import House
from webtest.events import Kind, canonical
from webtest.founding import invented_roster
from webtest.refusal import Refused
from webtest.services.searches import Searches
from webtest.services.waves import NewWave
from webtest.services.works import SILENT_MS, Waiting, Work, Works
from webtest.snapshots import control_of, search_digest
from webtest.tasks import ControlSearch
from webtest.work_apart import apart

NEW = NewWave("Uji", "Kota Contoh", "Aula", "2026-11-24")


@dataclass
class Server:
    """What of a server process searches, at a time that the test says."""

    house: House
    told: Told
    now: int = T0

    def __post_init__(self) -> None:
        self.works = Works(self.house.engine, self.told, lambda: self.now)
        self.searches = Searches(self.house.engine, self.works)
        self.plan: TestPlan = load_plan(CONTROLLED)
        self.bank: Bank = self.house.newest_bank()

    def state(self) -> Work:
        found = self.searches.state(self.plan, self.bank)
        assert found is not None
        return found

    def reaches(self, state: str) -> Work:
        until(lambda: self.state().state == state)
        return self.state()


@pytest.fixture
def server(house: House) -> Iterator[Server]:
    made = Server(house, Told())
    yield made
    made.works.close()


def test_of_many_who_ask_at_once_one_search_begins_and_serves_them_all(server: Server) -> None:
    assert server.searches.state(server.plan, server.bank) is None
    together = Barrier(6)

    def ask(_: int) -> str:
        together.wait()
        return server.searches.begin(server.plan, server.bank).subject

    with ThreadPoolExecutor(6) as pool:
        assert len(set(pool.map(ask, range(6)))) == 1
    server.told.say({"done": 2, "total": 6})
    until(lambda: server.state().done == 2)
    server.now = T0 + 4_000
    assert server.state().seconds_left == 8
    with pytest.raises(Waiting) as waiting:
        server.searches.control(server.plan, server.bank)
    assert waiting.value.works[0].state == "running"
    server.told.say(FOUND)
    assert server.reaches("finished").seconds_left is None
    assert list(server.searches.control(server.plan, server.bank)) == CONTROL
    assert server.told.begun == 1


def test_what_the_process_finds_is_what_is_found_here(lite: Place) -> None:
    house = lite.open()
    plan, bank = load_plan(CONTROLLED), house.newest_bank()
    with pytest.raises(Waiting):
        house.searches.control(plan, bank)
    until(lambda: house.searches.at([search_digest(plan, bank)])[0].state == "finished")  # type: ignore[union-attr]
    assert house.searches.control(plan, bank) == control_of(plan, bank)
    house.close()


def test_the_process_says_how_far_it_is_and_why_it_failed_as_it_is_said_here() -> None:
    plan, bank = load_plan(OUT_OF_REACH), load_demo()[0]
    with pytest.raises(Faulty) as here:
        control_of(plan, bank)
    said = [line for line in apart(ControlSearch(plan, bank)) if line]
    assert [line["done"] for line in said[:-1]] == list(range(1, 19))
    assert [(f["message"], f["remedy"]) for f in said[-1]["faults"]] == [(f.message, f.remedy) for f in here.value.faults]


def test_limits_that_the_bank_cannot_keep_are_named_again_and_not_searched_for_again(server: Server) -> None:
    server.searches.begin(server.plan, server.bank)
    server.told.say({"done": 6, "total": 6}, FAILED)
    assert [str(fault) for fault in server.reaches("failed").faults] == ["eligibility, r_max: 0.3 is out of reach (0.4 or more)"]
    for _ in range(2):
        with pytest.raises(Faulty, match=r"0\.4 or more"):
            server.searches.control(server.plan, server.bank)
    assert server.told.begun == 1


def test_a_search_whose_process_ended_is_interrupted_and_can_be_begun_anew(server: Server) -> None:
    server.searches.begin(server.plan, server.bank)
    server.told.say({"done": 1, "total": 6}, None)
    server.reaches("interrupted")
    assert server.searches.begin(server.plan, server.bank).done == 0
    server.told.say(FOUND)
    server.reaches("finished")
    assert server.told.begun == 2


def test_a_server_that_stops_leaves_its_searches_interrupted(server: Server) -> None:
    other = load_plan(CONTROLLED.replace("0.5", "0.6"))
    server.searches.begin(server.plan, server.bank)
    server.searches.begin(other, server.bank)  # waits for its turn
    assert server.told.listening.wait(10)
    server.works.close()
    assert server.state().state == "interrupted"
    assert server.searches.at([search_digest(other, server.bank)])[0].state == "interrupted"  # type: ignore[union-attr]
    assert server.told.begun == 1


def test_a_search_of_a_server_that_was_killed_is_taken_up_by_the_next_and_a_late_word_of_the_old_one_changes_nothing(
    server: Server,
) -> None:
    server.searches.begin(server.plan, server.bank)
    assert server.told.listening.wait(10)
    until(lambda: server.told.lines.empty())
    next_server = Server(server.house, Told(), now=T0 + SILENT_MS)
    try:
        assert next_server.searches.begin(server.plan, server.bank).state == "running"
        assert next_server.told.begun == 0  # perhaps it is only slow
        next_server.now += 1
        assert next_server.state().state == "interrupted"
        next_server.searches.begin(server.plan, server.bank)
        assert next_server.told.listening.wait(10)
        server.told.say({"outcome": {"control": [{"M01-01": 0.9}]}})
        until(server.told.lines.empty)
        next_server.told.say(FOUND)
        assert next_server.reaches("finished").outcome == {"control": CONTROL}
    finally:
        next_server.works.close()


def test_an_outcome_that_was_changed_afterwards_does_not_count(server: Server) -> None:
    server.searches.begin(server.plan, server.bank)
    server.told.say(FOUND)
    server.reaches("finished")
    with server.house.engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE work SET outcome = replace(outcome, '0.25', '0.75')"))
    assert (server.state().state, server.state().outcome) == ("interrupted", None)
    server.searches.begin(server.plan, server.bank)
    server.told.say(FOUND)
    assert server.reaches("finished").outcome == {"control": CONTROL}


# waves


def made(server: Server) -> str:
    return server.house.waves.create(NEW, invented_roster(2), CONTROLLED, actor=OFFICER, now=T0, seed=7, control=server.searches.control)


def facts(house: House, wave: str) -> list[tuple[str, int, str, str]]:
    """What a wave's log says, without the ids that are drawn."""
    return sorted((e.kind, e.at, e.actor, canonical(e.payload)) for stream in house.store.wave_events(wave).values() for e in stream)


def test_a_wave_waits_for_its_parameters_and_then_is_the_wave_that_it_would_have_been(server: Server) -> None:
    house = server.house
    wave = made(server)
    assert house.store.wave_events(wave) == {}
    assert len(house.monitor.board(wave, T0, fresh=True).lines) == 2
    assert house.catalog.kit(wave).pool.control is None  # asked before it was pinned
    for attempt in (
        lambda: house.waves.open(wave, actor=OFFICER, now=T0, control=server.searches.control),
        lambda: house.waves.note(wave, "other", "x", actor=OFFICER, now=T0),
        lambda: audit_wave(house.engine, house.store, wave, house.keys),
    ):
        with pytest.raises(Refused, match="searching"):
            attempt()
    server.told.say(FOUND)
    server.reaches("finished")
    house.waves.open(wave, actor=SECOND_OFFICER, now=T0, control=server.searches.control)
    assert house.catalog.kit(wave).pool.control is not None
    assert Snapshot.from_json(row(house, wave)).control == tuple(CONTROL)
    at_once = house.waves.create(
        NEW, invented_roster(2), CONTROLLED, actor=OFFICER, now=T0, seed=7, control=lambda *_: pytest.fail("again")
    )
    house.waves.open(at_once, actor=SECOND_OFFICER, now=T0)
    assert facts(house, wave) == facts(house, at_once)
    assert audit_wave(house.engine, house.store, wave, house.keys).findings == ()


def row(house: House, wave: str) -> str:
    with house.engine.connect() as connection:
        return str(connection.execute(text("SELECT snapshot FROM wave WHERE id = :w"), {"w": wave}).scalar_one())


def test_parameters_of_a_wave_that_still_waits_are_nobody_elses(server: Server) -> None:
    made(server)
    second = made(server)
    assert server.house.waves.needs(second) is not None
    assert server.told.begun == 1


def test_of_two_who_open_a_wave_at_once_one_does(server: Server) -> None:
    wave = made(server)
    server.told.say(FOUND)
    server.reaches("finished")
    together = Barrier(2)

    def open_it(_: int) -> str:
        together.wait()
        try:
            server.house.waves.open(wave, actor=OFFICER, now=T0, control=server.searches.control)
        except Refused as refusal:
            return refusal.code
        return "open"

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(open_it, range(2))) == ["open", "wave_not_draft"]
    kinds = [event.kind for event in server.house.store.events(wave)]
    assert kinds == [Kind.WAVE_CREATED, Kind.ROSTER_LOADED, Kind.WAVE_OPENED]


def test_a_wave_whose_limits_cannot_be_kept_is_not_opened_and_says_why(server: Server) -> None:
    wave = made(server)
    server.told.say(FAILED)
    server.reaches("failed")
    with pytest.raises(Faulty, match=r"0\.4 or more"):
        server.house.waves.open(wave, actor=OFFICER, now=T0, control=server.searches.control)
    assert server.house.store.wave_events(wave) == {}
