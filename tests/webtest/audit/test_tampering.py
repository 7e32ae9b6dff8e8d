"""Every kind of tampering is named with its place."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from tests.conftest import DATABASES
from tests.webtest.audit.forged_decisions import FORGED_DECISIONS
from tests.webtest.audit.forged_events import FORGED_EVENTS
from tests.webtest.audit.forged_rows import FORGED_ROWS
from tests.webtest.audit.forging import audit, tampering, with_payload
from tests.webtest.conftest import HOUR, MINUTE, T0, MakeOwn, MakeScene, Room, open_room
from webtest.checkpoints import seal_due
from webtest.config import House
from webtest.replay import Finding, replay


def sealed_room(house: House) -> Room:
    """A closed wave that was sealed in its middle."""
    room = open_room(house)
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0 + MINUTE)
    for i, t in enumerate(room.takers):
        room.sit(t, T0 + MINUTE, seed=i)
    seal_due(house.engine, house.keys, T0 + 30 * MINUTE)
    room.close(T0 + HOUR)
    return room


@pytest.fixture(params=DATABASES)
def sealed(request: pytest.FixtureRequest, scene: MakeScene, own: MakeOwn) -> Room:
    """Such a room, on each kind of database."""
    return own(scene(request.param, sealed_room))


def test_what_is_tampered_with_was_sound_before(sealed: Room) -> None:
    assert audit(sealed).findings == ()


@pytest.mark.parametrize("inject", [*FORGED_EVENTS, *FORGED_DECISIONS, *FORGED_ROWS])
def test_tampering_is_named_with_its_place(sealed: Room, inject: Callable[[Room, Connection], Finding]) -> None:
    with tampering(sealed.house) as sql:
        wanted = inject(sealed, sql)
    found = audit(sealed).findings
    assert any(f.stream == wanted.stream and f.seq == wanted.seq and wanted.what in f.what for f in found), (wanted, found)


@pytest.mark.parametrize(
    ("kind", "name", "what"), [("presented", "se", "SE before the item is"), ("answered", "theta", "theta after the answer is")]
)
def test_what_is_no_number_is_not_near_the_one_that_the_engine_says(sealed: Room, kind: str, name: str, what: str) -> None:
    """Python reads NaN, though no JSON holds it, and whatever is compared with it is false."""
    events = sealed.house.store.events(sealed.ids[0])
    seq = next(e.seq for e in events if e.kind == kind)
    _, (found,) = replay(sealed.house.catalog.kit(sealed.wave), with_payload(events, seq, **{name: float("nan")}))
    assert found.seq == seq
    assert found.what.startswith(what)
