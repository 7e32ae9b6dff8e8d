"""What estimation needs of a model: log-probabilities and scores (their derivatives) in working parameters.

Working parameters of an item, x[m]:   dichotomous  log a, b [, logit c [, logit d]]      graded and partial credit  log a, b_1 ... b_{K-1}
                                       nominal  slope_1 ... slope_{K-1}, b_1 ... b_{K-1}
so that a > 0 and 0 < c, d < 1 whatever the step. n items of one shape (model and K categories) are worked on together, on Q nodes.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, log_softmax, logit

from cat_engine import ItemParams, Row
from cat_engine.families import logistic
from cat_engine.irt import DICHOTOMOUS, NOMINAL, ORDERED, Floats

A_BOUNDS = (0.05, 8.0)
B_BOUND = 8.0
SLOPE_BOUND, INTERCEPT_BOUND = 20.0, 30.0  # of nominal items
C_BOUNDS = (1e-4, 0.5)
D_BOUNDS = (0.5 + 1e-4, 1 - 1e-4)  # above every c: an item whose curve falls drives both to the middle
AT_BOUND = 1e-3  # as near as this to a bound, in working parameters, an estimate has run into it
SMALLEST_GAP = 1e-3  # between neighbouring boundaries of a graded item
ASYMPTOTES = {"3pl": 1, "4pl": 2}

Curves = tuple[Floats, Floats]
Form = tuple[Callable[[], Floats], Callable[[], Floats]]  # log P and the scores, for whoever asks


def width(model: str, n_cat: int) -> int:
    """m, the number of working parameters of an item."""
    return 2 * (n_cat - 1) if model in NOMINAL else n_cat + ASYMPTOTES.get(model, 0)


def parts(model: str, n_cat: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which of the working parameters [m] are slopes, and which asymptotes."""
    column = np.arange(width(model, n_cat))
    if model in NOMINAL:
        return column < n_cat - 1, np.zeros(len(column), dtype=bool)
    return column == 0, column >= n_cat


def params_of(rows: Iterable[Row]) -> ItemParams:
    """Rows as the engine's parameters, whatever scales they are of: a calibration is of one."""
    return ItemParams.from_rows([row._replace(scale=0) for row in rows])


def pack(row: Row) -> Floats:
    """A row as working parameters [m], within bounds."""
    low, high = bounds(row.model, len(row.b) + 1)
    if row.model in NOMINAL:
        return np.asarray(np.clip([*row.slopes, *row.b], low, high))
    with np.errstate(divide="ignore"):
        x = np.array([np.log(row.a), *row.b, *logit([row.c, row.d])[: ASYMPTOTES.get(row.model, 0)]])
    return np.asarray(np.clip(x, low, high))


def unpack(model: str, x: Floats, scale: int = 0) -> Row:
    """Working parameters [m] as a row."""
    if model in NOMINAL:
        slopes, intercepts = np.split(x, 2)
        return Row(model, 1.0, intercepts.tolist(), scale=scale, slopes=slopes.tolist())
    n_asymptotes = ASYMPTOTES.get(model, 0)
    ends = expit(x[len(x) - n_asymptotes :])
    b = [float(v) for v in x[1 : len(x) - n_asymptotes]]
    return Row(model, float(np.exp(x[0])), b, float(ends[0]) if n_asymptotes else 0.0, float(ends[1]) if n_asymptotes == 2 else 1.0, scale)


@cache
def bounds(model: str, n_cat: int) -> tuple[Floats, Floats]:
    """Lowest and highest working parameters, [m] each."""
    if model in NOMINAL:
        highest = np.repeat([SLOPE_BOUND, INTERCEPT_BOUND], n_cat - 1)
        limits = np.stack([-highest, highest])
    else:
        ends = [logit(C_BOUNDS), logit(D_BOUNDS)][: ASYMPTOTES.get(model, 0)]
        limits = np.array([np.log(A_BOUNDS), *[(-B_BOUND, B_BOUND)] * (n_cat - 1), *ends]).T
    limits.setflags(write=False)
    return limits[0], limits[1]


def bounded(model: str, n_cat: int, x: Floats) -> NDArray[np.bool_]:
    """Which working parameters x[..., m] have run into a bound."""
    low, high = bounds(model, n_cat)
    return np.asarray((x <= low + AT_BOUND) | (x >= high - AT_BOUND))


def lost_b(row: Row) -> bool:
    """Whether a b has run into its bound, so that it is not known where it is."""
    return any(abs(b) >= B_BOUND - AT_BOUND for b in row.b) and row.model not in NOMINAL


def legal(model: str, x: Floats) -> NDArray[np.bool_]:
    """Whether items x[n, m] have probabilities at all: boundaries of a graded item increase."""
    if model not in ORDERED or x.shape[1] < 3:
        return np.ones(len(x), dtype=bool)
    return np.asarray((x[:, 2:] - x[:, 1:-1] > SMALLEST_GAP).all(axis=1))


def standardised(model: str, x: Floats, n_cat: int, mean: float, sd: float) -> Floats:
    """Items x[n, m] for an ability of which `mean` and `sd` have been made 0 and 1."""
    out = x.copy()
    if model in NOMINAL:
        out[:, n_cat - 1 :] += mean * x[:, : n_cat - 1]
        out[:, : n_cat - 1] *= sd
        return out
    out[:, 0] += np.log(sd)
    out[:, 1:n_cat] = (x[:, 1:n_cat] - mean) / sd
    return out


def curves(model: str, x: Floats, nodes: Floats) -> Curves:
    """log P[n, K, Q] and scores d log P / dx [n, m, K, Q] of items x[n, m]."""
    log_p, scores = FORMS[model](x, nodes)
    return log_p(), scores()


def scores(model: str, x: Floats, nodes: Floats) -> Floats:
    """The scores [n, m, K, Q] alone."""
    return FORMS[model](x, nodes)[1]()


def _logistic(x: Floats, nodes: Floats) -> Form:
    a = np.exp(x[:, :1])
    z = a * (nodes - x[:, 1:2])
    s, r = logistic(z)

    def scores() -> Floats:
        return np.stack([np.stack([-s * z, r * z], axis=1), np.stack([a * s, -a * r], axis=1)], axis=1)

    return lambda: np.log(np.stack([r, s], axis=1)), scores


def _asymptotic(x: Floats, nodes: Floats) -> Form:
    a, c = np.exp(x[:, :1]), expit(x[:, 2:3])
    d = expit(x[:, 3:4]) if x.shape[1] == 4 else np.ones_like(c)
    z = a * (nodes - x[:, 1:2])
    s, r = logistic(z)
    right, wrong = c + (d - c) * s, (1 - d) + (d - c) * r

    def scores() -> Floats:
        rise = (d - c) * s * r
        slopes = [rise * z, -a * rise, c * (1 - c) * r, d * (1 - d) * s][: x.shape[1]]
        slope = np.stack(slopes, axis=1)[:, :, None, :]
        return np.asarray(slope * np.stack([-1 / wrong, 1 / right], axis=1)[:, None])

    return lambda: np.log(np.stack([wrong, right], axis=1)), scores


def _graded(x: Floats, nodes: Floats) -> Form:
    a = np.exp(x[:, :1])[:, :, None]
    n, n_cat, q = len(x), x.shape[1], len(nodes)
    z = a * (nodes - x[:, 1:, None])
    s, r = logistic(z)
    # P(k) = s_k - s_{k+1} = s_k r_{k+1} gap_k, without cancellation; lower[k] and upper[k] are the derivatives by z_k and by -z_{k+1}.
    gap = np.ones((n, n_cat, 1))
    gap[:, 1:-1] = -np.expm1(-a * (x[:, 2:] - x[:, 1:-1])[:, :, None])

    def log_p() -> Floats:
        out = np.zeros((n, n_cat, q))
        out[:, 1:] += np.log(s)
        out[:, :-1] += np.log(r)
        out += np.log(gap)
        return out

    def scores() -> Floats:
        one = np.ones((n, 1, q))
        lower = r / (np.concatenate([r, one], axis=1)[:, 1:] * gap[:, 1:])
        upper = s / (np.concatenate([one, s], axis=1)[:, :-1] * gap[:, :-1])
        score = np.zeros((n, n_cat, n_cat, q))
        score[:, 0, 1:] += lower * z
        score[:, 0, :-1] -= upper * z
        for k in range(1, n_cat):
            score[:, k, k] = -a[:, 0] * lower[:, k - 1]
            score[:, k, k - 1] = a[:, 0] * upper[:, k - 1]
        return score

    return log_p, scores


def _partial_credit(x: Floats, nodes: Floats) -> Form:
    a = np.exp(x[:, :1])[:, :, None]
    n, n_cat, q = len(x), x.shape[1], len(nodes)
    logits = np.concatenate([np.zeros((n, 1, q)), np.cumsum(a * (nodes - x[:, 1:, None]), axis=1)], axis=1)
    log_p = log_softmax(logits, axis=1)

    def scores() -> Floats:
        p = np.exp(log_p)
        score = np.empty((n, n_cat, n_cat, q))
        score[:, 0] = logits - (p * logits).sum(axis=1, keepdims=True)
        reached = np.cumsum(p[:, ::-1], axis=1)[:, ::-1]  # P(category >= k)
        for k in range(1, n_cat):
            score[:, k] = a * reached[:, k : k + 1]
            score[:, k, k:] -= a
        return score

    return lambda: log_p, scores


def _nominal(x: Floats, nodes: Floats) -> Form:
    n, steps, q = len(x), x.shape[1] // 2, len(nodes)
    logits = np.concatenate([np.zeros((n, 1, q)), x[:, :steps, None] * nodes + x[:, steps:, None]], axis=1)
    log_p = log_softmax(logits, axis=1)

    def scores() -> Floats:
        by_logit = np.eye(steps + 1)[1:, :, None] - np.exp(log_p)[:, 1:, None]  # d log P_k / d logit_j, [n, K-1, K, Q]
        return np.concatenate([by_logit * nodes, by_logit], axis=1)

    return lambda: log_p, scores


FORMS: dict[str, Callable[[Floats, Floats], Form]] = {
    **dict.fromkeys(DICHOTOMOUS, _logistic),
    **dict.fromkeys(ASYMPTOTES, _asymptotic),
    **dict.fromkeys(ORDERED, _graded),
    **dict.fromkeys(("gpcm", "pcm", "rsm"), _partial_credit),
    **dict.fromkeys(NOMINAL, _nominal),
}


def starting_rows(model: str, counts: Sequence[Sequence[int]]) -> list[Row]:
    """Rough rows to start from, of items whose categories were chosen counts[I][K] times: a = 1 and b from the cumulative or adjacent logits.

    The slopes of nominal items start from 1, 2, ...: of the two mirror images of ability that fit alike this leads to the one in which high categories
    are chosen by the able.
    """
    rows = []
    for own in counts:
        n = np.asarray(own, dtype=float) + 0.5
        if model in NOMINAL:
            rows.append(Row(model, 1.0, np.log(n[1:] / n[0]).tolist(), slopes=np.arange(1.0, len(n)).tolist()))
            continue
        if model in ("gpcm", "pcm", "rsm"):
            b = np.log(n[:-1] / n[1:])
        else:
            above = np.cumsum(n[::-1])[::-1][1:] / n.sum()
            b = -logit(above)
        rows.append(
            Row(
                model,
                1.0,
                (np.clip(b, -4, 4) + 10 * SMALLEST_GAP * np.arange(len(b))).tolist(),
                0.2 if model in ASYMPTOTES else 0.0,
                0.95 if model == "4pl" else 1.0,
            )
        )
    return rows
