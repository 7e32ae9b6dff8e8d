"""The whole day: a wave is made, PINs are handed out, everybody sits down and starts together, the wave is closed, and its log is read."""

import asyncio
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp

from webtest.rehearsal import RehearsalError
from webtest.rehearsal.client import Client, Login
from webtest.rehearsal.people import Brain, Taker
from webtest.rehearsal.report import Report, report_on
from webtest.rehearsal.sitting import sit

CARD = re.compile(r'class="pincard"><b>.*?</b><br>NIP (\d{18})<br>.*?<div class="pin">(\d{6})</div>', re.S)

LONGEST_CHECK_S = 120.0  # that the server may take to simulate the wave's plan


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the rehearsal is."""

    stage: str
    waiting: int
    finished: int
    failed: int
    answers: int


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
    return report_on(wave, takers, log, brain.bank, kills, tested_s, time.perf_counter() - began)


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
    found = re.search(r"/petugas/gelombang/(W[0-9a-f]{8})/", page)
    if status != 200 or found is None:
        raise RehearsalError(f"the wave cannot be made (HTTP {status})")
    wave = found.group(1)
    began = time.monotonic()
    while f"/petugas/gelombang/{wave}/buka" not in page and time.monotonic() - began < LONGEST_CHECK_S:  # its plan is simulated first
        await asyncio.sleep(0.5)
        status, page = await room.get(f"/petugas/gelombang/{wave}")
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
