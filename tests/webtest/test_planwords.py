"""What the engine says of test plans is said in Indonesian: every template of its source, and faults of real plans on real banks."""

import ast
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import pytest
from flask import Flask
from flask_babel import Babel, force_locale

from cat_engine import Fault, Faulty, load_plan
from cat_engine.registry import WORDS
from itembank.bank import pool_of
from itembank.demo import load_demo, plan_text
from webtest.snapshots import plan_faults
from webtest.views.faultwords import say_fault
from webtest.views.planwords import PHRASES, phrase

ROOT = Path(__file__).parents[2]
DATA = {"irt.py", "timing.py"}  # of the engine: what they find is wrong with banks and answers, which no page reads in
SOURCES = [p for p in sorted((ROOT / "cat_engine").rglob("*.py")) if p.name not in DATA] + [
    ROOT / "webtest" / "snapshots.py",
    ROOT / "itembank" / "bank.py",
]
HOLE = "\0"


def written(node: ast.expr, scope: ast.AST) -> list[str]:
    """The texts that an expression can be, with a hole for each value; a name stands for all that is assigned to it in `scope`."""
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=parts):
            return ["".join(texts) for texts in product(*(written(part, scope) for part in parts))]
        case ast.FormattedValue(value=ast.Subscript(value=ast.Name(id="WORDS"))) | ast.Subscript(value=ast.Name(id="WORDS")):
            return sorted(set(WORDS.values()))
        case ast.IfExp(body=one, orelse=other):
            return written(one, scope) + written(other, scope)
        case ast.BinOp(left=left, right=right):
            return [a + b for a in written(left, scope) for b in written(right, scope)]
        case ast.Name(id=name):
            values = [n.value for n in ast.walk(scope) if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == name]
            return [text for value in values for text in written(value, scope)] or [HOLE]
    return [HOLE]


def templates() -> Iterator[tuple[str, str]]:
    """(file, template) of every message and remedy, and of what is wrong with a condition, which becomes a message."""
    for path in SOURCES:
        functions = [n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.FunctionDef)]
        for function in (f for f in functions if f.name != "read_rows"):  # of constraint tables, which commands read, not pages
            for call in (n for n in ast.walk(function) if isinstance(n, ast.Call)):
                name = ast.unparse(call.func)
                for node in call.args[2:4] if name == "Fault" else call.args if name == "ConditionError" else ():
                    yield from ((path.name, text) for text in written(node, function) if text.strip(HOLE))


def test_every_template_of_the_engine_stands_in_the_table_and_no_other() -> None:
    found = set(templates())
    said_elsewhere = {"the item has no text", "import its content, or retire it"}  # to coordinators too, in both languages
    missing = {pair for pair in found if phrase(pair[1].replace(HOLE, "7")) is None and pair[1] not in said_elsewhere}
    assert missing == set()
    finer = {  # than the source, which puts these together from parts
        "is not TOML: {} (at line {}, column {})", "is not TOML: {} (at end of document)", "no test of the pool satisfies {} and {} together",
        "are missing for {} and {} more", "the bank has {}", "from {} to {}; 1 is usual",
    }  # fmt: skip
    assert set(PHRASES) - {text.replace(HOLE, "{}") for _file, text in found} == finer


def test_a_template_and_its_words_have_the_same_holes() -> None:
    for template, words in PHRASES.items():
        filled = [f"value{k}" for k in range(template.count("{}"))]
        said = phrase(template.format(*filled))
        assert said == words.format(*filled)
        unsaid = {value for value in filled if value not in said}
        assert not unsaid or template.startswith("is not TOML"), (template, unsaid)  # which says the place alone


FAULTY = """
[prior]
mean = 9
[select]
name = "mfii"
[exposure]
name = "randomesque"
k = 0
[stop]
se = -1
ragu = 1
[[sections]]
code = ""
competencies = ["M.01", "M.01"]
min_items = 9
max_items = 3
time_budget_min = "lama"
[[sections.blueprint]]
kind = "jumlah"
low = 3
high = 1
"""
SAID_OF_IT = [
    ("rencana tes", "name", "belum ada", "teks"),
    ("prior", "mean", "9 bukan rerata sebaran awal", "dari -4 sampai 4"),
    ("exposure", "k", "0 kurang dari 1", "bilangan bulat dari 1"),
    ("stop", "ragu", "tidak dikenal di sini", ...),
    ("stop", "se", "-1 bukan bilangan berhingga dari 0", "0 mematikan aturan itu"),
    ("sections[0]", "time_budget_min", "'lama' bukan bilangan berhingga", ""),
    ("sections[0]", "code", "kosong", ""),
    ("sections[0]", "competencies", "'M.01' sudah ada di sections[0]", "setiap kompetensi satu kali dalam satu rencana"),
    ("sections[0]", "min_items", "9 lebih dari max_items = 3", "min_items <= max_items"),
    ("sections[0].blueprint[0]", "kind", "'jumlah' tidak dikenal", ...),
    ("sections[0].blueprint[0]", "low", "3 lebih dari high = 1", "low <= high"),
]


@pytest.fixture
def reading() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app, default_locale="id")
    with app.test_request_context():
        yield


def faults_of(text: str) -> tuple[Fault, ...]:
    with pytest.raises(Faulty) as caught:
        load_plan(text)
    return caught.value.faults


@pytest.mark.usefixtures("reading")
def test_faults_of_a_plan_are_said_in_indonesian_with_its_own_keys() -> None:
    said = [(s.where, s.field, s.message, s.remedy) for s in map(say_fault, faults_of(FAULTY))]
    for where, field, message, remedy in SAID_OF_IT:
        assert any((s[:3] == (where, field, message)) and remedy in (..., s[3]) for s in said), (where, field, said)
    known = next(s for s in said if s[:2] == ("select", "name"))
    assert known[2] == "'mfii' tidak dikenal"
    assert known[3].startswith("salah satu dari ")
    assert "JPT" not in str(said)  # which remedies a job level of a roster that is not known


@pytest.mark.usefixtures("reading")
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = \n", "bukan TOML yang sah; baca kembali baris 1, kolom 8"), ("a = [", "bukan TOML yang sah; ada kurung, kutip, atau nilai yang belum selesai di akhir teks"),
    ],
)  # fmt: skip
def test_the_place_where_a_text_is_no_toml_is_said(text: str, message: str) -> None:
    assert [say_fault(fault).message for fault in faults_of(text)] == [message]


@pytest.mark.usefixtures("reading")
def test_faults_between_a_plan_and_the_bank_are_said_in_indonesian() -> None:
    bank, _contents = load_demo()
    plan = load_plan(plan_text().replace('"P.01"', '"P.99"') + "[prior.groups.kepala]\nmean = 3\nsd = 2\n")
    said = [say_fault(fault) for fault in plan_faults(plan, bank, pool_of(bank, plan.competencies))]
    assert {s.message for s in said} >= {"bank soal tidak memuat kompetensi 'P.99'", "'kepala' bukan jenjang jabatan"}
    assert all(re.match("(bank soal memuat|salah satu dari|tambah butir|.* harus di dalam) ", s.remedy) for s in said), said


@pytest.mark.usefixtures("reading")
def test_readers_of_english_get_the_words_of_the_engine() -> None:
    faults = faults_of(FAULTY)
    with force_locale("en"):
        assert [(said.message, said.remedy) for said in map(say_fault, faults)] == [(fault.message, fault.remedy) for fault in faults]


@pytest.mark.usefixtures("reading")
def test_one_of_several_plans_is_named_by_its_number() -> None:
    assert say_fault(Fault("plan 2, select", "name", "'x' is not known", "one of mfi")).where == "rencana 2, select"
    assert say_fault(Fault("plan 2, plan", "name", "is empty")).where == "rencana 2"


def test_a_word_as_long_as_a_form_is_said_at_once() -> None:
    word = "se , hypo , hyper " * 20_000
    assert phrase(f"'{word}' is not known") == f"'{word}' tidak dikenal"  # tried in every way it would take hours
    assert phrase(word) is None


def test_pieces_of_a_template_do_not_overlap() -> None:
    assert phrase("'' is used twice") == "'' dipakai dua kali"
    assert phrase("'is used twice") is None
