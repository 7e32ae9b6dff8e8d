"""`cact rehearse`: the dress rehearsal, on a throw-away installation or against a server that runs already."""

import asyncio
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from urllib.request import urlopen

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import text

from cat_engine import Fault, Faulty
from itembank.bank import Bank, ItemContent
from itembank.db import data_url, failures_named, open_engine
from itembank.demo import load_demo
from itembank.exchange import read_bank_json
from webtest import founding
from webtest import rehearse as stage
from webtest.config import housed
from webtest.console import err, guarded, put, read_text
from webtest.serving import port_fault

LONGEST_START_S = 60.0
QUIET_S = 30.0  # where no bar can be drawn, a line so often
LIKELY_ITEMS = 60  # a careful guess at the length of a test, so that all kills fall into it


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(rehearse)


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
def throw_away(folder: Path, url: str, workers: int) -> Iterator[tuple[Server, dict[str, stage.Login]]]:
    """A new installation in `folder` and the database `url`, with a running server, and a login a role."""
    with housed(folder, url) as house:
        founding.load_norms(house)
        founding.publish_sample_bank(house)
        logins = {account.role: stage.Login(account.username, account.password) for account in founding.first_accounts(house)}
    server = Server(folder, url, free_port(), workers)
    server.start()
    try:
        yield server, logins
    finally:
        server.stop()


def _login(text: str, option: str) -> stage.Login:
    name, _, password = text.partition(":")
    if not name or not password:
        raise Faulty([Fault(option, "", "is not USER:PASSWORD", f"{option} pengawas:xxxx-xxxx-xxxx-xxxx")])
    return stage.Login(name, password)


@click.command()
@click.option("--n", default=1052, show_default=True, help="Virtual test-takers, in Serang's composition of job levels.")
@click.option(
    "--think", default=6.0, show_default=True, help="Median think time per item, in seconds; each person's own pace varies around it."
)
@click.option("--kill", "kills", default=0, show_default=True, help="Kill the server this many times at random instants (not with --url).")
@click.option("--seed", default=1, show_default=True, help="Seed of the people and their answers.")
@click.option("--url", default=None, help="A server that runs already; else a throw-away installation.")
@click.option("--coordinator", default="", envvar="CACT_COORDINATOR", help="With --url: USER:PASSWORD of a pengawas or koordinator.")
@click.option("--auditor", default="", envvar="CACT_AUDITOR", help="With --url: USER:PASSWORD of an auditor or asesor.")
@click.option(
    "--bank",
    "bank_file",
    type=click.Path(exists=True, path_type=Path),
    help="With --url: the server's bank as JSON, where it is not the sample bank.",
)
@click.option("--workers", default=1, show_default=True, help="Worker processes of the throw-away server (PostgreSQL only).")
@click.option("--keep", type=click.Path(path_type=Path), help="Keep the throw-away installation in this (new) folder.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Write the figures to this file.")
@guarded
def rehearse(
    n: int, think: float, kills: int, seed: int, url: str | None, coordinator: str, auditor: str, bank_file: Path | None, workers: int,
    keep: Path | None, json_file: Path | None,
) -> None:  # fmt: skip
    """Drive N virtual test-takers over HTTP from login to receipt, close the wave, and compare every answer with the log."""
    faults = []
    if not 1 <= n <= 20_000:
        faults.append(Fault("--n", "", f"{n} is not a number of people from 1 to 20000"))
    if not 0 <= think <= 600:
        faults.append(Fault("--think", "", f"{think} is not a number of seconds from 0 to 600"))
    if kills < 0 or (kills and url):
        faults.append(Fault("--kill", "", "kills a throw-away server only", "leave --url away"))
    if workers < 1 or (workers > 1 and not os.environ.get("DATABASE_URL")):
        faults.append(Fault("--workers", "", "SQLite takes one worker process", "set DATABASE_URL to a PostgreSQL database to use more"))
    if keep is not None and keep.exists() and any(keep.iterdir()):
        faults.append(Fault("--keep", "", f"{keep} is not empty", "name a new folder"))
    if json_file is not None and not json_file.absolute().parent.is_dir():
        faults.append(Fault("--json", "", f"{json_file.parent} is not a folder", "make it, or name another file"))
    if faults:
        raise Faulty(faults)
    bank, contents = read_bank_json(read_text(bank_file)) if bank_file else load_demo()
    if url is not None:
        report = _play(
            url.rstrip("/"), n, seed, think, _login(coordinator, "--coordinator"), _login(auditor, "--auditor"), bank, contents, None, 0
        )
    else:
        with (
            failures_named(),
            tempfile.TemporaryDirectory(prefix="cact-rehearsal-") as folder,
            own_database(keep or Path(folder), keep=keep is not None) as own,
            throw_away(keep or Path(folder), own, workers) as (server, logins),
        ):
            report = _play(server.url, n, seed, think, logins["koordinator"], logins["auditor"], bank, contents, server, kills)
    if json_file is not None:
        figures = {
            **asdict(report),
            "rmse_by_competency": report.rmse,
            "rmse": round(sum(report.rmse.values()) / max(1, len(report.rmse)), 3),
        }
        json_file.write_text(json.dumps(figures, indent=1) + "\n")
    put(None, False, _words(report))
    if report.kills < kills:
        err.print(f"the test was over after {report.kills} of {kills} kills; a longer --think leaves room for all")
    if report.lost or report.doubled or report.failed or report.kills < kills:
        sys.exit(1)


def _play(
    url: str, n: int, seed: int, think: float, coordinator: stage.Login, auditor: stage.Login, bank: Bank, contents: dict[str, ItemContent],
    server: Server | None, kills: int,
) -> stage.Report:  # fmt: skip
    takers = stage.draw_takers(founding.invented_roster(n), bank.competencies, seed)

    async def trouble(over: asyncio.Event) -> int:
        """Kill the server at random instants, spread over the time that a test is likely to take; gives how often it came to it."""
        rng = random.Random(seed)
        apart_s = max(0.5, LIKELY_ITEMS * think / (kills + 1))
        done = 0
        while server is not None and done < kills and not over.is_set():
            await asyncio.sleep(apart_s * rng.uniform(0.2, 1.8))
            if over.is_set():
                break
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            done += 1
        return done

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total} · {task.fields[answers]} answers"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        enter = bar.add_task("waiting room", total=n, answers=0)
        sit = bar.add_task("finished", total=n, answers=0)

        told_at = 0.0

        def watch(p: stage.Progress) -> None:
            nonlocal told_at
            if bar.disable and time.monotonic() - told_at > QUIET_S:
                told_at = time.monotonic()
                err.print(f"{p.stage}: {p.waiting} waiting, {p.finished} finished, {p.failed} failed, {p.answers} answers")
            bar.update(enter if p.stage == "enter" else sit, completed=p.waiting if p.stage == "enter" else p.finished, answers=p.answers)

        try:
            return asyncio.run(
                stage.run(
                    url,
                    takers,
                    stage.Brain(bank, contents),
                    coordinator,
                    auditor,
                    think_s=think,
                    watch=watch,
                    trouble=trouble if kills else None,
                )
            )
        except stage.RehearsalError as error:
            raise Faulty([Fault("rehearsal", "", str(error))]) from None


def _words(r: stage.Report) -> str:
    rows = [
        f"{r.finished} of {r.n} finished, {r.failed} failed; {r.answers} answers in {r.seconds:.0f} s ({r.answers_per_s:.0f} a second during the test)",
        f"lost {r.lost}, doubled {r.doubled}" + (f"; the server was killed {r.kills} times" if r.kills else ""),
        f"answer to next item: p50 {r.p50_ms} ms, p95 {r.p95_ms} ms, p99 {r.p99_ms} ms",
        f"mean length {r.mean_length} items; highest exposure {r.max_exposure:.0%}, unused {r.unused:.0%} of the bank",
    ]
    rows += [f"  {code}: RMSE {r.rmse[code]:.3f}, r {r.correlation[code]:.3f}, mean SE {r.mean_se[code]:.3f}" for code in r.rmse]
    rows += [f"fault: {fault}" for fault in r.faults[:10]]
    return "\n".join(rows)
