"""From posteriors to a profile: levels, job person match, category, nine boxes. Pure.

A theta is not a result: it becomes a level, and the level is held against the standard of the job. Everything here carries its probability,
from the posterior mass between the level cuts; competencies are treated as independent given the answers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cat_engine import level_probabilities
from cat_engine.irt import Floats


@dataclass(frozen=True, slots=True)
class LevelResult:
    """One competency: the level obtained (median of the posterior over levels), P(level 1..5), the standard, and the gap. Where the plan takes
    competencies together, theta and se borrow from the others, and `alone` is what the competency's own answers say by themselves.
    """

    code: str
    theta: float
    se: float
    n: int
    level: int
    probabilities: tuple[float, ...]
    standard: int
    alone: tuple[float, float] | None = None

    @property
    def gap(self) -> int:
        """Obtained minus required: below 0 an area of development, else a strength."""
        return self.level - self.standard

    @property
    def meets(self) -> float:
        """P(level >= standard)."""
        return float(sum(self.probabilities[self.standard - 1 :]))


def level_result(code: str, posterior: Floats, nodes: Floats, cuts: Sequence[float], standard: int, n: int) -> LevelResult:
    """The level of one competency from its posterior[Q]."""
    p = level_probabilities(posterior, nodes, cuts)
    theta = float((posterior * nodes).sum())
    se = float(np.sqrt((posterior * (nodes - theta) ** 2).sum()))
    level = int(np.searchsorted(np.cumsum(p), 0.5)) + 1
    return LevelResult(code, theta, se, n, min(level, len(p)), tuple(float(v) for v in p), standard)


@dataclass(frozen=True, slots=True)
class JobMatch:
    """JPM = sum of levels obtained / sum of levels required x 100, uncapped and capped (no credit above a standard), with P(category)."""

    jpm: float
    capped: float
    category: int
    probabilities: tuple[float, ...]


def job_match(levels: Sequence[LevelResult], cuts: Sequence[float]) -> JobMatch:
    """JPM over competencies and its category: the number of `cuts` (in JPM points, lower bound inclusive) reached."""
    required = sum(r.standard for r in levels)
    jpm = 100 * sum(r.level for r in levels) / required
    capped = 100 * sum(min(r.level, r.standard) for r in levels) / required
    total = sum_of_levels(levels)
    reached = np.searchsorted(cuts, 100 * np.arange(len(total)) / required + 1e-9, side="right")
    probabilities = np.bincount(reached, weights=total, minlength=len(cuts) + 1)
    category = int(np.searchsorted(cuts, jpm + 1e-9, side="right"))
    return JobMatch(jpm, capped, category, tuple(float(v) for v in probabilities))


def sum_of_levels(levels: Sequence[LevelResult]) -> Floats:
    """Distribution of the sum of levels: entry s = P(sum = s), by convolution."""
    total = np.ones(1)
    for result in levels:
        total = np.convolve(total, np.concatenate([[0.0], result.probabilities]))
    return total


@dataclass(frozen=True, slots=True)
class BoxResult:
    """A person's place on the talent map. potential and performance on 0-100; probabilities of boxes 1..9 (performance is taken as given)."""

    potential: float
    performance: float
    box: int
    probabilities: tuple[float, ...]
    complete: bool


@dataclass(frozen=True, slots=True)
class NineBox:
    """The scheme: cuts on both axes, weights of the potential axis, boxes[potential rank][performance rank]."""

    cuts: tuple[float, float]
    weight_competency: float
    weight_potential: float
    weight_other: float
    boxes: tuple[tuple[int, int, int], ...]

    def place(self, levels: Sequence[LevelResult], aspects: Sequence[LevelResult], performance: float, other: float | None) -> BoxResult:
        """Place a person. `other` is the rest of the potential axis (0-100) where an agency brought it; else the measured parts are rescaled."""
        potential = self._potential(_percent(levels), _percent(aspects), other)
        rank = self._rank(performance)
        mass = np.zeros(9)
        for value, p in self._potentials(levels, aspects, other):
            mass[self.boxes[self._rank(value)][rank] - 1] += p
        box = self.boxes[self._rank(potential)][rank]
        return BoxResult(potential, performance, box, tuple(float(v) for v in mass), other is not None)

    def _rank(self, value: float) -> int:
        return int(np.searchsorted(self.cuts, value + 1e-9, side="right"))

    def _potential(self, competency: float, potential: float, other: float | None) -> float:
        measured = self.weight_competency * competency + self.weight_potential * potential
        if other is None:
            return measured / (self.weight_competency + self.weight_potential)
        return (measured + self.weight_other * other) / (self.weight_competency + self.weight_potential + self.weight_other)

    def _potentials(self, levels: Sequence[LevelResult], aspects: Sequence[LevelResult], other: float | None) -> list[tuple[float, float]]:
        required, wanted = sum(r.standard for r in levels), sum(r.standard for r in aspects)
        first = [(min(100.0, 100 * s / required), p) for s, p in enumerate(sum_of_levels(levels)) if p > 0]
        second = [(min(100.0, 100 * s / wanted), p) for s, p in enumerate(sum_of_levels(aspects)) if p > 0] if aspects else [(0.0, 1.0)]
        return [(self._potential(x, y, other), float(p * q)) for x, p in first for y, q in second]


def _percent(results: Sequence[LevelResult]) -> float:
    if not results:
        return 0.0
    return min(100.0, 100 * sum(r.level for r in results) / sum(r.standard for r in results))
