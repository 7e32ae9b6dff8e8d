"""Running tests stand on this package: the same plan text, pool and seed must go on giving the same digests, decisions and abilities."""

import hashlib

import numpy as np
import pytest

from cat_engine import Pool, TestPlan, simulate


def test_digests_do_not_change_from_release_to_release(plan: TestPlan, mixed_pool: Pool) -> None:
    assert plan.digest == "1491cb99e1bab8d432e9266fb4e671aa43b5096b174a5b629bcaded1eb802941"
    assert mixed_pool.digest == "15b5d7558c7eb5309f5c00126b3d9ecc0feb8a810a2317a2cee6ccd328a02e3f"


def test_decisions_do_not_change_from_release_to_release(plan: TestPlan, mixed_pool: Pool) -> None:
    true = np.random.default_rng(6).normal(size=(60, 3))
    result = simulate(plan, mixed_pool, true, seed=9)
    assert (
        hashlib.sha256(result.step_item.astype("<i8").tobytes()).hexdigest()
        == "377eb5512916d6c40b4a54ab90af72091747abd73a041f512bed776ae9822eb5"
    )
    assert result.theta.sum() == pytest.approx(5.920660946848544, abs=1e-9)
