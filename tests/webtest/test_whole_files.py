"""Files and folders that are there whole or not at all, also where the process is told to end."""

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from webtest.whole_files import whole, whole_file

HALF_MADE = """
import sys, time
from pathlib import Path
from webtest.whole_files import whole, whole_file
make = {"folder": whole, "file": whole_file}[sys.argv[2]]
with make(Path(sys.argv[1])) as part:
    (part / "steps.csv" if part.is_dir() else part).write_text("half")
    print("going", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("kind", ["folder", "file"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_process_that_is_told_to_end_leaves_nothing_half_made(tmp_path: Path, kind: str, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HALF_MADE, str(tmp_path / "out"), kind], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"going\n"
        assert len(list(tmp_path.iterdir())) == 1
        process.send_signal(number)
        ended = process.wait(30)
    assert ended == -signal.SIGINT  # as Python ends at Ctrl-C
    assert not list(tmp_path.iterdir())


def test_what_a_signal_did_before_it_does_afterwards(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with whole(tmp_path / "a"), whole_file(tmp_path / "b"):
        assert signal.getsignal(signal.SIGTERM) is not before
    assert signal.getsignal(signal.SIGTERM) is before
    previous = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # nohup
    try:
        with whole(tmp_path / "c"):
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, previous)


def test_another_thread_makes_files_too(tmp_path: Path) -> None:
    def make() -> None:
        with whole_file(tmp_path / "a") as part:
            part.write_text("all")

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    assert (tmp_path / "a").read_text() == "all"
