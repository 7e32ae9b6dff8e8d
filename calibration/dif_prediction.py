"""What each answer should have been by the person's other answers: the matching of groups that routed answers allow.

A person's ability given the answers to the other anchors has the posterior of its own group's prior,  w(theta) ~ g_group(theta) prod_j P_j(x_j | theta),
j over the anchors but the item in question. Under no DIF the answer is a draw from P(k) = E_w P_ik(theta), whatever routed the person, up to the little
that the item's own answer did to the choice of later ones. With one prior for both groups, or with a point estimate, groups of different means would
seem to differ on every item; E_w theta is what the regression correction of SIBTEST approximates linearly.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from calibration.curves import params_of
from calibration.dif_groups import Mask, check_groups
from calibration.expectation import LEAST_LOG
from calibration.state import SMALLEST_SD
from cat_engine import Grid, ItemParams, Row, log_probabilities
from cat_engine.irt import Floats, Ints

AT_ONCE = 20_000  # answers
TOLERANCE = 1e-8  # of mean and sd
MOST_CYCLES = 2000

Masks = NDArray[np.bool_]  # [C, P]: a focal group a row


@dataclass(frozen=True, slots=True, eq=False)
class Prediction:
    """Of R answers: p[R, K], the probability of each category, and theta[R], the person's expected ability, both by the other answers."""

    p: Floats
    theta: Floats


@dataclass(frozen=True, slots=True, eq=False)
class ItemPrediction:
    """Of some answers to one item, `answers`[N] of all, by D of the divisions of people: p[D, K, N] of the item's own categories and theta[D, N]."""

    item: int
    divisions: Ints
    answers: Ints
    p: Floats
    theta: Floats


def predicted(person: Ints, item: Ints, category: Ints, rows: Sequence[Row], focal: Mask, anchors: Mask | None = None) -> Prediction:
    """Predict answers person[R], item[R], category[R] to items of given parameters, in groups focal[P], by the `anchors`[I] (default all).

    Mean and sd of ability in each group are estimated from the anchors. Raises Faulty for a group of fewer than two people and fewer than two anchors.
    """
    params = params_of(rows)
    found = Prediction(np.zeros((len(item), params.b.shape[1] + 1)), np.zeros(len(item)))
    for own in predictions(person, item, category, params, focal[None], anchors):
        found.p[own.answers, : own.p.shape[1]], found.theta[own.answers] = own.p[0].T, own.theta[0]
    return found


def predictions(
    person: Ints, item: Ints, category: Ints, params: ItemParams, focal: Masks, anchors: Mask | None = None, wanted: Masks | None = None
) -> Iterator[ItemPrediction]:
    """The same for C divisions of the people at once, focal[C, P], item by item, of many answers in stretches: what the answers say is worked out once.
    Only answers to the items wanted[C, I] (default all) are predicted.
    """
    anchors = np.ones(len(params), dtype=bool) if anchors is None else anchors
    for own in focal:
        check_groups(own, anchors)
    wanted = np.ones((len(focal), len(params)), dtype=bool) if wanted is None else wanted
    nodes = Grid().nodes()
    table = np.maximum(np.moveaxis(log_probabilities(params, nodes), 0, -1), LEAST_LOG)  # [I, K, Q]
    n_items, n_cat, _ = table.shape
    known = anchors[item]
    columns = item[known] * n_cat + category[known]
    chosen = sparse.coo_matrix((np.ones(len(columns)), (person[known], columns)), shape=(focal.shape[1], n_items * n_cat))
    likelihood = _likelihood(chosen @ table.reshape(n_items * n_cat, -1))
    density = _densities(*abilities(likelihood, focal, nodes), nodes)  # [C, 2, Q]
    order = np.argsort(item.astype(np.min_scalar_type(n_items)), kind="stable")  # small numbers are sorted by counting
    ends = np.cumsum(np.bincount(item, minlength=n_items)).tolist()
    for i in np.flatnonzero(wanted.any(axis=0)).tolist():
        asked = np.flatnonzero(wanted[:, i])
        # Each answer's sums of w P_k and of w theta, by the density of every group: one product of matrices. Of the item's own categories: the others
        # are too improbable for a product of normal numbers, and processors are many times slower with those that are not.
        own_cat = int(params.n_cat[i])
        weighted = density[asked, :, None] * np.concatenate([np.exp(table[i, :own_cat]), nodes[None]])  # [D, 2, K + 1, Q]
        without = np.exp(-table[i]) if anchors[i] else np.ones_like(table[i])
        for at in range(ends[i - 1] if i else 0, ends[i], AT_ONCE):
            answers = order[at : min(at + AT_ONCE, ends[i])]
            who = person[answers]
            others = likelihood.take(who, axis=0)
            others *= without.take(category[answers], axis=0)
            sums = (weighted.reshape(-1, len(nodes)) @ others.T).reshape(len(asked), 2, own_cat + 1, len(who))
            sums = np.where(focal[asked].take(who, axis=1)[:, None], sums[:, 1], sums[:, 0])
            sums /= sums[:, :-1].sum(axis=1, keepdims=True)
            yield ItemPrediction(i, asked, answers, sums[:, :-1], sums[:, -1])


def abilities(likelihood: Floats, focal: Masks, nodes: Floats) -> tuple[Floats, Floats]:
    """Mean and sd of normal ability in each of C divisions of the people, [C, 2] each (the others, the focal group): maximum marginal likelihood.

    likelihood[P, Q] of each person's answers at the nodes, up to a factor a person, of items that stay as they are; focal[C, P]. EM as in mml.py, of
    all groups at once: posteriors are w_p(q) ~ L_p(q) g(q), so that their totals and their sums over people are two products of matrices.
    """
    members = np.stack([~focal, focal], axis=1).reshape(-1, focal.shape[1])  # [2 C, P]
    sizes = members.sum(axis=1)
    means, sds = np.zeros(len(members)), np.ones(len(members))
    inside = members.T.astype(float)
    for _ in range(MOST_CYCLES):
        density = _densities(means, sds, nodes)
        marginal = likelihood @ np.ascontiguousarray(density.T)  # libraries take long over a thin matrix that lies the other way
        mass = density * ((inside / marginal).T @ likelihood) / sizes[:, None]
        before = np.concatenate([means, sds])
        means = mass @ nodes
        sds = np.maximum(np.sqrt((mass * (nodes - means[:, None]) ** 2).sum(axis=1)), SMALLEST_SD)
        if np.abs(np.concatenate([means, sds]) - before).max() < TOLERANCE:
            break
    return means.reshape(-1, 2), sds.reshape(-1, 2)


def _likelihood(log: Floats) -> Floats:
    """Likelihoods of log[N, Q], 1 at the highest of each row, and nowhere 0: a density may stand where there is all but none. No item's probability is so
    small on the nodes that dividing by it would bring back what is cut off here."""
    np.subtract(log, log.max(axis=1, keepdims=True), out=log)
    return np.asarray(np.exp(np.maximum(log, LEAST_LOG, out=log), out=log))


def _densities(means: Floats, sds: Floats, nodes: Floats) -> Floats:
    """Normal densities on the nodes, each summing to one, [..., Q]."""
    g = np.exp(-0.5 * ((nodes - means[..., None]) / sds[..., None]) ** 2)
    return np.asarray(g / g.sum(axis=-1, keepdims=True))
