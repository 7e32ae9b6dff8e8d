"""From posteriors to levels, job match and nine boxes: worked by hand, by enumeration, and at every border."""

import itertools
import json
import math
import tomllib
from importlib import resources

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from webtest.scoring import LevelResult, NineBox, job_match, level_result, sum_of_levels

CUTS = (78.0, 90.0)  # Kurang | Cukup | Optimal
TABLE = {
    # (kinerja, potensial) -> box, as the domain has it
    ("atas", "tinggi"): 9, ("sesuai", "tinggi"): 8, ("atas", "menengah"): 7, ("bawah", "tinggi"): 6, ("sesuai", "menengah"): 5,
    ("atas", "rendah"): 4, ("bawah", "menengah"): 3, ("sesuai", "rendah"): 2, ("bawah", "rendah"): 1,
}  # fmt: skip


def shipped(kind: str) -> dict[str, object]:
    document = tomllib.loads((resources.files("webtest") / "norms.toml").read_text(encoding="utf-8"))
    return next(json.loads(json.dumps(norm["body"])) for norm in document["norm"] if norm["kind"] == kind)


def shipped_boxes() -> NineBox:
    body = shipped("ninebox")
    boxes = tuple(tuple(row) for row in body["boxes"])
    return NineBox(tuple(body["cuts"]), body["weight_competency"], body["weight_potential"], body["weight_other"], boxes)


def sure(code: str, level: int, standard: int) -> LevelResult:
    return LevelResult(code, 0.0, 0.3, 5, level, tuple(float(k == level) for k in range(1, 6)), standard)


def unsure(p: tuple[float, ...], standard: int) -> LevelResult:
    return LevelResult("M.01", 0.0, 0.3, 5, 1 + int(np.searchsorted(np.cumsum(p), 0.5)), p, standard)


POINTS = np.linspace(-4, 4, 161)
LEVEL_CUTS = (-1.5, -0.5, 0.5, 1.5)


def normal(mean: float, sd: float) -> np.ndarray:
    p = np.exp(-0.5 * ((POINTS - mean) / sd) ** 2)
    return p / p.sum()


@pytest.mark.parametrize(("mean", "level"), [(-2.5, 1), (-1.0, 2), (0.0, 3), (1.0, 4), (2.5, 5)])
def test_the_level_is_the_one_that_holds_the_middle_of_the_posterior(mean: float, level: int) -> None:
    result = level_result("M.01", normal(mean, 0.3), POINTS, LEVEL_CUTS, 3, 7)
    assert (result.level, result.n) == (level, 7)
    assert result.probabilities[level - 1] == max(result.probabilities)


@given(st.floats(-3, 3), st.floats(0.15, 1.2), st.integers(1, 5))
def test_level_probabilities_are_posterior_mass_between_the_cuts(mean: float, sd: float, standard: int) -> None:
    result = level_result("M.01", normal(mean, sd), POINTS, LEVEL_CUTS, standard, 5)
    p = result.probabilities
    assert math.isclose(sum(p), 1, abs_tol=1e-9)
    assert math.isclose(result.meets, sum(p[standard - 1 :]))
    assert result.gap == result.level - standard
    assert sum(p[: result.level]) >= 0.5 - 1e-12
    assert sum(p[: result.level - 1]) < 0.5 + 1e-12
    if abs(mean) < 2 and sd < 0.6:  # the grid holds the whole of it
        edges = [0.0, *(0.5 * (1 + math.erf((cut - mean) / sd / math.sqrt(2))) for cut in LEVEL_CUTS), 1.0]
        assert np.allclose(p, np.diff(edges), atol=0.01)
        assert math.isclose(result.theta, mean, abs_tol=0.01)
        assert math.isclose(result.se, sd, abs_tol=0.02)


@given(st.floats(-3, 3), st.floats(0, 2), st.floats(0.15, 1.2))
def test_a_higher_posterior_never_gives_a_lower_level(mean: float, more: float, sd: float) -> None:
    low, high = (level_result("M.01", normal(m, sd), POINTS, LEVEL_CUTS, 3, 5).level for m in (mean, mean + more))
    assert low <= high


def test_jpm_worked_by_hand() -> None:
    """Nine competencies at standard 3: one level more or less is 100/27 = 3.7 points."""
    levels = [sure(f"M.{i:02d}", 3, 3) for i in range(9)]
    assert job_match(levels, CUTS).jpm == 100
    levels[0] = sure("M.01", 2, 3)
    assert job_match(levels, CUTS).jpm == pytest.approx(100 * 26 / 27)
    levels[1] = sure("M.02", 5, 3)
    found = job_match(levels, CUTS)
    assert (found.jpm, found.capped) == (pytest.approx(100 * 28 / 27), pytest.approx(100 * 26 / 27))
    assert found.category == 2
    assert found.probabilities == pytest.approx((0, 0, 1))


@pytest.mark.parametrize(
    ("got", "required", "category"),
    [
        (77, 100, 0),
        (78, 100, 1),
        (89, 100, 1),
        (90, 100, 2),
        (39, 50, 1),
        (45, 50, 2),
        (44, 50, 1),
        (9, 10, 2),
        (7, 9, 0),
        (117, 150, 1),
        (135, 150, 2),
    ],
)
def test_categories_begin_at_their_lower_bound(got: int, required: int, category: int) -> None:
    """78 and 90 belong to the higher category, also where got/required is no exact binary fraction."""
    n = -(-required // 5)
    standards = [5] * (required // 5) + ([required % 5] if required % 5 else [])
    levels, left = [], got
    for i, standard in enumerate(standards):
        level = max(1, min(5, left - (n - 1 - i)))
        levels.append(sure(f"X{i}", level, standard))
        left -= level
    assert left == 0
    found = job_match(levels, CUTS)
    assert found.category == category
    assert found.probabilities[category] == pytest.approx(1)


DISTRIBUTION = st.lists(st.floats(0.01, 1), min_size=5, max_size=5).map(lambda w: tuple(v / sum(w) for v in w))


@given(st.lists(st.tuples(DISTRIBUTION, st.integers(1, 5)), min_size=1, max_size=3))
def test_the_distribution_of_the_sum_is_the_enumeration_of_all_profiles(drawn: list[tuple[tuple[float, ...], int]]) -> None:
    results = [unsure(p, standard) for p, standard in drawn]
    by_hand = np.zeros(5 * len(results) + 1)
    categories = np.zeros(3)
    required = sum(r.standard for r in results)
    for profile in itertools.product(range(1, 6), repeat=len(results)):
        p = math.prod(r.probabilities[level - 1] for r, level in zip(results, profile, strict=True))
        by_hand[sum(profile)] += p
        categories[sum(100 * sum(profile) >= cut * required for cut in CUTS)] += p
    assert np.allclose(sum_of_levels(results), by_hand)
    assert np.allclose(job_match(results, CUTS).probabilities, categories)


def people(competency: int, potential: int) -> tuple[list[LevelResult], list[LevelResult]]:
    """Levels in percent of the standard: 100 = 5 of 5."""
    return [sure("M.01", competency, 5)], [sure("P.01", potential, 5)]


@pytest.mark.parametrize(("place", "box"), TABLE.items())
def test_all_nine_boxes(place: tuple[str, str], box: int) -> None:
    kinerja = {"atas": 90.0, "sesuai": 70.0, "bawah": 30.0}[place[0]]
    level = {"tinggi": 5, "menengah": 3, "rendah": 1}[place[1]]
    found = shipped_boxes().place(*people(level, level), kinerja, None)
    assert found.box == box
    assert found.probabilities[box - 1] == pytest.approx(1)
    assert not found.complete


@pytest.mark.parametrize(("kinerja", "box"), [(59.999, 1), (60, 2), (79.999, 2), (80, 4), (0, 1), (100, 4)])
def test_classes_of_performance_begin_at_their_lower_bound(kinerja: float, box: int) -> None:
    assert shipped_boxes().place(*people(1, 1), kinerja, None).box == box


@pytest.mark.parametrize(("level", "box"), [(4, 8), (3, 5), (2, 2)])
def test_classes_of_potential_begin_at_their_lower_bound(level: int, box: int) -> None:
    """Levels 4 and 3 of 5 are 80 and 60 sharp."""
    assert shipped_boxes().place(*people(level, level), 70, None).box == box


def test_the_weights_of_the_potential_axis() -> None:
    """20 % competency, 25 % potential, 55 % the rest; without the rest the measured parts are rescaled."""
    boxes = shipped_boxes()
    levels, aspects = people(5, 1)  # 100 and 20
    assert boxes.place(levels, aspects, 70, None).potential == pytest.approx((20 * 100 + 25 * 20) / 45)
    whole = boxes.place(levels, aspects, 70, 60.0)
    assert whole.potential == pytest.approx((20 * 100 + 25 * 20 + 55 * 60) / 100)
    assert whole.complete
    assert boxes.place(levels, aspects, 70, 100.0).box == 8  # 20 + 5 + 55 = 80: the bound is inclusive


def test_more_than_the_standard_counts_as_the_standard_on_the_axis() -> None:
    levels, aspects = [sure("M.01", 5, 1)], [sure("P.01", 5, 3)]
    assert shipped_boxes().place(levels, aspects, 70, None).potential == 100


@given(DISTRIBUTION, DISTRIBUTION, st.floats(0, 100), st.none() | st.floats(0, 100))
def test_box_probabilities_are_the_enumeration_of_levels(
    first: tuple[float, ...], second: tuple[float, ...], kinerja: float, other: float | None
) -> None:
    boxes = shipped_boxes()
    levels, aspects = [unsure(first, 4)], [unsure(second, 3)]
    mass = np.zeros(9)
    for x, y in itertools.product(range(1, 6), repeat=2):
        here = boxes.place([sure("M", x, 4)], [sure("P", y, 3)], kinerja, other)
        mass[here.box - 1] += first[x - 1] * second[y - 1]
    found = boxes.place(levels, aspects, kinerja, other)
    assert np.allclose(found.probabilities, mass)
    assert math.isclose(sum(found.probabilities), 1, abs_tol=1e-9)
