"""The Flask application: routes, sessions, languages, headers. It holds no rule of the test."""

import datetime as dt
import time
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from flask import Blueprint, Flask, Response, abort, current_app, flash, g, jsonify, redirect, render_template, request, session, url_for
from flask_babel import Babel, get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_login import LoginManager, UserMixin, current_user
from flask_wtf.csrf import CSRFError, CSRFProtect
from werkzeug.exceptions import HTTPException
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.wrappers import Response as AnyResponse

from cat_engine import Faulty
from webtest.accounts import Officer, Right
from webtest.config import House
from webtest.formats import day, moment, number
from webtest.languages import LANGUAGES
from webtest.refusal import MESSAGES, Refused
from webtest.store import Conflict

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
OFFICER_IDLE_MS = 60 * 60_000
OFFICER_LONGEST_MS = 12 * 3_600_000
STATUS_OF = {"unknown": 404, "forbidden": 403, "moved": 409, "stale_item": 409, "already_answered": 409, "locked": 429}


class OfficerUser(UserMixin):
    """An officer, to Flask-Login."""

    def __init__(self, officer: Officer) -> None:
        self.officer = officer

    def get_id(self) -> str:
        return f"o:{self.officer.id}"


class TakerUser(UserMixin):
    """A test-taker at a device, to Flask-Login: all that the hot path needs is in the signed cookie."""

    def __init__(self, attempt: str, wave: str, device: str) -> None:
        self.attempt, self.wave, self.device = attempt, wave, device

    def get_id(self) -> str:
        return f"t:{self.attempt}:{self.wave}:{self.device}"


def house() -> House:
    """The installation behind this application."""
    found: House = current_app.extensions["cact"]
    return found


def now_ms() -> int:
    """The server's clock, read once a request."""
    if "now_ms" not in g:
        g.now_ms = time.time_ns() // 1_000_000
    return int(g.now_ms)


def officer() -> Officer:
    """Who is logged in; only behind `needs`."""
    found: Officer = current_user.officer
    return found


def needs(right: Right) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Route decorator: an officer whose role carries `right`."""

    def decorate(view: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(view)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            if not isinstance(current_user._get_current_object(), OfficerUser):
                return redirect(url_for("entry.officer_login"))
            if not officer().may(right):
                raise Refused("forbidden")
            _seen()
            return view(*args, **kwargs)

        guarded.right = right  # type: ignore[attr-defined]
        return guarded

    return decorate


def _awake() -> bool:
    """Whether an officer's session is younger than its longest life and was used within the idle time."""
    now = now_ms()
    return now - session.get("seen", 0) <= OFFICER_IDLE_MS and now - session.get("since", 0) <= OFFICER_LONGEST_MS


def _seen() -> None:
    """Note that an officer is there, at most once a minute. A board in sight asks by itself: who watches a running room is not logged out."""
    if now_ms() - session["seen"] > 60_000:
        session["seen"] = now_ms()


def needs_taker(view: Callable[..., Any]) -> Callable[..., Any]:
    """Route decorator: a test-taker who has logged in on this device."""

    @wraps(view)
    def guarded(*args: Any, **kwargs: Any) -> Any:
        if not isinstance(current_user._get_current_object(), TakerUser):
            return redirect(url_for("entry.taker_login"))
        return view(*args, **kwargs)

    guarded.taker = True  # type: ignore[attr-defined]
    return guarded


def wants_fragment() -> bool:
    """Whether the page's own script asks (it takes a part of a page), not a person's browser (which takes a whole one)."""
    return request.headers.get("X-CACT") == "1"


def create_app(parts: House, *, secure_cookies: bool = False, trusted_proxies: int = 0) -> Flask:
    """The WSGI application over an open house. `secure_cookies` behind TLS; `trusted_proxies`: how many set X-Forwarded-*."""
    from webtest.views import bank, entry, results, room, taker, words

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
    blueprints: tuple[Blueprint, ...] = (entry.pages, taker.pages, room.pages, bank.pages, results.pages)
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
    if kind != "o" or not _awake():
        return None
    found = parts.accounts.get(int(rest[0]), session["sid"])
    return OfficerUser(found) if found else None


def _limit() -> None:
    """Only an officer's upload may be large. No text of ours holds a NUL: PostgreSQL cannot keep one, and would fail late."""
    if request.mimetype != "multipart/form-data" or not request.path.startswith("/petugas/"):
        request.max_content_length = LARGEST_FORM
    texts = [request.path, *(value for values in (request.args, request.form) for _, value in values.items(multi=True))]
    if any("\x00" in text for text in texts):
        abort(400)


def _with_headers(response: Response, headers: Mapping[str, str]) -> Response:
    for name, value in headers.items():
        response.headers.setdefault(name, value)
    if request.endpoint != "static":
        response.headers["Cache-Control"] = "no-store"
    return response


def retry_after(refusal: Refused) -> dict[str, str]:
    """The header that says when to come again, where the refusal knows."""
    return {} if refusal.retry_s is None else {"Retry-After": str(refusal.retry_s)}


def words_of(code: str) -> str:
    """A refusal in the language of the reader."""
    return str(gettext(MESSAGES[code]))


def own_referrer() -> str | None:
    """The page of ours that a person came from."""
    return request.referrer if request.referrer and request.referrer.startswith(request.host_url) else None


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
    message = _l("Halaman ini sudah terlalu lama terbuka. Muat ulang halaman, lalu ulangi tindakan Anda.")
    if wants_fragment():
        return jsonify({"error": "csrf", "message": str(message)}), 400
    return render_template("problem.html", message=message, code="csrf"), 400


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


def see_other(endpoint: str, **values: Any) -> AnyResponse:
    """303 to a page after a POST, so that a reload repeats nothing."""
    return redirect(url_for(endpoint, **values), code=303)
