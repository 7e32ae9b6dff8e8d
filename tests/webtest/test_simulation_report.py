"""The pages of a simulation: whole, readable, and about the right numbers."""

import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from cat_engine import ItemParams, Pool, Row, load_plan
from cat_engine.people import People
from cat_engine.population import Population
from cat_engine.simulate import Trial
from cat_engine.timing import ItemTimes
from webtest.languages import language
from webtest.simulation_comparison import html_comparison
from webtest.simulation_files import Design, run
from webtest.simulation_plots import ticks
from webtest.simulation_report import Simulated, html_report

PLAN = """name = "<Kecil & cepat>"
[[sections]]
code = "s"
title = "Potensi & <minat>"
competencies = ["A", "B"]
min_items = 2
max_items = 6
time_budget_min = 6
[sections.stop]
se = 0.6
classify_ci = {cuts = [0.0]}
"""
VOID = {"meta", "path", "br"}


class Tags(HTMLParser):
    """Whether every tag is closed, and in order."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - the parser calls it so
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def is_whole(page: str) -> bool:
    tags = Tags()
    tags.feed(page)
    return not tags.open


def simulated(folder: Path, name: str, items: int, *, timed: bool = True) -> Simulated:
    rng = np.random.default_rng(1)
    rows = [Row("2pl", 1.4, [float(rng.normal())], scale=i % 2) for i in range(items)]
    pool = Pool.of(tuple(f"x{i}" for i in range(items)), ItemParams.from_rows(rows), ("A", "B"))
    times = ItemTimes(np.full(items, 2.0), np.full(items, 3.7)) if timed else None
    population = Population()
    true = population.abilities(400, 2, 1)
    people = People(true, population.tau(true, 1) if timed else None)
    (folder / name).mkdir()
    ids = tuple(map(str, range(400)))
    return run(
        Design(name, Trial(load_plan(PLAN), pool, 1, times=times), people, ids, "drawn", population.speeds), folder / name, steps="none"
    )


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Simulated]:
    folder = tmp_path_factory.mktemp("runs")
    return [simulated(folder, "kecil", 16), simulated(folder, "besar", 60), simulated(folder, "tanpa-waktu", 60, timed=False)]


def test_reports_are_whole_and_load_nothing(runs: list[Simulated]) -> None:
    for page in (*map(html_report, runs), html_comparison(runs)):
        assert is_whole(page)
        assert not re.search(r"https?:|<script|<link|src=|\bnan\b|\binf\b", page)
        assert 'name="viewport"' in page


def test_names_that_people_chose_are_escaped(runs: list[Simulated]) -> None:
    page = html_report(runs[0])
    assert "&lt;Kecil &amp; cepat&gt;" in page
    assert "<minat>" not in page


def test_every_plot_is_there(runs: list[Simulated]) -> None:
    assert html_report(runs[0]).count("<figure>") == 1 + 2 + 2 * 3  # the section's time; length and exposure; three a competency
    assert html_report(runs[2]).count("<figure>") == 2 + 2 * 3
    assert html_comparison(runs).count("<figure>") == 2 + 2 * 2


def test_time_is_spoken_of_only_where_it_passes(runs: list[Simulated]) -> None:
    assert "Kehabisan waktu" in html_report(runs[0])
    assert "Kehabisan waktu" not in html_report(runs[2])
    assert html_report(runs[2]).count("menit") == 0


def test_a_budget_that_slow_people_cannot_keep_is_marked(runs: list[Simulated]) -> None:
    assert runs[0].advice[0].tight
    assert 'class="n warn">6,0<' in html_report(runs[0])


def test_the_best_design_of_each_row_is_marked(runs: list[Simulated]) -> None:
    page = html_comparison(runs)
    rmse = [run.figures["rmse"] for run in runs]
    row = re.search(r"<th scope=row>RMSE</th>(.*?)</tr>", page)
    assert row is not None
    marked = ["best" in cell for cell in re.findall(r"<td class=\"([^\"]*)\">", row[1])]
    assert marked == [value == min(rmse) for value in rmse]


def test_ticks_are_round_numbers_within_the_axis() -> None:
    assert ticks(0, 1.05) == [0, 0.25, 0.5, 0.75, 1.0]
    assert ticks(-0.4, 1.2) == [0, 0.5, 1.0]
    assert ticks(0, 500) == [0, 100, 200, 300, 400, 500]
    assert ticks(0, 0.0312) == [0, 0.01, 0.02, 0.03]


INDONESIAN_WORDS = re.compile(
    r"\b(?:bagian|butir|dan|dengan|di|galat|kemampuan|menit|menurut|orang|paparan|perkiraan|rata-rata|tes|tidak|waktu|yang)\b", re.I
)


def words_of(page: str) -> str:
    """The text of a page, with what its pictures are called, without names that people chose."""
    labels = " ".join(re.findall(r'aria-label="([^"]*)"', page))
    text = re.sub(r"<style>.*?</style>|<[^>]*>", " ", page + labels, flags=re.S)
    return text.replace("Kecil &amp; cepat", "").replace("tanpa-waktu", "")


def test_in_english_no_word_is_left_in_indonesian(runs: list[Simulated]) -> None:
    english = language("en")
    for page in (*(html_report(done, english) for done in runs), html_comparison(runs, english)):
        assert '<html lang="en">' in page
        assert INDONESIAN_WORDS.findall(words_of(page)) == []
    assert INDONESIAN_WORDS.search(words_of(html_report(runs[0])))


def test_numbers_are_written_as_the_language_writes_them(runs: list[Simulated]) -> None:
    rmse = runs[0].figures["rmse"]
    assert f"<dt>RMSE</dt><dd>{rmse:.3f}</dd>" in html_report(runs[0], language("en"))
    assert f"<dt>RMSE</dt><dd>{rmse:.3f}</dd>".replace(".", ",") in html_report(runs[0])
