"""The Flask application: routes, sessions, languages, headers. It holds no rule of the test."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Flask, Response, abort, flash, jsonify, redirect, render_template, request, session
from flask_babel import Babel, get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix

from cat_engine import Faulty
from webtest.accounts import Right
from webtest.config import House
from webtest.formats import day, moment, number
from webtest.languages import LANGUAGES
from webtest.refusal import Refused
from webtest.request import OfficerUser, TakerUser, awake, own_referrer, see_other, wants_fragment, words_of
from webtest.store import Conflict
from webtest.views import bank, entry, papers, results, room, taker, words
from webtest.views.faultwords import unprintable_in

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'; frame-src 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
LARGEST_FORM = 1_000_000
OVER_TLS = {"Strict-Transport-Security": "max-age=31536000"}
STATUS_OF = {"unknown": 404, "forbidden": 403, "moved": 409, "stale_item": 409, "already_answered": 409, "locked": 429}


def create_app(parts: House, *, secure_cookies: bool = False, trusted_proxies: int = 0) -> Flask:
    """The WSGI application over an open house. `secure_cookies` behind TLS; `trusted_proxies`: how many set X-Forwarded-*."""
    app = Flask(__name__)
    app.extensions["cact"] = parts
    app.extensions["cact-gate"] = entry.FailureGate()
    app.config.update(
        SECRET_KEY=parts.keys.cookie,
        SESSION_COOKIE_NAME="__Host-cact" if secure_cookies else "cact",
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Lax",
        SESSION_COOKIE_SECURE=secure_cookies,
        PERMANENT_SESSION_LIFETIME=dt.timedelta(hours=12),
        SESSION_REFRESH_EACH_REQUEST=False,
        MAX_CONTENT_LENGTH=9_000_000,
        MAX_FORM_MEMORY_SIZE=2_000_000,
        WTF_CSRF_TIME_LIMIT=None,
        BABEL_DEFAULT_LOCALE="id",
        BABEL_DEFAULT_TIMEZONE="Asia/Jakarta",
    )
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    if trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=trusted_proxies, x_proto=trusted_proxies)  # type: ignore[method-assign]
    Babel(app, locale_selector=_locale)
    app.before_request(_limit)
    app.teardown_request(lambda _error: request.close())  # lets go of uploads at once
    CSRFProtect(app)
    manager = LoginManager(app)
    manager.session_protection = None
    manager.user_loader(lambda user_id: _user(parts, user_id))
    blueprints: tuple[Blueprint, ...] = (entry.pages, taker.pages, room.pages, papers.pages, bank.pages, results.pages)
    for pages in blueprints:
        app.register_blueprint(pages)
    headers = {**HEADERS, **(OVER_TLS if secure_cookies else {})}
    app.after_request(lambda response: _with_headers(response, headers))
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Conflict, _overtaken)
    app.register_error_handler(Faulty, _faulty)
    app.register_error_handler(CSRFError, _csrf)
    app.register_error_handler(HTTPException, _http)
    app.context_processor(lambda: {"locale": str(get_locale()), "Right": Right, "LANGUAGES": LANGUAGES})
    for form in (day, moment, number):
        app.add_template_filter(form)
    words.attach(app)
    return app


def _locale() -> str:
    chosen = session.get("language")
    return chosen if chosen in LANGUAGES else "id"


def _user(parts: House, user_id: str) -> UserMixin | None:
    kind, *rest = user_id.split(":")
    if kind == "t" and len(rest) == 3:
        return TakerUser(*rest)
    if kind != "o" or not awake():
        return None
    found = parts.accounts.get(int(rest[0]), session["sid"])
    return OfficerUser(found) if found else None


def _limit() -> Any:
    """Only an officer's upload may be large. No text of ours holds a NUL: PostgreSQL cannot keep one, and would fail late."""
    if request.mimetype != "multipart/form-data" or not request.path.startswith("/petugas/"):
        request.max_content_length = LARGEST_FORM
    if any("\x00" in text for text in (request.path, *(value for _, value in request.args.items(multi=True)))):
        abort(400)
    field = next((name for name, value in request.form.items(multi=True) if "\x00" in value), None)
    return None if field is None else _unusable_form(unprintable_in(field), "unprintable")


def _unusable_form(message: str, code: str) -> Any:
    """A form that was not taken, and why."""
    if wants_fragment():
        return jsonify({"error": code, "message": message}), 400
    return render_template("problem.html", message=message, code=code, back=own_referrer()), 400


def _with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def _refused(refusal: Refused) -> Any:
    status = STATUS_OF.get(refusal.code, 409)
    if wants_fragment() or request.accept_mimetypes.best == "application/json":
        return jsonify({"error": refusal.code, "message": words_of(refusal.code)}), status
    if isinstance(current_user._get_current_object(), TakerUser) and refusal.code != "moved" and request.method == "POST":
        flash(words_of(refusal.code), "warning")
        return see_other("taker.test")
    back = own_referrer() if request.method == "POST" else None
    if back and status == 409 and refusal.code != "moved":
        flash(words_of(refusal.code), "warning")
        return redirect(back, code=303)
    return render_template("problem.html", message=words_of(refusal.code), code=refusal.code), status


def _overtaken(_error: Conflict) -> Any:
    """A writer that lost every race: the page shows what is there, and the person tries again."""
    return _refused(Refused("not_now"))


def _faulty(error: Faulty) -> Any:
    return render_template("faults.html", faults=error.faults), 422


def _csrf(_error: CSRFError) -> Any:
    return _unusable_form(gettext("Halaman ini sudah terlalu lama terbuka. Muat ulang halaman, lalu ulangi tindakan Anda."), "csrf")


def _http(error: HTTPException) -> Any:
    if error.code is not None and 300 <= error.code < 400:
        return error.get_response()
    texts = {
        404: _l("Halaman tidak ditemukan."),
        405: _l("Tindakan ini tidak tersedia di alamat ini."),
        413: _l("Kiriman terlalu besar: sebuah berkas paling besar 8 MB, teks dalam formulir jauh lebih kecil."),
    }
    message = texts.get(error.code or 500, _l("Terjadi kesalahan. Data yang sudah disimpan aman; silakan ulangi."))
    return render_template("problem.html", message=message, code=str(error.code)), error.code or 500
