"""A small thread in each server process that does what is due from time to time."""

import logging
import threading
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

LOOK_S = 60.0


class Keeper:
    """Calls `job` every `every_s` seconds until stopped. A database that is away for a while is logged, and the job is tried again."""

    def __init__(self, job: Callable[[], object], every_s: float = LOOK_S, stop: threading.Event | None = None) -> None:
        self._job, self._every_s = job, every_s
        self._stop = stop or threading.Event()
        self._thread = threading.Thread(target=self.run, name="keeper", daemon=True)

    def start(self) -> None:
        """Begin; the first call comes after `every_s`."""
        self._thread.start()

    def stop(self) -> None:
        """End, after the call that is under way."""
        self._stop.set()
        self._thread.join()

    def run(self) -> None:
        """The thread's work."""
        while not self._stop.wait(self._every_s):
            try:
                self._job()
            except SQLAlchemyError as error:
                logging.getLogger(__name__).warning("not done, tried again in %s s: %s", self._every_s, type(error).__name__)
