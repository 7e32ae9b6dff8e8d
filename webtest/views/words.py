"""Codes in words: what the pages call job levels, reasons, phases and states, so that no raw code reaches a reader's screen."""

from collections.abc import Mapping
from typing import Any

from flask import Flask
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from flask_babel import ngettext

from calibration.flags import FLAGS as MARKED
from itembank.models import BankVersion
from webtest.formats import number
from webtest.job_levels import JOB_LEVELS
from webtest.norm_words import NORM_WORDS
from webtest.services.origins import Calibrated, Decided, Origin, Sample
from webtest.views.faultwords import say_fault

COMPETENCIES = {
    "M.01": _l("Integritas"), "M.02": _l("Kerja sama"), "M.03": _l("Komunikasi"), "M.04": _l("Orientasi pada hasil"), "M.05": _l("Pelayanan publik"),
    "M.06": _l("Pengembangan diri dan orang lain"), "M.07": _l("Mengelola perubahan"), "M.08": _l("Pengambilan keputusan"),
    "S.01": _l("Perekat bangsa"), "P.01": _l("Kemampuan intelektual"),
}  # fmt: skip
MEANINGS = {
    "M.01": _l("berperilaku menurut nilai, norma, dan etika organisasi; jujur; bertanggung jawab atas tindakan dan risikonya"),
    "M.02": _l("membina hubungan kerja yang efektif dan berbagi sumber daya untuk tujuan bersama"),
    "M.03": _l("menerangkan dengan jelas lisan dan tulisan, mendengarkan, dan meyakinkan"),
    "M.04": _l("menuntaskan pekerjaan, dapat diandalkan, melihat risiko dan peluang menuju hasil"),
    "M.05": _l("melayani secara profesional, terbuka, menurut standar, netral, tanpa membedakan"),
    "M.06": _l("meningkatkan kemampuan diri; mengilhami, membimbing, dan melatih orang lain"),
    "M.07": _l("menyesuaikan diri, meninggalkan cara lama, mendukung dan memimpin perubahan"),
    "M.08": _l("mengambil keputusan tepat waktu, cermat, dan sistematis serta menanggung akibatnya"),
    "S.01": _l("terbuka dan peka terhadap perbedaan; menyatukan masyarakat yang majemuk"),
    "P.01": _l("menalar dengan angka, kata, dan data untuk memecahkan persoalan"),
}  # fmt: skip
REASON_GROUPS = {
    "environment": _l("Lingkungan"), "examinee": _l("Peserta"), "staff": _l("Petugas"), "technical": _l("Gangguan teknis"), "other": _l("Lain-lain"),
}  # fmt: skip
REASONS = {
    "environment.comfort": _l("Kenyamanan ruang"), "environment.disturbance": _l("Gangguan di ruang"), "environment.noise": _l("Kebisingan"),
    "environment.power": _l("Listrik padam"), "environment.weather": _l("Cuaca, keadaan kahar"), "examinee.behaviour": _l("Perilaku peserta"),
    "examinee.complaint": _l("Keluhan peserta"), "examinee.id": _l("Identitas atau kewenangan"), "examinee.illness": _l("Sakit"),
    "examinee.late": _l("Terlambat"), "examinee.navigation": _l("Kesulitan memakai halaman"), "examinee.no_show": _l("Tidak hadir"),
    "staff.behaviour": _l("Perilaku petugas"), "staff.compliance": _l("Prosedur tidak diikuti"), "staff.error": _l("Kekeliruan petugas"),
    "staff.late": _l("Petugas terlambat"), "technical.freeze": _l("Komputer macet"), "technical.launch": _l("Halaman tidak terbuka"),
    "technical.network": _l("Jaringan"), "technical.printing": _l("Pencetakan"), "technical.workstation": _l("Perangkat rusak atau diganti"),
    "other": _l("Lain-lain"),
}  # fmt: skip
PHASES = {
    "absent": _l("belum hadir"), "entering": _l("masuk"), "waiting": _l("menunggu"), "ready": _l("siap"), "running": _l("berjalan"),
    "grace": _l("waktu habis"), "time_up": _l("waktu habis"), "paused": _l("dijeda"), "finished": _l("selesai"), "voided": _l("dibatalkan"),
}  # fmt: skip
STATES = {
    "draft": _l("rancangan"), "open": _l("dibuka"), "closed": _l("ditutup"), "released": _l("dirilis"), "published": _l("terbit"),
    "refused": _l("ditolak"), "active": _l("aktif"), "pretest": _l("uji coba"), "held": _l("ditahan"), "retired": _l("pensiun"),
    "provisional": _l("sementara"), "calibrated": _l("terkalibrasi"),
}  # fmt: skip
ALERTS = {"move": _l("minta pindah perangkat"), "silent": _l("koneksi terputus"), "time_up": _l("waktu habis")}
ENDS = {
    "precision": _l("ketelitian tercapai"), "length": _l("banyak soal tercapai"), "time": _l("waktu habis"), "bank": _l("butir habis"),
    "proctor": _l("diselesaikan petugas"),
}  # fmt: skip
ROLES = {
    "pengawas": _l("pengawas"), "koordinator": _l("koordinator"), "psikometrisi": _l("psikometrisi"), "asesor": _l("asesor"),
    "auditor": _l("auditor"), "admin": _l("admin"),
}  # fmt: skip
DROPPED = {
    "dibatalkan": _l("dibatalkan"),
    "terburu-buru": _l("terlalu cepat untuk dibaca"),
}  # why answers were left out of a calibration, as its record has it
FLAGS = {flag: _l(text) for flag, text in MARKED.items()}  # of an estimate
KINDS = {
    "situasional": _l("situasional"), "deret_angka": _l("deret angka"), "analogi_verbal": _l("analogi verbal"), "silogisme": _l("silogisme"),
    "membaca_tabel": _l("membaca tabel"),
}  # fmt: skip
MODELS = {
    "grm": _l("respons berjenjang"), "mgrm": _l("respons berjenjang termodifikasi"), "gpcm": _l("kredit parsial tergeneralisasi"), "pcm": _l("kredit parsial"),
    "rsm": _l("skala penilaian"), "nrm": _l("respons nominal"), "1pl": "1PL", "2pl": "2PL", "3pl": "3PL", "4pl": "4PL",
}  # fmt: skip


def say(code: str, words: Mapping[str, Any]) -> str:
    """The words for a code. A code that has none (an agency's own competency, say) is shown with its underscores opened."""
    return str(words[code]) if code in words else code.replace("_", " ")


def job_level(code: str) -> str:
    """'jpt_pratama' -> 'JPT Pratama'."""
    return _(JOB_LEVELS[code]) if code in JOB_LEVELS else say(code, {})


def norm(text: str) -> str:
    """A level, a category, a recommendation or a source of the rules: translated where it is one of those that come along."""
    return _(text) if text in NORM_WORDS else text


def competency(code: str) -> str:
    """'M.01' -> 'Integritas'."""
    return say(code, COMPETENCIES)


def reason(code: str) -> str:
    """'technical.network' -> 'Gangguan teknis: Jaringan'."""
    if "." not in code:
        return say(code, REASONS)
    return f"{say(code.split('.')[0], REASON_GROUPS)}: {say(code, REASONS)}"


def version_note(version: BankVersion, made_of: Mapping[int, Origin]) -> str:
    """What a version is, in the reader's language where the system made it; what a person wrote stays as it was written."""
    match made_of.get(version.version):
        case Sample():
            return _("Bank contoh, belum terkalibrasi")
        case Calibrated(answers, waves):
            return ngettext(
                "Kalibrasi %(n)s jawaban dari %(num)s gelombang",
                "Kalibrasi %(n)s jawaban dari %(num)s gelombang",
                waves,
                n=number(answers, 0),
            )
        case Decided(run, decisions):
            return ngettext(
                "Kalibrasi %(k)s dengan %(num)s putusan petugas", "Kalibrasi %(k)s dengan %(num)s putusan petugas", decisions, k=run
            )
        case None:
            return version.note


def duration(ms: int) -> str:
    """Minutes and seconds, '41:20'."""
    return f"{ms // 60_000}:{ms // 1000 % 60:02d}"


def age(ms: int | None) -> str:
    """How long ago: '12 dtk', '3 mnt'; a dash where nothing happened yet."""
    if ms is None:
        return "–"
    return _("%(n)s dtk", n=ms // 1000) if ms < 120_000 else _("%(n)s mnt", n=ms // 60_000)


def signed(value: int) -> str:
    """A difference with its sign: '+1', '0', '−2' (a true minus)."""
    return f"+{value}" if value > 0 else str(value).replace("-", "−")


def percent(share: float) -> str:
    """A share of 1 as whole per cent, kept on one line; a share that is neither none nor all never reads 0 % or 100 %."""
    shown = "<1" if 0 < share < 0.005 else ">99" if 0.995 <= share < 1 else f"{100 * share:.0f}"
    return f"{shown}\u00a0%"


def attach(app: Flask) -> None:
    """Give every template the words as filters."""
    tables = {
        "meaning": MEANINGS, "phase": PHASES, "state": STATES, "alert": ALERTS, "ending": ENDS, "role": ROLES, "kind": KINDS, "dropped": DROPPED, "model": MODELS, "flag": FLAGS,
    }  # fmt: skip
    for name, words in tables.items():
        app.add_template_filter(lambda code, words=words: say(code, words), name)
    for function in (job_level, norm, competency, reason, duration, age, signed, percent, version_note, say_fault):
        app.add_template_filter(function)
