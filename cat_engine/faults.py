"""Faults in what a person handed in: a bank, a plan, a roster. All are collected before anything is refused.

Every reader of files in every package raises `Faulty`, so that a command can print one table and a page one list.
"""

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: where it is ("row 7", "sections[0]"), which field, what is wrong, and what to do about it."""

    where: str
    field: str
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        place = ", ".join(part for part in (self.where, self.field) if part)
        return f"{place}: {self.message}" + (f" ({self.remedy})" if self.remedy else "")


class Faulty(ValueError):
    """Input that cannot be taken; `faults` lists everything wrong with it, and str() is one line a fault."""

    def __init__(self, faults: Iterable[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(str(fault) for fault in self.faults))
