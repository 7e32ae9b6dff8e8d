"""The person fit of everybody: every statistic, its p, and what stands out. A list to look into, never a verdict."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.personfit import PatternFit, met, pattern_fit
from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_cusum import cusum
from calibration.personfit_simulated import SimulatedP, null_of_test, p_by_own_items, statistics
from calibration.personfit_times import ItemSpeeds, population, time_fit
from cat_engine import Pool, TestPlan
from cat_engine.irt import Floats, Ints

LEAST_EFFORT = 0.9  # Wise & Kong (2005): below, too many answers are no answers
FLAGS = ("pattern", "run", "times", "quick", "effort")


@dataclass(frozen=True, slots=True, eq=False)
class PersonFit:
    """Of P people, each [P]; the words are those of personfit.py, personfit_cusum.py, personfit_simulated.py and personfit_times.py. theta and se are those of a bank of
    one competency, NaN with several. p_lz is simulated where a simulation was asked for, else by the normal distribution; p_cusum NaN without one; p_time is that of the chi-square among the people (personfit_times.TimeFit.p_among). flags: which of FLAGS
    each person has.
    """

    n: Ints
    theta: Floats
    se: Floats
    lz: Floats
    lz_star: Floats
    p_lz: Floats
    infit: Floats
    outfit: Floats
    cusum: Floats
    p_cusum: Floats
    time_chi2: Floats
    time_df: Ints
    p_time: Floats
    fast: Ints
    speed: Floats
    p_speed: Floats
    effort: Floats

    def flags(self, level: float) -> list[tuple[str, ...]]:
        """Of each person: pattern, run (CUSUM), times and quick (speed) where p is at most `level`, effort where it is below LEAST_EFFORT."""
        with np.errstate(invalid="ignore"):
            marks = np.stack(
                [self.p_lz <= level, self.p_cusum <= level, self.p_time <= level, self.p_speed <= level, self.effort < LEAST_EFFORT], axis=1
            )
        return [tuple(name for name, mark in zip(FLAGS, row, strict=True) if mark) for row in marks.tolist()]


@dataclass(frozen=True, slots=True)
class Simulated:
    """Where p-values come from: `replicates` of every answer to the person's own items (0: none), or, where a plan and its pool are given, sitters of that test."""

    replicates: int = 200
    seed: int = 1
    test: tuple[TestPlan, Pool] | None = None


def person_fit(scorer: Scorer, items: ItemSpeeds, threshold_s: Floats, simulated: Simulated) -> PersonFit:
    """Of the scorer's people, at the abilities that it gives; time parameters and thresholds in seconds of the I items, NaN where unknown."""
    eap = Scorer.of(scorer.sittings, "eap", scorer.prior.mean, scorer.prior.sd)
    people = population(scorer.sittings, items)
    null = None if simulated.test is None else null_of_test(eap, *simulated.test, simulated.seed)

    def simulated_p(own: Scorer, pattern: PatternFit) -> SimulatedP:
        if null is not None:
            return null.p(*statistics(own, own.sittings.category))
        if simulated.replicates:
            return p_by_own_items(own, simulated.replicates, simulated.seed)
        return SimulatedP(pattern.p, np.full(len(pattern.lz), np.nan))

    def of_answers(sittings: Sittings) -> tuple[Floats, ...]:
        theta, se = replace(scorer, sittings=sittings).score(sittings.category)
        at = met(sittings, sittings.category, theta)
        pattern = pattern_fit(sittings, at)
        p = simulated_p(replace(eap, sittings=sittings), pattern)
        one = (theta, se) if len(sittings.competencies) == 1 else (np.full(sittings.n_persons, np.nan),) * 2
        return *one, pattern.lz, pattern.lz_star, p.lz_star, pattern.infit, pattern.outfit, cusum(sittings, at), p.cusum

    theta, se, lz, lz_star, p_lz, infit, outfit, largest, p_cusum = (
        np.concatenate(parts) for parts in zip(*(of_answers(block) for block in scorer.sittings.blocks()), strict=True)
    )
    times = time_fit(scorer.sittings, items, threshold_s)
    return PersonFit(
        scorer.sittings.count, theta, se, lz, lz_star, p_lz, infit, outfit, largest, p_cusum, times.chi2, times.df, times.p_among(), times.fast,
        times.tau - people.mean, times.p_quick(people), times.effort,
    )  # fmt: skip


def flag_counts(flags: Sequence[tuple[str, ...]]) -> dict[str, int]:
    """How many people have each flag, and how many have any."""
    return {name: sum(name in own for own in flags) for name in FLAGS} | {"any": sum(bool(own) for own in flags)}
