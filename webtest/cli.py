"""The command `cact`. Each subcommand reads its files, calls one service, prints; faults go out as a table, with exit code 2."""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import wraps
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cat_engine import Fault, Faulty
from webtest.config import House, open_house
from webtest.refusal import MESSAGES, Refused

EXIT_FAULTY = 2
out, err = Console(highlight=False, soft_wrap=True), Console(stderr=True, highlight=False, soft_wrap=True)


def now_ms() -> int:
    """The clock, in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def show_faults(faults: tuple[Fault, ...]) -> None:
    """One line a fault, on standard error."""
    table = Table("where", "field", "what is wrong", "remedy", box=None, pad_edge=False)
    for fault in faults[:200]:
        table.add_row(*(str(part) for part in (fault.where, fault.field, fault.message, fault.remedy)))
    err.print(f"[bold]{len(faults)} fault{'s' if len(faults) != 1 else ''}; nothing was written[/]")
    err.print(table)


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Faults and refusals become messages and exit code 2."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except Faulty as error:
            show_faults(error.faults)
        except Refused as refusal:
            err.print(f"refused ({refusal.code}): {_plain(refusal.code)}")
        except (LookupError, OSError) as error:
            err.print(str(error))
        sys.exit(EXIT_FAULTY)

    return run


def _plain(code: str) -> str:
    return str(MESSAGES[code]._args[0]) if hasattr(MESSAGES[code], "_args") else code


def data_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--data: the installation's folder."""
    return click.option(
        "--data",
        "data",
        type=click.Path(path_type=Path),
        default=Path("cact-data"),
        envvar="CACT_DATA",
        show_default=True,
        help="Data folder.",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json: print JSON for a program."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


class opened:  # noqa: N801 - used as a context manager
    """The installation in a folder, closed at the end; refuses a folder that was never initialised."""

    def __init__(self, data: Path) -> None:
        if not (data / "keys.json").exists():
            raise Faulty([Fault(str(data), "", "holds no installation", "make one with 'cact init' or 'cact demo'")])
        self.house: House = open_house(data)

    def __enter__(self) -> House:
        return self.house

    def __exit__(self, *_: object) -> None:
        self.house.close()


def put(value: Any, as_json: bool, text: str) -> None:
    """Print a result for a program or for a person."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False, default=str))
    else:
        out.print(text)


def read_text(path: Path) -> str:
    """A file as UTF-8 text. Raises Faulty where it is not."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise Faulty([Fault(str(path), "", "is not UTF-8 text", "save it as UTF-8")]) from None


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="cact")
def main() -> None:
    """CACT: computerized adaptive competency testing."""


@main.command()
@data_option
@click.option("--sample-bank/--no-sample-bank", default=True, show_default=True, help="Publish the sample bank as version 1.")
@guarded
def init(data: Path, sample_bank: bool) -> None:
    """Make an installation: database, keys, rules of the day, accounts with generated passwords (printed once)."""
    from webtest import founding

    house = open_house(data)
    try:
        founding.load_norms(house)
        if sample_bank:
            founding.publish_sample_bank(house)
        _print_accounts(founding.first_accounts(house))
        out.print(f"Installation ready in {data}.")
    finally:
        house.close()


def _print_accounts(accounts: list[Any]) -> None:
    if accounts:
        out.print("[bold]Accounts (these passwords are shown once, write them down):[/]")
        for account in accounts:
            out.print(f"  {account.username:<14} {account.password}")


@main.command()
@data_option
@click.option("--port", default=8000, show_default=True, help="Port on 127.0.0.1.")
@guarded
def demo(data: Path, port: int) -> None:
    """The sample bank, a wave "Gladi Bersih" of 30 people, an account for each role, and a server. A second run resumes the same data."""
    from webtest import founding
    from webtest.serving import port_fault, serve

    fault = port_fault("127.0.0.1", port)
    if fault is not None:
        raise Faulty([fault])
    house = open_house(data)
    try:
        founding.load_norms(house)
        founding.publish_sample_bank(house)
        accounts = founding.first_accounts(house)
        _wave, cards = founding.demo_wave(house)
    finally:
        house.close()
    out.print(f"\n[bold]CACT is on http://127.0.0.1:{port}/[/]  (stop: Ctrl-C; data: {data})")
    if accounts:
        out.print(f"\nOfficers, at http://127.0.0.1:{port}/petugas/masuk")
        _print_accounts(accounts)
    else:
        out.print("\nThe accounts are those printed at the first run; forgotten: 'cact user add'.")
    if cards:
        out.print(f"\nTest-takers, at http://127.0.0.1:{port}/masuk (the proctor prints PIN cards for the other 27):")
        for name, nip, pin in cards:
            out.print(f"  {name}   NIP {nip}   PIN {pin}")
        out.print("  After logging in they wait until the proctor (pengawas) presses 'Mulai serentak' on the wave's page.")
    sys.stdout.flush()
    serve(data, "127.0.0.1", port)


@main.command()
@data_option
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8000, show_default=True, help="Port to listen on.")
@click.option("--workers", default=1, show_default=True, help="Worker processes; more than one only with PostgreSQL.")
@guarded
def serve(data: Path, host: str, port: int, workers: int) -> None:
    """Serve an installation."""
    from webtest.serving import serve as run

    with opened(data) as house:
        if workers > 1 and house.engine.dialect.name == "sqlite":
            raise Faulty([Fault("--workers", "", "SQLite takes one worker process", "set DATABASE_URL to use more")])
    run(data, host, port, workers=workers)


@main.group()
def user() -> None:
    """Accounts."""


@user.command("add")
@data_option
@click.argument("username")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", required=True, help="pengawas, koordinator, psikometrisi, asesor, auditor or admin.")
@click.option("--nip", default="", help="NIP, for the minutes.")
@click.option("--password", envvar="CACT_PASSWORD", default=None, help="At least 10 characters; else one is generated and printed.")
@guarded
def user_add(data: Path, username: str, name: str, role: str, nip: str, password: str | None) -> None:
    """Add an account."""
    import secrets

    chosen = password or "-".join(secrets.token_hex(2) for _ in range(4))
    with opened(data) as house:
        house.accounts.add(username, name, role, chosen, nip)
    out.print(f"Account '{username}' added." + ("" if password else f" Password: {chosen}"))


@main.command()
@data_option
@click.argument("wave")
@json_option
@guarded
def audit(data: Path, wave: str, as_json: bool) -> None:
    """Verify the chains and checkpoints of WAVE and ask the engine again for every decision. Exit code 1 where anything does not hold."""
    from webtest.audit import audit_wave

    with opened(data) as house:
        report = audit_wave(house.engine, house.store, wave, house.keys)
    lines = [
        f"{report.attempts} attempts, {report.events} events, {report.decisions} decisions asked again, {report.checkpoints} checkpoints"
    ]
    lines += [f"[red]NOT SOUND[/] {f.stream} event {f.seq}: {f.what}" for f in report.findings[:50]]
    lines += [f"… and {len(report.findings) - 50} more" for _ in [0] if len(report.findings) > 50]
    lines.append(f"root {report.root}" if report.root else "not sealed yet")
    lines.append("[red]not sound[/]" if report.findings else "[green]sound[/]")
    put(asdict(report), as_json, "\n".join(lines))
    sys.exit(1 if report.findings else 0)


def _load_parts() -> None:
    """Attach the subcommands of the other modules."""
    from webtest import commands_rehearse

    for module in (commands_rehearse,):
        module.attach(main)


_load_parts()
