"""People drawn for a simulation: abilities of a chosen distribution and correlation, and speeds that may go with them."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr

from cat_engine.families import Floats
from cat_engine.priors import NormalPrior, UniformPrior
from cat_engine.timing import Speeds

SPEED = 2  # marks the numbers behind people's speeds apart from all others of a seed


@dataclass(frozen=True, eq=False)
class Population:
    """Abilities on S competencies, each of the distribution `scale`, all correlated by `correlation`, or as matrix[S, S] says; speeds, Normal,
    which correlate by `haste` with the mean of a person's standardised abilities.

    Uniform abilities are normal ones passed through the normal distribution function: at a correlation of .6 theirs is .58. Raises ValueError
    where correlation is not in [0, 1], haste not in [-1, 1], or the matrix not symmetric, 1 on the diagonal and positive semi-definite.
    """

    correlation: float = 0.6
    matrix: Floats | None = None
    scale: NormalPrior | UniformPrior = field(default_factory=NormalPrior)
    speeds: Speeds = field(default_factory=Speeds)
    haste: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.correlation <= 1 and -1 <= self.haste <= 1):
            msg = f"{self.correlation} is not in [0, 1], or {self.haste} not in [-1, 1]"
            raise ValueError(msg)
        c = self.matrix
        if c is None:
            return
        if c.ndim != 2 or c.shape[0] != c.shape[1] or not np.all(np.isfinite(c)):
            raise ValueError("the correlations are not a square matrix of numbers")
        if np.abs(c - c.T).max(initial=0) > 1e-9 or np.abs(np.diag(c) - 1).max(initial=0) > 1e-9:
            raise ValueError("the correlations are not symmetric with 1 on the diagonal")
        if np.linalg.eigvalsh(c).min(initial=0) < -1e-9:
            raise ValueError("no abilities can be correlated like that: the matrix is not positive semi-definite")

    def abilities(self, n: int, scales: int, seed: int) -> Floats:
        """True abilities of n people on S = scales competencies, [n, S]."""
        rng = np.random.default_rng(seed)
        if self.matrix is None:
            z = np.sqrt(self.correlation) * rng.normal(size=(n, 1)) + np.sqrt(1 - self.correlation) * rng.normal(size=(n, scales))
        else:
            values, vectors = np.linalg.eigh(self.matrix)
            z = rng.normal(size=(n, scales)) @ (vectors * np.sqrt(np.maximum(values, 0))).T
        if isinstance(self.scale, UniformPrior):
            return np.asarray(self.scale.low + (self.scale.high - self.scale.low) * ndtr(z))
        return np.asarray(self.scale.mean + self.scale.sd * z)

    def tau(self, true: ArrayLike, seed: int) -> Floats:
        """Speeds of people of these abilities [N, S], in log-seconds: [N]."""
        mean, sd = self.scale.start
        abilities = (np.asarray(true, dtype=float) - mean) / sd
        scales = abilities.shape[1]
        variance = (
            (1 + (scales - 1) * self.correlation) / scales if self.matrix is None else float(self.matrix.mean())
        )  # of a person's mean
        ability = abilities.mean(axis=1) / np.sqrt(max(variance, 1e-9))
        own = np.random.default_rng([seed, 0, 0, SPEED]).normal(size=len(abilities))
        return np.asarray(self.speeds.mean + self.speeds.sd * (self.haste * ability + np.sqrt(1 - self.haste**2) * own))
