"""Who stands at the doors: failed logins are slowed down, and the address is the one that trusted proxies name."""

import re

import pytest
from flask import Flask

from tests.conftest import PASSWORD
from tests.webtest.conftest import Room
from tests.webtest.site import Site
from webtest.app import create_app
from webtest.config import House
from webtest.refusal import Refused
from webtest.views.entry import FailureGate


def test_the_door_closes_for_a_while_after_many_failures_and_says_for_how_long(site: Site, room: Room) -> None:
    t = room.takers[0]
    browser = site.browser()
    browser.get("/masuk")
    said = [browser.post("/masuk", {"nip": t.nip, "pin": "x"}) for _ in range(7)]
    assert [reply.status_code for reply in said] == [401] * 5 + [429] * 2
    assert 0 < int(said[-1].headers["Retry-After"]) <= 60
    assert "Retry-After" not in said[0].headers
    other = site.browser().taker(room.takers[1])  # the room goes on
    assert other.get("/tes").status_code == 200


def test_the_two_doors_say_the_same_of_wrong_names_and_wrong_secrets(site: Site, room: Room) -> None:
    browser = site.browser()
    browser.get("/masuk")

    def said(path: str, form: dict[str, object]) -> tuple[int, str]:
        reply = browser.post(path, form)
        return reply.status_code, re.sub(r'value="[^"]*"', "", reply.text)

    assert said("/masuk", {"nip": room.takers[0].nip, "pin": "x"}) == said(
        "/masuk", {"nip": "197001011995011999", "pin": room.takers[0].pin}
    )
    browser.get("/petugas/masuk")
    assert said("/petugas/masuk", {"username": "asesor", "password": "x"}) == said(
        "/petugas/masuk", {"username": "nobody", "password": PASSWORD}
    )


def test_an_address_with_very_many_failures_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    gate, clock = FailureGate(most=3, window_s=10, largest=2), [100.0]
    monkeypatch.setattr("webtest.views.entry.time.monotonic", lambda: clock[0])
    for _ in range(3):
        gate.check("a")
        gate.fail("a")
        clock[0] += 1
    with pytest.raises(Refused) as caught:
        gate.check("a")
    assert (caught.value.code, caught.value.retry_s) == ("locked", 7)
    gate.check("b")
    clock[0] += 7
    gate.check("a")
    for address in "bcd":
        gate.fail(address)
        clock[0] += 11
    assert len(gate._failures) <= 2  # what is old is let go


def test_a_server_behind_a_proxy_trusts_as_many_hops_as_it_was_told(place_lite: House) -> None:
    def address(app: Flask) -> str | None:
        from flask import request

        @app.get("/alamat")
        def where() -> str:
            return request.remote_addr or ""

        return app.test_client().get("/alamat", headers={"X-Forwarded-For": "6.6.6.6, 10.0.0.9"}).text

    assert address(create_app(place_lite)) == "127.0.0.1"
    assert address(create_app(place_lite, trusted_proxies=1)) == "10.0.0.9"
