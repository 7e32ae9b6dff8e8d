"""catR's parameters as rows. Shared by the tests that hold reference numbers of catR."""

from cat_engine import Row


def row(model: str, values: list[float | None], scaling: float = 1.0) -> Row:
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
