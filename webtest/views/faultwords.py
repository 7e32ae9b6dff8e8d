"""Faults of files that organisers bring, in Indonesian. Services name faults in English, for the command line; a page says them again here."""

import re
from dataclasses import dataclass

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from calibration.language import INDONESIAN
from cat_engine import Fault
from webtest.languages import reader
from webtest.views.planwords import in_plan, phrase

FIELDS = {
    "nip": "NIP", "name": _l("nama"), "job_level": _l("jenjang jabatan"), "unit": _l("unit kerja"), "room": _l("ruang"), "kinerja": _l("kinerja"),
    "potensi lain": _l("potensi lain"), "agency": _l("instansi"), "place": _l("tempat"), "day": _l("tanggal"),
    "prior_mean": _l("rerata awal"), "prior_sd": _l("simpangan baku awal"), "people": _l("orang maya"), "seed": _l("benih acak"), "plan": _l("rencana tes"),
    "r_max": _l("batas paparan"), "max_overlap": _l("batas tumpang tindih"), "mode": _l("cara"),
    "reason": _l("alasan"),
}  # fmt: skip
LIMITS = ("r_max", "max_overlap")  # keys of a plan that the room's board names too, where a plan cannot be kept
PLACES = {
    "form": _l("isian"),
    "file": _l("berkas"),
    "wave": _l("gelombang"),
    "plan": _l("rencana tes"),
    "roster": _l("daftar peserta"),
    "bank": _l("bank soal"),
    "log": _l("catatan"),
    "server": _l("server"),
    "options": _l("isian"),
    "answers": _l("jawaban"),
}
# (pattern of the whole English message, what happened, what to do); groups of the pattern fill {0}, {1} ... of both
SAID = [
    (r"is not 18 digits.*", _l("bukan 18 angka"), _l("simpan kolom NIP sebagai teks, lalu periksa angkanya")),
    (
        r"ends in 000: .*",
        _l("berakhir dengan 000: lembar kerja yang menyimpannya sebagai angka menghilangkan tiga angka terakhir"),
        _l("simpan kolom NIP sebagai teks, lalu periksa angkanya"),
    ),
    (r"more than one column means this", _l("lebih dari satu kolom berarti ini"), _l("sisakan satu kolom")),
    (r"has more cells than the header", _l("memuat lebih banyak sel daripada baris judul"), _l("beri tanda kutip pada teks yang memuat pemisah kolom")),
    (r"holds a control character", _l("memuat karakter yang tidak tampak"), _l("ketik ulang sel itu")),
    (r"cannot be read: .*", _l("tidak terbaca"), _l("periksa tanda kutipnya, atau simpan sebagai XLSX")),
    (r"does not begin with a birth date.*", _l("tidak diawali tanggal lahir (TTTTBBHH)"), _l("periksa NIP pada kartu pegawai")),
    (r"has the birth year (\d+)", _l("memuat tahun lahir {0}"), _l("periksa NIP pada kartu pegawai")),
    (r"has neither 1 nor 2 as its 15th digit", _l("angka ke-15 bukan 1 atau 2"), _l("periksa NIP pada kartu pegawai")),
    (r"is also in row (\d+)", _l("sama dengan baris {0}"), _l("satu baris untuk satu orang")),
    (r"'(.*)' is not known", _l("'{0}' tidak dikenal"), _l("contoh: JPT Pratama, Administrator, Pengawas, Fungsional, Pelaksana")),
    (r"is empty", _l("kosong"), _l("isi kolom ini")),
    (r"is longer than (\d+) characters", _l("lebih dari {0} huruf"), _l("singkat isinya")),
    (r"'(.*)' is not a number from 0 to 100", _l("'{0}' bukan angka 0 sampai 100"), _l("isi dengan angka, misalnya 82,5")),
    (r"'(.*)' is not a number", _l("'{0}' bukan angka"), _l("isi dengan angka, misalnya 82,5")),
    (r"(\S+) is no mean of a prior", _l("{0} di luar batas"), _l("dari -4 sampai 4")),
    (r"(\S+) is no standard deviation of a prior", _l("{0} di luar batas"), _l("di atas 0, paling besar 5")),
    (r"the grid cuts off the prior, .*", _l("terlalu jauh atau terlalu lebar"), _l("rerata ± 3 simpangan baku harus di antara -6 dan 6")),
    (r"the column is missing", _l("kolom ini tidak ada"), _l("tulis nama kolom pada baris pertama")),
    (r"'(.*)' is not a whole number from (\d+) to (\d+)", _l("'{0}' bukan bilangan bulat dari {1} sampai {2}"), _l("isi dengan bilangan dalam batas itu")),
    (r"(\d+) plans are too many to compare", _l("{0} rencana terlalu banyak untuk dibandingkan"), _l("paling banyak empat")),
    (r"holds no rows", _l("tidak berisi baris peserta"), _l("baris pertama memuat nama kolom, baris berikutnya satu orang")),
    (r"'(.*)' is not a date", _l("'{0}' bukan tanggal"), _l("tulis seperti 2026-11-24")),
    (r"no rules .* are valid on (.*)", _l("tidak ada aturan penilaian yang berlaku pada {0}"), _l("pilih tanggal lain, atau muat aturan hari itu")),
    (r"is not UTF-8 text", _l("tidak terbaca sebagai teks"), _l("simpan sebagai CSV UTF-8 atau XLSX")),
    (r"is not a spreadsheet that can be read", _l("tidak terbaca sebagai lembar kerja"), _l("simpan sebagai XLSX atau CSV UTF-8")),
    (r"is larger than (\d+) MB", _l("lebih besar dari {0} MB"), _l("bagi menjadi beberapa berkas")),
    (r"is too large when unpacked", _l("terlalu besar setelah dibuka"), _l("sisakan lembar yang memuat peserta saja")),
    (r"has more than (\d+) rows", _l("lebih dari {0} baris"), _l("bagi menjadi beberapa berkas")),
    (
        r"the computation broke off (\d+) times",
        _l("berhenti {0} kali di tengah perhitungan"),
        _l("periksa catatan dan memori server, lalu coba lagi"),
    ),
    (r"there is no item in pretest to be estimated", _l("tidak ada butir uji coba"), _l("tandai butirnya pada bank soal, atau pilih cara lain")),
    (r"is not an item of the bank", _l("bukan butir bank soal yang berlaku"), _l("pilih gelombang lain, atau masukkan butirnya ke bank soal")),
    (
        r"category (\d+) was answered, the bank has categories 0 to (\d+)",
        _l("kategori {0} dijawab, sedangkan bank soal memuat kategori 0 sampai {1}"),
        _l("pilih gelombang lain, atau perbaiki butirnya pada bank soal"),
    ),
    (r"nobody is expected", _l("tidak memuat peserta"), _l("unggah daftar peserta")),
    (r"simulated people ran out of items", _l("orang maya kehabisan butir"), _l("tambah butir atau kurangi banyaknya soal")),
    (
        r"does not hold: .*",
        _l("rantai catatan tidak utuh: isinya pernah diubah"),
        _l("periksa dengan 'cact audit'; jawaban gelombang ini tidak dapat dipakai"),
    ),
    (
        r"what it was pinned to is not in the database any more, .*",
        _l("bank soal atau rencana yang dipakainya tidak ada lagi di basis data"),
        _l("periksa dengan 'cact audit'; jawaban gelombang ini tidak dapat dipakai"),
    ),
    (
        r"the answers that are kept of it are not those of its log",
        _l("jawaban yang disimpan darinya tidak sama dengan catatannya"),
        _l("periksa dengan 'cact audit'; jawaban gelombang ini tidak dapat dipakai"),
    ),
    (r"the item has no text", _l("butir belum memiliki teks"), _l("masukkan teksnya, atau pensiunkan butirnya")),
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Said:
    """A fault as a page shows it."""

    where: str
    field: str
    message: str
    remedy: str


def say_fault(fault: Fault) -> Said:
    """The fault in the reader's words; what the engine says of a test plan in its own, in another language than Indonesian."""
    plan = in_plan(fault)
    field = fault.field if plan and fault.field not in LIMITS else _field(fault.field)
    for pattern, message, remedy in () if plan else SAID:
        found = re.fullmatch(pattern, fault.message)
        if found:
            return Said(_place(fault.where), field, *(str(words).format(*found.groups()) for words in (message, remedy)))
    if reader() == INDONESIAN:
        return Said(_place(fault.where), field, phrase(fault.message) or fault.message, phrase(fault.remedy) or fault.remedy)
    return Said(_place(fault.where), field, fault.message, fault.remedy)


def _field(field: str) -> str:
    """'name' -> 'nama', and 'event 3 of W1-A' -> 'peristiwa 3 dari W1-A'."""
    if event := re.fullmatch(r"event (\d+) of (.*)", field):
        return _("peristiwa %(n)s dari %(a)s", n=event[1], a=event[2])
    return str(FIELDS.get(field, field))


def _place(where: str) -> str:
    """'row 7' -> 'baris 7', 'wave W1' -> 'gelombang W1', 'plan 2, select' -> 'rencana 2, select', and 'plan 2, plan' -> 'rencana 2'."""
    if row := re.fullmatch(r"row (\d+)", where):
        return _("baris %(n)s", n=row[1])
    if wave := re.fullmatch(r"wave (\S+)", where):
        return _("gelombang %(w)s", w=wave[1])
    if plan := re.fullmatch(r"plan (\d+), (.*)", where):
        return _("rencana %(n)s", n=plan[1]) + ("" if plan[2] == "plan" else f", {plan[2]}")
    return str(PLACES.get(where, where))


def unprintable_in(field: str) -> str:
    """That a form's field holds what no text may hold."""
    return _('Isian "%(field)s" memuat karakter yang tidak tampak. Ketik ulang isian itu.', field=FIELDS.get(field, field))
