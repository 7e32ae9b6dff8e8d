"""catR's items as rows and pools, and its patterns of answers. Shared by the tests that hold reference numbers of catR."""

from collections.abc import Sequence

import numpy as np

from cat_engine import Grid, ItemParams, Pool, Row

CATR_GRID = Grid(-4.0, 4.0, 33)
Values = Sequence[float | None]


def row(model: str, values: Values, scaling: float = 1.0) -> Row:
    """One item, on the metric D = 1: a is multiplied by D, which the nominal model does not have."""
    numbers = [v for v in values if v is not None]
    if model == "PCM":
        return Row("pcm", scaling, numbers)
    if model == "RSM":
        return Row("rsm", scaling, [numbers[0] + step for step in numbers[1:]])
    if model == "MGRM":
        return Row("mgrm", scaling * numbers[0], [numbers[1] - category for category in numbers[2:]])
    if model == "NRM":
        return Row("nrm", 1.0, numbers[1::2], slopes=numbers[::2])
    if model in ("GRM", "GPCM"):
        return Row(model.lower(), scaling * numbers[0], numbers[1:])
    a, b, c, d = numbers
    return Row(model.lower(), scaling * a, [b], c, d)


def pool_of(model: str, items: Sequence[Values], scaling: float = 1.0, grid: Grid = CATR_GRID) -> Pool:
    """The items, named 1, 2, ... as catR counts them."""
    n = len(items)
    params = ItemParams.from_rows([row(model, values, scaling) for values in items])
    return Pool(tuple(str(i + 1) for i in range(n)), params, ("A",), np.ones(n, dtype=bool), np.zeros(n), grid)


def answers_of(pattern: str) -> tuple[list[int], list[int]]:
    """A pattern with a character an item, "." where it was not given, as item indices and categories."""
    given = [i for i, x in enumerate(pattern) if x != "."]
    return given, [int(pattern[i]) for i in given]
