"""Answers as commands name them: CSV, Parquet, or the folder that `cact responses export` made, checked against its manifest; or closed waves."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibration.files import read_competencies_csv
from calibration.responses import ResponseLog, read_responses_csv
from cat_engine import Fault, Faulty
from webtest.console import read_as, read_bytes, read_text

MANIFEST = "manifest.json"
FORMAT = "cact-responses/1"
PARQUET = (".parquet", ".pq")
ALL_WAVES = "name them, separated by commas, or leave --waves out: then all that are closed are meant"


def named_waves(text: str | None, remedy: str) -> tuple[list[str], list[Fault]]:
    """Waves as --waves names them, separated by commas, and a fault where it names none: whoever wants all of them does not give the option at all."""
    waves = [name for cell in (text or "").split(",") if (name := cell.strip())]
    return waves, [Fault("--waves", text, "names no wave", remedy)] if text is not None and not waves else []


def read_responses(path: Path, known: Sequence[str] | Mapping[str, int] | None = None, *, everybody: bool = False) -> ResponseLog:
    """The answers of a CSV file, a Parquet file or an exported folder; `known` are the item ids of a bank, as a mapping with their numbers of categories,
    which rows of CSV are held against. `everybody`: see read_responses_csv. Raises Faulty naming file and row.
    """
    return read_labelled(path, None, known, everybody=everybody)[0]


def read_labelled(
    path: Path,
    label: str | None,
    known: Sequence[str] | Mapping[str, int] | None = None,
    *,
    competency: str | None = None,
    one_scale: bool = False,
    everybody: bool = False,
) -> tuple[ResponseLog, tuple[str, ...]]:
    """The same with the text of column `label` of each person, and of items of one competency (Parquet alone; calibration.parquet)."""
    if path.is_dir():
        files = _whole_folder(path)
    elif path.suffix.lower() in PARQUET:
        files = {path.name: read_bytes(path)}
        _check_digests(files, _manifest(path.parent))
    else:
        faults = [
            Fault(option, value, "is no file" if option == "--groups" else "cannot be told from CSV", remedy)
            for option, value, remedy in (
                ("--groups", label, "a CSV person_id,group, or a column of answers in Parquet"),
                ("--competency", competency, "answers in Parquet with a column competency"),
            )
            if value is not None
        ]
        if faults:
            raise Faulty(faults)
        text = read_text(path)
        try:
            return read_responses_csv(text, known, everybody=everybody), ()
        except Faulty as error:
            raise Faulty(
                [Fault(path.name if f.where == "file" else f"{path.name}, {f.where}", f.field, f.message, f.remedy) for f in error.faults]
            ) from None
    from calibration.parquet import read_responses_parquet  # with pyarrow, which CSV does without

    return read_responses_parquet(files, None if known is None else tuple(known), label=label, competency=competency, one_scale=one_scale)


def read_one_scale(path: Path, items: Path | None, competency: str | None) -> ResponseLog:
    """The answers to items of one competency: the one named, or the only one that there is. Of answers in CSV, and wherever `items` is given, this parameter
    CSV says the competency of each item, if it has a column for it; else Parquet does. Raises Faulty where there are several and none is named.
    """
    if items is None:
        return read_labelled(path, None, competency=competency, one_scale=True)[0]
    log, of = read_responses(path), read_as(items, read_competencies_csv)
    met = sorted({of[item_id] for item_id in log.item_ids if item_id in of})
    if competency is None and len(met) < 2:
        return log
    if competency is None:
        message = f"the answers are to items of {len(met)} competencies, and a scale is of one"
        raise Faulty([Fault("--competency", "", message, "name one of " + ", ".join(met))])
    if competency not in met:
        remedy = "name one of " + ", ".join(met) if met else f"{items.name} has no column competency"
        raise Faulty([Fault("--competency", competency, "has no answers", remedy)])
    mine = np.array([of.get(item_id) == competency for item_id in log.item_ids])
    return log.where(mine[log.item])


def digest(content: bytes) -> str:
    """SHA-256, as the manifest has it."""
    return hashlib.sha256(content).hexdigest()


def _manifest(folder: Path) -> Mapping[str, str]:
    """File name -> digest, of the manifest in a folder; empty where there is none, or one of another kind. Raises Faulty where it is damaged."""
    path = folder / MANIFEST
    if not path.is_file():
        return {}
    try:
        held: Any = json.loads(read_text(path))
        if not isinstance(held, dict) or held.get("format") != FORMAT:
            return {}
        return {str(file["name"]): str(file["sha256"]) for file in held["files"]}
    except (json.JSONDecodeError, KeyError, TypeError):
        raise Faulty([Fault(str(path), "", "is damaged", "export the answers again, or copy the folder whole")]) from None


def _whole_folder(folder: Path) -> dict[str, bytes]:
    manifest = _manifest(folder)
    if not manifest:
        raise Faulty(
            [Fault(str(folder), "", f"is a folder without a {MANIFEST}", "name a file, or a folder that 'cact responses export' made")]
        )
    files = {name: read_bytes(folder / Path(name).name) for name in manifest}
    _check_digests(files, manifest)
    return files


def _check_digests(files: Mapping[str, bytes], manifest: Mapping[str, str]) -> None:
    """Raises Faulty where a manifest stands beside and a file is not what it says."""
    faults = []
    for name, content in files.items():
        if manifest and name not in manifest:
            faults.append(Fault(name, "", f"is not named in the {MANIFEST} beside it", "move it to a folder of its own, or export again"))
        elif manifest and manifest[name] != digest(content):
            faults.append(Fault(name, "sha256", f"is not what {MANIFEST} says: it was changed or damaged", "copy or export it again"))
    if faults:
        raise Faulty(faults)
