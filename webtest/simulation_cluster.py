"""Simulations on several processes of this machine, or on a Dask cluster: blocks of people as tasks, the same numbers as in one process."""

import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager, nullcontext
from functools import lru_cache
from itertools import islice
from multiprocessing import get_context
from typing import Any

from cat_engine import Fault, Faulty
from cat_engine.people import People
from cat_engine.simulate import Mapper, Trial, in_turn, run_block
from cat_engine.simulated import Block
from webtest.cluster import connected, told_apart

TASK = 8  # blocks in one task: some tenths of a second, against some milliseconds that a task costs
AHEAD = 3  # tasks in flight for each thread of the cluster: enough to keep it busy, few enough not to fill memory here


def run_blocks(trial: Trial, parts: Sequence[People]) -> list[Block]:
    """A task: some blocks, where a worker has the trial already."""
    return [run_block(trial, part) for part in parts]


@contextmanager
def spread(workers: int, scheduler: str | None) -> Iterator[Mapper]:
    """Where blocks are run: on a cluster if there is a scheduler, else in so many processes, else (1) in this one. Raises Faulty."""
    with cluster(scheduler) if scheduler is not None else processes(workers) if workers > 1 else nullcontext(in_turn) as mapper:
        yield mapper


@contextmanager
def processes(workers: int) -> Iterator[Mapper]:
    """A mapper over new processes, each of which makes the tables of the pool once."""

    def mapper(trial: Trial, parts: Iterable[People]) -> Iterator[Block]:
        text = pickle.dumps(trial)
        return _in_order(lambda task: pool.submit(_run_pickled, text, task), AHEAD * workers, parts)

    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        try:
            yield mapper
        except BrokenProcessPool as error:
            raise Faulty([Fault("--workers", str(workers), "one of the processes was killed", "fewer, if memory was short")]) from error


def _run_pickled(trial: bytes, parts: Sequence[People]) -> list[Block]:
    return run_blocks(_loaded(trial), parts)


@lru_cache(maxsize=1)
def _loaded(trial: bytes) -> Trial:
    found: Trial = pickle.loads(trial)  # noqa: S301 - our own, from the process that started this one
    return found


@contextmanager
def cluster(scheduler: str) -> Iterator[Mapper]:
    """A mapper over the workers of a Dask cluster. Raises Faulty where there is none, or it is lost."""
    with connected(scheduler) as client:

        def mapper(trial: Trial, parts: Iterable[People]) -> Iterator[Block]:
            there = client.scatter(trial, broadcast=True, hash=False)
            most = AHEAD * sum(client.nthreads().values())
            return _in_order(lambda task: client.submit(run_blocks, there, task, pure=False), most, parts)

        with told_apart():
            yield mapper


def _in_order(submit: Callable[[tuple[People, ...]], Any], most: int, parts: Iterable[People]) -> Iterator[Block]:
    """Blocks in the order of their people, whichever is done first; `most` tasks in flight."""
    left = iter(parts)
    running: deque[Any] = deque()
    while True:
        while len(running) < most and (task := tuple(islice(left, TASK))):
            running.append(submit(task))
        if not running:
            return
        yield from running.popleft().result()
