"""Pages that wait for control parameters, in real Chromium: they go on by themselves when the search is over."""

from playwright.sync_api import expect

from tests.browser.conftest import Opener
from tests.browser.stage import COORDINATOR, DAY, Stage, now_ms, officer_in
from tests.webtest.searching import CONTROL, CONTROLLED, FOUND, UNREACHED, Told
from webtest.config import aside_of
from webtest.services.waves import NewWave


def test_a_simulation_goes_on_by_itself_when_its_parameters_are_found(stage: Stage, open_context: Opener) -> None:
    page = open_context().new_page()
    officer_in(page, stage.url, "psikometrisi")
    page.goto(f"{stage.url}/petugas/bank/simulasi")
    page.fill("#plan", CONTROLLED.replace("0.5", "0.55"))
    page.get_by_label("Orang maya").fill("40")
    page.click("text=Jalankan simulasi")
    expect(page.locator("#work")).to_contain_text("sedang dicari dengan simulasi")  # by a process of the server's
    expect(page.get_by_role("status")).to_contain_text(", 40 orang, benih 1", timeout=60_000)


def test_the_board_offers_to_open_the_wave_when_its_parameters_are_found_and_its_plan_was_simulated(
    stage: Stage, open_context: Opener
) -> None:
    told = Told()
    aside = aside_of(stage.house.engine, stage.house.waves, told)
    new = NewWave("Terkendali", "Pemerintah Kota (contoh)", "Gedung A", DAY)
    wave = stage.house.waves.create(new, stage.roster(2), CONTROLLED, actor=COORDINATOR, now=now_ms(), control=aside.searches.control)
    aside.preflights.begin(wave, actor=COORDINATOR)
    page = open_context(viewport={"width": 360, "height": 768}).new_page()
    officer_in(page, stage.url, "koordinator")
    page.goto(f"{stage.url}/petugas/gelombang/{wave}")
    told.say({"done": 2, "total": 6})
    expect(page.locator("#work")).to_contain_text("2 dari 6 simulasi")
    expect(page.get_by_role("button", name="Buka gelombang")).to_have_count(0)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    told.say(FOUND, {"done": 10, "total": 40})
    expect(page.locator("#work")).to_contain_text("10 dari 40 orang maya")
    plan, pool = stage.house.waves.runs_on(wave, lambda *_: tuple(CONTROL))
    told.say({"outcome": {"plan_digest": plan.digest, "pool_digest": pool.digest}})
    page.get_by_role("button", name="Buka gelombang").click()
    expect(page.get_by_role("status")).to_contain_text("Gelombang dibuka")
    aside.works.close()


def test_a_wave_that_cannot_be_opened_says_why_and_is_discarded(stage: Stage, open_context: Opener) -> None:
    told = Told()
    aside = aside_of(stage.house.engine, stage.house.waves, told)
    new = NewWave("Terlalu ketat", "Pemerintah Kota (contoh)", "Gedung A", DAY)
    text = CONTROLLED.replace("0.5", "0.3")
    wave = stage.house.waves.create(new, stage.roster(2), text, actor=COORDINATOR, now=now_ms(), control=aside.searches.control)
    aside.preflights.begin(wave, actor=COORDINATOR)
    page = open_context(viewport={"width": 360, "height": 768}).new_page()
    officer_in(page, stage.url, "koordinator")
    page.goto(f"{stage.url}/petugas/gelombang/{wave}")
    told.say(UNREACHED)
    expect(page.get_by_role("alert")).to_contain_text("batas paparan 0.3 tidak terjangkau")
    expect(page.get_by_role("button", name="Coba lagi")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    page.get_by_role("link", name="Hapus gelombang…").click()
    page.get_by_role("button", name="Hapus gelombang").click()
    expect(page.get_by_role("status")).to_contain_text("“Terlalu ketat” dihapus")
    expect(page.locator("main")).not_to_contain_text("Terlalu ketat Pemerintah")
    aside.works.close()
