"""A simulation whose steps do not fit in memory: a million people through the command, with its time and the memory that it takes at most."""

import csv
import os
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
import psutil

from cat_engine import dump_plan
from tests.bench.bench_engine import LENGTH, plan_of, pool_of
from tests.bench.case import Case

PEOPLE = 1_000_000
WATCH_S = 0.25


@cache
def million(steps: str) -> tuple[float, float]:
    """Seconds and megabytes of `cact simulate` on a million people, 30 items, a bank of 500, a process a core: until all files are written, and
    the highest sum of the resident memory of its processes (shared pages count once a process).
    """
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
            sys.executable, "-m", "webtest", "simulate", "--bank", str(folder / "bank.csv"), "--plan", str(folder / "plan.toml"), "--n", str(PEOPLE),
            "--seed", "1", "--steps", steps, "--workers", str(os.cpu_count() or 1), "--out", str(folder / "out"),
        ]  # fmt: skip
        begun, most = time.perf_counter(), 0
        with subprocess.Popen(command, stdout=subprocess.DEVNULL) as running:
            while running.poll() is None:
                most = max(most, _resident(running.pid))
                time.sleep(WATCH_S)
        if running.returncode:
            raise subprocess.CalledProcessError(running.returncode, command)
        return time.perf_counter() - begun, most / 1e6


def _resident(pid: int) -> int:
    """Bytes of memory of a process and its children; 0 where it has just ended."""
    try:
        mother = psutil.Process(pid)
        return sum(process.memory_info().rss for process in (mother, *mother.children(recursive=True)))
    except psutil.NoSuchProcess:
        return 0


def cases() -> list[Case]:
    """All of them."""
    return [
        Case("simulate 1,000,000 x 30 items, files without steps", "s", lambda: [million("none")[0]], limit=90, aim=40),
        Case("the same, memory at most", "MB", lambda: [million("none")[1]], limit=1000),
        Case("simulate 1,000,000 x 30 items, steps as CSV (2 GB)", "s", lambda: [million("csv")[0]], limit=120),
        Case("the same, memory at most", "MB", lambda: [million("csv")[1]], limit=1000),
    ]
