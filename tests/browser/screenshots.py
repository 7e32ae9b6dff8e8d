"""The pictures of docs/screenshots, taken anew: `python -m tests.browser.screenshots`.

A throw-away installation, a closed wave with results and a calibration, a wave under way with people in every state, and Chromium.
"""

import random
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page

from calibration.pipeline import CalibrationOptions
from itembank.demo import plan_text
from tests.browser.stage import COORDINATOR, DAY, Stage, browser, chromium, now_ms, officer_in, plan, to_first_item
from webtest.roster import PerformanceRow
from webtest.services.psychometrics import Psychometrics
from webtest.services.results import Results
from webtest.services.waves import NewWave

FOLDER = Path(__file__).parents[2] / "docs" / "screenshots"
LARGEST = 150_000
WIDE, NARROW = {"width": 1366, "height": 768}, {"width": 360, "height": 740}
EVERY = plan(("M.01 M.02 M.03 M.04 M.05 M.06 M.07 M.08 S.01", 6, 75.0), ("P.01", 10, 30.0), se=0.42)


def save(page: Page, name: str, clip_height: int | None = None) -> None:
    """Write one picture; says so where it is too large for the repository."""
    path = FOLDER / f"{name}.png"
    size = page.viewport_size or WIDE
    clip = {"x": 0, "y": 0, "width": size["width"], "height": clip_height} if clip_height else None
    page.screenshot(path=path, full_page=clip is not None, clip=clip)  # type: ignore[arg-type]
    weight = path.stat().st_size
    print(f"{path.name}: {weight // 1000} kB")
    if weight > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST // 1000} kB")


def results_of(stage: Stage) -> tuple[str, int]:
    """A closed wave with performance values, and a calibration of it: (wave, run)."""
    wave = stage.answered(180, EVERY, "Gelombang 1")
    results = Results(stage.house.engine, stage.house.store, stage.house.catalog, stage.house.keys)
    rng = random.Random(3)
    rows = [PerformanceRow(p.nip, min(100.0, max(20.0, rng.gauss(74, 13))), rng.uniform(45, 95)) for p in results.wave(wave).profiles]
    results.load_performance(wave, rows, actor="user:4", now=now_ms())
    bank = Psychometrics(stage.house.engine, stage.house.store)
    run, _ = bank.calibrate([wave], CalibrationOptions(min_n=60, max_se=0.45), actor="user:3", now=now_ms())
    return wave, run


def under_way(stage: Stage) -> str:
    """Room A of a wave an hour after its start, with people in every state; gives the wave."""
    house, start, rng = stage.house, now_ms() - 3_000_000, random.Random(1)
    new = NewWave("Gelombang 3", "Pemerintah Kota (contoh)", "Gedung BKPSDM Lantai 2", DAY)
    wave = house.waves.create(new, stage.roster(30), plan_text(), actor=COORDINATOR, now=start)
    house.waves.open(wave, actor=COORDINATOR, now=start)
    ids = [line.attempt for line in house.monitor.board(wave, now_ms()).lines]
    cards = house.waves.issue_pins(wave, ids[:28], actor=COORDINATOR, now=start)
    for card in cards[:26]:
        stage.enter(card)
    house.waves.start(wave, ids[:24], actor=COORDINATOR, now=start + 300_000)
    for k, (card, attempt) in enumerate(zip(cards[:23], ids, strict=False)):
        device, at = f"device-{card.nip}", start + 310_000 + rng.randrange(60_000)
        screen = house.taking.begin(attempt, wave, device, at)
        while screen.name == "item" and at < now_ms() - 60_000:
            at = min(at + rng.randrange(40_000, 150_000), now_ms() - rng.randrange(2_000, 50_000))
            screen = house.taking.answer(attempt, wave, device, screen.seq, rng.randrange(4), 1000, f"{k}-{at}", at)
        stage.house.beats.beat(attempt, now_ms() - (130_000 if k in (10, 16) else rng.randrange(500, 9_000)))
    house.waves.pause(wave, [ids[8]], "technical.network", "Kabel jaringan meja 9 diganti", actor=COORDINATOR, now=now_ms() - 120_000)
    house.waves.extend(wave, [ids[8]], 10, "technical.network", "Kabel jaringan meja 9 diganti", actor=COORDINATOR, now=now_ms() - 100_000)
    for attempt in ids[:24]:  # the last beats reach the database with the next one written
        if attempt not in (ids[10], ids[16]):
            stage.house.beats.beat(attempt, now_ms() - rng.randrange(500, 9_000))
    return wave


def main() -> None:
    """Take them all."""
    path = chromium()
    if path is None:
        sys.exit("Chromium is not installed (Debian: apt install chromium)")
    FOLDER.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        stage = Stage(Path(folder) / "cact-data")
        try:
            wave, run = results_of(stage)
            with browser(path) as chrome:
                page = chrome.new_page(viewport=WIDE, locale="id-ID")  # type: ignore[arg-type]
                room = stage.room(1, plan_text(), "Gelombang 2")
                to_first_item(stage, page, room)
                page.click("label.option >> nth=1")
                page.mouse.move(2, 2)
                save(page, "item")
                page.set_viewport_size(NARROW)  # type: ignore[arg-type]
                save(page, "item-360")
                page.close()
                for role, address, name, height in (
                    ("koordinator", f"/petugas/gelombang/{under_way(stage)}", "board", 800),
                    ("asesor", f"/petugas/hasil/{wave}", "nine-box", None),
                    ("psikometrisi", f"/petugas/bank/kalibrasi/{run}/laporan", "calibration", 640),
                ):
                    page = chrome.new_page(viewport=WIDE, locale="id-ID")  # type: ignore[arg-type]
                    officer_in(page, stage.url, role)
                    page.goto(stage.url + address)
                    if name == "nine-box":
                        page.get_by_role("heading", name="Peta talenta").scroll_into_view_if_needed()
                        page.evaluate(
                            "document.querySelector('[aria-label^=\"Peta talenta\"]').closest('.grid2').previousElementSibling.scrollIntoView()"
                        )
                    save(page, name, height)
                    page.close()
        finally:
            stage.close()


if __name__ == "__main__":
    main()
