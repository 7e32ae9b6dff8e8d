"""Browsers for tests of the pages: they carry cookies and the form token as a person's browser does."""

import re
import time
from dataclasses import dataclass, field
from types import CodeType

from flask import Flask
from flask.testing import FlaskClient
from jinja2 import BytecodeCache
from jinja2.bccache import Bucket
from werkzeug.test import TestResponse

from tests.conftest import PASSWORD
from tests.webtest.conftest import Room, Taker
from webtest.app import create_app
from webtest.config import House

TOKEN = re.compile(r'name="csrf(?:_token)?" (?:value|content)="([^"]+)"')
FRAGMENT = {"X-CACT": "1"}
NOW = time.time_ns() // 1_000_000  # of the application, which reads the clock


@dataclass
class Browser:
    """One browser at the application."""

    app: Flask
    client: FlaskClient = field(init=False)
    token: str = ""

    def __post_init__(self) -> None:
        self.client = self.app.test_client()

    def get(self, path: str, **more: object) -> TestResponse:
        return self._noted(self.client.get(path, **more))  # type: ignore[arg-type]

    def post(self, path: str, form: dict[str, object] | None = None, *, token: str | None = None, **more: object) -> TestResponse:
        """A form with the last token seen (or `token`)."""
        values = {"csrf_token": self.token if token is None else token, **(form or {})}
        return self._noted(self.client.post(path, data=values, **more))  # type: ignore[arg-type]

    def upload(self, path: str, form: dict[str, str], content: bytes, name: str, field: str = "roster") -> TestResponse:
        """A form with a file, as a browser writes it."""
        parts = [
            f'--b\r\nContent-Disposition: form-data; name="{key}"\r\n\r\n{value}\r\n'
            for key, value in {"csrf_token": self.token, **form}.items()
        ]
        parts.append(f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\nContent-Type: text/csv\r\n\r\n')
        body = "".join(parts).encode() + content + b"\r\n--b--\r\n"
        return self._noted(self.client.post(path, data=body, content_type="multipart/form-data; boundary=b"))

    def _noted(self, response: TestResponse) -> TestResponse:
        found = TOKEN.search(response.text) if response.mimetype == "text/html" else None
        if found:
            self.token = found[1]
        return response

    def officer(self, username: str, password: str = PASSWORD) -> "Browser":
        """Log in as an officer."""
        self.get("/petugas/masuk")
        done = self.post("/petugas/masuk", {"username": username, "password": password})
        assert done.status_code == 303, done.text
        self.get(done.location)
        return self

    def taker(self, t: Taker) -> "Browser":
        """Log in as a test-taker."""
        self.get("/masuk")
        done = self.post("/masuk", {"nip": t.nip, "pin": t.pin})
        assert done.status_code == 303, done.text
        self.get("/tes")
        return self

    def to_waiting(self) -> "Browser":
        """Confirm, accept, practise."""
        for path in ("/tes/konfirmasi", "/tes/tata-tertib", "/tes/latihan"):
            assert self.post(path).status_code == 303
        self.get("/tes")
        return self


@dataclass
class Site:
    """An application over an installation."""

    house: House
    app: Flask

    def browser(self) -> Browser:
        return Browser(self.app)


class Compiled(BytecodeCache):
    """Templates that are compiled, kept for the applications of later tests: all are made with the same options."""

    def __init__(self) -> None:
        self._code: dict[str, CodeType] = {}

    def load_bytecode(self, bucket: Bucket) -> None:
        bucket.code = self._code.get(bucket.key)

    def dump_bytecode(self, bucket: Bucket) -> None:
        assert bucket.code is not None
        self._code[bucket.key] = bucket.code


COMPILED = Compiled()


def app_of(house: House, *, secure_cookies: bool = False) -> Flask:
    """The application over a house; it compiles the templates that no earlier test has used."""
    app = create_app(house, secure_cookies=secure_cookies)
    app.jinja_env.bytecode_cache = COMPILED
    return app


def site_of(house: House, *, secure_cookies: bool = False) -> Site:
    return Site(house, app_of(house, secure_cookies=secure_cookies))


def item_page(browser: Browser, room: Room, now: int) -> TestResponse:
    """Start the room, and press Mulai."""
    room.start(now)
    assert browser.post("/tes/mulai").status_code == 303
    return browser.get("/tes")
