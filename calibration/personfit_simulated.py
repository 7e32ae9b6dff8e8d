"""Tests of person fit by simulation: how often would a person of this ability, answering the very same items by the model, do as badly?

Each person's answers are drawn anew at the estimated ability, scored anew, and the statistics worked out at the new score; the share of replicates that
are as extreme is the p-value, (1 + count) / (1 + B) (Davison & Hinkley, 1997, ch. 4). Nothing is asymptotic, so short tests and adaptive ones, where
lz is far less spread than N(0, 1), have critical values of their own (van Krimpen-Stoop & Meijer, 2000; de la Torre & Deng, 2008). The items are
taken as given: that they were chosen by the person's earlier answers is not simulated. Ability is the posterior mean throughout.
"""

from dataclasses import dataclass

import numpy as np

from calibration.personfit import met, pattern_fit
from calibration.personfit_answers import Scorer
from calibration.personfit_cusum import cusum
from cat_engine.irt import Floats, log_probabilities_at

TIE = 1e-12  # a replicate of the same pattern is as extreme, whatever the order of a sum


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedP:
    """p-values [P] of lz* (low) and of the CUSUM (high)."""

    lz_star: Floats
    cusum: Floats


def simulated_p(scorer: Scorer, replicates: int, seed: int) -> SimulatedP:
    """Of the scorer's sittings, from `replicates` draws."""
    sittings = scorer.sittings
    theta, _ = scorer.score(sittings.category)
    at = met(sittings, sittings.category, theta)
    lowest, largest = pattern_fit(sittings, at).lz_star, cusum(sittings, at.residual)
    edges = np.cumsum(np.exp(log_probabilities_at(sittings.own, at.theta)), axis=1)[:, :-1]
    low, high = np.ones(sittings.n_persons), np.ones(sittings.n_persons)
    for drawn in sittings.uniforms(seed, replicates):
        category = np.minimum((drawn[:, None] > edges).sum(axis=1), sittings.own.n_cat - 1)
        again = met(sittings, category, scorer.score(category)[0])
        low += ~(pattern_fit(sittings, again).lz_star > lowest + TIE)
        high += cusum(sittings, again.residual) >= largest - TIE
    low, high = low / (replicates + 1), high / (replicates + 1)
    return SimulatedP(np.where(np.isnan(lowest), np.nan, low), high)
