"""Every kind of tampering is named with its place."""

from collections.abc import Callable

import pytest
from sqlalchemy import Connection

from tests.webtest.audit.forged_events import FORGED_EVENTS
from tests.webtest.audit.forged_rows import FORGED_ROWS
from tests.webtest.audit.forging import audit, tampering
from tests.webtest.conftest import HOUR, MINUTE, T0, Room, open_room
from webtest.checkpoints import seal_due
from webtest.config import House
from webtest.replay import Finding


@pytest.mark.parametrize("inject", [*FORGED_EVENTS, *FORGED_ROWS])
def test_tampering_is_named_with_its_place(house: House, inject: Callable[[Room, Connection], Finding]) -> None:
    room = open_room(house)
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0 + MINUTE)
    for i, t in enumerate(room.takers):
        room.sit(t, T0 + MINUTE, seed=i)
    seal_due(house.engine, house.keys, T0 + 30 * MINUTE)
    room.close(T0 + HOUR)
    assert audit(room).findings == ()
    with tampering(house) as sql:
        wanted = inject(room, sql)
    found = audit(room).findings
    assert any(f.stream == wanted.stream and f.seq == wanted.seq and wanted.what in f.what for f in found), (wanted, found)
