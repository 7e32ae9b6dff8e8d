"""Files and folders that are there whole or not at all, and CSV that is written as its rows come."""

import csv
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cat_engine import Fault, Faulty
from webtest.console import check_target


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file whose numbers read back to the same bits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def new_folder_fault(folder: Path) -> list[Fault]:
    """A fault where `folder` cannot be made because something is there, or because there is nothing to make it in."""
    parent = folder.absolute().parent
    if not parent.is_dir():
        return [Fault("--out", str(folder), f"the folder {parent} does not exist", "make it first")]
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return [Fault("--out", str(folder), "is there already and not empty", "name a new folder")]
    return []


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder, its owner's alone, that becomes `folder` when all went well and disappears when not. Raises Faulty where there can be none."""
    faults = new_folder_fault(folder)
    if faults:
        raise Faulty(faults)
    with _ended_in_order():
        try:
            part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        except OSError as error:
            raise Faulty([Fault("--out", str(folder), f"cannot be made: {error.strerror}")]) from None
        try:
            yield part
            part.replace(folder)
        finally:
            shutil.rmtree(part, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file, its owner's alone, that becomes `path` when all went well and disappears when not. Raises Faulty where there can be none."""
    check_target(path, force=True)
    with _ended_in_order():
        try:
            handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.absolute().parent)
        except OSError as error:
            raise Faulty([Fault(str(path), "", f"cannot be written: {error.strerror}")]) from None
        os.close(handle)
        part = Path(name)
        try:
            yield part
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Meanwhile SIGTERM and a terminal that is closed (SIGHUP) end the process as Ctrl-C does, so that what is half made is taken away. Only the
    main thread may ask for that; a signal that somebody handles or ignores already (nohup) is left to them.
    """
    main = threading.current_thread() is threading.main_thread()
    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in ours:
        signal.signal(number, _end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)


def _end(number: int, _frame: object) -> None:
    signal.signal(number, signal.SIG_IGN)  # a second one must not stop the tidying
    raise KeyboardInterrupt
