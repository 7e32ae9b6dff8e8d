"""A draft version is tried on its page: what is seen meanwhile, and that it outlives the server."""

from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

import pytest
from playwright.sync_api import Browser, Page, Request, expect
from sqlmodel import Session as SqlSession
from sqlmodel import select

from tests.browser import stage as scene
from tests.browser.stage import Stage, officer_in
from tests.browser.test_accessible import THEMES, check
from tests.conftest import missing
from tests.webtest.searching import UNREACHED, Told
from tests.webtest.test_review import a_run
from webtest.config import aside_of
from webtest.models import VersionTrial


@pytest.fixture
def own_stage(tmp_path: Path) -> Iterator[Stage]:
    """A stage that may be killed, and whose bank has a draft."""
    made = Stage(tmp_path / "cact-data")
    yield made
    made.close()


@pytest.fixture
def own_chrome() -> Iterator[Browser]:
    path = scene.chromium()
    if path is None:
        missing("browser", "Chromium is not installed (Debian: apt install chromium)")
    with scene.browser(str(path)) as opened:
        yield opened


def on_draft(stage: Stage, chrome: Browser) -> tuple[Page, int]:
    """The page of a draft that a calibration made, and its number."""
    run, _ = a_run(stage.house)
    page = chrome.new_page(locale="id-ID")
    page.set_default_timeout(15_000)
    officer_in(page, stage.url, "psikometrisi")
    page.goto(f"{stage.url}/petugas/bank/versi/{run.draft_version}")
    return page, run.draft_version or 0


def test_a_trial_is_seen_as_it_goes_and_why_it_failed(own_stage: Stage, own_chrome: Browser) -> None:
    page, version = on_draft(own_stage, own_chrome)
    told = Told()
    aside = aside_of(own_stage.house.engine, own_stage.house.waves, told)
    aside.trials.begin(version, aside.works, actor="user:3")
    told.say({"done": 300, "total": 1000})
    page.reload()
    expect(page.locator("#work")).to_contain_text("300 dari 1.000 orang maya")
    expect(page.get_by_text("Terbitkan versi 2")).to_have_count(0)
    check(page, THEMES)
    told.say(UNREACHED)
    expect(page.get_by_text("tidak dapat diselesaikan")).to_be_visible()
    expect(page.locator("main")).to_contain_text("batas paparan 0.3 tidak terjangkau")
    check(page, THEMES)
    aside.works.close()


@pytest.mark.slow
def test_a_trial_outlives_its_server(own_stage: Stage, own_chrome: Browser) -> None:
    """Half a minute: a server that is silent for twenty seconds counts as gone."""
    page, _ = on_draft(own_stage, own_chrome)
    answered: list[float] = []
    page.on("requestfinished", lambda request: answered.append(_ms(request)) if request.method == "POST" else None)
    page.click("text=Coba dengan simulasi")
    expect(page.locator("#work")).to_contain_text("sedang dicoba dengan simulasi")
    assert answered[0] < 500
    expect(page.locator("#work")).to_contain_text("orang maya,")  # it computes
    own_stage.server.kill()
    began = perf_counter()
    own_stage.server.start()
    expect(page.get_by_text("Simulasi versi 2 selesai")).to_be_visible(timeout=90_000)
    assert perf_counter() - began > 5  # it was begun anew
    with SqlSession(own_stage.house.engine) as sql:
        (row,) = sql.exec(select(VersionTrial)).all()
        assert (row.actor, row.people) == ("user:3", 500)


def _ms(request: Request) -> float:
    return float(request.timing["responseEnd"])
