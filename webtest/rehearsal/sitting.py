"""One person's whole test, from login to receipt."""

import asyncio
import json
import random
import re
import time

from webtest.rehearsal import RehearsalError
from webtest.rehearsal.client import Client
from webtest.rehearsal.people import Brain, Taker

SCREEN = re.compile(r'data-screen="([a-z]+):(-?\d+)"')


KEY = re.compile(r'name="key" value="([^"]+)"')


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
