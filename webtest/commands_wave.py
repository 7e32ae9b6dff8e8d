"""`cact wave`: make, open, close and hand over waves."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.markup import escape

from cat_engine import Fault, Faulty
from itembank.demo import plan_text
from webtest.checkpoints import short_form
from webtest.console import (
    actor,
    check_target,
    data_option,
    guarded,
    json_option,
    now_ms,
    opened,
    output_options,
    put,
    put_table,
    read_bytes,
    read_text,
    write_file,
)
from webtest.roster import read_roster
from webtest.search_bar import found_or_with_bar
from webtest.services.wavelist import WaveLine, list_waves
from webtest.services.waves import NewWave
from webtest.session import Phase
from webtest.wavefile import wave_lines

ZONES = ("WIB", "WITA", "WIT")
COLUMNS = ("id", "day", "status", "people", "bank_version", "opened_at", "closed_at", "name", "agency", "place")
UNDER_WAY = (Phase.READY, Phase.RUNNING, Phase.GRACE, Phase.TIME_UP, Phase.PAUSED)
LARGEST_SEED = 2**53 - 1
FILE = click.Path(path_type=Path)


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(wave)


@click.group()
def wave() -> None:
    """Waves: who sits what, where and when.

    draft (created) -> open (people can be admitted) -> closed (sealed, results can be read) -> released.
    """


def wave_argument(function: Callable[..., Any]) -> Callable[..., Any]:
    """WAVE: the id that 'cact wave list' shows."""
    return click.argument("wave_id", metavar="WAVE")(function)


@wave.command()
@data_option
@click.option("--roster", "roster_file", type=FILE, required=True, metavar="FILE", help="CSV or XLSX: nip, nama, jenjang, unit, ruang.")
@click.option("--name", required=True, help="Name of the wave, as the test-takers see it.")
@click.option("--agency", required=True, help="Agency whose people are tested.")
@click.option("--place", required=True, help="Where it takes place.")
@click.option("--day", required=True, metavar="YYYY-MM-DD", help="Day of the test; the norms valid on it hold.")
@click.option("--zone", type=click.Choice(ZONES), default="WIB", show_default=True, help="Time zone of the place.")
@click.option("--plan", "plan_file", type=FILE, default=None, metavar="FILE", help="Test plan (TOML); default: the shipped plan.")
@click.option("--seed", type=click.IntRange(0, LARGEST_SEED), default=None, help="Seed of the wave; default: drawn at random.")
@json_option
@guarded
def create(
    data: Path, roster_file: Path, name: str, agency: str, place: str, day: str, zone: str, plan_file: Path | None, seed: int | None, as_json: bool
) -> None:  # fmt: skip
    """Make a wave from a roster; the newest published bank version and the plan are pinned to it."""
    people = read_roster(read_bytes(roster_file), roster_file.name)
    plan = read_text(plan_file) if plan_file else plan_text()
    with opened(data) as house:
        new, control = NewWave(name, agency, place, day, zone), found_or_with_bar(house.searches)
        made = house.waves.create(new, people, plan, actor=actor(), now=now_ms(), seed=seed, control=control)
    facts = {"wave": made, "people": len(people), "rooms": len({row.room for row in people})}
    put(facts, as_json, f"Wave {made}: {len(people)} people in {facts['rooms']} rooms. Open it with 'cact wave open {made}'.")


@wave.command("list")
@data_option
@json_option
@guarded
def list_(data: Path, as_json: bool) -> None:
    """List the waves, newest first."""
    with opened(data) as house:
        lines = list_waves(house.engine)
    put_table([_line(line) for line in lines], as_json, COLUMNS, "No waves yet: 'cact wave create' makes one.")


def _line(line: WaveLine) -> dict[str, Any]:
    names = ("id", "name", "agency", "place", "day", "zone", "status", "bank_version", "created_by", "created_at")
    times = ("opened_at", "closed_at", "released_at")
    return {name: getattr(line.wave, name) for name in (*names, *times)} | {"people": line.people}


@wave.command("open")
@data_option
@wave_argument
@json_option
@guarded
def open_(data: Path, wave_id: str, as_json: bool) -> None:
    """Open WAVE after a pre-flight check: its roster is frozen, and the proctors can print PIN cards and start."""
    with opened(data) as house:
        house.waves.open(wave_id, actor=actor(), now=now_ms(), control=found_or_with_bar(house.searches))
    put({"wave": wave_id, "status": "open"}, as_json, escape(f"Wave {wave_id} is open. The room goes on at /petugas/gelombang/{wave_id}."))


@wave.command()
@data_option
@wave_argument
@click.option("--yes", is_flag=True, help="Close although people are under way; their tests end now, and what they answered is scored.")
@json_option
@guarded
def close(data: Path, wave_id: str, yes: bool, as_json: bool) -> None:
    """Close WAVE for good and seal its log with a signed checkpoint."""
    with opened(data) as house:
        board = house.monitor.board(wave_id, now_ms(), fresh=True)
        busy = board.count(*UNDER_WAY) if board.wave.status == "open" else 0
        if busy and not yes:
            raise Faulty([Fault(f"wave {wave_id}", "", f"{busy} people are under way", "wait, or end their tests with --yes")])
        seal = house.waves.close(wave_id, actor=actor(), now=now_ms())
    facts = {
        "wave": wave_id,
        "status": "closed",
        "ended": busy,
        "checkpoint": seal.n,
        "at": seal.at,
        "root": seal.root,
        "public_key": seal.public_key,
    }
    put(
        facts,
        as_json,
        escape(f"Wave {wave_id} is closed and sealed. Root {short_form(seal.root)} ({seal.root}): it stands on the minutes."),
    )


@wave.command()
@data_option
@wave_argument
@output_options
@json_option
@guarded
def export(data: Path, wave_id: str, target: Path, force: bool, as_json: bool) -> None:
    """Write the whole log of closed WAVE to FILE, so that a third party can verify it.

    JSON lines: a header with the wave's facts, checkpoints and public key, then every event. FILE holds NIPs and answers: keep it secret.
    """
    check_target(target, force=force)
    with opened(data) as house:
        lines = list(wave_lines(house.engine, house.store, wave_id))
    write_file(target, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines).encode(), force=force)
    header = lines[0]
    facts = {
        "wave": wave_id,
        "file": str(target),
        "people": header["people"],
        "events": header["events"],
        "root": header["checkpoints"][-1]["root"],
    }
    put(facts, as_json, escape(f"Wave {wave_id}: {header['events']} events of {header['people']} people are in {target}."))
