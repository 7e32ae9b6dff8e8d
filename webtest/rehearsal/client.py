"""What a browser does: cookies, form tokens, logins, and posts that are repeated with the same key when the connection breaks."""

import asyncio
import re
import time
from dataclasses import dataclass
from typing import Any

import aiohttp

from webtest.rehearsal import RehearsalError

PATIENCE_S = 120.0


TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')


META = re.compile(r'<meta name="csrf" content="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Login:
    """An officer's user name and password."""

    username: str
    password: str


class Client:
    """One browser: a cookie jar, and posts that are repeated until the server has answered."""

    def __init__(self, url: str, connector: aiohttp.TCPConnector) -> None:
        self.url = url
        self.csrf = ""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of 127.0.0.1
        timeout = aiohttp.ClientTimeout(total=60)
        self._http = aiohttp.ClientSession(connector=connector, connector_owner=False, cookie_jar=jar, timeout=timeout)

    async def close(self) -> None:
        """Forget the cookies."""
        await self._http.close()

    async def get(self, path: str) -> tuple[int, str]:
        """A page, following redirects."""
        return await self._send("GET", path, None, fragment=False)

    async def post(self, path: str, data: Any, *, fragment: bool = False) -> tuple[int, str]:
        """A form, with the page's CSRF token."""
        return await self._send("POST", path, data, fragment=fragment)

    async def _send(self, verb: str, path: str, data: Any, *, fragment: bool) -> tuple[int, str]:
        headers = {"X-CSRFToken": self.csrf} if verb == "POST" else {}
        if fragment:
            headers["X-CACT"] = "1"
        until = time.monotonic() + PATIENCE_S
        wait = 0.1
        while True:
            try:
                body = data() if callable(data) else data
                async with self._http.request(verb, self.url + path, data=body, headers=headers) as reply:
                    text = await reply.text()
                    if reply.status < 500:
                        return reply.status, text
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass
            if time.monotonic() > until:
                raise RehearsalError(f"no answer from {self.url} for {PATIENCE_S:.0f} s")
            await asyncio.sleep(wait)
            wait = min(2 * wait, 1.0)

    async def officer_login(self, login: Login) -> None:
        """Log in at the officers' door."""
        _, page = await self.get("/petugas/masuk")
        self._take_token(page, TOKEN)
        status, page = await self.post("/petugas/masuk", {"username": login.username, "password": login.password})
        if status != 200:
            raise RehearsalError(f"officer '{login.username}' cannot log in (HTTP {status})")
        self._take_token(page, TOKEN)

    def _take_token(self, page: str, pattern: re.Pattern[str]) -> None:
        found = pattern.search(page)
        if found is None:
            raise RehearsalError("a page without its form token")
        self.csrf = found.group(1)

    async def taker_login(self, nip: str, pin: str) -> str:
        """Log in at the test-taker's door; gives the first page."""
        _, page = await self.get("/masuk")
        self._take_token(page, TOKEN)
        status, page = await self.post("/masuk", {"nip": nip, "pin": pin})
        if status != 200:
            raise RehearsalError(f"a test-taker cannot log in (HTTP {status})")
        self._take_token(page, META)
        return page
