"""The database: one URL, SQLite or PostgreSQL, brought up to date by migrations."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, InternalError, NoSuchModuleError, OperationalError

from cat_engine import Fault, Faulty

HERE = Path(__file__).parent / "migrations"
NO_ADDRESS = "not the address of a database"
MIGRATING = 0x43414354  # the lock of whoever migrates a database: any number of our own


def data_url(folder: Path) -> str:
    """The default database of a data folder."""
    return f"sqlite:///{folder.resolve()}/cact.db"


def open_engine(url: str, *, pool_size: int = 40) -> Engine:
    """Connect to `sqlite:///file` or `postgresql://...` (psycopg 3).

    SQLite runs in WAL with synchronous=FULL: a commit that has returned is on disk. Every transaction on SQLite begins IMMEDIATE when the
    connection carries the execution option `write=True`, because a reader that turns writer late is refused, not queued. Values of a statement
    that fails (a NIP, a name) do not appear in its error. Raises ArgumentError, which shows nothing of it, where `url` is neither.
    """
    try:
        target = make_url(url)
    except (ArgumentError, ValueError):  # the port; the message would hold a part of the password
        raise ArgumentError(NO_ADDRESS) from None
    if not target.drivername.startswith(("sqlite", "postgres")):
        raise ArgumentError(NO_ADDRESS)
    if target.drivername in ("postgres", "postgresql"):
        target = target.set(drivername="postgresql+psycopg")
    if target.drivername.startswith("postgresql"):
        return create_engine(target, pool_size=pool_size, max_overflow=10, pool_pre_ping=True, hide_parameters=True)
    connect_args = {"timeout": 30, "check_same_thread": False}
    engine = create_engine(target, pool_size=pool_size, max_overflow=10, connect_args=connect_args, hide_parameters=True)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _set_up_sqlite(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions are begun below, not by the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=30000", "cache_size=-65536"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: Any) -> None:
    write = connection.get_execution_options().get("write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


@contextmanager
def _newer_named() -> Iterator[None]:
    try:
        yield
    except CommandError as error:
        fault = Fault("database", "", f"was made by another version of CACT: {error}", "use that version, or a newer one")
        raise Faulty([fault]) from None


def _config(locations: tuple[Path, ...]) -> Config:
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    versions = os.pathsep.join(str(path) for path in (HERE / "versions", *locations))
    config.set_main_option("version_locations", versions.replace("%", "%%"))
    return config


@cache
def _scripts(locations: tuple[Path, ...]) -> ScriptDirectory:
    """The migrations that there are, read once a process: each is a file to be compiled."""
    return ScriptDirectory.from_config(_config(locations))


def upgrade(engine: Engine, locations: Sequence[Path] = ()) -> None:
    """Run every migration that the database has not seen: this package's own and those in `locations`. Raises Faulty where it has seen others."""
    places = tuple(locations)
    with _newer_named(), engine.execution_options(write=True).begin() as connection:
        if connection.dialect.name == "postgresql":  # of servers that start at once one migrates; SQLite has one writer anyway
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATING})")
        scripts = _scripts(places)
        seen = scripts.get_all_current(MigrationContext.configure(connection).get_current_heads())
        if {script.revision for script in seen} == set(scripts.get_heads()):
            return
        config = _config(places)
        config.attributes["connection"] = connection
        command.upgrade(config, "heads")


@contextmanager
def failures_named() -> Iterator[None]:
    """Raises Faulty where DATABASE_URL is no address, or the database cannot be reached or used; a mistake in the program stays what it is."""
    try:
        yield
    except (ArgumentError, NoSuchModuleError):
        fault = Fault("DATABASE_URL", "", "is not the address of a database", "postgresql://user:password@host/name")
        raise Faulty([fault]) from None
    except DatabaseError as error:
        if type(error) not in (DatabaseError, OperationalError, InternalError):  # the last: PostgreSQL that only reads, as a standby does
            raise
        raise Faulty([Fault("database", "", f"cannot be used: {error.orig}".strip())]) from None
