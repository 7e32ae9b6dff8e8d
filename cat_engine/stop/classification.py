"""Rules that stop when it is clear on which side of every cut an ability lies.

Notation: c a cut, delta half the width of the region of indifference around it, alpha and beta the error rates, L the likelihood. Log-likelihood
ratios are compared with A = ln((1 - beta) / alpha) and B = ln(beta / (1 - alpha)) (Wald, 1947).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from cat_engine.estimators import Given, MaximumLikelihood
from cat_engine.families import Floats
from cat_engine.faults import Fault, Faulty
from cat_engine.irt import log_probabilities_at
from cat_engine.stop.base import STOP, Standing


def _cut_faults(cuts: tuple[object, ...]) -> list[Fault]:
    numbers = [c for c in cuts if isinstance(c, int | float) and np.isfinite(c)]
    if not cuts or len(numbers) != len(cuts) or numbers != sorted(set(numbers)):
        return [Fault("stop", "cuts", f"{list(cuts)} is not an ascending list of abilities", "cuts = [-0.5, 0.8]")]
    return []


def _rate_faults(**rates: float) -> list[Fault]:
    return [
        Fault("stop", name, f"{rate:g} is not an error rate", "above 0, below 0.5") for name, rate in rates.items() if not 0 < rate < 0.5
    ]


@STOP.register("classify_ci")
@dataclass(frozen=True, slots=True)
class ConfidenceInterval:
    """theta -+ z se holds no cut, z the normal quantile of 1 - alpha / 2 (Weiss & Kingsbury, 1984; catR's "classification")."""

    cuts: tuple  # type: ignore[type-arg]  # the registry reads the bare type
    alpha: float = 0.05
    reason: ClassVar[str] = "classified"
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(self.cuts))
        faults = _cut_faults(self.cuts) + _rate_faults(alpha=self.alpha)
        if faults:
            raise Faulty(faults)

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """No cut in the interval."""
        reach = float(ndtri(1 - self.alpha / 2)) * standing.se
        away = np.abs(standing.theta[..., None] - np.array(self.cuts, dtype=float))
        return np.asarray((away > reach[..., None]).all(axis=-1))


def _log_likelihood(given: Given, theta: Floats) -> Floats:
    """Log-likelihood of each session's answers at theta[M]."""
    params = given.pool.params.take(given.item)
    logp = log_probabilities_at(params, theta[given.row])
    return given.total(logp[np.arange(len(given.item)), given.category])


class _Ratio(ABC):
    """Decided where for every cut the log-likelihood ratio of above against below is outside (B, A)."""

    __slots__ = ()
    cuts: tuple  # type: ignore[type-arg]
    delta: float
    alpha: float
    beta: float

    @abstractmethod
    def points(self, given: Given, cut: float) -> tuple[Floats, Floats]:
        """The abilities below and above the cut that are compared, [M] each."""

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """Every cut decided."""
        upper, lower = np.log((1 - self.beta) / self.alpha), np.log(self.beta / (1 - self.alpha))

        def decided(given: Given) -> Floats:
            out = np.ones(len(given), dtype=bool)
            for cut in self.cuts:
                below, above = self.points(given, float(cut))
                ratio = _log_likelihood(given, above) - _log_likelihood(given, below)
                out &= (ratio >= upper) | (ratio <= lower)
            return out.astype(float)

        return standing.each(decided) > 0

    def _check(self) -> None:
        faults = _cut_faults(self.cuts) + _rate_faults(alpha=self.alpha, beta=self.beta)
        if not self.delta > 0:
            faults.append(Fault("stop", "delta", f"{self.delta:g} is not above 0", "half the width of the region of indifference: 0.2"))
        if faults:
            raise Faulty(faults)


@STOP.register("sprt")
@dataclass(frozen=True, slots=True)
class ProbabilityRatio(_Ratio):
    """Sequential probability ratio test (Wald, 1947; Reckase, 1983): ln L(c + delta) - ln L(c - delta) is outside (B, A) at every cut c."""

    cuts: tuple  # type: ignore[type-arg]
    delta: float = 0.2
    alpha: float = 0.05
    beta: float = 0.05
    reason: ClassVar[str] = "classified"
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(self.cuts))
        self._check()

    def points(self, given: Given, cut: float) -> tuple[Floats, Floats]:
        """c - delta and c + delta."""
        return np.full(len(given), cut - self.delta), np.full(len(given), cut + self.delta)


@STOP.register("glr")
@dataclass(frozen=True, slots=True)
class GeneralisedRatio(_Ratio):
    """Generalised likelihood ratio (Bartroff, Finkelman & Lai, 2008; Thompson, 2009): as sprt, but each side speaks through its most likely
    ability, max L over theta >= c + delta against max L over theta <= c - delta, which decides sooner for people far from the cut.
    """

    cuts: tuple  # type: ignore[type-arg]
    delta: float = 0.2
    alpha: float = 0.05
    beta: float = 0.05
    reason: ClassVar[str] = "classified"
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "cuts", tuple(self.cuts))
        self._check()

    def points(self, given: Given, cut: float) -> tuple[Floats, Floats]:
        """The maximum of the likelihood, moved to the nearest point of each side."""
        grid = given.pool.grid
        likeliest, _ = MaximumLikelihood(grid.low, grid.high).estimate(given)
        return np.minimum(likeliest, cut - self.delta), np.maximum(likeliest, cut + self.delta)
