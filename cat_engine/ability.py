"""Ability as a posterior on a grid (expected a posteriori, Bock & Mislevy, 1982), for N sessions and S scales at once.

Notation: Q nodes; log-posteriors logpost[N, S, Q], not normalised. 61 equally spaced nodes on [-6, 6] give EAP to 1e-5 of the integral; the
rule is the trapezoid's, so that the two end nodes count half (on 33 nodes in [-4, 4] this is catR's EAP to the last digits).
Reductions run over the last, contiguous axis only, so that a batch of one gives the same bits as a batch of ten thousand.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from cat_engine.families import Floats
from cat_engine.priors import NormalPrior

LEAST_VARIANCE = 1e-12  # of a posterior on a single node, which rounding could make negative
LEAST_MASS = 1e-200  # of a posterior: what is below 1e-308 is 0 and missing from the sums

__all__ = ["Grid", "NormalPrior", "eap", "level_probabilities", "weights"]


@dataclass(frozen=True, slots=True)
class Grid:
    """`n` equally spaced quadrature nodes from `low` to `high`. Raises ValueError where they are not a range or fewer than 3."""

    low: float = -6.0
    high: float = 6.0
    n: int = 61

    def __post_init__(self) -> None:
        if not (np.isfinite(self.low) and np.isfinite(self.high) and self.low < self.high and self.n >= 3):
            msg = f"{self.n} nodes from {self.low} to {self.high} are not a grid"
            raise ValueError(msg)

    def nodes(self) -> Floats:
        """The nodes, shape [Q]."""
        return np.linspace(self.low, self.high, self.n)

    def log_weights(self) -> Floats:
        """Logarithm of the trapezoid rule's weights, up to a constant, shape [Q]."""
        weights = np.ones(self.n)
        weights[[0, -1]] = 0.5
        return np.log(weights)


def _scaled(logpost: Floats) -> Floats:
    """exp(logpost), divided by its highest value over the last axis."""
    w: Floats = np.subtract(logpost, np.maximum.reduce(logpost, axis=-1, keepdims=True))
    np.exp(w, out=w)
    return w


def weights(logpost: Floats) -> Floats:
    """Posterior mass at the nodes, shape of `logpost`; sums to one over the last axis."""
    w = _scaled(logpost)
    w /= w.sum(axis=-1, keepdims=True)
    return w


def powers(nodes: Floats) -> Floats:
    """1, node and node squared, [3, Q], of nodes[Q]."""
    return np.stack([np.ones(nodes.shape), nodes, nodes * nodes])


def eap(logpost: Floats, nodes: Floats) -> tuple[Floats, Floats]:
    """Posterior mean and standard deviation, each of the shape of `logpost` without its last axis."""
    return mean_and_sd(logpost - np.max(logpost, axis=-1, keepdims=True), powers(nodes))


def mean_and_sd(logpost: Floats, of_nodes: Floats) -> tuple[Floats, Floats]:
    """The same of log-posteriors as answers add them up, from a prior's density down, where the `powers` of the nodes are at hand, of_nodes[3, Q].

    Only those are scaled first that have become so small, after some hundred answers, that digits would be lost: to scale all takes as long as all the
    rest. The variance is the mean square less the square of the mean, which loses the digits of their ratio, three at most (ability 6, SE .2), and saves
    a pass over the nodes, a tenth of a simulation.
    """
    sums = np.vecdot(np.exp(logpost)[..., None, :], of_nodes)
    if sums.size == len(of_nodes) and sums.item(0) >= LEAST_MASS:  # one posterior: the same steps on numbers, four times as quick
        mass, first, second = sums.ravel().tolist()
        theta = first / mass
        sums[..., 1], sums[..., 2] = theta, math.sqrt(max(second / mass - theta * theta, LEAST_VARIANCE))
        return sums[..., 1], sums[..., 2]
    mass = sums[..., 0]
    if np.minimum.reduce(mass, axis=None, initial=np.inf) < LEAST_MASS:
        small = mass < LEAST_MASS
        sums[small] = np.vecdot(_scaled(logpost[small])[..., None, :], of_nodes)
    theta = sums[..., 1] / mass
    variance = sums[..., 2] / mass - theta * theta
    return theta, np.sqrt(np.maximum(variance, LEAST_VARIANCE))


def level_probabilities(posterior: Floats, nodes: Floats, cuts: ArrayLike) -> Floats:
    """Posterior mass between cuts: posterior[..., Q], cuts[L - 1] ascending -> [..., L].

    The density between the nodes is a cubic spline (within .002 of a normal posterior of SD .3 on nodes .2 apart). Levels come from this mass, never
    from cutting a shrunken point estimate.
    """
    from scipy.interpolate import CubicSpline  # as long to import as the whole engine, and only levels need it

    edges = np.clip(np.asarray(cuts, dtype=float), nodes[0], nodes[-1])
    mass = CubicSpline(nodes, posterior, axis=-1).antiderivative()
    cdf = np.asarray(mass(edges) / mass(nodes[-1:]))
    cdf = np.clip(np.maximum.accumulate(cdf, axis=-1), 0.0, 1.0)  # a spline may swing below zero beside a sharp peak
    zero, one = np.zeros((*cdf.shape[:-1], 1)), np.ones((*cdf.shape[:-1], 1))
    return np.diff(np.concatenate([zero, cdf, one], axis=-1), axis=-1)
