"""Item parameters, category probabilities and Fisher information of a set of items.

Notation: theta ability; a discrimination; b difficulty, boundary or step; c lower and d upper asymptote; P probability. I items, K the largest
number of categories, categories 0..n_cat-1. The metric is logistic, D = 1: multiply a by 1.7 when a bank was made with D = 1.7.

    1pl-4pl  P(1) = c + (d - c) / (1 + exp(-a (theta - b)))                          Birnbaum (1968); Barton & Lord (1981)
    grm      P(k) = s_k - s_{k+1}, s_k = 1 / (1 + exp(-a (theta - b_k)))             Samejima (1969)
    mgrm     grm with b_k = b - c_k, the same c_k in all items of a scale            Muraki (1990)
    gpcm     P(k) ~ exp sum_{v <= k} a (theta - b_v);  pcm: a = 1                    Muraki (1992); Masters (1982)
    rsm      pcm with b_v = b + d_v, the same d_v in all items of a scale            Andrich (1978)
    nrm      P(k) ~ exp(slope_k theta + b_k), slope_0 = b_0 = 0                      Bock (1972)

mgrm and rsm are held with their b written out, item by item: what the items of a scale share matters where they are estimated, not where they are
used. The b of nrm are intercepts (catR: lambda_k and c_k are slope and intercept; mirt: a1 ak_k and d_k); it is made of logits and has no D.

The arithmetic of each family is in families.py.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cat_engine.families import FAMILIES, Dichotomous, Family, Floats, Graded, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.once import once

__all__ = [
    "DICHOTOMOUS", "MODELS", "NOMINAL", "ORDERED", "Floats", "Ints", "ItemParams", "Row", "derivatives_at", "derivatives_of", "expected_score", "information", "information_at", "information_of", "item_terms", "item_terms_of", "log_probabilities",
    "log_probabilities_at", "probabilities", "probabilities_up_to",
]  # fmt: skip

MODELS = tuple(FAMILIES)
DICHOTOMOUS = tuple(name for name, family in FAMILIES.items() if family is Dichotomous)
ORDERED = tuple(name for name, family in FAMILIES.items() if family is Graded)
NOMINAL = ("nrm",)
LOWER_ASYMPTOTE = ("3pl", "4pl")
UPPER_ASYMPTOTE = ("4pl",)


class Row(NamedTuple):
    """One item as a person writes it: `b` holds n_cat - 1 values, and so do the `slopes` of a nominal item, whose a is 1."""

    model: str
    a: float
    b: Sequence[float]
    c: float = 0.0
    d: float = 1.0
    scale: int = 0
    slopes: Sequence[float] = ()


def _frozen(values: ArrayLike, dtype: type) -> NDArray[np.generic]:
    array: NDArray[np.generic] = np.array(values, dtype=dtype)
    array.setflags(write=False)
    return array


NO_SLOPES = np.zeros((1, 0))
NO_SLOPES.setflags(write=False)


@dataclass(frozen=True, eq=False)
class ItemParams:
    """Parameters of I items as a struct of read-only arrays.

    model: I names out of MODELS; a[I]; b[I, K-1], NaN padded; c[I] and d[I] (0 and 1 where the model has none); n_cat[I]; scale[I], the index
    of the competency that the item measures; slopes[I, K-1] of nominal items, NaN in the others and padded, or empty where none is nominal. Raises Faulty naming every item ("item 3", zero-based) and field that cannot be.
    """

    model: tuple[str, ...]
    a: Floats
    b: Floats
    c: Floats
    d: Floats
    n_cat: Ints
    scale: Ints
    slopes: Floats = field(default_factory=lambda: NO_SLOPES)

    def __post_init__(self) -> None:
        for name, dtype in (("a", float), ("b", float), ("c", float), ("d", float), ("n_cat", int), ("scale", int), ("slopes", float)):
            object.__setattr__(self, name, _frozen(getattr(self, name), dtype))
        faults = list(self._faults())
        if faults:
            raise Faulty(faults)

    @classmethod
    def from_rows(cls, rows: Sequence[Row]) -> "ItemParams":
        """Build from one Row per item."""
        width = max((max(len(row.b), len(row.slopes)) for row in rows), default=1)
        b = np.full((len(rows), width), np.nan)
        for i, row in enumerate(rows):
            b[i, : len(row.b)] = row.b
        slopes = NO_SLOPES
        if any(row.slopes for row in rows):
            slopes = np.full(b.shape, np.nan)
            for i, row in enumerate(rows):
                slopes[i, : len(row.slopes)] = row.slopes
        return cls(
            tuple(row.model for row in rows),
            np.array([row.a for row in rows], dtype=float),
            b,
            np.array([row.c for row in rows], dtype=float),
            np.array([row.d for row in rows], dtype=float),
            np.array([len(row.b) + 1 for row in rows], dtype=int),
            np.array([row.scale for row in rows], dtype=int),
            slopes,
        )

    def __len__(self) -> int:
        return len(self.model)

    def take(self, index: ArrayLike) -> "ItemParams":
        """The items at `index`, in that order."""
        at = np.asarray(index, dtype=int)
        taken = object.__new__(ItemParams)  # rows of valid parameters are valid: not checked again, a simulation takes millions
        object.__setattr__(taken, "model", tuple(self.model[i] for i in at.tolist()))
        for name in ARRAYS:
            object.__setattr__(taken, name, _frozen(getattr(self, name)[at], getattr(self, name).dtype))
        object.__setattr__(taken, "slopes", _frozen(self.slopes[at], float) if self.slopes.size else self.slopes)
        return taken

    def steps(self, item: int) -> Floats:
        """The item's own b values, without padding: shape [n_cat - 1]."""
        return self.b[item, : self.n_cat[item] - 1]

    def slopes_of(self, item: int) -> Floats:
        """The item's own slopes, without padding: shape [n_cat - 1], or [0] where it is not nominal."""
        return self.slopes[item, : self.n_cat[item] - 1] if self.model[item] in NOMINAL else NO_SLOPES[0]

    @once
    def middle(self) -> Floats:
        """The mean b of each item, [I]; of a nominal item where the category of the able overtakes that of the others, which is the mean b where
        the item is one of partial credit.
        """
        found = np.asarray(np.nanmean(self.b, axis=1)) if len(self) else np.zeros(0)
        at, slope, intercept = self._widest
        found[at] = -intercept / slope
        return found

    @once
    def discrimination(self) -> Floats:
        """a, [I]; of a nominal item the a of a partial credit item with slopes as far apart: their range / (n_cat - 1)."""
        found = self.a.copy()
        at, slope, _ = self._widest
        found[at] = slope / (self.n_cat[at] - 1)
        return found

    @once
    def _widest(self) -> tuple[Ints, Floats, Floats]:
        """The nominal items, and the differences of slope and intercept between their categories of the largest and of the smallest slope."""
        if not self.slopes.size:
            return np.zeros(0, dtype=int), np.zeros(0), np.zeros(0)
        at = np.flatnonzero(~np.isnan(self.slopes[:, 0]))
        zero = np.zeros((len(at), 1))
        slopes, intercepts = np.concatenate([zero, self.slopes[at]], axis=1), np.concatenate([zero, self.b[at]], axis=1)
        row, high, low = np.arange(len(at)), np.nanargmax(slopes, axis=1), np.nanargmin(slopes, axis=1)
        return at, slopes[row, high] - slopes[row, low], intercepts[row, high] - intercepts[row, low]

    def _faults(self) -> list[Fault]:
        count = len(self.model)
        shapes = {name: getattr(self, name).shape[:1] for name in ("a", "b", "c", "d", "n_cat", "scale")}
        faults = [Fault("items", name, f"holds {shape} rows, not {count}") for name, shape in shapes.items() if shape != (count,)]
        if faults or self.b.ndim != 2:
            return faults or [Fault("items", "b", "is not a table with one row an item")]
        if self.slopes.size and self.slopes.shape != self.b.shape:
            return [Fault("items", "slopes", f"is a table of {self.slopes.shape}, not of {self.b.shape}")]
        for i in np.flatnonzero(self._suspect()).tolist():
            faults += self._item_faults(i)
        return faults

    def _suspect(self) -> NDArray[np.bool_]:
        """Which items something may be wrong with, [I]: a look at all at once, since nearly all banks are sound and checking item by item is slow."""
        model = np.array(self.model, dtype=np.str_)
        if self.slopes.size or not np.isin(model, MODELS).all() or np.isin(model, NOMINAL).any():
            return np.ones(len(model), dtype=bool)
        steps = self.n_cat - 1
        own = np.arange(self.b.shape[1]) < steps[:, None]
        wrong = (steps < 1) | (steps > self.b.shape[1]) | (np.isin(model, DICHOTOMOUS) & (steps != 1))
        wrong |= ~np.isfinite(self.a) | (self.a <= 0) | (self.scale < 0)
        wrong |= np.where(own, ~np.isfinite(self.b), ~np.isnan(self.b)).any(axis=1)
        with np.errstate(invalid="ignore"):  # the difference of two infinite values, which are wrong already
            wrong |= np.isin(model, ORDERED) & (own[:, 1:] & (np.diff(self.b, axis=1) <= 0)).any(axis=1)
        wrong |= (self.c != 0) & ~np.isin(model, LOWER_ASYMPTOTE) | (self.d != 1) & ~np.isin(model, UPPER_ASYMPTOTE)
        return np.asarray(wrong | ~((self.c >= 0) & (self.c < self.d) & (self.d <= 1)))

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
        elif not np.all(np.isnan(self.b[i, n - 1 :])):
            faults.append(Fault(where, "b", f"a value stands past the last of {n} categories", "NaN there"))
        elif model in ORDERED and np.any(np.diff(b) <= 0):
            faults.append(Fault(where, "b", "the boundaries of a graded item must increase"))
        if self.slopes.size or model in NOMINAL:
            faults += self._slope_faults(i)
        if model not in LOWER_ASYMPTOTE and self.c[i] != 0:
            faults.append(Fault(where, "c", f"model {model} has no lower asymptote", "c = 0, or model " + " or ".join(LOWER_ASYMPTOTE)))
        if model not in UPPER_ASYMPTOTE and self.d[i] != 1:
            faults.append(Fault(where, "d", f"model {model} has no upper asymptote", "d = 1, or model " + " or ".join(UPPER_ASYMPTOTE)))
        if not 0 <= self.c[i] < 1:
            faults.append(Fault(where, "c", f"{self.c[i]} is not in [0, 1)"))
        if not self.c[i] < self.d[i] <= 1:
            faults.append(Fault(where, "d", f"{self.d[i]} is not in (c, 1]"))
        if self.scale[i] < 0:
            faults.append(Fault(where, "scale", "is negative"))
        return faults

    def _slope_faults(self, i: int) -> list[Fault]:
        where, model, n = f"item {i}", self.model[i], int(self.n_cat[i])
        own = self.slopes[i] if self.slopes.size else np.full(self.b.shape[1], np.nan)
        if model not in NOMINAL:
            remedy = "none, or model " + " or ".join(NOMINAL)
            return [] if np.all(np.isnan(own)) else [Fault(where, "slopes", f"model {model} has no slopes of categories", remedy)]
        if not np.all(np.isfinite(own[: n - 1])):
            return [Fault(where, "slopes", "a value is missing or not a number", "one for each category from 1")]
        if not np.all(np.isnan(own[n - 1 :])):
            return [Fault(where, "slopes", f"a value stands past the last of {n} categories", "NaN there")]
        if not np.any(own[: n - 1]):
            return [Fault(where, "slopes", "all are 0: the item says nothing of ability")]
        return [] if self.a[i] == 1 else [Fault(where, "a", f"model {model} has slopes of categories in place of a", "1")]

    @once
    def families(self) -> tuple[tuple[Ints, Family], ...]:
        """The items by family: their indices, and their parameters as the family wants them."""
        kinds = np.array([FAMILY_NUMBER[FAMILIES[name]] for name in self.model], dtype=int)
        found: list[tuple[Ints, Family]] = []
        for family, number in FAMILY_NUMBER.items():
            at = np.flatnonzero(kinds == number)
            if at.size:
                found.append((at, family.of(self, at)))
        return tuple(found)

    @once
    def _addresses(self) -> tuple[Ints, Ints]:
        """The place of each item's family in `families`, and the item's own place in the family."""
        number, place = np.zeros(len(self), dtype=int), np.zeros(len(self), dtype=int)
        for k, (at, _) in enumerate(self.families):
            number[at], place[at] = k, np.arange(len(at))
        return number, place

    def by_family(self, item: Ints) -> list[tuple[Ints | slice, Family]]:
        """item[M] by family: which of the M they are, and their parameters."""
        if len(self.families) == 1:
            return [(EVERY, self.families[0][1].take(item))]
        number, place = self._addresses
        kind, own = number.take(item), place.take(item)
        where = (((kind == k).nonzero()[0], family) for k, (_, family) in enumerate(self.families))
        return [(at, family.take(own.take(at))) for at, family in where if at.size]


EVERY = slice(None)
FAMILY_NUMBER = {family: number for number, family in enumerate(dict.fromkeys(FAMILIES.values()))}
ARRAYS = tuple(column.name for column in fields(ItemParams) if column.name not in ("model", "slopes"))


def _by_family(params: ItemParams, theta: Floats, tail: tuple[int, ...], method: Callable[[Family, Floats], Floats]) -> Floats:
    """method(family, theta[..., I_f]) of every family, put together in the order of the items: [..., I, *tail]."""
    count = len(params)
    theta = np.broadcast_to(theta, (*theta.shape[:-1], count))
    if len(params.families) == 1:
        return method(params.families[0][1], theta)
    out = np.empty((*theta.shape, *tail))
    by_item = np.moveaxis(out, theta.ndim - 1, 0)
    for at, family in params.families:
        by_item[at] = np.moveaxis(method(family, theta[..., at]), theta.ndim - 1, 0)
    return out


def log_probabilities_at(params: ItemParams, theta: Floats) -> Floats:
    """log P(k) of every item at theta[..., I] (one ability an item; [..., 1] for a common one) -> [..., I, K], -inf padded.

    Nothing cancels, overflows or becomes log(0) for |theta| up to 12 and beyond.
    """
    return _by_family(params, theta, (params.b.shape[1] + 1,), lambda family, own: family.log_p(own))


def probabilities_up_to(params: ItemParams, item: Ints, theta: Floats) -> Floats:
    """The probability of category k or a lower one, k from 0 to K - 2, of item[M] at theta[M] -> [M, K - 1], about 1 in the padding."""
    return _of_items(params, item, theta, (params.b.shape[1],), lambda family, own: family.up_to(own))


def information_of(params: ItemParams, item: Ints, theta: Floats) -> Floats:
    """Fisher information of item[M] at theta[M], or theta[1] for all, -> [M]."""
    if len(params.families) == 1:  # as below, without the calls: a decision asks for a few items
        return params.families[0][1].take(item).information(theta)
    return _of_items(params, item, theta, (), lambda family, own: family.information(own))


def _of_items(params: ItemParams, item: Ints, theta: Floats, tail: tuple[int, ...], method: Callable[[Family, Floats], Floats]) -> Floats:
    """method(family of the items, theta) of every family, put together: [M, *tail]."""
    if len(params.families) == 1:
        return method(params.families[0][1].take(item), theta)
    out = np.empty((len(item), *tail))
    for at, family in params.by_family(item):
        out[at] = method(family, theta if len(theta) == 1 else theta[at])
    return out


def information_at(params: ItemParams, theta: Floats) -> Floats:
    """Fisher information of every item at theta[..., I] (or [..., 1]) -> [..., I]; formulas in families.py."""
    return _by_family(params, theta, (), lambda family, own: family.information(own))


def derivatives_at(params: ItemParams, theta: Floats) -> tuple[Floats, Floats]:
    """First and second derivative of log P(k) of every item at theta[..., I] (or [..., 1]) -> two of [..., I, K]; formulas in families.py."""
    both = _by_family(params, theta, (params.b.shape[1] + 1, 2), lambda family, own: np.stack(family.derivatives(own), axis=-1))
    return both[..., 0], both[..., 1]


def derivatives_of(params: ItemParams, item: Ints, theta: Floats) -> tuple[Floats, Floats]:
    """The same of item[M] at theta[M] -> two of [M, K]."""
    tail = (params.b.shape[1] + 1, 2)
    both = _of_items(params, item, theta, tail, lambda family, own: np.stack(family.derivatives(own), axis=-1))
    return both[..., 0], both[..., 1]


def item_terms(params: ItemParams, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """What estimating functions are made of, at theta[..., I] (or [..., 1]): (log P_k)' [..., I, K]; information, its slope, and
    J = sum_k P'_k P''_k / P_k (Warm, 1989), each [..., I].
    """
    return _terms(*derivatives_at(params, theta), np.exp(log_probabilities_at(params, theta)))


def item_terms_of(params: ItemParams, item: Ints, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """The same of item[M] at theta[M] -> [M, K], and three of [M]."""
    log_p = _of_items(params, item, theta, (params.b.shape[1] + 1,), lambda family, own: family.log_p(own))
    return _terms(*derivatives_of(params, item, theta), np.exp(log_p))


def _terms(first: Floats, second: Floats, p: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    return (
        first,
        np.asarray((p * first**2).sum(axis=-1)),
        np.asarray((p * (first**3 + 2 * first * second)).sum(axis=-1)),
        np.asarray((p * first * (second + first**2)).sum(axis=-1)),
    )


def log_probabilities(params: ItemParams, theta: ArrayLike) -> Floats:
    """log P(k) at common abilities theta[N] -> [N, I, K], -inf padded."""
    return log_probabilities_at(params, np.atleast_1d(np.asarray(theta, dtype=float))[:, None])


def probabilities(params: ItemParams, theta: ArrayLike) -> Floats:
    """P(k) at common abilities theta[N] -> [N, I, K], 0 padded."""
    return np.exp(log_probabilities(params, theta))


def expected_score(params: ItemParams, theta: ArrayLike) -> Floats:
    """Expected category at common abilities theta[N] -> [N, I]: sum_k P(above k), which needs no logarithm."""
    common = np.atleast_1d(np.asarray(theta, dtype=float))[:, None]
    return _by_family(params, common, (), lambda family, own: np.asarray((1 - family.up_to(own)).sum(axis=-1)))


def information(params: ItemParams, theta: ArrayLike) -> Floats:
    """Fisher information at common abilities theta[N] -> [N, I]."""
    return information_at(params, np.atleast_1d(np.asarray(theta, dtype=float))[:, None])
