"""A task for tests of works. It stands by itself because the process that computes it loads this module, and need not load those of the tests."""

from dataclasses import dataclass

from cat_engine import Fault, Faulty
from webtest.tasks import Outcome, Watch


@dataclass(frozen=True)
class Counting:
    """A task that counts as far as it is told to; a number below 0 is none that it can reach."""

    n: int

    def run(self, watch: Watch | None = None) -> Outcome:
        if self.n < 0:
            raise Faulty([Fault("n", "", "is below 0")])
        for k in range(1, self.n + 1):
            if watch is not None:
                watch(k, self.n)
        return {"n": self.n}
