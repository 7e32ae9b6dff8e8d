"""Item selection: each rule scores every item for every session; the engine gives the best eligible one.

A rule is a frozen dataclass registered by name; its fields are its options in the plan. A rule sees a `Moment`, never the test.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from cat_engine.families import Floats
from cat_engine.irt import ItemParams
from cat_engine.randomness import Draws
from cat_engine.registry import Registry


@dataclass(frozen=True, slots=True, eq=False)
class Moment:
    """What a rule may look at before the next item: theta[N, S] and se[N, S], info[N, I] (each item at the theta of its own competency),
    and the decision's randomness.
    """

    params: ItemParams
    theta: Floats
    se: Floats
    info: Floats
    draws: Draws


class Selection(Protocol):
    """score(moment) -> [N, I]; larger is better, finite always."""

    def score(self, moment: Moment) -> Floats: ...


SELECTION: Registry[Selection] = Registry("select")


@SELECTION.register("mfi")
@dataclass(frozen=True, slots=True)
class MaximumInformation:
    """Maximum Fisher information at the interim theta, times the posterior variance of the item's own competency.

    With one competency this is maximum information (Lord, 1980, ch. 10). With several independent ones it is the Bayesian D-rule (Segall,
    1996): an item on dimension d multiplies det(posterior precision) by 1 + I_i(theta_d) Var_d, so argmax I_i Var_d.
    """

    def score(self, moment: Moment) -> Floats:
        """I_i(theta_d) Var_d."""
        variance = moment.se**2
        return np.asarray(moment.info * variance[:, moment.params.scale])


@SELECTION.register("random")
@dataclass(frozen=True, slots=True)
class RandomItem:
    """Any eligible item, all equally likely: the baseline that every other rule must beat."""

    def score(self, moment: Moment) -> Floats:
        """U(0, 1) for each item."""
        return moment.draws.uniform(len(moment.params))
