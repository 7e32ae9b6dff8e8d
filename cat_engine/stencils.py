"""Functions that are known at equally spaced nodes, close to one of these: the slope of the polynomial through the values around it."""

from dataclasses import dataclass

import numpy as np

from cat_engine.families import Floats, Ints

POINTS = 13  # through which a polynomial goes: the slope of a log-likelihood is right to 1e-5 or so on nodes .2 apart
TERMS = 7  # of the polynomial's slope that are kept: enough up to a node's distance


@dataclass(frozen=True, slots=True, eq=False)
class Stencils:
    """weights[TERMS, POINTS]: the values at the nodes around[POINTS] a node -> the slope there as a polynomial of the distance. A node counts from the
    first, `low`; per_unit: nodes a unit. From `least` to `most` those around one are within the range, without its ends, where a trapezoid's weights
    break the line.
    """

    weights: Floats
    around: Ints
    low: float
    per_unit: float
    least: float
    most: float

    @classmethod
    def of(cls, nodes: Floats) -> "Stencils | None":
        """Of nodes[Q]; None where they are too few."""
        if len(nodes) < POINTS + 2:
            return None
        reach, power = POINTS // 2, np.arange(1, TERMS + 1)
        around, width = np.arange(POINTS) - reach, float(nodes[1] - nodes[0])
        coefficients = np.linalg.inv(np.vander(around.astype(float), increasing=True))[1 : TERMS + 1]
        weights = coefficients * (power / width**power)[:, None]
        return cls(weights, around, float(nodes[0]), 1 / width, float(reach + 1), float(len(nodes) - reach - 2))

    def slopes(self, values: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Of functions with values[..., Q] at the nodes: the node nearest to each x[...], and the slope's terms there, [..., TERMS]."""
        place = np.minimum(np.maximum(np.rint((x - self.low) * self.per_unit), self.least), self.most)
        middle = place.astype(int) + np.arange(0, values.size, values.shape[-1]).reshape(place.shape)
        terms = np.vecdot(self.weights, values.take(middle[..., None] + self.around)[..., None, :])
        return place / self.per_unit + self.low, terms


def powers_of(x: Floats) -> Floats:
    """1, x, x^2, ... of x[...], [..., TERMS]."""
    out = np.empty((*x.shape, TERMS))
    out[..., 0] = 1.0
    out[..., 1:] = x[..., None]
    np.multiply.accumulate(out, axis=-1, out=out)
    return out
