"""What the engine says of test plans, in Indonesian.

The engine names faults in English and knows no translations. Its sentences are few and each is made from a template, so a table from those
templates says them again; readers of English get the engine's own words. Keys, codes and numbers stay as the plan has them. A test collects every
template from the engine's source and holds that each stands here.
"""

import re
from collections.abc import Sequence
from functools import cache

from cat_engine import Fault

# Tables of a plan, where a fault may be: those of its TOML text, and "plan" itself; "plan 2, " goes before where several are compared
TABLES = "plan|prior|interim|final|method|select|exposure|start|eligibility|joint|content|acceptance|stop|pretest|retest|sections"
IN_PLAN = re.compile(rf"(plan \d+, )?({TABLES})([.\[].*)?")

# template -> Indonesian; the {} of a template fill {0}, {1} ... in order
PHRASES = {
    # any table
    "is not TOML: {} (at line {}, column {})": "bukan TOML yang sah; baca kembali baris {1}, kolom {2}",
    "is not TOML: {} (at end of document)": "bukan TOML yang sah; ada kurung, kutip, atau nilai yang belum selesai di akhir teks",
    "is not TOML: {}": "bukan TOML yang sah: {0}",
    "is empty": "kosong",
    "is missing": "belum ada",
    "is not known here": "tidak dikenal di sini",
    "known: {}": "yang dikenal: {0}",
    "one of {}": "salah satu dari {0}",
    "'{}' is not known": "'{0}' tidak dikenal",
    "{} is not known": "{0} tidak dikenal",
    "{} is not text": "{0} bukan teks",
    "{} is not a whole number": "{0} bukan bilangan bulat",
    "{} is not a finite number": "{0} bukan bilangan berhingga",
    "{} is not a finite number from 0": "{0} bukan bilangan berhingga dari 0",
    "{} is not true or false": "{0} bukan true atau false",
    "{} is not a list": "{0} bukan daftar",
    "{} is not a table": "{0} bukan tabel",
    "text": "teks",
    "a whole number": "bilangan bulat",
    "a finite number": "bilangan berhingga",
    "true or false": "true atau false",
    "a list": "daftar",
    "a table": "tabel",
    "{} is out of range": "{0} di luar batas",
    "{}… is out of range": "{0}… di luar batas",
    "a number of fewer digits": "bilangan dengan lebih sedikit angka",
    "a whole number up to {}": "bilangan bulat sampai {0}",
    "a whole number from {}": "bilangan bulat dari {0}",
    "whole numbers from 1": "bilangan bulat dari 1",
    "a number from 0": "bilangan dari 0",
    "at least one number": "paling sedikit satu bilangan",
    "from {} to {}": "dari {0} sampai {1}",
    "from {} to {}; 1 is usual": "dari {0} sampai {1}; biasanya 1",
    "from 0, below 1": "dari 0, di bawah 1",
    "above 0": "di atas 0",
    "above 0, at most {}": "di atas 0, paling besar {0}",
    "above 0, below 0.5": "di atas 0, di bawah 0.5",
    "both above 0": "keduanya di atas 0",
    "{} is less than {}": "{0} kurang dari {1}",
    "{} is negative": "{0} negatif",
    "{} is not above 0": "{0} tidak di atas 0",
    "{} is not in (0, 1]": "{0} tidak di dalam (0, 1]",
    # sections
    "at least one [[sections]]": "paling sedikit satu [[sections]]",
    "'{}' is used twice": "'{0}' dipakai dua kali",
    "a code of its own for each section": "kode sendiri untuk setiap bagian",
    "at least one competency code": "paling sedikit satu kode kompetensi",
    "{} is not a competency code": "{0} bukan kode kompetensi",
    "'{}' already stands in {}": "'{0}' sudah ada di {1}",
    "each competency once in a plan": "setiap kompetensi satu kali dalam satu rencana",
    "{} is more than max_items = {}": "{0} lebih dari max_items = {1}",
    "min_items <= max_items": "min_items <= max_items",
    "{} is not a positive number of minutes": "{0} bukan banyaknya menit di atas 0",
    # priors, estimators, start
    "{} is no mean of a prior": "{0} bukan rerata sebaran awal",
    "{} is no standard deviation of a prior": "{0} bukan simpangan baku sebaran awal",
    "'{}' is no prior to start at": "'{0}' bukan sebaran untuk memulai",
    "a normal one: mean and sd": "sebaran normal: mean dan sd",
    "'{}' is no job level": "'{0}' bukan jenjang jabatan",
    "the grid cuts off the prior, {}": "sebaran awal terpotong oleh kisi kemampuan: {0}",
    "[{}, {}] within [{}, {}]": "[{0}, {1}] harus di dalam [{2}, {3}]",
    "[{}, {}] is not a range of abilities": "[{0}, {1}] bukan rentang kemampuan",
    "within {}, at least {} wide": "di dalam {0}, lebarnya paling sedikit {1}",
    "low below high": "low di bawah high",
    "0 for none, 0.4 or 0.7": "0 bila tanpa langkah, 0.4, atau 0.7",
    "fences at {} of slope {} keep nothing inside": "pagar pada {0} dengan kemiringan {1} tidak menahan apa pun",
    "huber or biweight": "huber atau biweight",
    "1 for huber, 4 for biweight": "1 untuk huber, 4 untuk biweight",
    "{} is not a list of abilities": "{0} bukan daftar kemampuan",
    "{} is not a list of different item ids": "{0} bukan daftar kode butir yang berlainan",
    'items = ["A1", "A2"]': 'items = ["A1", "A2"]',
    "'{}' is not in the pool": "'{0}' tidak ada di bank soal yang dipakai",
    "an active item of the bank": "butir aktif pada bank soal",
    # selection, exposure, eligibility
    "the plan has no competency '{}'": "rencana ini tidak memuat kompetensi '{0}'",
    "competencies of the plan: {}": "kompetensi rencana ini: {0}",
    "every competency has weight 0": "bobot setiap kompetensi 0",
    "a weight above 0 for one at least": "bobot di atas 0 untuk paling sedikit satu kompetensi",
    "{} of '{}' is not a weight": "{0} untuk '{1}' bukan bobot",
    "observed or fisher": "observed atau fisher",
    "{} strata are none": "{0} bukan banyaknya strata",
    "{} is not a rate": "{0} bukan laju",
    "{} does not ascend": "{0} tidak menaik",
    "cuts between segments of ability: [-1.5, 0.0, 1.5]": "batas antara ruas kemampuan: [-1.5, 0.0, 1.5]",
    "1 = no acceleration; 2 is usual": "1 = tanpa percepatan; biasanya 2",
    "1 = nothing is forgotten; 0.999 is usual": "1 = tidak ada yang dilupakan; biasanya 0.999",
    "{} is out of reach: min_items = {} of the {} items of '{}'": "{0} tidak terjangkau: min_items = {1} dari {2} butir '{3}'",
    "{} is out of reach: two tests have {} of their items in common if all items are used alike": (
        "{0} tidak terjangkau: bila semua butir dipakai sama sering pun, dua tes berbagi {1} bagian butirnya"
    ),
    "{} is out of reach: the highest exposure of an item in simulations was never below {}": (
        "{0} tidak terjangkau: dalam simulasi paparan tertinggi sebuah butir tidak pernah di bawah {1}"
    ),
    "{} is out of reach: the smallest overlap of two tests in simulations was {}": (
        "{0} tidak terjangkau: tumpang tindih terkecil antara dua tes dalam simulasi {1}"
    ),
    "{} or more, more items, or a shorter test": "{0} atau lebih, butir lebih banyak, atau tes lebih pendek",
    "more than {}, more items, or a shorter test": "lebih dari {0}, butir lebih banyak, atau tes lebih pendek",
    "the pool's control parameters are for {} segments of ability, the plan has {}": (
        "parameter kendali yang ada untuk {0} ruas kemampuan, sedangkan rencana ini memuat {1}"
    ),
    "{} cuts": "{0} batas",
    # stopping, pretest, retest
    "{} is not a table of rules": "{0} bukan tabel aturan",
    "its options: {}": "pilihannya: {0}",
    "0 switches the rule off": "0 mematikan aturan itu",
    "se = 0.4, theta_change = 0.05": "se = 0.4, theta_change = 0.05",
    "{} is not an ascending list of abilities": "{0} bukan daftar kemampuan yang menaik",
    "cuts = [-0.5, 0.8]": "cuts = [-0.5, 0.8]",
    "{} is not an error rate": "{0} bukan peluang kekeliruan",
    "half the width of the region of indifference: 0.2": "setengah lebar daerah tak acuh: 0.2",
    "se {}, hypo {}, hyper {} are no targets": "se {0}, hypo {1}, hyper {2} bukan sasaran",
    "se above 0, the others from 0": "se di atas 0, yang lain dari 0",
    "there are {} places from {} to {} for {} items": "ada {0} tempat dari {1} sampai {2} untuk {3} butir",
    "0 = however long ago": "0 = berapa lama pun yang lalu",
    # competencies taken together
    "a number from 0 below 1, or a matrix": "bilangan dari 0 di bawah 1, atau matriks",
    "stands beside correlation": "ditulis bersama correlation",
    "one of the two": "salah satu dari keduanya",
    "needs a normal prior": "memerlukan sebaran awal normal",
    "[prior] with mean and sd": "[prior] dengan mean dan sd",
    "has {} rows, and the plan {} competencies": "memuat {0} baris, sedangkan rencana ini {1} kompetensi",
    "a row a competency": "satu baris untuk satu kompetensi",
    "is not a square table of numbers": "bukan tabel bilangan yang bujur sangkar",
    "a row and a column a competency": "satu baris dan satu kolom untuk satu kompetensi",
    "holds no correlations": "tidak memuat korelasi",
    "symmetric, 1 in the diagonal, positive definite": "simetris, diagonalnya 1, definit positif",
    # blueprint and content
    "{} is not a priority": "{0} bukan prioritas",
    "1 to 9, the lowest gives way first": "1 sampai 9, yang terendah mengalah dahulu",
    "{} is more than high = {}": "{0} lebih dari high = {1}",
    "low <= high": "low <= high",
    "the blueprint of {} has no effect": "kisi-kisi {0} tidak berpengaruh",
    'name = "shadow"': 'name = "shadow"',
    "at least one [[sections.blueprint]] row": "paling sedikit satu baris [[sections.blueprint]]",
    "no expected times of the items are known": "perkiraan waktu menjawab butir tidak diketahui",
    "items with time parameters": "butir dengan parameter waktu",
    "no test of the pool satisfies {} and {} together": "tidak ada susunan butir bank soal yang memenuhi {0} dan {1} bersama-sama",
    "no test of the pool satisfies {}": "tidak ada susunan butir bank soal yang memenuhi {0}",
    "loosen or drop one of these rows, or add items": "longgarkan atau hapus salah satu baris itu, atau tambah butir",
    "loosen it, or add items": "longgarkan baris itu, atau tambah butir",
    "no row of {} speaks of stimuli": "tidak ada baris {0} tentang stimulus",
    "another refresh": "refresh yang lain",
    "{} are not positions": "{0} bukan daftar posisi",
    "is missing for refresh = '{}'": "belum ada, padahal refresh = '{0}'",
    "has no effect with refresh = '{}'": "tidak berpengaruh dengan refresh = '{0}'",
    "{} are not shares": "{0} bukan bagian dari keseluruhan",
    "each above 0, together 1": "masing-masing di atas 0, jumlahnya 1",
    "no item has {} = '{}'": "tidak ada butir dengan {0} = '{1}'",
    "there is no attribute '{}' (there are: {})": "tidak ada atribut '{0}' (yang ada: {1})",
    "'{}' cannot be read in the condition '{}'": "'{0}' tidak terbaca dalam syarat '{1}'",
    "'{}' is not expected in the condition '{}'": "'{0}' tidak pada tempatnya dalam syarat '{1}'",
    "more than {} parentheses and ! stand inside each other in the condition '{}…'": (
        "lebih dari {0} kurung dan ! bersarang dalam syarat '{1}…'"
    ),
    "no {} meets '{}', so that none can be included": "tidak ada {0} yang memenuhi '{1}', jadi tidak ada yang dapat disertakan",
    "'{}' bounds the number of items of a stimulus: it does not go with {} of {}": (
        "'{0}' membatasi jumlah butir satu stimulus: tidak dapat dipakai untuk {1} dari {2}"
    ),
    "a time row speaks of items": "baris time harus tentang butir (item)",
    "'{}' of attribute '{}' is not a number": "'{0}' pada atribut '{1}' bukan bilangan",
    # a plan and a bank
    "the pool has no competency '{}'": "bank soal tidak memuat kompetensi '{0}'",
    "the pool has {}": "bank soal memuat {0}",
    "the bank has {}": "bank soal memuat {0}",
    "'{}' has no operational item in the pool": "'{0}' tidak memiliki butir aktif pada bank soal",
    "add items or drop the competency": "tambah butir, atau hapus kompetensi itu",
    "'{}' has {} operational items, and the section asks for at least {}": "'{0}' memiliki {1} butir aktif, sedangkan bagian ini meminta paling sedikit {2}",
    "add items, or at most {}": "tambah butir, atau paling banyak {0}",
    "the pool does not know how long its items take": "bank soal tidak memuat waktu menjawab butirnya",
    "rt_alpha and rt_beta, or seconds, for every active item of the bank": "rt_alpha dan rt_beta, atau seconds, untuk setiap butir aktif bank soal",
    "are missing for {} and {} more": "belum ada untuk {0} dan {1} butir lagi",
    "are missing for {}": "belum ada untuk {0}",
    "columns rt_alpha and rt_beta, or seconds": "kolom rt_alpha dan rt_beta, atau seconds",
    "{}: no time follows": "{0}: waktunya tidak dapat dihitung",
    "rt_alpha and rt_beta, or seconds": "rt_alpha dan rt_beta, atau seconds",
    "the key has {} distinct scores, the model {} categories": "kuncinya memuat {0} nilai yang berlainan, modelnya {1} kategori",
    "is {} in the text and {} in the bank": "{0} menurut teksnya, {1} menurut bank soal",
}  # fmt: skip


def in_plan(fault: Fault) -> bool:
    """Whether a fault is of a test plan's text: its field is then a key, and stays as the plan has it."""
    return IN_PLAN.fullmatch(str(fault.where)) is not None


def phrase(text: str) -> str | None:
    """A message or a remedy of the engine in Indonesian; None where the table does not hold it."""
    for pieces, words in _templates():
        found = _holes(pieces, text)
        if found is not None:
            return words.format(*found)
    return None


@cache
def _templates() -> tuple[tuple[list[str], str], ...]:
    """The table with what each template says around its {}; the one that says most itself comes first, so that a general one does not take what a special one
    means.
    """
    ordered = sorted(PHRASES.items(), key=lambda pair: -len(pair[0].replace("{}", "")))
    return tuple((template.split("{}"), words) for template, words in ordered)


def _holes(pieces: Sequence[str], text: str) -> list[str] | None:
    """What stands in a text between the pieces of its template, each at its first place; None where they are not in it. Looks at the text once: it may hold a
    word of a plan as long as a form, which a regular expression would try to cut in every way.
    """
    first, *others = pieces
    if not others or not text.startswith(first):
        return [] if text == first else None
    found, at = [], len(first)
    for piece in others[:-1]:
        end = text.find(piece, at)
        if end < 0:
            return None
        found.append(text[at:end])
        at = end + len(piece)
    end = len(text) - len(others[-1])
    return [*found, text[at:end]] if end >= at and text.endswith(others[-1]) else None
