"""The engine: a live step, simulations, several competencies; catsim and mirt (of PyPI) beside it where they are installed.

Every time is that of the process, so that other work on the machine counts as little as may be; of a simulation the best of three counts. catsim
knows no EAP: its live step is numerical maximum likelihood and maximum information. Its simulations, and some of mirt's, run fewer people, and the time
is multiplied, as the names of the peers say.
"""

import time
from functools import partial
from typing import Any

import numpy as np

from cat_engine import Answered, ItemParams, Pool, Present, Presented, Row, Section, TestPlan, ask, simulate, start, tell
from cat_engine.eligibility import Fading
from cat_engine.joint import Joint
from cat_engine.select.expected import ExpectedVariance
from cat_engine.stop import PosteriorSD
from tests.bench.case import Case

LENGTH = 30
MS = 1e3
NODES = 61
PERSON = np.sqrt(0.6)  # of abilities that correlate .6


def pool_of(n: int, *models: str, scales: int = 1, seed: int = 1) -> Pool:
    """A bank of n items of the models in turn (3PL without one), a ~ lognormal(.2, .3), b ~ N(0, 1), c = .2, four categories."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        model = models[i // scales % len(models)] if models else "3pl"
        a, b = float(rng.lognormal(0.2, 0.3)), float(rng.normal())
        steps = [b - 1, b, b + 1] if model in ("grm", "gpcm") else [b]
        rows.append(Row(model, a, steps, 0.2 if model == "3pl" else 0.0, scale=i % scales))
    return Pool.of(tuple(map(str, range(n))), ItemParams.from_rows(rows), tuple("ABCDEFGHI"[:scales]))


def plan_of(length: int = LENGTH, scales: int = 1, low: int | None = None, se: float = 0.0, **options: Any) -> TestPlan:
    """A plan of fixed length, or of `low` to `length` items a competency until its standard error is `se`."""
    stop = (PosteriorSD(se),) if se else ()
    section = Section("s", "s", tuple("ABCDEFGHI"[:scales]), length if low is None else low, length, 60.0, stop)
    return TestPlan("bench", (section,), **options)


def live(plan: TestPlan, pool: Pool, people: int = 12) -> list[float]:
    """Milliseconds of each ask and tell of whole live tests, after one to warm up."""
    times = []
    for person in range(people + 1):
        state, rng = start(person), np.random.default_rng(person)
        while True:
            begun = time.process_time()
            decision = ask(plan, pool, state)
            asked = time.process_time()
            if not isinstance(decision, Present):
                break
            answer = Answered(int(rng.integers(pool.params.n_cat[decision.item])), 1.0)
            told = time.process_time()
            state = tell(tell(state, Presented(decision.item)), answer)
            if person:
                times.append((time.process_time() - told + asked - begun) * MS)
    return times


def simulation(plan: TestPlan, pool: Pool, n: int, repeats: int = 3, of: int | None = None) -> list[float]:
    """Seconds to simulate `of` people (n without it), from n whose abilities correlate .6."""
    rng, scales = np.random.default_rng(2), len(pool.competencies)
    true = PERSON * rng.normal(size=(n, 1)) + np.sqrt(1 - PERSON**2) * rng.normal(size=(n, scales))
    simulate(plan, pool, true[: min(n, 50)], 1)
    times = []
    for seed in range(repeats):
        begun = time.process_time()
        simulate(plan, pool, true, seed)
        times.append((time.process_time() - begun) * (of or n) / n)
    return times


def catsim_live(pool: Pool, people: int = 2) -> list[float]:
    """Milliseconds of an estimate and a selection by catsim."""
    from catsim.estimation import NumericalSearchEstimator
    from catsim.item_bank import ItemBank
    from catsim.selection import MaxInfoSelector

    p = pool.params
    bank, selector, estimator = ItemBank(np.column_stack([p.a, p.b[:, 0], p.c, p.d])), MaxInfoSelector(), NumericalSearchEstimator()
    times = []
    for person in range(people):
        rng = np.random.default_rng(person)
        given: list[int] = []
        answers: list[bool] = []
        theta = 0.0
        for _ in range(LENGTH):
            begun = time.process_time()
            if given:
                theta = float(estimator.estimate(item_bank=bank, administered_items=given, response_vector=answers, est_theta=theta))
            item = int(selector.select(item_bank=bank, administered_items=given, est_theta=theta))
            times.append((time.process_time() - begun) * MS)
            given.append(item)
            answers.append(bool(rng.random() < 0.5))
    return times


def catsim_simulation(pool: Pool, n: int, of: int) -> list[float]:
    """Seconds that the estimates and selections of `of` people would take catsim, from n."""
    return [sum(catsim_live(pool, n)) / MS / n * of]


def mirt_engine(pool: Pool) -> Any:
    """mirt's engine on the same bank: maximum information, EAP on as many nodes, a test of LENGTH (its native loop wants a rule on the error, which
    never fires here).
    """
    import mirt
    from mirt.cat import CATEngine

    p, guessed = pool.params, "3pl" in pool.params.model
    model = mirt.ThreeParameterLogistic(len(p)) if guessed else mirt.TwoParameterLogistic(len(p))
    model.set_parameters(discrimination=p.a, difficulty=p.b[:, 0], **({"guessing": p.c} if guessed else {}))
    model._is_fitted = True  # parameters that are known need no fit, and there is no other way to say so
    return CATEngine(model, item_selection="MFI", scoring_method="EAP", se_threshold=1e-9, max_items=LENGTH, n_quadpts=NODES, seed=1)


def mirt_live(pool: Pool, people: int = 4) -> list[float]:
    """Milliseconds of taking an answer and choosing the next item by mirt."""
    engine, times = mirt_engine(pool), []
    for person in range(people):
        engine.reset()
        state, rng = engine.get_current_state(), np.random.default_rng(person)
        while not state.is_complete:
            answer = int(rng.integers(2))
            begun = time.process_time()
            state = engine.administer_item(answer)
            times.append((time.process_time() - begun) * MS)
    return times


def mirt_simulation(pool: Pool, n: int, of: int) -> list[float]:
    """Seconds that `of` people would take mirt, from n."""
    engine, true = mirt_engine(pool), np.random.default_rng(2).normal(size=n)
    begun = time.process_time()
    engine.run_batch_simulation(true)
    return [(time.process_time() - begun) / n * of]


def cases() -> list[Case]:
    """All of them."""
    small, middle, large, right_wrong = pool_of(100), pool_of(500), pool_of(10_000), pool_of(500, "2pl")
    nine, many = pool_of(300, "grm", "gpcm", scales=9), pool_of(500, "grm", "gpcm", scales=9)
    together = {"joint": Joint(0.6)}
    return [
        Case(
            "live ask + tell, EAP + MFI, bank 100 3PL", "ms", partial(live, plan_of(), small),
            peers={"catsim (ML)": partial(catsim_live, small), "mirt": partial(mirt_live, small)},
        ),
        Case(
            "live ask + tell, EAP + MFI, bank 10,000 3PL", "ms", partial(live, plan_of(), large), limit=0.15, aim=0.05,
            peers={"catsim (ML)": partial(catsim_live, large), "mirt": partial(mirt_live, large, 1)},
        ),
        Case("live ask + tell, EAP + MFI, bank 1,000 GRM", "ms", partial(live, plan_of(), pool_of(1000, "grm"))),
        Case("live ask + tell, MEPV, bank 500 3PL", "ms", partial(live, plan_of(select=ExpectedVariance()), middle, 4)),
        Case(
            "live ask + tell, 9 correlated competencies, bank 500 GRM and GPCM", "ms", partial(live, plan_of(4, 9, **together), many, 6),
            limit=1.0, aim=0.3,
        ),
        Case(
            "simulate 10,000 x 30 items, EAP + MFI, bank 500 3PL", "s", partial(simulation, plan_of(), middle, 10_000), limit=0.6, aim=0.3,
            figure=min,
            peers={"catsim (ML), of 3 people": partial(catsim_simulation, middle, 3, 10_000), "mirt, of 1,000": partial(mirt_simulation, middle, 1000, 10_000)},
        ),
        Case(
            "simulate 10,000 x 30 items, EAP + MFI, bank 500 2PL", "s", partial(simulation, plan_of(), right_wrong, 10_000), figure=min,
            peers={"mirt (its Rust loop)": partial(mirt_simulation, right_wrong, 10_000, 10_000)},
        ),
        Case(
            "simulate 10,000 people, of 500, on 9 correlated competencies to SE .447, bank 300 GRM and GPCM", "s",
            partial(simulation, plan_of(33, 9, 0, 0.447, **together), nine, 500, 3, 10_000), limit=60.0, aim=15.0, figure=min,
        ),
        Case(
            "simulate 10,000 people, of 500, on 9 correlated competencies to SE .447, bank 300 2PL", "s",
            partial(simulation, plan_of(33, 9, 0, 0.447, **together), pool_of(300, "2pl", scales=9), 500, 3, 10_000), limit=60.0, aim=15.0, figure=min,
        ),
        Case(
            "simulate 500 x 30 items with fading eligibility, bank 500 3PL", "s",
            partial(simulation, plan_of(eligibility=Fading(0.25)), middle, 500, 3), limit=3.0, figure=min,
        ),
    ]  # fmt: skip
