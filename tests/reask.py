"""The same items and thetas on another Python, numpy, scipy or processor: sessions are sat under one and asked again under another.

    python -m tests.reask make DIR [--plans 50] [--people 4]    sits mixed sessions on an installation in DIR
    python -m tests.reask check DIR                             audits and simulates them; exit code 1 where anything differs

The plans are those of tests/webtest/mixed.py: 19 or more in a row hold every strategy. The audit asks for each item again (theta, SE and information to 1e-9, and
here also how far from the last bit); the simulator gives the same people the same tests from their seeds and the table of their answers.
"""

import argparse
import json
import platform
import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import scipy

from tests.conftest import Place, found
from tests.webtest.conftest import T0, Room
from tests.webtest.mixed import RT_S, Sat, differences, hurry, sit_all
from tests.webtest.mixedbank import publish_mixed_bank
from webtest import replay
from webtest.audit import audit_wave
from webtest.config import House

MORE = 3  # items a competency than the shortest test


@dataclass
class Compared:
    """What was asked again, what differed, and how far the numbers that agree to 1e-9 are apart."""

    sessions: int = 0
    decisions: int = 0
    differences: list[str] = field(default_factory=list)
    numbers: int = 0
    inexact: int = 0
    largest: float = 0.0

    def differ(self, found: float, logged: float) -> bool:
        """The audit's own comparison of a theta, an SE or an information with the log, remembered."""
        apart = abs(found - logged)
        self.numbers, self.inexact, self.largest = self.numbers + 1, self.inexact + (found != logged), max(self.largest, apart)
        return not apart <= replay.TOLERANCE

    def lines(self) -> list[str]:
        """For people."""
        return [
            f"{self.sessions} sessions, {self.decisions} decisions asked again: {len(self.differences)} differences",
            f"{self.inexact} of {self.numbers} thetas, SEs and informations differ in their last bits, the largest difference is {self.largest:.2g}",
        ]


def versions() -> str:
    """What computes here; the widest instructions decide how numpy sums."""
    simd = np.show_config(mode="dicts")["SIMD Extensions"]
    widest = [*simd["baseline"], *simd.get("found", [])][-1]
    return f"Python {platform.python_version()}, numpy {np.__version__}, scipy {scipy.__version__}, {platform.machine()} with {widest}"


def place(folder: Path) -> Place:
    """The installation in `folder`."""
    return Place(folder / "cact-data", f"sqlite:///{folder.resolve()}/cact-data/cact.db")


def make(folder: Path, plans: int, people: int) -> None:
    """Found an installation in a folder that is not there yet; a wave a plan, and the table of its answers beside it."""
    folder.mkdir(parents=True)
    (folder / "made-by.json").write_text(json.dumps(versions()) + "\n")
    found(place(folder))
    house = place(folder).open()
    publish_mixed_bank(house)
    with pytest.MonkeyPatch.context() as patch:
        hurry(patch)
        for sat in sit_all(house, plans, people, MORE):
            np.save(folder / f"{sat.room.wave}.npy", sat.answers)
            print(f"{house.catalog.kit(sat.room.wave).plan.name}: {sum(len(s.engine.items) for s in sat.sessions)} items", flush=True)
    house.close()


def check(folder: Path) -> Compared:
    """Ask for every wave of the folder again whose sitting came to its end. Writes nothing."""
    house, out = place(folder).open(), Compared()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "_differ", out.differ)
        for table in sorted(folder.glob("*.npy")):
            before = len(out.differences)
            _check_wave(house, table.stem, np.load(table), out)
            print(f"{house.catalog.kit(table.stem).plan.name}: {len(out.differences) - before} differences", flush=True)
    house.close()
    return out


def _check_wave(house: House, wave: str, answers: np.ndarray, out: Compared) -> None:
    report = audit_wave(house.engine, house.store, wave, house.keys)
    out.decisions += report.decisions
    out.differences += [f"{wave} {finding.stream} {finding.seq}: {finding.what}" for finding in report.findings]
    attempts = [line.attempt for line in house.monitor.board(wave, T0, fresh=True).lines]
    sessions, (people, items) = tuple(house.store.load(attempt) for attempt in attempts), answers.shape
    sat = Sat(Room(house, wave), sessions, answers, np.full(items, float(RT_S)), np.ones(people))
    out.sessions += len(sat.sessions)
    out.differences += differences(house, sat)


def main(arguments: list[str]) -> int:
    """The command line."""
    parser = argparse.ArgumentParser("python -m tests.reask", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    making = commands.add_parser("make")
    making.add_argument("folder", type=Path)
    making.add_argument("--plans", type=int, default=50)
    making.add_argument("--people", type=int, default=4)
    commands.add_parser("check").add_argument("folder", type=Path)
    said = parser.parse_args(arguments)
    if said.command == "make":
        make(said.folder, said.plans, said.people)
        return 0
    compared = check(said.folder)
    made_by = json.loads((said.folder / "made-by.json").read_text())
    print(*compared.differences, f"made by {made_by}", f"asked again by {versions()}", *compared.lines(), sep="\n")
    return 1 if compared.differences else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
