"""Fit of an item in bins of ability, of answers of any kind: where on the scale observed and expected scores part.

A person is in no bin for certain: w_p(b) is the share of his or her posterior of ability, by all answers, that lies in bin b. Of the people who met the item

    r_pb = sum_{q in b} w_p(q) (x_p - E_q X)        z_b = sum_p r_pb / sqrt(sum_p r_pb^2)

has expectation 0 where the model holds, whatever routed the people: at any ability theta_q the answer does not depend on why the item was chosen (Rubin, 1976).
Bins of a point estimate of ability would not do: its error goes with the answer itself, and in an adaptive test with the choice of the items that follow it. The
observed scores by bin are the pseudo-observed ones of RMSD (fit.py). X2 (ability_bins.py) has point estimates, and serves to compare items.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from calibration.curves import params_of
from calibration.expectation import LEAST_LOG
from cat_engine import Grid, NormalPrior, Row, log_probabilities
from cat_engine.ability import weights
from cat_engine.irt import Floats, Ints

MOST_BINS = 10
LEAST_IN_BIN = 25  # people: with fewer z is not normal


@dataclass(frozen=True, slots=True)
class BinResidual:
    """Of item number `item`: about n people of ability about theta, their mean observed and expected score, and z of the difference."""

    item: int
    theta: float
    n: float
    observed: float
    expected: float
    z: float


def bin_residuals(person: Ints, item: Ints, category: Ints, rows: Sequence[Row], mean: float = 0.0, sd: float = 1.0) -> list[BinResidual]:
    """Answers person[R], item[R], category[R] to items of given parameters, by people of ability Normal(mean, sd): for each item up to ten bins of about equal
    numbers of people, at least LEAST_IN_BIN each; none of an item with fewer answers than that.
    """
    nodes = Grid().nodes()
    params = params_of(rows)
    table = np.maximum(np.moveaxis(log_probabilities(params, nodes), 0, -1), LEAST_LOG)  # [I, K, Q]
    n_items, n_cat, _ = table.shape
    chosen = sparse.csr_matrix((np.ones(len(item)), (person, item * n_cat + category)), shape=(int(person.max()) + 1, n_items * n_cat))
    joint = chosen @ table.reshape(n_items * n_cat, -1) + np.log(weights(NormalPrior(mean, sd).log_density(nodes)))
    posterior = np.exp(joint - joint.max(axis=1, keepdims=True))
    posterior /= posterior.sum(axis=1, keepdims=True)
    found: list[BinResidual] = []
    for i in range(n_items):
        mine = np.flatnonzero(item == i)
        n_bins = min(MOST_BINS, len(mine) // LEAST_IN_BIN)
        if n_bins:
            found += _bins(i, posterior[person[mine]], category[mine], np.arange(n_cat) @ np.exp(table[i]), nodes, n_bins)
    return found


def _bins(i: int, w: Floats, x: Ints, expected: Floats, nodes: Floats, n_bins: int) -> list[BinResidual]:
    """Of item i: posteriors w[N, Q] of those who answered x[N], expected[Q] score at each node."""
    mass = w.sum(axis=0)
    middle = (np.cumsum(mass) - mass / 2) / mass.sum()  # of the people below each node
    bin_of = np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)
    found = []
    for b in np.unique(bin_of).tolist():
        inside = bin_of == b
        n, own = float(mass[inside].sum()), w[:, inside]
        residual = own.sum(axis=1) * x - own @ expected[inside]
        size = float(np.sqrt((residual**2).sum()))
        if n >= LEAST_IN_BIN / 2 and size > 0:
            observed, foretold = float(own.sum(axis=1) @ x) / n, float(mass[inside] @ expected[inside]) / n
            found.append(BinResidual(i, float(mass[inside] @ nodes[inside]) / n, n, observed, foretold, float(residual.sum()) / size))
    return found
