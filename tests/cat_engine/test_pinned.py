"""Running tests stand on this package: the same plan text, pool, seed and answers must go on giving the same digests, decisions and abilities."""

import hashlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from cat_engine import ItemParams, Pool, Row, Section, TestPlan, estimate
from cat_engine.exposure import Randomesque


def test_digests_do_not_change_from_release_to_release(plan: TestPlan, mixed_pool: Pool) -> None:
    assert plan.digest == "1491cb99e1bab8d432e9266fb4e671aa43b5096b174a5b629bcaded1eb802941"
    assert mixed_pool.digest == "15b5d7558c7eb5309f5c00126b3d9ecc0feb8a810a2317a2cee6ccd328a02e3f"


def run_of(sit: Callable, plan: TestPlan, pool: Pool, people: int) -> tuple[str, float]:
    """Items of live tests answered by a fixed rule, as a digest, and the sum of final abilities."""
    items: list[int] = []
    total = 0.0
    for seed in range(people):
        state, _ = sit(plan, pool, seed, lambda position, item, seed=seed: (item * 7 + position * 3 + seed) % int(pool.params.n_cat[item]))
        items += state.items
        total += float(estimate(plan, pool, state).theta.sum())
    return hashlib.sha256(np.array(items, dtype="<i8").tobytes()).hexdigest(), total


def test_decisions_do_not_change_from_release_to_release(sit: Callable, plan: TestPlan, mixed_pool: Pool) -> None:
    digest, total = run_of(sit, plan, mixed_pool, 30)
    assert digest == "9fdcbb36689e117ce51f85a19facdb65aa58badc16924582f8ca61c4d6e4dd01"
    assert total == pytest.approx(13.374067106863686, abs=1e-9)


@pytest.mark.parametrize(
    ("exposure", "expected"),
    [
        (None, "3c139e72a39bf313d2b9b0c53dce0dc2b929fb25e01225f765a7cf3d33eee160"),
        (Randomesque(5), "06ca0d4d6d6acde8320200e5bab57c7f68faf3d6046ef295d336d317b8a0df08"),
    ],
)
def test_decisions_on_a_large_bank_do_not_change_from_release_to_release(sit: Callable, exposure: object, expected: str) -> None:
    rng = np.random.default_rng(12)
    rows = [Row("3pl", float(rng.lognormal(0.2, 0.3)), [float(rng.normal())], 0.2) for _ in range(400)]
    pool = Pool.of(tuple(map(str, range(400))), ItemParams.from_rows(rows), ("A",))
    plan = TestPlan("t", (Section("s", "s", ("A",), 20, 20, 1.0),))
    plan = plan if exposure is None else replace(plan, exposure=exposure)
    assert run_of(sit, plan, pool, 10)[0] == expected
