"""Rules that lower the posterior variances of several competencies together, each with its weight: A- and c-optimality.

Notation: Sigma posterior covariance of the competencies (diagonal where they are independent), w_d >= 0 their weights, i the competency of an item and
I its information. The item adds I to one diagonal element of the posterior precision, so by Sherman & Morrison

    Sigma - Sigma' = I (Sigma e_i) (Sigma e_i)' / (1 + I Sigma_ii).
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from cat_engine.families import Floats
from cat_engine.faults import Fault, Faulty
from cat_engine.registry import LATER, fits
from cat_engine.select.base import SELECTION, Larger, Moment


@dataclass(frozen=True, slots=True)
class Weighted(Larger, ABC):
    """Competencies that count by weights, each 1 where it is not named.

    Where no eligible item lowers what is weighed (all that is left belongs to competencies of weight 0 that no other leans on), all weights count
    as 1, so that the order of the pool does not decide. Raises Faulty for a weight that is no number from 0.
    """

    weights: dict = field(default_factory=dict, metadata=LATER)  # type: ignore[type-arg]  # the registry reads the bare type

    def __post_init__(self) -> None:
        faults = [
            Fault("select", "weights", f"{weight!r} of '{name}' is not a weight", "a number from 0")
            for name, weight in self.weights.items()
            if not fits(weight, float) or weight < 0
        ]
        if faults:
            raise Faulty(faults)
        object.__setattr__(self, "weights", {name: float(weight) for name, weight in self.weights.items()})

    def score(self, moment: Moment) -> Floats:
        """The fall of what the rule weighs, [N, I]."""
        names = moment.pool.competencies
        weights = np.array([self.weights.get(name, 1.0) for name in names])
        sigma = moment.batch.covariance()[moment.rows]
        own = np.diagonal(sigma, axis1=1, axis2=2)[:, moment.params.scale]
        info, part = moment.info, moment.params.scale
        found = np.asarray(info * self.square(sigma, weights)[:, part] / (1 + info * own))
        if weights.all():
            return found
        helps = np.asarray(np.logical_and(moment.eligible, np.round(found, 12) > 0).any(axis=1))
        if helps.all():
            return found
        plain = info * self.square(sigma, np.ones(len(names)))[:, part] / (1 + info * own)
        return np.where(helps[:, None], found, plain)

    @abstractmethod
    def square(self, sigma: Floats, weights: Floats) -> Floats:
        """Of sigma[N, S, S] and weights[S], by what I / (1 + I Sigma_ii) is multiplied for an item of each competency, [N, S]."""


@SELECTION.register("a_rule")
@dataclass(frozen=True, slots=True)
class AverageVariance(Weighted):
    """The item that lowers the weighted sum of the posterior variances of all competencies most (A-optimality; Segall, 1996; with weights Mulder &
    van der Linden, 2009): sum_d w_d Sigma_dd falls by I sum_d w_d Sigma_di^2 / (1 + I Sigma_ii). `mfi` is the D-rule, which lowers the determinant.
    """

    def square(self, sigma: Floats, weights: Floats) -> Floats:
        """sum_d w_d Sigma_di^2, Sigma being symmetric."""
        return np.asarray((sigma**2 * weights).sum(axis=-1))


@SELECTION.register("c_rule")
@dataclass(frozen=True, slots=True)
class CompositeVariance(Weighted):
    """The item that lowers the posterior variance of the composite sum_d w_d theta_d most (c-optimality; van der Linden, 1999; Mulder & van der
    Linden, 2009): w' Sigma w falls by I (w' Sigma e_i)^2 / (1 + I Sigma_ii).
    """

    def square(self, sigma: Floats, weights: Floats) -> Floats:
        """(w' Sigma e_i)^2."""
        return np.asarray((sigma * weights).sum(axis=-1) ** 2)


def weight_faults(weights: Mapping[str, float], competencies: tuple[str, ...]) -> list[Fault]:
    """Faults of weights against the competencies of a plan: one that the plan does not have, and nothing that counts."""
    legal = "competencies of the plan: " + ", ".join(competencies)
    faults = [Fault("select", "weights", f"the plan has no competency '{name}'", legal) for name in weights if name not in competencies]
    if competencies and not any(weights.get(name, 1.0) for name in competencies):
        faults.append(Fault("select", "weights", "every competency has weight 0", "a weight above 0 for one at least"))
    return faults
