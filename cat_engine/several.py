"""Several correlated competencies at once: each item measures one of them, and what it says of one it says, a little, of the others.

Notation: S competencies, theta[S] ~ Normal(mu, Phi) in the population; N sessions; I items, item i on competency d(i) with Fisher information
I_i(theta_d). The posterior after the answers is taken as Normal(mode, Sigma) (Laplace), Sigma = (Phi^-1 + diag J)^-1, J_d = sum of I_i over the
answered items of d at the mode.

Where from: multidimensional adaptive testing, its D-rule and the credible box: Segall (1996, Psychometrika 61, 331-354); A-rule: Mulder & van der
Linden (2009, Psychometrika 74, 273-296); between-item dimensions: Wang & Chen (2004). Choices of ours:
- Sigma carries Fisher's information, not the observed: it is positive definite at every pattern of answers (a 3PL answer can have negative
  observed information), each item only ever shrinks it, it agrees with the numbers on which the next item is chosen, and with S = 1 it is the SE
  of a MAP as catR and Segall print it.
- The search for the mode uses observed information, floored at 0: Newton's own speed for log-concave items, a direction of ascent for all. A step
  that does not climb is halved.
- The search starts at mu, always: the state is a function of the answers in their order and nothing else, so that a live session rebuilt from its
  log, a simulated one and an audited one have the same bits.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.likelihood import Answers, Likelihood

STEP = 1e-6  # a Newton step this small is taken and ends the search: what is left is about its square
MOST_STEPS = 100  # met by no bank seen; the best point so far stands then
SLACK = 1e-12  # relative rounding within which two log-posteriors count as equal
LEAST_EIGENVALUE = 1e-8  # of the correlations: below it two competencies are one


@dataclass(frozen=True, eq=False)
class CorrelatedPrior:
    """Abilities in the population: Normal(mean[S], cov[S, S]); names[S] are for messages. Raises Faulty, naming every cell, where cov is not a
    covariance matrix: square, finite, symmetric, positive definite.
    """

    mean: Floats
    cov: Floats
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("mean", "cov"):
            array = np.array(getattr(self, name), dtype=float)
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        faults = self._faults()
        if faults:
            raise Faulty(faults)

    @classmethod
    def standard(cls, correlation: ArrayLike, names: Sequence[str] = ()) -> Self:
        """Unit scale: mean 0, variances 1. Raises Faulty also where the diagonal is not 1."""
        phi = np.array(correlation, dtype=float)
        made = cls(np.zeros(len(np.atleast_1d(phi))), phi, tuple(names))
        faults = [
            Fault(made._cell(j, j), "correlation", f"{phi[j, j]:g} is not 1", "a correlation matrix has ones on its diagonal")
            for j in np.flatnonzero(np.abs(np.diag(phi) - 1.0) > 1e-9).tolist()
        ]
        if faults:
            raise Faulty(faults)
        return made

    def _cell(self, j: int, k: int) -> str:
        named = [self.names[i] if i < len(self.names) else str(i) for i in (j, k)]
        return f"[{named[0]}, {named[1]}]"

    def _faults(self) -> list[Fault]:
        mean, cov, where = self.mean, self.cov, "prior"
        if cov.ndim != 2 or cov.shape[0] != cov.shape[1] or not len(cov):
            return [Fault(where, "cov", f"shape {cov.shape} is not square", "one row and one column a competency")]
        if mean.shape != cov.shape[:1] or (self.names and len(self.names) != len(cov)):
            return [Fault(where, "mean", f"{mean.shape} means and {len(self.names)} names do not fit {len(cov)} competencies")]
        faults = [Fault(self._cell(j, j), "mean", "is not a finite number") for j in np.flatnonzero(~np.isfinite(mean)).tolist()]
        faults += [Fault(self._cell(j, k), "cov", "is not a finite number") for j, k in np.argwhere(~np.isfinite(cov)).tolist()]
        if faults:
            return faults
        skew = np.argwhere(np.triu(np.abs(cov - cov.T) > 1e-9 * np.abs(cov).max()))
        faults += [
            Fault(self._cell(j, k), "cov", f"{cov[j, k]:g} but {cov[k, j]:g} in the mirror cell", "one value") for j, k in skew.tolist()
        ]
        faults += [
            Fault(self._cell(j, j), "cov", f"variance {cov[j, j]:g} is not positive") for j in np.flatnonzero(np.diag(cov) <= 0).tolist()
        ]
        if faults:
            return faults
        r = self.correlation
        wide = np.argwhere(np.triu(np.abs(r) >= 1.0, 1)).tolist()
        faults += [Fault(self._cell(j, k), "cov", f"correlation {r[j, k]:g} is not within (-1, 1)") for j, k in wide]
        least = float(np.linalg.eigvalsh(r)[0])
        if not faults and least < LEAST_EIGENVALUE:
            remedy = "lower the largest correlations, or merge competencies that measure one thing"
            faults.append(Fault(where, "cov", f"is not positive definite: its least eigenvalue as correlations is {least:.3g}", remedy))
        return faults

    def __len__(self) -> int:
        return len(self.mean)

    @cached_property
    def correlation(self) -> Floats:
        """Phi on unit scale, [S, S]."""
        sd = np.sqrt(np.diag(self.cov))
        return np.asarray(self.cov / (sd[:, None] * sd))

    @cached_property
    def independent(self) -> "CorrelatedPrior":
        """The same means and variances without correlations: under it no competency borrows from another."""
        return CorrelatedPrior(self.mean, np.diag(np.diag(self.cov)), self.names)

    @cached_property
    def normals(self) -> "Normals":
        """As the abilities of one session that nobody has answered in."""
        return Normals(self.mean[None], self.cov[None])


@dataclass(frozen=True, slots=True, eq=False)
class Normals:
    """N multivariate normal distributions: theta[N, S] (mode = mean) and cov[N, S, S]. A prior as well as a posterior."""

    theta: Floats
    cov: Floats

    @property
    def se(self) -> Floats:
        """Standard deviation of each competency, [N, S]."""
        return np.asarray(np.sqrt(np.diagonal(self.cov, axis1=-2, axis2=-1)))

    def take(self, scales: ArrayLike) -> "Normals":
        """The marginal distribution of some competencies."""
        at = np.asarray(scales, dtype=int)
        return Normals(self.theta[:, at], self.cov[:, at[:, None], at])


def posterior(prior: Normals, answers: Answers) -> Normals:
    """Mode and Laplace covariance of N sessions from a prior of N (or of one, for all of them) and all their answers, shape (N, S).

    Solved to 1e-8 of theta or better. A session's result does not depend, to the bit, on the others.
    """
    shape = answers.shape
    mu, precision = np.broadcast_to(prior.theta, shape), np.broadcast_to(np.linalg.inv(prior.cov), (*shape, shape[1]))
    best, best_height = mu, np.full(shape[0], -np.inf)
    step, going = np.zeros(shape), np.ones(shape[0], dtype=bool)
    for _ in range(MOST_STEPS):
        here = best + step
        value, slope, curvature = answers.derivatives(here)
        pull = (precision * (here - mu)[:, None, :]).sum(axis=-1)
        height = (value - 0.5 * pull * (here - mu)).sum(axis=-1)
        climbs = going & (height >= best_height - SLACK * np.abs(best_height))
        newton = np.linalg.solve(_plus(precision, np.maximum(curvature, 0.0)), (slope - pull)[..., None])[..., 0]
        step = np.where(climbs[:, None], newton, np.where(going[:, None], 0.5 * step, 0.0))
        small = np.asarray((np.abs(step) <= STEP).all(axis=-1))
        best = np.where(climbs[:, None], np.where(small[:, None], here + step, here), best)
        best_height = np.where(climbs, height, best_height)
        going &= ~small
        if not going.any():
            break
    return Normals(best, _symmetric(np.linalg.inv(_plus(precision, answers.information(best)))))


def _symmetric(cov: NDArray[np.floating]) -> Floats:
    """Without the rounding by which the two halves of a computed covariance differ."""
    return np.asarray(0.5 * (cov + np.swapaxes(cov, -1, -2)), dtype=float)


def _plus(matrices: Floats, diagonal: Floats) -> Floats:
    """matrices[N, S, S] + diag(diagonal[N, S])."""
    n, s = diagonal.shape
    out = matrices.copy()
    out.reshape(n, s * s)[:, :: s + 1] += diagonal
    return out


def d_gain(info: Floats, now: Normals, scale: Ints) -> Floats:
    """Bayesian D-rule (Segall, 1996): I_i(theta_d) Sigma_dd of every item, info[N, I] -> [N, I].

    An item on d multiplies det(Sigma^-1) by 1 + this; so argmax of it shrinks the credible ellipsoid most.
    """
    variance = np.diagonal(now.cov, axis1=-2, axis2=-1)
    return np.asarray(info * variance[:, scale])


def a_gain(info: Floats, now: Normals, scale: Ints) -> Floats:
    """Bayesian A-rule: the drop of trace(Sigma), I_i (Sigma Sigma)_dd / (1 + I_i Sigma_dd), of every item, info[N, I] -> [N, I]."""
    variance = np.diagonal(now.cov, axis1=-2, axis2=-1)
    squared = (now.cov * now.cov).sum(axis=-1)  # (Sigma Sigma)_dd, as Sigma is symmetric
    return np.asarray(info * squared[:, scale] / (1.0 + info * variance[:, scale]))


def look_ahead(now: Normals, scale: Ints, info: Floats) -> Floats:
    """Covariance after one more item on competency scale[N] with information info[N], theta unmoved (Sherman-Morrison): [N, S, S]."""
    column = now.cov[np.arange(len(scale)), :, scale]
    variance = column[np.arange(len(scale)), scale]
    share = info / (1.0 + info * variance)
    return np.asarray(now.cov - share[:, None, None] * column[:, :, None] * column[:, None, :])


def next_section_prior(prior: CorrelatedPrior, known: ArrayLike, so_far: Normals) -> Normals:
    """Prior of the competencies not yet tested, in ascending order, from the posterior of those that were: so_far[N] over scales `known`.

    With A = Phi_rk Phi_kk^-1: mean mu_r + A (theta_k - mu_k), covariance Phi_rr - A Phi_kr + A Sigma_kk A'. Up to rounding it is what the joint
    posterior says of them. Raises ValueError where `known` is not a proper part of the competencies, each once, as wide as so_far.
    """
    k = np.asarray(known, dtype=int)
    r = np.setdiff1d(np.arange(len(prior)), k)
    if len(r) + len(k) != len(prior) or not len(r) or so_far.theta.shape[1] != len(k):
        msg = f"{k.tolist()} with {so_far.theta.shape[1]} abilities are not part of {len(prior)} competencies"
        raise ValueError(msg)
    phi_rk, phi_kk = prior.cov[np.ix_(r, k)], prior.cov[np.ix_(k, k)]
    a = np.linalg.solve(phi_kk, phi_rk.T).T
    mean = prior.mean[r] + ((so_far.theta - prior.mean[k])[:, None, :] * a).sum(axis=-1)
    left_over = prior.cov[np.ix_(r, r)] - a @ phi_rk.T
    cov = left_over + a @ so_far.cov @ a.T
    return Normals(mean, _symmetric(cov))


def difference_variance(cov: Floats) -> Floats:
    """Variance of theta_j - theta_k for every pair, cov[..., S, S] -> [..., S, S]: V_jj + V_kk - 2 V_jk; 0 on the diagonal."""
    v = np.diagonal(cov, axis1=-2, axis2=-1)
    return np.maximum(v[..., :, None] + v[..., None, :] - 2.0 * cov, 0.0)


def difference_se(now: Normals) -> Floats:
    """Standard error of the difference of every two competencies of a person, [N, S, S]."""
    return np.sqrt(difference_variance(now.cov))


def difference_reliability(prior: CorrelatedPrior, now: Normals) -> Floats:
    """Reliability of the difference of every two competencies: 1 - Var(theta_j - theta_k | answers) / Var(theta_j - theta_k), [N, S, S].

    The share of the population's variance of the difference that the answers have explained; its mean over people is the marginal reliability.
    NaN on the diagonal. Take the prior that `now` was made with.
    """
    whole = difference_variance(prior.cov)
    np.fill_diagonal(whole, np.nan)
    return np.asarray(1.0 - difference_variance(now.cov) / whole)


def reliability(prior: CorrelatedPrior, now: Normals) -> Floats:
    """Reliability of each competency, 1 - Sigma_dd / Phi_dd, [N, S]; its mean over people is the marginal reliability."""
    return np.asarray(1.0 - np.diagonal(now.cov, axis1=-2, axis2=-1) / np.diag(prior.cov))


@dataclass(frozen=True, slots=True, eq=False)
class TwoScores:
    """The same answers scored twice: with borrowing (prior Phi) and without (diag Phi). Decisions about one competency that its own answers do
    not carry are seen by comparing the two.
    """

    borrowing: Normals
    alone: Normals


def two_scores(prior: CorrelatedPrior, answers: Answers) -> TwoScores:
    """Score with and without borrowing."""
    return TwoScores(posterior(prior.normals, answers), posterior(prior.independent.normals, answers))


@dataclass(slots=True, eq=False)
class JointBatch:
    """The working memory of N sessions on one bank: items[N, T] and categories[N, T] in order of answering (-1 after the last), count[N], and
    now, the abilities. The arrays are written in place and belong to one caller.
    """

    likelihood: Likelihood
    prior: CorrelatedPrior
    items: Ints
    categories: Ints
    count: Ints
    now: Normals = field(init=False)

    def __post_init__(self) -> None:
        self.now = posterior(self.prior.normals, self._answers(np.arange(len(self.count))))

    @classmethod
    def begin(cls, likelihood: Likelihood, prior: CorrelatedPrior, n: int) -> Self:
        """n sessions before their first answer."""
        return cls(likelihood, prior, np.full((n, 1), -1), np.full((n, 1), -1), np.zeros(n, dtype=int))

    @classmethod
    def replay(cls, likelihood: Likelihood, prior: CorrelatedPrior, items: Sequence[int], categories: Sequence[int]) -> Self:
        """One session after its answers: one search for the mode, however many there are."""
        return cls(likelihood, prior, np.array([items], dtype=int), np.array([categories], dtype=int), np.array([len(items)]))

    def answer(self, rows: Ints, item: Ints, category: Ints) -> None:
        """Session rows[m] answered item[m] in category[m]. A session stands at most once in `rows`."""
        at = self.count[rows]
        if at.max(initial=-1) >= self.items.shape[1]:
            more = np.full((len(self.count), self.items.shape[1] + 8), -1)
            self.items, self.categories = np.hstack([self.items, more]), np.hstack([self.categories, more])
        self.items[rows, at], self.categories[rows, at] = item, category
        self.count[rows] += 1
        found = posterior(self.prior.normals, self._answers(rows))
        self.now.theta[rows], self.now.cov[rows] = found.theta, found.cov

    def _answers(self, rows: Ints) -> Answers:
        width = int(self.count[rows].max(initial=0))
        given = self.items[rows, :width]
        session, place = np.nonzero(given >= 0)
        category = self.categories[rows, :width][session, place]
        return self.likelihood.answers((len(rows), len(self.prior)), session, given[session, place], category)
