"""What speaks against an estimate: stable codes, each with a few words for tables, a clause for sentences, and advice for the command line."""

from collections.abc import Mapping, Sequence

from calibration.language import N_, Language

FLAGS = {
    "no_answers": N_("tanpa jawaban"),
    "few": N_("jawaban terlalu sedikit"),
    "one_category": N_("satu kategori saja"),
    "empty_category": N_("kategori kosong"),
    "disconnected": N_("tidak tersambung dengan butir lain"),
    "no_run": N_("butir sekompetensi terlalu sedikit"),
    "no_anchor": N_("tidak ada butir jangkar yang dijawab"),
    "anchor": N_("butir jangkar"),
    "not_converged": N_("estimasi tidak konvergen"),
    "uncertain": N_("SE terlalu besar"),
    "low_a": N_("daya beda rendah"),
    "at_bound": N_("di batas"),
    "drift": N_("bergeser dari parameter bank"),
    "misfit": N_("tidak cocok model"),
    "dif": N_("berfungsi lain bagi suatu kelompok"),
    "dependent": N_("sejalan dengan butir lain"),
}
SENTENCES = {
    "no_answers": N_("belum ada yang menjawab butir ini"),
    "few": N_("jawabannya terlalu sedikit untuk diestimasi"),
    "one_category": N_("semua jawaban jatuh pada satu kategori"),
    "empty_category": N_("ada kategori yang tidak pernah dipilih, sehingga ambangnya tidak dapat diestimasi"),
    "disconnected": N_("tidak ada penjawabnya yang juga menjawab butir yang menyambungkannya dengan butir lain atau jangkar"),
    "no_run": N_("terlalu sedikit butir sekompetensi yang dapat diestimasi"),
    "no_anchor": N_("tidak ada yang menjawab butir jangkar kompetensinya"),
    "anchor": N_("butir ini jangkar dan parameternya tetap"),
    "not_converged": N_("estimasinya tidak konvergen"),
    "uncertain": N_("galat bakunya lebih besar daripada yang diizinkan"),
    "low_a": N_("butir ini hampir tidak membedakan orang yang mampu dari yang kurang mampu"),
    "at_bound": N_("sebuah estimasi mencapai batasnya"),
    "drift": N_("butir ini tidak lagi sesuai dengan parameternya di bank"),
    "misfit": N_("jawaban teramati menyimpang dari kurva model"),
    "dif": N_("butir ini berfungsi lain bagi suatu kelompok orang"),
    "dependent": N_("jawabannya sejalan dengan jawaban butir lain melebihi yang dijelaskan kemampuan"),
}
ADVICE = {
    "no_answers": "give it to people, or leave it out",
    "few": "collect answers, or lower --min-n and look at its standard error",
    "one_category": "check its key; if that is right it is too easy or too hard to say anything",
    "empty_category": "collect answers, or score two neighbouring categories as one",
    "disconnected": "give items of both parts to the same people, or name an anchor in each part",
    "no_run": "calibrate it with other items of its competency, or with anchors",
    "no_anchor": "give anchors to the same people, or leave all items free",
    "not_converged": "raise --tol, or give items with few answers a prior",
    "uncertain": "collect answers, or give it a simpler model",
    "low_a": "review its text and its key",
    "at_bound": "check its key; collect answers from abler or less able people; give it a prior",
    "drift": "review it: has it become known, or gone out of date? its new parameters wait for a decision",
    "misfit": "look at its curve in the report; try another model, check its key",
    "dependent": "read the two together; give no test both, or score them as one item, and calibrate again",
}


def told(flags: Sequence[str], partners: Sequence[str], words: Mapping[str, str], language: Language) -> list[str]:
    """Flags in the words of FLAGS or SENTENCES; that an item goes together with others names these `partners`."""
    return [language.gettext(words[flag]) + (f" ({', '.join(partners)})" if flag == "dependent" and partners else "") for flag in flags]
