"""Tests of person fit by simulation: how often would somebody who answers by the model do as badly?

Nothing here is asymptotic, so short tests and adaptive ones, where lz is far less spread than N(0, 1), have critical values of their own. Ability is the
posterior mean throughout; a p-value is (1 + replicates as extreme) / (1 + replicates) (Davison & Hinkley, 1997, ch. 4). Two ways:

- *own items*: the person's answers to the very same items are drawn anew at the estimated ability and scored anew (de la Torre & Deng, 2008, for lz; van
  Krimpen-Stoop & Meijer, 2000, for the CUSUM). Right for a form; in an adaptive test lz* then flags too few, as answers that were chosen for and answers
  that happen are not alike.
- *own test*: sitters of the same abilities take the same adaptive test, by the engine that gave it. One distribution serves everybody.
"""

from dataclasses import dataclass, replace

import numpy as np

from calibration.personfit import met, pattern_fit
from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_cusum import cusum
from cat_engine import Pool, TestPlan, simulate
from cat_engine.irt import Floats, Ints, log_probabilities_at

FEWEST_SITTERS = 1000
TIE = 1e-12  # a replicate of the same pattern is as extreme, whatever the order of a sum


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedP:
    """p-values [P] of lz* (low) and of the CUSUM (high)."""

    lz_star: Floats
    cusum: Floats


def statistics(scorer: Scorer, category: Ints) -> tuple[Floats, Floats]:
    """lz* and CUSUM of each person, each [P], for answers category[R] to the items of the scorer's sittings."""
    at = met(scorer.sittings, category, scorer.score(category)[0])
    return pattern_fit(scorer.sittings, at).lz_star, cusum(scorer.sittings, at)


def p_by_own_items(scorer: Scorer, replicates: int, seed: int) -> SimulatedP:
    """From `replicates` draws of every answer; NaN where lz* is."""
    sittings = scorer.sittings
    lowest, largest = statistics(scorer, sittings.category)
    theta = scorer.score(sittings.category)[0][sittings.unit]
    edges = np.cumsum(np.exp(log_probabilities_at(sittings.own, theta)), axis=1)[:, :-1]
    low, high = np.ones(sittings.n_persons), np.ones(sittings.n_persons)
    for drawn in sittings.uniforms(seed, replicates):
        lz_star, largest_again = statistics(scorer, np.minimum((drawn[:, None] > edges).sum(axis=1), sittings.own.n_cat - 1))
        low += ~(lz_star > lowest + TIE)
        high += largest_again >= largest - TIE
    return SimulatedP(np.where(np.isnan(lowest), np.nan, low / (replicates + 1)), high / (replicates + 1))


@dataclass(frozen=True, slots=True, eq=False)
class Null:
    """lz* and CUSUM of simulated sitters, each ascending."""

    lz_star: Floats
    cusum: Floats

    def p(self, lz_star: Floats, largest: Floats) -> SimulatedP:
        """Of observed statistics, each [P]."""
        low = (1 + np.searchsorted(self.lz_star, lz_star + TIE, side="right")) / (1 + len(self.lz_star))
        high = (1 + len(self.cusum) - np.searchsorted(self.cusum, largest - TIE, side="left")) / (1 + len(self.cusum))
        return SimulatedP(np.where(np.isnan(lz_star), np.nan, low), high)


def null_of_test(scorer: Scorer, plan: TestPlan, pool: Pool, seed: int) -> Null:
    """From at least FEWEST_SITTERS simulated sitters of `plan`, whose abilities are drawn from the posteriors of the scorer's people (its estimator is EAP), so that
    they are spread as the people's are, and not as shrunken estimates; the pool's items are the bank's, by id.
    """
    bank = scorer.sittings
    parts: list[Floats] = []
    for block in bank.blocks():
        theta, se = replace(scorer, sittings=block).score(block.category)
        parts.append(np.stack([block.abilities(theta, scorer.prior.mean), block.abilities(se, scorer.prior.sd)]))
    columns = [bank.competencies.index(name) for name in pool.competencies]
    mean, sd = np.tile(np.concatenate(parts, axis=1)[:, :, columns], (1, -(-FEWEST_SITTERS // bank.n_persons), 1))
    true = mean + sd * np.random.default_rng(seed).standard_normal(mean.shape)
    found = simulate(plan, pool, true, seed)
    place = np.array([bank.item_ids.index(item_id) for item_id in pool.ids])
    sitters = Sittings(
        tuple(map(str, range(len(true)))), bank.item_ids, bank.params, bank.competencies, found.step_person, place[found.step_item],
        found.step_category, np.full(len(found.step_item), np.nan), np.arange(len(found.step_item)),
    )  # fmt: skip
    blocks = [statistics(replace(scorer, sittings=block), block.category) for block in sitters.blocks()]
    lz_star, largest = (np.concatenate(values) for values in zip(*blocks, strict=True))
    return Null(np.sort(lz_star[~np.isnan(lz_star)]), np.sort(largest))
