"""The minutes of a wave (berita acara): counts, absences, incidents, and the root of its log, as a page and as a PDF."""

import io
import json
from dataclasses import dataclass

import segno
import typst
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext, pgettext
from sqlmodel import Session as SqlSession
from sqlmodel import col, select

from webtest.checkpoints import short_form
from webtest.config import House
from webtest.events import Kind
from webtest.formats import day, moment, number
from webtest.languages import INDONESIAN, reader
from webtest.models import Checkpoint, Wave
from webtest.monitor import Board
from webtest.views.words import reason

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
    interim: str  # said beside a seal that is not yet that of the closing


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
        opened=moment(wave.opened_at, wave.zone, CLOCK) if wave.opened_at else _("belum dibuka"),
        closed=moment(wave.closed_at, wave.zone, CLOCK) if wave.closed_at else _("belum ditutup"),
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
        interim=_("Gelombang belum ditutup: segel ini sementara. Cetak berita acara untuk ditandatangani sesudah gelombang ditutup.")
        if root and wave.closed_at is None
        else "",
    )


def _incidents(house: House, wave_id: str, zone: str) -> tuple[Incident, ...]:
    """Officers' acts with a reason, those of one moment on many people in one line."""
    together: dict[tuple[int, str, str, str], int] = {}
    for events in house.store.wave_events(wave_id).values():
        for event in events:
            if event.kind not in WHAT or not event.actor.startswith("user:"):
                continue
            own = {} if event.kind == Kind.FINISHED else event.payload  # there the reason is why the test ended, a code
            payload = event.payload.get("officer_reason", own)
            what = _what(Kind(event.kind), payload.get("minutes"))
            key = (event.at, what, str(payload.get("code", "")), str(payload.get("reason", "")))
            together[key] = together.get(key, 0) + 1
    return tuple(Incident(moment(at, zone, CLOCK), what, code, reason, n) for (at, what, code, reason), n in sorted(together.items()))


def _what(kind: Kind, minutes: int | None) -> str:
    if minutes is None:
        return str(WHAT[kind])
    return ngettext("Perpanjangan waktu %(num)s menit", "Perpanjangan waktu %(num)s menit", minutes)


PAGE = """
#let d = json("minutes.json")
#let t = d.texts
#set page(paper: "a4", margin: 2.2cm, footer: context [#set text(8pt); CACT · #counter(page).display()])
#set text(size: 10.5pt, lang: d.language)
#let code(size, body) = text(size, font: "DejaVu Sans Mono", body)
#align(center)[#text(14pt, weight: "bold")[#upper(t.title)] \\ #d.name]
#if t.translation != "" [#align(center)[#text(9pt, style: "italic")[#t.translation]]]
#v(6pt)
#t.opening
#table(columns: (5cm, 1fr), stroke: 0.4pt + gray, ..d.facts.flatten())
*#t.incidents*
#if d.incidents.len() == 0 [#t.none] else {
  table(columns: (2.2cm, 3.6cm, 1fr, 1.6cm), stroke: 0.4pt + gray, table.header(..t.heads.map(head => [*#head*])), ..d.incidents.flatten())
}
*#t.seal* \\
#if d.root == "" [#t.unsealed] else [
  #grid(columns: (1fr, 3cm), gutter: 8pt, [#t.short: #strong(code(13pt, d.short)) \\
  #if t.interim != "" [#t.interim \\ ] #t.root: #code(7.5pt, d.root) \\ #t.sealed\\; #t.key #code(7.5pt, d.public_key)],
  image("qr.svg", width: 2.6cm))]
#v(1cm)
#grid(columns: (1fr, 1fr, 1fr), gutter: 14pt, ..t.signatures.map(r => [#align(center)[#r #v(2.2cm) #line(length: 100%, stroke: 0.5pt) NIP]]))
"""


def minutes_pdf(m: Minutes) -> bytes:
    """The minutes as PDF (A4), set by Typst, in the reader's language as `m` itself. Every text goes in as JSON, so nothing a person typed is read as markup."""
    language, proctor = reader().code, pgettext("berita acara", "Pengawas")
    texts = {
        "title": _("Berita acara pelaksanaan tes"),
        "translation": "" if language == INDONESIAN.code else _("Terjemahan. Yang ditandatangani dan berlaku ialah berita acara berbahasa Indonesia."),
        "opening": _(
            "Pada hari %(day)s bertempat di %(place)s telah dilaksanakan tes kompetensi adaptif bagi pegawai %(agency)s.",
            day=m.day, place=m.wave.place, agency=m.wave.agency,
        ),
        "incidents": _("Catatan kejadian"), "none": _("Tidak ada."), "heads": [_("Pukul"), _("Tindakan"), _("Alasan"), _("Orang")],
        "seal": _("Segel catatan"), "unsealed": _("Gelombang belum ditutup; catatan belum disegel."), "short": _("Bentuk pendek"),
        "root": _("Akar Merkle"), "sealed": _("Disegel pukul %(t)s", t=m.sealed), "key": _("kunci publik"),
        "interim": m.interim,
        "signatures": [f"{proctor} 1", f"{proctor} 2", _("Koordinator")],
    }  # fmt: skip
    facts = [
        (_("Dibuka – ditutup"), f"{m.opened} – {m.closed}"), (_("Peserta terdaftar"), number(m.expected, 0)), (_("Hadir"), number(m.present, 0)),
        (_("Tidak hadir"), number(len(m.absent), 0)), (_("Selesai"), number(m.finished, 0)), (_("Jawaban tersimpan"), number(m.answers, 0)),
        (_("Ruang – meja tidak hadir"), ", ".join(m.absent) or "–"),
    ]  # fmt: skip
    incidents = [(i.at, i.what, f"{reason(i.code)}. {i.reason}" if i.code else i.reason, str(i.people)) for i in m.incidents]
    sheet = {
        "language": language, "texts": texts, "name": m.wave.name, "facts": facts, "incidents": incidents, "root": m.root, "short": m.short,
        "public_key": m.public_key,
    }  # fmt: skip
    picture = io.BytesIO()
    segno.make(f"cact:{m.wave.id}:{m.root}", error="m").save(picture, kind="svg", border=2)
    files = {"main.typ": PAGE.encode(), "minutes.json": json.dumps(sheet, ensure_ascii=False).encode(), "qr.svg": picture.getvalue()}
    return bytes(typst.compile(files))
