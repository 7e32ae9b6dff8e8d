"""docs/commands.md is complete and holds nothing that is gone: the tree of commands, the environment and the exit codes are read from the program."""

import ast
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from pathlib import Path

import click
import pytest

from webtest.cli import main

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
OPTION = re.compile(r"(?<![\w-])(--?[A-Za-z][\w-]*)")


def leaves(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from leaves(command, f"{path} {name}")
        elif command is not None and not command.hidden:
            yield f"{path} {name}", command


COMMANDS = dict(leaves(main, "cact"))


def section(title: str) -> str:
    """The text under `## title`."""
    parts = re.split(r"^#+ ", DOC, flags=re.MULTILINE)
    found = [part for part in parts if part.split("\n", 1)[0] == title]
    assert len(found) == 1, f"docs/commands.md needs one section '## {title}'"
    return found[0]


def options_of(command: click.Command) -> set[str]:
    return {name for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}


@cache
def sources() -> tuple[tuple[str, ast.AST], ...]:
    """Every module of the program by its name, parsed."""
    paths = (path for package in ("cat_engine", "itembank", "calibration", "webtest") for path in sorted((ROOT / package).rglob("*.py")))
    return tuple(
        (".".join(path.relative_to(ROOT).with_suffix("").parts), ast.parse(path.read_text(encoding="utf-8")))
        for path in paths
        if "migrations" not in path.parts
    )


def test_the_document_names_the_commands_that_there_are_and_no_others() -> None:
    titled = re.findall(r"^## (cact .*)$", DOC, flags=re.MULTILINE)
    assert sorted(titled) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_option_of_a_command_is_in_its_section_and_no_option_that_is_gone(name: str) -> None:
    text, own = section(name), options_of(COMMANDS[name])
    listed = set(re.findall(r"`(--?[A-Za-z][\w-]*)`", text))
    assert own - listed == set(), f"not in the section '## {name}' of docs/commands.md"
    assert set(OPTION.findall(" ".join(re.findall(r"`([^`]*)`", text)))) - own == set()


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_an_example_that_it_accepts(name: str) -> None:
    examples = [line.strip() for line in section(name).splitlines() if line.startswith(f"    {name}")]
    assert examples, f"no example under '## {name}' in docs/commands.md"
    for example in examples:
        words = shlex.split(example)[len(name.split()) :]
        COMMANDS[name].make_context(name, words, **main.context_settings)  # a wrong example is a UsageError


def test_the_options_of_cact_itself_and_those_shared_by_many_are_explained() -> None:
    listed = set(re.findall(r"`(--?[\w-]+)[ `]", section("Common options")))
    shared = {
        option for option in ("--data", "--json", "--output", "-o", "--force") if any(option in options_of(c) for c in COMMANDS.values())
    }
    assert listed == shared | options_of(main) | {"-h", "--help"}


def variables() -> set[str]:
    """Every environment variable that the program reads: os.environ and os.getenv in the source, and options that click fills."""
    found = {str(p.envvar) for command in COMMANDS.values() for p in command.params if isinstance(p, click.Option) and p.envvar}
    for module, tree in sources():
        for node in ast.walk(tree):
            key: ast.expr | None = None
            if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and ast.unparse(node.value) == "os.environ":
                key = node.slice
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("os.environ.get", "os.getenv", "os.environ.pop"):
                key = node.args[0]
            if key is not None:
                assert isinstance(key, ast.Constant), f"{module} reads a variable whose name this test cannot see"
                found.add(str(key.value))
            if isinstance(node, ast.ImportFrom) and node.module == "os":
                assert not {"environ", "getenv"} & {alias.name for alias in node.names}, f"{module}: write os.environ, so that it is found"
    return found


def test_every_environment_variable_that_is_read_is_documented_and_no_other() -> None:
    rows = [line for line in section("Environment").splitlines() if line.startswith("| `")]
    documented = {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row.split("|")[1])}
    assert documented == variables()
    assert {"CACT_DATA", "DATABASE_URL"} <= documented


def exit_codes() -> set[int]:
    """Every code that the program can exit with: its own calls, and click's for wrong usage and for an interruption."""
    found = {0, click.ClickException.exit_code, click.UsageError.exit_code}
    for module, tree in sources():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in (
                "sys.exit",
                "SystemExit",
                "ctx.exit",
                "os._exit",
                "click.exceptions.Exit",
            ):
                for part in ast.walk(ast.Tuple(elts=node.args)):
                    if isinstance(part, ast.Constant) and isinstance(part.value, int):
                        found.add(part.value)
                    if isinstance(part, ast.Name) and part.id.isupper():
                        found.add(getattr(import_module(module), part.id))
    return found


def test_every_exit_code_is_documented_and_no_other() -> None:
    assert {int(code) for code in re.findall(r"^\| `(\d+)`", section("Exit codes"), flags=re.MULTILINE)} == exit_codes()
