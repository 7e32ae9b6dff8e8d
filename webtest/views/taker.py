"""The test-taker's pages: one address, /tes, shows whatever the attempt's state calls for; so reload and back can do no harm."""

import secrets
from typing import Any

from flask import Blueprint, jsonify, render_template, request
from flask_login import current_user

from webtest.events import Kind
from webtest.request import house, needs_taker, now_ms, see_other, wants_fragment
from webtest.services.taking import Screen

pages = Blueprint("taker", __name__, url_prefix="/tes")


def _who() -> tuple[str, str, str]:
    return current_user.attempt, current_user.wave, current_user.device


def _show(screen: Screen) -> Any:
    """The screen as a part of a page for the page's script, else the whole page."""
    identity = house().taking.identity(screen.attempt) if screen.name in ("identity", "waiting", "finished") else None
    values = {"screen": screen, "identity": identity, "key": secrets.token_hex(8)}
    if wants_fragment():
        return render_template(f"taker/screens/{screen.name}.html", **values), 200, {"X-Screen": f"{screen.name}:{screen.seq}"}
    return render_template("taker/test.html", **values)


def _after_post(screen: Screen) -> Any:
    return _show(screen) if wants_fragment() else see_other("taker.test")


def _step(kind: Kind) -> Any:
    house().taking.step(*_who(), kind, now_ms())
    return _after_post(house().taking.screen(*_who(), now_ms()))


@pages.get("")
@needs_taker
def test() -> Any:
    return _show(house().taking.screen(*_who(), now_ms()))


@pages.post("/konfirmasi")
@needs_taker
def confirm() -> Any:
    return _step(Kind.IDENTITY_CONFIRMED)


@pages.post("/tata-tertib")
@needs_taker
def accept_rules() -> Any:
    return _step(Kind.RULES_ACCEPTED)


@pages.post("/latihan")
@needs_taker
def practise() -> Any:
    return _step(Kind.PRACTISED)


@pages.post("/mulai")
@needs_taker
def begin() -> Any:
    return _after_post(house().taking.begin(*_who(), now_ms()))


@pages.post("/jawab")
@needs_taker
def answer() -> Any:
    form = request.form
    seq, choice = form.get("seq", -1, type=int), form.get("choice", -1, type=int)
    client_ms = min(max(form.get("client_ms", 0, type=int), 0), 86_400_000)
    house().beats.beat(current_user.attempt, now_ms())
    return _after_post(house().taking.answer(*_who(), seq, choice, client_ms, form.get("key", "")[:32], now_ms()))


@pages.post("/denyut")
@needs_taker
def heartbeat() -> Any:
    house().beats.beat(current_user.attempt, now_ms())
    screen = house().taking.screen(*_who(), now_ms())
    return jsonify({"screen": f"{screen.name}:{screen.seq}", "left_ms": screen.clock.left_ms})
