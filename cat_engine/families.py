"""Families of item response models: log-probabilities and Fisher information as array arithmetic.

Notation: theta ability; a discrimination; b difficulty, boundary or step; c lower and d upper asymptote; P probability; s = 1/(1+exp(-z)) and
r = 1 - s with z = a (theta - b). I items, K the largest number of categories, categories 0..n_cat-1. The metric is logistic, D = 1. What the
parameters of a model are is said in irt.py.

A family holds the parameters of its own items, cut out of an ItemParams once. Both of its methods take theta[..., I] (one ability an item) and
work element by element, reducing over categories only: a batch of one gives the same bits as a batch of ten thousand. To add a model is to add a
class here and its name in FAMILIES.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_expit

if TYPE_CHECKING:
    from cat_engine.irt import ItemParams

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# As arrays: a number would be made into one at every call, which takes longer than the arithmetic on a few items.
ONE = np.array(1.0)
Z_MAX = np.array(700.0)  # exp(700) and exp(-700) are still finite and not 0, so that nothing divides by 0
Z_MIN = np.array(-700.0)
E_MAX = np.array(230.0)  # exp(230) cubed is still finite
BOTH = np.array([[0], [1]])  # a place and the next one
E_LEAST = np.array(1e-100)  # and this squared is not 0


Slopes = Callable[[Floats], tuple[Floats, Floats]]


class Family(Protocol):
    """of(params, at[I]), the items of the family; take(at[M]), some of them; log_p(theta[..., I]) -> [..., I, K], -inf padded; up_to(theta[..., I]) -> [..., I, K - 1], the
    probability of category k or a lower one, about 1 in the padding; information(theta[..., I]) -> [..., I]; derivatives(theta[..., I]) -> the first
    two derivatives of log P(k), each [..., I, K], finite in the padding; answers(category[I]) -> a function of theta[I] that gives those of the categories
    answered, [I] each.
    """

    @classmethod
    def of(cls, params: "ItemParams", at: Ints) -> Self: ...

    def take(self, at: Ints) -> Self: ...

    def log_p(self, theta: Floats) -> Floats: ...

    def up_to(self, theta: Floats) -> Floats: ...

    def information(self, theta: Floats) -> Floats: ...

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]: ...

    def answers(self, category: Ints) -> Slopes: ...


def logistic(z: Floats) -> tuple[Floats, Floats]:
    """s(z) and 1 - s(z), each to full relative precision."""
    e = np.negative(z)
    np.minimum(e, Z_MAX, out=e)
    np.exp(np.maximum(e, Z_MIN, out=e), out=e)
    s = ONE / (ONE + e)
    e *= s
    return s, e


class Dichotomous(NamedTuple):
    """1PL to 4PL: P(1) = c + (d - c) s(a (theta - b)) (Birnbaum, 1968; Barton & Lord, 1981). values[5, I]: a, b, c, d and a^2 (d - c), which are cut
    out together; `width` is K; asymptotes: 0 where every c is 0 and every d is 1, 1 where every d is 1, else 2.
    """

    values: Floats
    width: int
    asymptotes: int

    @classmethod
    def of(cls, params: "ItemParams", at: Ints) -> Self:
        """The items at `at`."""
        a, c, d = params.a[at], params.c[at], params.d[at]
        asymptotes = 2 if np.any(d != 1) else int(np.any(c != 0))
        return cls(np.stack([a, params.b[at, 0], c, d, a * a * (d - c)]), params.b.shape[1] + 1, asymptotes)

    def take(self, at: Ints) -> "Dichotomous":
        """Some of them."""
        return Dichotomous(self.values.take(at, 1), self.width, self.asymptotes)

    def log_p(self, theta: Floats) -> Floats:
        """log P(0) and log P(1), as sums of logarithms, so that neither vanishes."""
        a, b, c, d, _ = self.values
        z = a * (theta - b)
        out = np.full((*z.shape, self.width), -np.inf)
        with np.errstate(divide="ignore"):  # log(0) = -inf is meant where an asymptote is 0 or 1
            low, span, high = np.log(c), np.log(d - c), np.log(1 - d)
        out[..., 0] = np.logaddexp(high, span + log_expit(-z))
        out[..., 1] = np.logaddexp(low, span + log_expit(z))
        return out

    def up_to(self, theta: Floats) -> Floats:
        """1 - P = (1 - d) + (d - c) r."""
        a, b, c, d, _ = self.values
        r = logistic(a * (theta - b))[1]
        out = np.ones((*r.shape, self.width - 1))
        out[..., 0] = (ONE - d) + (d - c) * r if self.asymptotes else r
        return out

    def information(self, theta: Floats) -> Floats:
        """P'^2 / (P (1 - P)) (Magis, 2013, eq. 3; Birnbaum, 1968, eq. 20.4.5 where d = 1) with e = r / s, which needs the fewest steps:

        P = (c e + d) / (1 + e), 1 - P = ((1 - c) e + 1 - d) / (1 + e) and P' = a (d - c) e / (1 + e)^2. A factor that is 1 to the last bit, as that of
        an asymptote which no item has, is left out.
        """
        a, b, c, d, steep = self.values
        e = np.exp(np.minimum(a * (b - theta), E_MAX))
        u = ONE + e
        if self.asymptotes == 0:
            return np.asarray(steep * e / (u * u))
        if self.asymptotes == 1:
            return np.asarray(steep * e / (u * u * (c * e + ONE)))
        e = np.maximum(e, E_LEAST)
        return np.asarray(steep * (d - c) * (e / u) ** 2 / ((c * e + d) * ((ONE - c) * e + (ONE - d))))

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """P' = a (d - c) s r and P'' = a P' (r - s), so (log P)' = P'/P and (log P)'' = P''/P - (P'/P)^2; for 1 - P the signs turn."""
        a, b, c, d, _ = self.values
        s, r = logistic(a * (theta - b))
        span = d - c
        right, wrong = span * s / (c + span * s), span * r / ((1 - d) + span * r)
        first, second = np.zeros((*s.shape, self.width)), np.zeros((*s.shape, self.width))
        first[..., 1], first[..., 0] = a * right * r, -a * wrong * s
        second[..., 1] = a * first[..., 1] * (r - s) - first[..., 1] ** 2
        second[..., 0] = a * first[..., 0] * (r - s) - first[..., 0] ** 2
        return first, second

    def answers(self, category: Ints) -> Slopes:
        """Looked up among those of both categories."""
        place = category + self.width * np.arange(len(category))

        def slopes(theta: Floats) -> tuple[Floats, Floats]:
            first, second = self.derivatives(theta)
            return first.take(place), second.take(place)

        return slopes


class Graded(NamedTuple):
    """Graded response, the modified one too: P(k) = s_k - s_{k+1}, s_k = s(a (theta - b_k)), s_0 = 1, s_K = 0 (Samejima, 1969).

    Differences are taken as products, s_k - s_{k+1} = s_k r_{k+1} (1 - exp(-a (b_{k+1} - b_k))), so that nothing cancels. a[I]; b[I, K + 1], b_0 = -inf
    and b_K = +inf, as is the padding; apart[I, K] holds the last factor, 1 where a bound is infinite.
    """

    a: Floats
    b: Floats
    apart: Floats

    @classmethod
    def of(cls, params: "ItemParams", at: Ints) -> Self:
        """The items at `at`, whose b increase."""
        a, b, infinity = params.a[at], params.b[at], np.full((len(at), 1), np.inf)
        bounds = np.concatenate([-infinity, np.where(np.isnan(b), np.inf, b), infinity], axis=1)
        within = np.isfinite(bounds[:, 1:]) & np.isfinite(bounds[:, :-1])
        gap = np.diff(np.where(np.isfinite(bounds), bounds, 0.0), axis=1)
        return cls(a, bounds, np.where(within, -np.expm1(-a[:, None] * gap), 1.0))

    def take(self, at: Ints) -> "Graded":
        """Some of them."""
        return Graded(self.a.take(at), self.b.take(at, 0), self.apart.take(at, 0))

    def log_p(self, theta: Floats) -> Floats:
        """log P(k); the padding is -inf, as s_k = 0 there."""
        z = self.a[:, None] * (theta[..., None] - self.b)
        return np.asarray(log_expit(z[..., :-1]) + log_expit(-z[..., 1:]) + np.log(self.apart))

    def up_to(self, theta: Floats) -> Floats:
        """1 - s_{k+1}."""
        return logistic(self.a[:, None] * (theta[..., None] - self.b[:, 1:-1]))[1]

    def information(self, theta: Floats) -> Floats:
        """sum_k P'_k^2 / P_k (Samejima, 1969) with P'_k = a P_k (r_k - s_{k+1}), hence a^2 sum_k P_k (r_k - s_{k+1})^2."""
        e = np.exp(np.minimum(self.a[:, None] * (self.b - theta[..., None]), Z_MAX))
        s = ONE / (ONE + e)
        e *= s  # 1 - s
        low, high, bend = s[..., :-1], e[..., 1:], e[..., :-1] - s[..., 1:]
        bend *= bend
        return np.asarray(self.a * self.a * np.add.reduce(low * high * self.apart * bend, axis=-1))

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """(log P_k)' = a (r_k - s_{k+1}) and (log P_k)'' = -a^2 (s_k r_k + s_{k+1} r_{k+1})."""
        s, r = logistic(self.a[:, None] * (theta[..., None] - self.b))
        both = s * r
        return self.a[:, None] * (r[..., :-1] - s[..., 1:]), -(self.a[:, None] ** 2) * (both[..., :-1] + both[..., 1:])

    def answers(self, category: Ints) -> Slopes:
        """Of the two boundaries of the category answered."""
        low = category + self.b.shape[1] * np.arange(len(category))
        around, a, minus_square = self.b.take(low + BOTH), self.a, -self.a * self.a

        def slopes(theta: Floats) -> tuple[Floats, Floats]:
            e = np.exp(np.minimum(a * (around - theta), Z_MAX))
            s = ONE / (ONE + e)
            e *= s  # 1 - s
            slope = a * (e[0] - s[1])
            e *= s
            return slope, minus_square * (e[0] + e[1])

        return slopes


class DividedByTotal(NamedTuple):
    """P(k) ~ exp(slope_k theta + intercept_k), 0 and 0 in category 0 (Thissen & Steinberg, 1986). Nominal response as it stands (Bock, 1972); generalised
    partial credit, exp sum_{v <= k} a (theta - b_v), where slope_k = a k and intercept_k = -a sum_{v <= k} b_v (Muraki, 1992), PCM and RSM with a = 1
    (Masters, 1982).

    slopes[I, K], 0 padded; intercepts[I, K], -inf padded.
    """

    slopes: Floats
    intercepts: Floats

    @classmethod
    def of(cls, params: "ItemParams", at: Ints) -> Self:
        """The items at `at`."""
        a, b, zero = params.a[at][:, None], _filled(params.b[at]), np.zeros((len(at), 1))
        steps, intercepts = a * np.arange(1, b.shape[1] + 1), -np.cumsum(a * b, axis=1)
        if params.slopes.size:
            own = ~np.isnan(params.slopes[at, :1])
            steps, intercepts = np.where(own, _filled(params.slopes[at]), steps), np.where(own, b, intercepts)
        padding = _padding(params, at)
        slopes, intercepts = np.concatenate([zero, steps], axis=1), np.concatenate([zero, intercepts], axis=1)
        return cls(np.where(padding, 0.0, slopes), np.where(padding, -np.inf, intercepts))

    def take(self, at: Ints) -> "DividedByTotal":
        """Some of them."""
        return DividedByTotal(self.slopes.take(at, 0), self.intercepts.take(at, 0))

    def _logits(self, theta: Floats) -> Floats:
        return self.slopes * theta[..., None] + self.intercepts

    def log_p(self, theta: Floats) -> Floats:
        """log P(k) by log-sum-exp."""
        return _log_softmax(self._logits(theta))

    def up_to(self, theta: Floats) -> Floats:
        """The sum of P(j) over j <= k."""
        return np.cumsum(_softmax(self._logits(theta)), axis=-1)[..., :-1]

    def information(self, theta: Floats) -> Floats:
        """Var(slope_k | theta) (Bock, 1972), which for partial credit is a^2 Var(k | theta) (Muraki, 1993)."""
        return self._moments(theta)[1]

    def derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        """(log P_k)' = slope_k - E slope and (log P_k)'' = -Var(slope), the same for every k."""
        mean, variance = self._moments(theta)
        from_mean = self.slopes - mean
        return from_mean, np.broadcast_to(-variance[..., None], from_mean.shape)

    def answers(self, category: Ints) -> Slopes:
        """The slope of the category answered from the expected one."""
        chosen = self.slopes.take(category + self.slopes.shape[1] * np.arange(len(category)))

        def slopes(theta: Floats) -> tuple[Floats, Floats]:
            mean, variance = self._moments(theta)
            return chosen - mean[:, 0], -variance

        return slopes

    def _moments(self, theta: Floats) -> tuple[Floats, Floats]:
        """E slope, [..., I, 1], and Var slope, [..., I]."""
        p = _softmax(self._logits(theta))
        mean = np.vecdot(p, self.slopes)[..., None]
        away = self.slopes - mean
        p *= away
        return mean, np.vecdot(p, away)


def _padding(params: "ItemParams", at: Ints) -> NDArray[np.bool_]:
    """Which of K categories the items at `at` do not have, [I, K]."""
    return np.asarray(np.arange(params.b.shape[1] + 1) >= params.n_cat[at, None])


def _filled(values: Floats) -> Floats:
    """0 for NaN."""
    return np.where(np.isnan(values), 0.0, values)


def _log_softmax(logits: Floats) -> Floats:
    """log of exp(logits) / sum exp(logits) over the last axis, of which at least one is finite; overwrites `logits`."""
    logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    logits -= np.log(np.add.reduce(np.exp(logits), axis=-1, keepdims=True))
    return logits


def _softmax(logits: Floats) -> Floats:
    """exp(logits) / sum exp(logits), likewise."""
    logits -= np.maximum.reduce(logits, axis=-1, keepdims=True)
    np.exp(logits, out=logits)
    logits /= np.add.reduce(logits, axis=-1, keepdims=True)
    return logits


FAMILIES: dict[str, type[Family]] = {
    "1pl": Dichotomous,
    "2pl": Dichotomous,
    "3pl": Dichotomous,
    "4pl": Dichotomous,
    "grm": Graded,
    "gpcm": DividedByTotal,
    "pcm": DividedByTotal,
    "mgrm": Graded,
    "rsm": DividedByTotal,
    "nrm": DividedByTotal,
}
