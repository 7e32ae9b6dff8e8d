"""`cact roster`: the list of the people who are expected."""

from collections import Counter
from pathlib import Path

import click
from rich.markup import escape

from webtest.console import guarded, json_option, put, read_bytes
from webtest.roster import read_roster


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(roster)


@click.group()
def roster() -> None:
    """Rosters of expected test-takers."""


@roster.command()
@click.argument("file", type=click.Path(path_type=Path))
@json_option
@guarded
def check(file: Path, as_json: bool) -> None:
    """List every fault of the roster in FILE by row and column, or say what it holds.

    CSV (comma or semicolon, UTF-8) or XLSX with the columns nip, nama, jenjang, unit, ruang, and optionally prior_mean, prior_sd. NIPs must be text:
    a spreadsheet that keeps them as numbers loses their last digits.
    """
    rows = read_roster(read_bytes(file), file.name)
    rooms, levels = Counter(row.room for row in rows), Counter(row.job_level for row in rows)
    lines = [f"{len(rows)} people, {len(rooms)} rooms"]
    lines += [f"  {room}: {count}" for room, count in sorted(rooms.items())]
    lines += ["job levels"]
    lines += [f"  {level}: {count}" for level, count in levels.most_common()]
    put({"people": len(rows), "rooms": dict(rooms), "job_levels": dict(levels)}, as_json, escape("\n".join(lines)))
