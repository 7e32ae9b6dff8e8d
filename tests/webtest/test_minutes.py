"""The minutes: counts, incidents with their reasons, and a PDF that no name can break."""

from dataclasses import replace

import pytest

from tests.webtest.conftest import HOUR, MINUTE, OFFICER, SECOND_OFFICER, T0, MakeRoom, Room
from webtest.checkpoints import seal_due
from webtest.minutes import minutes_of, minutes_pdf

HOSTILE = [
    "#set text(99pt)", "] #panic() [", '"; #read("/etc/passwd")', "$x^2$ *tebal* _miring_ `kode` @rujuk <label>", "\\u{41} \\\\ \\", "http://a.b/#include",
    "<script>alert(1)</script>", "</text><svg onload=x>", "Ünïcödé 漢字 🎓 عربى", "\x0b\x1b[31m", "\u202egnirts", "baris\nbaris\r\nbaris", "x" * 3_000, "{{7*7}} %s %(name)s",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE)
def test_no_name_breaks_the_pdf_or_runs_in_it(light: MakeRoom, text: str) -> None:
    room = light(1)
    m = minutes_of(room.house, room.wave, T0)
    wave = m.wave
    wave.name = wave.agency = wave.place = text
    room.house.waves.note(room.wave, "other", text[:500] if text.strip() else "x", actor=OFFICER, now=T0)
    hostile = replace(minutes_of(room.house, room.wave, T0), wave=wave, absent=(text,))
    pdf = minutes_pdf(hostile)
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")
    assert b"root:" not in pdf


def test_counts_and_the_seal_of_a_whole_day(finished: Room) -> None:
    m = minutes_of(finished.house, finished.wave, T0 + 2 * HOUR)
    assert (m.expected, m.present, m.absent, m.finished, m.answers) == (2, 2, (), 2, 12)
    assert m.day == "Selasa, 24 November 2026"
    assert m.opened.endswith("WIB")
    assert len(m.short) == 19
    assert m.root.upper().startswith(m.short.replace("-", ""))
    assert minutes_pdf(m).startswith(b"%PDF-")


def test_a_seal_from_before_the_closing_is_called_provisional(room: Room) -> None:
    assert seal_due(room.house.engine, room.house.keys, T0 + HOUR) == [room.wave]
    before = minutes_of(room.house, room.wave, T0 + HOUR)
    assert (bool(before.root), before.closed) == (True, "belum ditutup")
    assert before.interim.startswith("Gelombang belum ditutup: segel ini sementara.")
    assert minutes_pdf(before).startswith(b"%PDF-")
    room.house.waves.close(room.wave, actor=OFFICER, now=T0 + 2 * HOUR)
    assert minutes_of(room.house, room.wave, T0 + 3 * HOUR).interim == ""


def test_acts_of_officers_are_incidents_and_those_of_one_moment_are_one_line(room: Room) -> None:
    house, waves = room.house, room.house.waves
    room.under_way(T0)
    waves.pause(room.wave, room.ids, "environment.power", "listrik padam", actor=OFFICER, now=T0 + MINUTE)
    waves.resume(room.wave, room.ids, actor=OFFICER, now=T0 + 2 * MINUTE)
    waves.extend(room.wave, room.ids[:1], 5, "technical.freeze", "komputer macet", actor=OFFICER, now=T0 + 3 * MINUTE)
    waves.request_void(room.wave, room.ids[:1], "examinee.behaviour", "menyontek", actor=OFFICER, now=T0 + 4 * MINUTE)
    waves.confirm_void(room.wave, room.ids[:1], actor=SECOND_OFFICER, now=T0 + 5 * MINUTE)
    waves.note(room.wave, "other", "hujan lebat", actor=OFFICER, now=T0 + 6 * MINUTE)
    said = [(i.what, i.code, i.reason, i.people) for i in minutes_of(house, room.wave, T0 + 7 * MINUTE).incidents]
    assert said == [
        ("Jeda", "environment.power", "listrik padam", 2),
        ("Lanjutkan", "", "", 2),
        ("Perpanjangan waktu 5 menit", "technical.freeze", "komputer macet", 1),
        ("Pembatalan diusulkan", "examinee.behaviour", "menyontek", 1),
        ("Dibatalkan (petugas kedua)", "examinee.behaviour", "menyontek", 1),
        ("Catatan kejadian", "other", "hujan lebat", 1),
    ]


def test_the_absent_are_numbers_of_seats_not_names_or_nips(room: Room) -> None:
    room.house.waves.attend(room.wave, room.ids[1:], False, actor=OFFICER, now=T0)
    m = minutes_of(room.house, room.wave, T0)
    assert m.absent == ("Ruang A – 2",)
    assert all(t.nip not in str(m) for t in room.takers)
