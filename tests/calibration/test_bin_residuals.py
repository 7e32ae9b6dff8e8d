"""Fit in bins of ability: of level where the model holds, also on routed answers, and where an item departs it says on which side."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.special import expit

from calibration.bin_residuals import LEAST_IN_BIN, bin_residuals
from cat_engine import Row


def routed(true: list[Row], taken_for: list[Row], people: int, length: int, seed: int) -> tuple[Any, ...]:
    """Answers of an adaptive test written out: at each step the most informative 2PL item at the posterior mean."""
    rng = np.random.default_rng(seed)
    nodes = np.linspace(-5, 5, 51)
    a, b = (np.array([row.a for row in taken_for]), np.array([row.b[0] for row in taken_for]))
    own = np.array([row.a for row in true]), np.array([row.b[0] for row in true])
    p = expit(a[:, None] * (nodes - b[:, None]))
    theta = rng.normal(size=people)
    log_w, open_items = np.tile(-0.5 * nodes**2, (people, 1)), np.ones((people, len(true)), dtype=bool)
    items, answers = [], []
    for _ in range(length):
        w = np.exp(log_w - log_w.max(axis=1, keepdims=True))
        mean = (w @ nodes) / w.sum(axis=1)
        q = expit(a * (mean[:, None] - b))
        best = np.where(open_items, a**2 * q * (1 - q), -1).argmax(axis=1)
        open_items[np.arange(people), best] = False
        x = (rng.random(people) < expit(own[0][best] * (theta - own[1][best]))).astype(int)
        log_w += np.where(x[:, None], np.log(p[best]), np.log1p(-p[best]))
        items.append(best)
        answers.append(x)
    return np.repeat(np.arange(people), length), np.stack(items, axis=1).ravel(), np.stack(answers, axis=1).ravel()


def bank(n: int) -> list[Row]:
    rng = np.random.default_rng(71)
    return [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.2, 0.25, n), rng.normal(size=n), strict=True)]


def test_z_is_standard_normal_where_the_model_holds_though_the_items_were_chosen_by_the_answers() -> None:
    rows = bank(40)
    z = np.array([found.z for seed in range(3) for found in bin_residuals(*routed(rows, rows, 2000, 15, 72 + seed), rows)])
    assert len(z) > 700
    assert abs(z.mean()) < 0.15
    assert z.std() == pytest.approx(1, abs=0.1)  # in bins of a posterior mean by the other answers: 1.2
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.05, abs=0.025)


def test_an_item_that_discriminates_less_is_too_easy_for_the_less_able_and_too_hard_for_the_able() -> None:
    taken_for = bank(40)
    middle = int(np.argmin([abs(row.b[0]) for row in taken_for]))
    true = [row if k != middle else row._replace(a=row.a / 2) for k, row in enumerate(taken_for)]
    found = [each for each in bin_residuals(*routed(true, taken_for, 2000, 15, 75), taken_for) if each.item == middle]
    assert found[0].z > 2.5
    assert found[-1].z < -2.5
    assert [each.theta for each in found] == sorted(each.theta for each in found)


def test_observed_and_expected_scores_are_those_of_a_form_and_graded_items_too(draw: Callable[..., Any]) -> None:
    rows = [Row("grm", 1.5, [-0.8 + 0.1 * k, 0.1, 0.9]) for k in range(8)]
    data = draw(rows, np.random.default_rng(76).normal(size=3000), 77)
    found = [each for each in bin_residuals(data.person, data.item, data.category, rows) if each.item == 3]
    assert sum(each.n for each in found) == pytest.approx(3000, abs=15)
    mean = sum(each.n * each.observed for each in found) / sum(each.n for each in found)
    assert mean == pytest.approx(data.category.reshape(3000, 8)[:, 3].mean(), abs=0.01)
    assert all(abs(each.observed - each.expected) < 0.15 for each in found)


def test_an_item_that_few_answered_has_no_bins() -> None:
    rows = bank(2)
    person = np.arange(LEAST_IN_BIN - 1)
    assert bin_residuals(person, 0 * person, person % 2, rows) == []
