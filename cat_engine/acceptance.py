"""Acceptance limits: what a plan demands of the bank it runs on, before a version of it may be used."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from cat_engine.faults import Fault, Faulty

FIGURES = ("rmse", "bias", "reliability", "items", "exposure", "overlap")


@dataclass(frozen=True, slots=True)
class Check:
    """One limit against what a simulation gave: `figure` (one of FIGURES), the limit, the value, and whether it holds."""

    figure: str
    limit: float
    value: float
    holds: bool


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Limits that a simulation of the plan must keep; None = none. max_rmse, max_bias (absolute) and min_reliability hold in every competency;
    max_items of the whole test on average; max_exposure of every item; max_overlap of two people's tests. Raises Faulty for a limit that nothing
    could keep.
    """

    max_rmse: float | None = None
    max_bias: float | None = None
    min_reliability: float | None = None
    max_items: float | None = None
    max_exposure: float | None = None
    max_overlap: float | None = None

    def __post_init__(self) -> None:
        shares = ("min_reliability", "max_exposure", "max_overlap")
        faults = [
            Fault("acceptance", name, f"{value:g} is out of range", "above 0, at most 1" if name in shares else "above 0")
            for name, value in self.limits.items()
            if value <= 0 or (name in shares and value > 1)
        ]
        if faults:
            raise Faulty(faults)

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set, by name."""
        return {f.name: value for f in fields(self) if (value := getattr(self, f.name)) is not None}

    def checks(self, figures: Mapping[str, float]) -> tuple[Check, ...]:
        """Each limit that is set against figures (FIGURES -> the worst value of a simulation)."""
        found = []
        for name, limit in self.limits.items():
            side, figure = name.split("_", 1)
            value = figures[figure]
            found.append(Check(figure, limit, value, value >= limit if side == "min" else value <= limit))
        return tuple(found)
