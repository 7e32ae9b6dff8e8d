"""Officers' pages on a telephone, 360 px wide: what matters is seen without looking for it. And what a page says ends when it is no longer so."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Opener, Watch
from tests.browser.stage import Stage, now_ms, officer_in, plan, to_first_item
from webtest.refusal import Refused

NARROW = {"width": 360, "height": 740}
BAD = b"nip,nama,jenjang,unit,ruang\n123,,Kepala,Dinas,A\n"


def test_every_remedy_is_within_a_narrow_screen(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append("422")
    page = open_context(viewport=NARROW).new_page()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/baru")
    for field, value in (("name", "Gelombang 9"), ("agency", "Pemerintah Kota"), ("place", "Gedung B"), ("day", "2026-11-24")):
        page.fill(f"#{field}", value)
    page.set_input_files("#roster", {"name": "daftar.csv", "mimeType": "text/csv", "buffer": BAD})
    page.click("text=Periksa berkas")
    cells = page.locator(".faults tbody td")
    expect(cells).to_have_count(12)
    for box in (cell.bounding_box() for cell in cells.all()):
        assert box is not None
        assert box["x"] + box["width"] <= NARROW["width"]


def test_the_menu_leaves_room_for_the_page(stage: Stage, open_context: Opener) -> None:
    page = open_context(viewport=NARROW).new_page()
    officer_in(page, stage.url, "auditor")  # whose menu is the longest
    bar = page.locator("header.bar").bounding_box()
    assert bar is not None
    assert bar["height"] <= 130  # three lines: who is logged in, and two of links
    expect(page.get_by_role("navigation").get_by_role("link")).to_have_count(5)


def test_the_details_of_a_person_begin_at_their_beginning(stage: Stage, open_context: Opener) -> None:
    room = stage.room(12)
    page = open_context(viewport=NARROW).new_page()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    page.locator("a[data-person]").last.click()
    expect(page.locator("#panel").get_by_role("heading", name=room.cards[11].name)).to_be_in_viewport()


def test_whoever_needs_attention_is_seen_with_the_reason(stage: Stage, open_context: Opener) -> None:
    room = stage.room(2)
    stage.enter(room.cards[1])
    with pytest.raises(Refused):
        stage.house.taking.login(room.cards[1].nip, room.cards[1].pin, "perangkat lain", now_ms())
    page = open_context(viewport=NARROW).new_page()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    said = page.locator("tr.attention").get_by_text("! minta pindah perangkat").locator("visible=true")
    expect(said).to_have_count(1)
    box = said.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= NARROW["width"]


def test_a_page_of_pin_cards_that_is_loaded_again_shows_the_board_and_leaves_the_pins_as_they_are(
    stage: Stage, open_context: Opener
) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    page.get_by_role("checkbox").first.check()  # who holds a PIN is not meant by "all who are shown"
    page.get_by_role("button", name="Terbitkan PIN").click()
    page.get_by_role("button", name="Terbitkan PIN dan cetak kartu").click()
    expect(page.get_by_role("button", name="Cetak", exact=True)).to_be_visible()
    issued = stage.session(room.attempts[0]).pin_issued_at
    page.reload()
    expect(page.get_by_role("status").first).to_contain_text("Tidak ada PIN baru")
    expect(page).to_have_url(re.compile(rf"/petugas/gelombang/{room.wave}$"))
    assert stage.session(room.attempts[0]).pin_issued_at == issued


def test_no_warning_of_the_time_outlives_its_section(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1, plan(("P.01", 2, 5.0)))
    page = open_context().new_page()
    to_first_item(stage, page, room)
    expect(page.locator("#announce")).to_have_text("Sisa waktu 5 menit")
    for _ in range(2):
        page.locator("label.option").first.click()
        page.get_by_role("button", name="Simpan dan Lanjutkan").click()
    expect(page.get_by_role("heading", name="Tes selesai")).to_be_visible()
    expect(page.locator("#announce")).to_have_text("")
