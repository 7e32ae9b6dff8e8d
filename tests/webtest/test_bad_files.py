"""Files that no program wrote well: each command says what is wrong and where, and never falls over them."""

import os
from collections.abc import Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from webtest.cli import main

BANK = "item_id,competency,model,a,b1\n" + "".join(f"I{k},A,2pl,1.2,{k - 2}\n" for k in range(5))
PLAN = """name = "x"
[[sections]]
code = "k"
competencies = ["A"]
min_items = 1
max_items = 2
time_budget_min = 10
"""
ROWS = "CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB\nC1,Number,Item,,2,3\n"
NEXT = ("next", "--bank", "bank.csv", "--out", "out.csv", "--administered")
ASSEMBLE = ("assemble", "--bank", "bank.csv", "--out", "out.csv")
SIMULATE = ("simulate", "--bank", "bank.csv", "--plan", "plan.toml", "--seed", "1", "--out", "new")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, text in {"bank.csv": BANK, "plan.toml": PLAN, "rows.csv": ROWS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def refused(folder: Path, *words: str) -> str:
    """What the command says, that refuses and leaves nothing behind."""
    before = {path.name for path in folder.iterdir()}
    result = CliRunner().invoke(main, list(words))
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 2, result.output
    assert {path.name for path in folder.iterdir()} == before
    return result.stderr


TABLES = {
    "given": (*NEXT, "bad.csv"),
    "rows": (*ASSEMBLE, "--constraints", "bad.csv"),
    "attributes": (*ASSEMBLE, "--constraints", "rows.csv", "--attributes", "bad.csv"),
    "stimuli": (*ASSEMBLE, "--constraints", "rows.csv", "--stimuli", "bad.csv"),
    "thetas": (*SIMULATE, "--thetas", "bad.csv"),
    "correlations": (*SIMULATE, "--n", "5", "--correlations", "bad.csv"),
}
HEADERS = {
    "given": "item_id,category", "rows": ROWS.splitlines()[0], "attributes": "ID,TOPIC", "stimuli": "STID,TOPIC", "thetas": "person_id,theta",
    "correlations": "competency,A",
}  # fmt: skip


@pytest.mark.parametrize("kind", TABLES)
def test_a_quotation_mark_that_is_never_closed_is_named(folder: Path, kind: str) -> None:
    width = HEADERS[kind].count(",")
    for body in ('"' + "x" * 200_000, "y" * 200_000 + "," * width, '"abc' + "," * width + "\nI1,1"):
        (folder / "bad.csv").write_text(f"{HEADERS[kind]}\n{body}\n")
        assert "is not CSV" in refused(folder, *TABLES[kind])


@pytest.mark.parametrize("kind", TABLES)
def test_rows_and_headers_that_do_not_fit_are_named(folder: Path, kind: str) -> None:
    header = HEADERS[kind]
    last = header.split(",")[-1]
    cells = ",".join("1" * len(header.split(",")))
    (folder / "bad.csv").write_text(f"{header}\n{cells},1\n")
    assert "row 2" in refused(folder, *TABLES[kind])
    (folder / "bad.csv").write_text(f"{header},{last}\n{cells},1\n")
    assert "stands twice" in refused(folder, *TABLES[kind])
    (folder / "bad.csv").write_text("")
    assert "row 1" in refused(folder, *TABLES[kind])


@pytest.mark.parametrize("cell", ["²", "٣", "9" * 5000, "-1", "1.0", ""])
def test_a_category_is_a_whole_number_in_plain_digits(folder: Path, cell: str) -> None:
    (folder / "bad.csv").write_text(f"item_id,category\nI0,{cell}\n")
    assert "row 2, category" in refused(folder, *NEXT, "bad.csv")


@pytest.mark.parametrize(("kind", "first"), [("attributes", "I0,a"), ("stimuli", "S1,a"), ("correlations", "A,1")])
def test_a_row_that_stands_twice_is_named(folder: Path, kind: str, first: str) -> None:
    (folder / "bad.csv").write_text(f"{HEADERS[kind]}\n{first}\n{first}\n")
    assert ("row 3" if kind == "correlations" else "stands twice") in refused(folder, *TABLES[kind])


def test_a_blueprint_without_rows_is_no_blueprint(folder: Path) -> None:
    (folder / "bad.csv").write_text(HEADERS["rows"] + "\n")
    assert "holds no rows" in refused(folder, *TABLES["rows"])


def test_a_person_is_not_named_in_a_fault_since_an_id_may_be_a_nip(folder: Path) -> None:
    nip = "198001012005011001"
    (folder / "bad.csv").write_text(f"person_id,theta\n{nip},0\n{nip},1\n")
    said = refused(folder, *TABLES["thetas"])
    assert "row 3, person_id" in said
    assert nip not in said
    (folder / "answers.csv").write_text(f"person_id,I0,I1\n{nip},7,1\n")
    said = refused(folder, "score", "--bank", "bank.csv", "--responses", "answers.csv", "--out", "out.csv")
    assert "I0" in said
    assert nip not in said


@pytest.mark.parametrize("alpha", ["1e-320", "1e-200", "1e200"])
def test_a_time_parameter_that_gives_no_time_leaves_the_item_without_one(folder: Path, alpha: str) -> None:
    (folder / "timed.csv").write_text(BANK.replace("b1\n", "b1,rt_alpha,rt_beta\n", 1).replace("0\n", f"0,{alpha},3\n", 1))
    result = CliRunner().invoke(main, ["plan", "check", "plan.toml", "--bank", "timed.csv"])
    assert result.exception is None or isinstance(result.exception, SystemExit)


@pytest.mark.parametrize("value", ["1e308", "-1001", "1e400"])
def test_a_parameter_or_an_ability_that_no_item_and_nobody_has_is_refused(folder: Path, value: str) -> None:
    lines = BANK.splitlines()
    cells = lines[1].split(",")
    place = lines[0].split(",").index("b1")
    bank = [*lines[:1], ",".join([*cells[:place], value, *cells[place + 1 :]]), *lines[2:]]
    (folder / "far.csv").write_text("\n".join(bank) + "\n")
    assert "row 2, b1" in refused(folder, "information", "--bank", "far.csv", "--theta", "0", "--out", "out.csv")
    assert "--theta" in refused(folder, "information", "--bank", "bank.csv", f"--theta={value}", "--out", "out.csv")
    (folder / "bad.csv").write_text(f"person_id,theta\np,{value}\n")
    assert "row 2, theta" in refused(folder, *TABLES["thetas"])


COMMANDS: Sequence[Sequence[str]] = (
    ("assemble", "--bank", "bank.csv", "--constraints", "rows.csv", "--out", "[/x].csv"),
    ("score", "--bank", "bank.csv", "--responses", "answers.csv", "--out", "[/x].csv"),
)


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
def test_a_name_with_brackets_is_printed_as_it_is(folder: Path, words: Sequence[str]) -> None:
    (folder / "answers.csv").write_text("person_id,I0,I1\np,0,1\n")
    (folder / "[").mkdir()
    result = CliRunner().invoke(main, list(words))
    assert result.exit_code == 0, result.output or result.exception
    assert (folder / "[/x].csv").exists()


def answered(folder: Path) -> None:
    """Twenty people's answers to two items, both solved by some, and the items' parameters."""
    lines = [f"p{k},{k % 2},{k % 3 % 2}" for k in range(20)]
    (folder / "answers.csv").write_text("\n".join(["person_id,I0,I1", *lines]) + "\n")
    (folder / "items.csv").write_text("item_id,model,a,b1\nI0,2pl,1.2,0\nI1,2pl,1.2,0.5\n")


def test_of_files_that_belong_together_none_is_written_where_one_cannot_be(folder: Path) -> None:
    answered(folder)
    words = ("fit", "answers.csv", "--items", "items.csv", "--out", "out.csv", "--persons", "y" * 246 + ".csv")
    assert "cannot be written" in refused(folder, *words)


def test_parameter_rows_are_numbered_as_in_the_file_whatever_was_left_out(folder: Path) -> None:
    answered(folder)
    (folder / "items.csv").write_text("item_id,model,a,b1\nI2,2pl,,\nI0,2pl,1.2,0\nI1,2pl,1.2,x\n")
    assert "row 4, b1" in refused(folder, "fit", "answers.csv", "--items", "items.csv")
    for text in ("item_id,model,a,b1\rI0,2pl,1,0\r", "item_id,model,a,b1\n" + '"' + "x" * 200_000):
        (folder / "items.csv").write_text(text)
        result = CliRunner().invoke(main, ["fit", "answers.csv", "--items", "items.csv"])
        assert isinstance(result.exception, SystemExit | None), result.exception


@pytest.mark.parametrize("number", ["9" * 30, "9" * 5000])
def test_a_time_of_too_many_digits_is_named(folder: Path, number: str) -> None:
    (folder / "answers.csv").write_text(f"person_id,item_id,category,rt_ms\np,I0,1,{number}\n")
    assert "row 2, rt_ms" in refused(folder, "score", "--bank", "bank.csv", "--responses", "answers.csv", "--out", "out.csv")


SCORE = ("score", "--bank", "bank.csv", "--responses", "bad.csv", "--out", "out.csv")


@pytest.mark.parametrize(
    ("text", "where"),
    [("person_id,I0,I1\np,0,1\n\nq,2,\n", "row 4, I0"), ("person_id,item_id,category\np,I0,0\np,I1,9\n", "row 3, category")],
)
def test_a_category_that_the_item_does_not_have_is_named_by_its_row(folder: Path, text: str, where: str) -> None:
    (folder / "bad.csv").write_text(text)
    assert f"bad.csv, {where}" in (said := refused(folder, *SCORE))
    assert "(from 0 to 1)" in said


def test_faults_of_rows_name_the_file_where_a_command_reads_several(folder: Path) -> None:
    (folder / "bad.csv").write_text("ITEM,TOPIC\nI0,a\n")
    assert "bad.csv, row 1, ID" in refused(folder, *TABLES["attributes"])
    (folder / "bad.csv").write_text(BANK.replace("1.2", "-1", 1))
    assert "bad.csv, row 2, a" in refused(folder, "assemble", "--bank", "bad.csv", "--constraints", "rows.csv", "--out", "out.csv")


def test_faults_of_a_whole_file_name_it_where_a_command_reads_several(folder: Path) -> None:
    for text, said in (("", "bad.csv: is empty"), (BANK.splitlines()[0], "bad.csv: holds no items"), (BANK + '"', "bad.csv: is not CSV")):
        (folder / "bad.csv").write_text(text)
        assert said in refused(folder, "assemble", "--bank", "bad.csv", "--constraints", "rows.csv", "--out", "out.csv")
    (folder / "bad.csv").write_bytes(b"person_id,I0\n\xff,1\n")
    assert "\nbad.csv: is not UTF-8" in refused(folder, *SCORE)


def test_a_faulty_plan_is_named_and_not_the_column_that_its_competency_would_stand_for(folder: Path) -> None:
    (folder / "one.csv").write_text(BANK.replace("competency,", "").replace("A,", ""))
    (folder / "bad.toml").write_text(PLAN.replace("max_items = 2", "max_items = two"))
    said = refused(folder, "simulate", "--bank", "one.csv", "--plan", "bad.toml", "--n", "5", "--seed", "1", "--out", "new")
    assert "is not TOML" in said
    assert "competency" not in said


def test_a_device_is_not_replaced_by_a_file(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    for words in COMMANDS:
        (folder / "answers.csv").write_text("person_id,I0,I1\np,0,1\n")
        assert "pipe: is no ordinary file" in refused(folder, *words[:-1], "pipe")
    assert (folder / "pipe").is_fifo()


def test_a_planned_length_that_no_test_has_is_named(folder: Path) -> None:
    (folder / "given.csv").write_text("item_id,category\n")
    assert "--planned" in refused(folder, *NEXT, "given.csv", "--criterion", "progressive", "--planned", "999999999999")


@pytest.mark.parametrize("bounds", ["nan,3", "2,nan", "NaN,NaN"])
def test_a_bound_that_is_no_number_is_named(folder: Path, bounds: str) -> None:
    (folder / "bad.csv").write_text(ROWS.replace("2,3", bounds))
    assert "is not a number" in refused(folder, *TABLES["rows"])


@pytest.mark.parametrize("cell", ["nan", "inf"])
def test_a_sum_over_what_is_no_number_is_named(folder: Path, cell: str) -> None:
    (folder / "bad.csv").write_text("ID,WORDS\n" + "".join(f"I{k},{cell if k == 3 else 9}\n" for k in range(5)))
    (folder / "rows.csv").write_text(ROWS + "C2,Sum,Item,WORDS,0,90\n")
    assert f"'{cell}' of attribute 'WORDS' is not a number" in refused(folder, *TABLES["attributes"])


@pytest.mark.parametrize("nest", ["(" * 3000 + "ID == 1" + ")" * 3000, "!" * 3000 + "ID == 1"])
def test_a_condition_that_nobody_can_read_is_refused(folder: Path, nest: str) -> None:
    (folder / "bad.csv").write_text(ROWS.replace("Item,,", f"Item,{nest},"))
    assert "stand inside each other" in refused(folder, *TABLES["rows"])


FOLDERS = (
    *COMMANDS,
    ("information", "--bank", "bank.csv", "--theta", "0", "--out"),
    ("next", "--bank", "bank.csv", "--administered", "g.csv", "--out"),
)


@pytest.mark.parametrize("words", FOLDERS, ids=lambda words: words[0])
def test_no_folder_is_made_on_the_way_to_a_file(folder: Path, words: Sequence[str]) -> None:
    (folder / "answers.csv").write_text("person_id,I0,I1\np,0,1\n")
    (folder / "g.csv").write_text("item_id,category\n")
    command = [*words[: words.index("--out")], "--out"]
    assert "does not exist (make it first)" in refused(folder, *command, "missing/out.csv")
    assert "is a directory" in refused(folder, *command, str(folder))
    assert "does not exist" in refused(folder, *command, "bank.csv/out.csv")
    assert "cannot be written" in refused(folder, *command, "y" * 246 + ".csv")


def test_no_folder_is_made_on_the_way_to_another(folder: Path) -> None:
    words = [*SIMULATE[:-1]]
    assert "does not exist (make it first)" in refused(folder, *words, "missing/new", "--n", "5")
    assert "cannot be made" in refused(folder, *words, "y" * 250, "--n", "5")


def test_what_is_written_is_its_owners_alone(folder: Path) -> None:
    (folder / "bad.csv").write_text("person_id,I0,I1\np,0,1\n")
    for words in (SCORE, (*SIMULATE, "--n", "5")):
        assert CliRunner().invoke(main, list(words)).exit_code == 0
    assert [(folder / name).stat().st_mode & 0o777 for name in ("out.csv", "new")] == [0o600, 0o700]
