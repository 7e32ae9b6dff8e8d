"""Where an installation keeps its things, and the one object that holds its parts together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import Engine
from sqlmodel import Session as SqlSession

from cat_engine import Fault, Faulty
from itembank.bank import Bank
from itembank.db import data_url, failures_named, open_engine, upgrade
from itembank.store import load_bank
from webtest.accounts import Accounts
from webtest.catalog import Catalog
from webtest.keys import Keys, load_keys
from webtest.monitor import Heartbeats, Monitor
from webtest.services.preflights import PREFLIGHT, Preflights
from webtest.services.searches import Searches
from webtest.services.taking import Taking
from webtest.services.trials import TRIAL, Trials
from webtest.services.waves import Waves
from webtest.services.works import Run, Works
from webtest.store import EventStore
from webtest.work_apart import apart

MIGRATIONS = Path(__file__).parent / "migrations" / "versions"


def prepare(folder: Path) -> None:
    """Make the data folder (mode 0700). Raises Faulty where it cannot be written."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise Faulty([Fault(str(folder), "", f"cannot be written: {error.strerror}", "name another folder with --data")]) from None


@dataclass(frozen=True, slots=True, eq=False)
class House:
    """The parts of a running installation, wired."""

    folder: Path
    engine: Engine
    keys: Keys
    store: EventStore
    catalog: Catalog
    accounts: Accounts
    taking: Taking
    waves: Waves
    beats: Heartbeats
    monitor: Monitor
    works: Works
    searches: Searches
    trials: Trials
    preflights: Preflights

    def newest_bank(self) -> Bank:
        """The newest published version of the bank. Raises LookupError where there is none."""
        with SqlSession(self.engine) as sql:
            return load_bank(sql)

    def close(self) -> None:
        """End works, commit what waits and let go of the database."""
        self.works.close()
        self.store.close()
        self.engine.dispose()


def open_house(folder: Path, url: str | None = None) -> House:
    """Open (and bring up to date) the installation in `folder`; its database is `url`, else DATABASE_URL, else a file in the folder."""
    prepare(folder)
    engine = open_engine(url or os.environ.get("DATABASE_URL") or data_url(folder))
    upgrade(engine, [MIGRATIONS])
    keys = load_keys(folder)
    store, catalog = EventStore(engine), Catalog(engine)
    beats, waves = Heartbeats(engine), Waves(engine, store, catalog, keys)
    return House(
        folder,
        engine,
        keys,
        store,
        catalog,
        Accounts(engine, keys.pepper),
        Taking(engine, store, catalog, keys.pepper),
        waves,
        beats,
        Monitor(engine, store, catalog, beats),
        *aside_of(engine, waves),
    )


class Aside(NamedTuple):
    """What is computed aside of the server, by its fields in House."""

    works: Works
    searches: Searches
    trials: Trials
    preflights: Preflights


def aside_of(engine: Engine, waves: Waves, run: Run = apart) -> Aside:
    """These parts, wired; `run` is how a task is computed."""
    works = Works(engine, run)
    searches = Searches(engine, works)
    trials = Trials(engine, searches.control)
    preflights = Preflights(waves, works, searches)
    works.learn(TRIAL, trials)
    works.learn(PREFLIGHT, preflights)
    return Aside(works, searches, trials, preflights)


@contextmanager
def housed(folder: Path, url: str | None = None) -> Iterator[House]:
    """The same for a while: closed at the end, and what the database fails in is a fault (itembank.db.failures_named)."""
    with failures_named():
        house = open_house(folder, url)
        try:
            yield house
        finally:
            house.close()
