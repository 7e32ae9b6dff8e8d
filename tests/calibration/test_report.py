"""The report: what it says, that it stands alone, and that it escapes what people typed."""

import base64
import hashlib
import re
from collections.abc import Callable
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from calibration.language import INDONESIAN
from calibration.pipeline import CalibrationOptions, calibrate
from calibration.plots import Frame, shifts
from calibration.report import html_report, html_reports
from calibration.sorting import POLICY_HASH
from cat_engine import Row
from itembank.bank import Bank
from webtest.languages import LANGUAGES, language

ROWS = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.2, 1.2, 6)] + [Row("grm", 1.3, [-0.5, 0.5])]


@pytest.fixture(scope="module")
def reports(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> dict[str, str]:
    """The report of one run in each language."""
    rows = [*ROWS, Row("2pl", 0.05, [0.0]), Row("2pl", 1.0, [0.0])]
    bank = bank_of([*ROWS, ROWS[0], ROWS[0]], [*(f"i{k}" for k in range(6)), "<b>&tajam", "datar", "sepi"], ("A & B",))
    log = draw(rows[:8], np.random.default_rng(301).normal(size=2000), 302).log(bank.ids)
    groups = {"sex": ["laki-laki", "perempuan"] * 1000}
    proposal = calibrate(log, bank, CalibrationOptions(girth=True), groups)
    truth = dict(zip(bank.ids, [*ROWS, rows[7], rows[8]], strict=True))
    return {code: html_report(proposal, provisional=True, truth=truth, language=language(code)) for code in LANGUAGES}


@pytest.fixture
def report(reports: dict[str, str]) -> str:
    return reports["id"]


def test_a_provisional_bank_is_called_a_sample_that_is_not_calibrated(report: str) -> None:
    assert "Bank contoh, belum terkalibrasi" in report


def test_it_opens_with_what_has_to_be_decided_and_names_items_without_an_estimate(report: str) -> None:
    decisions = report[report.index("Perlu diputuskan") : report.index("Jalannya estimasi")]
    assert "datar" in decisions
    assert "daya beda rendah" in decisions
    assert "<strong>daya beda rendah</strong>: butir ini hampir tidak membedakan" in decisions
    assert "i3" not in decisions
    assert re.search(r"Tanpa jawaban</strong> – 1 butir tanpa estimasi \(n\): sepi \(0\)", report)
    assert "Terhadap parameter sebenarnya (8 butir): RMSE b 0," in report


def test_every_estimated_item_has_a_curve_and_names_are_escaped(report: str) -> None:
    assert report.count('aria-label="Kurva butir') == 8
    assert "<b>&tajam" not in report
    assert "&lt;b&gt;&amp;tajam" in report
    assert "A &amp; B" in report


def test_it_loads_nothing_runs_its_one_script_and_its_pictures_are_well_formed(report: str) -> None:
    assert not re.search(r"https?://|<script |<link|<img|@import|url\(", report)
    [script] = re.findall(r"<script>(.*?)</script>", report, re.DOTALL)
    assert "sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() == POLICY_HASH
    pictures = re.findall(r"<svg.*?</svg>", report)
    assert len(pictures) == 8 + 6
    for picture in pictures:
        ElementTree.fromstring(picture)  # noqa: S314 - our own text
        assert "nan" not in picture


def test_a_nominal_item_has_a_curve_for_each_category_and_its_slopes(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [Row("nrm", 1.0, [0.5 - 0.2 * k, 0.3], slopes=[0.8, 1.7]) for k in range(5)]
    bank = bank_of(rows, [f"n{k}" for k in range(5)])
    proposal = calibrate(draw(rows, np.random.default_rng(303).normal(size=2000), 304).log(bank.ids), bank)
    page = html_report(proposal, provisional=False)
    picture = next(found for found in re.findall(r"<svg.*?</svg>", page) if 'aria-label="Kurva butir n2"' in found)
    ElementTree.fromstring(picture)  # noqa: S314 - our own text
    assert picture.count("stroke-dasharray") == 3  # the old curves
    assert picture.count('stroke-width="2"') == 6
    assert [f">{k}</text>" in picture for k in range(3)] == [True] * 3
    new = proposal.adopted()["n2"]
    first = f"a {INDONESIAN.number(new.slopes[0], 2)}; {INDONESIAN.number(new.slopes[1], 2)}; b {INDONESIAN.number(new.b[0], 2)}; {INDONESIAN.number(new.b[1], 2)}"
    assert first in page
    # The observed shares of category 2 rise with ability, as its curve does (downward in the picture's coordinates).
    dots = [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)" r="2" fill="#1b6e3c"', picture)]
    assert len(dots) >= 6
    assert all(earlier[1] >= later[1] - 4 for earlier, later in pairwise(dots))


def test_an_item_that_moved_is_named_in_the_picture_of_shifts(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    leaked = [row if k != 2 else Row("2pl", 1.2, [row.b[0] - 0.9]) for k, row in enumerate(ROWS[:6])]
    bank = bank_of(ROWS[:6])
    proposal = calibrate(draw(leaked, np.random.default_rng(303).normal(size=3000), 304).log(bank.ids), bank)
    picture = shifts(proposal.verdicts).svg()
    assert ">i2</text>" in picture
    assert picture.count("</text>") == picture.count('text-anchor="middle"') + picture.count('text-anchor="end"') + 1  # no other is named


def test_reports_made_together_are_those_made_alone(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(ROWS)
    proposal = calibrate(draw(ROWS, np.random.default_rng(305).normal(size=1000), 306).log(bank.ids), bank)
    together = html_reports(proposal, [language(code) for code in LANGUAGES], provisional=False)
    assert together == [html_report(proposal, provisional=False, language=language(code)) for code in LANGUAGES]
    assert len(set(together)) == len(LANGUAGES)


def test_numbers_are_written_the_indonesian_way() -> None:
    assert INDONESIAN.number(1234567.891, 1) == "1.234.567,9"
    assert INDONESIAN.number(-0.5, 2) == "−0,50"
    assert INDONESIAN.number(-0.0004, 2) == "0,00"
    assert INDONESIAN.number(float("nan"), 2) == "–"
    assert INDONESIAN.number(1052) == "1.052"


def test_points_outside_the_axes_are_held_at_the_edge() -> None:
    frame = Frame(100, 100, (-4, 4), (0, 1))
    assert frame.at_x(-99) == frame.at_x(-4)
    assert frame.at_x(99) == frame.at_x(4) == 100 - frame.right
    assert frame.at_y(2) == frame.top


def test_in_english_no_word_is_left_in_indonesian_and_nothing_else_differs(reports: dict[str, str]) -> None:
    english = reports["en"]
    labels = " ".join(re.findall(r'aria-label="([^"]*)"', english))
    text = re.sub(r"<style>.*?</style>|<script>.*?</script>|<[^>]*>", " ", english + labels, flags=re.DOTALL)
    text = re.sub(r"\b(?:datar|sepi|tajam)\b", "", text)
    assert (
        re.findall(r"\b(?:butir|dan|dengan|di|jawaban|kelompok|kemampuan|lama|orang|perempuan|rerata|semua|tidak|yang)\b", text, re.I) == []
    )
    assert '<html lang="en">' in english
    assert "low discrimination" in english
    assert "Against the true parameters (8 items): RMSE of b 0." in english
    assert "Sex: men" in english or "Sex: women" in english
    drawn = [re.findall(r' d="([^"]*)"', page) for page in reports.values()]
    assert drawn[0] == drawn[1]


def test_a_language_writes_numbers_its_own_way_and_translates_no_empty_text() -> None:
    english = language("en")
    assert (english.number(1234567.891, 1), english.number(-0.5, 2), english.number(1052)) == ("1,234,567.9", "−0.50", "1,052")
    assert english.gettext("") == ""
    assert INDONESIAN.gettext("Butir") == "Butir"
