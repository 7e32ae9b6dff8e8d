"""The form of a new wave: everything that is wrong is said at once, and a roster that was read need not be chosen again."""

import re

import pytest

from tests.webtest.site import Site

PAGE = "/petugas/gelombang/baru"
FACTS = {"name": "Uji", "agency": "Kota", "place": "Aula", "day": "2026-11-24", "zone": "WIT"}
SOUND = b"nip,nama,jenjang,unit,ruang\n198504122008121001,Budi,pelaksana,D,A\n"
FAULTY = b"nip,nama,jenjang,unit,ruang\n123,,pelaksana,D,A\n"
ROW = re.compile(r"<tr><td class=\"tight at\">(.*?)</td><td class=\"at\">(.*?)</td>")


@pytest.mark.parametrize("action", ["check", "create"])
def test_faults_of_the_form_and_of_the_roster_are_said_together(site: Site, action: str) -> None:
    browser = site.browser().officer("koordinator")
    reply = browser.upload(PAGE, FACTS | {"agency": " ", "day": "24-11-2026", "action": action}, FAULTY, "daftar.csv")
    assert reply.status_code == 422
    assert ROW.findall(reply.text) == [
        ("gelombang", "instansi"), ("gelombang", "tanggal"), ("baris 2", "NIP"), ("baris 2", "nama"),
    ]  # fmt: skip
    assert 'value="Uji"' in reply.text
    assert "<option selected>WIT</option>" in reply.text


def test_a_sound_roster_comes_along_while_the_form_is_mended(site: Site) -> None:
    browser = site.browser().officer("koordinator")
    reply = browser.upload(PAGE, FACTS | {"place": "", "action": "create"}, SOUND, "daftar.csv")
    assert (reply.status_code, ROW.findall(reply.text)) == (422, [("gelombang", "tempat")])
    carried = re.search(r'name="carried" value="([^"]*)"', reply.text)
    assert carried is not None
    assert "198504122008121001" in carried[1]
    made = browser.post(PAGE, {**FACTS, "action": "create", "carried": carried[1]})
    assert made.status_code == 303
    assert [line.name for line in site.house.monitor.board(made.location.rsplit("/", 1)[1], 0).lines] == ["Budi"]


def test_a_roster_is_checked_without_making_a_wave(site: Site) -> None:
    browser = site.browser().officer("koordinator")
    reply = browser.upload(PAGE, FACTS | {"action": "check"}, SOUND, "daftar.csv")
    assert reply.status_code == 200
    assert "1 peserta" in reply.text
    assert ROW.findall(reply.text) == []
    assert browser.get("/petugas/gelombang").text.count("/petugas/gelombang/W") == 1
