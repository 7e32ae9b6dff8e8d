"""The database's file changed below the database: one bit, one byte, one page."""

import json
import random
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import copy_of
from tests.webtest.conftest import HOUR, T0, MakeRoom, MakeScene, finished_room
from webtest.audit import audit_wave
from webtest.cli import main
from webtest.config import open_house


@pytest.fixture
def sealed_file(scene: MakeScene, tmp_path: Path) -> tuple[Path, str, str]:
    """A closed wave in a file that no process holds open: (data folder, wave, first attempt)."""
    sat = scene("sqlite", finished_room)
    return copy_of(sat.place, tmp_path / "cact-data").folder, sat.wave, sat.takers[0].attempt


def run_audit(folder: Path, wave: str) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(main, ["audit", wave, "--data", str(folder), "--json"], catch_exceptions=False)
    return done.exit_code, json.loads(done.output)


def flip(folder: Path, at: int) -> None:
    """Change one bit of the file, below the database."""
    path = folder / "cact.db"
    content = bytearray(path.read_bytes())
    content[at] ^= 0x01
    path.write_bytes(content)


def test_the_command_says_that_an_untouched_file_is_sound(sealed_file: tuple[Path, str, str]) -> None:
    folder, wave, _ = sealed_file
    code, report = run_audit(folder, wave)
    assert (code, report["findings"]) == (0, [])


@pytest.mark.parametrize("what", ["choice", "rt_ms", "item_id", "hash", "kind"])
def test_one_byte_changed_in_the_file_is_named_with_its_place(sealed_file: tuple[Path, str, str], what: str) -> None:
    folder, wave, attempt = sealed_file
    with closing(sqlite3.connect(folder / "cact.db")) as sql:
        seq, payload, head = sql.execute(
            "SELECT seq, payload, hash FROM session_event WHERE attempt = ? AND kind = 'answered' ORDER BY seq LIMIT 1 OFFSET 1", (attempt,)
        ).fetchone()
    content = (folder / "cact.db").read_bytes()
    row = content.index(payload.encode())
    if what == "hash":
        at = content.index(head.encode(), row)
    elif what == "kind":
        at = content.rindex(b"answered", 0, row)
    else:
        at = content.index(f'"{what}":'.encode(), row) + len(what) + 3 + (what == "item_id")
    flip(folder, at)
    code, report = run_audit(folder, wave)
    assert code == 1
    first = report["findings"][0]  # type: ignore[index]
    assert (first["stream"], first["seq"]) == (attempt, seq)


def test_a_byte_that_is_no_text_any_more_is_named_too(sealed_file: tuple[Path, str, str]) -> None:
    folder, wave, _ = sealed_file
    path = folder / "cact.db"
    content = bytearray(path.read_bytes())
    at = content.index(b'"client_ms":')
    content[at] = 0xFF
    path.write_bytes(content)
    code, report = run_audit(folder, wave)
    assert code == 1
    assert "does not match its hash" in str(report["findings"])


def test_any_byte_of_the_log_that_is_changed_is_found(sealed_file: tuple[Path, str, str]) -> None:
    """Bytes drawn at random from the rows of the log: payloads, hashes, kinds, streams."""
    folder, wave, _ = sealed_file
    whole = (folder / "cact.db").read_bytes()
    with closing(sqlite3.connect(folder / "cact.db")) as sql:
        texts = [t for row in sql.execute("SELECT attempt || wave || kind, payload || prev_hash || hash FROM session_event") for t in row]
    rng = random.Random(3)
    for part in rng.sample(texts, 25):
        place = whole.find(part.encode())
        if place < 0:  # the columns between them are numbers
            continue
        at = place + rng.randrange(len(part.encode()))
        flip(folder, at)
        code, report = run_audit(folder, wave)
        assert code == 1, (at, whole[at - 5 : at + 5])
        assert report["findings"]
        (folder / "cact.db").write_bytes(whole)


def test_a_damaged_page_is_a_finding_not_a_crash(light: MakeRoom) -> None:
    """Damage that SQLite itself sees, in the index of the log."""
    room = light(1)
    room.close(T0 + HOUR)
    folder, wave = room.house.folder, room.wave
    room.house.close()
    with closing(sqlite3.connect(folder / "cact.db")) as sql:
        root = sql.execute("SELECT rootpage FROM sqlite_master WHERE name = 'ix_session_event_wave'").fetchone()[0]
        size = sql.execute("PRAGMA page_size").fetchone()[0]
    path = folder / "cact.db"
    content = bytearray(path.read_bytes())
    content[(root - 1) * size + 3 : (root - 1) * size + 5] = b"\x00\x01"  # the number of cells in the page
    path.write_bytes(content)
    house = open_house(folder, f"sqlite:///{path}")
    try:
        report = audit_wave(house.engine, house.store, wave, house.keys)
    finally:
        house.close()
    assert any(f.stream == "database" for f in report.findings)
