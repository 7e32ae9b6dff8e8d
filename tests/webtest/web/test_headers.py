"""What every answer carries: the headers, and pages that need nothing the policy forbids."""

import re

import pytest

from tests.webtest.conftest import Room
from tests.webtest.site import Browser, Site


def pages(site: Site, room: Room) -> list[tuple[Browser, str]]:
    """A page of every kind: login, test, board, bank, results, fault, unknown, a file, a fragment's page."""
    anonymous, taker = site.browser(), site.browser().taker(room.takers[0])
    koordinator, psikometrisi = site.browser().officer("koordinator"), site.browser().officer("psikometrisi")
    auditor = site.browser().officer("auditor")
    return [
        (anonymous, "/"), (anonymous, "/masuk"), (anonymous, "/petugas/masuk"), (anonymous, "/sehat"), (anonymous, "/tidak-ada"),
        (anonymous, "/static/cact.css"), (anonymous, "/tes"), (taker, "/tes"), (koordinator, "/petugas/gelombang"),
        (koordinator, f"/petugas/gelombang/{room.wave}"), (koordinator, f"/petugas/gelombang/{room.wave}/papan"),
        (koordinator, f"/petugas/gelombang/{room.wave}/berita-acara"), (koordinator, f"/petugas/gelombang/{room.wave}/berita-acara.pdf"),
        (koordinator, "/petugas/gelombang/W0"), (koordinator, "/petugas/hasil"), (psikometrisi, "/petugas/bank/butir"),
        (psikometrisi, "/petugas/bank/versi"), (auditor, "/petugas/hasil"),
    ]  # fmt: skip


def test_every_answer_carries_the_headers(site: Site, room: Room) -> None:
    for browser, path in pages(site, room):
        reply = browser.get(path)
        policy = reply.headers["Content-Security-Policy"]
        assert "unsafe" not in policy, path
        rules = dict(rule.split(" ", 1) for rule in policy.split("; "))
        assert (rules["default-src"], rules["script-src"], rules["frame-ancestors"], rules["base-uri"]) == (
            "'none'",
            "'self'",
            "'none'",
            "'none'",
        )
        assert rules["form-action"] == "'self'"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert reply.headers["Referrer-Policy"] == "same-origin"
        assert "camera=()" in reply.headers["Permissions-Policy"]
        assert ("no-store" in reply.headers.get("Cache-Control", "")) == (not path.startswith("/static/")), path
        assert "Strict-Transport-Security" not in reply.headers
        reply.close()


def test_no_page_needs_what_the_policy_forbids(site: Site, room: Room) -> None:
    """No script, style or handler within a page, nothing from another host."""
    for browser, path in pages(site, room):
        text = browser.get(path).text if "pdf" not in path and "static" not in path else ""
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=|javascript:", text), path
        assert not re.search(r'(?:src|href|action)="(?:https?:)?//', text), path


def test_a_refusal_and_a_failure_carry_the_headers_too(site: Site, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    browser = site.browser().officer("koordinator")

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("NIP 198504122008121001")

    monkeypatch.setattr(site.house.monitor, "board", fail)
    reply = browser.get(f"/petugas/gelombang/{room.wave}")
    assert reply.status_code == 500
    assert "unsafe" not in reply.headers["Content-Security-Policy"]
    assert "1985" not in reply.text
    assert "RuntimeError" not in reply.text
