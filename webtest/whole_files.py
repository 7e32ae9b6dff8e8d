"""Files and folders that are there whole or not at all, and CSV that is written as its rows come."""

import csv
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cat_engine import Fault, Faulty


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file whose numbers read back to the same bits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def new_folder_fault(folder: Path) -> list[Fault]:
    """A fault where `folder` cannot be made because something is there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return [Fault("--out", str(folder), "is there already and not empty", "name a new folder")]
    return []


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when all went well and disappears when not."""
    faults = new_folder_fault(folder)
    if faults:
        raise Faulty(faults)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    part.chmod(0o755)
    try:
        yield part
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when all went well and disappears when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
