"""Who stands out with nothing suspected beforehand: no item, and no partner? Two traces that do not go together are looked for, and either is enough.

Quick for the ability. Speed and ability are jointly normal over people (van der Linden, 2007), and abler people are mostly quicker: who is as quick as they are
without their ability may have known items. tau is the maximum likelihood speed, theta the mean of the person's abilities over the competencies met:

    p_speed = P(Z >= (tau - b_0 - b_1 theta) / sqrt(sd^2 + SE^2)),  b by least squares over the people, sd by moments

In agreement with somebody. Of the M comparisons with the people of the room, both ways round, the largest omega (security_pairs), its exact p, and

    p_similar = 1 - (1 - p)^M                                                                       Sidak (1967)

Together the smaller of the K that are known counts, p = 1 - (1 - min)^K (Tippett, 1931); Holm's p over the people.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr

from calibration.holm import holm
from calibration.personfit_answers import Sittings
from calibration.personfit_times import FEWEST_TO_SPREAD, LEAST_SD, ItemSpeeds, speeds
from calibration.security_pairs import BLOCK, LEAST_COMMON, Room, upper_tail
from cat_engine.irt import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class StandingOut:
    """Of P people: ability; speed and what the ability foretells, in log-seconds, with z and p; the partner of largest omega (-1: none), items in common, agreements,
    omega and p of the largest among all comparisons; p of either trace, and Holm's p over the people. NaN where there are too few times, or nobody to compare with.
    """

    theta: Floats
    speed: Floats
    foretold: Floats
    z_speed: Floats
    p_speed: Floats
    partner: Ints
    common: Ints
    same: Ints
    omega: Floats
    p_similar: Floats
    p: Floats
    p_adjusted: Floats


@dataclass(frozen=True, slots=True, eq=False)
class _Partners:
    """As in StandingOut."""

    partner: Ints
    common: Ints
    same: Ints
    omega: Floats
    p: Floats


def standing_out(sittings: Sittings, theta: Floats, items: ItemSpeeds, found: Iterable[Room]) -> StandingOut:
    """Of people with abilities theta[U], by unit; items of unknown parameters where times do not count; the rooms of security_pairs."""
    ability = sittings.units_by_person(theta) / np.bincount(sittings.unit_person, minlength=sittings.n_persons)
    tau, foretold, z = _beside_ability(sittings, items, ability)
    most = _partners(found, sittings.n_persons)
    p_speed = ndtr(-z)
    known = (~np.isnan([p_speed, most.p])).sum(axis=0)
    p = _smallest_of(np.fmin(p_speed, most.p), known)
    return StandingOut(
        ability, tau, foretold, z, p_speed, most.partner, most.common, most.same, most.omega, most.p, p, holm(p)
    )  # fmt: skip


def _smallest_of(p: Floats, tests: Ints | Floats) -> Floats:
    """The chance that the smallest of independent p-values is as small as p."""
    with np.errstate(divide="ignore"):
        return np.asarray(-np.expm1(tests * np.log1p(-p)))


def _beside_ability(sittings: Sittings, items: ItemSpeeds, ability: Floats) -> tuple[Floats, Floats, Floats]:
    """tau, its expectation at the ability, and z, each [P]; z is NaN where too few people have times to tell what is usual."""
    tau, error = speeds(sittings, items)
    known = ~np.isnan(tau)
    nothing = np.full(len(tau), np.nan)
    if known.sum() < FEWEST_TO_SPREAD:
        return tau, nothing, nothing
    design = np.stack([np.ones(len(tau)), ability], axis=1)
    foretold = design @ np.linalg.lstsq(design[known], tau[known], rcond=None)[0]
    left = tau - foretold
    variance = max(float(left[known].var() - error[known].mean()), LEAST_SD**2)
    return tau, foretold, left / np.sqrt(variance + error)


def _partners(found: Iterable[Room], n_persons: int) -> _Partners:
    """Of each person the largest omega with anybody in the room, as copier or as source."""
    partner, common, same = (np.full(n_persons, fill, dtype=np.int64) for fill in (-1, 0, 0))
    omega, p = np.full(n_persons, np.nan), np.full(n_persons, np.nan)
    for room in found:
        best, other, as_copier, compared = _largest(room)
        for k in np.flatnonzero(compared > 0).tolist():
            copier, source = (k, int(other[k])) if as_copier[k] else (int(other[k]), k)
            who = room.who[k]
            agreed = round(float(room.given[copier] @ room.given[source]))
            partner[who], common[who], same[who] = room.who[other[k]], round(float(room.seen[copier] @ room.seen[source])), agreed
            omega[who], p[who] = best[k], _smallest_of(np.array(upper_tail(room.compared(copier, source), agreed)), 2 * compared[k])
    return _Partners(partner, common, same, omega, p)


def _largest(room: Room) -> tuple[Floats, Ints, Ints, Ints]:
    """Of each of N people: the largest omega, with whom, whether as copier, and with how many people it was looked for, [N] each."""
    n = len(room.who)
    best, other = np.full((2, n), -np.inf), np.zeros((2, n), dtype=np.int64)
    compared = np.zeros(n, dtype=np.int64)
    for at in range(0, n, BLOCK):
        block = room.agreement(slice(at, at + BLOCK))
        own = np.arange(len(block.omega))
        enough = block.common >= LEAST_COMMON
        enough[own, at + own] = False
        value = np.where(enough, block.omega, -np.inf)
        compared[at + own] = enough.sum(axis=1)
        best[0, at + own], other[0, at + own] = value.max(axis=1), value.argmax(axis=1)
        top, row = value.max(axis=0), at + value.argmax(axis=0)
        better = top > best[1]
        best[1, better], other[1, better] = top[better], row[better]
    as_source = best[1] > best[0]
    place = as_source.astype(int), np.arange(n)
    return best[place], other[place], (~as_source).astype(np.int64), compared
