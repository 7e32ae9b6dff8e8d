"""Test overlap: the mean share of items that two people have in common. Notation: r_i exposure rate of item i, L = sum r_i mean length, N people.

Over all pairs of N people overlap is N / (N - 1) sum r_i^2 / L - 1 / (N - 1), in the limit sum r_i^2 / L (Chen, Ankenmann & Spray, 2003). With n items and
S_r^2 the variance of their rates that is L / n + n S_r^2 / L: no less than L / n, which it is where every item is used equally often.
"""

import math

import numpy as np

from cat_engine.families import Floats, Ints

CLOSE = 1e-12  # rates closer than this are the same


def mean_overlap(exposure: Floats, people: int) -> float:
    """The mean over all pairs of `people` whose items have the rates exposure[I]; 0 where nothing was given. Needs two people at least."""
    length = float(exposure.sum())
    if not length:
        return 0.0
    return float((exposure**2).sum() / length * people - 1) / (people - 1)


def least_overlap(low: Ints, high: Ints, items: Ints) -> float:
    """A bound on the overlap of tests that give from low[D] to high[D] items of each competency, of items[D] that there are: every item of competency d
    has rate L_d / n_d, and the lengths L_d are those that make sum L_d^2 / n_d / sum L_d least. By Dinkelbach's (1967) method for quotients: for a quotient
    q the lengths that make sum L_d^2 / n_d - q L_d least are q n_d / 2 within their bounds; their own quotient is the next q, which falls to the least.
    """
    q, last = 1.0, np.inf
    while last - q > CLOSE:
        length = np.clip(q * items / 2, low, high)
        q, last = float((length**2 / items).sum() / length.sum()), q
    return q


def rounded_up(rate: float) -> float:
    """To three decimals, so that what is called reachable is."""
    return math.ceil(1000 * (rate - CLOSE)) / 1000
