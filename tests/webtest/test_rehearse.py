"""The dress rehearsal: a small wave over HTTP on each database, with a server that is killed; what counts as lost or doubled; wrong options."""

import json
import random
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from tests.conftest import DATABASES
from webtest.cli import main
from webtest.founding import invented_roster
from webtest.rehearsal.people import Taker
from webtest.rehearsal.report import answers_in, lost_and_doubled

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


def answer(nip: str, item_id: str, choice: int, presented_seq: int) -> dict[str, object]:
    return {"kind": "answered", "nip": nip, "payload": {"item_id": item_id, "choice": choice, "presented_seq": presented_seq}}


@pytest.mark.parametrize(
    ("logged", "lost", "doubled"),
    [
        ([("A", 1, 5), ("B", 2, 7)], 0, 0),
        ([("A", 1, 5), ("B", 2, 7), ("C", 0, 9)], 0, 0),  # the last one was written, and its acknowledgement did not arrive
        ([("A", 1, 5)], 1, 0),
        ([("A", 1, 5), ("B", 3, 7)], 1, 0),  # another choice than the one that was acknowledged
        ([("A", 1, 5), ("B", 2, 7), ("B", 2, 9)], 0, 1),
        ([("A", 1, 5), ("B", 2, 5)], 0, 1),
        ([], 2, 0),
    ],
)
def test_what_is_lost_and_what_is_doubled_is_counted_from_the_log(logged: list[tuple[str, int, int]], lost: int, doubled: int) -> None:
    one, other = (Taker(row, {}, 1.0, random.Random(0)) for row in invented_roster(2))
    one.acknowledged, other.acknowledged = [("A", 1), ("B", 2)], [("A", 0)]
    log = [answer(one.row.nip, *each) for each in logged] + [{"kind": "presented"}, answer(other.row.nip, "A", 0, 5)]
    assert lost_and_doubled([one, other], answers_in(log)) == (lost, doubled)


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
