"""What a worker process loads: the application, and the keeper that seals open waves."""

import threading

import pytest

from tests.conftest import Place
from tests.webtest.conftest import T0, open_room
from webtest import wsgi
from webtest.checkpoints import seal_due


def test_a_worker_starts_its_keeper_and_stops_it_before_it_lets_go_of_the_database(lite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    goodbyes = []
    monkeypatch.setattr("webtest.wsgi.atexit.register", goodbyes.append)
    monkeypatch.setenv("CACT_DATA", str(lite.folder))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    app = wsgi.make_app()
    assert app.test_client().get("/sehat").json == {"status": "ok"}
    assert [t.name for t in threading.enumerate()].count("keeper") == 1
    for goodbye in reversed(goodbyes):  # as the interpreter calls them
        goodbye()
    assert "keeper" not in [t.name for t in threading.enumerate()]


def test_what_the_keeper_does_is_sealing(lite: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = []
    monkeypatch.setattr("webtest.wsgi.Keeper.start", lambda keeper: jobs.append(keeper._job))
    monkeypatch.setattr("webtest.wsgi.atexit.register", lambda _: None)
    monkeypatch.setenv("CACT_DATA", str(lite.folder))
    monkeypatch.delenv("DATABASE_URL", raising=False)
    app = wsgi.make_app()
    house = app.extensions["cact"]
    room = open_room(house, 1, now=T0)
    assert jobs[0]() == [room.wave]
    assert seal_due(house.engine, house.keys, T0) == []
    house.close()
