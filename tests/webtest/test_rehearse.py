"""The dress rehearsal: a small wave over HTTP on each database, with a server that is killed; and what it says to wrong options."""

import json
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from tests.conftest import DATABASES
from webtest.cli import main

KEYS = {
    "n",
    "finished",
    "failed",
    "answers",
    "lost",
    "doubled",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "answers_per_s",
    "mean_length",
    "rmse",
    "seconds",
}


@pytest.mark.parametrize("database", DATABASES)
def test_nothing_is_lost_or_doubled_when_the_server_is_killed_mid_test(
    database: str, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = request.getfixturevalue("postgres") if database == "postgres" else ""
    monkeypatch.setenv("DATABASE_URL", url)
    told = tmp_path / "figures.json"
    result = CliRunner().invoke(main, ["rehearse", "--n", "6", "--think", "0.05", "--kill", "2", "--seed", "3", "--json", str(told)])
    assert result.exit_code == 0, result.output
    figures = json.loads(told.read_text())
    assert figures.keys() >= KEYS
    assert (figures["n"], figures["finished"], figures["failed"], figures["lost"], figures["doubled"]) == (6, 6, 0, 0, 0)
    assert figures["kills"] == 2
    assert figures["answers"] == round(figures["mean_length"] * 6) > 6 * 40
    assert 0 < figures["rmse"] < 1
    if url:
        with psycopg.connect(url) as connection:
            left = connection.execute("SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'cact_rehearsal%'").fetchone()
        assert left == (0,)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--n", "0"], "--n"),
        (["--think", "-1"], "--think"),
        (["--kill", "1", "--url", "http://127.0.0.1:9"], "--kill"),
        (["--workers", "2"], "--workers"),
        (["--url", "http://127.0.0.1:9", "--coordinator", "nobody"], "--coordinator"),
        (["--json", "/nowhere/figures.json"], "--json"),
    ],
)
def test_a_wrong_option_is_named_and_nothing_is_started(options: list[str], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    result = CliRunner().invoke(main, ["rehearse", *options])
    assert result.exit_code == 2
    assert named in result.output
