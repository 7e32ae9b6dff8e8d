"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981) on sparse responses: one competency at a time.

Notation: P persons, I items, K categories, Q nodes theta_q with weights g_q; S the sparse 0/1 matrix persons x (item, category).

    E-step   L = exp(S log P),  w_pq ~ L_pq g_q,  r = S' w                      two sparse products, whatever the routing was
    M-step   Fisher scoring of sum_kq r_kq log P_k(theta_q) + log prior, all items of one shape at once, in (log a, b..., logit c)

The likelihood of what was administered does not depend on why it was (Rubin, 1976), so routed data need no correction here, unlike in any method
that starts from proportions correct. Fixed items keep their parameters and let mean and sd of ability float: fixed parameter calibration with
weights and items updated in every cycle (MWU-MEM, Kim, 2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.special import expit, logit

from cat_engine import Grid, ItemParams, Row, log_probabilities
from cat_engine.irt import DICHOTOMOUS, Floats, Ints

LOWEST_C, HIGHEST_C = 1e-4, 0.5
A_BOUNDS = (0.05, 6.0)
B_BOUND = 8.0


@dataclass(frozen=True, slots=True)
class Priors:
    """log a ~ N(log_a_mean, log_a_sd^2); b ~ N(0, b_sd^2); c ~ Beta(c_alpha, c_beta). An infinite sd, or c_alpha = c_beta = 1, is no prior."""

    log_a_mean: float = 0.0
    log_a_sd: float = 0.5
    b_sd: float = 2.0
    c_alpha: float = 5.0
    c_beta: float = 17.0


FLAT = Priors(0.0, np.inf, np.inf, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class MmlOptions:
    """How to run: priors, the quadrature grid, when to stop (largest change of any parameter), and at most how many cycles."""

    priors: Priors = field(default_factory=Priors)
    grid: Grid = field(default_factory=Grid)
    tolerance: float = 1e-4
    max_cycles: int = 2000


@dataclass(frozen=True, slots=True, eq=False)
class MmlFit:
    """The estimate: rows (one an item), SEs of a, b and c (NaN for fixed items and parameters), latent mean and sd, and how it went.

    counts[I, K] responses, expected[I, K, Q] posterior-weighted counts, weights[Q] the latent density.
    """

    rows: tuple[Row, ...]
    se_a: Floats
    se_b: Floats
    se_c: Floats
    mean: float
    sd: float
    loglik: float
    n_cycles: int
    converged: bool
    counts: Ints
    expected: Floats
    nodes: Floats
    weights: Floats


@dataclass(slots=True)
class _Shape:
    """Items that share model and number of categories, with their working parameters x = (log a, b..., logit c), [n, m]."""

    model: str
    n_cat: int
    index: Ints
    x: Floats
    free: NDArray[np.bool_]  # [n, m]


def _pack(rows: Sequence[Row], fixed: NDArray[np.bool_]) -> list[_Shape]:
    keys = sorted({(row.model, len(row.b) + 1) for row in rows})
    shapes = []
    for model, n_cat in keys:
        index = np.array([i for i, row in enumerate(rows) if (row.model, len(row.b) + 1) == (model, n_cat)])
        x = np.array([[np.log(rows[i].a), *rows[i].b, logit(min(max(rows[i].c, LOWEST_C), HIGHEST_C))] for i in index])
        free = np.ones(x.shape, dtype=bool)
        free[:, 0] = model not in ("1pl", "pcm")
        free[:, -1] = model == "3pl"
        free[fixed[index]] = False
        shapes.append(_Shape(model, n_cat, index, x, free))
    return shapes


def _rows(shapes: Sequence[_Shape], old: Sequence[Row]) -> list[Row]:
    rows = list(old)
    for shape in shapes:
        for i, x in zip(shape.index, shape.x, strict=True):
            c = float(expit(x[-1])) if shape.model == "3pl" else old[i].c
            rows[i] = Row(shape.model, float(np.exp(x[0])), [float(v) for v in x[1:-1]], c, old[i].d, old[i].scale)
    return rows


def _slopes(shape: _Shape, x: Floats, nodes: Floats) -> tuple[Floats, Floats]:
    """P[n, K, Q] and dP/dx[n, m, K, Q] of items of one shape at working parameters x[n, m]."""
    a = np.exp(x[:, 0])[:, None]
    b = x[:, 1:-1]
    n, m, q = len(x), x.shape[1], len(nodes)
    d = np.zeros((n, m, shape.n_cat, q))
    if shape.model in DICHOTOMOUS:
        z = a * (nodes - b)
        s = expit(z)
        c = expit(x[:, -1:]) if shape.model == "3pl" else np.zeros((n, 1))
        one = c + (1 - c) * s
        rise = (1 - c) * s * expit(-z)
        d[:, 0, 1], d[:, 1, 1] = rise * z, -a * rise
        d[:, 2, 1] = c * (1 - c) * expit(-z)
        d[:, :, 0] = -d[:, :, 1]
        return np.stack([1 - one, one], axis=1), d
    z = a[:, :, None] * (nodes - b[:, :, None])  # [n, K-1, Q]
    if shape.model == "grm":
        s = np.concatenate([np.ones((n, 1, q)), expit(z), np.zeros((n, 1, q))], axis=1)
        w = expit(z) * expit(-z)
        ds = w * z
        d[:, 0, 1:] += ds
        d[:, 0, :-1] -= ds
        for k in range(shape.n_cat - 1):
            d[:, 1 + k, k + 1] -= a * w[:, k]
            d[:, 1 + k, k] += a * w[:, k]
        return s[:, :-1] - s[:, 1:], d
    logits = np.concatenate([np.zeros((n, 1, q)), np.cumsum(z, axis=1)], axis=1)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    d[:, 0] = p * (logits - (p * logits).sum(axis=1, keepdims=True))
    for v in range(shape.n_cat - 1):
        above = (np.arange(shape.n_cat) > v)[None, :, None]
        d[:, 1 + v] = -a[:, :, None] * p * (above - p[:, v + 1 :].sum(axis=1, keepdims=True))
    return p, d


def _prior_terms(x: Floats, model: str, priors: Priors) -> tuple[Floats, Floats]:
    """Gradient and (positive) curvature of the log prior at x[n, m]."""
    gradient, curvature = np.zeros_like(x), np.zeros_like(x)
    if np.isfinite(priors.log_a_sd) and model not in ("1pl", "pcm"):
        gradient[:, 0] = -(x[:, 0] - priors.log_a_mean) / priors.log_a_sd**2
        curvature[:, 0] = 1 / priors.log_a_sd**2
    if np.isfinite(priors.b_sd):
        gradient[:, 1:-1] = -x[:, 1:-1] / priors.b_sd**2
        curvature[:, 1:-1] = 1 / priors.b_sd**2
    if model == "3pl":
        c = expit(x[:, -1])
        # The density of c itself, (alpha-1) log c + (beta-1) log(1-c), differentiated through logit c.
        gradient[:, -1] = (priors.c_alpha - 1) * (1 - c) - (priors.c_beta - 1) * c
        curvature[:, -1] = (priors.c_alpha + priors.c_beta - 2) * c * (1 - c)
    return gradient, curvature


def _log_prior(x: Floats, model: str, priors: Priors) -> Floats:
    value = np.zeros(len(x))
    if np.isfinite(priors.log_a_sd) and model not in ("1pl", "pcm"):
        value -= 0.5 * ((x[:, 0] - priors.log_a_mean) / priors.log_a_sd) ** 2
    if np.isfinite(priors.b_sd):
        value -= 0.5 * (x[:, 1:-1] ** 2).sum(axis=1) / priors.b_sd**2
    if model == "3pl":
        c = expit(x[:, -1])
        value += (priors.c_alpha - 1) * np.log(c) + (priors.c_beta - 1) * np.log1p(-c)
    return value


def _objective(shape: _Shape, x: Floats, r: Floats, nodes: Floats, priors: Priors) -> Floats:
    p = _slopes(shape, x, nodes)[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        value = np.where(r > 0, r * np.log(np.maximum(p, 1e-300)), 0.0).sum(axis=(1, 2)) + _log_prior(x, shape.model, priors)
    legal = np.all(np.abs(x[:, 1:-1]) <= B_BOUND, axis=1) & (np.abs(x[:, 0]) <= np.log(1 / A_BOUNDS[0]))
    if shape.model == "grm":
        legal &= np.all(np.diff(x[:, 1:-1], axis=1) > 1e-3, axis=1)
    if shape.model == "3pl":
        legal &= (x[:, -1] >= logit(LOWEST_C) - 1e-9) & (x[:, -1] <= logit(HIGHEST_C) + 1e-9)
    return np.where(legal & np.isfinite(value), value, -np.inf)


def _improve(shape: _Shape, r: Floats, nodes: Floats, priors: Priors, steps: int = 3) -> None:
    """M-step of one shape, in place: Fisher scoring with halving, which never lowers an item's objective."""
    if not shape.free.any():
        return
    value = _objective(shape, shape.x, r, nodes, priors)
    for _ in range(steps):
        p, d = _slopes(shape, shape.x, nodes)
        p = np.maximum(p, 1e-12)
        gradient = np.einsum("nkq,nmkq->nm", r / p, d, optimize=True)
        total = r.sum(axis=1)
        information = np.einsum("nq,nmkq,nlkq->nml", total, d / p[:, None], d, optimize=True)
        prior_gradient, prior_curvature = _prior_terms(shape.x, shape.model, priors)
        gradient = np.where(shape.free, gradient + prior_gradient, 0.0)
        m = shape.x.shape[1]
        information[:, np.arange(m), np.arange(m)] += prior_curvature + 1e-8
        held = ~shape.free
        information = np.where(held[:, :, None] | held[:, None, :], 0.0, information)
        information[:, np.arange(m), np.arange(m)] += held
        step = np.linalg.solve(information, gradient[:, :, None])[:, :, 0]
        step /= np.maximum(1.0, np.abs(step).max(axis=1, keepdims=True))
        todo = np.ones(len(step), dtype=bool)
        for _ in range(12):
            trial = np.where(todo[:, None], shape.x + step, shape.x)
            after = _objective(shape, trial, r, nodes, priors)
            better = todo & (after >= value)
            shape.x[better], value[better] = trial[better], after[better]
            todo &= ~better
            if not todo.any():
                break
            step[todo] /= 2


def fit_mml(
    person: Ints, item: Ints, category: Ints, rows: Sequence[Row], options: MmlOptions, fixed: NDArray[np.bool_] | None = None
) -> MmlFit:
    """Calibrate one competency. person[R], item[R], category[R] from 0; `rows` are starting values (and the models); `fixed`[I] items stay.

    With any fixed item the latent mean and sd are estimated; else ability is N(0, 1), but for a run of 1pl/pcm items only, whose sd is free.
    """
    held = np.zeros(len(rows), dtype=bool) if fixed is None else fixed
    shapes = _pack(rows, held)
    nodes = options.grid.nodes()
    n_persons, n_items = int(person.max()) + 1, len(rows)
    width = max(len(row.b) for row in rows) + 1
    ones = np.ones(len(person))
    data = sparse.csr_matrix((ones, (person, item * width + category)), shape=(n_persons, n_items * width))
    transposed = data.T.tocsr()
    counts = np.asarray(data.sum(axis=0)).reshape(n_items, width).astype(int)
    free_mean, free_sd = bool(held.any()), bool(held.any()) or all(row.model in ("1pl", "pcm") for row in rows)
    mean, sd = 0.0, 1.0
    loglik, converged, cycle = -np.inf, False, 0
    current = list(rows)
    expected = np.zeros((n_items, width, len(nodes)))
    density = _density(nodes, mean, sd)
    while cycle < options.max_cycles and not converged:
        cycle += 1
        loglik, posterior = _posterior(data, current, nodes, width, density)
        expected = (transposed @ posterior).reshape(n_items, width, len(nodes))
        before = np.concatenate([shape.x.ravel() for shape in shapes] + [np.array([mean, sd])])
        for shape in shapes:
            _improve(shape, expected[shape.index, : shape.n_cat], nodes, options.priors)
        if free_sd:
            mass = posterior.sum(axis=0) / n_persons
            centre = float(mass @ nodes)
            spread = float(np.sqrt(mass @ (nodes - centre) ** 2))
            mean, sd = (centre, spread) if free_mean else (0.0, float(np.sqrt(mass @ nodes**2)))
            density = _density(nodes, mean, sd)
        current = _rows(shapes, rows)
        after = np.concatenate([shape.x.ravel() for shape in shapes] + [np.array([mean, sd])])
        converged = bool(np.max(np.abs(after - before)) < options.tolerance)
    loglik, posterior = _posterior(data, current, nodes, width, density)
    expected = (transposed @ posterior).reshape(n_items, width, len(nodes))
    se_a, se_b, se_c = _standard_errors(shapes, person, item, category, posterior, nodes, options.priors, n_items, width - 1)
    return MmlFit(tuple(current), se_a, se_b, se_c, mean, sd, loglik, cycle, converged, counts, expected, nodes, density)


def _density(nodes: Floats, mean: float, sd: float) -> Floats:
    g = np.exp(-0.5 * ((nodes - mean) / sd) ** 2)
    return np.asarray(g / g.sum())


def _posterior(data: sparse.csr_matrix, rows: Sequence[Row], nodes: Floats, width: int, density: Floats) -> tuple[float, Floats]:
    params = ItemParams.from_rows([row._replace(scale=0) for row in rows])
    table = np.moveaxis(log_probabilities(params, nodes), 0, -1)
    table = np.maximum(table, -700.0).reshape(len(rows) * width, len(nodes))
    joint = data @ table + np.log(density)
    top = joint.max(axis=1, keepdims=True)
    w = np.exp(joint - top)
    total = w.sum(axis=1, keepdims=True)
    return float((np.log(total) + top).sum()), w / total


def _standard_errors(
    shapes: Sequence[_Shape],
    person: Ints,
    item: Ints,
    category: Ints,
    posterior: Floats,
    nodes: Floats,
    priors: Priors,
    n_items: int,
    width: int,
) -> tuple[Floats, Floats, Floats]:
    """SEs from the cross-product of the persons' scores (empirical information), with the priors' curvature added; delta method for a and c."""
    blocks: list[Floats] = []
    owners: list[tuple[int, int]] = []
    curvature: list[float] = []
    for shape in shapes:
        p, d = _slopes(shape, shape.x, nodes)
        ratio = d / np.maximum(p, 1e-12)[:, None]
        own = _prior_terms(shape.x, shape.model, priors)[1]
        for n, i in enumerate(shape.index):
            where = np.flatnonzero(item == i)
            score = np.einsum("rq,mrq->rm", posterior[person[where]], ratio[n][:, category[where]], optimize=True)
            for m in map(int, np.flatnonzero(shape.free[n])):
                column = np.zeros(len(posterior))
                column[person[where]] = score[:, m]
                blocks.append(column)
                owners.append((int(i), m))
                curvature.append(float(own[n, m]))
    se_a, se_b, se_c = np.full(n_items, np.nan), np.full((n_items, width), np.nan), np.full(n_items, np.nan)
    if not blocks:
        return se_a, se_b, se_c
    scores = np.stack(blocks, axis=1)
    information = scores.T @ scores + np.diag(curvature)
    variance = np.diag(np.linalg.pinv(information))
    sizes = {int(i): shape.x.shape[1] for shape in shapes for i in shape.index}
    values = {int(i): x for shape in shapes for i, x in zip(shape.index, shape.x, strict=True)}
    for (i, m), v in zip(owners, variance.tolist(), strict=True):
        se = float(np.sqrt(max(v, 0.0)))
        if m == 0:
            se_a[i] = se * np.exp(values[i][0])
        elif m == sizes[i] - 1:
            c = expit(values[i][-1])
            se_c[i] = se * c * (1 - c)
        else:
            se_b[i, m - 1] = se
    return se_a, se_b, se_c
