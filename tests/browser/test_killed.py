"""A draft version is tried on its page, and the server is killed in the middle: the page goes on by itself when the next server has done it."""

from pathlib import Path
from time import perf_counter

import pytest
from playwright.sync_api import Request, expect
from sqlmodel import Session as SqlSession
from sqlmodel import select

from tests.browser import stage as scene
from tests.browser.stage import Stage, officer_in
from tests.conftest import missing
from tests.webtest.test_review import a_run
from webtest.models import VersionTrial


@pytest.mark.slow
def test_a_trial_outlives_its_server(tmp_path: Path) -> None:
    """Half a minute: a server that is silent for twenty seconds counts as gone."""
    path = scene.chromium()
    if path is None:
        missing("browser", "Chromium is not installed (Debian: apt install chromium)")
    stage = Stage(tmp_path / "cact-data")
    try:
        run, _ = a_run(stage.house)
        with scene.browser(str(path)) as chrome:
            page = chrome.new_page(locale="id-ID")
            page.set_default_timeout(15_000)
            officer_in(page, stage.url, "psikometrisi")
            page.goto(f"{stage.url}/petugas/bank/versi/{run.draft_version}")
            answered: list[float] = []
            page.on("requestfinished", lambda request: answered.append(_ms(request)) if request.method == "POST" else None)
            page.click("text=Coba dengan simulasi")
            expect(page.locator("#work")).to_contain_text("sedang dicoba dengan simulasi")
            assert answered[0] < 500
            expect(page.locator("#work")).to_contain_text("orang maya,")  # it computes
            stage.server.kill()
            began = perf_counter()
            stage.server.start()
            expect(page.get_by_role("status")).to_contain_text("Simulasi versi 2 selesai", timeout=90_000)
            assert perf_counter() - began > 5  # it was begun anew
        with SqlSession(stage.house.engine) as sql:
            (row,) = sql.exec(select(VersionTrial)).all()
            assert (row.actor, row.people) == ("user:3", 500)
    finally:
        stage.close()


def _ms(request: Request) -> float:
    return float(request.timing["responseEnd"])
