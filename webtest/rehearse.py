"""The dress rehearsal: N virtual test-takers over HTTP, from login to receipt, through the pages that a browser uses.

Each has true abilities and a pace of its own, knows an item by its text (ids, keys and parameters never reach a browser), answers by the bank's
model, and repeats a post with the same key when the connection breaks. At the end every acknowledged answer is looked up in the log.
"""

import asyncio
import html
import json
import random
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import numpy as np

from cat_engine import probabilities
from itembank.bank import Bank, ItemContent
from webtest.roster import RosterRow

MEAN_OF_LEVEL = {"jpt_pratama": 0.9, "administrator": 0.5, "pengawas": 0.1, "fungsional": 0.1, "pelaksana": -0.5}
CORRELATION = 0.6
PACE_SD = 0.3  # of the logarithm of a person's median think time
PATIENCE_S = 120.0
TOKEN = re.compile(r'name="csrf_token" value="([^"]+)"')
META = re.compile(r'<meta name="csrf" content="([^"]+)"')
SCREEN = re.compile(r'data-screen="([a-z]+):(-?\d+)"')
KEY = re.compile(r'name="key" value="([^"]+)"')
SCENARIO = re.compile(r'<p class="scenario">(.*?)</p>', re.S)
QUESTION = re.compile(r'<legend class="question">(.*?)</legend>', re.S)
OPTION = re.compile(r'<span class="letter">[A-E]</span><span>(.*?)</span>', re.S)
CARD = re.compile(r'class="pincard"><b>.*?</b><br>NIP (\d{18})<br>.*?<div class="pin">(\d{6})</div>', re.S)
WAVE_ID = re.compile(r"/petugas/gelombang/(W[0-9a-f]{8})")


class RehearsalError(Exception):
    """The rehearsal cannot go on: the server refused what an organiser does, or did not come back."""


@dataclass(frozen=True, slots=True)
class Login:
    """An officer's user name and password."""

    username: str
    password: str


@dataclass(slots=True)
class Taker:
    """One virtual test-taker, and what happened to it."""

    row: RosterRow
    theta: Mapping[str, float]
    pace: float
    rng: random.Random
    pin: str = ""
    acknowledged: list[tuple[str, int]] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)
    state: str = "expected"
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the rehearsal is."""

    stage: str
    waiting: int
    finished: int
    failed: int
    answers: int


@dataclass(frozen=True, slots=True)
class Report:
    """What came out. Times in ms or s; rmse and correlation by competency, against the true abilities."""

    wave: str
    n: int
    finished: int
    failed: int
    answers: int
    lost: int
    doubled: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answers_per_s: float
    mean_length: float
    rmse: Mapping[str, float]
    correlation: Mapping[str, float]
    mean_se: Mapping[str, float]
    max_exposure: float
    unused: float
    kills: int
    seconds: float
    faults: tuple[str, ...]


class Brain:
    """How virtual people answer: an item is recognised by its text, a category drawn from the bank's model, and an option of it chosen."""

    def __init__(self, bank: Bank, contents: Mapping[str, ItemContent]) -> None:
        self.bank = bank
        self._by_text = {self._signature(c.scenario, c.question, c.options[0].text): c for c in contents.values()}

    @staticmethod
    def _signature(*texts: str) -> str:
        return "|".join(" ".join(text.split()) for text in texts)

    def recognise(self, page: str) -> ItemContent:
        """The item on a page."""
        found = (SCENARIO.search(page), QUESTION.search(page), OPTION.search(page))
        content = self._by_text.get(self._signature(*(html.unescape(m.group(1)) if m else "" for m in found)))
        if content is None:
            raise RehearsalError("a page shows an item that is not in the bank given; name the server's bank with --bank")
        return content

    def choose(self, content: ItemContent, theta: Mapping[str, float], rng: random.Random) -> int:
        """The option that a person of ability theta takes."""
        i = self.bank.index[content.item_id]
        p = probabilities(self.bank.params.take([i]), theta[content.competency])[0, 0]
        category = rng.choices(range(content.n_cat), weights=p[: content.n_cat].tolist())[0]
        return rng.choice([k for k, own in enumerate(content.categories) if own == category])


def draw_takers(roster: Sequence[RosterRow], competencies: Sequence[str], seed: int) -> list[Taker]:
    """People with true abilities: Normal around the mean of their job level, competencies correlated at CORRELATION."""
    rng = np.random.default_rng(seed)
    common = rng.normal(size=len(roster))
    own = rng.normal(size=(len(roster), len(competencies)))
    takers = []
    for i, row in enumerate(roster):
        theta = MEAN_OF_LEVEL.get(row.job_level, 0.0) + np.sqrt(CORRELATION) * common[i] + np.sqrt(1 - CORRELATION) * own[i]
        pace = float(np.exp(PACE_SD * np.clip(rng.normal(), -2, 2)))  # nobody so slow that the rest of the room waits for one
        takers.append(Taker(row, dict(zip(competencies, theta.tolist(), strict=True)), pace, random.Random(f"{seed}-{i}")))
    return takers


class Client:
    """One browser: a cookie jar, and posts that are repeated until the server has answered."""

    def __init__(self, url: str, connector: aiohttp.TCPConnector) -> None:
        self.url = url
        self.csrf = ""
        jar = aiohttp.CookieJar(unsafe=True)  # cookies of 127.0.0.1
        timeout = aiohttp.ClientTimeout(total=60)
        self._http = aiohttp.ClientSession(connector=connector, connector_owner=False, cookie_jar=jar, timeout=timeout)

    async def close(self) -> None:
        """Forget the cookies."""
        await self._http.close()

    async def get(self, path: str) -> tuple[int, str]:
        """A page, following redirects."""
        return await self._send("GET", path, None, fragment=False)

    async def post(self, path: str, data: Any, *, fragment: bool = False) -> tuple[int, str]:
        """A form, with the page's CSRF token."""
        return await self._send("POST", path, data, fragment=fragment)

    async def _send(self, verb: str, path: str, data: Any, *, fragment: bool) -> tuple[int, str]:
        headers = {"X-CSRFToken": self.csrf} if verb == "POST" else {}
        if fragment:
            headers["X-CACT"] = "1"
        until = time.monotonic() + PATIENCE_S
        wait = 0.1
        while True:
            try:
                body = data() if callable(data) else data
                async with self._http.request(verb, self.url + path, data=body, headers=headers) as reply:
                    text = await reply.text()
                    if reply.status < 500:
                        return reply.status, text
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                pass
            if time.monotonic() > until:
                raise RehearsalError(f"no answer from {self.url} for {PATIENCE_S:.0f} s")
            await asyncio.sleep(wait)
            wait = min(2 * wait, 1.0)

    async def officer_login(self, login: Login) -> None:
        """Log in at the officers' door."""
        _, page = await self.get("/petugas/masuk")
        self._take_token(page, TOKEN)
        status, page = await self.post("/petugas/masuk", {"username": login.username, "password": login.password})
        if status != 200:
            raise RehearsalError(f"officer '{login.username}' cannot log in (HTTP {status})")
        self._take_token(page, TOKEN)

    def _take_token(self, page: str, pattern: re.Pattern[str]) -> None:
        found = pattern.search(page)
        if found is None:
            raise RehearsalError("a page without its form token")
        self.csrf = found.group(1)

    async def taker_login(self, nip: str, pin: str) -> str:
        """Log in at the test-taker's door; gives the first page."""
        _, page = await self.get("/masuk")
        self._take_token(page, TOKEN)
        status, page = await self.post("/masuk", {"nip": nip, "pin": pin})
        if status != 200:
            raise RehearsalError(f"a test-taker cannot log in (HTTP {status})")
        self._take_token(page, META)
        return page


STEPS = {"identity": "/tes/konfirmasi", "rules": "/tes/tata-tertib", "practice": "/tes/latihan", "ready": "/tes/mulai"}


async def sit(taker: Taker, client: Client, brain: Brain, think_s: float) -> None:
    """One person's whole test, from login to receipt."""
    try:
        page = await client.taker_login(taker.row.nip, taker.pin)
        for _ in range(2_000):
            found = SCREEN.search(page)
            if found is None:
                raise RehearsalError("a page without its state")
            name, seq = found.group(1), found.group(2)
            taker.state = name
            if name == "finished":
                return
            if name == "item":
                page = await _answer(taker, client, brain, page, seq, think_s)
            elif name in STEPS:
                _, page = await client.post(STEPS[name], {}, fragment=True)
            else:
                page = await _wait(client, f"{name}:{seq}", page, taker.rng)
        raise RehearsalError("the test does not end")
    except RehearsalError as error:
        taker.state, taker.fault = "failed", str(error)


async def _wait(client: Client, state: str, page: str, rng: random.Random) -> str:
    await asyncio.sleep(2.0 + 2.0 * rng.random())
    status, beat = await client.post("/tes/denyut", {}, fragment=True)
    if status == 200 and json.loads(beat)["screen"] == state:
        return page
    _, page = await client.get("/tes")
    return page


async def _answer(taker: Taker, client: Client, brain: Brain, page: str, seq: str, think_s: float) -> str:
    content = brain.recognise(page)
    choice = brain.choose(content, taker.theta, taker.rng)
    thought = think_s * taker.pace * taker.rng.lognormvariate(0, 0.4)
    await asyncio.sleep(thought)
    key = KEY.search(page)
    data = {"seq": seq, "choice": str(choice), "key": key.group(1) if key else "", "client_ms": str(round(1000 * thought))}
    began = time.perf_counter()
    status, after = await client.post("/tes/jawab", data, fragment=True)
    taker.latencies_ms.append(1000 * (time.perf_counter() - began))
    if status == 200:
        taker.acknowledged.append((content.item_id, choice))
        return after
    _, page = await client.get("/tes")
    return page


async def run(
    url: str,
    takers: Sequence[Taker],
    brain: Brain,
    coordinator: Login,
    auditor: Login,
    *,
    think_s: float,
    watch: Callable[[Progress], None],
    trouble: Callable[[asyncio.Event], Awaitable[int]] | None = None,
) -> Report:
    """Run the whole day: make the wave, hand out PINs, sit, start together, close, and compare with the log.

    `trouble` runs beside the test from the common start until the event is set, and gives how often it killed the server.
    """
    began = time.perf_counter()
    connector = aiohttp.TCPConnector(limit=400, force_close=False)
    room = Client(url, connector)
    over = asyncio.Event()
    try:
        await room.officer_login(coordinator)
        wave = await _prepare_wave(room, takers)
        clients = [Client(url, connector) for _ in takers]
        tasks = []
        for taker, client in zip(takers, clients, strict=True):
            tasks.append(asyncio.create_task(sit(taker, client, brain, think_s)))
            await asyncio.sleep(0.004)
        await _until(lambda: all(t.state in ("waiting", "failed") for t in takers), takers, "enter", watch)
        started = time.perf_counter()
        await room.post(f"/petugas/gelombang/{wave}/tindakan", {"action": "start"})
        nuisance = asyncio.create_task(trouble(over)) if trouble else None
        await _until(lambda: all(t.state in ("finished", "failed") for t in takers), takers, "test", watch)
        tested_s = time.perf_counter() - started
        over.set()
        kills = await nuisance if nuisance else 0
        await asyncio.gather(*tasks)
        for client in clients:
            await client.close()
        status, _ = await room.post(f"/petugas/gelombang/{wave}/tutup", {})
        if status != 200:
            raise RehearsalError(f"the wave cannot be closed (HTTP {status})")
        log = await _log(url, connector, auditor, wave)
    finally:
        await room.close()
        await connector.close()
    return _report(wave, takers, log, brain, kills, tested_s, time.perf_counter() - began)


async def _prepare_wave(room: Client, takers: Sequence[Taker]) -> str:
    lines = ["nip,nama,jenjang jabatan,unit kerja,ruang"]
    lines += [f"{t.row.nip},{t.row.name},{t.row.job_level},{t.row.unit},{t.row.room}" for t in takers]

    def form() -> aiohttp.FormData:
        data = aiohttp.FormData()
        facts = {
            "name": "Gladi bersih (maya)",
            "agency": "Contoh",
            "place": "Contoh",
            "day": time.strftime("%Y-%m-%d"),
            "zone": "WIB",
            "action": "create",
        }
        for name, value in {**facts, "csrf_token": room.csrf}.items():
            data.add_field(name, value)
        data.add_field("roster", "\n".join(lines).encode(), filename="peserta.csv", content_type="text/csv")
        return data

    status, page = await room.post("/petugas/gelombang/baru", form)
    found = re.search(r'action="/petugas/gelombang/(W[0-9a-f]{8})/buka"', page)
    if status != 200 or found is None:
        raise RehearsalError(f"the wave cannot be made (HTTP {status})")
    wave = found.group(1)
    status, _ = await room.post(f"/petugas/gelombang/{wave}/buka", {})
    if status != 200:
        raise RehearsalError(f"the wave cannot be opened (HTTP {status})")
    status, page = await room.post(f"/petugas/gelombang/{wave}/pin", {})
    pins = dict(CARD.findall(page))
    for taker in takers:
        taker.pin = pins.get(taker.row.nip, "")
    if len(pins) != len(takers):
        raise RehearsalError(f"{len(pins)} PIN cards for {len(takers)} people (HTTP {status})")
    return wave


async def _until(done: Callable[[], bool], takers: Sequence[Taker], stage: str, watch: Callable[[Progress], None]) -> None:
    while True:
        states = [taker.state for taker in takers]
        answers = sum(len(taker.acknowledged) for taker in takers)
        watch(Progress(stage, states.count("waiting"), states.count("finished"), states.count("failed"), answers))
        if done():
            return
        await asyncio.sleep(0.25)


async def _log(url: str, connector: aiohttp.TCPConnector, auditor: Login, wave: str) -> list[dict[str, Any]]:
    client = Client(url, connector)
    try:
        await client.officer_login(auditor)
        status, text = await client.get(f"/petugas/hasil/{wave}/catatan.jsonl")
    finally:
        await client.close()
    if status != 200:
        raise RehearsalError(f"the log cannot be read (HTTP {status})")
    return [json.loads(line) for line in text.splitlines()]


def _report(
    wave: str, takers: Sequence[Taker], log: Sequence[dict[str, Any]], brain: Brain, kills: int, tested_s: float, seconds: float
) -> Report:
    answers: dict[str, list[dict[str, Any]]] = {}
    for line in log:
        if line["kind"] == "answered":
            answers.setdefault(line["nip"], []).append(line["payload"])
    lost = doubled = 0
    errors: dict[str, list[tuple[float, float, float]]] = {}
    used: dict[str, int] = {}
    for taker in takers:
        mine = answers.get(taker.row.nip, [])
        logged = {(p["item_id"], p["choice"]) for p in mine}
        lost += sum(pair not in logged for pair in taker.acknowledged)
        doubled += len(mine) - len({p["item_id"] for p in mine}) + len(mine) - len({p["presented_seq"] for p in mine})
        last = {}
        for p in mine:
            used[p["item_id"]] = used.get(p["item_id"], 0) + 1
            last[brain.bank.competency_of(brain.bank.index[p["item_id"]])] = p
        for code, p in last.items():
            errors.setdefault(code, []).append((taker.theta[code], p["theta"], p["se"]))
    pairs = {code: np.array(rows) for code, rows in sorted(errors.items())}
    latencies = np.array([ms for taker in takers for ms in taker.latencies_ms] or [0.0])
    p50, p95, p99 = (round(float(v), 1) for v in np.percentile(latencies, [50, 95, 99]))
    total = sum(len(taker.acknowledged) for taker in takers)
    return Report(
        wave=wave,
        n=len(takers),
        finished=sum(t.state == "finished" for t in takers),
        failed=sum(t.state == "failed" for t in takers),
        answers=total,
        lost=lost,
        doubled=doubled,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        answers_per_s=round(total / tested_s, 1),
        mean_length=round(sum(len(v) for v in answers.values()) / max(1, len(takers)), 2),
        rmse={code: round(float(np.sqrt(np.mean((x[:, 1] - x[:, 0]) ** 2))), 3) for code, x in pairs.items()},
        correlation={code: round(float(np.corrcoef(x[:, 0], x[:, 1])[0, 1]), 3) if len(x) > 2 else 0.0 for code, x in pairs.items()},
        mean_se={code: round(float(x[:, 2].mean()), 3) for code, x in pairs.items()},
        max_exposure=round(max(used.values(), default=0) / max(1, len(takers)), 3),
        unused=round(1 - len(used) / len(brain.bank), 3),
        kills=kills,
        seconds=round(seconds, 1),
        faults=tuple(sorted({t.fault for t in takers if t.fault})),
    )
