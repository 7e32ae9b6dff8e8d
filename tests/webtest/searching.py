"""Works that say what a test tells them to, and plans that ask for a search for control parameters."""

import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from webtest.tasks import Task
from webtest.work_apart import Said

PLAN = """
name = "terkendali"
[eligibility]
name = "{rule}"
{options}
[[sections]]
code = "s"
competencies = ["M.01", "P.01"]
min_items = 3
max_items = 3
time_budget_min = 20
"""
CONTROLLED = PLAN.format(rule="sympson_hetter", options="r_max = 0.5")
OUT_OF_REACH = PLAN.format(rule="overlap", options="r_max = 0.3\nmax_overlap = 0.106")
CONTROL = [{"M01-01": 0.5, "P01-02": 0.25}]
FOUND: Said = {"outcome": {"control": CONTROL}}
FAILED: Said = {"faults": [{"where": "eligibility", "field": "r_max", "message": "0.3 is out of reach", "remedy": "0.4 or more"}]}
UNREACHED: Said = {
    "faults": [
        {
            "where": "eligibility",
            "field": "r_max",
            "message": "0.3 is out of reach: the highest exposure of an item in simulations was never below 0.4",
            "remedy": "0.4 or more, more items, or a shorter test",
        }
    ]
}


@dataclass
class Told:
    """Works that say what is put into `lines` (None: the process ends); `begun` counts them."""

    lines: "queue.Queue[Said | None]" = field(default_factory=queue.Queue)
    begun: int = 0
    every_s: float = 0.05
    listening: threading.Event = field(default_factory=threading.Event)

    def __call__(self, _task: Task) -> Iterator[Said]:
        self.begun += 1
        self.listening.set()
        while True:
            try:
                line = self.lines.get(timeout=self.every_s)
            except queue.Empty:
                line = {}
            if line is None:
                return
            yield line

    def say(self, *lines: Said | None) -> None:
        for line in lines:
            self.lines.put(line)


def until(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    """Wait until something holds that another thread brings about."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)
