"""A database of before is brought up to date without losing what it held."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from itembank.db import HERE, open_engine, upgrade
from tests.conftest import admin, sibling
from webtest.config import MIGRATIONS


def migrated(url: str) -> None:
    """A database as it was when a calibration had one report, with a run in it."""
    engine = open_engine(url)
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.set_main_option("path_separator", "os")
    config.set_main_option("version_locations", f"{HERE / 'versions'}:{MIGRATIONS}")
    with engine.execution_options(write=True).begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "w004")
        connection.exec_driver_sql(
            "INSERT INTO bank_version (version, digest, status, competencies, note, created_by, created_at) VALUES (1, 'd', 'draft', '[]', '', 'x', 1)"
        )
        connection.exec_driver_sql(
            "INSERT INTO calibration_run (id, at, actor, waves, base_version, summary, report) VALUES (7, 1, 'x', '[]', 1, '{}', '<p>lama</p>')"
        )
    upgrade(engine, [MIGRATIONS])
    with engine.begin() as connection:
        assert connection.exec_driver_sql("SELECT run_id, language, html FROM calibration_report").all() == [(7, "id", "<p>lama</p>")]
        assert connection.exec_driver_sql("SELECT id, estimates FROM calibration_run").all() == [(7, "[]")]
    engine.dispose()


def test_the_report_of_a_calibration_so_far_is_its_indonesian_one(tmp_path: Path) -> None:
    migrated(f"sqlite:///{tmp_path}/cact.db")


@pytest.mark.postgres
def test_so_it_is_in_postgresql(postgres: str) -> None:
    admin(postgres, "CREATE DATABASE {}", "before_languages")
    migrated(sibling(postgres, "before_languages"))
    admin(postgres, "DROP DATABASE {} WITH (FORCE)", "before_languages")
