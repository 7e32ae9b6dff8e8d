"""What is believed of an ability before the first answer. A prior is a frozen dataclass registered by name; the plan's default is Normal(0, 1)."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from cat_engine.families import Floats
from cat_engine.faults import Fault, Faulty
from cat_engine.registry import Registry

NARROWEST = 0.5
WIDEST = 12.0
MEAN_RANGE = 4.0
SD_RANGE = 5.0
REACH = 3.0  # standard deviations of a normal prior that must lie on a pool's grid


class Prior(Protocol):
    """log_density(nodes[Q]) -> [Q], up to a constant; slope and curvature, its first two derivatives at theta[...]; log_constant makes a density of
    it; start, the ability and its standard deviation before any answer; range, outside which the density is 0; support, the range that a grid must hold.
    `informed`: the log-density gets half the logarithm of the information of the items given on top (Jeffreys, 1946).
    """

    informed: ClassVar[bool]

    def log_density(self, nodes: Floats) -> Floats: ...

    def slope(self, theta: Floats) -> Floats: ...

    def curvature(self, theta: Floats) -> Floats: ...

    @property
    def log_constant(self) -> float: ...

    @property
    def start(self) -> tuple[float, float]: ...

    @property
    def range(self) -> tuple[float, float]: ...

    @property
    def support(self) -> tuple[float, float]: ...


PRIOR: Registry[Prior] = Registry("prior")


@PRIOR.register("normal")
@dataclass(frozen=True, slots=True)
class NormalPrior:
    """Normal(mean, sd^2) on every scale. Raises ValueError unless sd is positive and both are finite."""

    mean: float = 0.0
    sd: float = 1.0
    informed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (np.isfinite(self.mean) and np.isfinite(self.sd) and self.sd > 0):
            msg = f"Normal({self.mean}, sd {self.sd}) is not a distribution"
            raise ValueError(msg)

    def log_density(self, nodes: Floats) -> Floats:
        """Log-density up to a constant, shape [Q]."""
        return np.asarray(-0.5 * ((nodes - self.mean) / self.sd) ** 2)

    def slope(self, theta: Floats) -> Floats:
        """-(theta - mean) / sd^2."""
        return np.asarray((self.mean - theta) / self.sd**2)

    def curvature(self, theta: Floats) -> Floats:
        """-1 / sd^2."""
        return np.full(theta.shape, -1 / self.sd**2)

    @property
    def log_constant(self) -> float:
        """-ln(sd sqrt(2 pi))."""
        return -math.log(self.sd * math.sqrt(2 * math.pi))

    @property
    def start(self) -> tuple[float, float]:
        """Mean and sd, as floats: estimates begin as copies of them."""
        return float(self.mean), float(self.sd)

    @property
    def range(self) -> tuple[float, float]:
        """Everywhere."""
        return -math.inf, math.inf

    @property
    def support(self) -> tuple[float, float]:
        """Three sd on either side."""
        return self.mean - REACH * self.sd, self.mean + REACH * self.sd


class _Flat:
    """A log-density without slope."""

    __slots__ = ()

    def slope(self, theta: Floats) -> Floats:
        """Nought."""
        return np.zeros(theta.shape)

    def curvature(self, theta: Floats) -> Floats:
        """Nought."""
        return np.zeros(theta.shape)


@PRIOR.register("uniform")
@dataclass(frozen=True, slots=True)
class UniformPrior(_Flat):
    """Every ability in [low, high] equally likely, none outside. Raises Faulty where that is not a range of sensible width."""

    low: float = -4.0
    high: float = 4.0
    informed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not (self.low >= -WIDEST and self.high <= WIDEST and self.high - self.low >= NARROWEST):
            message = f"[{self.low:g}, {self.high:g}] is not a range of abilities"
            raise Faulty([Fault("prior", "low", message, f"within {WIDEST:g}, at least {NARROWEST:g} wide")])

    def log_density(self, nodes: Floats) -> Floats:
        """0 inside, -inf outside; a node on the edge and inside the grid counts half, by the trapezoid rule."""
        near = 1e-9
        inside = (nodes >= self.low - near) & (nodes <= self.high + near)
        edge = inside & ((np.abs(nodes - self.low) < near) | (np.abs(nodes - self.high) < near))
        edge[[0, -1]] = False  # the grid's own ends are halved by the grid
        return np.where(inside, np.where(edge, np.log(0.5), 0.0), -np.inf)

    @property
    def log_constant(self) -> float:
        """-ln(high - low)."""
        return -math.log(self.high - self.low)

    @property
    def start(self) -> tuple[float, float]:
        """The middle, and width / sqrt(12)."""
        return (self.low + self.high) / 2, (self.high - self.low) / np.sqrt(12.0)

    @property
    def range(self) -> tuple[float, float]:
        """From low to high."""
        return self.low, self.high

    @property
    def support(self) -> tuple[float, float]:
        """The range."""
        return self.low, self.high


@PRIOR.register("jeffreys")
@dataclass(frozen=True, slots=True)
class JeffreysPrior(_Flat):
    """Density in proportion to the square root of the information of the items given (Jeffreys, 1946): the answers alone speak.

    Before the first answer, when there is no information yet, it is flat over the grid.
    """

    informed: ClassVar[bool] = True

    def log_density(self, nodes: Floats) -> Floats:
        """The part that does not depend on the items: flat."""
        return np.zeros(nodes.shape)

    @property
    def log_constant(self) -> float:
        """0: it is not a density over all abilities."""
        return 0.0

    @property
    def start(self) -> tuple[float, float]:
        """0 and 1, the metric's own."""
        return 0.0, 1.0

    @property
    def range(self) -> tuple[float, float]:
        """Everywhere."""
        return -math.inf, math.inf

    @property
    def support(self) -> tuple[float, float]:
        """Nothing that a grid could cut off."""
        return 0.0, 0.0


@dataclass(frozen=True, slots=True)
class StartPriors:
    """Where people start of whom more is known before the first answer than the plan's prior says (van der Linden, 1999: empirical initialization):
    `groups`, a prior by name of the group, and `person`, whether a person's own prior counts, before that of the group.
    """

    groups: tuple[tuple[str, NormalPrior], ...] = ()
    person: bool = False

    def __bool__(self) -> bool:
        return bool(self.groups) or self.person

    def of(self, group: str, own: NormalPrior | None = None) -> NormalPrior | None:
        """The prior at which somebody of a group, perhaps with a prior of his or her own, starts; None: at the plan's."""
        return own if self.person and own is not None else dict(self.groups).get(group)


def reach_faults(where: str, prior: Prior, low: float, high: float) -> list[Fault]:
    """A prior that a grid from `low` to `high` cuts off."""
    lowest, highest = prior.support
    if low <= lowest and highest <= high:
        return []
    legal = f"[{lowest:g}, {highest:g}] within [{low:g}, {high:g}]"
    return [Fault(where, "sd", f"the grid cuts off the prior, {PRIOR.table_of(prior)}", legal)]
