"""M2 and its kin: the numbers of mirt, what a wrong model looks like, and their distribution where the model holds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import linalg

from calibration.curves import curves
from calibration.mml import fit_mml
from calibration.model_fit import ModelFit, _distance, _model, _Moments, model_fit, state_at
from cat_engine import Faulty, Grid, Row
from tests.calibration.mirt import MODELS, fit_of, rows_of

NODES = Grid().nodes()


def theirs(name: str, scores: Any) -> tuple[ModelFit, float]:
    """At mirt's parameters: the indices, and M2 with the slopes of the moments as mirt 1.45.1 has them. There 3pl items have those of 2pl items, P (1 - P)
    by the intercept and theta times that by a; the slope by a of gpcm items is not divided by the sum of the categories' terms, of which the largest is 1;
    and the variance of ability, where it is estimated, moves nothing.
    """
    rows, variance, model = rows_of(name), fit_of(name)["variance"], MODELS[name]
    state = state_at(rows, 0.0, np.sqrt(variance))
    p, slopes = _model(state, len(rows), NODES)
    if model in ("pcm", "rsm"):
        slopes = slopes[:, :-1]
    elif model in ("3pl", "gpcm"):
        shape = state.shapes[0]
        log_p, score = curves(model, shape.x, NODES)
        k = np.arange(p.shape[1])[:, None]
        rises = (np.exp(log_p)[:, None] * score * k).sum(axis=2)  # [I, m, Q]
        if model == "3pl":
            right = np.exp(log_p[:, 1])
            rises[:, 0], rises[:, 1] = NODES * right * (1 - right), right * (1 - right)
        else:  # by a at given intercepts
            terms = np.exp(log_p - log_p.max(axis=1, keepdims=True))
            mean = (k * p).sum(axis=1)
            rises[:, 0] = NODES * ((k**2 * p).sum(axis=1) - mean * (k * terms).sum(axis=1))
        slopes = _columns(rises, p, state.densities(NODES)[0])
    weights = state.densities(NODES)[0]
    moments = _Moments.of(p, weights)
    one, other = np.triu_indices(len(rows), 1)
    sample = np.concatenate([scores.mean(axis=0), (scores.T @ scores / len(scores))[one, other]])
    return model_fit(scores, state, NODES), len(scores) * _distance(sample - moments.expected, moments.covariance(), slopes)


def _columns(rises: Any, p: Any, weights: Any) -> Any:
    """Slopes of the moments by every parameter, [moments, I m], from those of expected item scores, rises[I, m, Q]."""
    mean = (p * np.arange(p.shape[1])[:, None]).sum(axis=1)
    one, other = np.triu_indices(len(p), 1)
    out = []
    for i, own in enumerate(rises):
        means = np.zeros((len(p), len(own)))
        means[i] = own @ weights
        beside = np.where(one == i, mean[other].T, 0).T + np.where(other == i, mean[one].T, 0).T
        out.append(np.concatenate([means, (beside * weights) @ own.T]))
    return np.concatenate(out, axis=1)


def baseline(scores: Any, n_cat: int) -> tuple[float, int]:
    """M2 and df of items with nothing in common as mirt 1.45.1 has them. Of K categories it projects K - 1 columns an item out, all but one of which say the
    same: in their place go the first columns of a QR decomposition that are orthogonal to the slopes, of no meaning.
    """
    n_persons, n_items = scores.shape
    alone = _Moments.of(np.stack([(scores == k).mean(axis=0) for k in range(n_cat)], axis=1)[:, :, None], np.ones(1))
    one, other = np.triu_indices(n_items, 1)
    gap = np.concatenate([scores.mean(axis=0), (scores.T @ scores / n_persons)[one, other]]) - alone.expected
    left = linalg.qr(alone.by_means())[0][:, n_items * (n_cat - 1) :]
    z = left.T @ gap
    return float(n_persons * z @ np.linalg.solve(left.T @ alone.covariance() @ left, z)), left.shape[1]


@pytest.mark.parametrize("name", [name for name in MODELS if not name.startswith("Science") and name != "LSAT7_3PL"])
def test_m2_and_its_indices_are_those_of_mirt(golden: Callable[[str], Any], answers: Callable[[str], Any], name: str) -> None:
    """Once the slopes of the moments and the baseline are mirt's; else as near as those are to right. Our slopes are those of differences (below)."""
    wanted, model = golden("mirt_item_fit.json")["fits"][name]["m2"], MODELS[name]
    data = answers(name)
    scores = data.category.reshape(-1, len(data.counts))
    found, m2 = theirs(name, scores)
    alone, df_alone = baseline(scores, len(data.counts[0]))
    tli = (alone / df_alone - m2 / wanted["df"]) / (alone / df_alone - 1)
    cfi = 1 - max(m2 - wanted["df"], 0) / (alone - df_alone)
    assert [tli, cfi] == pytest.approx([wanted["TLI"], wanted["CFI"]], abs=2e-5)  # mirt estimates the baseline
    assert m2 == pytest.approx(wanted["M2"], rel=1e-9)
    assert found.df == wanted["df"]
    assert found.srmsr == pytest.approx(wanted["SRMSR"], abs=1e-9)
    if model in ("3pl", "gpcm", "rsm"):
        assert found.m2 == pytest.approx(wanted["M2"], rel={"3pl": 5e-3, "gpcm": 0.12, "rsm": 0.025}[model])
        assert found.m2 < wanted["M2"] or model == "3pl"
        return
    close = 1e-4 if model == "pcm" else 1e-7
    for mine, theirs_ in (("m2", "M2"), ("p", "p"), ("rmsea", "RMSEA"), ("rmsea_low", "RMSEA_5"), ("rmsea_high", "RMSEA_95")):
        assert getattr(found, mine) == pytest.approx(wanted[theirs_], rel=close, abs=1e-6), mine
    if model not in ("grm", "gpcm", "rsm"):
        assert [found.tli, found.cfi] == pytest.approx([wanted["TLI"], wanted["CFI"]], abs=1e-5)


def test_the_slopes_of_the_moments_are_those_of_differences() -> None:
    rows = [
        Row("3pl", 1.2, [-0.5], 0.2), Row("3pl", 0.8, [0.7], 0.1), Row("gpcm", 1.1, [-0.7, 0.4, 0.6]), Row("grm", 1.4, [-1.0, 0.2]), Row("1pl", 1.1, [0.0]),
        Row("1pl", 1.1, [0.6]), Row("pcm", 1.0, [-0.2, 0.3]), Row("nrm", 1.0, [0.3, -0.2], slopes=[0.8, 1.9]), Row("rsm", 1.0, [-0.6, 0.2]),
        Row("rsm", 1.0, [0.1, 0.9]),
    ]  # fmt: skip
    state = state_at(rows, 0.3, 1.2, np.array([True] + [False] * 9))
    slopes = _model(state, len(rows), NODES)[1]

    def difference(values: Any, direction: Any) -> Any:
        """Of the moments, by `values` (changed in place) in a direction."""
        ends = []
        for step in (1e-5, -2e-5, 1e-5):
            values += step * direction
            ends.append(_Moments.of(_model(state, len(rows), NODES)[0], state.densities(NODES)[0]).expected)
        return (ends[0] - ends[1]) / 2e-5

    moves = []
    for shape in state.shapes:
        if shape.ties is not None:
            moves += [(shape.x, shape.ties[:, :, k]) for k in range(shape.ties.shape[2])]
            continue
        for place in zip(*np.nonzero(shape.free), strict=True):
            one = np.zeros(shape.x.shape)
            one[place] = 1
            moves.append((shape.x, one))
    moves += [(state.latent, np.array([own])) for own in ([1, 0], [0, 1])]
    assert len(moves) == slopes.shape[1] == state.n_free == 3 + 4 + 3 + (1 + 2) + 2 + 4 + (2 + 1) + 2
    np.testing.assert_allclose(slopes, np.stack([difference(*move) for move in moves], axis=1), atol=1e-8)


def test_a_second_ability_is_seen_where_one_is_fitted(draw: Callable[..., Any]) -> None:
    rng = np.random.default_rng(561)
    rows = [Row("2pl", 1.5, [float(b)]) for b in np.linspace(-1, 1, 6)] * 2
    halves = [draw(rows[:6], theta, 562 + k) for k, theta in enumerate(rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], 2000).T)]
    scores = np.concatenate([half.category.reshape(2000, 6) for half in halves], axis=1)
    person, item = np.nonzero(scores >= 0)
    fit = fit_mml(person, item, scores[person, item], rows)
    found = model_fit(scores, fit.state, NODES)
    assert found.p < 1e-10
    assert 0.05 < found.rmsea_low < found.rmsea < found.rmsea_high
    assert found.srmsr > 0.05
    assert found.cfi < 0.9


def test_too_few_and_too_many_items_holes_and_answers_all_alike_are_refused() -> None:
    rows, scores = [Row("2pl", 1.0, [0.0])] * 4, np.random.default_rng(2).integers(0, 2, (50, 4))
    with pytest.raises(Faulty, match="are incomplete or routed"):
        model_fit(np.where(scores == 0, -1, scores), state_at(rows), NODES)
    with pytest.raises(Faulty, match="2 items"):
        model_fit(scores[:, :2], state_at(rows[:2]), NODES)
    scores[:, 2] = 1
    with pytest.raises(Faulty, match="item 3: was answered alike by everybody"):
        model_fit(scores, state_at(rows), NODES)


@pytest.mark.slow
@pytest.mark.parametrize("row", [Row("gpcm", 1.0, [-0.7, 0.1, 0.9]), Row("3pl", 1.4, [0.0], 0.2), Row("grm", 1.2, [-1.0, 0.0, 1.0])])
def test_m2_is_a_chi_square_of_its_degrees_of_freedom_where_the_model_holds(draw: Callable[..., Any], row: Row) -> None:
    """80 samples of 2,000 people on 12 items, at the true parameters with all slopes projected out: mean df, share of p < .05 near .05."""
    rng = np.random.default_rng(572)
    spread = zip(rng.normal(0, 0.8, 12), rng.uniform(0.7, 1.4, 12), strict=True)
    rows = [row._replace(b=[b + shift for b in row.b], a=row.a * scale) for shift, scale in spread]
    found = []
    for seed in range(80):
        data = draw(rows, rng.normal(size=2000), 700 + seed)
        found.append(model_fit(data.category.reshape(2000, 12), state_at(rows), NODES))
    df = found[0].df
    assert np.mean([own.m2 for own in found]) == pytest.approx(df, abs=3 * np.sqrt(2 * df / 80))
    assert np.mean([own.p < 0.05 for own in found]) < 0.12
