"""Papers of a wave beside its minutes: the roster to fill in before the day, and the attendance list to sign on it."""

from collections.abc import Mapping
from typing import Any

from flask import Blueprint, render_template

from webtest.accounts import Right
from webtest.monitor import Line
from webtest.request import house, needs, now_ms
from webtest.tables import as_xlsx
from webtest.views.files import XLSX, attached

pages = Blueprint("papers", __name__, url_prefix="/petugas/gelombang")
ROSTER = (
    ("NIP", "Nama", "Jenjang Jabatan", "Unit Kerja", "Ruang"),
    ("contoh: 198504122008121001", "Budi Santoso", "Pelaksana", "Dinas Pendidikan", "Ruang A"),  # refused while it stands there: no NIP
)


@pages.get("/baru/daftar-peserta.xlsx")
@needs(Right.MAKE_WAVES)
def roster() -> Any:
    """An empty roster with one row to show how; its column of NIPs is text, so that a spreadsheet loses none of their digits."""
    return attached(as_xlsx(ROSTER, text_columns=("A",)), "daftar-peserta.xlsx", XLSX)


@pages.get("/<wave_id>/daftar-hadir")
@needs(Right.SEE_WAVES)
def attendance(wave_id: str) -> Any:
    """Who is expected in each room, who is here, and a place to sign."""
    board = house().monitor.board(wave_id, now_ms(), fresh=True)
    rooms: Mapping[str, list[Line]] = {room: [line for line in board.lines if line.room == room] for room in board.rooms}
    return render_template("officer/attendance.html", wave=board.wave, rooms=rooms)
