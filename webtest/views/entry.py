"""Doors: the test-taker's login, the officers' login, language, health."""

import secrets
import threading
import time
from typing import Any

from flask import Blueprint, flash, redirect, render_template, request, session, url_for
from flask_login import current_user, login_user, logout_user

from webtest.app import LANGUAGES, OfficerUser, TakerUser, house, now_ms, see_other
from webtest.refusal import MESSAGES, Refused
from webtest.roster import clean_nip

pages = Blueprint("entry", __name__)


class FailureGate:
    """Refuses an address after many failed logins: at most `most` in `window_s` seconds. Successes cost nothing, rooms share an address."""

    def __init__(self, most: int = 60, window_s: float = 300.0) -> None:
        self._most, self._window_s = most, window_s
        self._failures: dict[str, list[float]] = {}
        self._lock = threading.Lock()

    def check(self, address: str) -> None:
        """Raises Refused("locked") while an address has used up its failures."""
        since = time.monotonic() - self._window_s
        with self._lock:
            recent = [t for t in self._failures.get(address, []) if t > since]
            if recent:
                self._failures[address] = recent
            else:
                self._failures.pop(address, None)
            if len(recent) >= self._most:
                raise Refused("locked")

    def fail(self, address: str) -> None:
        """Count a failure."""
        with self._lock:
            self._failures.setdefault(address, []).append(time.monotonic())


gate = FailureGate()


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
        gate.check(address)
        nip, pin = clean_nip(request.form.get("nip", "")), "".join(request.form.get("pin", "").split())
        attempt, wave = house().taking.login(nip, pin, device, now_ms())
    except Refused as refusal:
        if refusal.code == "login_failed":
            gate.fail(address)
        status = {"locked": 429, "device_bound": 409}.get(refusal.code, 401)
        page = render_template("taker/login.html", message=MESSAGES[refusal.code], nip=request.form.get("nip", "")[:30])
        return page, status, {"Retry-After": "60"} if status == 429 else {}
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
        gate.check(address)
        found = house().accounts.login(request.form.get("username", "").strip(), request.form.get("password", ""), now_ms())
    except Refused as refusal:
        gate.fail(address)
        status = 429 if refusal.code == "locked" else 401
        return render_template("officer/login.html", message=MESSAGES[refusal.code]), status, {"Retry-After": "60"} if status == 429 else {}
    _renew()
    login_user(OfficerUser(found))
    return see_other("room.waves")


def _renew(**kept: str) -> None:
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
    logout_user()
    return see_other("entry.officer_login" if was_officer else "entry.taker_login")


@pages.post("/bahasa/<language>")
def choose_language(language: str) -> Any:
    if language in LANGUAGES:
        session["language"] = language
    else:
        flash(str(MESSAGES["unknown"]), "warning")
    back = request.referrer if request.referrer and request.referrer.startswith(request.host_url) else url_for("entry.home")
    return redirect(back, code=303)


@pages.get("/sehat")
def healthy() -> Any:
    house().store.load("health")
    return {"status": "ok"}
