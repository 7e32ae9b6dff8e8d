"""Every plan in docs/plans runs on the sample bank, and every registered strategy has one."""

import re
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from cat_engine import check, dump_plan, load_plan, simulate
from cat_engine.beginning import START
from cat_engine.content import CONTENT, ShadowTest
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.plan import as_table
from cat_engine.priors import PRIOR
from cat_engine.refresh import REFRESH
from cat_engine.select import SELECTION
from cat_engine.stop import STOP, table_of
from itembank.bank import Bank, Snapshot, pool_of
from itembank.demo import load_demo

EXAMPLES = sorted((Path(__file__).parents[2] / "docs" / "plans").glob("*.toml"))


NEW = ("P01-01", "P01-07", "P01-13", "P01-19")  # in pretest


@cache
def with_times_and_new_items() -> Bank:
    """The sample bank with what some plans ask for: response-time parameters, and items in pretest."""
    bank, _ = load_demo()
    attributes = tuple(
        {**own, "rt_alpha": "2", "rt_beta": f"{3.5 + 0.01 * (i % 50):.2f}", "STID": f"passage {i // 6}"}
        for i, own in enumerate(bank.attributes)
    )
    status = tuple("pretest" if item_id in NEW else "active" for item_id in bank.ids)
    return replace(bank, attributes=attributes, status=status)


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_an_example_is_in_order_and_runs(path: Path) -> None:
    plan = load_plan(path.read_text(encoding="utf-8"))
    assert plan.name == path.stem
    bank = with_times_and_new_items()
    pool = pool_of(bank, plan.competencies, Snapshot(need=dict.fromkeys(NEW, 100)))
    assert check(plan, pool) == []
    assert load_plan(dump_plan(plan)).digest == plan.digest
    result = simulate(plan, pool, np.random.default_rng(1).normal(size=(6, len(pool.competencies))), seed=1)
    assert np.isfinite(result.theta).all()
    assert result.length.min() >= 1


def test_the_document_names_every_example_and_none_that_is_gone() -> None:
    text = (EXAMPLES[0].parents[1] / "plans.md").read_text(encoding="utf-8")
    stems = {path.stem for path in EXAMPLES}
    kinds = "|".join(sorted({stem.split("-")[0] for stem in stems if "-" in stem}))
    assert set(re.findall(rf"`((?:{kinds})-[a-z-]+|retest|pretest)`", text)) == stems


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
