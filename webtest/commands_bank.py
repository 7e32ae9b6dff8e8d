"""`cact bank`: versions of the item bank, in and out of files."""

import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from cat_engine import load_plan
from itembank.exchange import write_bank_csv, write_bank_json
from webtest.console import (
    EXIT_NOT_SOUND,
    actor,
    check_target,
    data_option,
    err,
    fault_tables,
    format_of,
    guarded,
    json_option,
    now_ms,
    opened,
    output_options,
    put,
    put_table,
    read_text,
    show_faults,
    write_file,
)
from webtest.search_bar import found_or_with_bar
from webtest.services.banks import Banks, VersionLine, bank_faults, is_json, read_bank_file, without_text
from webtest.services.review import Review
from webtest.services.trials import Trials, Tried

SCALINGS = {"1": 1.0, "1.7": 1.7, "1.702": 1.702}
FORMATS = ("csv", "json")
COLUMNS = ("version", "parent", "status", "items", "created_at", "created_by", "decided_at", "decided_by", "note")
FILE = click.Path(path_type=Path)
VERSION = click.IntRange(min=1)


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(bank)


@click.group()
def bank() -> None:
    """The item bank: import, check, publish, export, list.

    A version never changes once it is saved: an import makes a draft, and a draft is published. A wave keeps the version that was the newest
    published one when it was created.
    """


@bank.command("import")
@data_option
@click.argument("file", type=FILE)
@click.option(
    "--D", "scaling", type=click.Choice(list(SCALINGS)), default="1", show_default=True,
    help="D of the model that FILE's parameters belong to; a is multiplied by it, as CACT's own metric is D = 1.",
)  # fmt: skip
@click.option("--note", default="", help="What this version is; default: the name of FILE.")
@json_option
@guarded
def import_(data: Path, file: Path, scaling: str, note: str, as_json: bool) -> None:
    """Make a draft of FILE: parameters as CSV, or a whole bank with its content as JSON.

    CSV columns: item_id,competency,model,a,b1,b2,…,c,d; model is one of 1pl 2pl 3pl 4pl grm gpcm pcm mgrm rsm nrm; what a model does not have
    stays empty. nrm has slopes in a1,a2,… and intercepts in b1,b2,…. Optional: status (active, pretest, held, retired) and calibration (provisional,
    calibrated). Further columns are kept as attributes. The text of an item is that of the newest version; only JSON brings new texts.
    """
    text = read_text(file)
    with opened(data) as house:
        made = Banks(house.engine).import_draft(text, scaling=SCALINGS[scaling], note=note or file.name, actor=actor(), now=now_ms())
    kinds = Counter((change.old, change.new) for change in made.changes if change.field == "item")
    added, removed = kinds["absent", "present"], kinds["present", "absent"]
    changed = len({change.item_id for change in made.changes if change.field != "item"})
    facts = {
        "version": made.version, "parent": made.parent, "items": made.items, "added": added, "removed": removed, "changed": changed,
        "without_text": list(made.without_text),
    }  # fmt: skip
    against = f"; against version {made.parent}: {added} added, {removed} removed, {changed} changed" if made.parent else ""
    put(
        facts,
        as_json,
        f"Draft version {made.version} with {made.items} items{against}. Publish it with 'cact bank publish {made.version}'.",
    )
    _name_textless(made.without_text)


def _name_textless(items: tuple[str, ...]) -> None:
    if items:
        some = ", ".join(items[:10]) + (", …" if len(items) > 10 else "")
        err.print(escape(f"{len(items)} active items have no text, and no wave that uses them will open: {some}"))


@bank.command("try")
@data_option
@click.argument("version", type=VERSION)
@click.option("--plan", "plan_file", type=click.Path(path_type=Path), help="Plan, TOML. [default: of the newest wave of its calibration]")
@json_option
@guarded
def try_version(data: Path, version: int, plan_file: Path | None, as_json: bool) -> None:
    """Simulate a plan on VERSION and on its parent, with the same people, and hold it against the plan's [acceptance] limits.

    The trial is kept; exit code 1 where a limit is missed.
    """
    plan = load_plan(read_text(plan_file)) if plan_file is not None else None
    with opened(data) as house:
        trials = Trials(house.engine, found_or_with_bar(house.searches))
        tried = trials.try_version(version, plan or trials.plan(version), actor=actor(), now=now_ms())
    figures = {"version": version, "plan": tried.plan_name, "people": tried.people, "before": tried.before,
               "after": tried.after.figures, "checks": [asdict(c) for c in tried.after.checks], "holds": tried.after.holds}  # fmt: skip
    put(figures, as_json, trial_text(tried))
    if not tried.after.holds:
        sys.exit(EXIT_NOT_SOUND)


def trial_text(tried: Tried) -> str:
    """A trial as lines for a person."""
    limits = {check.figure: check for check in tried.after.checks}
    lines = [escape(f"Plan '{tried.plan_name}', {tried.people} simulated people, worst value: before -> after")]
    for figure, after in tried.after.figures.items():
        check = limits.get(figure)
        word = "" if check is None else f"  limit {check.limit:g}: {'kept' if check.holds else '[red]missed[/]'}"
        lines.append(f"  {figure:>11} {tried.before[figure]:8.3f} -> {after:8.3f}{word}")
    return "\n".join(lines)


@bank.command()
@data_option
@click.argument("version", type=VERSION)
@click.option("--reason", default="", help="Why it is published though its trial misses a limit of the plan.")
@json_option
@guarded
def publish(data: Path, version: int, reason: str, as_json: bool) -> None:
    """Publish draft VERSION: waves made from now on use it. A draft of a calibration is tried first ('cact bank try')."""
    with opened(data) as house:
        Review(house.engine).decide(version, "publish", actor=actor(), now=now_ms(), reason=reason)
        textless = Banks(house.engine).without_text(version)
    put({"version": version, "status": "published", "without_text": list(textless)}, as_json, f"Version {version} is published.")
    _name_textless(textless)


@bank.command()
@data_option
@click.option("--version", type=VERSION, default=None, help="Version to export; default: the newest published.")
@click.option("--format", "chosen", type=click.Choice(FORMATS), default=None, help="Default: what the name of FILE ends in.")
@output_options
@json_option
@guarded
def export(data: Path, version: int | None, chosen: str | None, target: Path, force: bool, as_json: bool) -> None:
    """Write a version to FILE: csv holds the parameters, json also the texts and the keys (keep it secret)."""
    kind = format_of(target, chosen, FORMATS)
    check_target(target, force=force)
    with opened(data) as house:
        found, contents = Banks(house.engine).load(version)
    content = write_bank_csv(found) if kind == "csv" else write_bank_json(found, contents)
    write_file(target, content.encode(), force=force)
    facts = {"version": found.version, "items": len(found), "format": kind, "file": str(target), "digest": found.digest}
    put(facts, as_json, escape(f"Version {found.version}, {len(found)} items, is in {target}."))


@bank.command()
@data_option
@click.argument("file", type=FILE, required=False)
@click.option("--version", type=VERSION, default=None, help="Version to check where no FILE is named; default: the newest published.")
@json_option
@guarded
def check(data: Path, file: Path | None, version: int | None, as_json: bool) -> None:
    """List every fault of FILE, or of a version that is installed.

    Parameters, keys against parameters, the form of each item (length, options, scores, level, rationale), and what only the set shows (a
    scenario twice, a best option that is too often the longest or in one place). A CSV brings no text: its items' texts are those of the newest
    installed version, and items that have none yet are named, which is no fault; without an installation only its parameters are checked.

    Exit code 1 where the bank can be read and something in it is not sound; 2 where an import would refuse it.
    """
    if file is not None and version is not None:
        raise click.UsageError("name a FILE or a --version, not both")
    text = read_text(file) if file is not None else None
    installed = (data / "keys.json").exists()
    if text is not None and not installed:
        found, contents = read_bank_file(text, {})
    else:
        with opened(data) as house:
            banks = Banks(house.engine)
            found, contents = banks.load(version) if text is None else banks.read(text)
    with_text = installed or bool(contents)
    faults = bank_faults(found, contents) if with_text else []
    textless: tuple[str, ...] = ()
    if text is not None and not is_json(text):  # a CSV cannot hold texts: what has none yet is no fault of the file
        faults = [fault for fault in faults if fault.field != "content"]
        textless = without_text(found, contents) if with_text else ()
    name = str(file) if file else f"version {found.version}"
    provisional = sum(mark == "provisional" for mark in found.calibration)
    words = f"{name}: {len(found)} items, {provisional} of them provisional, in {len(found.competencies)} competencies"
    if not with_text:
        words += f"; parameters only, as {data} holds no installation to take the texts from"
    if faults:
        show_faults(faults, f"{words}; not sound")
    facts = {
        "sound": not faults, "items": len(found), "provisional": provisional, "competencies": list(found.competencies), "with_text": with_text,
        "without_text": list(without_text(found, contents)), "digest": found.digest, "faults": fault_tables(faults),
    }  # fmt: skip
    if as_json or not faults:
        put(facts, as_json, f"{escape(words)}; [green]sound[/]")
    _name_textless(textless)
    sys.exit(EXIT_NOT_SOUND if faults else 0)


@bank.command("list")
@data_option
@json_option
@guarded
def list_(data: Path, as_json: bool) -> None:
    """List the versions, newest first."""
    with opened(data) as house:
        lines = Banks(house.engine).versions()
    put_table([_line(line) for line in lines], as_json, COLUMNS, "No bank yet: 'cact bank import' makes a draft.")


def _line(line: VersionLine) -> dict[str, Any]:
    names = ("version", "parent", "status", "created_at", "created_by", "decided_at", "decided_by", "note", "digest")
    return {name: getattr(line.version, name) for name in names} | {"items": line.items}
