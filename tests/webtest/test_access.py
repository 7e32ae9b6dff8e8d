"""Who reaches what: every route against every role, exhaustively; nobody reaches another's."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from werkzeug.routing import Rule

from tests.conftest import Place, copy_of
from tests.webtest.conftest import HOUR, OFFICER, PLAN, Room, open_room
from tests.webtest.site import FRAGMENT, NOW, Browser, Site, site_of
from webtest.accounts import RIGHTS, Right
from webtest.founding import invented_roster
from webtest.services.waves import NewWave

OPEN = {
    "static", "entry.home", "entry.taker_login", "entry.taker_login_post", "entry.officer_login", "entry.officer_login_post", "entry.leave",
    "entry.choose_language", "entry.healthy",
}  # fmt: skip
WHO = ["anonymous", "taker", *RIGHTS]
FINE = {200, 302, 303, 404, 409, 422}  # the route was reached, and said what it thinks of an empty form or an unknown id


@dataclass
class World:
    """A site with an open wave (one person under way) and a closed one, and a browser for each kind of visitor."""

    site: Site
    room: Room
    closed: Room
    browsers: dict[str, Browser]


@pytest.fixture(scope="module")
def world(founded_sqlite: Place, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    house = copy_of(founded_sqlite, tmp_path_factory.mktemp("world") / "cact-data").open()
    house.waves.create(NewWave("Rancangan", "Kota", "Aula", "2026-11-24"), invented_roster(1), PLAN, actor=OFFICER, now=NOW)
    closed = open_room(house, 2, name="Tutup", now=NOW)
    for t in closed.takers:
        closed.enter(t, NOW)
    closed.start(NOW)
    closed.sit(closed.takers[0], NOW)
    closed.close(NOW + HOUR)
    room = open_room(house, 2, name="Buka", now=NOW + 1)
    site = site_of(house)
    browsers = {"anonymous": site.browser(), "taker": site.browser().taker(room.takers[0])}
    browsers["anonymous"].get("/masuk")
    for role in RIGHTS:
        browsers[role] = site.browser().officer(role)
    yield World(site, room, closed, browsers)
    house.close()


def rules(world: World) -> list[Rule]:
    return list(world.site.app.url_map.iter_rules())


def address(world: World, rule: Rule, *, real: bool) -> str:
    """An address of a rule: of things that exist (for reading), or of none (so that a form changes nothing)."""
    values = {
        "wave_id": world.closed.wave if real else "W0", "attempt": world.closed.ids[0], "item_id": world.site.house.catalog.kit(world.room.wave).pool.ids[0],
        "run_id": 1, "version": 1 if real else 99, "kind": "csv", "language": "en", "filename": "cact.css",
    }  # fmt: skip
    with world.site.app.test_request_context():
        return rule.build({name: values[name] for name in rule.arguments}, append_unknown=False)[1]  # type: ignore[index]


def test_every_route_is_guarded_or_stands_on_the_short_list_of_open_ones(world: World) -> None:
    views = world.site.app.view_functions
    guarded = {name for name, view in views.items() if hasattr(view, "right") or hasattr(view, "taker")}
    assert set(views) - guarded == OPEN
    assert all(
        (view.right in set(Right)) != hasattr(view, "taker") for name, view in views.items() if name in guarded for view in [_marks(view)]
    )
    assert all(name.startswith("taker.") == hasattr(views[name], "taker") for name in guarded)


def _marks(view: object) -> object:
    if not hasattr(view, "right"):
        view.right = None  # type: ignore[attr-defined]
    return view


def test_officers_pages_lie_under_one_path_and_takers_under_another(world: World) -> None:
    for rule in rules(world):
        if rule.endpoint in OPEN:
            continue
        assert rule.rule.startswith("/tes" if rule.endpoint.startswith("taker.") else "/petugas/"), rule


@pytest.mark.parametrize("who", WHO)
def test_every_role_at_every_route(world: World, who: str) -> None:
    browser = world.browsers[who]
    tried = 0
    for rule in rules(world):
        view = world.site.app.view_functions[rule.endpoint]
        if rule.endpoint in OPEN:
            continue
        for method in sorted(rule.methods & {"GET", "POST"}):  # type: ignore[operator]
            path = address(world, rule, real=method == "GET")
            reply = browser.get(path) if method == "GET" else browser.post(path)
            where = f"{who} {method} {path} -> {reply.status_code} {reply.location}"
            tried += 1
            right = getattr(view, "right", None)
            if right is None:  # a test-taker's page
                if who == "taker":
                    assert reply.status_code in FINE, where
                    assert reply.location in (None, "/tes"), where
                else:
                    assert (reply.status_code, reply.location) == (302, "/masuk"), where
            elif who in ("anonymous", "taker"):
                assert (reply.status_code, reply.location) == (302, "/petugas/masuk"), where
            elif right in RIGHTS[who]:
                assert reply.status_code in FINE, where
                assert "/masuk" not in (reply.location or ""), where
            else:
                assert (reply.status_code, reply.location) == (403, None), where
    assert tried > 30


@pytest.mark.parametrize("who", ["anonymous", "taker", "pengawas"])
def test_a_fragment_is_guarded_like_its_page(world: World, who: str) -> None:
    browser = world.browsers[who]
    assert browser.get(f"/petugas/hasil/{world.closed.wave}", headers=FRAGMENT).status_code == (403 if who == "pengawas" else 302)
    reply = browser.get("/tes", headers=FRAGMENT)
    assert (reply.status_code, reply.location) == ((200, None) if who == "taker" else (302, "/masuk"))


def test_other_verbs_do_nothing(world: World) -> None:
    browser = world.browsers["koordinator"]
    for verb in ("put", "delete", "patch"):
        headers = {"X-CSRFToken": browser.token}
        assert getattr(browser.client, verb)(f"/petugas/gelombang/{world.room.wave}", headers=headers).status_code == 405


def test_a_page_offers_only_what_its_reader_may_open(world: World) -> None:
    import re

    for role in RIGHTS:
        browser = world.browsers[role]
        for link in set(re.findall(r'href="(/petugas/[^"]*)"', browser.get(f"/petugas/gelombang/{world.closed.wave}").text)):
            assert browser.get(link).status_code == 200, (role, link)


# another's things


def test_a_result_is_found_only_under_its_own_wave(world: World) -> None:
    asesor = world.browsers["asesor"]
    assert asesor.get(f"/petugas/hasil/{world.closed.wave}/{world.closed.ids[0]}").status_code == 200
    assert asesor.get(f"/petugas/hasil/{world.room.wave}/{world.closed.ids[0]}").status_code == 409  # open: no results yet
    assert asesor.get(f"/petugas/hasil/{world.closed.wave}/{world.room.ids[0]}").status_code == 404
    assert asesor.get(f"/petugas/hasil/W0/{world.closed.ids[0]}").status_code == 404


@pytest.mark.parametrize("path", ["", "/ekspor.csv", "/ekspor.xlsx", "/catatan.jsonl"])
def test_nothing_of_an_open_wave_is_told_before_it_is_closed(world: World, path: str) -> None:
    """Not the log either: it holds the answers and, with them, which options score."""
    for role in ("asesor", "auditor"):
        assert world.browsers[role].get(f"/petugas/hasil/{world.room.wave}{path}").status_code == 409


def test_acts_do_not_reach_another_wave_through_a_form(world: World) -> None:
    browser = world.browsers["pengawas"]
    before = world.site.house.store.events(world.closed.ids[1])
    form = {"action": "pause", "attempt": world.closed.ids[1], "code": "other", "reason": "x"}
    assert browser.post(f"/petugas/gelombang/{world.room.wave}/tindakan", form).status_code == 409
    assert browser.post(f"/petugas/gelombang/{world.room.wave}/pin", {"attempt": world.closed.ids[1]}).status_code == 409
    assert world.site.house.store.events(world.closed.ids[1]) == before


def test_a_forged_or_edited_cookie_opens_nothing(world: World) -> None:
    cookie = world.browsers["asesor"].client.get_cookie("cact")
    assert cookie is not None
    head, _, rest = cookie.value.partition(".")
    for forged in ("x", head[:-2] + "AA." + rest, cookie.value[:-3] + "AAA", cookie.value + "A"):
        browser = world.site.browser()
        browser.client.set_cookie("cact", forged)
        assert browser.get("/petugas/hasil").status_code == 302


def test_a_takers_page_does_not_take_another_attempt_from_the_form(world: World) -> None:
    browser, (_, other) = world.browsers["taker"], world.room.takers
    before = world.site.house.store.events(other.attempt)
    browser.post("/tes/konfirmasi", {"attempt": other.attempt, "wave": world.closed.wave, "device": other.device})
    assert world.site.house.store.events(other.attempt) == before
