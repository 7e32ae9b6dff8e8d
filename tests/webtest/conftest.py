"""A room of people on a short test, at times that the test says."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

import pytest

from cat_engine import Pool, TestPlan
from cat_engine.trial import BankTrial, trial
from tests.conftest import DATABASES, Place, copy_of, drop
from tests.webtest.mixedbank import publish_mixed_bank
from webtest import tasks
from webtest.catalog import Kit
from webtest.config import House
from webtest.events import Break, Kind, SessionEvent, StoredEvent, canonical, first_break
from webtest.founding import invented_roster
from webtest.roster import RosterRow
from webtest.services.taking import Screen
from webtest.services.waves import NewWave, simulated_here

T0 = 1_790_000_000_000
SECOND, MINUTE, HOUR = 1_000, 60_000, 3_600_000
OFFICER, SECOND_OFFICER = "user:1", "user:2"
PLAN = """
name = "Singkat"
[select]
name = "mfi"
[exposure]
name = "randomesque"
k = 5
[[sections]]
code = "kompetensi"
title = "Kompetensi"
competencies = ["M.01", "M.02"]
min_items = 2
max_items = 2
time_budget_min = 10
[[sections]]
code = "intelektual"
title = "Intelektual"
competencies = ["P.01"]
min_items = 2
max_items = 2
time_budget_min = 5
"""
STEPS = (Kind.IDENTITY_CONFIRMED, Kind.RULES_ACCEPTED, Kind.PRACTISED)


@dataclass
class Taker:
    """One person at a PC."""

    attempt: str
    nip: str
    pin: str
    device: str


@dataclass
class Room:
    """An open wave whose people hold their PINs."""

    house: House
    wave: str
    takers: list[Taker] = field(default_factory=list)

    @property
    def ids(self) -> list[str]:
        return [t.attempt for t in self.takers]

    def who(self, t: Taker) -> tuple[str, str, str]:
        return t.attempt, self.wave, t.device

    def screen(self, t: Taker, now: int) -> Screen:
        return self.house.taking.screen(*self.who(t), now)

    def log_in(self, t: Taker, now: int) -> None:
        self.house.taking.login(t.nip, t.pin, t.device, now)

    def enter(self, t: Taker, now: int) -> None:
        """Log in and go as far as the waiting room."""
        self.log_in(t, now)
        for kind in STEPS:
            self.house.taking.step(*self.who(t), kind, now)

    def start(self, now: int) -> None:
        self.house.waves.start(self.wave, self.ids, actor=OFFICER, now=now)

    def begin(self, t: Taker, now: int) -> Screen:
        return self.house.taking.begin(*self.who(t), now)

    def answer(self, t: Taker, screen: Screen, choice: int, now: int, key: str = "k") -> Screen:
        return self.house.taking.answer(*self.who(t), screen.seq, choice, 900, f"{key}{screen.seq}", now)

    def under_way(self, now: int) -> list[Screen]:
        """Everybody has entered and is at the first item."""
        for t in self.takers:
            self.enter(t, now)
        self.start(now)
        return [self.begin(t, now) for t in self.takers]

    def sit(self, t: Taker, now: int, seed: int = 0) -> int:
        """Answer at random until the end; gives the time of the last answer."""
        rng = random.Random(seed)
        screen = self.begin(t, now)
        while screen.name != "finished":
            now += 1_000 + rng.randrange(20_000)
            if screen.name == "ready":
                screen = self.begin(t, now)
            else:
                assert screen.content is not None
                screen = self.answer(t, screen, rng.randrange(len(screen.content.options)), now)
        return now

    def close(self, now: int) -> None:
        self.house.waves.close(self.wave, actor=OFFICER, now=now)

    def kinds(self, t: Taker) -> list[str]:
        return [event.kind for event in self.house.store.events(t.attempt)]


MakeRoom = Callable[..., Room]
SIMULATED: set[tuple[int, str, str]] = set()  # of how many people simulations came to the end in this process, by plan and pool


def simulated_once(kit: Kit) -> None:
    """As `simulated_here`, but the same plan on the same pool once: the outcome would be the same."""
    if (key := (tasks.TRIED, kit.plan.digest, kit.pool.digest)) not in SIMULATED:
        simulated_here(kit)
        SIMULATED.add(key)


TRIALS: dict[tuple[str, str, int], BankTrial] = {}


@pytest.fixture
def tried_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Banks are tried as always, but the same plan on the same pool with the same people once in this process: the figures would be the same."""

    def kept(plan: TestPlan, pool: Pool, seed: int, watch: Callable[[int], None]) -> BankTrial:
        if (key := (plan.digest, pool.digest, seed)) not in TRIALS:
            TRIALS[key] = trial(plan, pool, seed, watch=watch)
        return TRIALS[key]

    monkeypatch.setattr(tasks, "trial", kept)


def verify(events: Sequence[SessionEvent]) -> Break | None:
    """The first place where one attempt's events (in seq order) do not form a chain, or None."""
    return first_break(StoredEvent(e.attempt, e.seq, e.kind, e.at, e.actor, canonical(e.payload), e.prev_hash, e.hash) for e in events)


def open_room(
    house: House, n: int = 2, plan: str = PLAN, name: str = "Uji", now: int = T0, roster: Sequence[RosterRow] | None = None
) -> Room:
    new = NewWave(name, "Kota Contoh", "Aula", "2026-11-24")
    wave = house.waves.create(new, invented_roster(n) if roster is None else roster, plan, actor=OFFICER, now=now, seed=7)
    house.waves.open(wave, actor=OFFICER, now=now, simulated=simulated_once)
    lines = house.monitor.board(wave, now, fresh=True).lines
    cards = {card.nip: card for card in house.waves.issue_pins(wave, [line.attempt for line in lines], actor=OFFICER, now=now)}
    return Room(house, wave, [Taker(line.attempt, line.nip, cards[line.nip].pin, f"pc-{line.seat}") for line in lines])


def finished_room(house: House, n: int = 2, plan: str = PLAN) -> Room:
    """A closed wave in which everybody has answered everything."""
    room = open_room(house, n, plan)
    for t in room.takers:
        room.enter(t, T0)
    room.start(T0 + MINUTE)
    for i, t in enumerate(room.takers):
        room.sit(t, T0 + MINUTE, seed=i)
    room.close(T0 + HOUR)
    return room


@dataclass(frozen=True)
class Scene:
    """An installation that nobody has open, in which a wave is under way: a room is laid out as a copy of it."""

    place: Place
    kit: Kit
    takers: tuple[Taker, ...]

    @property
    def wave(self) -> str:
        return self.kit.wave_id

    def room(self, house: House) -> Room:
        """The room in a copy of the place; its kit, which never changes, need not be built again."""
        house.catalog._kits[self.wave] = self.kit
        return Room(house, self.wave, [replace(t) for t in self.takers])


MakeScene = Callable[..., Scene]


@pytest.fixture(scope="session")
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> MakeScene:
    """`scene(kind, act, *args)`: the founded installation on that kind of database after act(house, *args), which gives a room; acted once a worker."""

    @cache
    def made(kind: str, act: MakeRoom, *args: object) -> Scene:
        place = copy_of(request.getfixturevalue(f"founded_{kind}"), tmp_path_factory.mktemp("scene") / "cact-data")
        house = place.open()
        room = act(house, *args)
        kit = house.catalog.kit(room.wave)
        house.close()
        return Scene(place, kit, tuple(room.takers))

    return made


MakeOwn = Callable[[Scene], Room]


@pytest.fixture
def own(tmp_path: Path) -> Iterator[MakeOwn]:
    """`own(scene)`: the test's own room, a copy of a scene."""
    opened: list[tuple[House, Place]] = []

    def lay_out(scene: Scene) -> Room:
        place = copy_of(scene.place, tmp_path / "cact-data")
        house = place.open()
        opened.append((house, place))
        return scene.room(house)

    yield lay_out
    for house, place in opened:
        house.close()
        drop(place)


@pytest.fixture(params=DATABASES)
def room(request: pytest.FixtureRequest, scene: MakeScene, own: MakeOwn) -> Room:
    """Two people with PINs in an open wave, on each kind of database."""
    return own(scene(request.param, open_room))


@pytest.fixture(params=DATABASES)
def finished(request: pytest.FixtureRequest, scene: MakeScene, own: MakeOwn) -> Room:
    """A closed wave of two people who have answered everything, on each kind of database."""
    return own(scene(request.param, finished_room))


@pytest.fixture
def light(scene: MakeScene, own: MakeOwn) -> MakeRoom:
    """`light(n)`: a room on SQLite alone; asked again, another wave in the same installation."""
    rooms: list[Room] = []

    def make(n: int = 2, plan: str = PLAN) -> Room:
        rooms.append(open_room(rooms[0].house, n, plan) if rooms else own(scene("sqlite", open_room, n, plan)))
        return rooms[-1]

    return make


@pytest.fixture(scope="session")
def founded_mixed(founded_sqlite: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """An installation on SQLite whose bank has items in pretest and response-time parameters."""
    place = copy_of(founded_sqlite, tmp_path_factory.mktemp("mixed") / "cact-data")
    house = place.open()
    publish_mixed_bank(house)
    house.close()
    return place


@pytest.fixture
def mixed_house(founded_mixed: Place, tmp_path: Path) -> Iterator[House]:
    """Such an installation of the test's own, open."""
    opened = copy_of(founded_mixed, tmp_path / "cact-data").open()
    yield opened
    opened.close()
