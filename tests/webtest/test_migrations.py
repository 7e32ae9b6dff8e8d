"""A database of before is brought up to date without losing what it held."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

from itembank.db import HERE, open_engine, upgrade
from tests.conftest import admin, sibling
from webtest.config import MIGRATIONS

VERSION = "INSERT INTO bank_version (version, parent, digest, status, competencies, note, created_by, created_at) VALUES "


def one_report(connection: Connection) -> None:
    connection.exec_driver_sql(f"{VERSION} (1, NULL, 'd', 'draft', '[]', '', 'x', 1)")
    connection.exec_driver_sql(
        "INSERT INTO calibration_run (id, at, actor, waves, base_version, summary, report) VALUES (7, 1, 'x', '[]', 1, '{}', '<p>lama</p>')"
    )


def is_indonesian(connection: Connection) -> None:
    assert connection.exec_driver_sql("SELECT run_id, language, html FROM calibration_report").all() == [(7, "id", "<p>lama</p>")]
    assert connection.exec_driver_sql("SELECT id, estimates FROM calibration_run").all() == [(7, "[]")]


def replaced_drafts(connection: Connection) -> None:
    """A run at 10 that made version 2, a decision at 20 that made version 3, one at 30 that made version 4, and an import at 40."""
    versions = ", ".join(f"({v}, {parent}, 'd{v}', 'draft', '[]', '', 'x', {at})" for v, parent, at in DRAFTS)
    connection.exec_driver_sql(VERSION + versions)
    connection.exec_driver_sql(
        "INSERT INTO calibration_run (id, at, actor, waves, base_version, summary, draft_version) VALUES (7, 10, 'x', '[]', 1, '{}', 4)"
    )
    connection.exec_driver_sql(
        "INSERT INTO calibration_decision (run_id, n, at, actor, item_id, decision, reason) "
        "VALUES (7, 1, 20, 'x', 'A', 'hold', 'r'), (7, 2, 20, 'x', 'B', 'hold', 'r'), (7, 3, 30, 'x', 'A', 'keep', 'r')"
    )


DRAFTS = ((1, "NULL", 1), (2, 1, 10), (3, 1, 20), (4, 1, 30), (5, 1, 40))


def are_known(connection: Connection) -> None:
    found = connection.exec_driver_sql("SELECT run_id, version FROM calibration_draft ORDER BY version").all()
    assert found == [(7, 2), (7, 3), (7, 4)]


def a_search(connection: Connection) -> None:
    connection.exec_driver_sql(
        "INSERT INTO control_search (digest, state, done, total, runner, started_at, beat_at, outcome, outcome_digest) "
        "VALUES ('d', 'finished', 6, 6, 'r', 5, 9, '{}', 'o')"
    )


def is_a_work(connection: Connection) -> None:
    found = connection.exec_driver_sql("SELECT kind, subject, state, asked_at, done, beat_at, outcome, outcome_digest FROM work").all()
    assert found == [("control", "d", "finished", 5, 6, 9, "{}", "o")]


def a_void_attempt(connection: Connection) -> None:
    connection.exec_driver_sql(
        "INSERT INTO session_event (attempt, seq, wave, kind, at, actor, payload, prev_hash, hash) VALUES ('A', 0, 'W', 'voided', 1, 'x', '{}', '0', '1')"
    )


def is_in_the_index(connection: Connection) -> None:
    assert connection.exec_driver_sql("SELECT attempt FROM session_event WHERE wave = 'W' AND kind = 'voided'").all() == [("A",)]
    indexes = {index["name"]: index["column_names"] for index in inspect(connection).get_indexes("session_event")}
    assert indexes["ix_session_event_voided"] == ["wave", "attempt"]
    assert connection.exec_driver_sql("SELECT * FROM kept_answers").all() == []


CASES = {
    "w004": (one_report, is_indonesian),
    "w005": (replaced_drafts, are_known),
    "w007": (a_search, is_a_work),
    "w009": (a_void_attempt, is_in_the_index),
}


def migrated(url: str, revision: str, before: Callable[[Connection], None], after: Callable[[Connection], None]) -> None:
    """A database of a revision, filled by `before`, is looked at by `after` once it is up to date."""
    engine = open_engine(url)
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{HERE / 'versions'}:{MIGRATIONS}")
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)
        before(connection)
    upgrade(engine, [MIGRATIONS])
    with engine.begin() as connection:
        after(connection)
    engine.dispose()


@pytest.mark.parametrize("revision", CASES)
def test_what_a_database_of_before_held_is_there_in_its_new_form(tmp_path: Path, revision: str) -> None:
    migrated(f"sqlite:///{tmp_path}/cact.db", revision, *CASES[revision])


@pytest.mark.postgres
@pytest.mark.parametrize("revision", CASES)
def test_so_it_is_in_postgresql(postgres: str, revision: str) -> None:
    name = f"before_{revision}"
    admin(postgres, "CREATE DATABASE {}", name)
    migrated(sibling(postgres, name), revision, *CASES[revision])
    admin(postgres, "DROP DATABASE {} WITH (FORCE)", name)


OPEN = "import sys; from pathlib import Path; from itembank.db import open_engine, upgrade; upgrade(open_engine(sys.argv[1]), [Path(sys.argv[2])])"


@pytest.mark.postgres
def test_of_servers_that_start_at_once_on_one_postgresql_one_migrates_and_the_other_waits(postgres: str) -> None:
    admin(postgres, "CREATE DATABASE {}", "both")
    url = sibling(postgres, "both")
    servers = [subprocess.Popen([sys.executable, "-c", OPEN, url, str(MIGRATIONS)], stderr=subprocess.PIPE, text=True) for _ in range(3)]
    said = [server.communicate()[1] for server in servers]
    assert [server.returncode for server in servers] == [0] * 3, said
    admin(postgres, "DROP DATABASE {} WITH (FORCE)", "both")
