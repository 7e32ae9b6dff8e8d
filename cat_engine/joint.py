"""Several correlated competencies at once: items measure one each, abilities share a normal prior (between-item multidimensional model).

Notation: theta[S] ~ N(mu, Phi); l_d(theta_d) log-likelihood of the answers on competency d, I_d its expected information. The posterior is taken as
Normal(mode, Sigma), Sigma = (Phi^-1 + diag(I_d(mode)))^-1 (Segall, 1996, eqs. 13-17), the mode by Newton's method. What is learned on one
competency moves the others; the conditional normal prior of a later section given an earlier one is part of it.
"""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Family, Floats, Ints, Slopes
from cat_engine.faults import Fault, Faulty
from cat_engine.pool import Pool

CLOSE = 1e-6  # the last step of Newton's method: what is left is of the order of its square
CLOSEST = 1e-11  # the last step where some competency counted as flat, so that steps shrink in proportion only
MOST_STEPS = 60
LONGEST_STEP = 1.0  # a step further than this is shortened: a likelihood with guessing may be flat


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
    """The answers of M sessions on all competencies: session row[R] (ascending) answered item[R] in category[R], in order of answering."""

    row: Ints
    item: Ints
    category: Ints


@dataclass(frozen=True, slots=True, eq=False)
class _Likelihood:
    """The likelihood of M sessions on S competencies. The R answers stand family by family: the parameters of the items and the slopes of the categories
    answered, and where its answers stand; cell[R], session x S + competency, and apart[2 R], the same for two sums at once.
    """

    sessions: int
    scales: int
    parts: tuple[tuple[Family, Slopes, slice], ...]
    cell: Ints
    apart: Ints

    @classmethod
    def of(cls, pool: Pool, answers: Answers, sessions: int) -> "_Likelihood":
        """Of answers whose rows are 0 to sessions - 1."""
        scales = len(pool.competencies)
        cell = answers.row * scales + pool.params.scale.take(answers.item)
        parts, cells, done = [], [], 0
        for at, family in pool.params.by_family(answers.item):
            own = cell[at]
            parts.append((family, family.answers(answers.category[at]), slice(done, done + len(own))))
            cells.append(own)
            done += len(own)
        together = np.concatenate(cells) if cells else cell
        return cls(sessions, scales, tuple(parts), together, np.concatenate([together, together + sessions * scales]))

    def slope_and_curvature(self, theta: Floats) -> tuple[Floats, Floats]:
        """l'_d and -l''_d at theta[M, S], [M, S] each."""
        own, values = theta.take(self.cell), np.empty((2, len(self.cell)))
        for _, slopes, part in self.parts:
            values[:, part] = slopes(own[part])
        sums = np.asarray(np.bincount(self.apart, weights=values.ravel(), minlength=2 * theta.size), dtype=np.float64)
        first, second = sums.reshape(2, self.sessions, self.scales)
        return first, -second

    def information(self, theta: Floats) -> Floats:
        """I_d at theta[M, S], [M, S]."""
        own, values = theta.take(self.cell), np.empty(len(self.cell))
        for family, _, part in self.parts:
            values[part] = family.information(own[part])
        return np.asarray(np.bincount(self.cell, weights=values, minlength=theta.size), dtype=np.float64).reshape(theta.shape)


def starting_point(mean: Floats, sd: Floats, prior_mean: float, prior_sd: float, precision: Floats) -> Floats:
    """Where the joint posterior would have its mode if each competency's own likelihood were normal, [M, S].

    mean[M, S], sd[M, S]: each competency's own posterior, of which the normal prior is taken out again.
    """
    after = 1 / (sd * sd)
    own, pull = np.maximum(after - prior_sd**-2, 0.0), after * (mean - prior_mean)
    return np.asarray(prior_mean + np.linalg.solve(_with_diagonal(precision, own), pull[..., None])[..., 0])


def posterior_mode(pool: Pool, answers: Answers, start: Floats, mean: float, precision: Floats) -> tuple[Floats, Floats]:
    """Mode[M, S] and covariance[M, S, S] of the abilities, from start[M, S], with prior N(mean, precision[S, S]^-1).

    Newton's steps, in which a competency whose likelihood is not concave there counts as flat. Each session runs until its own steps are small and
    is then left alone, so that its bits do not depend on the others.
    """
    theta, going = start, np.arange(len(start))
    everyone = likelihood = _Likelihood.of(pool, answers, len(start))
    for _ in range(MOST_STEPS):
        everybody = len(going) == len(theta)
        at = theta if everybody else theta[going]
        slope, curvature = likelihood.slope_and_curvature(at)
        close: float | Floats = CLOSE
        if np.minimum.reduce(curvature, axis=None, initial=0.0) < 0:
            flat = np.minimum.reduce(curvature, axis=-1) < 0
            curvature, close = np.maximum(curvature, 0.0), np.where(flat, CLOSEST, CLOSE)
        gradient = slope - np.vecdot(precision, (at - mean)[:, None, :])
        step = np.linalg.solve(_with_diagonal(precision, curvature), gradient[..., None])[..., 0]
        longest = np.maximum.reduce(np.abs(step), axis=-1)
        if np.maximum.reduce(longest, initial=0.0) > LONGEST_STEP:
            step *= (LONGEST_STEP / np.maximum(longest, LONGEST_STEP))[:, None]
        if everybody:
            theta = at + step
        else:
            theta[going] = at + step
        left = longest > close
        staying = np.count_nonzero(left)
        if not staying:
            break
        if staying < len(left):
            going = going[left]
            likelihood = _Likelihood.of(pool, _answers_of(answers, going, len(start)), len(going))
    return theta, np.asarray(np.linalg.inv(_with_diagonal(precision, everyone.information(theta))), dtype=np.float64)


def _answers_of(answers: Answers, rows: Ints, sessions: int) -> Answers:
    """Those of sessions `rows` only, renumbered."""
    place = np.full(sessions, -1)
    place[rows] = np.arange(len(rows))
    row = place[answers.row]
    keep = np.flatnonzero(row >= 0)
    return Answers(row[keep], answers.item[keep], answers.category[keep])


def _with_diagonal(precision: Floats, more: Floats) -> Floats:
    """precision[S, S] + diag(more[m, S]), [m, S, S]."""
    scales = more.shape[-1]
    out = np.empty((len(more), scales, scales))
    out[:] = precision
    diagonal(out)[:] += more
    return out


def diagonal(matrices: Floats) -> Floats:
    """The diagonals of matrices[m, S, S], a view, [m, S]."""
    return matrices.reshape(len(matrices), -1)[:, :: matrices.shape[-1] + 1]
