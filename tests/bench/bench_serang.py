"""Serang's size is interactive: from the button to the report of a closed wave of 1,052 people, over the web application.

Measured are the three requests that a psychometrician's browser makes: the form, the page of the run that it leads to, and its report. All is in it:
answers out of the event log, estimates and standard errors, fit, tests between sexes, job levels, units and waves, report, draft version.

python -m tests.bench serang
"""

import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from time import process_time

import numpy as np
from sqlmodel import Session as SqlSession

from cat_engine import SimulationResult, load_plan, simulate
from cat_engine.population import Population
from itembank.bank import pool_of
from itembank.demo import load_demo, plan_text
from tests.bench.__main__ import main
from tests.bench.bench_calibration import SERANG
from tests.bench.case import Case
from tests.conftest import PASSWORD, Place, found
from tests.webtest.site import Browser, site_of
from webtest.config import House
from webtest.events import Entry, Kind
from webtest.founding import invented_roster
from webtest.models import Wave
from webtest.services.waves import NewWave

REPEATS = 5
T0 = 1_790_000_000_000


def closed_wave(house: House) -> str:
    """A closed wave whose answers are simulated on the sample plan, their events written as the application writes them."""
    bank, _ = load_demo()
    pool = pool_of(bank, bank.competencies)
    result = simulate(load_plan(plan_text()), pool, Population().abilities(SERANG, len(pool.competencies), 5), 1)
    wave = house.waves.create(
        NewWave("Serang", "Kota Contoh", "Aula", "2026-11-24"), invented_roster(SERANG), plan_text(), actor="user:1", now=T0, seed=7
    )
    house.waves.open(wave, actor="user:1", now=T0)
    attempts = [line.attempt for line in house.monitor.board(wave, T0, fresh=True).lines]
    ends = np.searchsorted(result.step_person, np.arange(SERANG + 1)).tolist()
    for attempt, low, high in zip(attempts, ends[:-1], ends[1:], strict=True):
        session = house.store.load(attempt)
        house.store.append(session, wave, _entries(result, pool.ids, range(low, high), session.seq), actor="taker", now=T0)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        sql.get_one(Wave, wave).closed_at = T0 + 1
    return wave


def _entries(result: SimulationResult, ids: Sequence[str], steps: range, seq: int) -> list[Entry]:
    """Each item given and answered, behind event `seq`."""
    entries = []
    for k, step in enumerate(steps):
        item, category = int(result.step_item[step]), int(result.step_category[step])
        grounds = {"theta": 0.123456789, "se": 0.4123456789, "info": 1.23456789, "n_eligible": 20, "rung": "full", "why": "adaptive"}
        entries.append(Entry(Kind.PRESENTED, {"item": item, "item_id": ids[item], "section": 0, **grounds}))
        answer = {"presented_seq": seq + 1 + 2 * k, "item_id": ids[item], "choice": category, "category": category, "rt_ms": 20_000}
        entries.append(Entry(Kind.ANSWERED, {**answer, "client_ms": 19_000, "key": f"k{k}", "theta": 0.123456789, "se": 0.4123456789}))
    return entries


def press(browser: Browser, wave: str) -> float:
    """CPU seconds from the button to the report, of all threads."""
    browser.get("/petugas/bank/kalibrasi")
    begin = process_time()
    done = browser.post("/petugas/bank/kalibrasi", {"wave": wave, "mode": "free"})
    browser.get(done.location)
    report = browser.get(f"{done.location}/laporan")
    spent = process_time() - begin
    assert "antarkelompok (DIF)" in report.text, done.text
    return spent


def button() -> list[float]:
    """On an installation of its own, on SQLite."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "cact-data"
        place = Place(folder, f"sqlite:///{folder}/cact.db")
        found(place)
        house = place.open()
        try:
            wave = closed_wave(house)
            browser = site_of(house).browser().officer("psikometrisi", PASSWORD)
            return [press(browser, wave) for _ in range(REPEATS)]
        finally:
            house.close()


def cases() -> list[Case]:
    """CPU seconds of the fastest press: other work on the machine only ever adds."""
    return [Case(f"a wave of {SERANG:,} people, from button to report", "s", button, 2, 1.2, figure=min)]


if __name__ == "__main__":
    sys.exit(main(["bench_serang"]))
