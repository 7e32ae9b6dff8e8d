"""Standard errors of a marginal maximum likelihood fit.

Notation: s_p(theta) the score of a person's complete data at ability theta, the sum of the scores of the answers given and of the group; w_p the
person's posterior. Both methods work on all parameters at once, the latent mean and sd among them.

    oakes   observed information  -Q'' - sum_p Cov_{w_p}(s_p): Oakes' (1999) identity, whose second term, found by differences in Chalmers (2018),
            is a posterior covariance, as Louis (1982) shows
    xpd     cross-product of the persons' marginal scores, sum_p (E_{w_p} s_p)(E_{w_p} s_p)'

Priors add their curvature. A parameter that ran into its bound is no longer estimated: it has no error, and the errors of all others are those of a fit in
which it is given, from the information without its row and column. Scores are smooth in theta, so they are written in the few functions phi that a
singular value decomposition gives (to SVD_TOLERANCE): Cov_{w_p}(s_i, s_j) = B_i Cov_{w_p}(phi) B_j', which makes the sum over pairs of answers two small products a person and item.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse
from scipy.special import expit

from calibration.curves import ASYMPTOTES, bounded, pack, scores
from calibration.expectation import Part
from calibration.mml import MmlFit
from calibration.priors import Priors
from calibration.state import SMALLEST_SD, Shape
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import NOMINAL, Floats, Ints

METHODS = ("oakes", "xpd", "none")
SVD_TOLERANCE = 1e-3
LEAST_SCORE = 1e-3  # beside the largest of an item: smaller ones need less precision
LEAST_SHARE = 1e-9  # of a group's people at a node, beside the node where most are: nobody
AT_ONCE = 1 << 20  # numbers, or pairs of answers
DIFFERENCE = 1e-4  # step of the numerical derivative of the analytic gradient


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Standard errors: a[I], b[I, K-1], c[I], d[I], mean[G], sd[G], slopes[I, K-1] of nominal items; and the covariance[I, K-1] of each b with a or, of a
    nominal item, with the slope beside it. NaN for what was fixed, ran into its bound, or cannot be told, as mean and sd of a group whose sd ran into its
    bound: of one person, say.
    """

    a: Floats
    b: Floats
    c: Floats
    d: Floats
    mean: Floats
    sd: Floats
    slopes: Floats
    covariance: Floats

    def moved(self, k: int, row: Row, slope: float = 1.0, intercept: float = 0.0) -> tuple[float, tuple[float, ...], tuple[float, ...]]:
        """Of item k, estimated as `row`: SEs of a, of each b and of each slope, after theta has been moved to slope theta + intercept."""
        steps = len(row.b)
        a, b, slopes = self.a[k] / slope, self.b[k, :steps] * slope, self.slopes[k, :steps] / slope
        if row.slopes:  # the new intercept is b - slope intercept / slope
            shift, given = intercept / slope, bounded(row.model, steps + 1, pack(row))[:steps]
            own, covariance = np.where(given, 0.0, self.slopes[k, :steps]), np.where(given, 0.0, self.covariance[k, :steps])
            b = np.sqrt(self.b[k, :steps] ** 2 + (shift * own) ** 2 - 2 * shift * covariance)
        return float(a), tuple(b.tolist()), tuple(slopes.tolist()) if row.slopes else ()


def standard_errors(fit: MmlFit, priors: Priors, method: str = "oakes") -> Errors:
    """SEs of all free parameters of `fit`, made with `priors`. Raises Faulty for an unknown method."""
    if method not in METHODS:
        raise Faulty([Fault("--se", "", f"'{method}' is not known", "one of " + ", ".join(METHODS))])
    free = _free_directions(fit)
    m = _m(fit)
    variance, beside = np.full(free.shape[0], np.nan), np.full(free.shape[0], np.nan)
    if method != "none" and free.shape[1]:
        shared = _Basis.of(fit), fit.state.table(fit.design, fit.nodes)
        information = _prior_curvature(fit, priors)
        if method == "oakes":
            information += _complete(fit) - fit.design.held.total(_missing, *shared)[0]
        else:
            information += fit.design.held.total(_cross_product, *shared)[0]
        own = free.T @ (free.T @ information).T
        covariance = _inverse(np.asarray((own + own.T) / 2))
        spread, row = np.asarray(free @ covariance), np.repeat(np.arange(free.shape[0]), np.diff(free.indptr))
        variance = np.bincount(row, free.data * spread[row, free.indices], free.shape[0])
        slope = _slopes_beside(fit, free.shape[0])
        beside = np.bincount(row, free.data * spread[slope[row], free.indices], free.shape[0])
        variance[np.bincount(row, abs(free.data), free.shape[0]) == 0] = np.nan
    se = np.sqrt(np.where(variance > 0, variance, np.nan))
    items, latent = se[: fit.design.n_items * m].reshape(-1, m), se[fit.design.n_items * m :].reshape(-1, m)[:, :2]
    k = fit.design.n_cat - 1
    a, b, c, d = np.full(len(items), np.nan), np.full((len(items), k), np.nan), np.full(len(items), np.nan), np.full(len(items), np.nan)
    slopes, both, beside = np.full(b.shape, np.nan), np.full(b.shape, np.nan), beside[: fit.design.n_items * m].reshape(-1, m)
    for shape in fit.state.shapes:
        own, steps, ends = items[shape.index], shape.n_cat - 1, expit(shape.x)
        if shape.model in NOMINAL:
            slopes[shape.index, :steps], b[shape.index, :steps] = own[:, :steps], own[:, steps : 2 * steps]
            both[shape.index, :steps] = beside[shape.index, steps : 2 * steps]
            continue
        both[shape.index, :steps] = beside[shape.index, 1 : 1 + steps] * np.exp(shape.x[:, :1])
        a[shape.index] = own[:, 0] * np.exp(shape.x[:, 0])
        b[shape.index, :steps] = own[:, 1 : 1 + steps]
        for name, target, at in (("c", c, 2), ("d", d, 3)):
            if ASYMPTOTES.get(shape.model, 0) > (name == "d"):
                target[shape.index] = own[:, at] * ends[:, at] * (1 - ends[:, at])
    return Errors(a, b, c, d, latent[:, 0], latent[:, 1] * fit.sds, slopes, both)


def _slopes_beside(fit: MmlFit, n: int) -> Ints:
    """Of each of n working parameters, where the slope stands that it goes with if it is a b: itself, if it is none."""
    m, found = _m(fit), np.arange(n)
    for shape in fit.state.shapes:
        step, slope = np.arange(1, shape.n_cat), np.zeros(shape.n_cat - 1, dtype=np.int64)
        if shape.model in NOMINAL:
            step, slope = step + shape.n_cat - 2, step - 1
        first = shape.index[:, None] * m
        found[first + step] = first + slope
    return found


def _m(fit: MmlFit) -> int:
    """Working parameters kept a row: those of the widest item, and at least the two of a latent density."""
    return max(2, *(int(shape.x.shape[1]) for shape in fit.state.shapes))


def _free_directions(fit: MmlFit) -> sparse.csr_matrix:
    """[(I + G) m, free]: how each parameter of each item and group moves with those that are estimated. What ran into its bound stays there, and of tied
    parameters moves only what leaves it there. Mean and sd of a group stay where its sd ran into its bound: the likelihood bends there in no way that says
    how well they are known, and would take the errors of all items with it.
    """
    m = _m(fit)
    rows, columns, values, at = [], [], [], 0
    for shape in fit.state.shapes:
        stuck = bounded(shape.model, shape.n_cat, shape.x)
        if shape.ties is None:
            item, own = np.nonzero(shape.free & ~stuck)
            rows += (shape.index[item] * m + own).tolist()
            columns += (at + np.arange(len(item))).tolist()
            values += [1.0] * len(item)
            at += len(item)
            continue
        ties = _loose(shape.ties, stuck)
        item, own, tie = np.nonzero(ties)
        rows += (shape.index[item] * m + own).tolist()
        columns += (at + tie).tolist()
        values += ties[item, own, tie].tolist()
        at += ties.shape[2]
    group, own = np.nonzero(fit.state.free & (fit.sds > SMALLEST_SD * (1 + 1e-6))[:, None])
    rows += ((fit.design.n_items + group) * m + own).tolist()
    columns += (at + np.arange(len(group))).tolist()
    values += [1.0] * len(group)
    return sparse.csr_matrix((values, (rows, columns)), shape=((fit.design.n_items + fit.design.n_groups) * m, at + len(group)))


def _loose(ties: Floats, stuck: NDArray[np.bool_]) -> Floats:
    """Ties[n, m, p] by directions in which the parameters stuck[n, m] stay where they are, of which there are fewer than p."""
    if not ties[stuck].any():
        return ties
    loose = np.asarray(ties @ linalg.null_space(ties[stuck]))
    loose[stuck] = 0.0
    return np.where(np.abs(loose) < np.finfo(float).eps * 100, 0.0, loose)


@dataclass(frozen=True, slots=True, eq=False)
class _Basis:
    """Scores in few functions phi[R, Q] of ability: items[I, K, m, R] and groups[G, m, R] hold coefficients; free[I] says which items are asked."""

    items: Floats
    groups: Floats
    phi: Floats
    free: NDArray[np.bool_]

    @classmethod
    def of(cls, fit: MmlFit) -> "_Basis":
        design, nodes, m = fit.design, fit.nodes, _m(fit)
        score, free = np.zeros((design.n_items, design.n_cat, m, len(nodes))), np.zeros(design.n_items, dtype=bool)
        for shape in fit.state.shapes:
            score[shape.index, : shape.n_cat, : shape.x.shape[1]] = scores(shape.model, shape.x, nodes).transpose(0, 2, 1, 3)
            free[shape.index] = shape.free.any(axis=1)
        z = (nodes - fit.means[:, None]) / fit.sds[:, None]
        density = np.zeros((design.n_groups, m, len(nodes)))
        density[:, 0], density[:, 1] = z / fit.sds[:, None], z**2 - 1
        # Of a narrow group they are enormous where the group is not: there they would leave the functions nothing for the items' scores.
        density *= (fit.mass > LEAST_SHARE * fit.mass.max(axis=1, keepdims=True))[:, None]
        flat = np.concatenate([score.reshape(-1, len(nodes)), density.reshape(-1, len(nodes))])
        root = np.sqrt(fit.ability() + 1e-6)  # precision where people are
        weighted = flat * root
        # All scores count alike: those of close boundaries of a graded item, or of a narrow density, would leave the others no precision.
        size = np.linalg.norm(weighted, axis=1, keepdims=True)
        alike = weighted / np.maximum(size, LEAST_SCORE * size[: -design.n_groups * m].max())
        square, axes = np.linalg.eigh(alike.T @ alike)
        tolerance = SVD_TOLERANCE * min(1.0, float(fit.sds.min()))  # the posteriors of a narrow group see finer differences
        phi = axes.T[square > tolerance**2 * square[-1]]
        items, groups = np.split(weighted @ phi.T, [score.size // len(nodes)])
        return cls(items.reshape(*score.shape[:3], -1), groups.reshape(design.n_groups, m, -1), phi / root, free)

    def covariance(self, part: Part, table: Floats) -> Floats:
        """Of phi by each person's posterior, [P, R, R]."""
        r = len(self.phi)
        products = (self.phi[:, None] * self.phi[None]).reshape(r * r, -1).T
        mean, second = (
            np.concatenate(x) for x in zip(*((w @ self.phi.T, w @ products) for _, w, _ in part.posteriors(table)), strict=True)
        )
        return np.asarray((second - np.repeat(mean, r, axis=1) * np.tile(mean, r)).reshape(-1, r, r))


def _complete(fit: MmlFit) -> Floats:
    """-Q'': complete-data information, block by block, from differences of the analytic gradient."""
    m, design = _m(fit), fit.design
    out = np.zeros(((design.n_items + design.n_groups) * m,) * 2)
    for shape in fit.state.shapes:
        r = fit.expected[shape.index, : shape.n_cat].reshape(len(shape.index), -1, 1)

        def gradient(x: Floats, shape: Shape = shape, r: Floats = r) -> Floats:
            score = scores(shape.model, x.reshape(-1, x.shape[-1]), fit.nodes)
            return np.asarray(score.reshape(*x.shape, -1) @ r)[..., 0]

        _fill(out, shape, m, gradient, shape.x.size * r[0].size)
    for g, n_persons in enumerate(design.sizes.tolist()):
        at = (design.n_items + g) * m
        out[at, at], out[at + 1, at + 1] = n_persons / fit.sds[g] ** 2, 2 * n_persons
    return out


def _prior_curvature(fit: MmlFit, priors: Priors) -> Floats:
    """Minus the second derivatives of the log prior."""
    m, design = _m(fit), fit.design
    out = np.zeros(((design.n_items + design.n_groups) * m,) * 2)
    for shape in fit.state.shapes:

        def gradient(x: Floats, shape: Shape = shape) -> Floats:
            return priors.slopes(shape.model, x.reshape(-1, x.shape[-1]))[0].reshape(x.shape)

        _fill(out, shape, m, gradient, shape.x.size)
    return out


def _fill(out: Floats, shape: Shape, m: int, gradient: Callable[[Floats], Floats], numbers: int) -> None:
    """The blocks of a shape in `out`: minus the derivative of gradient(x[..., n, m]), which takes so many `numbers` for x[n, m], by each parameter, of
    some parameters at a time.
    """
    width = shape.x.shape[1]
    own, first = np.arange(width), shape.index[:, None, None] * m
    size = max(1, AT_ONCE // numbers)
    for at in range(0, width, size):
        columns = own[at : at + size]
        step = DIFFERENCE * np.eye(width)[columns, None]
        bent = (gradient(shape.x - step) - gradient(shape.x + step)) / (2 * DIFFERENCE)
        out[first + own[:, None], first + columns] = bent.transpose(1, 2, 0)


def _missing(part: Part, basis: _Basis, table: Floats) -> tuple[Floats]:
    """sum_p Cov_{w_p}(s_p) over the persons of a part, the columns of some items at a time."""
    n_items, n_cat, m, r = basis.items.shape
    n_groups = len(basis.groups)
    covariance = basis.covariance(part, table).astype(np.float32)
    whole, coefficients = part.matrix(np.float32), basis.items.astype(np.float32)
    by_column, width = whole.tocsc(), whole.shape[1]
    wide = basis.items.transpose(0, 2, 1, 3).reshape(n_items, m, n_cat * r)
    out = np.zeros((n_items + n_groups, m, (n_items + n_groups) * m))

    def members(column: int) -> Ints:
        return np.asarray(by_column.indices[by_column.indptr[column] : by_column.indptr[column + 1]])

    free = np.flatnonzero(basis.free)
    pairs = whole.nnz**2 // (part.n_persons * n_items)  # of an answer to an item and another answer of the same person
    size = max(1, AT_ONCE // max(pairs, width * r * m))
    for at in range(0, len(free), size):
        own = free[at : at + size]
        persons = [members(i * n_cat + k) for i in own.tolist() for k in range(n_cat)]
        given = np.ascontiguousarray(coefficients[own].reshape(-1, m, r).transpose(0, 2, 1))
        moved = [(covariance.take(who, axis=0).reshape(-1, r) @ given[c]).reshape(len(who), r * m) for c, who in enumerate(persons)]
        answers = whole[np.concatenate(persons)]  # each with all answers of its person; their columns stand apart for each item
        place = np.repeat(np.arange(len(persons), dtype=np.int32) // n_cat, [len(who) for who in persons])
        columns = answers.indices + np.int32(width) * np.repeat(place, np.diff(answers.indptr))
        together = sparse.csr_matrix((answers.data, columns, answers.indptr), shape=(len(place), len(own) * width))
        sums = (together.T @ np.concatenate(moved)).astype(float).reshape(len(own), width, r * m)
        by_item = sums[:, : n_items * n_cat].reshape(len(own), n_items, n_cat * r, m)
        by_group = sums[:, n_items * n_cat :].reshape(len(own), n_groups, r, m)
        both = np.concatenate([wide @ by_item, basis.groups @ by_group], axis=1)
        out[own] = both.transpose(0, 3, 1, 2).reshape(len(own), m, -1)  # rows: the matrix is symmetric
    square = out.reshape((n_items + n_groups) * m, -1)
    square[n_items * m :, : n_items * m] = square[: n_items * m, n_items * m :].T
    for g in range(n_groups):
        at = (n_items + g) * m
        spread = covariance[members(n_items * n_cat + g)].sum(axis=0, dtype=float)
        square[at : at + m, at : at + m] = basis.groups[g] @ spread @ basis.groups[g].T
    return (square,)


def _cross_product(part: Part, basis: _Basis, table: Floats) -> tuple[Floats]:
    """sum_p (E_{w_p} s_p)(E_{w_p} s_p)' over the persons of a part."""
    n_items, n_cat, m, r = basis.items.shape
    coefficients = np.concatenate([basis.items.reshape(n_items * n_cat, m, r), basis.groups])
    place = np.concatenate([np.repeat(np.arange(n_items), n_cat), n_items + np.arange(len(basis.groups))])
    out = np.zeros(((n_items + len(basis.groups)) * m,) * 2)
    for turned, w, _ in part.posteriors(table):
        answers = turned.T.tocoo()
        dense = np.zeros((answers.shape[0], n_items + len(basis.groups), m))
        dense[answers.row, place[answers.col]] = np.einsum("nmr,nr->nm", coefficients[answers.col], (w @ basis.phi.T)[answers.row])
        flat = dense.reshape(len(dense), -1)
        out += flat.T @ flat
    return (out,)


def _inverse(information: Floats) -> Floats:
    """The inverse; NaN in what a singular direction touches, so that no number is given where there is no information."""
    scale = np.sqrt(np.maximum(np.diag(information), 1e-12))
    scaled = information / np.outer(scale, scale)
    try:
        return np.asarray(linalg.cho_solve(linalg.cho_factor(scaled), np.diag(1 / scale)) / scale[:, None])
    except linalg.LinAlgError:
        size, direction = np.linalg.eigh(scaled)
        good = size > 1e-8
        inverse = (direction[:, good] / size[good]) @ direction[:, good].T / np.outer(scale, scale)
        lost = np.any(np.abs(direction[:, ~good]) > 1e-3, axis=1)
        inverse[np.diag_indices_from(inverse)] = np.where(lost, np.nan, np.diag(inverse))
        return np.asarray(inverse)
