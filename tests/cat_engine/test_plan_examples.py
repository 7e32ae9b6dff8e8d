"""Every plan in docs/plans runs on the sample bank, and every registered strategy has one."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cat_engine import check, dump_plan, load_plan, simulate
from cat_engine.beginning import START
from cat_engine.blueprint import Content
from cat_engine.content import CONTENT, ShadowTest
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.plan import as_table
from cat_engine.priors import PRIOR
from cat_engine.refresh import REFRESH
from cat_engine.select import SELECTION
from cat_engine.stop import STOP, table_of
from itembank.bank import pool_of
from itembank.demo import load_demo

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "plans").glob("*.toml"))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_in_order_and_runs(path: Path) -> None:
    plan = load_plan(path.read_text(encoding="utf-8"))
    assert plan.name == path.stem
    bank, _ = load_demo()
    pool = pool_of(bank, plan.competencies)
    kinds = [bank.attributes[bank.index[item]]["kind"] for item in pool.ids]
    passages = [f"passage {k // 6}" for k in range(len(kinds))]
    pool = replace(pool, content=Content.of(pool.ids, {"kind": kinds, "STID": passages}), seconds=np.full(len(pool), 60.0))
    assert check(plan, pool) == []
    assert load_plan(dump_plan(plan)).digest == plan.digest
    result = simulate(plan, pool, np.random.default_rng(1).normal(size=(6, len(pool.competencies))), seed=1)
    assert np.isfinite(result.theta).all()
    assert result.length.min() >= 1


def test_every_registered_strategy_has_an_example() -> None:
    used: dict[str, set[object]] = {}
    refreshed: set[str] = set()
    for path in EXAMPLES:
        plan = load_plan(path.read_text(encoding="utf-8"))
        for key, value in as_table(plan).items():
            if isinstance(value, dict):
                used.setdefault(key, set()).add(value.get("name", "normal"))
        if isinstance(plan.content, ShadowTest):
            refreshed.add(plan.content.refresh)
        for section in plan.sections:
            used.setdefault("stop", set()).update(set(table_of(section.stop)) - {"all"})
    assert used["select"] == set(SELECTION.names)
    assert used["exposure"] == set(EXPOSURE.names)
    assert used["prior"] == set(PRIOR.names)
    assert used["final"] | {"eap"} == set(ESTIMATOR.names)
    assert used["start"] | {"adaptive"} == set(START.names)
    assert used["eligibility"] | {"none"} == set(ELIGIBILITY.names)
    assert used["content"] | {"none"} == set(CONTENT.names)
    assert refreshed == set(REFRESH)
    assert used["stop"] == set(STOP.names)
