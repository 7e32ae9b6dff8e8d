"""The command `cact` as a user runs it: in its own data folder, with what it printed and its exit code."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from tests.conftest import Place
from webtest.cli import main
from webtest.config import House
from webtest.events import Kind

ROSTER = """NIP;Nama Lengkap;Jenjang Jabatan;Unit Kerja;Ruangan
198001012005011001;Budi Santoso;pelaksana;Dinas A;Ruang 1
198001012005012002;Sari [Dewi];Pengawas;Dinas A;Ruang 1
198001012005011003;=Tono;JPT Pratama;Dinas B;Ruang 2
"""
PLAN = """name = "Singkat"
[[sections]]
code = "k"
competencies = ["M.01", "P.01"]
min_items = 1
max_items = 2
time_budget_min = 10
"""


class Shell:
    """Runs commands; `folder` is where their files lie, next to the data folder."""

    def __init__(self, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
        self.place, self.folder = place, place.folder.parent
        monkeypatch.setenv("CACT_DATA", str(place.folder))
        monkeypatch.setenv("DATABASE_URL", place.url)
        monkeypatch.delenv("CACT_PASSWORD", raising=False)

    def run(self, *words: str | Path) -> Result:
        """Whatever comes of it, short of a traceback."""
        result = CliRunner().invoke(main, [str(word) for word in words])
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    def ok(self, *words: str | Path) -> str:
        """What a command prints that must succeed."""
        result = self.run(*words)
        assert result.exit_code == 0, result.output
        return result.stdout

    def facts(self, *words: str | Path) -> Any:
        """What a command that must succeed says to a program."""
        return json.loads(self.ok(*words, "--json"))

    def refused(self, *words: str | Path) -> str:
        """What a command says on standard error that must be refused with exit code 2."""
        result = self.run(*words)
        assert result.exit_code == 2, result.output
        assert result.stderr.strip()
        return result.stderr

    def file(self, name: str, content: str | bytes) -> Path:
        """A file beside the data folder."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def names(self) -> set[str]:
        """The files beside the data folder."""
        return {path.name for path in self.folder.iterdir()} - {self.place.folder.name}

    def wave(self) -> str:
        """A wave of three people with the short plan."""
        roster, plan = self.file("roster.csv", ROSTER), self.file("plan.toml", PLAN)
        where = ("--name", "Uji", "--agency", "Kota", "--place", "Aula", "--day", "2026-12-01", "--seed", "5")
        made = self.facts("wave", "create", "--roster", roster, "--plan", plan, *where)
        return str(made["wave"])


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def sit(house: House, wave_id: str, *, answers: int = 99, people: int = 1) -> None:
    """The first `people` of an open wave take the test through the services, always choosing the first option."""
    actor, ids = "user:1", [line.attempt for line in house.monitor.board(wave_id, now_ms(), fresh=True).lines][:people]
    cards = house.waves.issue_pins(wave_id, ids, actor=actor, now=now_ms())
    for card in cards:
        attempt, _ = house.taking.login(card.nip, card.pin, card.nip, now_ms())
        for kind in (Kind.IDENTITY_CONFIRMED, Kind.RULES_ACCEPTED, Kind.PRACTISED):
            house.taking.step(attempt, wave_id, card.nip, kind, now_ms())
    house.waves.start(wave_id, ids, actor=actor, now=now_ms())
    for card, attempt in zip(cards, ids, strict=True):
        screen = house.taking.begin(attempt, wave_id, card.nip, now_ms())
        for n in range(answers):
            if screen.content is None:
                break
            screen = house.taking.answer(attempt, wave_id, card.nip, screen.seq, 0, 10, f"k{n}", now_ms())
