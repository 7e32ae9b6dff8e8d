"""Item selection: each rule scores every item for every session; the engine gives the best eligible one.

A rule is a frozen dataclass registered by name; its fields are its options in the plan. A rule sees a `Moment`, never the test.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cat_engine.irt import Floats, ItemParams, information_at
from cat_engine.registry import Registry


@dataclass(frozen=True, slots=True)
class Moment:
    """What a rule may look at: theta[N, S] and se[N, S] before the next item, and one generator a session."""

    params: ItemParams
    theta: Floats
    se: Floats
    rng: tuple[np.random.Generator, ...]


class Selection(Protocol):
    """score(moment) -> [N, I]; larger is better, -inf never."""

    def score(self, moment: Moment) -> Floats: ...


SELECTION: Registry[Selection] = Registry("select")


@SELECTION.register("mfi")
@dataclass(frozen=True, slots=True)
class MaximumInformation:
    """Maximum Fisher information at the interim theta, times the posterior variance of the item's own competency.

    With one competency this is maximum information (Lord, 1980, ch. 10). With several independent ones it is the Bayesian D-rule (Segall,
    1996, eq. 27): an item on dimension d multiplies det(posterior precision) by 1 + I_i(theta_d) Var_d, so argmax I_i Var_d.
    """

    def score(self, moment: Moment) -> Floats:
        scale = moment.params.scale
        return information_at(moment.params, moment.theta[:, scale]) * moment.se[:, scale] ** 2


@SELECTION.register("random")
@dataclass(frozen=True, slots=True)
class RandomItem:
    """Any eligible item, all equally likely: the baseline that every other rule must beat."""

    def score(self, moment: Moment) -> Floats:
        return np.stack([rng.random(len(moment.params)) for rng in moment.rng])
