"""What a list of people says in the columns prior_mean and prior_sd: where each one's test starts. Pure."""

import math
from collections.abc import Mapping
from dataclasses import replace

from cat_engine import Fault, Grid, NormalPrior
from cat_engine.plan_text import normal_prior
from cat_engine.priors import reach_faults

PRIOR_COLUMNS = ("prior_mean", "prior_sd")
LIVE = Grid()  # of every pool that a live test is given from


def read_prior(where: str, cells: Mapping[str, str], faults: list[Fault], grid: Grid = LIVE) -> NormalPrior | None:
    """The prior in the columns prior_mean and prior_sd, which `grid` must hold; None where both are empty or missing, and where they are none, which is
    added to `faults`.
    """
    texts = {name: cells.get(name, "") for name in PRIOR_COLUMNS}
    if not any(texts.values()):
        return None
    found: list[Fault] = []
    values = []
    for name, text in texts.items():
        try:
            values.append(float(text.replace(",", ".")))
        except ValueError:
            values.append(math.nan)
        if not text:
            found.append(Fault(where, name, "is empty", "both columns of a person's prior, or neither"))
        elif not math.isfinite(values[-1]):
            found.append(Fault(where, name, f"'{text}' is not a number"))
    prior = None if found else normal_prior(where, values[0], values[1], found, PRIOR_COLUMNS)
    found += [] if prior is None else [replace(f, field="prior_sd") for f in reach_faults(where, prior, grid.low, grid.high)]
    faults += found
    return prior


def prior_cells(prior: NormalPrior | None) -> tuple[str, str]:
    """What `read_prior` reads back as the same prior."""
    return ("", "") if prior is None else (repr(prior.mean), repr(prior.sd))
