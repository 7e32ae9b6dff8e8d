"""Dask clusters: how one is reached and lost, and calibration on one.

The parts of a design are spread over the workers, and what is made of them is added up there in pairs. Everything else is calibration's own code: a
cluster is one more place where parts are held (calibration.expectation.Held).
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from calibration.expectation import Here, Hold, Part, Sums, added, in_pairs
from cat_engine import Fault, Faulty

TIMEOUT_S = 10
ADDRESS = "the address of a Dask scheduler, as tcp://host:8786"


@dataclass(frozen=True, slots=True, eq=False)
class OnCluster:
    """Parts that lie on workers: futures of them, and the client that holds them."""

    client: Any
    parts: Sequence[Any]

    def total(self, work: Callable[..., Sums], *shared: Any) -> Sums:
        """As calibration.expectation.Held says. Raises Faulty where the cluster is lost."""
        common = self.client.scatter(shared, broadcast=True, hash=False)
        made = [self.client.submit(_worked, work, part, common, pure=False) for part in self.parts]
        with told_apart():
            return tuple(in_pairs(made, lambda one, other: self.client.submit(added, one, other, pure=False)).result())


@contextmanager
def connected(scheduler: str) -> Iterator[Any]:
    """A client of the cluster of a scheduler. Raises Faulty where there is no such package, scheduler or worker."""
    try:
        from distributed import Client
    except ImportError:
        remedy = "pip install 'cact[cluster]', or leave --scheduler out"
        raise Faulty([Fault("--scheduler", "", "needs the package distributed, which is not here", remedy)]) from None
    try:
        asyncio.run(_knock(scheduler))  # a client that finds nobody keeps trying behind our back
        client = Client(scheduler, timeout=TIMEOUT_S, set_as_default=False)
    except (OSError, ValueError) as error:
        raise Faulty([Fault("--scheduler", scheduler, f"cannot be reached: {str(error).splitlines()[0]}", ADDRESS)]) from None
    with client:
        if not client.scheduler_info(n_workers=-1)["workers"]:
            raise Faulty([Fault("--scheduler", scheduler, "has no workers", "start some with 'dask worker'")])
        yield client


@contextmanager
def holder(scheduler: str | None) -> Iterator[Hold]:
    """Where a calibration holds its parts: in this process, or on the cluster of a scheduler. Raises Faulty where there is none."""
    if scheduler is None:
        yield Here
        return
    with connected(scheduler) as client:

        def hold(parts: Sequence[Part]) -> OnCluster:
            with told_apart():
                return OnCluster(client, client.scatter(list(parts), hash=False))

        yield hold


async def _knock(scheduler: str) -> None:
    from distributed.core import connect

    comm = await connect(scheduler, timeout=TIMEOUT_S)
    await comm.close()


def _worked(work: Callable[..., Sums], part: Part, shared: tuple[Any, ...]) -> Sums:
    return work(part, *shared)


@contextmanager
def told_apart() -> Iterator[None]:
    """A lost cluster is the cluster's fault; what a worker itself found wrong is raised as it is."""
    from distributed import KilledWorker
    from distributed.client import FutureCancelledError
    from distributed.comm.core import CommClosedError

    try:
        yield
    except (KilledWorker, FutureCancelledError, CommClosedError, TimeoutError) as error:
        raise Faulty(
            [Fault("--scheduler", "", f"the cluster was lost: {str(error).splitlines()[0]}", "see its workers' logs; is cact there?")]
        ) from None
