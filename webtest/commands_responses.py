"""`cact responses`: the answers of closed waves as files."""

import json
from pathlib import Path

import click
from rich.markup import escape

from cat_engine import Fault, Faulty
from webtest.console import data_option, guarded, json_option, opened, put
from webtest.response_files import ALL_WAVES, MANIFEST, named_waves
from webtest.services.answers import GROUPS, export_answers
from webtest.services.wavelist import wave_faults
from webtest.whole_files import new_folder_fault, whole

OWNER_ONLY = 0o600


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(responses)


@click.group()
def responses() -> None:
    """Answers of closed waves."""


@responses.command()
@data_option
@click.option("--waves", help="Closed waves, separated by commas. [default: all closed waves]")
@click.option("--groups", default="job_level,sex", show_default=True, help="Group columns: of " + ", ".join(GROUPS) + "; '' for none.")
@click.option("--out", "folder", type=click.Path(path_type=Path), required=True, metavar="DIR", help="New folder for the files.")
@json_option
@guarded
def export(data: Path, waves: str | None, groups: str, folder: Path, as_json: bool) -> None:
    """Write the answers of closed waves to DIR: Parquet by wave, persons under a pseudonym, and a manifest with the SHA-256 of each file.

    'cact calibrate', 'fit', 'dif' and 'score' read DIR as a whole or a file of it, and refuse a file that is not what the manifest says.
    """
    chosen = [name.strip() for name in groups.split(",") if name.strip()]
    faults = [Fault("--groups", name, "is not known", "of " + ", ".join(GROUPS)) for name in chosen if name not in GROUPS]
    faults += [Fault("--groups", name, "stands twice") for name in sorted(set(chosen)) if chosen.count(name) > 1]
    faults += new_folder_fault(folder)
    named, none = named_waves(waves, ALL_WAVES)
    with opened(data) as house:
        faults += [*none, *wave_faults(house.engine, named)]
        if faults:
            raise Faulty(faults)
        files = export_answers(house, named, chosen)
    with whole(folder) as part:
        for name, content in files.items():
            (part / name).write_bytes(content)
            (part / name).chmod(OWNER_ONLY)
    facts = json.loads(files[MANIFEST])["files"]
    lines = [f"{file['name']}: {file['answers']} answers of {file['people']} people to {file['items']} items" for file in facts]
    void = sum(file["void"] for file in facts)
    lines += [f"{void} answers of void attempts were left out"] if void else []
    put({"folder": str(folder), "files": facts}, as_json, escape("\n".join([*lines, f"written to {folder}"])))
