"""The room's actions in words: what each does and what follows, read before it is confirmed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _l

from webtest.monitor import Board, Line
from webtest.refusal import Refused
from webtest.views.boardview import Look, view_of


@dataclass(frozen=True, slots=True)
class Action:
    """One act on people (or on the wave): its name, its verb on the button, its consequence, and what must be said with it."""

    code: str
    name: Any
    verb: Any
    consequence: Any
    reason: bool = False
    minutes: bool = False
    grave: bool = False
    on_wave: bool = False
    picked: bool = False  # only for people who were ticked, never for "all who are shown"
    phases: tuple[str, ...] = ()
    also: tuple[str, ...] = ()  # phases in which it may be done, though nobody is offered it beside the person's details
    pins: bool = False  # where nobody was ticked, whoever holds a PIN keeps it, and whoever has logged in needs none

    def left_out(self, phase: str) -> bool:
        """Whether people in `phase` would be passed over."""
        return bool(self.phases) and phase not in (*self.phases, *self.also)


UNDER_WAY = ("ready", "running", "grace", "time_up")
ACTIONS = {
    action.code: action
    for action in (
        Action(
            "pin", _l("Terbitkan PIN"), _l("Terbitkan PIN dan cetak kartu"),
            _l("Peserta ditandai hadir dan memperoleh PIN baru. PIN lama mereka tidak berlaku lagi. PIN hanya ditampilkan sekali."),
            phases=("absent", "entering", "waiting"), also=(*UNDER_WAY, "paused"), pins=True,
        ),
        Action(
            "start", _l("Mulai serentak"), _l("Mulai"),
            _l("Peserta yang sudah masuk dapat membuka soal pertama; yang belum masuk dilewati dan dapat dimulai kemudian. Tidak dapat ditarik kembali."),
            phases=("entering", "waiting"),
        ),
        Action(
            "pause", _l("Jeda"), _l("Jeda"),
            _l("Soal disembunyikan dan waktu berhenti sampai Anda melanjutkan. Tercatat di berita acara."), reason=True, phases=UNDER_WAY,
        ),
        Action(
            "resume", _l("Lanjutkan"), _l("Lanjutkan"), _l("Waktu berjalan lagi, dan peserta kembali ke soal yang sama."), phases=("paused",),
        ),
        Action(
            "extend", _l("Perpanjang waktu"), _l("Perpanjang"),
            _l("Waktu bagian yang sedang dikerjakan bertambah dan peserta diberi tahu. Tidak dapat ditarik kembali; tercatat di berita acara."),
            reason=True, minutes=True, phases=(*UNDER_WAY, "paused"),
        ),
        Action(
            "release", _l("Setujui pindah perangkat"), _l("Setujui"),
            _l("Peserta dapat masuk di perangkat lain dengan PIN yang sama dan melanjutkan di soal yang sama. Perangkat lama ditolak."),
            reason=True, phases=("entering", "waiting", *UNDER_WAY, "paused"),
        ),
        Action(
            "finish", _l("Selesaikan tes"), _l("Selesaikan tes"),
            _l("Tes peserta ini berakhir sekarang; jawaban yang sudah ada tetap dinilai. Tidak dapat dibatalkan."), reason=True, grave=True,
            phases=(*UNDER_WAY, "paused"),
        ),
        Action(
            "void", _l("Usulkan pembatalan"), _l("Usulkan pembatalan"),
            _l("Pembatalan baru berlaku setelah petugas lain menyetujuinya. Sesudah itu tes tidak dinilai dan tidak dipakai untuk kalibrasi."),
            reason=True, grave=True, picked=True,
        ),
        Action(
            "confirm_void", _l("Setujui pembatalan"), _l("Setujui pembatalan"),
            _l("Tes peserta ini dibatalkan: berhenti, tidak dinilai, dan tidak dipakai untuk kalibrasi. Tidak dapat ditarik kembali."),
            grave=True, picked=True,
        ),
        Action(
            "present", _l("Tandai hadir"), _l("Tandai hadir"),
            _l("Peserta tercatat hadir di berita acara. Menerbitkan PIN menandainya dengan sendirinya. Dapat diubah lagi."), phases=("absent", "entering"),
        ),
        Action(
            "absent", _l("Tandai tidak hadir"), _l("Tandai tidak hadir"),
            _l("Peserta tercatat tidak hadir di berita acara. Dapat diubah lagi selama gelombang dibuka."), phases=("absent", "entering"),
        ),
        Action(
            "note", _l("Catatan kejadian"), _l("Simpan catatan"), _l("Catatan masuk ke berita acara gelombang ini."), reason=True, on_wave=True,
        ),
        Action(
            "close", _l("Tutup gelombang"), _l("Tutup gelombang sekarang"),
            _l("Peserta yang masih mengerjakan diselesaikan sekarang, dan catatan gelombang disegel. Tidak dapat dibatalkan."), grave=True,
            on_wave=True,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Meant:
    """Whom an action is asked for: those it will be done to, those it would pass over, and how many keep their PIN because nobody ticked them."""

    people: tuple[Line, ...] = ()
    left_out: tuple[Line, ...] = ()
    held: int = 0


def meant_by(action: Action, board: Board, look: Look, ticked: Collection[str]) -> Meant:
    """The people ticked; with none ticked, those who are shown, where the action may be done to all of them. Raises Refused where nobody is left."""
    if ticked or action.picked:
        chosen, held = [line for line in board.lines if line.attempt in ticked], 0
    else:
        shown = view_of(board, look).lines
        chosen = [line for line in shown if not action.pins or _without_pin(line, board.at)]
        held = sum(not action.left_out(line.phase) and not _without_pin(line, board.at) for line in shown) if action.pins else 0
    people = tuple(line for line in chosen if not action.left_out(line.phase))
    if not people:
        raise Refused("pins_held" if held else "nobody")
    return Meant(people, tuple(line for line in chosen if action.left_out(line.phase)), held)


def _without_pin(line: Line, at: int) -> bool:
    """Whether somebody cannot log in for want of a PIN, or of one that still holds."""
    return line.phase == "absent" or (line.phase == "entering" and line.pin_until <= at)


def open_to(phase: str, *, wave: str, has_device: bool, void_requested_by: str | None, actor: str) -> list[Action]:
    """The actions that make sense for one person who stands in `phase` of a wave in state `wave`, for the officer `actor`."""
    fits = [a for a in ACTIONS.values() if wave == "open" and phase in a.phases and (has_device or a.code != "release")]
    if wave in ("open", "closed") and phase != "voided":
        if void_requested_by is None:
            fits.append(ACTIONS["void"])
        elif void_requested_by != actor:
            fits.append(ACTIONS["confirm_void"])
    return fits
