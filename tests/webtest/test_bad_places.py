"""Databases and words that a command cannot use: said in one line, with nothing of a password in it."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import create_engine, make_url, text

from tests.conftest import Place, admin, copy_of, drop
from webtest.cli import main
from webtest.config import open_house


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A data folder with keys and a database without a bank."""
    folder = tmp_path / "data"
    open_house(folder, f"sqlite:///{folder}/cact.db").close()
    return folder


def refused(data: Path, *words: str, url: str | None = None) -> str:
    """What a command says that must be refused."""
    result = CliRunner().invoke(main, [*words, "--data", str(data)], env={"DATABASE_URL": url or f"sqlite:///{data}/cact.db"})
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 2, result.output
    return result.stderr


@pytest.mark.parametrize(
    "url", ["nonsense", "mysql://a:hidden@b/c", "postgresql://x:hid@den:h@host:port/z", "postgresql://x:hidden@host:port/z"]
)
def test_an_address_that_is_none_is_refused_without_its_password(data: Path, url: str) -> None:
    said = refused(data, "bank", "list", url=url)
    assert "DATABASE_URL: is not the address of a database" in said
    assert not any(part in said for part in ("hidden", "den:", "den@"))


def test_a_database_of_a_newer_version_is_named(data: Path) -> None:
    with create_engine(f"sqlite:///{data}/cact.db").begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = 'w999' WHERE version_num LIKE 'w%'"))
    assert "database: was made by another version of CACT" in refused(data, "bank", "list")


@pytest.mark.parametrize(
    "words", [("user", "add", "x", "--role", "admin", "--name", "a\udcff"), ("audit", "\udcff"), ("bank", "export", "-o", "x\udcff.csv")]
)
def test_words_that_are_no_utf_8_are_named_by_their_option(data: Path, words: tuple[str, ...]) -> None:
    assert "is not UTF-8 text" in refused(data, *words)


@pytest.mark.postgres
def test_a_postgresql_that_only_reads_is_named_where_a_command_writes(data: Path, founded_postgres: Place, tmp_path: Path) -> None:
    place = copy_of(founded_postgres, tmp_path / "cact-data")
    name = make_url(place.url).database or ""
    admin(place.url, "ALTER DATABASE {} SET default_transaction_read_only = on", name)
    read = CliRunner().invoke(main, ["bank", "list", "--data", str(data)], env={"DATABASE_URL": place.url})
    assert read.exit_code == 0, read.output
    said = refused(data, "user", "add", "x", "--role", "admin", "--name", "X", url=place.url)
    assert "database: cannot be used: cannot execute" in said
    assert "in a read-only transaction" in said
    drop(place)
