"""`cact init`, `cact demo`, `cact serve`, `cact audit`: an installation as a whole."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from cat_engine import Fault, Faulty
from webtest.config import housed
from webtest.console import EXIT_NOT_SOUND, data_option, guarded, json_option, opened, out, put

PORT = click.IntRange(1, 65_535)


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    for command in (init, demo, serve, audit):
        main.add_command(command)


@click.command()
@data_option
@click.option("--sample-bank/--no-sample-bank", default=True, show_default=True, help="Publish the sample bank as version 1.")
@guarded
def init(data: Path, sample_bank: bool) -> None:
    """Make an installation: database, keys, rules of the day, an account for each role.

    The accounts' passwords are generated and printed once. On a folder that holds an installation already nothing is lost: what is missing is
    added, and accounts stay as they are.
    """
    from webtest import founding

    with housed(data) as house:
        founding.load_norms(house)
        if sample_bank:
            founding.publish_sample_bank(house)
        accounts = founding.first_accounts(house)
    _print_accounts(accounts)
    if not accounts:
        out.print("The accounts that are here stay as they are; forgotten passwords: 'cact user password'.")
    out.print(escape(f"Installation ready in {data}. Serve it with 'cact serve --data {data}'."))


def _print_accounts(accounts: list[Any]) -> None:
    if accounts:
        out.print("[bold]Accounts (these passwords are shown once, write them down):[/]")
        for account in accounts:
            out.print(f"  {account.username:<14} {account.password}")


@click.command()
@data_option
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port on 127.0.0.1.")
@guarded
def demo(data: Path, port: int) -> None:
    """Try CACT: the sample bank, an open wave of 30 people, an account for each role, and a server.

    The wave is called "Gladi Bersih". A second run goes on with the same data.
    """
    from webtest import founding
    from webtest.serving import port_fault, serve

    fault = port_fault("127.0.0.1", port)
    if fault is not None:
        raise Faulty([fault])
    with housed(data) as house:
        founding.load_norms(house)
        founding.publish_sample_bank(house)
        accounts = founding.first_accounts(house)
        _wave, cards = founding.demo_wave(house)
    out.print(f"\n[bold]CACT is on http://127.0.0.1:{port}/[/]  (stop: Ctrl-C; data: {escape(str(data))})")
    if accounts:
        out.print(f"\nOfficers, at http://127.0.0.1:{port}/petugas/masuk")
        _print_accounts(accounts)
    else:
        out.print(escape(f"\nThe accounts are those printed at the first run; forgotten: 'cact user password NAME --data {data}'."))
    if cards:
        out.print(f"\nTest-takers, at http://127.0.0.1:{port}/masuk (the proctor prints PIN cards for the other 27):")
        for name, nip, pin in cards:
            out.print(f"  {name}   NIP {nip}   PIN {pin}")
        out.print("  After logging in they wait until the proctor (pengawas) presses 'Mulai serentak' on the wave's page.")
    sys.stdout.flush()
    serve(data, "127.0.0.1", port)


@click.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=PORT, default=8000, show_default=True, help="Port to listen on.")
@click.option(
    "--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Worker processes; more than one only with PostgreSQL."
)
@guarded
def serve(data: Path, host: str, port: int, workers: int) -> None:
    """Serve an installation over HTTP until interrupted."""
    from webtest.serving import serve as run

    with opened(data) as house:
        if workers > 1 and house.engine.dialect.name == "sqlite":
            raise Faulty([Fault("--workers", "", "SQLite takes one worker process", "set DATABASE_URL to use more")])
    run(data, host, port, workers=workers)


@click.command()
@data_option
@click.argument("wave")
@json_option
@guarded
def audit(data: Path, wave: str, as_json: bool) -> None:
    """Verify the log of WAVE: chains, checkpoints, and every decision asked of the engine again.

    Exit code 1 where anything does not hold.
    """
    from webtest.audit import audit_wave

    with opened(data) as house:
        report = audit_wave(house.engine, house.store, wave, house.keys)
    lines = [
        f"{report.attempts} attempts, {report.events} events, {report.decisions} decisions asked again, {report.checkpoints} checkpoints"
    ]
    lines += [f"[red]NOT SOUND[/] {escape(f.stream)} event {f.seq}: {escape(f.what)}" for f in report.findings[:50]]
    lines += [f"… and {len(report.findings) - 50} more" for _ in [0] if len(report.findings) > 50]
    lines.append(f"root {report.root}" if report.root else "not sealed yet")
    lines.append("[red]not sound[/]" if report.findings else "[green]sound[/]")
    put(asdict(report), as_json, "\n".join(lines))
    sys.exit(EXIT_NOT_SOUND if report.findings else 0)
