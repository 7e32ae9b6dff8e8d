"""Simulations on a Dask cluster: blocks of people as tasks, the same numbers as in one process."""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any

from cat_engine import Fault, Faulty
from cat_engine.simulate import Block, Mapper, People, Trial, run_block

TASK = 8  # blocks in one task: some tenths of a second, against some milliseconds that a task costs
AHEAD = 3  # tasks in flight for each thread of the cluster: enough to keep it busy, few enough not to fill memory here
PATIENCE_S = 20


def run_blocks(trial: Trial, parts: Sequence[People]) -> list[Block]:
    """A task: some blocks, where a worker has the trial already."""
    return [run_block(trial, part) for part in parts]


@contextmanager
def cluster(address: str) -> Iterator[Mapper]:
    """A mapper over the workers of the scheduler at `address`. Raises Faulty where the package, the scheduler or its workers are missing."""
    try:
        from distributed import Client
    except ImportError as error:
        remedy = "install the extra 'cluster': pip install 'cact[cluster]'"
        raise Faulty([Fault("--scheduler", address, "needs the package 'distributed'", remedy)]) from error
    try:
        client = Client(address, timeout=PATIENCE_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Faulty(
            [Fault("--scheduler", address, "no scheduler answers there", "tcp://host:8786, as 'dask scheduler' prints it")]
        ) from error
    with client:
        if not client.nthreads():
            raise Faulty([Fault("--scheduler", address, "the cluster has no workers", f"start some: dask worker {address}")])
        yield lambda trial, parts: _in_order(client, trial, parts)


def _in_order(client: Any, trial: Trial, parts: Iterable[People]) -> Iterator[Block]:
    """Blocks in the order of their people, whichever is done first."""
    there = client.scatter(trial, broadcast=True, hash=False)
    most = AHEAD * sum(client.nthreads().values())
    left = iter(parts)
    running: deque[Any] = deque()
    while True:
        while len(running) < most and (task := tuple(islice(left, TASK))):
            running.append(client.submit(run_blocks, there, task, pure=False))
        if not running:
            return
        yield from running.popleft().result()
