"""The page on which plans are simulated: the same people for each, times where the bank has them, and every fault of a form named."""

import re
from collections.abc import Iterator

import numpy as np
import pytest

from cat_engine import load_plan, simulate
from cat_engine.population import Population
from tests.conftest import Place
from tests.webtest.site import Browser, site_of
from webtest.config import House
from webtest.engine_inputs import pool_for
from webtest.formats import number
from webtest.item_times import times_for
from webtest.services.psychometrics import Psychometrics

PAGE = "/petugas/bank/simulasi"


def plan(name: str, codes: str, items: int, minutes: float) -> str:
    listed = ", ".join(f'"{code}"' for code in codes.split())
    return (
        f'name = "{name}"\n[stop]\nse = 0.5\n[[sections]]\ncode = "s"\ntitle = "Bagian {name}"\ncompetencies = [{listed}]\n'
        f"min_items = 2\nmax_items = {items}\ntime_budget_min = {minutes}\n"
    )


AMPLE, TIGHT, OTHER = plan("luas", "M.01 P.01", 4, 30.0), plan("sempit", "P.01", 8, 2.5), plan("lain <b>", "M.02", 3, 10.0)


def words(page: str) -> str:
    """A page as it is read."""
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", page))


@pytest.fixture
def browser(mixed_house: House) -> Browser:
    """A psychometrician's."""
    browser = site_of(mixed_house).browser().officer("psikometrisi")
    browser.get(PAGE)
    return browser


@pytest.fixture
def light_house(lite: Place) -> Iterator[House]:
    """An installation with the sample bank."""
    house = lite.open()
    yield house
    house.close()


def test_every_plan_is_given_to_the_same_people_whom_the_engine_simulates(mixed_house: House) -> None:
    bank, trials = Psychometrics(mixed_house.engine, mixed_house.store).simulate([AMPLE, TIGHT, OTHER], 40, 3)
    true = Population(0.6).abilities(40, 3, 3)  # of M.01, M.02 and P.01, in the order of the bank
    tau = Population().tau(true, 3)
    for tried, text, columns in zip(trials, (AMPLE, TIGHT, OTHER), ([0, 2], [2], [1]), strict=True):
        plan = load_plan(text)
        pool = pool_for(bank, plan)
        expected = simulate(plan, pool, true[:, columns], 3, times=times_for(bank, pool), tau=tau)
        np.testing.assert_array_equal(tried.result.true, true[:, columns])
        np.testing.assert_array_equal(tried.result.theta, expected.theta)
        np.testing.assert_array_equal(tried.result.seconds, expected.seconds)


def test_plans_stand_side_by_side_with_their_times(browser: Browser, mixed_house: House) -> None:
    page = browser.post(PAGE, {"plan": [AMPLE, "  ", TIGHT, OTHER], "n": "60", "seed": "3"})
    assert page.status_code == 200
    _bank, trials = Psychometrics(mixed_house.engine, mixed_house.store).simulate([AMPLE, TIGHT, OTHER], 60, 3)
    said = words(page.text)
    seconds = [tried.result.seconds.sum(axis=1) for tried in trials if tried.result.seconds is not None]
    assert "Waktu rata-rata (menit) " + " ".join(number(s.mean() / 60, 1) for s in seconds) in said
    assert "Butir rata-rata " + " ".join(number(tried.result.length.mean(), 1) for tried in trials) in said
    late = np.mean(["time" in found for found in trials[1].result.reasons])
    assert 0.1 < late < 1  # the budget of the second plan is too short, and the page says so
    row = (
        f"2 sempit Bagian sempit {number(seconds[1].mean() / 60, 1)} {number(np.quantile(seconds[1], 0.95) / 60, 1)} {100 * late:.0f} % 2,5"
    )
    assert row in said
    assert said.count("! di bawah saran") == 1
    assert "<b>1 luas:</b>" in page.text
    assert "lain &lt;b&gt;" in page.text
    assert "M.02 Kerja sama tidak diujikan tidak diujikan" in said
    fewest = min(range(3), key=lambda k: trials[k].result.length.mean())
    assert f"<b>{number(trials[fewest].result.length.mean(), 1)}</b>" in page.text
    assert page.text.count("<details open>") == 2  # what was compared can be changed; the blank one was passed over


def test_one_plan_alone_has_its_minutes_and_no_comparison(browser: Browser) -> None:
    page = browser.post(PAGE, {"plan": [AMPLE, "", "", ""], "n": "30", "seed": "3"}).text
    assert re.search(r"<b>\d+,\d</b>menit rata-rata", page)
    assert "Perbandingan pada orang yang sama" not in page
    assert page.count("<details>") == 3


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"plan": [AMPLE], "n": "5", "seed": "1"}, "isian orang maya &#39;5&#39; bukan bilangan bulat dari 10 sampai 2000"),
        ({"plan": [AMPLE], "n": "2001", "seed": "1"}, "&#39;2001&#39; bukan bilangan bulat dari 10 sampai 2000"),
        ({"plan": [AMPLE], "n": "banyak", "seed": "-1"}, "isian benih acak &#39;-1&#39; bukan bilangan bulat dari 0 sampai 999999999"),
        ({"plan": [AMPLE], "n": "²", "seed": "1"}, "&#39;²&#39; bukan bilangan bulat"),
        ({"plan": ["", " "], "n": "50", "seed": "1"}, "isian rencana tes kosong isi kolom ini"),
        ({"plan": [AMPLE] * 5, "n": "50", "seed": "1"}, "5 rencana terlalu banyak untuk dibandingkan paling banyak empat"),
        ({"plan": [AMPLE, 'name = "x"', TIGHT.replace("P.01", "Z.9")], "n": "50", "seed": "1"}, "rencana 2 sections belum ada"),
        ({"plan": [AMPLE, 'name = "x"', TIGHT.replace("P.01", "Z.9")], "n": "50", "seed": "1"}, "rencana 3, sections[0] competencies"),
    ],
)
def test_a_form_that_cannot_be_is_refused_with_every_fault_and_kept_as_it_was(
    browser: Browser, form: dict[str, object], message: str
) -> None:
    page = browser.post(PAGE, form)
    assert page.status_code == 422
    assert message in words(page.text)
    assert f'name="n" value="{form["n"]}"' in page.text
    assert "Perbandingan" not in page.text


def test_a_bank_without_times_says_that_none_are_estimated(light_house: House) -> None:
    browser = site_of(light_house).browser().officer("psikometrisi")
    browser.get(PAGE)
    page = browser.post(PAGE, {"plan": [AMPLE, OTHER], "n": "20", "seed": "1"}).text
    assert "waktu tes tidak dapat ditaksir" in page
    assert "Waktu rata-rata" not in page
