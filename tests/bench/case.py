"""One thing to be timed, ours and the peers', in the same run."""

import statistics
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

Timer = Callable[[], list[float]]  # runs the work and gives its times, in the case's unit


@dataclass(frozen=True)
class Case:
    """A piece of work: `ours` gives times in `unit`, of which the median counts; `peers` do the same work by other packages, or raise ImportError."""

    name: str
    unit: str
    ours: Timer
    limit: float = 0.0
    aim: float = 0.0
    peers: dict[str, Timer] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The medians of a case."""

    module: str
    case: Case
    ours: float
    spread: tuple[float, float]
    peers: dict[str, float]

    @property
    def missed(self) -> bool:
        """Whether the limit was missed."""
        return bool(self.case.limit) and self.ours > self.case.limit

    def as_dict(self) -> dict[str, Any]:
        """For the JSON file."""
        return {
            "module": self.module, "case": self.case.name, "unit": self.case.unit, "median": self.ours, "quartiles": self.spread,
            "limit": self.case.limit, "aim": self.case.aim, "missed": self.missed, "peers": self.peers,
            "ratios": {name: value / self.ours for name, value in self.peers.items()},
        }  # fmt: skip


def run(module: str, case: Case) -> Result:
    """Time a case and those of its peers that are here."""
    times = sorted(case.ours())
    peers = {}
    for name, timer in case.peers.items():
        try:
            peers[name] = statistics.median(timer())
        except ImportError:
            continue
    low, high = times[len(times) // 4], times[(3 * len(times)) // 4]
    return Result(module, case, statistics.median(times), (low, high), peers)
