"""What never leaves the server: keys, scores, parameters, items to come, abilities, NIPs and PINs."""

import json
import logging
import re
from collections.abc import Iterator

import pytest

from tests.conftest import PASSWORD
from tests.webtest.conftest import HOUR, Room, Taker
from tests.webtest.site import FRAGMENT, NOW, Site, item_page
from webtest.config import House


def secrets_of(room: Room, site: Site) -> list[str]:
    kit = site.house.catalog.kit(room.wave)
    return [*kit.pool.ids, *(c.rationale for c in kit.contents.values() if c.rationale)]


def walk(site: Site, room: Room, t: Taker) -> Iterator[tuple[str, str]]:
    """Every page and fragment from the door to the receipt, with all headers."""
    browser = site.browser()
    yield "login", browser.get("/masuk").text
    browser.taker(t)
    for path in ("/tes/konfirmasi", "/tes/tata-tertib", "/tes/latihan"):
        yield path, browser.get("/tes").text
        yield path, browser.post(path, headers=FRAGMENT).text
    room.start(NOW)
    yield "ready", browser.get("/tes").text
    reply = browser.post("/tes/mulai", headers=FRAGMENT)
    for _ in range(40):
        yield "fragment", reply.text + str(reply.headers)
        whole = browser.get("/tes")
        yield "page", whole.text + str(whole.headers)
        yield "beat", browser.post("/tes/denyut", headers={**FRAGMENT, "X-CSRFToken": browser.token}).text
        seq = re.search(r'name="seq" value="(\d+)"', whole.text)
        if "Tes selesai" in whole.text:
            return
        form = {"seq": seq[1], "choice": "1", "key": "k"} if seq else {}
        reply = browser.post("/tes/jawab" if seq else "/tes/mulai", form, headers=FRAGMENT)
        if seq:
            yield "stale", browser.post("/tes/jawab", form | {"choice": "0", "key": "l"}, headers=FRAGMENT).text
    raise AssertionError("the test does not end")


def test_no_key_score_parameter_or_item_id_reaches_the_takers_browser(site: Site, room: Room) -> None:
    kit = site.house.catalog.kit(room.wave)
    n = 0
    for where, text in walk(site, room, room.takers[0]):
        n += 1
        for secret in secrets_of(room, site):
            assert secret not in text, (where, secret)
        for word in (
            "theta",
            "categor",
            "score",
            "rationale",
            "M.01",
            "M.02",
            "P.01",
            "bank_version",
            "seed",
            room.takers[1].nip,
            room.takers[0].pin,
        ):
            assert word not in text.replace("csrf", ""), (where, word)
    assert n > 20
    shown = {e.payload["item_id"] for e in site.house.store.events(room.ids[0]) if e.kind == "presented"}
    assert len(shown) == 6
    assert len(kit.pool.ids) > 50


def test_items_to_come_do_not_reach_the_browser(site: Site, room: Room) -> None:
    browser = site.browser().taker(room.takers[0]).to_waiting()
    text = item_page(browser, room, NOW).text
    kit = site.house.catalog.kit(room.wave)
    shown = site.house.store.load(room.ids[0]).shown
    assert shown is not None
    others = [c for item_id, c in kit.contents.items() if item_id != shown.item_id]
    assert kit.contents[shown.item_id].options[0].text[:30] in text.replace("&#39;", "'").replace("&#34;", '"')
    assert not [c.item_id for c in others if c.scenario[:60] in text and c.scenario[:60] != kit.contents[shown.item_id].scenario[:60]]


def test_options_are_numbered_by_place_whatever_they_score(site: Site, room: Room) -> None:
    browser = site.browser().taker(room.takers[0]).to_waiting()
    text = item_page(browser, room, NOW).text
    values = re.findall(r'name="choice" value="([^"]*)"', text)
    assert values == [str(i) for i in range(len(values))]


def test_the_board_tells_no_answer_and_no_ability(site: Site, room: Room) -> None:
    taker = site.browser().taker(room.takers[0]).to_waiting()
    item_page(taker, room, NOW)
    browser = site.browser().officer("pengawas")
    for path in ("", "/papan", "/berita-acara"):
        text = browser.get(f"/petugas/gelombang/{room.wave}{path}").text
        for secret in ("theta", room.takers[0].nip, room.takers[0].pin, *secrets_of(room, site)):
            assert secret not in text, (path, secret)


def test_no_nip_or_pin_in_any_address_header_or_log(site: Site, room: Room, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    seen: list[str] = []

    def note(response: object) -> object:
        from flask import request

        seen.append(request.full_path + str(response.headers) + str(response.location))  # type: ignore[attr-defined]
        return response

    site.app.after_request(note)  # type: ignore[arg-type]
    t = room.takers[0]
    wrong = site.browser()
    wrong.get("/masuk")
    wrong.post("/masuk", {"nip": t.nip, "pin": "999999x"})
    for _ in walk(site, room, t):
        pass
    room.close(NOW + HOUR)
    asesor = site.browser().officer("asesor")
    for path in ("", f"/{t.attempt}", "/ekspor.csv", "/ekspor.xlsx", "/catatan.jsonl"):
        asesor.get(f"/petugas/hasil/{room.wave}{path}").close()
    for secret in (t.nip, t.pin, "999999x", PASSWORD):
        assert not [line for line in seen if secret in line], secret
        assert secret not in caplog.text, secret
    assert len(seen) > 30


def test_an_error_of_the_database_tells_no_value(house: House, caplog: pytest.LogCaptureFixture) -> None:
    from sqlalchemy import text
    from sqlalchemy.exc import DatabaseError

    with pytest.raises(DatabaseError) as caught, house.engine.begin() as sql:
        sql.execute(
            text("INSERT INTO person (nip, name, job_level, unit) VALUES (:n, :n, :n, CAST(:n AS no_such_type(()"),
            {"n": "198504122008121001"},
        )
    assert "1985" not in str(caught.value)


def test_the_cookie_of_a_test_taker_holds_no_nip_and_no_pin(site: Site, room: Room) -> None:
    import base64
    import zlib

    browser = site.browser().taker(room.takers[0])
    value = browser.client.get_cookie("cact").value  # type: ignore[union-attr]
    body = value[1:].split(".")[0] if value.startswith(".") else value.split(".")[0]
    raw = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    held = json.loads(zlib.decompress(raw) if value.startswith(".") else raw)
    assert room.takers[0].nip not in str(held)
    assert room.takers[0].pin not in str(held)
