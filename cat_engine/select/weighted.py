"""Criteria averaged over ability, with the likelihood or the posterior as weight: information, divergence, variance of probability.

Notation: L likelihood of the answers, p prior density, t ability under the integral, taken by the trapezoid rule on the pool's grid.

    mlwi  int L(t) I_i(t) dt                    Veerkamp & Berger (1997)
    mpwi  int L(t) p(t) I_i(t) dt               van der Linden (1998)
    kl    int L(t) K_i(theta || t) dt           Chang & Ying (1996); Barrada et al. (2009), K_i = sum_k P_k(theta) ln(P_k(theta) / P_k(t))
    klp   int L(t) p(t) K_i(theta || t) dt
    gdi   sum_k Var(P_k) / 2, weights L         Kaplan, de la Torre & Barrada (2015); for two categories the variance of P
    gdip  the same, weights L p

Weights are scaled to a highest one of 1, which changes no choice; `unit` undoes it.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cat_engine.families import Floats
from cat_engine.select.base import SELECTION, Moment


def _weights(moment: Moment, posterior: bool) -> tuple[Floats, Floats]:
    """Weights [N, S, Q] with a highest of 1, and the logarithm of what they were divided by, [N, S]."""
    log_weight = moment.log_posterior() if posterior else moment.log_likelihood()
    highest = log_weight.max(axis=-1)
    return np.exp(log_weight - highest[..., None]), highest


class _Integral:
    """A rule that is an integral over the grid."""

    __slots__ = ()
    posterior: bool
    routed: ClassVar[bool] = True

    def unit(self, moment: Moment) -> Floats:
        """The highest weight times the distance of the nodes (with one competency; the scale of each session's first competency else)."""
        _, highest = _weights(moment, self.posterior)
        constant = moment.batch.plan.prior.log_constant if self.posterior else 0.0
        nodes = moment.pool.nodes
        return np.asarray(np.exp(highest[:, 0] + constant) * (nodes[1] - nodes[0]))


@dataclass(frozen=True, slots=True)
class _WeightedInformation(_Integral):
    def score(self, moment: Moment) -> Floats:
        """The weighted information."""
        return moment.integrate(moment.pool.info_table, _weights(moment, self.posterior)[0])


@SELECTION.register("mlwi")
@dataclass(frozen=True, slots=True)
class LikelihoodWeightedInformation(_WeightedInformation):
    """Maximum likelihood-weighted information: int L(t) I_i(t) dt (Veerkamp & Berger, 1997)."""

    posterior = False


@SELECTION.register("mpwi")
@dataclass(frozen=True, slots=True)
class PosteriorWeightedInformation(_WeightedInformation):
    """Maximum posterior-weighted information: int L(t) p(t) I_i(t) dt (van der Linden, 1998)."""

    posterior = True


@dataclass(frozen=True, slots=True)
class _Divergence(_Integral):
    def score(self, moment: Moment) -> Floats:
        """sum_q w_q sum_k P_k(theta) (ln P_k(theta) - ln P_k(t_q))."""
        weight = _weights(moment, self.posterior)[0]
        p = moment.probabilities()
        with np.errstate(divide="ignore", invalid="ignore"):
            entropy = np.where(p > 0, p * np.log(p), 0.0).sum(axis=-1)
        total = weight.sum(axis=-1)[:, moment.params.scale]
        return np.asarray(total * entropy - (p * moment.integrate(moment.pool.finite_log_table, weight)).sum(axis=-1))


@SELECTION.register("kl")
@dataclass(frozen=True, slots=True)
class LikelihoodWeightedDivergence(_Divergence):
    """Kullback-Leibler information weighted by the likelihood: int L(t) K_i(theta || t) dt (Chang & Ying, 1996; Barrada et al., 2009)."""

    posterior = False


@SELECTION.register("klp")
@dataclass(frozen=True, slots=True)
class PosteriorWeightedDivergence(_Divergence):
    """Kullback-Leibler information weighted by the posterior: int L(t) p(t) K_i(theta || t) dt (Barrada et al., 2009)."""

    posterior = True


class _Discrimination:
    """Half the sum over categories of the weighted variance of P_k; nodes count equally, as in the sums of the paper."""

    __slots__ = ()
    posterior: bool
    routed: ClassVar[bool] = True

    def score(self, moment: Moment) -> Floats:
        """sum_k sum_q w_q (P_k - sum_q w_q P_k)^2 / 2, from the mean, so that nothing cancels."""
        log_weight = (moment.log_posterior() if self.posterior else moment.log_likelihood()) - moment.pool.grid.log_weights()
        weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
        weight /= weight.sum(axis=-1, keepdims=True)
        mean = moment.integrate(moment.pool.p_table, weight)
        out = np.empty(mean.shape[:2])
        for s, (at, _) in enumerate(moment.pool.scales):
            own = moment.pool.p_table if len(moment.pool.scales) == 1 else moment.pool.p_table[at]
            for n in range(len(out)):
                away = own - mean[n, at, :, None]
                away *= away
                out[n, at] = (away @ weight[n, s]).sum(axis=-1) / 2
        return out

    def unit(self, moment: Moment) -> Floats:
        """1."""
        return np.ones(len(moment.rows))


@SELECTION.register("gdi")
@dataclass(frozen=True, slots=True)
class LikelihoodDiscrimination(_Discrimination):
    """Global discrimination index, weights from the likelihood (Kaplan, de la Torre & Barrada, 2015)."""

    posterior = False


@SELECTION.register("gdip")
@dataclass(frozen=True, slots=True)
class PosteriorDiscrimination(_Discrimination):
    """Global discrimination index, weights from the posterior (Kaplan, de la Torre & Barrada, 2015)."""

    posterior = True
