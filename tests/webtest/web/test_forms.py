"""Forms are taken with their own token only, and lead to pages of ours only."""

import pytest

from tests.webtest.conftest import Room
from tests.webtest.site import FRAGMENT, Site


def test_no_form_is_taken_without_its_token(site: Site, room: Room) -> None:
    officer, taker = site.browser().officer("koordinator"), site.browser().taker(room.takers[0])
    before = site.house.store.wave_events(room.wave)
    tried = 0
    for rule in site.app.url_map.iter_rules():
        if "POST" not in (rule.methods or set()):
            continue
        values = {"wave_id": room.wave, "run_id": 1, "version": 1, "language": "en"}
        with site.app.test_request_context():
            path = rule.build({name: values.get(name, "x") for name in rule.arguments}, append_unknown=False)[1]  # type: ignore[index]
        for browser in (officer, taker):
            for token in ("", "rubbish", "IjEi.x.y"):
                assert browser.post(path, token=token).status_code == 400, path
                tried += 1
            refused = browser.client.post(path, headers={"X-CSRFToken": "rubbish", **FRAGMENT})
            assert (refused.status_code, refused.json["error"]) == (400, "csrf")  # type: ignore[index]
    assert tried > 80
    assert site.house.store.wave_events(room.wave) == before


def test_another_persons_token_is_not_taken(site: Site) -> None:
    a, b = site.browser().officer("koordinator"), site.browser().officer("pengawas")
    assert a.post("/petugas/gelombang/W0/buka", token=b.token).status_code == 400


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example/x",
        "http://localhost.evil.example/",
        "http://localhost@evil.example/",
        "//evil.example",
        "javascript:alert(1)",
        "\\\\evil",
    ],
)
def test_no_redirect_leads_elsewhere(site: Site, room: Room, origin: str) -> None:
    officer, taker = site.browser().officer("koordinator"), site.browser().taker(room.takers[0])
    for browser in (officer, taker):
        for path in ("/bahasa/en", "/bahasa/xx", "/bahasa/%2F%2Fevil", "/keluar"):
            location = browser.post(path, headers={"Referer": origin}).location or ""
            assert location.startswith(("/", "http://localhost/")), (path, location)
            assert not location.startswith("//")
    officer = site.browser().officer("koordinator")
    for action in ("rubbish", "pause"):
        reply = officer.post(f"/petugas/gelombang/{room.wave}/tindakan", {"action": action}, headers={"Referer": origin})
        assert reply.location is None
        assert reply.status_code == 409


def test_a_refusal_leads_back_to_the_page_of_ours_that_asked(site: Site, room: Room) -> None:
    officer = site.browser().officer("koordinator")
    back = f"http://localhost/petugas/gelombang/{room.wave}"
    reply = officer.post(f"/petugas/gelombang/{room.wave}/tindakan", {"action": "pause", "code": "other"}, headers={"Referer": back})
    assert (reply.status_code, reply.location) == (303, back)


def test_whoever_comes_back_to_a_page_that_answered_a_form_finds_the_board(site: Site, room: Room) -> None:
    """A refused confirmation, and the language switch on it: neither ends at an address that only takes forms."""
    officer = site.browser().officer("koordinator")
    board = f"/petugas/gelombang/{room.wave}"
    asked = {"Referer": f"http://localhost{board}/konfirmasi"}
    refused = officer.post(f"{board}/tindakan", {"action": "note", "code": "other", "reason": " "}, headers=asked)
    assert (refused.status_code, refused.location) == (303, asked["Referer"])
    back = officer.get(f"{board}/konfirmasi")
    assert (back.status_code, back.location) == (303, board)
    assert "Tuliskan alasannya terlebih dahulu." in officer.get(board).text
    assert officer.get(f"{board}/pin").location == board
    assert officer.post("/bahasa/en", headers={"Referer": f"http://localhost{board}/tindakan"}).location == "/"


def test_an_expired_page_shows_the_way_back_to_itself(site: Site, room: Room) -> None:
    officer = site.browser().officer("koordinator")
    board = f"http://localhost/petugas/gelombang/{room.wave}"
    expired = officer.post(f"/petugas/gelombang/{room.wave}/tindakan", {"action": "pause"}, token="x", headers={"Referer": board})
    assert expired.status_code == 400
    assert f'href="{board}"' in expired.text
