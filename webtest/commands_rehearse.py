"""`cact rehearse`: the dress rehearsal, on a throw-away installation or against a server that runs already."""

import asyncio
import json
import os
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from cat_engine import Fault, Faulty
from itembank.bank import Bank, ItemContent
from itembank.db import failures_named
from itembank.demo import load_demo
from itembank.exchange import read_bank_json
from webtest import founding
from webtest.console import err, guarded, put, read_text
from webtest.rehearsal import RehearsalError, day
from webtest.rehearsal.client import Login
from webtest.rehearsal.people import Brain, draw_takers
from webtest.rehearsal.report import Report
from webtest.rehearsal.server import Server, killing, own_database, throw_away

QUIET_S = 30.0  # where no bar can be drawn, a line so often


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(rehearse)


def _login(text: str, option: str) -> Login:
    name, _, password = text.partition(":")
    if not name or not password:
        raise Faulty([Fault(option, "", "is not USER:PASSWORD", f"{option} pengawas:xxxx-xxxx-xxxx-xxxx")])
    return Login(name, password)


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
    url: str, n: int, seed: int, think: float, coordinator: Login, auditor: Login, bank: Bank, contents: dict[str, ItemContent],
    server: Server | None, kills: int,
) -> Report:  # fmt: skip
    takers = draw_takers(founding.invented_roster(n), bank.competencies, seed)
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

        def watch(p: day.Progress) -> None:
            nonlocal told_at
            if bar.disable and time.monotonic() - told_at > QUIET_S:
                told_at = time.monotonic()
                err.print(f"{p.stage}: {p.waiting} waiting, {p.finished} finished, {p.failed} failed, {p.answers} answers")
            bar.update(enter if p.stage == "enter" else sit, completed=p.waiting if p.stage == "enter" else p.finished, answers=p.answers)

        try:
            return asyncio.run(
                day.run(
                    url,
                    takers,
                    Brain(bank, contents),
                    coordinator,
                    auditor,
                    think_s=think,
                    watch=watch,
                    trouble=killing(server, kills, seed, think) if server is not None and kills else None,
                )
            )
        except RehearsalError as error:
            raise Faulty([Fault("rehearsal", "", str(error))]) from None


def _words(r: Report) -> str:
    rows = [
        f"{r.finished} of {r.n} finished, {r.failed} failed; {r.answers} answers in {r.seconds:.0f} s ({r.answers_per_s:.0f} a second during the test)",
        f"lost {r.lost}, doubled {r.doubled}" + (f"; the server was killed {r.kills} times" if r.kills else ""),
        f"answer to next item: p50 {r.p50_ms} ms, p95 {r.p95_ms} ms, p99 {r.p99_ms} ms",
        f"mean length {r.mean_length} items; highest exposure {r.max_exposure:.0%}, unused {r.unused:.0%} of the bank",
    ]
    rows += [f"  {code}: RMSE {r.rmse[code]:.3f}, r {r.correlation[code]:.3f}, mean SE {r.mean_se[code]:.3f}" for code in r.rmse]
    rows += [f"fault: {fault}" for fault in r.faults[:10]]
    return "\n".join(rows)
