"""Rules that stop when a competency is measured well enough, when more items would not help, or when time is up."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from cat_engine.families import Floats, Ints
from cat_engine.faults import Fault, Faulty
from cat_engine.pool import Pool
from cat_engine.stop.base import STOP, TIME, Standing


@STOP.register("time_s")
@dataclass(frozen=True, slots=True)
class AnsweringTime:
    """Seconds spent on the answers of the section. The wall clock of a live test is kept outside the engine; in a simulation without response
    times it never fires.
    """

    at_most: float
    reason: ClassVar[str] = TIME
    waits: ClassVar[bool] = False

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """For all competencies of the section at once."""
        return np.broadcast_to(standing.seconds[:, None] >= self.at_most, standing.n.shape)


@STOP.register("se")
@dataclass(frozen=True, slots=True)
class PosteriorSD:
    """The posterior standard deviation of the competency is at most this (Bock & Mislevy, 1982; catR's "precision")."""

    at_most: float
    reason: ClassVar[str] = "precision"
    waits: ClassVar[bool] = True

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """se <= at_most."""
        return np.asarray(standing.se <= self.at_most, dtype=bool)


@STOP.register("variance")
@dataclass(frozen=True, slots=True)
class PosteriorVariance:
    """The posterior variance of the competency is at most this (Weiss & Kingsbury, 1984): the square of `se`."""

    at_most: float
    reason: ClassVar[str] = "precision"
    waits: ClassVar[bool] = True

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """se^2 <= at_most."""
        return np.asarray(standing.se**2 <= self.at_most, dtype=bool)


@STOP.register("min_info")
@dataclass(frozen=True, slots=True)
class MinimumInformation:
    """No item left has so much information at the interim ability (Maurelli & Weiss, 1981; Dodd, Koch & De Ayala, 1989)."""

    at_most: float
    reason: ClassVar[str] = "information"
    waits: ClassVar[bool] = True

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """max I_i < at_most, over the items that might still be given; a bank that is used up is another reason."""
        best, _ = standing.best
        return np.asarray((best < self.at_most) & np.isfinite(best), dtype=bool)


@STOP.register("theta_change")
@dataclass(frozen=True, slots=True)
class ThetaChange:
    """The last answer moved the interim ability by no more than this (Babcock & Weiss, 2012)."""

    at_most: float
    reason: ClassVar[str] = "stable"
    waits: ClassVar[bool] = True

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """|theta_n - theta_{n-1}| <= at_most, from the second answer on."""
        change = np.abs(standing.theta - standing.previous)
        return np.asarray((change <= self.at_most) & (standing.n >= 2), dtype=bool)


@STOP.register("pser")
@dataclass(frozen=True, slots=True)
class PredictedReduction:
    """Predicted standard error reduction (Choi, Grady & Dodd, 2011).

    The reduction is the posterior sd less the square root of the expected posterior variance after the available item of most information. Above
    the target `se` the test goes on while at least `hypo` is to be gained; at or below it, while more than `hyper` is.
    """

    se: float
    hypo: float = 0.01
    hyper: float = 0.03
    reason: ClassVar[str] = "diminishing"
    waits: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not (self.se > 0 and self.hypo >= 0 and self.hyper >= 0):
            raise Faulty(
                [
                    Fault(
                        "stop",
                        "se",
                        f"se {self.se:g}, hypo {self.hypo:g}, hyper {self.hyper:g} are no targets",
                        "se above 0, the others from 0",
                    )
                ]
            )

    def reached(self, standing: Standing) -> NDArray[np.bool_]:
        """Where going on is not worth it."""
        best, item = standing.best
        if not np.isfinite(best).any():  # nothing to predict from, nor a table to look it up in where the pool is empty
            return np.zeros(best.shape, dtype=bool)
        posterior = standing.batch.posterior()[standing.rows[:, None], standing.scales]
        gain = standing.se - np.stack(
            [_expected_sd(standing.batch.pool, item[:, s], posterior[:, s]) for s in range(item.shape[1])], axis=1
        )
        missed = standing.se > self.se
        return np.asarray(np.isfinite(best) & np.where(missed, gain < self.hypo, gain <= self.hyper), dtype=bool)


def _expected_sd(pool: Pool, item: Ints, posterior: Floats) -> Floats:
    """Square root of the expected posterior variance after item[N], where posterior[N, Q] is the mass on the pool's grid: [N]."""
    joint = pool.p_table[item] * posterior[:, None, :]
    mass = joint.sum(axis=-1)
    possible = np.where(mass > 0, mass, 1.0)
    mean = (joint * pool.nodes).sum(axis=-1) / possible
    variance = (joint * (pool.nodes - mean[..., None]) ** 2).sum(axis=-1) / possible
    return np.asarray(np.sqrt((mass * variance).sum(axis=-1)))
