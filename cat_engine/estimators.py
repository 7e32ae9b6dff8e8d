"""Ability from the answers so far, as a point and its standard error: posterior mean, and the roots of estimating functions.

An estimator is a frozen dataclass registered by name; a plan names one for the choice of items (interim) and one for the score (final).
Notation: l' score of the likelihood, I test information, J = sum_i sum_k P'_k P''_k / P_k, p prior density. The estimating functions are

    mle   l' = 0                                             Lord (1980, ch. 4)
    map   l' + (log p)' = 0                                  Birnbaum (1969); Mislevy (1986)
    wle   l' + J / (2 I) = 0                                 Warm (1989, eq. 8)
    mlef  l' + the scores of two fence items = 0             Han (2016)
    robust  sum_i w_i(theta) l'_i = 0                        Mislevy & Bock (1982); Schuster & Yuan (2011)

Of several roots the one is taken that is the highest maximum of the function's integral over the nodes of the pool's grid; without a root
inside the bounds the estimate is a bound. Where nothing was answered all give the prior's centre and sd.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import mean_and_sd
from cat_engine.families import Floats, Ints, logistic
from cat_engine.faults import Fault, Faulty
from cat_engine.irt import derivatives_of, item_terms_of
from cat_engine.pool import Pool
from cat_engine.priors import Prior
from cat_engine.registry import LATER, Registry
from cat_engine.roots import root_between

LEAST_INFORMATION = 1e-12  # so that a standard error stays finite where items say nothing


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """The answers of M sessions on one competency: session `row`[R] (ascending) answered item[R] in category[R], in order of answering;
    logpost[M, Q] is their log-posterior on the pool's grid.
    """

    pool: Pool
    prior: Prior
    logpost: Floats
    row: Ints
    item: Ints
    category: Ints

    def __len__(self) -> int:
        return len(self.logpost)

    def of(self, rows: Ints) -> "Given":
        """The answers of some of the sessions only, renumbered."""
        place = np.full(len(self), -1)
        place[rows] = np.arange(len(rows))
        keep = place[self.row] >= 0
        return Given(self.pool, self.prior, self.logpost[rows], place[self.row[keep]], self.item[keep], self.category[keep])

    def total(self, values: Floats) -> Floats:
        """Sums of values[R] by session, [M], in order of answering, so that a session's sum does not depend on the others."""
        return np.asarray(np.bincount(self.row, weights=values, minlength=len(self)), dtype=np.float64)

    def node_total(self, table: Floats) -> Floats:
        """Sums of table[R, Q] by session, [M, Q]; every session has an answer."""
        starts = np.flatnonzero(np.diff(self.row, prepend=-1))
        return np.asarray(np.add.reduceat(table, starts, axis=0))


class Estimator(Protocol):
    """estimate(given) -> theta[M], se[M]."""

    def estimate(self, given: Given) -> tuple[Floats, Floats]: ...


ESTIMATOR: Registry[Estimator] = Registry("method")


@ESTIMATOR.register("eap")
@dataclass(frozen=True, slots=True)
class ExpectedAPosteriori:
    """Posterior mean and posterior standard deviation on the pool's grid (Bock & Mislevy, 1982)."""

    def estimate(self, given: Given) -> tuple[Floats, Floats]:
        """The mean and sd of the posterior."""
        return mean_and_sd(given.logpost, given.pool.powers)


def _bounded(low: float, high: float) -> None:
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise Faulty([Fault("method", "low", f"[{low:g}, {high:g}] is not a range of abilities", "low below high")])


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """What estimating functions are made of: score, information, its slope, and J of the items given, summed by session; each [M] at one
    ability a session, or [M, Q] at common ones.
    """

    score: Floats
    info: Floats
    info_slope: Floats
    j: Floats

    @property
    def jeffreys(self) -> Floats:
        """I' / (2 I), the slope of half the logarithm of the information."""
        return np.asarray(self.info_slope / (2 * np.maximum(self.info, LEAST_INFORMATION)))


def _terms_at(given: Given, theta: Floats) -> Terms:
    """At theta[M]."""
    own = theta[given.row]
    first, *sums = item_terms_of(given.pool.params, given.item, own)
    score = first[np.arange(len(own)), given.category]
    return Terms(given.total(score), *(given.total(values) for values in sums))


def _terms_on_nodes(given: Given, inside: NDArray[np.bool_]) -> Terms:
    """At the nodes of the pool's grid that are `inside`."""
    first, *sums = given.pool.derivative_table
    score = first[given.item, given.category]
    return Terms(*(given.node_total(values[:, inside]) for values in (score, *(table[given.item] for table in sums))))


class _Rooted(ABC):
    """An estimator that is a root, between `low` and `high`, of its estimating function of theta[M]."""

    __slots__ = ()
    low: float
    high: float

    @abstractmethod
    def on_nodes(self, given: Given, inside: NDArray[np.bool_]) -> Floats:
        """The function at the nodes that are inside, [M, Q]."""

    @abstractmethod
    def at(self, given: Given, theta: Floats) -> Floats:
        """The function at theta[M]."""

    def between(self, given: Given) -> tuple[float, float]:  # noqa: ARG002 - the contract
        """Between which abilities the root is looked for."""
        return self.low, self.high

    def curvature(self, given: Given, theta: Floats) -> Floats:
        """What the estimator adds to the information at theta[M]: nothing where only the likelihood speaks."""
        del given
        return np.zeros(theta.shape)

    def estimate(self, given: Given) -> tuple[Floats, Floats]:
        """The root, and 1 / sqrt(I + curvature) there."""
        centre, spread = given.prior.start
        answered = np.flatnonzero(np.bincount(given.row, minlength=len(given)))
        theta, se = np.full(len(given), centre), np.full(len(given), spread)
        if not answered.size:
            return theta, se
        some = given.of(answered)

        def function(x: Floats, rows: Ints) -> Floats:
            return self.at(some if len(rows) == len(some) else some.of(rows), x)

        lowest, highest = self.between(given)
        inside = (some.pool.nodes > lowest) & (some.pool.nodes < highest)
        everyone = np.arange(len(some))
        ends = [function(np.full(len(some), x), everyone)[:, None] for x in (lowest, highest)]
        nodes = np.concatenate([[lowest], some.pool.nodes[inside], [highest]])
        low, high = _bracket(nodes, np.concatenate([ends[0], self.on_nodes(some, inside), ends[1]], axis=1))
        found = root_between(function, low, high)
        info = _terms_at(some, found).info + self.curvature(some, found)
        theta[answered], se[answered] = found, 1 / np.sqrt(np.maximum(info, LEAST_INFORMATION))
        return theta, se


class _OfTerms(_Rooted):
    """One whose function is made of the terms of a plain likelihood."""

    __slots__ = ()

    @abstractmethod
    def function(self, given: Given, terms: Terms, theta: Floats) -> Floats:
        """The estimating function; theta and terms of the shape [M], or [Q] and [M, Q]."""

    def on_nodes(self, given: Given, inside: NDArray[np.bool_]) -> Floats:
        """From the terms there."""
        return self.function(given, _terms_on_nodes(given, inside), given.pool.nodes[inside])

    def at(self, given: Given, theta: Floats) -> Floats:
        """From the terms there."""
        return self.function(given, _terms_at(given, theta), theta)


def _bracket(nodes: Floats, g: Floats) -> tuple[Floats, Floats]:
    """Between which neighbouring nodes g[M, Q] falls through 0 at the highest maximum of its integral; twice a bound where it does not."""
    area = np.zeros(g.shape)
    np.cumsum((g[:, 1:] + g[:, :-1]) / 2 * np.diff(nodes), axis=1, out=area[:, 1:])
    at = np.argmax(area, axis=1)
    rising = g[np.arange(len(g)), at] > 0
    other = np.clip(np.where(rising, at + 1, at - 1), 0, len(nodes) - 1)
    return nodes[np.minimum(at, other)], nodes[np.maximum(at, other)]


@ESTIMATOR.register("mle")
@dataclass(frozen=True, slots=True)
class MaximumLikelihood(_OfTerms):
    """Maximum likelihood, within bounds, since all right or all wrong has no maximum (Lord, 1980, ch. 4).

    With a `step` above 0 every such answer moves ability by so much from the prior's centre, until answers differ (fixed step sizes: Dodd, 1990;
    catR's "fixed4" is .4, "fixed7" .7). Right is the highest category, wrong the lowest.
    """

    low: float = -4.0
    high: float = 4.0
    step: float = field(default=0.0, metadata=LATER)

    def __post_init__(self) -> None:
        _bounded(self.low, self.high)
        if not self.step >= 0:
            raise Faulty([Fault("method", "step", f"{self.step:g} is negative", "0 for none, 0.4 or 0.7")])

    def estimate(self, given: Given) -> tuple[Floats, Floats]:
        """The root, or where there is none as `step` says; and 1 / sqrt(I) there."""
        theta, se = _OfTerms.estimate(self, given)
        answers = given.total(np.ones(len(given.row)))
        right = given.total(1.0 * (given.category == given.pool.params.n_cat[given.item] - 1)) == answers
        wrong = given.total(1.0 * (given.category == 0)) == answers
        moved = np.flatnonzero((right ^ wrong) & (answers > 0)) if self.step else np.zeros(0, dtype=int)
        if not moved.size:
            return theta, se
        some = given.of(moved)
        way = np.where(right[moved], self.step, -self.step) * answers[moved]
        theta[moved] = np.clip(given.prior.start[0] + way, self.low, self.high)
        info = _terms_at(some, theta[moved]).info
        se[moved] = 1 / np.sqrt(np.maximum(info, LEAST_INFORMATION))
        return theta, se

    def function(self, given: Given, terms: Terms, theta: Floats) -> Floats:
        """l'."""
        del given, theta
        return terms.score


@ESTIMATOR.register("map")
@dataclass(frozen=True, slots=True)
class MaximumAPosteriori(_OfTerms):
    """Posterior mode (Birnbaum, 1969; Mislevy, 1986), with the plan's prior; se 1 / sqrt(I - (log p)'')."""

    low: float = -6.0
    high: float = 6.0

    def __post_init__(self) -> None:
        _bounded(self.low, self.high)

    def function(self, given: Given, terms: Terms, theta: Floats) -> Floats:
        """l' + (log p)', where Jeffreys' prior adds I' / (2 I)."""
        slope = terms.score + given.prior.slope(theta)
        return slope + terms.jeffreys if given.prior.informed else slope

    def between(self, given: Given) -> tuple[float, float]:
        """Where the posterior has any density: on the grid, where the prior has some, and within the estimator's own bounds as far as these leave
        something of it.
        """
        grid, (lowest, highest) = given.pool.grid, given.prior.range
        lowest, highest = max(grid.low, lowest), min(grid.high, highest)
        low, high = max(self.low, lowest), min(self.high, highest)
        return (low, high) if low < high else (lowest, highest)

    def curvature(self, given: Given, theta: Floats) -> Floats:
        """-(log p)''; of Jeffreys' prior by central differences of I' / (2 I)."""
        if not given.prior.informed:
            return -given.prior.curvature(theta)
        step = 1e-5
        below, above = (_terms_at(given, theta + sign * step).jeffreys for sign in (-1, 1))
        return np.asarray((below - above) / (2 * step))


@ESTIMATOR.register("wle")
@dataclass(frozen=True, slots=True)
class WeightedLikelihood(_OfTerms):
    """Weighted likelihood (Warm, 1989): free of the first-order bias of maximum likelihood, and finite at all right or all wrong."""

    low: float = -4.0
    high: float = 4.0

    def __post_init__(self) -> None:
        _bounded(self.low, self.high)

    def function(self, given: Given, terms: Terms, theta: Floats) -> Floats:
        """l' + J / (2 I)."""
        del given, theta
        return np.asarray(terms.score + terms.j / (2 * np.maximum(terms.info, LEAST_INFORMATION)))


@ESTIMATOR.register("mlef")
@dataclass(frozen=True, slots=True)
class FencedLikelihood(_OfTerms):
    """Maximum likelihood with fences (Han, 2016): two imaginary 2PL items of slope `a` at -fence (right) and +fence (wrong) keep it inside.

    The fences carry no information: the standard error is that of the items given.
    """

    fence: float = 3.5
    a: float = 3.0
    low: float = -6.0
    high: float = 6.0

    def __post_init__(self) -> None:
        _bounded(self.low, self.high)
        if not (self.fence > 0 and self.a > 0):
            raise Faulty([Fault("method", "fence", f"fences at {self.fence:g} of slope {self.a:g} keep nothing inside", "both above 0")])

    def function(self, given: Given, terms: Terms, theta: Floats) -> Floats:
        """l' + a (1 - s(a (theta + fence))) - a s(a (theta - fence))."""
        del given
        below = logistic(self.a * (theta + self.fence))[1]
        above = logistic(self.a * (theta - self.fence))[0]
        return np.asarray(terms.score + self.a * (below - above))


@ESTIMATOR.register("robust")
@dataclass(frozen=True, slots=True)
class Robust(_Rooted):
    """Likelihood in which answers to items far from the ability count less: weights of the residual r = a (theta - mean b), of Huber's type
    (1 up to `tuning`, tuning / |r| beyond; Schuster & Yuan, 2011) or Tukey's biweight ((1 - (r / tuning)^2)^2, 0 beyond; Mislevy & Bock, 1982).
    """

    weight: str = "huber"
    tuning: float = 1.0
    low: float = -4.0
    high: float = 4.0

    def __post_init__(self) -> None:
        _bounded(self.low, self.high)
        if self.weight not in ("huber", "biweight"):
            raise Faulty([Fault("method", "weight", f"'{self.weight}' is not known", "huber or biweight")])
        if not self.tuning > 0:
            raise Faulty([Fault("method", "tuning", f"{self.tuning:g} is not above 0", "1 for huber, 4 for biweight")])

    def at(self, given: Given, theta: Floats) -> Floats:
        """sum_i w_i l'_i: here the weights depend on item and ability, so that the terms of a plain likelihood do not do."""
        own, params = theta[given.row], given.pool.params
        r = np.abs(params.discrimination[given.item] * (own - params.middle[given.item])) / self.tuning
        weight = 1 / np.maximum(r, 1.0) if self.weight == "huber" else np.where(r < 1, (1 - r**2) ** 2, 0.0)
        first, _ = derivatives_of(params, given.item, own)
        return given.total(weight * first[np.arange(len(own)), given.category])

    def on_nodes(self, given: Given, inside: NDArray[np.bool_]) -> Floats:
        """The same at every node."""
        return np.stack([self.at(given, np.full(len(given), x)) for x in given.pool.nodes[inside]], axis=1)
