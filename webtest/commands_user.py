"""`cact user`: officers' accounts."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from webtest.accounts import RIGHTS
from webtest.console import data_option, guarded, json_option, opened, put, put_table

COLUMNS = ("username", "role", "name", "nip")


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(user)


@click.group()
def user() -> None:
    """Officers' accounts."""


def password_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--password: better from the environment than from a command line, which others can read."""
    words = "At least 10 characters; default: one is generated and printed."
    return click.option("--password", envvar="CACT_PASSWORD", default=None, show_envvar=True, help=words)(function)


@user.command()
@data_option
@click.argument("username")
@click.option("--name", required=True, help="The person's name.")
@click.option("--role", required=True, type=click.Choice(list(RIGHTS)), help="What the account may do.")
@click.option("--nip", default="", help="NIP, for the minutes.")
@password_option
@json_option
@guarded
def add(data: Path, username: str, name: str, role: str, nip: str, password: str | None, as_json: bool) -> None:
    """Add an account."""
    chosen = password or _drawn()
    with opened(data) as house:
        house.accounts.add(username, name, role, chosen, nip)
    _say(username, f"Account '{username}' added.", password, chosen, as_json)


@user.command()
@data_option
@click.argument("username")
@password_option
@json_option
@guarded
def password(data: Path, username: str, password: str | None, as_json: bool) -> None:
    """Give USERNAME a new password, and unlock the account."""
    chosen = password or _drawn()
    with opened(data) as house:
        house.accounts.set_password(username, chosen)
    _say(username, f"'{username}' has a new password.", password, chosen, as_json)


@user.command("list")
@data_option
@json_option
@guarded
def list_(data: Path, as_json: bool) -> None:
    """List the accounts."""
    with opened(data) as house:
        rows = [{name: getattr(officer, name) for name in COLUMNS} for officer in house.accounts.all()]
    put_table(rows, as_json, COLUMNS, "No accounts yet: 'cact user add' adds one.")


def _drawn() -> str:
    return "-".join(secrets.token_hex(2) for _ in range(4))


def _say(username: str, words: str, given: str | None, chosen: str, as_json: bool) -> None:
    """A generated password is shown once; one that was given is not repeated."""
    facts = {"username": username} if given else {"username": username, "password": chosen}
    put(facts, as_json, escape(words + ("" if given else f" Password (shown once, write it down): {chosen}")))
