"""A person's events as lines that a proctor reads. Never an answer, never an ability: that a question was answered, not how."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webtest.events import Kind, SessionEvent
from webtest.views.words import ENDS, reason, say

PLAIN = {
    Kind.PIN_ISSUED: _l("PIN diterbitkan"), Kind.PIN_REVOKED: _l("PIN dicabut"), Kind.CONNECTED: _l("Masuk dari sebuah perangkat"),
    Kind.MOVE_REQUESTED: _l("Mencoba masuk dari perangkat lain"), Kind.DEVICE_RELEASED: _l("Pindah perangkat disetujui"),
    Kind.IDENTITY_CONFIRMED: _l("Data diri dibenarkan"), Kind.RULES_ACCEPTED: _l("Tata tertib disetujui"), Kind.PRACTISED: _l("Contoh soal selesai"),
    Kind.ADMITTED: _l("Tes dimulai oleh petugas"), Kind.PAUSED: _l("Dijeda"), Kind.RESUMED: _l("Dilanjutkan"), Kind.VOIDED: _l("Dibatalkan"),
    Kind.VOID_REQUESTED: _l("Pembatalan diusulkan"), Kind.NOTED: _l("Catatan"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Moment:
    """One line: when (ms UTC), what, who where an officer did it, and the reason given."""

    at: int
    what: str
    who: str
    why: str


def timeline(events: Iterable[SessionEvent], name_of: Callable[[str], str]) -> list[Moment]:
    """Newest first; a run of questions and answers is one line."""
    moments: list[Moment] = []
    asked = done = first = 0
    asked_at = last_at = 0

    def close_run() -> None:
        nonlocal first
        if done >= first > 0:
            what = _("Soal %(n)s dijawab", n=first) if done == first else _("Soal %(a)s–%(b)s dijawab", a=first, b=done)
            moments.append(Moment(last_at, what, "", ""))
        first = 0

    for event in events:
        if event.kind == Kind.PRESENTED:
            asked += 1
            asked_at = event.at
            first = first or asked
        elif event.kind == Kind.ANSWERED:
            done += 1
            last_at = event.at
        else:
            close_run()
            first = asked if asked > done else 0
            moments.append(_moment(event, name_of))
    close_run()
    if asked > done and moments:
        moments.append(Moment(asked_at, _("Soal %(n)s ditampilkan", n=asked), "", ""))
    moments.sort(key=lambda m: m.at)
    return moments[::-1]


def _moment(event: SessionEvent, name_of: Callable[[str], str]) -> Moment:
    p = event.payload
    given = p.get("officer_reason", p)
    why = f"{reason(str(given['code']))}. {given.get('reason', '')}" if "code" in given else ""
    return Moment(event.at, _what(event.kind, p), name_of(event.actor) if event.actor.startswith("user:") else "", why)


def _what(kind: str, p: Any) -> str:
    match kind:
        case Kind.ASSIGNED:
            return _("Didaftarkan: %(room)s, meja %(seat)s", room=p["room"], seat=p["seat"])
        case Kind.ATTENDED:
            return _("Ditandai hadir") if p["present"] else _("Ditandai tidak hadir")
        case Kind.EXTENDED:
            return _("Waktu diperpanjang %(n)s menit", n=p["minutes"])
        case Kind.SECTION_ENDED:
            return _("Bagian %(k)s berakhir: %(why)s", k=p["section"] + 1, why=say(p["reason"], ENDS))
        case Kind.FINISHED:
            return _("Tes berakhir: %(why)s", why=say(p["reason"], ENDS))
    return say(kind, {str(k): v for k, v in PLAIN.items()})
