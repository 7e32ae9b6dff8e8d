"""What every command shares: options, output for people and for programs, exit codes, files written whole or not at all.

A command reads its files, calls one service and prints. Exit codes: 0 done; 1 checked and not sound; 2 bad input, or refused.
"""

import datetime as dt
import json
import math
import os
import pwd
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.markup import escape

from cat_engine import Fault, Faulty
from webtest.languages import INDONESIAN, LANGUAGES, language
from webtest.refusal import MESSAGES, Refused

if TYPE_CHECKING:
    from webtest.config import House

EXIT_NOT_SOUND = 1
EXIT_FAULTY = 2
MOST_SHOWN = 200
T = TypeVar("T")
ANSWERS = ("answers", "response_file", "people_file", "groups", "periods")  # parameters that name data about people
out = Console(highlight=False, soft_wrap=True, emoji=False)
err = Console(stderr=True, highlight=False, soft_wrap=True, emoji=False)

REFUSALS = {
    "unknown": "there is no such wave or version here; 'cact wave list' and 'cact bank list' show what there is",
    "wave_not_open": "the wave is not open: it was never opened, or it is closed already; 'cact wave list' shows it",
    "wave_not_draft": "the wave has been opened already; its roster is frozen",
    "searching": "the control parameters that this wave needs are still being searched for; 'cact wave open' searches here and then opens it",
    "checking": "the plan of this wave is being simulated on the server",
    "discarded": "this wave was discarded before it was opened",
    "wave_not_closed": "the wave is not closed yet; close it with 'cact wave close'",
    "trying": "a trial of this version is under way on the server; wait for it, or try the version here: 'cact bank try'",
    "untried": "try this version first: 'cact bank try' simulates a plan on it",
    "limits_missed": "the simulation of this version misses a limit of the plan; publishing it needs --reason",
    "superseded": "decisions of the review replaced this draft; publish the draft that they made ('cact bank list' shows it)",
    "outdated": "a newer version was published since this draft was made; make a new draft from that version",
    "not_draft": "this version is not a draft; only a draft can be published",
    "no_bank": "no bank version is published; 'cact bank publish' publishes a draft",
    "no_answers": "the waves named hold no answers",
    "not_now": "this cannot be done at this stage, or has been done already",
}  # fmt: skip


def now_ms() -> int:
    """The clock, in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def actor() -> str:
    """Who acts, as the log names it: the login name of the operating system's user."""
    try:
        return f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"cli:uid{os.getuid()}"


def show_faults(faults: Sequence[Fault], heading: str = "nothing was written") -> None:
    """One line a fault, on standard error."""
    err.print(f"[bold]{len(faults)} fault{'s' if len(faults) != 1 else ''}; {heading}[/]")
    for fault in faults[:MOST_SHOWN]:
        err.print(escape(str(fault)))
    if len(faults) > MOST_SHOWN:
        err.print(f"… and {len(faults) - MOST_SHOWN} more")


def fault_tables(faults: Sequence[Fault]) -> list[dict[str, str]]:
    """Faults for a program."""
    return [{"where": f.where, "field": f.field, "message": f.message, "remedy": f.remedy} for f in faults]


def guarded(function: Callable[..., Any]) -> Callable[..., Any]:
    """Faults and refusals become messages and exit code 2; with --json also a JSON object with `error` and `faults` on standard output."""

    @wraps(function)
    def run(*args: Any, **kwargs: Any) -> Any:
        faults: Sequence[Fault] = ()
        try:
            _refuse_unusable(kwargs)
            return function(*args, **kwargs)
        except Faulty as error:
            code, faults = "faulty", error.faults
            show_faults(faults)
        except Refused as refusal:
            code, faults = refusal.code, [Fault("refused", refusal.code, refusal_words(refusal.code))]
            err.print(escape(f"refused ({refusal.code}): {refusal_words(refusal.code)}"))
        except (LookupError, OSError) as error:
            code, faults = "faulty", [Fault(*_failure(error))]
            show_faults(faults)
        if kwargs.get("as_json"):
            click.echo(json.dumps({"error": code, "faults": fault_tables(faults)}, ensure_ascii=False))
        sys.exit(EXIT_FAULTY)

    return run


def _failure(error: LookupError | OSError) -> tuple[str, str, str]:
    """Where, field and message of a failure that is not the program's own fault; what is one is raised again."""
    if isinstance(error, OSError):
        return str(error.filename or "file"), "", error.strerror or str(error)
    if type(error) is not LookupError:  # a KeyError or IndexError is a mistake in the program
        raise error
    return "refused", "", str(error)


def _refuse_unusable(options: Mapping[str, Any]) -> None:
    """Raises Faulty for words of the command line that were no UTF-8: no database holds them, and no terminal shows them; and for numbers that are
    none: nothing is above or below nan, so that no range of an option keeps it out.
    """
    faults = [
        Fault(name, "", "is not UTF-8 text", "type it again in a terminal set to UTF-8")
        for name, value in options.items()
        if isinstance(value, str | Path) and _broken(str(value))
    ]
    faults += [
        Fault(_spelled(name), str(value), "is not a finite number", "give a number with a decimal point")
        for name, value in options.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if faults:
        raise Faulty(faults)


def _spelled(name: str) -> str:
    """An option as it is written on the command line."""
    return next(param.opts[0] for param in click.get_current_context().command.params if param.name == name)


def _broken(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return True
    return False


def refusal_words(code: str) -> str:
    """A refusal in the language of the command line: its own words, else the web's in English."""
    return REFUSALS.get(code) or language("en").gettext(MESSAGES[code])


def data_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--data: the installation's folder."""
    return click.option(
        "--data",
        "data",
        type=click.Path(path_type=Path),
        default=Path("cact-data"),
        envvar="CACT_DATA",
        show_default=True,
        show_envvar=True,
        help="Data folder of the installation.",
    )(function)


def json_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--json: print JSON for a program."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")(function)


def language_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """--language: of what is written for people, id or en."""
    return click.option(
        "--language",
        type=click.Choice(LANGUAGES),
        default=INDONESIAN.code,
        show_default=True,
        help="Language of what is written for people: Indonesian or English.",
    )(function)


def output_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """-o FILE and --force, for commands that write a file."""
    target = click.option("-o", "--output", "target", type=click.Path(path_type=Path), required=True, metavar="FILE", help="File to write.")
    force = click.option("--force", is_flag=True, help="Overwrite FILE where it exists.")
    return target(force(function))


@contextmanager
def opened(data: Path) -> Iterator["House"]:
    """The installation in a folder, closed at the end; refuses a folder that was never initialised."""
    if not (data / "keys.json").exists():
        raise Faulty([Fault(str(data), "", "holds no installation", "make one with 'cact init', or name its folder with --data")])
    from webtest.config import housed  # with the database and its migrations, which take longer to import than most commands on files run

    with housed(data) as house:
        yield house


def put(value: Any, as_json: bool, text: str) -> None:
    """Print a result for a program or for a person; `text` may carry rich markup, so names that people chose are escaped in it."""
    if as_json:
        click.echo(json.dumps(value, ensure_ascii=False, default=str))
    else:
        out.print(text)


def put_table(rows: Sequence[dict[str, Any]], as_json: bool, columns: Sequence[str], empty: str) -> None:
    """Print rows as a table of `columns` for a person (times are local), whole for a program; `empty` says what no rows means."""
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, default=str))
        return
    if not rows:
        out.print(escape(empty))
        return
    lines = [[name.replace("_", " ") for name in columns], *([_cell(name, row[name]) for name in columns] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    for line in lines:
        out.print(escape("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()))


def _cell(name: str, value: Any) -> str:
    """A value as a table shows it; names that end in _at are times, in ms since 1970 UTC."""
    if value is None:
        return ""
    if name.endswith("_at"):
        return f"{dt.datetime.fromtimestamp(value / 1000):%Y-%m-%d %H:%M}"
    return " ".join(str(value).split())


def read_bytes(path: Path) -> bytes:
    """A file's content. Raises Faulty where it cannot be read: missing, a directory, not permitted."""
    try:
        return path.read_bytes()
    except IsADirectoryError:
        raise Faulty([Fault(str(path), "", "is a directory", "name a file")]) from None
    except OSError as error:
        raise Faulty([Fault(str(path), "", f"cannot be read: {error.strerror}")]) from None


def read_text(path: Path) -> str:
    """A file as UTF-8 text. Raises Faulty where it cannot be read or is not."""
    try:
        return read_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Faulty([Fault(str(path), "", "is not UTF-8 text", "save it as UTF-8 (in Excel: 'CSV UTF-8, comma delimited')")]) from None


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Faults of a file and of its rows bear its name, for commands that read several; others pass as they are."""
    try:
        yield
    except Faulty as error:
        raise Faulty([replace(f, where=_place(path, f.where)) for f in error.faults]) from None


def _place(path: Path, where: str) -> str:
    if where in ("file", "bank"):
        return path.name
    return f"{path.name}, {where}" if where.startswith("row ") else where


def read_as(path: Path, reader: Callable[[str], T]) -> T:
    """What `reader` makes of a file's text; faults of its rows bear the file's name. Raises Faulty."""
    with named(path):
        return reader(read_text(path))


def check_target(path: Path, *, force: bool) -> None:
    """Raises Faulty where `path` cannot or may not be written, or holds answers or people that the command reads; asked before the work is done."""
    if path.resolve() in _what_people_did():
        raise Faulty([Fault(str(path), "", "is read by this command and would be overwritten", "name another file")])
    if path.is_dir():
        raise Faulty([Fault(str(path), "", "is a directory", "name a file")])
    if path.exists() and not path.is_file():  # a device, which a file would take the place of
        raise Faulty([Fault(str(path), "", "is no ordinary file", "name another file")])
    if path.exists() and not force:
        raise Faulty([Fault(str(path), "", "exists already", "--force overwrites it")])
    if not path.absolute().parent.is_dir():
        raise Faulty([Fault(str(path), "", f"the folder {path.absolute().parent} does not exist", "make it first")])


def check_targets(targets: Mapping[str, Path | None]) -> None:
    """The same of files by the option that names each, of which no two may be one. Raises Faulty."""
    named = {option: path for option, path in targets.items() if path is not None}
    for path in named.values():
        check_target(path, force=True)
    if len({path.resolve() for path in named.values()}) < len(named):
        raise Faulty([Fault(", ".join(named), "", "name the same file", "a file for each")])


def _what_people_did() -> set[Path]:
    """Files that the running command reads and nobody could make again: answers, and who is who."""
    context = click.get_current_context(silent=True)
    given = {} if context is None else context.params
    return {Path(given[name]).resolve() for name in ANSWERS if isinstance(given.get(name), str | Path)}


def write_file(path: Path, content: bytes, *, force: bool) -> None:
    """Write a file whole or not at all, readable by its owner only (it may hold keys or results). Raises Faulty."""
    write_files({path: content}, force=force)


def write_files(contents: Mapping[Path, bytes], *, force: bool) -> None:
    """Write files that belong together, all or none, as far as the system can tell beforehand. Raises Faulty."""
    drafts: dict[Path, Path] = {}
    try:
        for path, content in contents.items():
            check_target(path, force=force)
            handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
            drafts[path] = Path(name)
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
        for path, draft in drafts.items():
            draft.replace(path)
    except OSError as error:
        raise Faulty([Fault(str(path), "", f"cannot be written: {error.strerror}")]) from None
    finally:
        for draft in drafts.values():
            draft.unlink(missing_ok=True)


def format_of(path: Path, chosen: str | None, formats: Sequence[str]) -> str:
    """The format asked for, else the one that the file's name ends in. Raises Faulty where neither tells."""
    found = chosen or path.suffix.lower().removeprefix(".")
    if found not in formats:
        raise Faulty([Fault("--format", "", f"'{path.name}' does not tell the format", "--format " + "|".join(formats))])
    return found
