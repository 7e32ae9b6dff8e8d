"""Twins: two items of a calibration that are one item but for what a test of differential functioning sets free."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.curves import parts
from calibration.state import Shape


@dataclass(frozen=True, slots=True)
class Twins:
    """Items `one` and `other` of one model have b of their own, common asymptotes and, with `slope`, a common slope."""

    one: int
    other: int
    slope: bool


def tied(shapes: Sequence[Shape], twins: Sequence[Twins]) -> list[Shape]:
    """The shapes, with each pair of twins in a shape of its own that ties what they share; items whose shape has ties already keep those."""
    out = list(shapes)
    for pair in twins:
        home = next(shape for shape in out if pair.one in shape.index)
        own = np.isin(home.index, (pair.one, pair.other))
        slope, asymptote = parts(home.model, home.n_cat)
        common = asymptote | (slope & pair.slope)
        if home.ties is not None or not (home.free[own] & common).any():
            continue
        out[out.index(home)] = Shape(home.model, home.n_cat, home.index[~own], home.x[~own], home.free[~own])
        couple = Shape(home.model, home.n_cat, home.index[own], home.x[own], home.free[own])
        couple.ties = _ties(couple, common)
        out.append(couple)
    return [shape for shape in out if len(shape.index)]


def _ties(couple: Shape, common: np.ndarray[tuple[int], np.dtype[np.bool_]]) -> np.ndarray[tuple[int, int, int], np.dtype[np.float64]]:
    directions = []
    for column in np.flatnonzero(couple.free.any(axis=0)).tolist():
        for members in ([0, 1],) if common[column] else ([0], [1]):
            direction = np.zeros(couple.x.shape)
            direction[members, column] = 1
            directions.append(direction)
    return np.stack(directions, axis=2)
