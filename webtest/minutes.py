"""The minutes of a wave (berita acara): counts, absences, incidents, and the root of its log, as a page and as a PDF."""

import datetime as dt
import io
import json
from dataclasses import dataclass

import segno
import typst
from babel.dates import format_date, format_time, get_timezone
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.checkpoints import short_form
from webtest.config import House
from webtest.events import Kind
from webtest.models import Checkpoint, Wave
from webtest.monitor import Board

ZONES = {"WIB": "Asia/Jakarta", "WITA": "Asia/Makassar", "WIT": "Asia/Jayapura"}


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
    """Everything on the sheet."""

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
    Kind.PAUSED: "Jeda", Kind.RESUMED: "Lanjutkan", Kind.EXTENDED: "Perpanjangan waktu", Kind.DEVICE_RELEASED: "Pindah perangkat",
    Kind.VOID_REQUESTED: "Pembatalan diusulkan", Kind.VOIDED: "Dibatalkan (petugas kedua)", Kind.INCIDENT: "Catatan kejadian", Kind.FINISHED: "Diselesaikan petugas",
}  # fmt: skip


def minutes_of(house: House, wave_id: str, now: int) -> Minutes:
    """Gather the minutes as of now. The seal is the one of the closing, so that a sheet printed later says the same; before that, the newest."""
    board: Board = house.monitor.board(wave_id, now, fresh=True)
    wave = board.wave
    with SqlSession(house.engine, expire_on_commit=False) as sql:
        seals = select(Checkpoint).where(Checkpoint.wave_id == wave_id).order_by(col(Checkpoint.n).desc())
        seal = sql.exec(seals if wave.closed_at is None else seals.where(Checkpoint.at <= wave.closed_at)).first()
    zone = get_timezone(ZONES[wave.zone])
    root = seal.root if seal else ""
    return Minutes(
        wave=wave,
        day=format_date(_date(wave.day), "EEEE, d MMMM y", locale="id"),
        opened=_clock(wave.opened_at, wave.zone, zone),
        closed=_clock(wave.closed_at, wave.zone, zone),
        expected=len(board.lines),
        present=sum(line.present is True for line in board.lines),
        absent=tuple(f"{line.room} – {line.seat}" for line in board.lines if line.present is not True),
        finished=board.count("finished"),
        answers=sum(line.answers for line in board.lines),
        incidents=_incidents(house, wave_id, wave.zone, zone),
        root=root,
        short=short_form(root) if root else "",
        sealed=_clock(seal.at, wave.zone, zone) if seal else "",
        public_key=seal.public_key if seal else "",
        qr=segno.make(f"cact:{wave_id}:{root}", error="m").svg_inline(scale=3, border=2) if root else "",
    )


def _date(day: str) -> dt.date:
    try:
        return dt.date.fromisoformat(day)
    except ValueError:
        return dt.date(1970, 1, 1)


def _clock(at: int | None, name: str, zone: object) -> str:
    if at is None:
        return "–"
    return f"{format_time(dt.datetime.fromtimestamp(at / 1000, tz=dt.UTC), 'HH.mm', tzinfo=zone, locale='id')} {name}"


def _incidents(house: House, wave_id: str, name: str, zone: object) -> tuple[Incident, ...]:
    """Officers' acts with a reason, those of one moment on many people in one line."""
    together: dict[tuple[int, str, str, str], int] = {}
    for events in house.store.wave_events(wave_id).values():
        for event in events:
            if event.kind not in WHAT or not event.actor.startswith("user:"):
                continue
            payload = event.payload.get("officer_reason", event.payload)
            what = WHAT[Kind(event.kind)] + (f" {payload['minutes']} menit" if "minutes" in payload else "")
            key = (event.at, what, str(payload.get("code", "")), str(payload.get("reason", "")))
            together[key] = together.get(key, 0) + 1
    return tuple(Incident(_clock(at, name, zone), what, code, reason, n) for (at, what, code, reason), n in sorted(together.items()))


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
    """The minutes as PDF (A4), set by Typst. Every text goes in as JSON, so nothing a person typed is read as markup."""
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
