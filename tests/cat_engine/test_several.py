"""Several correlated competencies: the normal posterior against integrals and closed forms, the rules against the matrices they stand for."""

import doctest
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import norm

from cat_engine import Faulty, ItemParams, Row, information, log_probabilities
from cat_engine.families import Floats, Ints
from cat_engine.irt import information_at
from cat_engine.likelihood import InformationTable, Likelihood, answered
from cat_engine.several import (
    CorrelatedPrior,
    JointBatch,
    Normals,
    a_gain,
    d_gain,
    difference_reliability,
    difference_se,
    look_ahead,
    next_section_prior,
    posterior,
    reliability,
    two_scores,
)
from cat_engine.simulate import draw_category

MODELS = ("2pl", "3pl", "4pl", "grm", "gpcm")


def row(rng: np.random.Generator, model: str, scale: int) -> Row:
    a = float(np.exp(rng.normal(0.2, 0.3)))
    if model in ("grm", "gpcm"):
        b = np.sort(rng.normal(0, 1.2, size=int(rng.integers(2, 5))))
        return Row(model, a, (b + 0.05 * np.arange(len(b))).tolist(), scale=scale)
    return Row(model, a, [float(rng.normal(0, 1.2))], 0.2 * (model != "2pl"), 1.0 - 0.05 * (model == "4pl"), scale)


def bank(n: int, scales: int, seed: int, models: tuple[str, ...] = MODELS) -> ItemParams:
    rng = np.random.default_rng(seed)
    return ItemParams.from_rows([row(rng, models[int(rng.integers(len(models)))], i % scales) for i in range(n)])


def prior_of(scales: int, seed: int) -> CorrelatedPrior:
    """A random covariance matrix and random means."""
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(scales, scales))
    return CorrelatedPrior(rng.normal(0, 0.3, scales), loadings @ loadings.T / scales + 0.3 * np.eye(scales))


def session(params: ItemParams, prior: CorrelatedPrior, seed: int, length: int) -> tuple[list[int], list[int]]:
    """Items in random order, and answers by the model of somebody out of the population."""
    rng = np.random.default_rng(seed)
    true = rng.multivariate_normal(prior.mean, prior.cov)
    items = rng.permutation(len(params))[:length]
    return items.tolist(), draw_category(params, true[params.scale[items]], items, rng.random(length)).tolist() if length else []


def score(params: ItemParams, prior: CorrelatedPrior, items: list[int], categories: list[int]) -> Normals:
    return JointBatch.replay(Likelihood.of(params), prior, items, categories).now


def log_posterior(params: ItemParams, prior: CorrelatedPrior, items: list[int], categories: list[int], theta: Floats) -> Floats:
    """Up to a constant, from the models' own log-probabilities: theta[G, S] -> [G]."""
    off = theta - prior.mean
    value = -0.5 * np.einsum("gs,st,gt->g", off, np.linalg.inv(prior.cov), off)
    for item, category in zip(items, categories, strict=True):
        value += log_probabilities(params.take([item]), theta[:, params.scale[item]])[:, 0, category]
    return value


SEEDS = st.integers(0, 10_000)


# The derivatives.


@given(SEEDS, st.sampled_from(MODELS), st.floats(-5.0, 5.0))
@settings(max_examples=200)
def test_slope_and_curvature_are_the_derivatives_of_the_log_probability(seed: int, model: str, theta: float) -> None:
    params = ItemParams.from_rows([row(np.random.default_rng(seed), model, 0)])
    h = 2e-3
    grid = theta + h * np.array([-2, -1, 0, 1, 2])
    for category in range(params.n_cat[0]):
        logp = log_probabilities(params, grid)[:, 0, category]
        value, slope, curvature = answered(params.families[0][1], np.array([0]), np.array([category])).derivatives(np.array([theta]))
        assert value[0] == pytest.approx(logp[2], rel=1e-12)
        assert slope[0] == pytest.approx(logp @ np.array([1, -8, 0, 8, -1]) / (12 * h), rel=1e-7, abs=1e-8)
        assert curvature[0] == pytest.approx(logp @ np.array([1, -16, 30, -16, 1]) / (12 * h**2), rel=1e-4, abs=1e-6)


def test_a_family_without_derivatives_is_refused() -> None:
    with pytest.raises(TypeError, match="no derivatives"):
        answered(object(), np.array([0]), np.array([0]))  # type: ignore[arg-type]


def test_the_table_of_information_is_the_formula_between_its_nodes() -> None:
    rng = np.random.default_rng(4)
    theta = np.concatenate([rng.uniform(-6, 6, size=(300, 4)), [[-6.0, 6.0, 0.0, 5.99]]])
    for steepest, error in ((2.0, 2e-5), (4.0, 5e-4)):
        params = bank(120, 4, 3, ("2pl", "grm", "gpcm", "3pl"))
        steep = ItemParams(params.model, np.minimum(params.a * 2, steepest), params.b, params.c, params.d, params.n_cat, params.scale)
        peak = information(steep, np.linspace(-6, 6, 241)).max(axis=0)
        assert np.abs((InformationTable.of(steep).at(theta) - information_at(steep, theta[:, steep.scale])) / peak).max() < error


def test_the_table_holds_theta_at_its_ends_and_is_never_negative() -> None:
    params = bank(30, 2, 8)
    table = InformationTable.of(params)
    np.testing.assert_array_equal(table.at(np.array([[-9.0, 40.0]])), table.at(np.array([[-6.0, 6.0]])))
    assert table.at(np.linspace(-6, 6, 500)[:, None] * np.ones(2)).min() >= 0.0


@pytest.mark.parametrize("grid", [(1.0, -1.0, 61), (0.0, 1.0, 3), (float("nan"), 1.0, 61)])
def test_a_table_on_no_range_is_refused(grid: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="not a table"):
        InformationTable.of(bank(3, 1, 0), *grid)


# The posterior.


@given(SEEDS, st.integers(0, 25), st.floats(-1.0, 1.0), st.floats(0.4, 1.5))
@settings(max_examples=60)
def test_one_competency_is_scored_as_map_from_scratch(seed: int, length: int, mean: float, sd: float) -> None:
    params = bank(25, 1, seed, ("2pl", "grm", "gpcm"))
    prior = CorrelatedPrior(np.array([mean]), np.array([[sd**2]]))
    items, categories = session(params, prior, seed, length)
    found = score(params, prior, items, categories)

    def loss(x: float) -> float:
        logp = log_probabilities(params, x)[0]
        return -float(norm.logpdf(x, mean, sd) + sum(logp[i, k] for i, k in zip(items, categories, strict=True)))

    direct = minimize_scalar(loss, bounds=(-8, 8), method="bounded", options={"xatol": 1e-10}).x
    assert found.theta[0, 0] == pytest.approx(direct, abs=1e-6)  # a minimum of doubles is known to the root of their precision
    info = information(params, found.theta[0])[0, items].sum()
    assert found.se[0, 0] == pytest.approx((1 / sd**2 + info) ** -0.5, rel=1e-9)


def test_one_competency_is_scored_as_by_catr(shared: Path) -> None:
    """catR 3.17, Bayes modal estimates and their SEs, at the exact roots of the score function."""
    prior, seen = CorrelatedPrior.standard([[1.0]]), 0
    for case in json.loads((shared / "golden" / "b_theta.json").read_text())["cases"]:
        if case["model"] == "NRM":
            continue
        rows = []
        for values in case["items"]:
            numbers = [v for v in values if v is not None]
            if case["model"] == "PCM":
                rows.append(Row("pcm", case["D"], numbers))
            elif case["model"] in ("GRM", "GPCM"):
                rows.append(Row(case["model"].lower(), case["D"] * numbers[0], numbers[1:]))
            else:
                a, b, c, d = numbers
                rows.append(Row(case["model"].lower(), case["D"] * a, [b], c, d))
        params = ItemParams.from_rows(rows)
        for pattern in case["patterns"]:
            given_items = [(i, int(x)) for i, x in enumerate(pattern["x"]) if x is not None]
            roots = pattern["BM"]["exact_roots"]
            found = score(params, prior, [i for i, _ in given_items], [x for _, x in given_items])
            if len(roots) == 1 and "se_at_exact" in pattern["BM"]:
                assert found.theta[0, 0] == pytest.approx(roots[0], abs=1e-8), (case["model"], pattern["tag"])
                assert found.se[0, 0] == pytest.approx(pattern["BM"]["se_at_exact"], rel=1e-8), (case["model"], pattern["tag"])
                seen += 1
    assert seen > 300


@given(SEEDS, st.integers(1, 5), st.integers(0, 40))
@settings(max_examples=60)
def test_the_mode_is_a_maximum_of_the_posterior_density(seed: int, scales: int, length: int) -> None:
    params, prior = bank(40, scales, seed), prior_of(scales, seed)
    items, categories = session(params, prior, seed, length)
    found = score(params, prior, items, categories)
    around = found.theta + 1e-3 * np.concatenate([np.zeros((1, scales)), np.eye(scales), -np.eye(scales)])
    height = log_posterior(params, prior, items, categories, around)
    slope = (height[1 : scales + 1] - height[scales + 1 :]) / 2e-3
    np.testing.assert_allclose(slope, 0.0, atol=2e-4)  # the central difference is off by its third derivative, some 1e-4
    assert np.all(height[1:] < height[0])


def test_two_competencies_agree_with_integration_over_a_dense_grid() -> None:
    prior = CorrelatedPrior(np.array([0.2, -0.3]), np.array([[1.0, 0.7], [0.7, 1.4]]))
    nodes, weight = np.polynomial.legendre.leggauss(160)
    x, y = np.meshgrid(6 * nodes, 6 * nodes, indexing="ij")
    theta = np.stack([x.ravel(), y.ravel()], axis=1)
    worst_mean, worst_cov = 0.0, 0.0
    for seed in range(6):
        params = bank(60, 2, seed, ("2pl", "grm", "gpcm"))
        items, categories = session(params, prior, seed, 60)
        found = score(params, prior, items, categories)
        logp = log_posterior(params, prior, items, categories, theta)
        mass = np.exp(logp - logp.max()) * np.outer(weight, weight).ravel()
        mass /= mass.sum()
        mean = mass @ theta
        cov = (theta - mean).T @ ((theta - mean) * mass[:, None])
        worst_mean = max(worst_mean, float(np.abs((found.theta[0] - mean) / found.se[0]).max()))
        worst_cov = max(worst_cov, float(np.abs(found.cov[0] - cov).max() / np.diag(cov).max()))
    assert worst_mean < 0.15  # standard errors between mode and mean, 30 items a competency
    assert worst_cov < 0.1


@given(SEEDS, st.integers(1, 4), st.integers(0, 30))
@settings(max_examples=40)
def test_without_correlations_each_competency_is_scored_alone(seed: int, scales: int, length: int) -> None:
    params = bank(32, scales, seed, ("2pl", "grm", "gpcm"))
    prior = CorrelatedPrior.standard(np.eye(scales))
    items, categories = session(params, prior, seed, length)
    together = score(params, prior, items, categories)
    for d in range(scales):
        mine = [(i, k) for i, k in zip(items, categories, strict=True) if params.scale[i] == d]
        alone = ItemParams(params.model, params.a, params.b, params.c, params.d, params.n_cat, np.zeros(len(params), dtype=int))
        one = score(alone, CorrelatedPrior.standard([[1.0]]), [i for i, _ in mine], [k for _, k in mine])
        assert together.theta[0, d] == pytest.approx(one.theta[0, 0], abs=1e-9)
        assert together.se[0, d] == pytest.approx(one.se[0, 0], rel=1e-9)


@given(SEEDS, st.integers(2, 5), st.data())
@settings(max_examples=40)
def test_competencies_in_another_order_give_the_same_results_in_that_order(seed: int, scales: int, data: st.DataObject) -> None:
    order = data.draw(st.permutations(range(scales)))  # new competency j is old competency order[j]
    params, prior = bank(40, scales, seed, ("2pl", "grm", "gpcm")), prior_of(scales, seed)
    items, categories = session(params, prior, seed, 30)
    new_scale = np.argsort(order)[params.scale]
    moved = ItemParams(params.model, params.a, params.b, params.c, params.d, params.n_cat, new_scale)
    turned = CorrelatedPrior(prior.mean[order], prior.cov[np.ix_(order, order)])
    before, after = score(params, prior, items, categories), score(moved, turned, items, categories)
    np.testing.assert_allclose(after.theta, before.take(order).theta, atol=1e-9)
    np.testing.assert_allclose(after.cov, before.take(order).cov, atol=1e-9)


@given(SEEDS, st.integers(1, 6), st.integers(1, 40))
@settings(max_examples=40)
def test_every_covariance_lies_within_the_priors_and_is_positive_definite(seed: int, scales: int, length: int) -> None:
    params, prior = bank(40, scales, seed), prior_of(scales, seed)
    found = score(params, prior, *session(params, prior, seed, length))
    assert np.linalg.eigvalsh(found.cov[0])[0] > 0
    assert np.linalg.eigvalsh(prior.cov - found.cov[0])[0] > -1e-10


@pytest.mark.parametrize("right", [0, 1])
def test_steep_items_with_asymptotes_and_an_unlikely_pattern_do_not_throw_the_search(right: int) -> None:
    rows = [Row("4pl", 6.0, [b], 0.25, 0.95, i % 3) for i, b in enumerate(np.linspace(-3, 3, 30))]
    params, prior = ItemParams.from_rows(rows), CorrelatedPrior.standard(0.9 * np.ones((3, 3)) + 0.1 * np.eye(3))
    items = list(range(30))
    categories = [(right + (b > 0)) % 2 for b in np.linspace(-3, 3, 30)]
    found = score(params, prior, items, categories)
    start = log_posterior(params, prior, items, categories, prior.mean[None])
    assert log_posterior(params, prior, items, categories, found.theta)[0] >= start[0]
    assert np.all(np.abs(found.theta) < 6)
    assert np.linalg.eigvalsh(found.cov[0])[0] > 0


def test_the_bits_of_a_session_depend_neither_on_the_batch_nor_on_the_way_there() -> None:
    scales, n = 4, 40
    params, prior = bank(60, scales, 2), prior_of(scales, 3)
    likelihood, rng = Likelihood.of(params), np.random.default_rng(5)
    together = JointBatch.begin(likelihood, prior, n)
    orders = np.stack([rng.permutation(60) for _ in range(n)])
    true = rng.multivariate_normal(prior.mean, prior.cov, size=n)
    for t in range(24):
        rows = np.flatnonzero(rng.random(n) < 0.8)  # some people are slower
        item = orders[rows, t]
        together.answer(rows, item, draw_category(params, true[rows, params.scale[item]], item, rng.random(len(rows))))
    for i in range(n):
        length = together.count[i]
        items, categories = together.items[i, :length].tolist(), together.categories[i, :length].tolist()
        replayed = JointBatch.replay(likelihood, prior, items, categories)
        np.testing.assert_array_equal(replayed.now.theta[0], together.now.theta[i])
        np.testing.assert_array_equal(replayed.now.cov[0], together.now.cov[i])


def test_before_any_answer_the_abilities_are_the_prior() -> None:
    prior = prior_of(5, 1)
    now = JointBatch.begin(Likelihood.of(bank(10, 5, 1)), prior, 3).now
    np.testing.assert_allclose(now.theta, np.tile(prior.mean, (3, 1)))
    np.testing.assert_allclose(now.cov, np.tile(prior.cov, (3, 1, 1)), rtol=1e-9, atol=1e-12)


# The rules.


@given(SEEDS, st.integers(1, 5))
@settings(max_examples=60)
def test_the_gains_are_what_the_matrices_say(seed: int, scales: int) -> None:
    params, prior = bank(15, scales, seed), prior_of(scales, seed)
    now = score(params, prior, *session(params, prior, seed, 8))
    info = information_at(params, now.theta[:, params.scale])
    d, a = d_gain(info, now, params.scale), a_gain(info, now, params.scale)
    for i in range(len(params)):
        precision = np.linalg.inv(now.cov[0])
        precision[params.scale[i], params.scale[i]] += info[0, i]
        after = np.linalg.inv(precision)
        assert 1.0 + d[0, i] == pytest.approx(np.linalg.det(now.cov[0]) / np.linalg.det(after), rel=1e-7)
        assert a[0, i] == pytest.approx(np.trace(now.cov[0]) - np.trace(after), rel=1e-6, abs=1e-9)
        ahead = look_ahead(now, params.scale[[i]], info[:, i])
        np.testing.assert_allclose(ahead[0], after, rtol=1e-8, atol=1e-10)
        assert np.all(np.diag(ahead[0]) <= np.diag(now.cov[0]) + 1e-12)


@given(SEEDS, st.integers(2, 6), st.integers(1, 4), st.integers(0, 25))
@settings(max_examples=40)
def test_the_prior_of_a_later_section_is_what_the_joint_posterior_says(seed: int, scales: int, known: int, length: int) -> None:
    known = min(known, scales - 1)
    params, prior = bank(40, scales, seed, ("2pl", "grm", "gpcm")), prior_of(scales, seed)
    mine = np.flatnonzero(params.scale < known)
    items, categories = session(params.take(mine), prior, seed, min(length, len(mine)))
    whole = score(params, prior, mine[items].tolist(), categories)
    first = CorrelatedPrior(prior.mean[:known], prior.cov[:known, :known])
    so_far = score(params.take(mine), first, items, categories)
    later = next_section_prior(prior, range(known), so_far)
    rest = whole.take(range(known, scales))
    np.testing.assert_allclose(later.theta, rest.theta, atol=1e-7)
    np.testing.assert_allclose(later.cov, rest.cov, atol=1e-7)


@pytest.mark.parametrize("known", [[], [0, 0], [0, 1, 2], [3]])
def test_a_later_section_needs_competencies_of_an_earlier_one_and_its_own(known: list[int]) -> None:
    prior = prior_of(3, 0)
    with pytest.raises(ValueError, match="competencies"):
        next_section_prior(prior, known, Normals(np.zeros((1, 2)), np.eye(2)[None]))


def test_a_section_may_begin_from_priors_that_differ_from_person_to_person() -> None:
    params, prior = bank(20, 2, 6, ("2pl",)), prior_of(2, 6)
    likelihood = Likelihood.of(params)
    session_of, item, category = np.repeat([0, 1], 5), np.tile(np.arange(5), 2), np.array([0, 1, 1, 0, 1] * 2)
    priors = Normals(np.array([[0.0, 0.0], [1.0, -1.0]]), np.stack([prior.cov, 0.5 * prior.cov]))
    both = posterior(priors, likelihood.answers((2, 2), session_of, item, category))
    for n in range(2):
        own = Normals(priors.theta[n : n + 1], priors.cov[n : n + 1])
        one = posterior(own, likelihood.answers((1, 2), np.zeros(5, dtype=int), np.arange(5), category[:5]))
        np.testing.assert_array_equal(one.theta[0], both.theta[n])
        np.testing.assert_array_equal(one.cov[0], both.cov[n])


# Reports.


def test_borrowing_moves_a_competency_without_answers_towards_its_relatives() -> None:
    params = ItemParams.from_rows([Row("2pl", 1.5, [b], scale=0) for b in np.linspace(-1, 1, 10)])
    prior = CorrelatedPrior.standard([[1.0, 0.8], [0.8, 1.0]])
    answers = Likelihood.of(params).answers((1, 2), np.zeros(10, dtype=int), np.arange(10), np.ones(10, dtype=int))
    scores = two_scores(prior, answers)
    assert scores.alone.theta[0, 1] == 0.0
    assert scores.alone.se[0, 1] == pytest.approx(1.0)
    assert scores.borrowing.theta[0, 1] == pytest.approx(0.8 * scores.borrowing.theta[0, 0])
    assert scores.borrowing.theta[0, 0] == pytest.approx(scores.alone.theta[0, 0])
    assert scores.borrowing.se[0, 1] == pytest.approx(np.sqrt(1 - 0.64 * (1 - scores.borrowing.se[0, 0] ** 2)))


def test_the_error_and_the_reliability_of_a_difference_follow_from_the_covariances() -> None:
    prior = CorrelatedPrior.standard([[1.0, 0.6], [0.6, 1.0]])
    now = Normals(np.zeros((1, 2)), np.array([[[0.2, 0.05], [0.05, 0.3]]]))
    assert difference_se(now)[0, 0, 1] == pytest.approx(np.sqrt(0.4))
    assert difference_reliability(prior, now)[0, 0, 1] == pytest.approx(1 - 0.4 / 0.8)
    assert np.isnan(difference_reliability(prior, now)[0, 0, 0])
    np.testing.assert_allclose(reliability(prior, now), [[0.8, 0.7]])


def test_the_stated_error_of_a_difference_is_the_error_made() -> None:
    rng = np.random.default_rng(9)
    params = bank(60, 3, 9, ("2pl", "grm", "gpcm"))
    prior = CorrelatedPrior.standard(0.5 + 0.5 * np.eye(3))
    n = 1500
    true = rng.multivariate_normal(prior.mean, prior.cov, size=n)
    item = np.tile(np.arange(60), n)
    who = np.repeat(np.arange(n), 60)
    category = draw_category(params, true[who, params.scale[item]], item, rng.random(len(item)))
    now = posterior(prior.normals, Likelihood.of(params).answers((n, 3), who, item, category))
    error = (now.theta - true)[:, 0] - (now.theta - true)[:, 1]
    assert np.sqrt((error**2).mean()) == pytest.approx(np.sqrt((difference_se(now)[:, 0, 1] ** 2).mean()), rel=0.06)
    assert (error / difference_se(now)[:, 0, 1]).std() == pytest.approx(1.0, abs=0.06)
    observed = np.corrcoef(now.theta[:, 0] - now.theta[:, 1], true[:, 0] - true[:, 1])[0, 1] ** 2
    assert observed == pytest.approx(difference_reliability(prior, now)[:, 0, 1].mean(), abs=0.04)


# Priors.


def test_a_correlation_matrix_is_taken_as_it_is() -> None:
    prior = CorrelatedPrior.standard([[1.0, 0.5], [0.5, 1.0]], ["A", "B"])
    assert len(prior) == 2
    np.testing.assert_array_equal(prior.correlation, prior.cov)
    np.testing.assert_array_equal(prior.independent.cov, np.eye(2))
    with pytest.raises(ValueError, match="read-only"):
        prior.cov[0, 1] = 0.0


@pytest.mark.parametrize(
    ("cov", "says"),
    [
        ([[1.0, 0.5]], "not square"),
        ([], "not square"),
        ([[1.0, 0.5], [0.4, 1.0]], r"\[A, B\].*0.5 but 0.4"),
        ([[1.0, np.nan], [0.5, 1.0]], r"\[A, B\].*not a finite"),
        ([[1.0, 1.2], [1.2, 1.0]], r"\[A, B\].*correlation 1.2"),
        ([[0.0, 0.0], [0.0, 1.0]], r"\[A, A\].*variance 0"),
        ([[2.0, 0.5], [0.5, 1.0]], r"\[A, A\].*2 is not 1"),
        ([[1.0, 0.9, 0.9], [0.9, 1.0, 0.1], [0.9, 0.1, 1.0]], "not positive definite"),
    ],
)
def test_a_matrix_that_is_no_correlation_matrix_is_refused_by_its_cells(cov: list[list[float]], says: str) -> None:
    with pytest.raises(Faulty, match=says):
        CorrelatedPrior.standard(cov, ["A", "B", "C"][: len(cov)])


def test_means_that_do_not_fit_are_refused() -> None:
    with pytest.raises(Faulty, match="do not fit"):
        CorrelatedPrior(np.zeros(3), np.eye(2))
    with pytest.raises(Faulty, match="finite"):
        CorrelatedPrior(np.array([0.0, np.inf]), np.eye(2))


# A whole test, simulated.


@dataclass(frozen=True, eq=False)
class Sat:
    """What N simulated people's tests gave: true[N, S], now, length[N]."""

    true: Floats
    now: Normals
    length: Ints


def sit_together(params: ItemParams, prior: CorrelatedPrior, true: Floats, se: float, seed: int, block: int = 400) -> Sat:
    """Every person of true[N, S] answers, chosen by the D-rule among the items of competencies whose SE is still above `se`, until none is left."""
    rng, likelihood, table = np.random.default_rng(seed), Likelihood.of(params), InformationTable.of(params)
    theta, cov, length = np.empty(true.shape), np.empty((*true.shape, true.shape[1])), np.zeros(len(true), dtype=int)
    for begin in range(0, len(true), block):
        who = true[begin : begin + block]
        batch, used = JointBatch.begin(likelihood, prior, len(who)), np.zeros((len(who), len(params)), dtype=bool)
        going = np.arange(len(who))
        while going.size:
            now = Normals(batch.now.theta[going], batch.now.cov[going])
            eligible = (now.se > se)[:, params.scale] & ~used[going]
            left = eligible.any(axis=1)
            going, now, eligible = going[left], Normals(now.theta[left], now.cov[left]), eligible[left]
            if going.size:
                item = np.argmax(np.where(eligible, d_gain(table.at(now.theta), now, params.scale), -np.inf), axis=1)
                category = draw_category(params, who[going, params.scale[item]], item, rng.random(len(going)))
                batch.answer(going, item, category)
                used[going, item] = True
        theta[begin : begin + block], cov[begin : begin + block] = batch.now.theta, batch.now.cov
        length[begin : begin + block] = batch.count
    return Sat(true, Normals(theta, cov), length)


def nine_competencies(seed: int) -> ItemParams:
    """Nine competencies of 40 2PL items each: ln a ~ N(ln 1.3, .25), b ~ N(0, 1.2)."""
    rng = np.random.default_rng(seed)
    a, b = np.exp(rng.normal(np.log(1.3), 0.25, size=360)), rng.normal(0, 1.2, size=360)
    return ItemParams.from_rows([Row("2pl", float(a[i]), [float(b[i])], scale=i % 9) for i in range(360)])


def lengths(rho: float, se: float, n: int, banks: int = 1) -> tuple[float, float]:
    """Mean items in all with priors I and Phi, where the competencies truly correlate rho."""
    phi = CorrelatedPrior.standard(rho + (1 - rho) * np.eye(9))
    found = []
    for prior in (phi.independent, phi):
        mean = 0.0
        for k in range(banks):
            true = np.random.default_rng([7, k]).multivariate_normal(phi.mean, phi.cov, size=n)
            mean += float(sit_together(nine_competencies(k), prior, true, se, 11 + k).length.mean()) / banks
        found.append(mean)
    return found[0], found[1]


# The total hangs on the bank drawn (its standard deviation over banks is 5 %, for both priors at once), the saving hardly at all.
OVER_BANKS = 0.1


def test_correlations_of_six_tenths_save_a_third_of_the_items() -> None:
    independent, correlated = lengths(0.6, 0.447, 60, banks=2)
    assert correlated / independent == pytest.approx(52 / 78, abs=0.03)
    assert (independent, correlated) == pytest.approx((78, 52), rel=OVER_BANKS)


def test_fewer_items_with_borrowing_still_reach_the_precision_that_they_state() -> None:
    phi = CorrelatedPrior.standard(0.6 + 0.4 * np.eye(9))
    true = np.random.default_rng(3).multivariate_normal(phi.mean, phi.cov, size=150)
    sat = sit_together(nine_competencies(3), phi, true, 0.447, 5)
    assert (sat.now.se <= 0.447).mean() > 0.99  # the rest had used up all 40 items of a competency
    assert np.sqrt(((sat.now.theta - true) ** 2).mean()) == pytest.approx(np.sqrt((sat.now.se**2).mean()), rel=0.08)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("se", "rho", "independent", "correlated"),
    [(0.447, 0.3, 79, 72), (0.447, 0.5, 78, 61), (0.447, 0.6, 78, 52), (0.447, 0.7, 78, 41), (0.387, 0.5, 129, 105), (0.387, 0.6, 129, 93)],
)
def test_total_items_by_correlation_are_the_known_ones(se: float, rho: float, independent: float, correlated: float) -> None:
    found = lengths(rho, se, 100, banks=6)
    assert found[1] / found[0] == pytest.approx(correlated / independent, abs=0.02)
    assert found == pytest.approx((independent, correlated), rel=OVER_BANKS)


def test_the_example_of_the_documentation_gives_the_numbers_that_it_states() -> None:
    ran = doctest.testfile(
        str(Path(__file__).parents[2] / "docs" / "several.md"), module_relative=False, optionflags=doctest.IGNORE_EXCEPTION_DETAIL
    )
    assert ran.attempted > 5
    assert ran.failed == 0
