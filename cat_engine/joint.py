"""Several correlated competencies at once: items measure one each, abilities share a normal prior (between-item multidimensional model).

Notation: theta[S] ~ N(mu, Phi); l_d(theta_d) log-likelihood of the answers on competency d, I_d its expected information. The posterior is taken as
Normal(mode, Sigma), Sigma = (Phi^-1 + diag(I_d(mode)))^-1, the mode by Fisher scoring (Segall, 1996, eqs. 13-17). What is learned on one
competency moves the others; the conditional normal prior of a later section given an earlier one is part of it.
"""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.irt import item_terms
from cat_engine.pool import Pool

CLOSE = 1e-11
MOST_STEPS = 60
LONGEST_STEP = 1.0  # a step of Fisher scoring further than this is shortened: a likelihood with guessing may be flat


@dataclass(frozen=True, slots=True)
class Joint:
    """Correlations between the competencies of a plan: one number for all pairs, or a matrix in the order of the plan's competencies.

    Raises Faulty where they are not those of any distribution.
    """

    correlation: float = 0.0
    matrix: tuple = ()  # type: ignore[type-arg]  # the registry reads the bare type

    def __post_init__(self) -> None:
        rows = tuple(tuple(row) if isinstance(row, list | tuple) else (row,) for row in self.matrix)
        object.__setattr__(self, "matrix", rows)
        if not 0 <= self.correlation < 1:
            raise Faulty([Fault("joint", "correlation", f"{self.correlation:g} is out of range", "from 0, below 1")])
        if not rows:
            return
        numbers = all(isinstance(v, int | float) and np.isfinite(v) for row in rows for v in row)
        if not numbers or any(len(row) != len(rows) for row in rows):
            raise Faulty([Fault("joint", "matrix", "is not a square table of numbers", "a row and a column a competency")])
        table = np.array(rows, dtype=float)
        if not (np.allclose(table, table.T) and np.allclose(np.diag(table), 1) and np.linalg.eigvalsh(table)[0] > 1e-8):
            raise Faulty([Fault("joint", "matrix", "holds no correlations", "symmetric, 1 in the diagonal, positive definite")])

    def correlations(self, names: tuple[str, ...], wanted: tuple[str, ...]) -> Floats:
        """[S, S] of the competencies `wanted`, where the plan's are `names`; one that the plan does not ask for stands alone."""
        out = np.eye(len(wanted))
        for i, one in enumerate(wanted):
            for j, other in enumerate(wanted):
                if i != j and one in names and other in names:
                    out[i, j] = self.matrix[names.index(one)][names.index(other)] if self.matrix else self.correlation
        return out


@dataclass(frozen=True, slots=True, eq=False)
class Answers:
    """The answers of M sessions on all competencies: session row[R] answered item[R] in category[R], in order of answering."""

    row: Ints
    item: Ints
    category: Ints


def posterior_mode(pool: Pool, answers: Answers, start: Floats, mean: float, precision: Floats) -> tuple[Floats, Floats]:
    """Mode[M, S] and covariance[M, S, S] of the abilities, from start[M, S], with prior N(mean, precision[S, S]^-1).

    Each session runs until its own steps are below 1e-11 and is then left alone, so that its bits do not depend on the others.
    """
    count = len(start)
    theta, info = start.copy(), np.zeros(start.shape)
    scale = pool.params.scale[answers.item]
    going = np.arange(count)
    for _ in range(MOST_STEPS):
        score, info[going] = _score_and_information(pool, answers, scale, theta, going)
        away = theta[going] - mean
        gradient = score - (precision[None] * away[:, None, :]).sum(axis=-1)
        step = np.linalg.solve(_posterior_precision(precision, info[going]), gradient[..., None])[..., 0]
        longest = np.abs(step).max(axis=-1, keepdims=True)
        theta[going] += step * np.minimum(1.0, LONGEST_STEP / np.maximum(longest, LONGEST_STEP))
        going = going[longest[:, 0] > CLOSE]
        if not going.size:
            break
    everyone = np.arange(count)
    _, info = _score_and_information(pool, answers, scale, theta, everyone)
    return theta, np.asarray(np.linalg.inv(_posterior_precision(precision, info)), dtype=np.float64)


def _posterior_precision(precision: Floats, info: Floats) -> Floats:
    scales = info.shape[-1]
    out = np.repeat(precision[None], len(info), axis=0)
    out[:, np.arange(scales), np.arange(scales)] += info
    return out


def _score_and_information(pool: Pool, answers: Answers, scale: Ints, theta: Floats, rows: Ints) -> tuple[Floats, Floats]:
    """l'_d and I_d of sessions `rows`, [m, S] each."""
    scales = theta.shape[1]
    place = np.full(len(theta), -1)
    place[rows] = np.arange(len(rows))
    keep = place[answers.row] >= 0
    row, item, category, own = place[answers.row[keep]], answers.item[keep], answers.category[keep], scale[keep]
    first, info, _, _ = item_terms(pool.params.take(item), theta[rows][row, own])
    cell, size = row * scales + own, len(rows) * scales
    score = np.bincount(cell, weights=first[np.arange(len(item)), category], minlength=size)
    total = np.bincount(cell, weights=info, minlength=size)
    return score.reshape(-1, scales).astype(float), total.reshape(-1, scales).astype(float)
