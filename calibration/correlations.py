"""How competencies correlate, from answers to items of known parameters: the prior of the multidimensional engine, with standard errors.

The abilities of two competencies are bivariate normal. Mean and sd of each come from its own answers by maximum likelihood; then the correlation
rho maximises the marginal likelihood of the pair's answers, by Newton's method in Fisher's z = atanh rho (inference functions for margins, Joe,
2005, whose equation for the variance gives the SE). So rho is of the abilities, not of their estimates: no attenuation by the length of a test, and routed answers need no correction, as in any
likelihood of what was administered (Rubin, 1976).

    log f(z1, z2) = -log(1 - rho^2) / 2 - (z1^2 - 2 rho z1 z2 + z2^2) / (2 (1 - rho^2))
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from calibration.expectation import LEAST_LOG
from calibration.mml import MmlOptions, fit_mml
from calibration.responses import ResponseLog
from calibration.screening import answer_faults
from calibration.state import SMALLEST_SD
from cat_engine import Faulty, ItemParams, log_probabilities
from cat_engine.irt import Floats, Ints
from itembank.bank import Bank

FEWEST_PEOPLE = 30  # who answered both competencies: fewer say nothing
LARGEST_SE = 0.5  # of a number that lies in [-1, 1]: more is no knowledge
FARTHEST_Z = 2.3  # rho = .98: beyond, two competencies are one
LONGEST_STEP = 0.5
TOLERANCE = 1e-8
MAX_STEPS = 50
LEAST_EIGENVALUE = 1e-3


@dataclass(frozen=True, slots=True, eq=False)
class Correlations:
    """Of S competencies (those with answers): means[S] and sds[S] of ability; matrix[S, S] and se[S, S], NaN for a pair that fewer than 30 people
    answered, or of which the answers tell nothing (a standard error above .5, or ability that does not vary, as where everybody is right);
    n[S, S] people with answers to both. `definite` is matrix as a plan's prior may use it: with eigenvalues of at least .001.
    """

    competencies: tuple[str, ...]
    means: Floats
    sds: Floats
    matrix: Floats
    se: Floats
    n: Ints

    @property
    def definite(self) -> Floats | None:
        """The correlation matrix with its lowest eigenvalues raised and its diagonal put back to 1 (Rebonato & Jaeckel, 1999), the matrix itself
        where it needs nothing; None where a pair is unknown.
        """
        if np.isnan(self.matrix).any():
            return None
        values, vectors = np.linalg.eigh(self.matrix)
        if values[0] >= LEAST_EIGENVALUE:
            return self.matrix
        raised = (vectors * np.maximum(values, LEAST_EIGENVALUE)) @ vectors.T
        size = np.sqrt(np.diag(raised))
        return np.asarray(raised / np.outer(size, size))


def correlations(log: ResponseLog, bank: Bank) -> Correlations:
    """Latent correlations of the competencies of `bank` that `log` has answers for; the bank's parameters are taken as known.

    Raises Faulty naming unknown items, categories that an item does not have and second answers of a person to an item.
    """
    faults = list(answer_faults(log, bank))
    if faults:
        raise Faulty(faults)
    bank_item = np.array([bank.index[item_id] for item_id in log.item_ids])[log.item]
    scale = bank.params.scale[bank_item]
    used = np.unique(scale)
    margins = [_margin(log, bank, bank_item, scale == s) for s in used]
    size = len(used)
    matrix, se, n = np.eye(size), np.zeros((size, size)), np.zeros((size, size), dtype=np.int64)
    for i, one in enumerate(margins):
        n[i, i] = int(one.answered.sum())
        for j in range(i):
            both = one.answered & margins[j].answered
            n[i, j] = n[j, i] = int(both.sum())
            rho, error = float("nan"), float("nan")
            if both.sum() >= FEWEST_PEOPLE and one.varies and margins[j].varies:
                rho, error = _Pair(one, margins[j], np.flatnonzero(both)).solve()
            told = error <= LARGEST_SE
            matrix[i, j] = matrix[j, i] = rho if told else np.nan
            se[i, j] = se[j, i] = error if told else np.nan
    return Correlations(
        tuple(bank.competencies[s] for s in used), np.array([m.mean for m in margins]), np.array([m.sd for m in margins]), matrix, se, n
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Margin:
    """One competency: who answered it [P], the likelihood of each person's answers on the nodes up to a factor [P, Q], mean and sd of ability, and
    the scores of mean and log sd [P, 2], 0 for those who did not answer it.
    """

    answered: NDArray[np.bool_]
    likelihood: Floats
    nodes: Floats
    mean: float
    sd: float
    scores: Floats

    @property
    def varies(self) -> bool:
        """Whether the sd stayed above its bound, so that there is something to correlate."""
        return self.sd > SMALLEST_SD * (1 + 1e-6)

    @property
    def z(self) -> Floats:
        """The nodes as standard scores."""
        return (self.nodes - self.mean) / self.sd


def _margin(log: ResponseLog, bank: Bank, bank_item: Ints, mine: NDArray[np.bool_]) -> _Margin:
    items, item = np.unique(bank_item[mine], return_inverse=True)
    rows = [bank.row(int(i))._replace(scale=0) for i in items]
    who, person = np.unique(log.person[mine], return_inverse=True)
    options = MmlOptions(tolerance=1e-6)
    fit = fit_mml(person, item, log.category[mine], rows, options, np.ones(len(rows), dtype=bool))
    nodes = options.grid.nodes()
    table = log_probabilities(ItemParams.from_rows(rows), nodes)
    width = table.shape[2]
    shape = (len(log.person_ids), len(rows) * width)
    answers = sparse.csr_matrix((np.ones(len(item)), (log.person[mine], item * width + log.category[mine])), shape=shape)
    logs = answers @ np.maximum(table.reshape(len(nodes), -1).T, LEAST_LOG)
    answered = np.zeros(len(log.person_ids), dtype=bool)
    answered[who] = True
    likelihood = np.exp(logs - logs.max(axis=1, keepdims=True))
    z = (nodes - fit.mean) / fit.sd
    weights = likelihood * np.exp(-0.5 * z**2)
    weights /= weights.sum(axis=1, keepdims=True)
    scores = np.where(answered[:, None], np.stack([weights @ z / fit.sd, weights @ (z**2 - 1)], axis=1), 0.0)
    return _Margin(answered, likelihood, nodes, fit.mean, fit.sd, scores)


@dataclass(frozen=True, slots=True, eq=False)
class _Pair:
    """Two competencies and the people `who` answered both."""

    one: _Margin
    other: _Margin
    who: Ints

    def averages(self, z: float, *weights: Floats) -> Iterator[Floats]:
        """Posterior means, [M] each, of functions of the two abilities given as tables [Q, Q], at atanh rho = z."""
        rho = np.tanh(z)
        z1, z2 = self.one.z[:, None], self.other.z[None]
        density = np.exp(-(z1**2 - 2 * rho * z1 * z2 + z2**2) / (2 * (1 - rho**2)))
        left, right = self.one.likelihood[self.who], self.other.likelihood[self.who]
        total = ((left @ density) * right).sum(axis=1)
        return (((left @ (density * weight)) * right).sum(axis=1) / total for weight in weights)

    def slopes(self, z: float) -> tuple[Floats, float]:
        """Each person's score [M] and the information, the negative second derivative of the log-likelihood or, where that is none, the sum of
        the squared scores.
        """
        rho = np.tanh(z)
        rest = 1 - rho**2
        product, squares = np.outer(self.one.z, self.other.z), self.one.z[:, None] ** 2 + self.other.z[None] ** 2
        away = product * (1 + rho**2) - rho * squares
        first = rho + away / rest
        second = rest + 2 * rho * product - squares + 2 * rho * away / rest
        score, curvature = self.averages(z, first, first**2 + second)
        observed = float((score**2 - curvature).sum())
        return score, observed if observed > 0 else float((score**2).sum())

    def solve(self) -> tuple[float, float]:
        """The correlation and its standard error, which allows for mean and sd of both being estimates too."""
        z = 0.0
        for _ in range(MAX_STEPS):
            score, information = self.slopes(z)
            step = float(np.clip(score.sum() / information, -LONGEST_STEP, LONGEST_STEP))
            z = float(np.clip(z + step, -FARTHEST_Z, FARTHEST_Z))
            if abs(step) < TOLERANCE or (abs(z) == FARTHEST_Z and step * z > 0):
                break
        score, information = self.slopes(z)
        influence = np.zeros(len(self.one.answered))
        influence[self.who] = score
        for own, other, turned in ((self.one, self.other, False), (self.other, self.one, True)):
            residual = (own.z[:, None] - np.tanh(z) * other.z[None]) / (1 - np.tanh(z) ** 2)
            tables = (residual / own.sd, own.z[:, None] * residual - 1)
            joint = np.stack(list(self.averages(z, *(table.T if turned else table for table in tables))))
            influence -= own.scores @ np.linalg.solve(own.scores.T @ own.scores, joint @ score)
        rho = float(np.tanh(z))
        return rho, float((1 - rho**2) * np.sqrt((influence**2).sum()) / information)
