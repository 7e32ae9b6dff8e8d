"""The proctor's day in real Chromium: roster with faults, mended; opened; PIN cards; common start; pause, extend, incident; closed; minutes."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Watch
from tests.browser.stage import COORDINATOR, SHORT, Stage, log_in, now_ms, officer_in
from webtest.events import Entry, Kind
from webtest.services.acts import Card

HEADER = "nip,nama,jenjang jabatan,unit kerja,ruang"
GOOD = [
    "198504122008121001,Budi Santoso,JPT Pratama,Dinas Kesehatan,Ruang A",
    "198605132009122002,Cici Lestari,Pengawas,Dinas Kesehatan,Ruang A",
]
BAD = ["19850412200812100,Budi Santoso,JPT Pratama,Dinas Kesehatan,Ruang A", "198605132009122002,Cici Lestari,Kepala,,Ruang A"]


def upload(page: Page, rows: list[str]) -> None:
    page.set_input_files("#roster", {"name": "peserta.csv", "mimeType": "text/csv", "buffer": "\n".join([HEADER, *rows]).encode()})


def ask(page: Page, action: str, reason: str = "") -> None:
    """Press an action on the board, read what follows from it, and confirm."""
    if not page.get_by_role("button", name=action, exact=True).is_visible():
        page.click("text=Tindakan lain")
    page.get_by_role("button", name=action, exact=True).click()
    expect(page.locator("main .notice")).not_to_be_empty()
    if reason:
        if page.locator("#code").count():
            page.select_option("#code", "technical.network")
        page.fill("#reason", reason)
    page.locator("main form p.actions button").click()


def test_a_proctors_day_from_a_faulty_roster_to_the_minutes(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append("422")
    context = open_context()
    page = context.new_page()
    officer_in(page, stage.url, "pengawas")
    page.click("text=Gelombang baru")
    for field, value in (("name", "Gelombang 9"), ("agency", "Pemerintah Kota"), ("place", "Gedung B"), ("day", "2026-11-24")):
        page.fill(f"#{field}", value)
    upload(page, BAD)
    page.click("text=Periksa berkas")
    expect(page.get_by_role("alert")).to_contain_text("3 hal perlu diperbaiki")
    table = page.get_by_role("region", name="Yang perlu diperbaiki")
    for words in ("baris 2", "bukan 18 angka", "baris 3", "'Kepala' tidak dikenal", "unit kerja"):
        expect(table).to_contain_text(words)
    assert page.input_value("#name") == "Gelombang 9"
    upload(page, GOOD)
    page.click("text=Periksa berkas")
    expect(page.get_by_role("status")).to_contain_text("2 peserta")
    page.get_by_role("button", name="Buat gelombang").click()  # the checked file is carried, not chosen again
    expect(page.get_by_text("Selasa, 24 November 2026 (WIB)")).to_be_visible()
    page.get_by_role("button", name="Buka gelombang").click()
    ask(page, "Terbitkan PIN")
    cards = page.locator(".pincard")
    expect(cards).to_have_count(2)
    texts = cards.all_inner_texts()
    people = []
    for text in texts:
        nip, pin = re.search(r"NIP (\d{18})", text), re.search(r"\b(\d{6})$", text.strip())
        assert nip is not None
        assert pin is not None
        people.append(Card(text.splitlines()[0], nip[1], "Ruang A", 1, pin[1]))
    page.click("text=Kembali ke papan ruang")
    wave = page.url.rsplit("/", 1)[1]
    who = [stage.enter(card) for card in people]
    ask(page, "Mulai serentak")
    expect(page.get_by_role("status").first).to_have_text("Berhasil untuk 2 peserta.")
    for attempt, _wave, device in who:
        stage.house.taking.begin(attempt, wave, device, now_ms())
    page.reload()
    expect(page.locator(".summary")).to_contain_text("2/2 hadir · 2 berjalan · 0 perlu perhatian")
    ask(page, "Jeda", "Kabel jaringan diganti")
    expect(page.locator(".filters")).to_contain_text("Dijeda 2")
    ask(page, "Lanjutkan")
    page.get_by_label("Pilih Budi Santoso").check()
    ask(page, "Perpanjang waktu", "Mengganti waktu yang hilang")
    expect(page.get_by_role("status").first).to_have_text("Berhasil untuk 1 peserta.")
    assert [stage.session(attempt).extension_ms for attempt, _, _ in who] == [600_000, 0]
    ask(page, "Catatan kejadian", "Suara pekerjaan jalan")
    stage.sit(*who[0], lambda _content: 0)
    ask(page, "Tutup gelombang")
    minutes = page.locator("main")
    for words in (
        "Gangguan teknis: Jaringan. Kabel jaringan diganti",
        "Perpanjangan waktu 10 menit",
        "Suara pekerjaan jalan",
        "Segel catatan",
    ):
        expect(minutes).to_contain_text(words)
    pdf = context.request.get(f"{stage.url}/petugas/gelombang/{wave}/berita-acara.pdf")
    assert pdf.ok
    assert pdf.body()[:5] == b"%PDF-"
    assert stage.session(who[1][0]).finish_reason == "proctor"


def test_the_board_puts_first_who_needs_attention_and_keeps_rows_still_under_the_cursor(stage: Stage, open_context: Opener) -> None:
    room = stage.room(4, SHORT)
    who = [stage.enter(card) for card in room.cards]
    stage.start(room)
    page = open_context().new_page()
    officer_in(page, stage.url, "koordinator")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    names = page.locator("a[data-person]")
    seats = names.all_inner_texts()
    assert seats == [card.name for card in room.cards]
    page.locator("tr[data-row]").nth(1).hover()
    stage.house.store.append(
        stage.session(who[3][0]), room.wave, [Entry(Kind.MOVE_REQUESTED, {"device": "other"})], actor="taker", now=now_ms()
    )
    expect(page.locator("tr.attention")).to_have_count(1)
    assert names.all_inner_texts() == seats  # the cursor is in the table: figures change, rows stay
    page.mouse.move(2, 2)
    expect(names.first).to_have_text(room.cards[3].name)
    expect(page.locator("tr.attention").first).to_contain_text("minta pindah perangkat")
    expect(page.locator("#age")).to_contain_text("detik yang lalu")
    page.click("text=Perlu perhatian 1")
    expect(page.locator("tr[data-row]")).to_have_count(1)
    assert "tampil=perhatian" in page.url


def test_a_row_opens_the_persons_events_beside_the_board_and_never_an_answer(stage: Stage, open_context: Opener) -> None:
    room = stage.room(2, SHORT)
    who = [stage.enter(card) for card in room.cards]
    stage.start(room)
    stage.sit(*who[0], lambda _content: 0, most=2)
    stage.house.waves.extend(room.wave, room.attempts[:1], 5, "environment.power", "Listrik padam", actor=COORDINATOR, now=now_ms())
    page = open_context().new_page()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    page.get_by_role("link", name=room.cards[0].name).click()
    panel = page.get_by_role("complementary", name="Rincian peserta")
    expect(panel).to_contain_text("Soal 1–2 dijawab")
    expect(panel).to_contain_text("Waktu diperpanjang 5 menit (Koordinator Tim)")
    expect(panel).to_contain_text("Lingkungan: Listrik padam. Listrik padam")
    assert "device-" not in panel.inner_text()
    page.keyboard.press("Escape")
    expect(panel).to_be_hidden()
    assert page.evaluate("document.activeElement.innerText") == room.cards[0].name


def test_voiding_takes_two_officers(stage: Stage, open_context: Opener) -> None:
    room = stage.room(2, SHORT)
    who = stage.enter(room.cards[0])
    stage.start(room)
    stage.sit(*who, lambda _content: 0, most=1)
    first, second = open_context().new_page(), open_context().new_page()
    address = f"{stage.url}/petugas/gelombang/{room.wave}/peserta/{who[0]}"
    officer_in(first, stage.url, "pengawas")
    first.goto(address)
    first.get_by_role("button", name="Usulkan pembatalan").click()
    first.select_option("#code", "examinee.id")
    first.fill("#reason", "Bukan orang yang terdaftar")
    first.get_by_role("button", name="Usulkan pembatalan").click()
    first.goto(address)
    expect(first.get_by_text("Menunggu persetujuan petugas lain")).to_be_visible()
    expect(first.get_by_role("button", name="Setujui pembatalan")).to_have_count(0)
    assert stage.session(who[0]).voided is None
    officer_in(second, stage.url, "koordinator")
    second.goto(address)
    second.get_by_role("button", name="Setujui pembatalan").click()
    expect(second.get_by_text("Tidak dapat ditarik kembali")).to_be_visible()
    second.get_by_role("button", name="Setujui pembatalan").click()
    expect(second.get_by_role("status").first).to_have_text("Berhasil untuk 1 peserta.")
    assert stage.session(who[0]).voided is not None


def test_the_board_works_without_a_script_and_says_whom_an_action_left_out(stage: Stage, open_context: Opener) -> None:
    room = stage.room(2, SHORT)
    stage.enter(room.cards[0])
    page = open_context(java_script_enabled=False).new_page()
    officer_in(page, stage.url, "koordinator")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    ask(page, "Mulai serentak")
    expect(page.get_by_role("status").nth(1)).to_contain_text(f"{room.cards[1].name} (masuk)")
    page.get_by_role("link", name=room.cards[0].name).click()
    expect(page.get_by_role("heading", name=room.cards[0].name)).to_be_visible()
    expect(page.get_by_text("Tes dimulai oleh petugas")).to_be_visible()


def test_a_test_taker_waiting_in_a_browser_is_on_the_board_with_a_pulse(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1, SHORT)
    taker, page = open_context().new_page(), open_context().new_page()
    log_in(taker, stage.url, room.cards[0])
    expect(taker.get_by_role("heading", name="Apakah ini data Anda?")).to_be_visible()
    officer_in(page, stage.url, "pengawas")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}?lihat=denah")
    expect(page.locator(".seats li")).to_contain_text("masuk")
    page.goto(f"{stage.url}/petugas/gelombang/{room.wave}")
    expect(page.locator("tr[data-row] td:last-child")).to_contain_text("dtk")  # the first heartbeat comes within seconds
