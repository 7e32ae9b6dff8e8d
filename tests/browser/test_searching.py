"""Pages that wait for control parameters, in real Chromium: they go on by themselves when the search is over."""

from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.browser.stage import COORDINATOR, DAY, Stage, now_ms, officer_in
from tests.webtest.searching import CONTROLLED, FOUND, Told
from webtest.services.searches import Searches
from webtest.services.waves import NewWave
from webtest.services.works import Works


def test_a_simulation_goes_on_by_itself_when_its_parameters_are_found(stage: Stage, open_context: Opener) -> None:
    page = open_context().new_page()
    officer_in(page, stage.url, "psikometrisi")
    page.goto(f"{stage.url}/petugas/bank/simulasi")
    page.fill("#plan", CONTROLLED.replace("0.5", "0.55"))
    page.get_by_label("Orang maya").fill("40")
    page.click("text=Jalankan simulasi")
    expect(page.locator("#work")).to_contain_text("sedang dicari dengan simulasi")  # by a process of the server's
    expect(page.get_by_role("status")).to_contain_text(", 40 orang, benih 1", timeout=60_000)


def test_the_board_offers_to_open_the_wave_when_its_parameters_are_found(stage: Stage, open_context: Opener) -> None:
    told = Told()
    works = Works(stage.house.engine, told)
    searches = Searches(stage.house.engine, works)
    new = NewWave("Terkendali", "Pemerintah Kota (contoh)", "Gedung A", DAY)
    wave = stage.house.waves.create(new, stage.roster(2), CONTROLLED, actor=COORDINATOR, now=now_ms(), control=searches.control)
    page = open_context(viewport={"width": 360, "height": 768}).new_page()
    officer_in(page, stage.url, "koordinator")
    page.goto(f"{stage.url}/petugas/gelombang/{wave}")
    told.say({"done": 2, "total": 6})
    expect(page.locator("#work")).to_contain_text("2 dari 6 simulasi")
    expect(page.get_by_role("button", name="Buka gelombang")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    told.say(FOUND)
    page.get_by_role("button", name="Buka gelombang").click()
    expect(page.get_by_role("status")).to_contain_text("Gelombang dibuka")
    works.close()
