"""A house on SQLite behind its application, and a room of two people in it, for the tests of the web."""

from collections.abc import Iterator

import pytest

from tests.conftest import Place
from tests.webtest.conftest import Room, open_room
from tests.webtest.site import NOW, Site, site_of
from webtest.config import House


@pytest.fixture
def place_lite(lite: Place) -> Iterator[House]:
    house = lite.open()
    yield house
    house.close()


@pytest.fixture
def site(place_lite: House) -> Site:
    return site_of(place_lite)


@pytest.fixture
def room(site: Site) -> Room:
    return open_room(site.house, 2, now=NOW)
