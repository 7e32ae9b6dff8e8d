"""Item selection rules, by name: see base.py for what a rule is."""

from cat_engine.select import expected, nearest, plain, spread, timed, variance, weighted
from cat_engine.select.base import SELECTION, Moment, Selection
from cat_engine.select.plain import InOrder, MaximumInformation, RandomItem

__all__ = [
    "SELECTION", "InOrder", "MaximumInformation", "Moment", "RandomItem", "Selection", "expected", "nearest", "plain", "spread", "timed",
    "variance", "weighted",
]  # fmt: skip
