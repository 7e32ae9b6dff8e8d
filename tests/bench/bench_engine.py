"""The engine: a live step, a simulation, a shadow test, several competencies; catsim beside it where it is installed."""

import time
from functools import partial

import numpy as np

from cat_engine import Answered, ItemParams, Pool, Present, Presented, Row, Section, TestPlan, ask, simulate, start, tell
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.content import ShadowTest
from cat_engine.eligibility import Fading
from cat_engine.joint import Joint
from cat_engine.select.expected import ExpectedVariance
from tests.bench.case import Case

LENGTH = 30
MS = 1e3


def pool_of(n: int, model: str = "3pl", scales: int = 1, seed: int = 1) -> Pool:
    """A bank of n items, a ~ lognormal(.2, .3), b ~ N(0, 1), c = .2."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        a, b = float(rng.lognormal(0.2, 0.3)), float(rng.normal())
        steps = [b - 1, b, b + 1] if model == "grm" else [b]
        rows.append(Row(model, a, steps, 0.2 if model == "3pl" else 0.0, scale=i % scales))
    return Pool.of(tuple(map(str, range(n))), ItemParams.from_rows(rows), tuple("ABCDEFGHI"[:scales]))


def plan_of(length: int = LENGTH, scales: int = 1, **options: object) -> TestPlan:
    """A plan of fixed length."""
    rows = options.pop("rows", ())
    return TestPlan("bench", (Section("s", "s", tuple("ABCDEFGHI"[:scales]), length, length, 60.0, (), rows),), **options)


def live(plan: TestPlan, pool: Pool, people: int = 12) -> list[float]:
    """Milliseconds of each ask and tell of whole live tests, after one to warm up."""
    times = []
    for person in range(people + 1):
        state, rng = start(person), np.random.default_rng(person)
        while True:
            begun = time.perf_counter()
            decision = ask(plan, pool, state)
            if not isinstance(decision, Present):
                break
            category = int(rng.integers(pool.params.n_cat[decision.item]))
            state = tell(tell(state, Presented(decision.item)), Answered(category, 1.0))
            if person:
                times.append((time.perf_counter() - begun) * MS)
    return times


def simulation(plan: TestPlan, pool: Pool, n: int, repeats: int = 3) -> list[float]:
    """Seconds to simulate n people."""
    true = np.random.default_rng(2).normal(size=(n, len(pool.competencies)))
    simulate(plan, pool, true[:200], 1)
    times = []
    for seed in range(repeats):
        begun = time.perf_counter()
        simulate(plan, pool, true, seed)
        times.append(time.perf_counter() - begun)
    return times


def catsim_items(pool: Pool) -> np.ndarray:
    """The bank as catsim has it."""
    p = pool.params
    return np.column_stack([p.a, p.b[:, 0], p.c, p.d])


def catsim_live(pool: Pool, people: int = 2) -> list[float]:
    """Milliseconds of an estimate and a selection by catsim."""
    from catsim.estimation import NumericalSearchEstimator
    from catsim.selection import MaxInfoSelector

    items, selector, estimator = catsim_items(pool), MaxInfoSelector(), NumericalSearchEstimator()
    times = []
    for person in range(people):
        rng = np.random.default_rng(person)
        given: list[int] = []
        answers: list[bool] = []
        theta = 0.0
        for _ in range(LENGTH):
            begun = time.perf_counter()
            if given:
                theta = float(estimator.estimate(items=items, administered_items=given, response_vector=answers, est_theta=theta))
            item = int(selector.select(items=items, administered_items=given, est_theta=theta))
            times.append((time.perf_counter() - begun) * MS)
            given.append(item)
            answers.append(bool(rng.random() < 0.5))
    return times


def catsim_simulation(pool: Pool, n: int, of: int) -> list[float]:
    """Seconds that `of` people would take catsim, from n."""
    begun = time.perf_counter()
    catsim_live(pool, n)
    return [(time.perf_counter() - begun) / n * of]


def shadow_case() -> Case:
    """A shadow test before each item: 1,000 items, 20 rows."""
    pool = pool_of(1000)
    rng = np.random.default_rng(3)
    content = Content.of(pool.ids, {"AREA": [str(v) for v in rng.integers(0, 12, 1000)], "KEY": [str(v) for v in rng.integers(0, 4, 1000)]})
    pool = Pool(pool.ids, pool.params, pool.competencies, pool.operational, pool.exposure, content=content)
    rows = (
        BlueprintRow("n", "number", "item", "", 30, 30), BlueprintRow("area", "number", "item", "AREA", 2, 3),
        BlueprintRow("key", "number", "item", "KEY", 6, 9),
    )  # fmt: skip
    return Case("live shadow test, bank 1,000, 17 rows", "ms", partial(live, plan_of(content=ShadowTest(), rows=rows), pool, 1))


def cases() -> list[Case]:
    """All of them."""
    small, middle, large = pool_of(100), pool_of(500), pool_of(10_000)
    several = pool_of(360, "2pl", 9)
    return [
        Case("live ask + tell, EAP + MFI, bank 100", "ms", partial(live, plan_of(), small), peers={"catsim": partial(catsim_live, small)}),
        Case(
            "live ask + tell, EAP + MFI, bank 10,000 3PL", "ms", partial(live, plan_of(), large), limit=0.15, aim=0.05,
            peers={"catsim": partial(catsim_live, large)},
        ),
        Case("live ask + tell, bank 1,000 GRM", "ms", partial(live, plan_of(), pool_of(1000, "grm"))),
        Case("live ask + tell, MEPV, bank 500 3PL", "ms", partial(live, plan_of(select=ExpectedVariance()), middle, 4)),
        shadow_case(),
        Case("live ask + tell, 9 competencies together, bank 360", "ms", partial(live, plan_of(4, 9, joint=Joint(0.6)), several, 3)),
        Case(
            "simulate 10,000 x 30 items, EAP + MFI, bank 500 3PL", "s", partial(simulation, plan_of(), middle, 10_000), limit=0.6, aim=0.3,
            peers={"catsim": partial(catsim_simulation, middle, 3, 10_000)},
        ),
        Case("simulate 500 x 20 items with fading eligibility, bank 500", "s", partial(simulation, plan_of(20, eligibility=Fading(0.25)), middle, 500, 1)),
        Case("simulate 200 people on 9 competencies together", "s", partial(simulation, plan_of(4, 9, joint=Joint(0.6)), several, 200, 1)),
    ]  # fmt: skip
