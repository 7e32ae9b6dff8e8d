"""PIN cards: a page of them that is loaded again makes no printed card worthless."""

import re

import pytest
from sqlalchemy import text

from tests.webtest.conftest import PLAN, Room, Taker
from tests.webtest.site import NOW, Browser, Site
from webtest.founding import invented_roster
from webtest.refusal import Refused
from webtest.services.waves import NewWave

CARD = re.compile(r"NIP (\d{18})<br>.*?<div class=\"pin\">(\d{6})</div>", re.DOTALL)
HIDDEN = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def asked(browser: Browser, board: str, *attempts: str) -> dict[str, object]:
    """The form that asks whether PINs are to be issued, as it would be sent."""
    page = browser.post(f"{board}/konfirmasi", {"action": "pin", "attempt": list(attempts)})
    form: dict[str, list[str]] = {}
    for name, value in HIDDEN.findall(page.text):
        form.setdefault(name, []).append(value)
    del form["csrf_token"]
    return dict(form)


def test_a_page_of_cards_that_is_loaded_again_issues_no_new_pins(site: Site, room: Room) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    form = asked(browser, board, *room.ids)
    assert len(form["attempt"]) == 2  # type: ignore[arg-type]
    page = browser.post(f"{board}/pin", form)
    cards = dict(CARD.findall(page.text))
    assert sorted(cards) == sorted(t.nip for t in room.takers)
    issued = [event.seq for event in site.house.store.events(room.ids[0]) if event.kind == "pin_issued"]
    again = browser.post(f"{board}/pin", form, headers={"Referer": f"http://localhost{board}/konfirmasi"})
    assert (again.status_code, again.location) == (303, f"http://localhost{board}/konfirmasi")
    assert "Tidak ada PIN baru" in browser.get(browser.get(f"{board}/konfirmasi").location).text
    assert [event.seq for event in site.house.store.events(room.ids[0]) if event.kind == "pin_issued"] == issued
    site.browser().taker(Taker(room.ids[0], room.takers[0].nip, cards[room.takers[0].nip], ""))  # the printed card is still good


@pytest.mark.parametrize("seen", [None, "", "x", "1.5", "9" * 5_000])
def test_a_form_that_does_not_say_what_the_officer_saw_replaces_no_pin(site: Site, room: Room, seen: str | None) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    form = asked(browser, board, *room.ids)
    del form["newest_pin"]
    before = [site.house.store.events(attempt) for attempt in room.ids]
    refused = browser.post(f"{board}/pin", {**form, **({} if seen is None else {"newest_pin": seen})})
    assert refused.status_code == 409
    assert "Tidak ada PIN baru" in refused.text
    assert [site.house.store.events(attempt) for attempt in room.ids] == before


def test_who_has_got_a_pin_from_a_colleague_meanwhile_is_left_out_and_the_page_says_so(site: Site, room: Room) -> None:
    one, other = site.browser().officer("koordinator"), site.browser().officer("pengawas")
    board = f"/petugas/gelombang/{room.wave}"
    form = asked(one, board, *room.ids)
    first = CARD.findall(other.post(f"{board}/pin", asked(other, board, room.ids[0])).text)
    page = one.post(f"{board}/pin", form)
    assert [nip for nip, _pin in first] == [room.takers[0].nip]
    assert [nip for nip, _pin in CARD.findall(page.text)] == [room.takers[1].nip]
    assert "1 peserta dilewati" in page.text


def test_asked_again_new_pins_are_issued_and_the_old_ones_die(site: Site, room: Room) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    pages = [browser.post(f"{board}/pin", asked(browser, board, room.ids[0])).text for _ in range(2)]
    (old,), (new,) = (CARD.findall(page) for page in pages)
    assert old[0] == new[0]
    stranger = site.browser()
    stranger.get("/masuk")
    if old != new:  # one of a million
        assert stranger.post("/masuk", {"nip": old[0], "pin": old[1]}).status_code != 303
    site.browser().taker(Taker(room.ids[0], *new, ""))


def test_whoever_holds_a_pin_keeps_it_unless_ticked(site: Site) -> None:
    house = site.house
    new = NewWave("Uji", "Kota", "Aula", "2026-11-24")
    wave = house.waves.create(new, invented_roster(3), PLAN, actor="user:2", now=NOW)
    house.waves.open(wave, actor="user:2", now=NOW)
    held, *others = (line.attempt for line in house.monitor.board(wave, NOW, fresh=True).lines)
    house.waves.issue_pins(wave, [held], actor="user:2", now=NOW)
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{wave}"
    page = browser.post(f"{board}/konfirmasi", {"action": "pin"}).text
    assert "Terbitkan PIN: 2 peserta?" in page
    assert "1 peserta lain sudah memegang PIN" in page
    assert [value for name, value in HIDDEN.findall(page) if name == "attempt"] == others
    house.waves.issue_pins(wave, others, actor="user:2", now=NOW)
    refused = browser.post(f"{board}/konfirmasi", {"action": "pin"}, headers={"Referer": f"http://localhost{board}"})
    assert refused.status_code == 303
    assert "sudah memegang PIN. Centang" in browser.get(board).text


def test_a_colleague_whose_pins_were_begun_before_the_question_and_written_after_it_is_faster_too(site: Site, room: Room) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    form = asked(browser, board, *room.ids)
    cards = room.house.waves.issue_pins(room.wave, [room.ids[0]], actor="user:9", now=NOW - 60_000)  # it took a minute to write them down
    page = browser.post(f"{board}/pin", form).text
    assert [nip for nip, _pin in CARD.findall(page)] == [room.takers[1].nip]
    site.browser().taker(Taker(room.ids[0], room.takers[0].nip, cards[0].pin, ""))


def test_pins_of_one_millisecond_are_told_apart(room: Room) -> None:
    house, wave = room.house, room.wave
    seen = house.monitor.board(wave, NOW, fresh=True).newest_pin
    house.waves.issue_pins(wave, room.ids[:1], actor="user:9", now=NOW, newest=seen)  # NOW is when the first PINs were issued, too
    with pytest.raises(Refused, match="pins_issued"):
        house.waves.issue_pins(wave, room.ids[:1], actor="user:9", now=NOW, newest=seen)


def test_whose_pin_died_before_logging_in_is_meant_without_a_tick(site: Site, room: Room) -> None:
    with site.house.engine.execution_options(write=True).begin() as sql:
        sql.execute(text("UPDATE attempt SET pin_expires_at = 1 WHERE id = :a"), {"a": room.ids[1]})
    page = site.browser().officer("koordinator").post(f"/petugas/gelombang/{room.wave}/konfirmasi", {"action": "pin"}).text
    assert [value for name, value in HIDDEN.findall(page) if name == "attempt"] == room.ids[1:]
    assert "1 peserta lain sudah memegang PIN" in page
