"""The stage of the browser tests: an installation with a real server, waves made to order, people who answer by the bank's model, Chromium."""

import random
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from itembank.demo import load_demo
from webtest import founding
from webtest.config import House, open_house
from webtest.events import Kind
from webtest.rehearsal.people import Brain, Taker, draw_takers
from webtest.rehearsal.server import Server, free_port
from webtest.roster import RosterRow
from webtest.services.acts import Card
from webtest.services.waves import NewWave
from webtest.session import Session

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
PASSWORD = "kata-sandi-uji"
COORDINATOR = "user:2"  # founding.NAMES: pengawas, koordinator, ...
DAY = "2026-11-24"


def chromium() -> str | None:
    """The path of Chromium, or None."""
    return CHROMIUM if Path(CHROMIUM).exists() else shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser(path: str) -> Iterator[Browser]:
    """A Chromium of our own. Playwright holds an event loop while it is open, so nobody keeps it longer than a module."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=FLAGS)
        try:
            yield opened
        finally:
            opened.close()


def now_ms() -> int:
    """The clock, in ms since 1970 UTC."""
    return time.time_ns() // 1_000_000


def plan(*sections: tuple[str, int, float], se: float = 0.01) -> str:
    """A test plan: sections of (competencies, items per competency, minutes); it ends by length unless `se` is within reach."""
    text = f'name = "Uji"\n[stop]\nse = {se}\n'
    for k, (codes, items, minutes) in enumerate(sections, 1):
        listed = ", ".join(f'"{code}"' for code in codes.split())
        text += f'[[sections]]\ncode = "b{k}"\ntitle = "Bagian {k}"\ncompetencies = [{listed}]\nmin_items = 2\nmax_items = {items}\ntime_budget_min = {minutes}\n'
    return text


SHORT = plan(("M.01", 3, 10.0), ("P.01", 2, 5.0))
PEOPLE = "Siti Rahmawati, Bambang Suryanto, Ni Luh Ayu Pratiwi, Muhammad Iqbal Nasution, Yohanes Wenda, Dewi Anggraini, Hendra Gunawan, Fitri Handayani"


@dataclass(frozen=True)
class Room:
    """An open wave and its PIN cards, in the order of seats."""

    wave: str
    cards: list[Card]
    attempts: list[str]


class Stage:
    """A founded installation on SQLite in `folder`, its server as a process of its own, and a second hand on the same database."""

    def __init__(self, folder: Path) -> None:
        self.house: House = open_house(folder, f"sqlite:///{folder}/cact.db")
        founding.load_norms(self.house)
        founding.publish_sample_bank(self.house)
        for role, name in founding.NAMES.items():
            self.house.accounts.add(role, name, role, PASSWORD)
        self.server = Server(folder, f"sqlite:///{folder}/cact.db", free_port(), 1)
        self.server.start()
        self.url = self.server.url
        self._people = 0

    def close(self) -> None:
        """Stop the server and let go of the database."""
        self.server.stop()
        self.house.close()

    def roster(self, n: int, rooms: int = 1) -> list[RosterRow]:
        """n people whom no wave has had yet."""
        made = founding.invented_roster(self._people + n)[self._people :]
        names = PEOPLE.split(", ")
        size = -(-n // rooms)
        start, self._people = self._people, self._people + n
        return [
            RosterRow(
                row.nip, f"{names[(start + i) % len(names)]} {start + i + 1}", row.job_level, row.unit, f"Ruang {chr(65 + i // size)}"
            )
            for i, row in enumerate(made)
        ]

    def room(self, n: int = 1, text: str = SHORT, name: str = "Gelombang Uji", rooms: int = 1) -> Room:
        """An open wave of n people with PINs."""
        new = NewWave(name, "Pemerintah Kota (contoh)", "Gedung A", DAY)
        wave = self.house.waves.create(new, self.roster(n, rooms), text, actor=COORDINATOR, now=now_ms(), seed=7)
        self.house.waves.open(wave, actor=COORDINATOR, now=now_ms())
        attempts = [line.attempt for line in self.house.monitor.board(wave, now_ms(), fresh=True).lines]
        return Room(wave, self.house.waves.issue_pins(wave, attempts, actor=COORDINATOR, now=now_ms()), attempts)

    def start(self, room: Room) -> None:
        """Start together."""
        self.house.waves.start(room.wave, room.attempts, actor=COORDINATOR, now=now_ms())

    def session(self, attempt: str) -> Session:
        """What the log says of an attempt now."""
        return self.house.store.load(attempt)

    def enter(self, card: Card, *, ready: bool = True) -> tuple[str, str, str]:
        """Log a person in without a browser, as far as the waiting room; gives (attempt, wave, device)."""
        device = f"device-{card.nip}"
        attempt, wave = self.house.taking.login(card.nip, card.pin, device, now_ms())
        for kind in (Kind.IDENTITY_CONFIRMED, Kind.RULES_ACCEPTED, Kind.PRACTISED) if ready else ():
            self.house.taking.step(attempt, wave, device, kind, now_ms())
        return attempt, wave, device

    def answered(self, n: int, text: str, name: str) -> str:
        """A closed wave in which n people have answered by the bank's model."""
        room = self.room(n, text, name, rooms=-(-n // 30))
        bank, contents = load_demo()
        brain = Brain(bank, contents)
        rows = [RosterRow(card.nip, card.name, "pengawas", "Unit", card.room) for card in room.cards]
        takers = draw_takers(rows, bank.competencies, seed=5)
        who = [self.enter(card) for card in room.cards]
        self.start(room)

        def sit(pair: tuple[tuple[str, str, str], Taker]) -> None:
            self.sit(*pair[0], lambda content: brain.choose(content, pair[1].theta, pair[1].rng))

        with ThreadPoolExecutor(24) as pool:  # together, so that one commit carries many answers
            list(pool.map(sit, zip(who, takers, strict=True)))
        self.house.waves.close(room.wave, actor=COORDINATOR, now=now_ms())
        return room.wave

    def sit(self, attempt: str, wave: str, device: str, choose: Callable, most: int = 1000) -> None:  # type: ignore[type-arg]
        """Begin sections and answer items until the test is over, or `most` items are answered."""
        taking = self.house.taking
        screen = taking.begin(attempt, wave, device, now_ms())
        for _ in range(most):
            if screen.name == "ready":
                screen = taking.begin(attempt, wave, device, now_ms())
            if screen.name != "item" or screen.content is None:
                return
            choice = choose(screen.content)
            screen = taking.answer(attempt, wave, device, screen.seq, choice, 900, f"{random.random()}", now_ms())


# what people do in a browser


def log_in(page: Page, url: str, card: Card) -> None:
    """A test-taker's login."""
    page.goto(f"{url}/masuk")
    page.fill("#nip", card.nip)
    page.fill("#pin", card.pin)
    page.click("main .card button")


def to_waiting(page: Page, url: str, card: Card) -> None:
    """From login through identity, rules and practice into the waiting room (or wherever the wave has got to)."""
    log_in(page, url, card)
    page.click("text=Ya, data ini benar")
    page.click("text=Saya mengerti")
    page.click("label.option >> nth=0")
    page.click("form.answer button")
    page.wait_for_selector("#facts:not([data-screen^=practice])", state="attached")


def to_first_item(stage: Stage, page: Page, room: Room, who: int = 0) -> None:
    """Into the first item of the first section."""
    to_waiting(page, stage.url, room.cards[who])
    stage.start(room)
    page.reload()
    page.get_by_role("button", name="Mulai Tes").click()
    page.wait_for_selector("form[data-answer]")


def screen_of(page: Page) -> str:
    """The page's own word on what it shows: name and seq."""
    return page.get_attribute("#facts", "data-screen") or ""


def officer_in(page: Page, url: str, role: str) -> None:
    """An officer's login."""
    page.goto(f"{url}/petugas/masuk")
    page.fill("#username", role)
    page.fill("#password", PASSWORD)
    page.click("main .card button")
    page.wait_for_url("**/petugas/gelombang")
