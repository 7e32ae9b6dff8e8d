"""`cact results`: the results of closed waves as files."""

from pathlib import Path

import click
from rich.markup import escape

from webtest.console import (
    check_target,
    data_option,
    err,
    format_of,
    guarded,
    json_option,
    language_option,
    opened,
    output_options,
    put,
    write_file,
)
from webtest.languages import language as language_of
from webtest.services.results import Results
from webtest.tables import as_csv, as_xlsx

FORMATS = ("xlsx", "csv")


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(results)


@click.group()
def results() -> None:
    """Results of closed waves."""


@results.command()
@data_option
@click.argument("wave_id", metavar="WAVE")
@click.option("--format", "chosen", type=click.Choice(FORMATS), default=None, help="Default: what the name of FILE ends in.")
@output_options
@language_option
@json_option
@guarded
def export(data: Path, wave_id: str, chosen: str | None, target: Path, force: bool, language: str, as_json: bool) -> None:
    """Write the results of closed WAVE to FILE, a row a person: levels, gaps, job person match, category, box.

    FILE holds NIPs and results: keep it secret.
    """
    kind = format_of(target, chosen, FORMATS)
    check_target(target, force=force)
    with opened(data) as house:
        service = Results(house.engine, house.store, house.catalog, house.keys)
        table, view = service.table(wave_id, language_of(language)), service.wave(wave_id)
    content = as_xlsx(table) if kind == "xlsx" else as_csv(table).encode("utf-8-sig")
    write_file(target, content, force=force)
    released = view.wave.released_at is not None
    facts = {
        "wave": wave_id, "file": str(target), "format": kind, "people": len(view.profiles), "absent": view.absent, "released": released,
        "provisional": view.provisional,
    }  # fmt: skip
    put(facts, as_json, escape(f"Wave {wave_id}: results of {len(view.profiles)} people are in {target}; {view.absent} have none."))
    if view.provisional:
        err.print("Note: the bank's parameters are provisional; no answer has confirmed them yet.")
    if not released:
        err.print("Note: an assessor has not released these results yet.")
