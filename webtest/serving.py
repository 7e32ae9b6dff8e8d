"""Starting the server: Granian over the WSGI application, one worker on SQLite, more on PostgreSQL."""

import os
import socket
from pathlib import Path

from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from cat_engine import Fault, Faulty

BLOCKING_THREADS = (
    8  # on two cores a rehearsal answered 143 times a second with 48, 162 with 12, 182 with 4: more threads wait for each other
)


def port_fault(host: str, port: int) -> Fault | None:
    """Why the address cannot be listened on, or None."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return Fault(f"{host}:{port}", "", f"cannot be listened on: {error.strerror}", "name another one with --port")
    return None


def serve(folder: Path, host: str, port: int, *, workers: int = 1) -> None:
    """Serve until interrupted. Raises Faulty where the port is taken."""
    fault = port_fault(host, port)
    if fault is not None:
        raise Faulty([fault])
    os.environ["CACT_DATA"] = str(folder.resolve())
    Granian(
        "webtest.wsgi:make_app",
        factory=True,
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=workers,
        blocking_threads=BLOCKING_THREADS,
        backlog=2048,
        respawn_failed_workers=True,
        log_level=LogLevels.error,  # a warning of theirs on the number of threads does not know what the threads wait for
        log_access=False,
        websockets=False,
    ).serve()
