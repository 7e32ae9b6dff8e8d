"""The minutes of a wave (berita acara): counts, absences, incidents, and the root of its log, as a page and as a PDF."""

import io
import json
from dataclasses import dataclass

import segno
import typst
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.checkpoints import short_form
from webtest.config import House
from webtest.events import Kind
from webtest.formats import day, moment
from webtest.models import Checkpoint, Wave
from webtest.monitor import Board

CLOCK = "HH.mm"


@dataclass(frozen=True, slots=True)
class Incident:
    """One line of the record of events: when, what, why, and for how many people."""

    at: str
    what: str
    code: str
    reason: str
    people: int


@dataclass(frozen=True, slots=True)
class Minutes:
    """Everything on the sheet, in the reader's language."""

    wave: Wave
    day: str
    opened: str
    closed: str
    expected: int
    present: int
    absent: tuple[str, ...]
    finished: int
    answers: int
    incidents: tuple[Incident, ...]
    root: str
    short: str
    sealed: str
    public_key: str
    qr: str


WHAT = {
    Kind.PAUSED: _l("Jeda"), Kind.RESUMED: _l("Lanjutkan"), Kind.EXTENDED: _l("Perpanjangan waktu"), Kind.DEVICE_RELEASED: _l("Pindah perangkat"),
    Kind.VOID_REQUESTED: _l("Pembatalan diusulkan"), Kind.VOIDED: _l("Dibatalkan (petugas kedua)"), Kind.INCIDENT: _l("Catatan kejadian"),
    Kind.FINISHED: _l("Diselesaikan petugas"),
}  # fmt: skip


def minutes_of(house: House, wave_id: str, now: int) -> Minutes:
    """Gather the minutes as of now. The seal is the one of the closing, so that a sheet printed later says the same; before that, the newest."""
    board: Board = house.monitor.board(wave_id, now, fresh=True)
    wave = board.wave
    with SqlSession(house.engine, expire_on_commit=False) as sql:
        seals = select(Checkpoint).where(Checkpoint.wave_id == wave_id).order_by(col(Checkpoint.n).desc())
        seal = sql.exec(seals if wave.closed_at is None else seals.where(Checkpoint.at <= wave.closed_at)).first()
    root = seal.root if seal else ""
    return Minutes(
        wave=wave,
        day=day(wave.day),
        opened=moment(wave.opened_at, wave.zone, CLOCK),
        closed=moment(wave.closed_at, wave.zone, CLOCK),
        expected=len(board.lines),
        present=sum(line.present is True for line in board.lines),
        absent=tuple(f"{line.room} – {line.seat}" for line in board.lines if line.present is not True),
        finished=board.count("finished"),
        answers=sum(line.answers for line in board.lines),
        incidents=_incidents(house, wave_id, wave.zone),
        root=root,
        short=short_form(root) if root else "",
        sealed=moment(seal.at, wave.zone, CLOCK) if seal else "",
        public_key=seal.public_key if seal else "",
        qr=segno.make(f"cact:{wave_id}:{root}", error="m").svg_inline(scale=3, border=2) if root else "",
    )


def _incidents(house: House, wave_id: str, zone: str) -> tuple[Incident, ...]:
    """Officers' acts with a reason, those of one moment on many people in one line."""
    together: dict[tuple[int, str, str, str], int] = {}
    for events in house.store.wave_events(wave_id).values():
        for event in events:
            if event.kind not in WHAT or not event.actor.startswith("user:"):
                continue
            payload = event.payload.get("officer_reason", event.payload)
            what = _what(Kind(event.kind), payload.get("minutes"))
            key = (event.at, what, str(payload.get("code", "")), str(payload.get("reason", "")))
            together[key] = together.get(key, 0) + 1
    return tuple(Incident(moment(at, zone, CLOCK), what, code, reason, n) for (at, what, code, reason), n in sorted(together.items()))


def _what(kind: Kind, minutes: int | None) -> str:
    if minutes is None:
        return str(WHAT[kind])
    return ngettext("Perpanjangan waktu %(num)s menit", "Perpanjangan waktu %(num)s menit", minutes)


PAGE = """
#set page(paper: "a4", margin: 2.2cm, footer: context [#set text(8pt); CACT · #counter(page).display()])
#set text(size: 10.5pt, lang: "id")
#let d = json("minutes.json")
#align(center)[#text(14pt, weight: "bold")[BERITA ACARA PELAKSANAAN TES] \\ #d.name]
#v(6pt)
Pada hari #d.day bertempat di #d.place telah dilaksanakan tes kompetensi adaptif bagi pegawai #d.agency.
#table(columns: (5cm, 1fr), stroke: 0.4pt + gray,
  [Dibuka – ditutup], [#d.opened – #d.closed], [Peserta terdaftar], [#d.expected], [Hadir], [#d.present], [Tidak hadir], [#d.n_absent],
  [Selesai], [#d.finished], [Jawaban tersimpan], [#d.answers], [Ruang – meja tidak hadir], [#d.absent])
*Catatan kejadian*
#if d.incidents.len() == 0 [Tidak ada.] else {
  table(columns: (2.2cm, 3.6cm, 1fr, 1.6cm), stroke: 0.4pt + gray, table.header([*Pukul*], [*Tindakan*], [*Alasan*], [*Orang*]),
    ..d.incidents.map(i => (i.at, i.what, i.reason, str(i.people))).flatten())
}
*Segel catatan* \\
#if d.root == "" [Gelombang belum ditutup; catatan belum disegel.] else [
  #grid(columns: (1fr, 3cm), gutter: 8pt, [Bentuk pendek: #text(13pt, weight: "bold", font: "DejaVu Sans Mono")[#d.short] \\
  Akar Merkle: #text(7.5pt, font: "DejaVu Sans Mono")[#d.root] \\ Disegel pukul #d.sealed; kunci publik #text(7.5pt, font: "DejaVu Sans Mono")[#d.public_key]],
  image("qr.svg", width: 2.6cm))]
#v(1cm)
#grid(columns: (1fr, 1fr, 1fr), gutter: 14pt, ..("Pengawas 1", "Pengawas 2", "Koordinator").map(r => [#align(center)[#r #v(2.2cm) #line(length: 100%, stroke: 0.5pt) NIP]]))
"""


def minutes_pdf(m: Minutes) -> bytes:
    """The minutes as PDF (A4), set by Typst: an Indonesian document, so `m` is gathered in Indonesian. Every text goes in as JSON, so nothing a person typed is read as markup."""
    facts = {
        "name": m.wave.name, "agency": m.wave.agency, "place": m.wave.place, "day": m.day, "opened": m.opened, "closed": m.closed,
        "expected": str(m.expected), "present": str(m.present), "n_absent": str(len(m.absent)), "absent": ", ".join(m.absent) or "–",
        "finished": str(m.finished), "answers": str(m.answers), "root": m.root, "short": m.short, "sealed": m.sealed, "public_key": m.public_key,
        "incidents": [{"at": i.at, "what": i.what, "reason": f"{i.code}: {i.reason}" if i.reason else "", "people": i.people} for i in m.incidents],
    }  # fmt: skip
    picture = io.BytesIO()
    segno.make(f"cact:{m.wave.id}:{m.root}", error="m").save(picture, kind="svg", border=2)
    files = {"main.typ": PAGE.encode(), "minutes.json": json.dumps(facts, ensure_ascii=False).encode(), "qr.svg": picture.getvalue()}
    return bytes(typst.compile(files))
