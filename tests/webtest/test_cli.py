"""The command `cact` as a whole: help everywhere, accounts, exit codes, and failures that are messages and not tracebacks."""

import json
import re
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from tests.conftest import PASSWORD, Place
from tests.webtest.shell import Shell
from webtest.cli import main
from webtest.console import guarded, refusal_words
from webtest.refusal import MESSAGES, Refused


@pytest.fixture
def shell(lite: Place, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(lite, monkeypatch)


def commands(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


TREE = list(commands(main))


def test_every_command_that_is_promised_is_there() -> None:
    promised = (
        "demo|serve|init|bank import|bank export|bank check|bank publish|bank list|roster check|wave list|wave create|wave open|wave close"
    )
    promised += "|wave export|rehearse|results export|audit|user add|user list|user password"
    assert {" ".join(path) for path, _ in TREE} >= set(promised.split("|"))


@pytest.mark.parametrize(("path", "command"), TREE, ids=[" ".join(path) for path, _ in TREE])
def test_every_command_has_help_and_so_has_each_of_its_options(path: tuple[str, ...], command: click.Command) -> None:
    result = CliRunner().invoke(main, [*path, "--help"])
    assert result.exit_code == 0
    assert len((command.help or "").split()) >= 2
    assert [p.name for p in command.params if isinstance(p, click.Option) and not p.help] == []
    assert CliRunner().invoke(main, [*path, "-h"]).output == result.output


def test_an_unknown_command_and_an_unknown_option_exit_with_2() -> None:
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2
    assert CliRunner().invoke(main, ["bank", "list", "--nonsense"]).exit_code == 2


def test_the_version_is_told() -> None:
    assert re.search(r"\d+\.\d+", CliRunner().invoke(main, ["--version"]).output)


def test_init_prints_passwords_once_and_keeps_what_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(Place(tmp_path / "new", ""), monkeypatch)
    monkeypatch.delenv("DATABASE_URL")
    first = shell.ok("init")
    passwords = re.findall(r"[0-9a-f]{4}(?:-[0-9a-f]{4}){3}", first)
    assert len(set(passwords)) == 6
    again = shell.ok("init")
    assert not any(password in again for password in passwords)
    assert "user password" in again
    assert len(shell.facts("user", "list")) == 6
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700
    assert [row["version"] for row in shell.facts("bank", "list")] == [1]


def test_init_in_a_place_that_cannot_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    shell = Shell(Place(tmp_path / "file" / "data", ""), monkeypatch)
    assert "cannot be written" in shell.refused("init")


def test_an_account_is_added_with_a_password_that_is_printed_once(shell: Shell) -> None:
    told = shell.facts("user", "add", "budi", "--name", "Budi", "--role", "asesor", "--nip", "1")
    house = shell.place.open()
    assert house.accounts.login("budi", told["password"], 0).role == "asesor"
    house.close()
    assert shell.facts("user", "list")[1] == {"username": "asesor", "role": "asesor", "name": "Asesor SDM", "nip": ""}
    assert {"username": "budi", "role": "asesor", "name": "Budi", "nip": "1"} in shell.facts("user", "list")
    assert told["password"] not in shell.ok("user", "list")


def test_a_password_from_the_environment_is_used_and_not_repeated(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACT_PASSWORD", "sangat-rahasia-sekali")
    assert "sangat-rahasia" not in shell.ok("user", "add", "budi", "--name", "Budi", "--role", "admin")
    assert shell.facts("user", "password", "asesor") == {"username": "asesor"}
    house = shell.place.open()
    assert house.accounts.login("asesor", "sangat-rahasia-sekali", 0).username == "asesor"
    house.close()


def test_a_forgotten_password_is_replaced_and_a_locked_account_opened(shell: Shell) -> None:
    house = shell.place.open()
    for _ in range(6):
        with pytest.raises(Refused):
            house.accounts.login("auditor", "falsch-geraten", 0)
    told = shell.facts("user", "password", "auditor")
    assert house.accounts.login("auditor", told["password"], 0).username == "auditor"
    with pytest.raises(Refused):
        house.accounts.login("auditor", PASSWORD, 0)
    house.close()


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("add", "budi", "--name", "B", "--role", "raja"), "--role"),
        (("add", "budi", "--role", "admin"), "--name"),
        (("add", "budi", "--name", " ", "--role", "admin"), "user, name: is empty"),
        (("add", "b u", "--name", "B", "--role", "admin"), "is not a user name"),
        (("add", "admin", "--name", "B", "--role", "admin"), "'admin' is taken"),
        (("add", "budi", "--name", "B", "--role", "admin", "--password", "kurz"), "at least 10 characters"),
        (("password", "admin", "--password", "kurz"), "at least 10 characters"),
        (("password", "nobody"), "there is no account 'nobody'"),
    ],
)
def test_an_account_that_cannot_be_is_refused(shell: Shell, words: tuple[str, ...], named: str) -> None:
    assert named in shell.refused("user", *words)
    assert len(shell.facts("user", "list")) == 6


@pytest.mark.parametrize("verb", ["serve", "demo"])
def test_a_port_that_is_taken_or_is_none_is_refused(shell: Shell, verb: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "cannot be listened on" in shell.refused(verb, "--port", str(taken.getsockname()[1]))
    for port in ("0", "65536", "x"):
        assert "--port" in shell.refused(verb, "--port", port)


def test_several_workers_need_postgresql(shell: Shell) -> None:
    assert "SQLite takes one worker" in shell.refused("serve", "--workers", "2")
    assert "--workers" in shell.refused("serve", "--workers", "0")


@pytest.mark.parametrize(
    ("url", "named"),
    [
        ("nonsense", "DATABASE_URL: is not the address of a database"),
        ("oracle+none://x", "DATABASE_URL: is not the address of a database"),
        ("postgresql://budi:sandi-rahasia@127.0.0.1:1/x", "database: cannot be used"),
    ],
)
def test_a_database_that_is_not_there_is_a_message_without_the_password(
    shell: Shell, url: str, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    said = shell.refused("wave", "list")
    assert named in said
    assert "rahasia" not in said


def test_a_file_that_is_no_database_is_a_message(shell: Shell) -> None:
    for path in shell.place.folder.glob("cact.db*"):
        path.unlink()
    (shell.place.folder / "cact.db").write_bytes(b"not a database" * 1000)
    assert "database: cannot be used: file is not a database" in shell.refused("bank", "list")


def test_a_mistake_in_the_program_stays_a_traceback() -> None:
    @guarded
    def wrong(mistake: type[Exception]) -> None:
        raise mistake("x")

    for mistake in (KeyError, IndexError, TypeError):
        with pytest.raises(mistake):
            wrong(mistake)


@pytest.mark.parametrize("code", sorted(MESSAGES))
def test_every_refusal_has_words(code: str) -> None:
    assert len(refusal_words(code).split()) >= 3


def test_a_refusal_is_told_to_a_program_in_the_shape_of_a_fault(shell: Shell) -> None:
    result = shell.run("audit", "W0", "--json")
    told = json.loads(result.stdout)
    assert (result.exit_code, told["error"]) == (2, "unknown")
    assert told["faults"][0].keys() == {"where", "field", "message", "remedy"}


@pytest.mark.parametrize("module", ["webtest", "webtest.cli"])
def test_a_module_that_is_run_is_the_command(module: str) -> None:
    ran = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True, check=True)
    assert "version" in ran.stdout
