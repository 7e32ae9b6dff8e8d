"""Works of a kind that any server can take up: what happens to them when processes and servers end, and what is kept of them. On each database."""

import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlmodel import Session as SqlSession

from tests.webtest.conftest import T0
from tests.webtest.counting import Counting
from tests.webtest.searching import Told, until
from webtest.config import House
from webtest.services import works as module
from webtest.services.works import AHEAD_MS, MOST_BREAKS, SILENT_MS, Kind, Waiting, Work, Works
from webtest.tasks import Task

DONE = {"outcome": {"n": 7}}


@dataclass
class Counts:
    """The kind of works whose subject is how far to count; "b" waits for the work "a" of another kind."""

    works: Works
    kept: list[tuple[str, str, int, object]] = field(default_factory=list)

    def task(self, subject: str) -> Task:
        if subject == "b":
            first = self.works.begin("first", "a", task=Counting(2))
            if first.under_way:
                raise Waiting([first])
        return Counting(7 if subject == "b" else int(subject))

    def keep(self, sql: SqlSession, work: Work) -> None:
        sql.connection().execute(
            text("INSERT INTO ended_session (id, forget_at) VALUES (:id, 1)"), {"id": f"{work.subject}-{len(self.kept)}"}
        )
        self.kept.append((work.subject, work.actor, work.asked_at, work.outcome))


@dataclass
class Server:
    """What of a server process computes aside, at a time that the test says."""

    house: House
    told: Told
    now: int = T0

    def __post_init__(self) -> None:
        self.works = Works(self.house.engine, self.told, lambda: self.now)
        self.counts = Counts(self.works)
        kind: Kind = self.counts
        self.works.learn("count", kind)

    def state(self, subject: str = "3") -> str:
        found = self.works.state("count", subject)
        return "" if found is None else found.state

    def reaches(self, state: str, subject: str = "3") -> None:
        until(lambda: self.state(subject) == state)


def known(works: Works, subject: str) -> Work:
    found = works.state("count", subject)
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LOOK_S", 0.05)


@pytest.fixture
def server(house: House) -> Iterator[Server]:
    made = Server(house, Told())
    yield made
    made.works.close()


def test_what_a_work_says_is_kept_once_with_who_asked_for_it_and_when(server: Server) -> None:
    server.works.begin("count", "3", actor="user:1")
    server.now += 5
    assert server.works.begin("count", "3", actor="user:2").actor == "user:1"  # it is under way
    server.told.say(DONE)
    server.reaches("finished")
    assert server.counts.kept == [("3", "user:1", T0, {"n": 7})]
    server.works.begin("count", "3", actor="user:2")
    assert server.counts.kept == [("3", "user:1", T0, {"n": 7})]  # what is over stays so
    server.works.begin("count", "3", actor="user:2", again=True)
    server.told.say(DONE)
    server.reaches("finished")
    assert server.counts.kept[1:] == [("3", "user:2", T0 + 5, {"n": 7})]


def test_a_work_of_a_server_that_was_killed_is_taken_up_by_the_next_for_whoever_asked(server: Server) -> None:
    server.works.begin("count", "3", actor="user:1")
    assert server.told.listening.wait(10)
    until(server.told.lines.empty)
    other = Server(server.house, Told(), now=T0 + SILENT_MS)
    other.works.serve()
    try:
        assert other.state() == "running"  # perhaps it is only slow
        other.now += 1
        assert other.told.listening.wait(10)
        other.told.say({"done": 1, "total": 3}, DONE)
        other.reaches("finished")
        assert other.counts.kept == [("3", "user:1", T0, {"n": 7})]
        server.told.say(DONE)  # a late word of the old one
        until(server.told.lines.empty)
        assert server.counts.kept == []
    finally:
        other.works.close()


def test_a_work_of_a_server_whose_clock_was_ahead_is_taken_up_once_the_clock_is_set_right(server: Server) -> None:
    server.now += 86_400_000
    server.works.begin("count", "3", actor="user:1")
    assert server.told.listening.wait(10)
    other = Server(server.house, Told(), now=T0)
    other.works.serve()
    try:
        assert other.told.listening.wait(10)
        other.told.say(DONE)
        other.reaches("finished")
        assert [who for _, who, _, _ in other.counts.kept] == ["user:1"]
    finally:
        other.works.close()


def test_a_work_of_a_server_whose_clock_is_some_minutes_ahead_is_left_to_it(server: Server) -> None:
    server.now += AHEAD_MS
    server.works.begin("count", "3")
    assert server.told.listening.wait(10)
    assert Server(server.house, Told(), now=T0).state() == "running"


def test_a_work_runs_on_when_the_clock_of_its_own_server_jumps(server: Server) -> None:
    """Its next beat says so by the new clock, and a second press of the button begins nothing that another outcome would follow from."""
    server.works.begin("count", "3", actor="user:1")
    assert server.told.listening.wait(10)
    for jump in (86_400_000, -2 * 86_400_000):
        server.now += jump
        server.works.begin("count", "3", actor="user:2")
        server.reaches("running")
    server.told.say(DONE)
    server.reaches("finished")
    until(server.works._waiting.empty)
    assert len(server.counts.kept) == 1


def test_one_work_whose_subject_is_broken_in_the_database_does_not_keep_the_others_waiting(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a wave was pinned to is no table of its fields any more: reading it is a TypeError, as for the audit."""
    whole = server.counts.task

    def task(subject: str) -> Task:
        return Counting(**{"m": 1}) if subject == "1" else whole(subject)  # type: ignore[call-arg]

    monkeypatch.setattr(server.counts, "task", task)
    server.works.serve()
    server.works.begin("count", "1")
    server.works.begin("count", "3")
    server.told.say(DONE)
    server.reaches("finished", "3")
    server.reaches("failed", "1")


def test_a_server_closes_although_its_database_is_away(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> int:
        raise OperationalError("", None, OSError())

    server.works.begin("count", "3")
    assert server.told.listening.wait(10)
    monkeypatch.setattr(server.works, "_write", away)
    server.works.close()
    assert server.state() == "running"  # its silence tells


def test_a_work_whose_process_is_killed_is_begun_anew_by_itself(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """The real process, by its number; the second one is left alone."""
    started: list[int] = []

    class Noted(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            started.append(self.pid)
            if len(started) == 1:
                os.kill(self.pid, signal.SIGKILL)

    monkeypatch.setattr(subprocess, "Popen", Noted)
    works = Works(house.engine)
    counts = Counts(works)
    works.learn("count", counts)
    works.serve()
    try:
        works.begin("count", "3", actor="user:1")
        until(lambda: bool(counts.kept))
        assert [(who, outcome) for _, who, _, outcome in counts.kept] == [("user:1", {"n": 3})]
        assert len(started) == 2
    finally:
        works.close()


def test_a_work_that_breaks_off_again_and_again_has_failed_and_may_be_tried_again(server: Server) -> None:
    server.works.serve()
    server.works.begin("count", "3", actor="user:1")
    for _ in range(MOST_BREAKS):
        server.told.say(None)
    server.reaches("failed")
    found = server.works.state("count", "3")
    assert found is not None
    assert "broke off" in found.faults[0].message
    server.works.begin("count", "3", actor="user:1", again=True)
    server.told.say(DONE)
    server.reaches("finished")


def test_what_cannot_be_computed_says_why(house: House) -> None:
    works = Works(house.engine)
    counts = Counts(works)
    works.learn("count", counts)
    try:
        works.begin("count", "-1")
        until(lambda: known(works, "-1").state == "failed")
        assert [str(fault) for fault in known(works, "-1").faults] == ["n: is below 0"]
        assert counts.kept == []
    finally:
        works.close()


def test_a_work_shows_what_it_waits_for_and_begins_when_that_is_there(server: Server) -> None:
    assert server.works.progress("count", "first", "b") == []
    server.works.begin("count", "b", actor="user:1")
    until(lambda: server.works.state("first", "a") is not None and bool(known(server.works, "b").waits))
    server.told.say({"done": 1, "total": 2})
    until(lambda: [work.done for work in server.works.progress("count", "first", "b")] == [1])
    assert [work.kind for work in server.works.progress("count", "first", "b")] == ["first"]
    server.told.say({"outcome": {"n": 2}}, {"done": 3, "total": 7})
    until(lambda: [work.done for work in server.works.progress("count", "first", "b")] == [3])
    server.told.say(DONE)
    server.reaches("finished", "b")
    assert [subject for subject, *_ in server.counts.kept] == ["b"]


def test_nothing_of_a_work_is_kept_where_it_cannot_all_be_kept(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_sql: SqlSession, _work: Work) -> None:
        raise ValueError

    monkeypatch.setattr(server.counts, "keep", broken)
    server.works.begin("count", "3")
    server.told.say(DONE)
    server.reaches("interrupted")
