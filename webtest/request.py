"""What a page knows of the request that it answers: the house, the time, who asks and what they may, and where to send them."""

import time
from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from flask import current_app, g, redirect, request, session, url_for
from flask_babel import gettext
from flask_login import UserMixin, current_user
from werkzeug.exceptions import MethodNotAllowed, NotFound
from werkzeug.routing import RequestRedirect
from werkzeug.wrappers import Response

from webtest.accounts import Officer, Right
from webtest.config import House
from webtest.refusal import MESSAGES, Refused

OFFICER_IDLE_MS = 60 * 60_000
OFFICER_LONGEST_MS = 12 * 3_600_000


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


def awake() -> bool:
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


def retry_after(refusal: Refused) -> dict[str, str]:
    """The header that says when to come again, where the refusal knows."""
    return {} if refusal.retry_s is None else {"Retry-After": str(refusal.retry_s)}


def words_of(code: str) -> str:
    """A refusal in the language of the reader."""
    return str(gettext(MESSAGES[code]))


def own_referrer() -> str | None:
    """The page of ours that a person came from; None where it answered a form and cannot be asked for again."""
    back = request.referrer
    if not back or not back.startswith(request.host_url):
        return None
    try:
        current_app.create_url_adapter(request).match(urlsplit(back).path, method="GET")  # type: ignore[union-attr]
    except MethodNotAllowed:
        return None
    except (NotFound, RequestRedirect):
        pass  # the page itself says so
    return back


def see_other(endpoint: str, **values: Any) -> Response:
    """303 to a page after a POST, so that a reload repeats nothing."""
    return redirect(url_for(endpoint, **values), code=303)
