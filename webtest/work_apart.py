"""A task as a process of its own: it takes seconds or a minute of computing, which test-takers must not feel.

The process gets the task on its standard input and says on its standard output, a line of JSON each, how far it is and at last what came out. It
touches no file and no database. When whoever asked is gone, its next line finds nobody, and it ends.
"""

import json
import os
import pickle
import selectors
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from cat_engine import Faulty
from webtest.tasks import Task

HEARD_S = 2.0  # at least so often the asker hears something
NICER = 10  # than the server, which goes first where both want the processor

Said = dict[str, Any]  # {"done", "total"}, or last {"outcome"} or {"faults"}; {} where there is nothing new


def apart(task: Task) -> Iterator[Said]:
    """Run a task in a process of its own. Ends without an outcome where the process did; it is killed when nobody listens any more."""
    process = subprocess.Popen([sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE)  # noqa: S603 - our own command
    try:
        if process.stdin is None or process.stdout is None:
            return
        with process.stdin as pipe:
            pickle.dump(task, pipe)
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                if not ready.select(HEARD_S):
                    yield {}
                elif line := process.stdout.readline():
                    yield json.loads(line)
                else:
                    return
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    """Read, compute, say."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # nobody listens: end, without a word
    os.nice(NICER)
    task: Task = pickle.load(sys.stdin.buffer)  # noqa: S301 - from our own server, over a pipe
    try:
        said: Said = {"outcome": task.run(lambda done, total: _say({"done": done, "total": total}))}
    except Faulty as error:
        said = {"faults": [asdict(fault) for fault in error.faults]}
    _say(said)


def _say(said: Said) -> None:
    print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()
