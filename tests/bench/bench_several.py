"""Speed of correlated competencies: one live step, and ten thousand people sitting a whole test. `python -m tests.bench.bench_several`"""

from time import perf_counter

import numpy as np

from cat_engine import ItemParams
from cat_engine.likelihood import InformationTable, Likelihood
from cat_engine.several import CorrelatedPrior, JointBatch, d_gain
from cat_engine.simulate import draw_category
from tests.cat_engine.test_several import row, sit_together

SCALES, RHO, SE = 9, 0.6, 0.447
LIVE_ANSWERS = 50
PEOPLE = 10_000


def graded_bank(n: int, seed: int) -> ItemParams:
    """n graded and partial-credit items of 3 to 5 categories, on nine competencies in turn."""
    rng = np.random.default_rng(seed)
    return ItemParams.from_rows([row(rng, "grm" if i % 2 else "gpcm", i % SCALES) for i in range(n)])


def live_step(repeats: int = 200) -> float:
    """Seconds from an answer to the next item, the session rebuilt from its LIVE_ANSWERS answers: median."""
    params, prior = graded_bank(500, 1), CorrelatedPrior.standard(RHO + (1 - RHO) * np.eye(SCALES))
    likelihood, table, rng = Likelihood.of(params), InformationTable.of(params), np.random.default_rng(2)
    items = rng.permutation(500)[:LIVE_ANSWERS]
    true = rng.multivariate_normal(prior.mean, prior.cov)
    categories = draw_category(params, true[params.scale[items]], items, rng.random(LIVE_ANSWERS))
    free = np.ones((1, 500), dtype=bool)
    free[0, items] = False
    given, answered, took = items.tolist(), categories.tolist(), []
    for _ in range(repeats):
        begin = perf_counter()
        now = JointBatch.replay(likelihood, prior, given, answered).now
        np.argmax(np.where(free, d_gain(table.at(now.theta), now, params.scale), -np.inf), axis=1)
        took.append(perf_counter() - begin)
    return float(np.median(took))


def whole_tests(people: int = PEOPLE) -> tuple[float, float]:
    """Seconds for `people` to sit until every SE is at most SE, bank of 300; and their mean length."""
    params, prior = graded_bank(300, 3), CorrelatedPrior.standard(RHO + (1 - RHO) * np.eye(SCALES))
    true = np.random.default_rng(4).multivariate_normal(prior.mean, prior.cov, size=people)
    begin = perf_counter()
    sat = sit_together(params, prior, true, SE, seed=5)
    return perf_counter() - begin, float(sat.length.mean())


def run() -> list[tuple[str, float, str]]:
    """Rows (name, value, unit)."""
    seconds, length = whole_tests()
    return [
        (f"live step, nine competencies, bank 500 graded, {LIVE_ANSWERS} answers so far", live_step(), "s"),
        (f"{PEOPLE:,} people, nine competencies, bank 300 graded, every SE <= {SE}", seconds, "s"),
        ("their mean length", length, "items"),
    ]


if __name__ == "__main__":
    for name, value, unit in run():
        print(f"{name:80s} {value:12.6f} {unit}")
