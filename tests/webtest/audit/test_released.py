"""What is fixed once it is sealed or released: values, norms, checkpoints."""

import json

import pytest
from sqlalchemy import text
from sqlmodel import Session as SqlSession

from tests.webtest.audit.forging import audit, results, tampering
from tests.webtest.conftest import HOUR, T0, Room, finished_room
from webtest.config import House
from webtest.events import canonical
from webtest.models import Checkpoint
from webtest.refusal import Refused
from webtest.roster import PerformanceRow


def test_values_and_norms_changed_after_the_release_are_named(finished: Room) -> None:
    room, house = finished, finished.house
    rows = [PerformanceRow(t.nip, 85.0, None) for t in room.takers]
    results(room).load_performance(room.wave, rows, actor="user:4", now=T0 + 2 * HOUR)
    results(room).release(room.wave, actor="user:4", now=T0 + 2 * HOUR)
    with pytest.raises(Refused, match="not_now"):
        results(room).load_performance(room.wave, rows, actor="user:4", now=T0 + 3 * HOUR)
    assert audit(room).findings == ()
    with tampering(house) as sql:
        body = sql.execute(text("SELECT body FROM norm WHERE kind = 'levels'")).scalar_one()
        easy = canonical({**json.loads(body), "cuts": [-9, -8, -7, -6]})
        sql.execute(text("UPDATE norm SET body = :b WHERE kind = 'levels'"), {"b": easy})
    [found] = audit(room).findings
    assert (found.stream, "norms or performance" in found.what) == (room.wave, True)
    with tampering(house) as sql:
        sql.execute(text("DELETE FROM norm WHERE kind = 'levels'"))
    assert "cannot be computed" in str(audit(room).findings)
    with tampering(house) as sql:
        sql.execute(text("UPDATE performance SET kinerja = 20"))
    assert "performance" in str(audit(room).findings)


def test_checkpoints_refuse_to_be_changed_through_the_database(house: House) -> None:
    room = finished_room(house, 1)
    for statement in ("UPDATE checkpoint SET at = 0", "DELETE FROM checkpoint"):
        with pytest.raises(Exception, match="append-only"), house.engine.begin() as sql:
            sql.execute(text(statement))
    with SqlSession(house.engine) as session:
        assert session.get(Checkpoint, (room.wave, 1)) is not None
