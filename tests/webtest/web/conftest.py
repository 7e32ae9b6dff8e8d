"""A house on SQLite behind its application, and a room of two people in it, for the tests of the web."""

from collections.abc import Iterator

import pytest

from tests.conftest import Place
from tests.webtest.conftest import MakeOwn, MakeScene, Room, open_room
from tests.webtest.site import NOW, Site, site_of
from webtest.config import House


@pytest.fixture
def place_lite(lite: Place) -> Iterator[House]:
    house = lite.open()
    yield house
    house.close()


def room_of_now(house: House) -> Room:
    """Two people with PINs in a wave that was opened when the tests began."""
    return open_room(house, 2, now=NOW)


@pytest.fixture
def room(scene: MakeScene, own: MakeOwn) -> Room:
    return own(scene("sqlite", room_of_now))


@pytest.fixture
def site(room: Room) -> Site:
    return site_of(room.house)
