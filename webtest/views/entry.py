"""Doors: the test-taker's login, the officers' login, language, health."""

import math
import secrets
import threading
import time
from typing import Any

from flask import Blueprint, current_app, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user

from webtest.languages import LANGUAGES
from webtest.refusal import Refused
from webtest.request import OFFICER_LONGEST_MS, OfficerUser, TakerUser, house, now_ms, own_referrer, retry_after, see_other, words_of
from webtest.roster import clean_nip

pages = Blueprint("entry", __name__)


class FailureGate:
    """Refuses an address after many failed logins: at most `most` in `window_s` seconds. Successes cost nothing, rooms share an address."""

    def __init__(self, most: int = 60, window_s: float = 300.0, largest: int = 10_000) -> None:
        self._most, self._window_s, self._largest = most, window_s, largest
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raises Refused("locked"), with the seconds to wait, while an address has used up its failures."""
        now = time.monotonic()
        with self._lock:
            recent = self._recent(address, now)
            if len(recent) >= self._most:
                raise Refused("locked", retry_s=math.ceil(recent[-self._most] + self._window_s - now))

    def fail(self, address: str) -> None:
        """Count a failure."""
        now = time.monotonic()
        with self._lock:
            if len(self._failures) >= self._largest:
                self._failures = {known: recent for known in self._failures if (recent := self._recent(known, now))}
            self._failures[address] = [*self._recent(address, now), now]

    def _recent(self, address: str, now: float) -> list[float]:
        return [t for t in self._failures.get(address, []) if t > now - self._window_s]


def _gate() -> FailureGate:
    gate: FailureGate = current_app.extensions["cact-gate"]
    return gate


@pages.get("/")
def home() -> Any:
    user = current_user._get_current_object()
    if isinstance(user, TakerUser):
        return redirect(url_for("taker.test"))
    if isinstance(user, OfficerUser):
        return redirect(url_for("room.waves"))
    return redirect(url_for("entry.taker_login"))


@pages.get("/masuk")
def taker_login() -> Any:
    return render_template("taker/login.html")


@pages.post("/masuk")
def taker_login_post() -> Any:
    address = request.remote_addr or ""
    device = session.get("device") or secrets.token_hex(16)
    try:
        _gate().check(address)
        nip, pin = clean_nip(request.form.get("nip", "")), "".join(request.form.get("pin", "").split())
        attempt, wave = house().taking.login(nip, pin, device, now_ms())
    except Refused as refusal:
        if refusal.code == "login_failed":
            _gate().fail(address)
        status = {"locked": 429, "device_bound": 409}.get(refusal.code, 401)
        page = render_template("taker/login.html", message=words_of(refusal.code), nip=request.form.get("nip", "")[:30])
        return page, status, retry_after(refusal)
    _renew(device=device)
    login_user(TakerUser(attempt, wave, device))
    return see_other("taker.test")


@pages.get("/petugas/masuk")
def officer_login() -> Any:
    return render_template("officer/login.html")


@pages.post("/petugas/masuk")
def officer_login_post() -> Any:
    address = request.remote_addr or ""
    try:
        _gate().check(address)
        found = house().accounts.login(request.form.get("username", "").strip(), request.form.get("password", ""), now_ms())
    except Refused as refusal:
        if refusal.code == "officer_login_failed":
            _gate().fail(address)
        status = 429 if refusal.code == "locked" else 401
        return render_template("officer/login.html", message=words_of(refusal.code)), status, retry_after(refusal)
    _renew(sid=secrets.token_hex(16), since=now_ms(), seen=now_ms())
    login_user(OfficerUser(found))
    return see_other("room.waves")


def _renew(**kept: str | int) -> None:
    """A new session at login: whatever the cookie held before, but language, is gone."""
    language = session.get("language")
    session.clear()
    session.permanent = True
    session.update(kept)
    if language:
        session["language"] = language


@pages.post("/keluar")
def leave() -> Any:
    was_officer = isinstance(current_user._get_current_object(), OfficerUser)
    if was_officer:
        house().accounts.end_session(session["sid"], now_ms(), OFFICER_LONGEST_MS)
    logout_user()
    _renew(**{name: session[name] for name in ("device",) if name in session})
    return see_other("entry.officer_login" if was_officer else "entry.taker_login")


@pages.post("/bahasa/<language>")
def choose_language(language: str) -> Any:
    if language in LANGUAGES:
        session["language"] = language
    else:
        flash(words_of("unknown"), "warning")
    return redirect(own_referrer() or url_for("entry.home"), code=303)


@pages.get("/sehat")
def healthy() -> Any:
    house().store.load("health")
    return {"status": "ok"}
