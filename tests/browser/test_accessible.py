"""What a program can check of accessibility, on every kind of page: names, headings, contrast in all themes, targets, focus, 320 px, weight."""

from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Page, Response, expect

from tests.browser.conftest import Opener
from tests.browser.stage import COORDINATOR, DAY, SHORT, Stage, now_ms, officer_in, plan, to_first_item
from tests.webtest.searching import UNREACHED, Told, until
from webtest.config import aside_of
from webtest.services.results import Results
from webtest.services.waves import NewWave
from webtest.work_apart import Said

CHECKS = (Path(__file__).parent / "checks.js").read_text(encoding="utf-8")
THEMES = ("light", "dark", "contrast")
SMALL_CSS, LIGHT_PAGE = 20_000, 60_000


def check(page: Page, themes: tuple[str, ...] = ("light",)) -> None:
    """No faults in any theme, and nothing wider than a screen of 320 px."""
    for theme in themes:
        page.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        assert page.evaluate(CHECKS, 28) == [], f"{page.url} in theme {theme}"
    page.evaluate("delete document.documentElement.dataset.theme")
    page.set_viewport_size({"width": 320, "height": 700})
    assert page.evaluate("document.documentElement.scrollWidth") <= 320, f"{page.url} is wider than 320 px"
    page.set_viewport_size({"width": 1366, "height": 768})


@pytest.fixture(scope="module")
def wave(stage: Stage) -> str:
    """A small closed wave, for results and minutes."""
    return stage.answered(4, plan(("M.01", 2, 30.0), ("P.01", 2, 30.0)), "Gelombang kecil")


def test_every_screen_of_the_test_taker(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    page.goto(f"{stage.url}/masuk")
    check(page, THEMES)
    page.fill("#nip", room.cards[0].nip)
    page.fill("#pin", room.cards[0].pin)
    page.click("main .card button")
    for words in ("Ya, data ini benar", "Saya mengerti"):
        page.wait_for_selector(f"text={words}")
        check(page)
        page.click(f"text={words}")
    page.wait_for_selector("form.answer")
    check(page)
    page.click("label.option >> nth=0")
    page.click("form.answer button")
    page.wait_for_selector("text=menunggu pengawas")
    check(page)
    stage.start(room)
    begin = page.get_by_role("button", name="Mulai Tes")
    begin.wait_for()
    check(page)
    begin.click()
    page.wait_for_selector("form[data-answer]")
    check(page, THEMES)
    page.click("label.option >> nth=1")
    page.locator(".settings summary").click()
    check(page, THEMES)


def test_the_item_page_at_twice_the_text_size_shows_all_of_itself(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    to_first_item(stage, page, room)
    page.locator(".settings summary").click()
    page.select_option("[data-setting=size]", "largest")
    page.locator(".settings summary").click()
    page.set_viewport_size({"width": 683, "height": 384})  # 200 % zoom of 1366x768
    assert page.evaluate("document.documentElement.scrollWidth") <= 683
    page.get_by_role("button", name="Simpan dan Lanjutkan").scroll_into_view_if_needed()
    expect(page.get_by_text("Jawaban yang sudah disimpan tidak dapat diubah.")).to_be_visible()
    page.reload()
    assert page.evaluate("document.documentElement.dataset.size") == "largest"  # the choice stays


def test_every_page_of_the_officers(stage: Stage, wave: str, open_context: Opener) -> None:
    results = Results(stage.house.engine, stage.house.store, stage.house.catalog, stage.house.keys)
    person = results.wave(wave).profiles[0].attempt
    room = stage.room(3, rooms=3)
    stage.enter(room.cards[0])
    paths = {
        "koordinator": [
            "/petugas/gelombang", "/petugas/gelombang/baru", f"/petugas/gelombang/{room.wave}", f"/petugas/gelombang/{room.wave}?lihat=denah",
            f"/petugas/gelombang/{room.wave}/peserta/{room.attempts[0]}", f"/petugas/gelombang/{wave}", f"/petugas/gelombang/{wave}/berita-acara",
            f"/petugas/gelombang/{room.wave}/daftar-hadir",
        ],
        "auditor": ["/petugas/gelombang", f"/petugas/gelombang/{room.wave}", f"/petugas/hasil/{wave}", "/petugas/bank/versi/1"],
        "admin": ["/petugas/gelombang", f"/petugas/gelombang/{room.wave}"],
        "psikometrisi": [
            "/petugas/bank/butir?kompetensi=M.01", "/petugas/bank/butir/M01-01", "/petugas/bank/butir?cari=tidak-ada", "/petugas/bank/simulasi", "/petugas/bank/kalibrasi",
            "/petugas/bank/versi", "/petugas/bank/versi/1",
        ],
        "asesor": ["/petugas/hasil", f"/petugas/hasil/{wave}", f"/petugas/hasil/{wave}/{person}"],
    }  # fmt: skip
    for role, own in paths.items():
        page = open_context().new_page()
        page.goto(f"{stage.url}/petugas/masuk")
        check(page)
        officer_in(page, stage.url, role)
        for path in own:
            reply = page.goto(stage.url + path)
            assert reply is not None
            assert reply.status == 200, path
            check(page, THEMES)
            assert page.locator("main").inner_text().count("_") == 0, f"a raw code on {path}"


def test_the_confirmation_page(stage: Stage, open_context: Opener) -> None:
    room = stage.room(3)
    for card in room.cards[:2]:
        stage.enter(card)
    stage.start(room)
    page = open_context().new_page()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    page.get_by_role("button", name="Perpanjang waktu").click()
    expect(page.get_by_role("heading", name="Perpanjang waktu: 2 peserta?")).to_be_visible()
    expect(page.get_by_text("tidak sesuai: 1 peserta")).to_be_visible()
    check(page, THEMES)


@pytest.mark.parametrize("said", [{"done": 10, "total": 40}, UNREACHED], ids=["running", "failed"])
def test_a_wave_whose_plan_is_simulated_and_the_question_before_it_is_discarded(stage: Stage, open_context: Opener, said: Said) -> None:
    told = Told()
    aside = aside_of(stage.house.engine, stage.house.waves, told)
    new = NewWave("Rancangan", "Pemerintah Kota (contoh)", "Gedung A", DAY)
    wave = stage.house.waves.create(new, stage.roster(2), SHORT, actor=COORDINATOR, now=now_ms())
    aside.preflights.begin(wave, actor=COORDINATOR)
    told.say(said)
    until(
        lambda: (
            aside.works.progress("preflight", "control", wave)[0].done == 10
            or not aside.works.progress("preflight", "control", wave)[0].under_way
        )
    )
    page = open_context().new_page()
    officer_in(page, stage.url, "koordinator")
    for path in ("", "/hapus"):
        page.goto(f"{stage.url}/petugas/gelombang/{wave}{path}")
        check(page, THEMES)
        assert page.locator("main").inner_text().count("_") == 0
    aside.works.close()


def test_focus_can_be_seen_on_whatever_the_tab_key_reaches(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    to_first_item(stage, page, room)
    reached = 0
    for _ in range(12):
        page.keyboard.press("Tab")
        look = page.evaluate(
            """() => {
              const node = document.activeElement, shown = node.closest("label.option") || node, style = getComputedStyle(shown);
              return [node.tagName, style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2];
            }"""
        )
        if look[0] == "BODY":
            continue
        reached += 1
        assert look[1], f"no visible focus on {look[0]}"
    assert reached >= 3


def test_the_test_page_is_light_and_the_style_sheet_small(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    to_first_item(stage, page, room)
    sizes: dict[str, int] = {}

    def weigh(reply: Response) -> None:
        sizes[urlsplit(reply.url).path] = len(reply.body())

    page.on("response", weigh)
    page.route("**/*", lambda route: route.continue_())  # without the browser's cache: everything is weighed
    page.reload(wait_until="networkidle")
    assert sizes["/static/cact.css"] < SMALL_CSS
    assert sum(sizes.values()) < LIGHT_PAGE, sizes
