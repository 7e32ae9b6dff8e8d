"""What each answer should have been by the person's other answers: the matching of groups that routed answers allow.

A person's ability given the answers to the other anchors has the posterior of its own group's prior,  w(theta) ~ g_group(theta) prod_j P_j(x_j | theta),
j over the anchors but the item in question. Under no DIF the answer is a draw from P(k) = E_w P_ik(theta), whatever routed the person, up to the little
that the item's own answer did to the choice of later ones. With one prior for both groups, or with a point estimate, groups of different means would
seem to differ on every item; E_w theta is what the regression correction of SIBTEST approximates linearly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from calibration.dif_groups import Mask, check_groups
from calibration.expectation import LEAST_LOG
from calibration.mml import FLAT, MmlOptions, fit_mml
from cat_engine import Grid, ItemParams, Row, log_probabilities
from cat_engine.ability import weights
from cat_engine.irt import Floats, Ints

AT_ONCE = 20_000  # answers


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Of R answers: p[R, K], the probability of each category, and theta[R], the person's expected ability, both by the other answers."""

    p: Floats
    theta: Floats


def predicted(
    person: Ints, item: Ints, category: Ints, rows: Sequence[Row], focal: Mask, anchors: Mask | None = None, wanted: Mask | None = None
) -> Prediction:
    """Predict answers person[R], item[R], category[R] to items of given parameters, in groups focal[P], by the `anchors`[I] (default all). Only the
    items `wanted`[I] (default all) are predicted, NaN elsewhere.

    Mean and sd of ability in each group are estimated from the anchors. Raises Faulty for a group of fewer than two people and fewer than two anchors.
    """
    anchors = np.ones(len(rows), dtype=bool) if anchors is None else anchors
    check_groups(focal, anchors)
    rows = [row._replace(scale=0) for row in rows]
    known = anchors[item]
    held = fit_mml(
        person[known], item[known], category[known], rows, MmlOptions(priors=FLAT), np.ones(len(rows), dtype=bool), focal.astype(int)
    )
    nodes = Grid().nodes()
    table = np.maximum(np.moveaxis(log_probabilities(ItemParams.from_rows(rows), nodes), 0, -1), LEAST_LOG)  # [I, K, Q]
    n_items, n_cat, _ = table.shape
    columns = item[known] * n_cat + category[known]
    chosen = sparse.csr_matrix((np.ones(len(columns)), (person[known], columns)), shape=(len(focal), n_items * n_cat))
    group = focal.astype(int)
    log_prior = -0.5 * ((nodes - held.means[:, None]) / held.sds[:, None]) ** 2
    joint = chosen @ table.reshape(n_items * n_cat, -1) + log_prior[group]
    p, theta = np.full((len(item), n_cat), np.nan), np.full(len(item), np.nan)
    for i in range(n_items) if wanted is None else np.flatnonzero(wanted).tolist():
        curves, mine = np.exp(table[i]).T, np.flatnonzero(item == i)
        for at in range(0, len(mine), AT_ONCE):
            answers = mine[at : at + AT_ONCE]
            own = table[i][category[answers]] if anchors[i] else 0.0
            w = weights(joint[person[answers]] - own)
            theta[answers] = w @ nodes
            p[answers] = w @ curves
    return Prediction(p, theta)
