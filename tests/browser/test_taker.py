"""A test-taker in real Chromium: from login to receipt by keyboard alone, without a script, and through everything that goes wrong on the day."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Opener, Watch
from tests.browser.stage import Stage, log_in, now_ms, plan, screen_of, to_first_item, to_waiting
from webtest.events import Kind

LOST = "Failed to load resource: net::"  # what Chromium says of any request that finds no server


def tab_to(page: Page, words: str) -> None:
    """Press Tab until the focus is on something with these words."""
    for _ in range(25):
        page.keyboard.press("Tab")
        if words in page.evaluate("document.activeElement.innerText || ''"):
            return
    pytest.fail(f"Tab does not reach '{words}'")


def choose(page: Page, k: int) -> None:
    page.click(f"label.option >> nth={k}")


def save(page: Page) -> None:
    page.click("form[data-answer] button")


def answers(stage: Stage, attempt: str) -> list[int]:
    """The options that the log holds for an attempt, in order."""
    return [event.payload["choice"] for event in stage.house.store.events(attempt) if event.kind == Kind.ANSWERED]


def test_the_whole_test_is_done_with_the_keyboard_alone(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    page.goto(f"{stage.url}/masuk")
    expect(page.get_by_label("NIP")).to_be_focused()  # by the page itself, a moment after it is there
    page.keyboard.type(room.cards[0].nip)
    page.keyboard.press("Tab")
    page.keyboard.type(room.cards[0].pin)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Apakah ini data Anda?")).to_be_visible()
    expect(page.locator("dl.facts")).to_contain_text(re.compile("JPT Pratama|Administrator|Pengawas|Fungsional|Pelaksana"))
    for words, following in (("Ya, data ini benar", "Tata tertib dan petunjuk"), ("Saya mengerti", "Contoh soal")):
        tab_to(page, words)
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=following).wait_for()
    page.keyboard.press("1")
    page.keyboard.press("Enter")
    expect(page.get_by_text("menunggu pengawas")).to_be_visible()
    stage.start(room)
    begin = page.get_by_role("button", name="Mulai Tes")
    begin.wait_for()  # the waiting room goes on by itself
    assert page.evaluate("document.activeElement.tagName") == "H1"
    tab_to(page, "Mulai Tes")
    page.keyboard.press("Enter")
    for number, key in enumerate(("2", "b", "1"), 1):
        expect(page.locator("#item-number")).to_have_text(f"Soal {number}")
        expect(page.get_by_role("button", name="Simpan dan Lanjutkan")).to_be_disabled()
        page.keyboard.press(key)
        page.keyboard.press("Enter")
    tab_to(page, "Mulai bagian ini")
    page.keyboard.press("Enter")
    for number in (4, 5):
        expect(page.locator("#item-number")).to_have_text(f"Soal {number}")
        page.keyboard.press("3")
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Tes selesai. Terima kasih.")).to_be_visible()
    session = stage.session(room.attempts[0])
    assert session.finished_at is not None
    expect(page.locator(".receipt").nth(1)).to_have_text(session.head[:12].upper())
    assert answers(stage, room.attempts[0]) == [1, 1, 0, 2, 2]


def test_the_whole_test_is_done_without_a_script(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context(java_script_enabled=False).new_page()
    to_waiting(page, stage.url, room.cards[0])
    stage.start(room)
    page.reload()
    for _section, items in ((1, 3), (2, 2)):
        page.click("text=/^Mulai (Tes|bagian ini)$/")
        for _item in range(items):
            assert "Sisa waktu saat halaman ini dimuat" in page.content()  # a <noscript>, which an emulated browser does not paint
            choose(page, 1)
            save(page)
    expect(page.get_by_role("heading", name="Tes selesai. Terima kasih.")).to_be_visible()
    assert len(answers(stage, room.attempts[0])) == 5


def test_a_reload_the_back_button_and_a_double_click_neither_lose_nor_repeat_an_item(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    to_first_item(stage, page, room)
    before = screen_of(page)
    page.reload()
    assert screen_of(page) == before
    choose(page, 0)
    page.locator("form[data-answer] button").dblclick()
    expect(page.locator("#item-number")).to_have_text("Soal 2")
    assert len(answers(stage, room.attempts[0])) == 1
    shown = screen_of(page)
    page.go_back()
    if page.url.endswith("/masuk"):
        page.click("text=Kembali ke tes")
    expect(page.locator("#item-number")).to_have_text("Soal 2")
    assert screen_of(page) == shown
    assert len(answers(stage, room.attempts[0])) == 1


def test_a_second_tab_cannot_answer_an_item_again(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append("409")
    room = stage.room(1)
    context = open_context()
    page = context.new_page()
    to_first_item(stage, page, room)
    other = context.new_page()
    other.goto(f"{stage.url}/tes")
    choose(page, 0)
    save(page)
    expect(page.locator("#item-number")).to_have_text("Soal 2")
    choose(other, 2)
    save(other)
    expect(other.locator("#refusal")).to_contain_text("sudah dijawab")
    expect(other.locator("#item-number")).to_have_text("Soal 2")
    assert answers(stage, room.attempts[0]) == [0]


def test_another_device_is_refused_until_the_proctor_approves_and_then_the_first_is_told(
    stage: Stage, open_context: Opener, watch: Watch
) -> None:
    watch.expected.append("409")
    room = stage.room(1)
    first, second = open_context().new_page(), open_context().new_page()
    to_first_item(stage, first, room)
    shown = screen_of(first)
    log_in(second, stage.url, room.cards[0])
    expect(second.get_by_role("alert")).to_contain_text("sedang terbuka di perangkat lain")
    stage.house.waves.release_device(room.wave, room.attempts, "Komputer meja 1 mati", actor="user:1", now=now_ms())
    log_in(second, stage.url, room.cards[0])
    second.wait_for_selector("form[data-answer]")
    assert screen_of(second) == shown
    choose(first, 0)
    save(first)
    expect(first.get_by_role("heading", name="Tes ini telah dipindahkan ke perangkat lain.")).to_be_visible()
    assert answers(stage, room.attempts[0]) == []
    first.click("text=Keluar dari perangkat ini")
    expect(first.get_by_role("heading", name="Masuk sebagai peserta")).to_be_visible()


def test_a_lost_connection_keeps_the_choice_and_the_answer_counts_once(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append(LOST)
    room = stage.room(1)
    context = open_context()
    page = context.new_page()
    to_first_item(stage, page, room)
    context.set_offline(True)
    choose(page, 1)
    save(page)
    expect(page.locator("#lost")).to_be_visible()
    expect(page.locator("#lost")).to_contain_text("Pilihan Anda tetap tersimpan di layar")
    assert page.locator("input[name=choice]").nth(1).is_checked()
    context.set_offline(False)
    expect(page.locator("#item-number")).to_have_text("Soal 2")
    expect(page.locator("#lost")).to_be_hidden()
    assert answers(stage, room.attempts[0]) == [1]


def test_a_server_killed_in_the_middle_of_an_item_comes_back_with_the_same_item(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append(LOST)
    room = stage.room(1)
    page = open_context().new_page()
    to_first_item(stage, page, room)
    choose(page, 0)
    save(page)
    expect(page.locator("#item-number")).to_have_text("Soal 2")
    shown = screen_of(page)
    stage.server.kill()
    choose(page, 2)
    save(page)
    expect(page.locator("#lost")).to_be_visible()
    stage.server.start()
    expect(page.locator("#item-number")).to_have_text("Soal 3")
    assert answers(stage, room.attempts[0]) == [0, 2]
    presented = [e for e in stage.house.store.events(room.attempts[0]) if e.kind == Kind.PRESENTED]
    assert shown == f"item:{presented[1].seq}"
    assert len(presented) == 3
    shown = screen_of(page)
    stage.server.kill()
    stage.server.start()
    page.reload()
    assert screen_of(page) == shown


def test_a_pause_hides_the_item_and_an_extension_is_shown(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    to_first_item(stage, page, room)
    shown = screen_of(page)
    expect(page.locator("#clock")).to_have_text(re.compile(r"Sisa waktu (10:00|9:5\d)"))
    stage.house.waves.pause(room.wave, room.attempts, "technical.network", "Uji", actor="user:1", now=now_ms())
    page.reload()
    expect(page.get_by_role("heading", name="Tes dijeda oleh pengawas. Waktu Anda berhenti.")).to_be_visible()
    assert page.locator(".scenario").count() == 0
    stage.house.waves.extend(room.wave, room.attempts, 7, "technical.network", "Uji", actor="user:1", now=now_ms())
    stage.house.waves.resume(room.wave, room.attempts, actor="user:1", now=now_ms())
    expect(page.locator("#clock")).to_have_text(re.compile(r"Sisa waktu 16:\d\d"))  # the page comes back by itself, with the server's clock
    assert screen_of(page) == shown


def test_the_last_minute_is_announced_in_words(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1, plan(("M.01", 3, 1.0)))
    page = open_context().new_page()
    to_first_item(stage, page, room)
    expect(page.get_by_role("status")).to_have_text("Sisa waktu 1 menit")
    expect(page.locator("#clock")).to_have_text(re.compile(r"Sisa waktu (1:00|0:5\d)"))
    page.locator(".settings summary").click()
    page.select_option("[data-setting=clock]", "hidden")
    expect(page.locator("#clock")).to_have_text("")


def test_when_time_runs_out_the_chosen_answer_is_sent_and_counts(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1, plan(("M.01", 3, 0.05), ("P.01", 2, 5.0)))
    page = open_context().new_page()
    to_first_item(stage, page, room)
    choose(page, 1)
    expect(page.get_by_role("heading", name="Bagian 2")).to_be_visible()
    session = stage.session(room.attempts[0])
    assert answers(stage, room.attempts[0]) == [1]
    assert session.engine.section == 1
    assert [e.payload["reason"] for e in stage.house.store.events(room.attempts[0]) if e.kind == Kind.SECTION_ENDED] == ["time"]


def test_a_wrong_pin_says_what_to_do_and_keeps_the_nip(stage: Stage, open_context: Opener, watch: Watch) -> None:
    watch.expected.append("401")
    room = stage.room(1)
    page = open_context().new_page()
    page.goto(f"{stage.url}/masuk")
    page.fill("#nip", room.cards[0].nip)
    page.fill("#pin", "12 34")
    page.click("main .card button")
    expect(page.get_by_role("alert")).to_contain_text("NIP atau PIN tidak cocok")
    assert page.input_value("#nip") == room.cards[0].nip
    assert page.evaluate("document.activeElement.id") == "pin"
    assert room.cards[0].nip not in page.url


def test_keys_scores_and_parameters_never_reach_the_browser(stage: Stage, open_context: Opener) -> None:
    room = stage.room(1)
    page = open_context().new_page()
    bodies: list[str] = []
    page.on("response", lambda reply: bodies.append(reply.text()) if "/tes" in reply.url and reply.status == 200 else None)
    to_first_item(stage, page, room)
    choose(page, 0)
    save(page)
    expect(page.locator("#item-number")).to_have_text("Soal 2")
    told = "".join(bodies)
    assert "Soal nomor" in told
    shown = stage.session(room.attempts[0]).shown
    assert shown is not None
    for secret in (shown.item_id, "rationale", "score", "theta", "category", "item_id"):
        assert secret not in told


def test_the_display_menu_lies_within_a_phones_screen(stage: Stage, open_context: Opener) -> None:
    page = open_context(viewport={"width": 360, "height": 740}).new_page()
    to_first_item(stage, page, stage.room())
    page.locator(".settings summary").click()
    for size in ("", "largest"):
        page.select_option("[data-setting=size]", size)
        box = page.locator(".settings > div").bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360
        assert box["y"] + box["height"] <= 740
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
