"""A throw-away installation with a server of its own, that is killed at random instants."""

import asyncio
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

from sqlalchemy import text

from cat_engine import Fault, Faulty
from itembank.db import data_url, open_engine
from webtest import founding
from webtest.config import housed
from webtest.rehearsal.client import Login
from webtest.serving import port_fault

LONGEST_START_S = 60.0


LIKELY_ITEMS = 60  # a careful guess at the length of a test, so that all kills fall into it


class Server:
    """`cact serve` as a process of its own, that can be killed and started again."""

    def __init__(self, folder: Path, url: str, port: int, workers: int) -> None:
        self._environment = {**os.environ, "DATABASE_URL": url}
        self._command = [sys.executable, "-m", "webtest", "serve", "--data", str(folder), "--port", str(port), "--workers", str(workers)]
        self._log = (folder / "server.log").open("ab")
        self.url = f"http://127.0.0.1:{port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start, and return when it answers. Raises Faulty where it does not come up."""
        self._process = subprocess.Popen(  # noqa: S603 - our own command
            self._command, env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True
        )
        until = time.monotonic() + LONGEST_START_S
        while time.monotonic() < until:
            try:
                with urlopen(f"{self.url}/sehat", timeout=2) as reply:  # noqa: S310 - our own address
                    if reply.status == 200:
                        return
            except OSError:
                time.sleep(0.1)
        raise Faulty([Fault(self.url, "", "the server does not come up", "see server.log in the data folder")])

    def kill(self) -> None:
        """SIGKILL to the server and its workers: nothing gets the chance to tidy up."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def stop(self) -> None:
        """End it in order."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGTERM)
            try:
                self._process.wait(10)
            except subprocess.TimeoutExpired:
                self.kill()
        self._log.close()


def free_port() -> int:
    """A port on 127.0.0.1 that nobody listens on."""
    for _ in range(50):
        port = random.randint(20_000, 50_000)
        if port_fault("127.0.0.1", port) is None:
            return port
    raise Faulty([Fault("port", "", "no free port was found")])


@contextmanager
def own_database(folder: Path, *, keep: bool) -> Iterator[str]:
    """URL of a database of the rehearsal's own: a file in the folder, or a new schema where DATABASE_URL names a PostgreSQL database."""
    shared = os.environ.get("DATABASE_URL")
    if not shared:
        yield data_url(folder)
        return
    schema = f"cact_rehearsal_{secrets.token_hex(4)}"
    engine = open_engine(shared)
    if engine.dialect.name == "sqlite":
        raise Faulty([Fault("DATABASE_URL", "", "names a SQLite file", "unset it: a rehearsal makes a file of its own")])
    try:
        with engine.begin() as connection:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
        yield engine.url.update_query_dict({"options": f"-csearch_path={schema}"}).render_as_string(hide_password=False)
        if not keep:
            with engine.begin() as connection:
                connection.execute(text(f"DROP SCHEMA {schema} CASCADE"))
    finally:
        engine.dispose()


@contextmanager
def throw_away(folder: Path, url: str, workers: int) -> Iterator[tuple[Server, dict[str, Login]]]:
    """A new installation in `folder` and the database `url`, with a running server, and a login a role."""
    with housed(folder, url) as house:
        founding.load_norms(house)
        founding.publish_sample_bank(house)
        logins = {account.role: Login(account.username, account.password) for account in founding.first_accounts(house)}
    server = Server(folder, url, free_port(), workers)
    server.start()
    try:
        yield server, logins
    finally:
        server.stop()


def killing(server: Server, kills: int, seed: int, think_s: float) -> Callable[[asyncio.Event], Awaitable[int]]:
    """The trouble of a rehearsal: kills the server at random instants, spread over the time that a test is likely to take, until that is over."""

    async def trouble(over: asyncio.Event) -> int:
        rng = random.Random(seed)
        apart_s = max(0.5, LIKELY_ITEMS * think_s / (kills + 1))
        done = 0
        while done < kills and not over.is_set():
            await asyncio.sleep(apart_s * rng.uniform(0.2, 1.8))
            if over.is_set():
                break
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            done += 1
        return done

    return trouble
