"""Stopping rules, by name: see base.py for what a rule is."""

from cat_engine.stop import classification, precision
from cat_engine.stop.base import (
    ALL,
    BANK,
    GOING_ON,
    STOP,
    TIME,
    AllOf,
    Length,
    SectionLength,
    Standing,
    StopRule,
    build_rules,
    reasons,
    section_reason,
    table_of,
    verdict,
)
from cat_engine.stop.precision import AnsweringTime, PosteriorSD

__all__ = [
    "ALL", "BANK", "GOING_ON", "STOP", "TIME", "AllOf", "AnsweringTime", "Length", "PosteriorSD", "SectionLength", "Standing", "StopRule", "build_rules",
    "classification", "precision", "reasons", "section_reason", "table_of", "verdict",
]  # fmt: skip
