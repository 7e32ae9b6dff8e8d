"""The cookie, and the sessions behind it: how they begin, and when they end."""

import pytest

from tests.webtest.conftest import HOUR, MINUTE, Room
from tests.webtest.site import FRAGMENT, NOW, Site, site_of
from webtest.config import House
from webtest.request import OFFICER_IDLE_MS, OFFICER_LONGEST_MS


def set_clock(monkeypatch: pytest.MonkeyPatch, ms: int) -> None:
    monkeypatch.setattr("webtest.request.time.time_ns", lambda: ms * 1_000_000)


def cookie(reply: object) -> str:
    return next(value for name, value in reply.headers if name == "Set-Cookie" and value.split("=", 1)[0].endswith("cact"))  # type: ignore[attr-defined]


def test_the_cookie_is_closed_to_scripts_and_other_sites(site: Site) -> None:
    said = cookie(site.browser().get("/masuk"))
    assert "HttpOnly" in said
    assert "SameSite=Lax" in said
    assert "Path=/" in said
    assert "Domain" not in said


def test_over_tls_the_cookie_is_bound_to_the_host_and_browsers_stay_with_tls(place_lite: House) -> None:
    browser = site_of(place_lite, secure_cookies=True).browser()
    reply = browser.get("/masuk", base_url="https://localhost")
    said = cookie(reply)
    assert said.startswith("__Host-cact=")
    assert "Secure" in said
    assert "max-age=" in reply.headers["Strict-Transport-Security"]


def test_login_begins_a_new_session_and_logout_ends_it(site: Site) -> None:
    browser = site.browser()
    browser.get("/petugas/masuk")
    before, token = browser.client.get_cookie("cact"), browser.token
    browser.officer("asesor")
    inside = browser.client.get_cookie("cact")
    assert before is not None
    assert inside is not None
    assert before.value != inside.value
    assert browser.token != token
    assert browser.post("/keluar").location == "/petugas/masuk"
    assert browser.get("/petugas/hasil").status_code == 302
    thief = site.browser()  # a copy of the cookie that was left
    thief.client.set_cookie("cact", inside.value)
    assert thief.get("/petugas/hasil").status_code == 302


def test_a_token_from_before_the_login_is_not_taken_after_it(site: Site) -> None:
    browser = site.browser()
    browser.get("/petugas/masuk")
    old = browser.token
    browser.officer("koordinator")
    assert browser.post("/petugas/gelombang/W0/buka", token=old).status_code == 400


def test_what_a_stranger_put_into_the_cookie_before_the_login_is_gone_after_it(site: Site) -> None:
    browser = site.browser()
    with browser.client.session_transaction() as held:
        held["since"], held["seen"], held["sid"], held["planted"] = 1, 1, "planted", "x"
    browser.officer("asesor")
    with browser.client.session_transaction() as held:
        assert "planted" not in held
        assert held["sid"] != "planted"


def test_an_officers_session_ends_after_an_idle_hour(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)
    browser = site.browser().officer("asesor")
    set_clock(monkeypatch, NOW + OFFICER_IDLE_MS - MINUTE)
    assert browser.get("/petugas/hasil").status_code == 200
    set_clock(monkeypatch, NOW + 2 * OFFICER_IDLE_MS - 2 * MINUTE)
    assert browser.get("/petugas/hasil").status_code == 200  # seen in between
    set_clock(monkeypatch, NOW + 3 * OFFICER_IDLE_MS)
    assert browser.get("/petugas/hasil").location == "/petugas/masuk"


def test_who_watches_a_running_room_is_not_logged_out(site: Site, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)
    browser = site.browser().officer("pengawas")
    for minutes in range(0, 3 * OFFICER_IDLE_MS // MINUTE, 10):
        set_clock(monkeypatch, NOW + minutes * MINUTE)
        assert browser.get(f"/petugas/gelombang/{room.wave}/papan", headers=FRAGMENT).status_code == 200


def test_an_officers_session_ends_after_twelve_hours_however_busy(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    set_clock(monkeypatch, NOW)
    browser = site.browser().officer("asesor")
    for minutes in range(0, OFFICER_LONGEST_MS // MINUTE, 30):
        set_clock(monkeypatch, NOW + minutes * MINUTE)
        assert browser.get("/petugas/hasil").status_code == 200
    set_clock(monkeypatch, NOW + OFFICER_LONGEST_MS + MINUTE)
    assert browser.get("/petugas/hasil").status_code == 302


def test_a_test_taker_is_never_logged_out_for_being_quiet(site: Site, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = site.browser().taker(room.takers[0])
    set_clock(monkeypatch, NOW + 3 * HOUR)
    assert browser.get("/tes").status_code == 200
