"""The question before an action: who is meant, who would be passed over, and a reason that somebody has chosen."""

import re

from tests.webtest.conftest import Room
from tests.webtest.site import NOW, Browser, Site

SUMMARY = re.compile(r"<summary>(.*?)</summary><ul>(.*?)</ul>", re.DOTALL)


def question(browser: Browser, room: Room, action: str, *attempts: str) -> str:
    return browser.post(f"/petugas/gelombang/{room.wave}/konfirmasi", {"action": action, "attempt": list(attempts)}).text


def test_the_question_names_whom_it_means_and_whom_it_passes_over(site: Site, room: Room) -> None:
    browser = site.browser().officer("koordinator")
    room.enter(room.takers[0], NOW)
    room.start(NOW)
    names = {line.attempt: line.name for line in site.house.monitor.board(room.wave, NOW, fresh=True).lines}
    page = question(browser, room, "pause")
    (meant, who), (passed, others) = SUMMARY.findall(page)
    assert "Jeda: 1 peserta?" in page
    assert (meant, passed) == ("Peserta yang dikenai", "Dilewati karena tahapnya sekarang tidak sesuai: 1 peserta")
    assert [name for name in names.values() if name in who] == [names[room.ids[0]]]
    assert [name for name in names.values() if name in others] == [names[room.ids[1]]]
    assert page.count('name="attempt"') == 2  # who gets there before the button is pressed is paused too


def test_an_action_that_would_pass_over_everybody_is_refused_before_it_is_asked(site: Site, room: Room) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    form = {"action": "resume"}
    refused = browser.post(f"{board}/konfirmasi", form, headers={"Referer": f"http://localhost{board}"})
    assert refused.status_code == 303
    assert "Tidak ada peserta yang dapat dikenai tindakan ini." in browser.get(board).text


def test_attendance_is_asked_before_it_is_noted(site: Site, room: Room) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    assert 'formaction="' not in browser.get(board).text.split('id="room-form"')[1]  # no button of the board acts at once
    page = question(browser, room, "absent", room.ids[1])
    assert "Peserta tercatat tidak hadir" in page
    assert site.house.store.load(room.ids[1]).attended is True
    browser.post(f"{board}/tindakan", {"action": "absent", "attempt": room.ids[1]})
    assert site.house.store.load(room.ids[1]).attended is False


def test_no_kind_of_reason_is_chosen_beforehand(site: Site, room: Room) -> None:
    page = question(site.browser().officer("koordinator"), room, "note")
    select = page.split('<select id="code"')[1].split("</select>")[0]
    assert "selected" not in select
    assert select.index('<option value="">') < select.index("<optgroup")


def test_whoever_has_logged_in_was_here_whatever_was_noted_before(room: Room) -> None:
    house, (first, second) = room.house, room.takers
    done = house.waves.attend(room.wave, [first.attempt], False, actor="user:2", now=NOW)  # holds a PIN, and came late
    assert [outcome.done for outcome in done] == [True]
    room.log_in(first, NOW)
    assert [line.present for line in house.monitor.board(room.wave, NOW, fresh=True).lines] == [True, True]
    house.waves.release_device(room.wave, [first.attempt], "PC mati", actor="user:2", now=NOW)
    outcomes = house.waves.attend(room.wave, [first.attempt, second.attempt], False, actor="user:2", now=NOW)
    assert {outcome.attempt: outcome.code for outcome in outcomes} == {first.attempt: "not_now", second.attempt: ""}
    assert [line.present for line in house.monitor.board(room.wave, NOW, fresh=True).lines] == [True, False]
