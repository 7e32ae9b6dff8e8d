"""Item response models: parameters, category probabilities, Fisher information.

Notation: theta ability; a discrimination; b difficulty, boundary or step; c lower and d upper asymptote; P probability. I items, K the largest
number of categories, categories 0..n_cat-1. The metric is logistic, D = 1: multiply a by 1.7 when a bank was made with D = 1.7.

    1pl-4pl  P(1) = c + (d - c) / (1 + exp(-a (theta - b)))                          Birnbaum (1968); Barton & Lord (1981)
    grm      P(k) = s_k - s_{k+1}, s_k = 1 / (1 + exp(-a (theta - b_k)))             Samejima (1969)
    gpcm     P(k) ~ exp sum_{v <= k} a (theta - b_v);  pcm: a = 1                    Muraki (1992); Masters (1982)
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, log_expit

from cat_engine.faults import Fault, Faulty

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

DICHOTOMOUS = ("1pl", "2pl", "3pl", "4pl")
MODELS = (*DICHOTOMOUS, "grm", "gpcm", "pcm")


class Row(NamedTuple):
    """One item as a person writes it: `b` holds n_cat - 1 values."""

    model: str
    a: float
    b: Sequence[float]
    c: float = 0.0
    d: float = 1.0
    scale: int = 0


def _frozen(values: ArrayLike, dtype: type) -> NDArray[np.generic]:
    array: NDArray[np.generic] = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


@dataclass(frozen=True, eq=False)
class ItemParams:
    """Parameters of I items as a struct of read-only arrays.

    model: I names out of MODELS; a[I]; b[I, K-1], NaN padded; c[I] and d[I] (0 and 1 where the model has none); n_cat[I]; scale[I], the index
    of the competency that the item measures. Raises Faulty naming every item ("item 3", zero-based) and field that cannot be.
    """

    model: tuple[str, ...]
    a: Floats
    b: Floats
    c: Floats
    d: Floats
    n_cat: Ints
    scale: Ints

    def __post_init__(self) -> None:
        for name, dtype in (("a", float), ("b", float), ("c", float), ("d", float), ("n_cat", int), ("scale", int)):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype))
        faults = list(self._faults())
        if faults:
            raise Faulty(faults)

    @classmethod
    def from_rows(cls, rows: Sequence[Row]) -> "ItemParams":
        """Build from one Row per item."""
        width = max((len(row.b) for row in rows), default=1)
        b = np.full((len(rows), width), np.nan)
        for i, row in enumerate(rows):
            b[i, : len(row.b)] = row.b
        return cls(
            tuple(row.model for row in rows),
            np.array([row.a for row in rows], dtype=float),
            b,
            np.array([row.c for row in rows], dtype=float),
            np.array([row.d for row in rows], dtype=float),
            np.array([len(row.b) + 1 for row in rows], dtype=int),
            np.array([row.scale for row in rows], dtype=int),
        )

    def __len__(self) -> int:
        return len(self.model)

    def take(self, index: ArrayLike) -> "ItemParams":
        """The items at `index`, in that order."""
        at = np.asarray(index, dtype=int)
        return ItemParams(
            tuple(self.model[i] for i in at),
            self.a[at],
            self.b[at],
            self.c[at],
            self.d[at],
            self.n_cat[at],
            self.scale[at],
        )

    def steps(self, item: int) -> Floats:
        """The item's own b values, without padding: shape [n_cat - 1]."""
        return self.b[item, : self.n_cat[item] - 1]

    def _faults(self) -> list[Fault]:
        count = len(self.model)
        shapes = {name: getattr(self, name).shape[:1] for name in ("a", "b", "c", "d", "n_cat", "scale")}
        faults = [Fault("items", name, f"holds {shape} rows, not {count}") for name, shape in shapes.items() if shape != (count,)]
        if faults or self.b.ndim != 2:
            return faults or [Fault("items", "b", "is not a table with one row an item")]
        for i in range(count):
            faults += self._item_faults(i)
        return faults

    def _item_faults(self, i: int) -> list[Fault]:
        where, model = f"item {i}", self.model[i]
        if model not in MODELS:
            return [Fault(where, "model", f"'{model}' is not a model", "one of " + ", ".join(MODELS))]
        faults = []
        n = int(self.n_cat[i])
        if n < 2 or n > self.b.shape[1] + 1 or (model in DICHOTOMOUS and n != 2):
            return [Fault(where, "b", f"{n} categories do not fit model {model}")]
        b = self.b[i, : n - 1]
        if not np.isfinite(self.a[i]) or self.a[i] <= 0:
            faults.append(Fault(where, "a", f"{self.a[i]} is not a positive number"))
        if not np.all(np.isfinite(b)):
            faults.append(Fault(where, "b", "a value is missing or not a number"))
        elif model == "grm" and np.any(np.diff(b) <= 0):
            faults.append(Fault(where, "b", "the boundaries of a graded item must increase"))
        if not 0 <= self.c[i] < 1:
            faults.append(Fault(where, "c", f"{self.c[i]} is not in [0, 1)"))
        if not self.c[i] < self.d[i] <= 1:
            faults.append(Fault(where, "d", f"{self.d[i]} is not in (c, 1]"))
        if self.scale[i] < 0:
            faults.append(Fault(where, "scale", "is negative"))
        return faults

    @cached_property
    def _families(self) -> tuple[Ints, Ints, Ints]:
        """Indices of the dichotomous, graded and partial-credit items."""
        model = np.array(self.model, dtype=object)
        graded = np.flatnonzero(model == "grm")
        partial = np.flatnonzero((model == "gpcm") | (model == "pcm"))
        rest = np.setdiff1d(np.arange(len(model)), np.concatenate([graded, partial]))
        return rest, graded, partial


def log_probabilities_at(params: ItemParams, theta: Floats) -> Floats:
    """log P(k) of every item at theta[..., I] (one ability an item; [..., 1] for a common one) -> [..., I, K], -inf padded.

    Differences of logistic curves are taken as products, s(x) - s(y) = s(x) s(-y) (1 - exp(y - x)), so that nothing cancels or overflows
    for |theta| up to 12 and beyond.
    """
    count, width = len(params), params.b.shape[1] + 1
    theta = np.broadcast_to(theta, (*theta.shape[:-1], count))
    out = np.full((*theta.shape, width), -np.inf)
    rest, graded, partial = params._families
    if rest.size:
        z = params.a[rest] * (theta[..., rest] - params.b[rest, 0])
        with np.errstate(divide="ignore"):
            low, span, high = (np.log(v) for v in (params.c[rest], params.d[rest] - params.c[rest], 1 - params.d[rest]))
        out[..., rest, 0] = np.logaddexp(high, span + log_expit(-z))
        out[..., rest, 1] = np.logaddexp(low, span + log_expit(z))
    if graded.size:
        out[..., graded, :] = _log_graded(params, graded, theta[..., graded])
    if partial.size:
        out[..., partial, :] = _log_partial(params, partial, theta[..., partial])
    return out


def _boundaries(params: ItemParams, index: Ints, theta: Floats) -> Floats:
    b = np.where(np.isnan(params.b[index]), np.inf, params.b[index])
    return params.a[index, None] * (theta[..., None] - b)


def _log_graded(params: ItemParams, index: Ints, theta: Floats) -> Floats:
    z = _boundaries(params, index, theta)
    b = np.where(np.isnan(params.b[index]), np.inf, params.b[index])
    padded = np.isinf(b[:, :-1])
    gap = np.where(padded, np.inf, b[:, 1:] - np.where(padded, 0.0, b[:, :-1]))
    out = np.zeros((*z.shape[:-1], z.shape[-1] + 1))
    out[..., 1:] += log_expit(z)
    out[..., :-1] += log_expit(-z)
    out[..., 1:-1] += np.log1p(-np.exp(-params.a[index, None] * gap))
    return out


def _log_partial(params: ItemParams, index: Ints, theta: Floats) -> Floats:
    b = params.b[index]
    terms = params.a[index, None] * (theta[..., None] - np.where(np.isnan(b), 0.0, b))
    logits = np.zeros((*terms.shape[:-1], terms.shape[-1] + 1))
    np.cumsum(terms, axis=-1, out=logits[..., 1:])
    logits[..., np.arange(logits.shape[-1]) >= params.n_cat[index, None]] = -np.inf
    top = logits.max(axis=-1, keepdims=True)
    return np.asarray(logits - top - np.log(np.exp(logits - top).sum(axis=-1, keepdims=True)))


def information_at(params: ItemParams, theta: Floats) -> Floats:
    """Fisher information of every item at theta[..., I] (or [..., 1]) -> [..., I].

    1pl-4pl: a^2 (d-c)^2 s^2 (1-s)^2 / (P (1-P)) (Birnbaum, 1968, eq. 20.4.5; Magis, 2013). grm: a^2 sum_k P_k (1 - s_k - s_{k+1})^2, which is
    Samejima's (1969) sum P'_k^2 / P_k with P'_k = a P_k (1 - s_k - s_{k+1}). gpcm: a^2 Var(k | theta) (Muraki, 1993).
    """
    count = len(params)
    theta = np.broadcast_to(theta, (*theta.shape[:-1], count))
    out = np.empty(theta.shape)
    rest, graded, partial = params._families
    if rest.size:
        a, c, d = params.a[rest], params.c[rest], params.d[rest]
        z = a * (theta[..., rest] - params.b[rest, 0])
        s, r = expit(z), expit(-z)
        out[..., rest] = (a * (d - c) * s * r) ** 2 / ((c + (d - c) * s) * ((1 - d) + (d - c) * r))
    if graded.size:
        z = _boundaries(params, graded, theta[..., graded])
        p = np.exp(_log_graded(params, graded, theta[..., graded]))
        lean = np.empty_like(p)  # 1 - s_k - s_{k+1}, with s_0 = 1 and s_K = 0
        lean[..., 0] = -expit(z[..., 0])
        lean[..., 1:-1] = expit(-z[..., :-1]) - expit(z[..., 1:])
        lean[..., -1] = expit(-z[..., -1])
        out[..., graded] = params.a[graded] ** 2 * (p * lean**2).sum(axis=-1)
    if partial.size:
        p = np.exp(_log_partial(params, partial, theta[..., partial]))
        k = np.arange(p.shape[-1])
        mean = (p * k).sum(axis=-1, keepdims=True)
        out[..., partial] = params.a[partial] ** 2 * (p * (k - mean) ** 2).sum(axis=-1)
    return out


def log_probabilities(params: ItemParams, theta: ArrayLike) -> Floats:
    """log P(k) at common abilities theta[N] -> [N, I, K], -inf padded."""
    return log_probabilities_at(params, np.atleast_1d(np.asarray(theta, dtype=float))[:, None])


def probabilities(params: ItemParams, theta: ArrayLike) -> Floats:
    """P(k) at common abilities theta[N] -> [N, I, K], 0 padded."""
    return np.exp(log_probabilities(params, theta))


def information(params: ItemParams, theta: ArrayLike) -> Floats:
    """Fisher information at common abilities theta[N] -> [N, I]."""
    return information_at(params, np.atleast_1d(np.asarray(theta, dtype=float))[:, None])
