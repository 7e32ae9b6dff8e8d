"""Local dependence: pairs of items whose answers go together more than ability explains, on a form that everybody took.

    X2 = sum_kl (O_kl - E_kl)^2 / E_kl,    E_kl = P sum_q w_q P_ik(theta_q) P_jl(theta_q)

over the joint table of two items (Chen & Thissen, 1997). Beside the chi-square, z = (X2 - df) / sqrt(2 df) compares pairs of different tables (from 10
on they want a look), and V, Cramer's measure with the sign of the gap in Goodman & Kruskal's (1954) gamma, tells size. Q3 (fit.py, and pair_residuals.py in calibrations) serves where answers are incomplete.
"""

from dataclasses import dataclass

import numpy as np

from calibration.complete import require_complete
from cat_engine import Fault, Faulty
from cat_engine.irt import Floats, Ints


@dataclass(frozen=True, slots=True, eq=False)
class Dependence:
    """Of pairs of items, [I, I], symmetric, NaN on the diagonal: statistic (LD-X2), df = (K_i - 1)(K_j - 1), z, and v in [-1, 1]."""

    statistic: Floats
    df: Floats
    z: Floats
    v: Floats


def ld_x2(scores: Ints, p: Floats, weights: Floats) -> Dependence:
    """LD-X2 of complete answers scores[P, I] to items with probabilities p[I, K, Q] (0 in categories that an item lacks) at weights[Q].

    Raises Faulty for incomplete answers and for answers in categories that an item lacks.
    """
    require_complete(scores, "LD-X2")
    n_items, n_cat, _ = p.shape
    exists = np.asarray(p.max(axis=2) > 0)
    faults = [
        Fault("answers", f"item {i + 1}", "have categories that its model lacks")
        for i in np.flatnonzero(scores.max(axis=0) >= exists.sum(axis=1)).tolist()
    ]
    if faults:
        raise Faulty(faults)
    chosen = (scores[:, :, None] == np.arange(n_cat)).reshape(len(scores), -1).astype(float)
    flat = p.reshape(n_items * n_cat, -1)
    seen, due = (table.reshape(n_items, n_cat, n_items, n_cat) for table in (chosen.T @ chosen, len(scores) * (flat * weights) @ flat.T))
    terms = np.divide((seen - due) ** 2, due, out=np.zeros_like(due), where=exists[:, :, None, None] & exists[None, None])
    statistic = terms.sum(axis=(1, 3))
    cells = exists.sum(axis=1) - 1
    df = np.outer(cells, cells).astype(float)
    v = np.sign(_gamma(seen) - _gamma(due)) * np.sqrt(statistic / (len(scores) * np.minimum.outer(cells, cells)))
    out = Dependence(statistic, df, (statistic - df) / np.sqrt(2 * df), v)
    for values in (out.statistic, out.df, out.z, out.v):
        np.fill_diagonal(values, np.nan)
    return out


def _gamma(tables: Floats) -> Floats:
    """Of joint tables[I, K, I, K]: pairs of people whom both items put in one order less those whom they do not, as a share of both."""
    higher = np.flip(np.flip(tables, 1).cumsum(axis=1), 1) - tables  # above on the first item
    agree = np.flip(np.flip(higher, 3).cumsum(axis=3), 3) - higher  # and on the other one, or below
    concordant, discordant = ((tables * own).sum(axis=(1, 3)) for own in (agree, higher.cumsum(axis=3) - higher))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((concordant - discordant) / (concordant + discordant))
