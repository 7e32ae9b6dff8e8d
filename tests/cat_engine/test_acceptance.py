"""Acceptance limits of a plan: what they refuse, and that a trial holds a simulation against them."""

import numpy as np
import pytest

from cat_engine import Faulty, ItemParams, Pool, Row, dump_plan, load_plan, simulate
from cat_engine.acceptance import FIGURES, Acceptance
from cat_engine.plan import as_table
from cat_engine.population import Population
from cat_engine.trial import trial, worst

PLAN = """
name = "x"
{0}
[[sections]]
code = "a"
title = "a"
competencies = ["A"]
min_items = 4
max_items = 4
time_budget_min = 9
"""
ROWS = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-2, 2, 12)]
POOL = Pool.of(tuple(f"i{k}" for k in range(12)), ItemParams.from_rows(ROWS), ("A",))


def test_limits_are_read_written_back_and_part_of_the_digest_only_where_there_are_some() -> None:
    plain, limited = load_plan(PLAN.format("")), load_plan(PLAN.format("[acceptance]\nmax_rmse = 0.5\nmin_reliability = 0.7"))
    assert "acceptance" not in as_table(plain)
    assert limited.acceptance == Acceptance(max_rmse=0.5, min_reliability=0.7)
    assert load_plan(dump_plan(limited)) == limited
    assert limited.digest != plain.digest


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_rmse = 0", "acceptance, max_rmse: 0 is out of range"),
        ("max_exposure = 1.5", "acceptance, max_exposure: 1.5 is out of range"),
        ("max_bais = 1", "acceptance, max_bais: is not known here"),
        ('max_items = "many"', "acceptance, max_items: 'many' is not a finite number"),
    ],
)
def test_limits_that_cannot_be_are_named(text: str, message: str) -> None:
    with pytest.raises(Faulty) as caught:
        load_plan(PLAN.format(f"[acceptance]\n{text}"))
    assert any(message in str(fault) for fault in caught.value.faults), caught.value.faults


def test_each_limit_is_held_against_its_own_figure_from_its_own_side() -> None:
    figures = {"rmse": 0.4, "bias": 0.02, "reliability": 0.8, "items": 30.0, "exposure": 0.25, "overlap": 0.2}
    assert tuple(figures) == FIGURES
    limits = Acceptance(max_rmse=0.39, max_bias=0.02, min_reliability=0.81, max_items=31, max_exposure=0.2, max_overlap=0.2)
    assert {c.figure: c.holds for c in limits.checks(figures)} == {
        "rmse": False, "bias": True, "reliability": False, "items": True, "exposure": False, "overlap": True,
    }  # fmt: skip
    assert Acceptance().checks(figures) == ()


def test_a_trial_is_the_simulation_of_the_same_people_and_seed() -> None:
    plan = load_plan(PLAN.format("[acceptance]\nmax_items = 4\nmax_rmse = 0.1"))
    tried = trial(plan, POOL, seed=3, n=200)
    assert tried.figures == worst(simulate(plan, POOL, Population().abilities(200, 1, 3), 3))
    assert tried.figures["items"] == 4
    assert [c.holds for c in tried.checks] == [False, True]
    assert not tried.holds


def test_the_usual_people_are_standard_normal_and_correlated_at_point_six() -> None:
    theta = Population().abilities(20_000, 3, 1)
    np.testing.assert_allclose(theta.mean(axis=0), 0, atol=0.03)  # 4 standard errors
    np.testing.assert_allclose(np.cov(theta.T), 0.6 + 0.4 * np.eye(3), atol=0.04)
