"""The trial of a draft version: asked for on its page, computed aside, kept with who asked, and what may be published before and after."""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from time import perf_counter

import pytest
from sqlmodel import Session as SqlSession
from sqlmodel import select

from cat_engine import load_plan
from itembank.demo import plan_text
from itembank.store import load_bank, load_contents, save_version
from tests.conftest import PASSWORD
from tests.webtest.searching import CONTROLLED, FAILED, FOUND, Told, until
from tests.webtest.site import FRAGMENT, NOW, Browser, Site, site_of
from tests.webtest.test_review import a_run
from webtest.config import House, aside_of
from webtest.models import CalibrationRun, VersionTrial
from webtest.services import works
from webtest.services.review import Review
from webtest.services.trials import TRIAL, Trials
from webtest.work_apart import Said

FIGURES = {"rmse": 0.4, "bias": 0.05, "reliability": 0.8, "items": 86.0, "exposure": 1.0, "overlap": 0.6}


def outcome(*, holds: bool = True) -> Said:
    """What the process of a trial says last."""
    check = {"figure": "rmse", "limit": 0.5, "value": 0.4, "holds": holds}
    facts = {"plan_name": "contoh", "plan_digest": "d" * 64, "people": 500, "seed": 1}
    return {"outcome": {**facts, "before": FIGURES, "after": FIGURES, "checks": [check]}}


@dataclass
class Tried:
    """A draft that a calibration made, on a site whose works say what the test tells them to."""

    site: Site
    told: Told
    run: CalibrationRun

    @property
    def version(self) -> int:
        return self.run.draft_version or 0

    @property
    def page(self) -> str:
        return f"/petugas/bank/versi/{self.version}"

    def psychometrician(self) -> Browser:
        return self.site.browser().officer("psikometrisi")

    def reaches(self, state: str) -> None:
        def there() -> bool:
            found = self.site.house.works.state(TRIAL, str(self.version))
            return found is not None and found.state == state

        until(there)

    def kept(self) -> list[VersionTrial]:
        with SqlSession(self.site.house.engine, expire_on_commit=False) as sql:
            return list(sql.exec(select(VersionTrial)).all())

    def publishes(self, browser: Browser) -> str:
        """What the page says after the button is pressed."""
        browser.post(f"{self.page}/putuskan", {"verdict": "publish"}, headers={"Referer": f"http://localhost{self.page}"})
        return browser.get(self.page).text


@pytest.fixture
def tried(place_lite: House, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tried]:
    monkeypatch.setattr(works, "LOOK_S", 0.05)
    told = Told()
    house = replace(place_lite, **aside_of(place_lite.engine, place_lite.waves, told)._asdict())
    run, _ = a_run(house)
    with SqlSession(house.engine.execution_options(write=True), expire_on_commit=False) as sql, sql.begin():
        run = sql.get_one(CalibrationRun, run.id)
        run.summary = json.dumps({"adopt": 1, "keep": 1, "reject": 1, "answers": 600, "dropped": {}, "seconds": 0.1})
    yield Tried(site_of(house), told, run)
    house.works.close()


def test_a_trial_is_asked_for_at_once_shown_as_it_goes_and_kept_with_who_asked(tried: Tried) -> None:
    tried.site.house.accounts.add("kedua", "Psikometris Kedua", "psikometrisi", PASSWORD)
    one, other = tried.psychometrician(), tried.site.browser().officer("kedua")
    before = perf_counter()
    assert one.post(f"{tried.page}/coba").status_code == 303
    assert perf_counter() - before < 0.5
    assert other.post(f"{tried.page}/coba").status_code == 303  # the second one finds it under way
    for page in (tried.page, f"/petugas/bank/kalibrasi/{tried.run.id}"):
        shown = other.get(page).text
        assert "Versi ini sedang dicoba dengan simulasi." in shown
        assert "Diminta oleh" in shown
        assert "Terbitkan versi" not in shown
    tried.told.say({"done": 300, "total": 1000})
    part = f"{tried.page}/coba"
    until(lambda: "300 dari 1.000 orang maya" in other.get(part, headers=FRAGMENT).text)
    assert other.get(part, headers=FRAGMENT).headers["X-Goes-On"] == "1"
    tried.told.say(outcome())
    tried.reaches("finished")
    assert "Simulasi versi 2 selesai: semua batas rancangan tes dipenuhi." in one.get(tried.page).text
    assert "Terbitkan versi 2" in one.get(tried.page).text
    (row,) = tried.kept()
    assert (row.actor, row.plan_name, row.people, row.holds) == ("user:3", "contoh", 500, True)
    assert tried.told.begun == 1
    assert "diterbitkan" in tried.publishes(one)


def test_nothing_is_published_while_its_trial_is_under_way_nor_from_one_that_failed(tried: Tried) -> None:
    browser = tried.psychometrician()
    browser.post(f"{tried.page}/coba")
    assert "Simulasi versi itu belum selesai" in tried.publishes(browser)
    tried.told.say(FAILED)
    tried.reaches("failed")
    page = browser.get(tried.page).text
    assert "tidak dapat diselesaikan" in page
    assert "0.4 or more" in page
    assert "Cobalah versi itu terlebih dahulu" in tried.publishes(browser)
    browser.post(f"{tried.page}/coba")
    tried.told.say(outcome(holds=False))
    tried.reaches("finished")
    assert "ada batas yang tidak dipenuhi" in browser.get(tried.page).text
    assert "perlu alasan tertulis" in tried.publishes(browser)
    browser.post(f"{tried.page}/coba")  # once more: until it is there the old one does not count
    assert "Simulasi versi itu belum selesai" in tried.publishes(browser)


def test_a_trial_of_a_draft_says_nothing_of_the_draft_that_decisions_have_put_in_its_place(tried: Tried) -> None:
    browser = tried.psychometrician()
    browser.post(f"{tried.page}/coba")
    review = Review(tried.site.house.engine)
    item = review.estimates(tried.run)[1].item_id
    path = f"/petugas/bank/kalibrasi/{tried.run.id}/putusan"
    browser.post(path, {"butir": item, f"tadi-{item}": "keep", f"putusan-{item}": "hold", "reason": "bocor"})
    tried.told.say(outcome())
    tried.reaches("finished")
    assert "sudah digantikan oleh putusan" in tried.publishes(browser)
    browser.post("/petugas/bank/versi/3/putuskan", {"verdict": "publish"}, headers={"Referer": f"http://localhost{tried.page}"})
    assert "Cobalah versi itu terlebih dahulu" in browser.get(tried.page).text


def test_a_trial_that_is_tried_elsewhere_since_is_not_waited_for(tried: Tried) -> None:
    house = tried.site.house
    browser = tried.psychometrician()
    browser.post(f"{tried.page}/coba")
    plan, later = load_plan(plan_text()), works.time.time_ns() // 1_000_000 + 60_000
    Trials(house.engine).try_version(tried.version, replace(plan, sections=plan.sections[1:]), actor="cli:x", now=later)
    assert "Terbitkan versi 2" in browser.get(tried.page).text
    assert "diterbitkan" in tried.publishes(browser)


def test_a_version_that_is_no_draft_is_not_tried(tried: Tried) -> None:
    browser = tried.psychometrician()
    assert browser.post("/petugas/bank/versi/1/coba").status_code == 409
    assert browser.post("/petugas/bank/versi/99/coba").status_code == 404
    assert browser.get("/petugas/bank/versi/99/coba").status_code == 404
    assert tried.told.begun == 0


def test_a_version_is_tried_when_the_parameters_on_it_and_on_its_parent_are_found(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trials, "plan", lambda *_: load_plan(CONTROLLED))
    house = tried.site.house
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        bank = load_bank(sql)
        held = replace(bank, status=("held", *bank.status[1:]), parent=bank.version)
        version = save_version(sql, held, load_contents(sql, bank.version), note="uji", actor="cli:x", now=NOW)
    browser, page = tried.psychometrician(), f"/petugas/bank/versi/{version}"
    for _ in range(2):
        assert browser.post(f"{page}/coba").status_code == 303
    until(lambda: "Parameter kendali paparan sedang dicari" in browser.get(page).text)
    tried.told.say({"done": 2, "total": 6})
    until(lambda: "2 dari 12 simulasi" in browser.get(f"{page}/coba", headers=FRAGMENT).text)
    tried.told.say(FOUND, FOUND, outcome())
    until(lambda: f"Simulasi versi {version} selesai" in browser.get(page).text)
    assert tried.told.begun == 3


def test_limits_of_exposure_that_cannot_be_kept_are_named_by_the_trial(tried: Tried, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Trials, "plan", lambda *_: load_plan(CONTROLLED))
    browser = tried.psychometrician()
    browser.post(f"{tried.page}/coba")
    tried.told.say(FAILED, FAILED)
    tried.reaches("failed")
    assert "0.4 or more" in browser.get(tried.page).text
