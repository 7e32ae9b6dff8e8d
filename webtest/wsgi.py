"""What Granian loads in each worker: the application over the data folder named in the environment (CACT_DATA)."""

import atexit
import os
import time
from pathlib import Path

from flask import Flask

from webtest.app import create_app
from webtest.checkpoints import seal_due
from webtest.config import open_house
from webtest.keeper import Keeper


def make_app() -> Flask:
    """The application. Environment: CACT_DATA folder, DATABASE_URL, CACT_HTTPS=1 behind TLS, CACT_PROXIES = how many set X-Forwarded-*."""
    house = open_house(Path(os.environ.get("CACT_DATA", "cact-data")))
    keeper = Keeper(lambda: seal_due(house.engine, house.keys, time.time_ns() // 1_000_000))
    keeper.start()
    house.works.serve()
    atexit.register(house.close)
    atexit.register(keeper.stop)  # runs before house.close: the last registered is the first called
    return create_app(house, secure_cookies=os.environ.get("CACT_HTTPS") == "1", trusted_proxies=int(os.environ.get("CACT_PROXIES", "0")))
