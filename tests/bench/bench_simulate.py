"""Simulations that do not fit in memory as steps: a million people through the command, with its time and the memory that it takes at most."""

import csv
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np

from cat_engine import dump_plan
from tests.bench.bench_engine import LENGTH, plan_of, pool_of
from tests.bench.case import Case

PEOPLE = 1_000_000
WATCHED = "import resource, subprocess, sys; code = subprocess.run(sys.argv[1:], check=False).returncode; print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(code)"


@cache
def million(steps: str) -> tuple[float, float]:
    """Seconds and megabytes (the highest resident set) of `cact simulate` on a million people, 30 items, a bank of 500, with its files."""
    pool = pool_of(500)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "bank.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("item_id", "competency", "model", "a", "b1", "c"))
            p = pool.params
            writer.writerows(zip(pool.ids, np.repeat("A", len(pool)), p.model, p.a.tolist(), p.b[:, 0].tolist(), p.c.tolist(), strict=True))
        (folder / "plan.toml").write_text(dump_plan(plan_of(LENGTH)))
        command = [
            sys.executable, "-c", WATCHED, sys.executable, "-m", "webtest", "simulate", "--bank", str(folder / "bank.csv"), "--plan", str(folder / "plan.toml"),
            "--n", str(PEOPLE), "--seed", "1", "--steps", steps, "--out", str(folder / "out"),
        ]  # fmt: skip
        begun = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return time.perf_counter() - begun, int(done.stdout.split()[-1]) / 1024


def cases() -> list[Case]:
    """All of them."""
    return [
        Case("simulate 1,000,000 x 30 items, files without steps", "s", lambda: [million("none")[0]], limit=90, aim=40),
        Case("the same, memory at most", "MB", lambda: [million("none")[1]], limit=1000),
        Case("simulate 1,000,000 x 30 items, steps as CSV (2 GB)", "s", lambda: [million("csv")[0]], limit=120),
        Case("the same, memory at most", "MB", lambda: [million("csv")[1]], limit=1000),
    ]
