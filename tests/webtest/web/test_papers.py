"""Papers of a wave: the roster to fill in, and the attendance list."""

import io
import re
from dataclasses import replace

import pytest
from openpyxl import load_workbook

from cat_engine import Faulty
from tests.webtest.conftest import Room
from tests.webtest.site import NOW, Site
from webtest.minutes import minutes_of
from webtest.roster import read_roster

ROSTER = "/petugas/gelombang/baru/daftar-peserta.xlsx"


def filled(content: bytes, *rows: list[str]) -> bytes:
    """The workbook as somebody saves it who wrote over the example."""
    book = load_workbook(io.BytesIO(content))
    book.active.delete_rows(2)
    for row in rows:
        book.active.append(row)
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def test_the_empty_roster_can_be_filled_in_and_its_example_is_never_taken_for_a_person(site: Site) -> None:
    reply = site.browser().officer("koordinator").get(ROSTER)
    assert (reply.status_code, reply.headers["Content-Disposition"]) == (200, 'attachment; filename="daftar-peserta.xlsx"')
    assert load_workbook(io.BytesIO(reply.data)).active.column_dimensions["A"].number_format == "@"
    with pytest.raises(Faulty) as caught:
        read_roster(reply.data, "daftar-peserta.xlsx")
    assert [(fault.where, fault.field) for fault in caught.value.faults] == [("row 2", "nip")]
    rows = read_roster(filled(reply.data, ["198504122008121001", "Budi", "Pelaksana", "Dinas", "Ruang A"]), "daftar-peserta.xlsx")
    assert [(row.nip, row.job_level) for row in rows] == [("198504122008121001", "pelaksana")]


def test_the_attendance_list_names_everybody_and_who_is_here(site: Site, room: Room) -> None:
    browser, board = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}"
    browser.get(board)
    browser.post(f"{board}/tindakan", {"action": "absent", "attempt": room.ids[1]})
    page = browser.get(f"{board}/daftar-hadir").text
    rows = re.findall(r'<tr><td class="n">(\d\d)</td><td>[^<]+</td><td class="tight">(\d{18})</td><td class="tight">([^<]*)</td>', page)
    assert rows == [("01", room.takers[0].nip, "hadir"), ("02", room.takers[1].nip, "tidak hadir")]
    assert "1/2 hadir" in page
    assert f"{board}/daftar-hadir" in browser.get(board).text
    assert browser.get("/petugas/gelombang/W0/daftar-hadir").status_code == 404


def test_the_minutes_write_all_their_numbers_alike(site: Site, room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    of_many = replace(
        minutes_of(site.house, room.wave, NOW), expected=2001, present=1002, absent=("A – 1",) * 1003, finished=1004, answers=1005
    )
    monkeypatch.setattr("webtest.views.room.minutes_of", lambda *_: of_many)
    browser, page = site.browser().officer("koordinator"), f"/petugas/gelombang/{room.wave}/berita-acara"
    said = re.findall(r"<dd>(\d[\d.]*)(?:<| \()", browser.get(page).text)
    assert said == ["2.001", "1.002", "1.003", "1.004", "1.005"]
