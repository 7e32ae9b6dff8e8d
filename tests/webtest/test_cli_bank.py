"""`cact bank`: what it takes, what it writes, and that a bad file leaves nothing behind."""

import json
import os
import stat
from pathlib import Path

import pytest

from cat_engine import Row
from itembank.bank import ItemContent
from itembank.exchange import read_bank_csv, write_bank_csv, write_bank_json
from tests.conftest import Place
from tests.itembank.banks import content, small
from tests.webtest.shell import Shell

GOOD = "item_id,competency,model,a,b1,b2,c,author\nN1,N,2pl,1.25,-0.5,,,Ana\nN2,N,3pl,0.8,1e-3,,0.2,\n"


@pytest.fixture
def shell(lite: Place, monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(lite, monkeypatch)


def versions(shell: Shell) -> int:
    return len(shell.facts("bank", "list"))


def test_a_draft_is_made_listed_published_and_exported(shell: Shell) -> None:
    made = shell.facts("bank", "import", shell.file("new.csv", GOOD), "--note", "Uji [coba]")
    assert made == {
        "version": 2, "parent": 1, "items": 2, "added": 2, "removed": made["removed"], "changed": 0, "without_text": ["N1", "N2"],
    }  # fmt: skip
    newest = shell.facts("bank", "list")[0]
    assert newest.items() >= {"version": 2, "status": "draft", "items": 2, "note": "Uji [coba]", "parent": 1, "decided_by": None}.items()
    assert "Uji [coba]" in shell.ok("bank", "list")
    assert shell.facts("bank", "publish", "2")["status"] == "published"
    out = shell.folder / "out.csv"
    assert shell.facts("bank", "export", "-o", out).items() >= {"version": 2, "format": "csv", "items": 2}.items()
    assert read_bank_csv(out.read_text()).digest == newest["digest"]


def test_what_is_exported_as_json_goes_into_another_installation_with_its_texts(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = shell.folder / "bank.json"
    digest = shell.facts("bank", "export", "-o", out)["digest"]
    other = Shell(Place(tmp_path_factory.mktemp("other") / "data", ""), monkeypatch)
    monkeypatch.delenv("DATABASE_URL")
    other.ok("init", "--no-sample-bank")
    assert "No bank yet" in other.ok("bank", "list")
    assert other.facts("bank", "import", out)["without_text"] == []
    other.ok("bank", "publish", "1")
    assert other.facts("bank", "list")[0]["digest"] == digest
    again = other.folder / "again.json"
    other.ok("bank", "export", "-o", again)
    assert again.read_text() == out.read_text()


def test_an_older_version_is_exported_by_its_number(shell: Shell) -> None:
    shell.ok("bank", "import", shell.file("new.csv", GOOD))
    shell.ok("bank", "publish", "2")
    assert shell.facts("bank", "export", "--version", "1", "-o", shell.folder / "one.csv")["version"] == 1
    assert "no bank version 9" in shell.refused("bank", "export", "--version", "9", "-o", shell.folder / "nine.csv")


def test_texts_of_the_same_items_are_kept_from_the_newest_version(shell: Shell) -> None:
    bank, texts = small()
    shell.ok("bank", "import", shell.file("small.json", write_bank_json(bank, texts)))
    changed = write_bank_csv(bank).replace("1.2,-1.0", "1.3,-1.0")
    assert (
        shell.facts("bank", "import", shell.file("small.csv", changed)).items() >= {"changed": 1, "without_text": [], "parent": 2}.items()
    )


@pytest.mark.parametrize("scaling", ["1.7", "1.702"])
def test_slopes_of_a_normal_metric_are_multiplied_on_import(shell: Shell, scaling: str) -> None:
    shell.ok("bank", "import", shell.file("new.csv", GOOD), "--D", scaling)
    shell.ok("bank", "export", "--version", "2", "-o", shell.folder / "out.csv")
    bank = read_bank_csv((shell.folder / "out.csv").read_text())
    assert bank.params.a.tolist() == [1.25 * float(scaling), 0.8 * float(scaling)]
    assert bank.params.b[:, 0].tolist() == [-0.5, 1e-3]


NOMINAL = "item_id,competency,model,a,a1,a2,b1,b2,b3\nN1,N,nrm,,0.75,-1.5,0.25,1.5,\nN2,N,mgrm,2.0,,,-1.0,0.0,1.0\n"


def test_nominal_items_go_in_and_out_and_have_no_metric_d(shell: Shell) -> None:
    shell.ok("bank", "import", shell.file("new.csv", NOMINAL), "--D", "1.7")
    shell.ok("bank", "publish", "2")
    for name in ("out.csv", "out.json"):
        shell.ok("bank", "export", "--version", "2", "-o", shell.folder / name)
    bank = read_bank_csv((shell.folder / "out.csv").read_text())
    assert [bank.row(i) for i in range(2)] == [
        Row("nrm", 1.0, [0.25, 1.5], slopes=[0.75, -1.5]),
        Row("mgrm", 3.4, [-1.0, 0.0, 1.0]),
    ]
    assert "is the same bank" in shell.refused("bank", "import", shell.folder / "out.json")
    assert "row 2, a2: 1 slopes do not go with 2 intercepts" in shell.refused(
        "bank", "import", shell.file("bad.csv", NOMINAL.replace("0.75,-1.5", "0.75,"))
    )


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (b"", "is empty"),
        (GOOD.replace(",", ";").encode(), "separated by semicolons"),
        (GOOD.replace("1.25", "NaN").encode(), "row 2, a: 'NaN' is not a finite number"),
        (GOOD.replace("1.25", "inf").encode(), "row 2, a: 'inf' is not a finite number"),
        (GOOD.replace("1.25", "-1.25").encode(), "row 2, a: -1.25 is not a positive number"),
        (GOOD.replace("2pl,1.25,-0.5,", "grm,1.25,0.5,0.25").encode(), "row 2, b2: 0.25 is not above b1 = 0.5"),
        (GOOD.replace("2pl,1.25,-0.5,", "grm,1.25,,0.25").encode(), "row 2, b1: is empty, and b2 is not"),
        (GOOD.replace("N2", "N1").encode(), "row 3, item_id: 'N1' stands in row 2 already"),
        (GOOD.replace("2pl", "rasch").encode(), "row 2, model: 'rasch' is not known"),
        (GOOD.replace("Ana", "é").encode("latin-1"), "is not UTF-8 text"),
        (GOOD.encode("utf-16"), "is not UTF-8 text"),
        (b'{"format": "cact-bank-1"', "is not JSON"),
        (b'{"items": []}', "has no format 'cact-bank-1'"),
    ],
)
def test_a_bad_file_is_refused_by_import_and_check_and_nothing_is_written(shell: Shell, content: bytes, named: str) -> None:
    bad = shell.file("bad.csv", content)
    for verb in ("import", "check"):
        assert named in shell.refused("bank", verb, bad)
    assert versions(shell) == 1
    told = shell.run("bank", "import", bad, "--json")
    assert (told.exit_code, json.loads(told.stdout)["error"]) == (2, "faulty")
    assert any(named.split(": ")[-1] in fault["message"] for fault in json.loads(told.stdout)["faults"])


def test_a_byte_order_mark_does_no_harm(shell: Shell) -> None:
    assert shell.facts("bank", "import", shell.file("bom.csv", b"\xef\xbb\xbf" + GOOD.encode()))["items"] == 2


@pytest.mark.parametrize(("name", "named"), [(".", "is a directory"), ("nowhere.csv", "No such file")])
def test_what_is_no_file_is_refused(shell: Shell, name: str, named: str) -> None:
    assert named in shell.refused("bank", "import", shell.folder / name)
    assert named in shell.refused("bank", "check", shell.folder / name)


def test_the_same_bank_is_not_imported_twice(shell: Shell) -> None:
    new = shell.file("new.csv", GOOD)
    shell.ok("bank", "import", new)
    assert "version 2 (draft) is the same bank" in shell.refused("bank", "import", new)
    assert versions(shell) == 2


def test_only_a_draft_can_be_published(shell: Shell) -> None:
    assert "not a draft" in shell.refused("bank", "publish", "1")
    assert "no such wave or version" in shell.refused("bank", "publish", "7")
    assert "VERSION" in shell.refused("bank", "publish", "one")
    assert "VERSION" in shell.refused("bank", "publish", "0")


def test_a_key_that_does_not_fit_is_not_published(shell: Shell) -> None:
    bank, texts = small()
    texts["A-1"] = content("A-1", scores=(1, 1, 5, 1))
    shell.ok("bank", "import", shell.file("small.json", write_bank_json(bank, texts)))
    assert "A-1, options: the key has 2 distinct scores, the model 4 categories" in shell.refused("bank", "publish", "2")
    assert shell.facts("bank", "list")[0]["status"] == "draft"


def well_formed() -> tuple[str, dict[str, ItemContent]]:
    bank, texts = small()
    return write_bank_json(bank, texts), texts


def test_a_bank_in_good_form_is_sound(shell: Shell) -> None:
    told = shell.facts("bank", "check", shell.file("small.json", well_formed()[0]))
    assert told.items() >= {"sound": True, "items": 3, "provisional": 3, "competencies": ["A", "B"], "faults": []}.items()


def test_every_fault_of_form_and_key_is_listed_with_exit_code_1(shell: Shell) -> None:
    body = json.loads(well_formed()[0])
    body["items"][0]["content"]["scenario"] = "Pendek."
    body["items"][1]["content"]["options"][0]["score"] = 2
    body["items"][2]["content"]["competency"] = "A"
    body["items"][2]["content"]["rationale"] = " "
    result = shell.run("bank", "check", shell.file("small.json", json.dumps(body)))
    assert result.exit_code == 1
    for named in ("A-1, scenario: 1 words", "A-2, options: the key has 3", "B-1, competency: is A in the text", "B-1, rationale: is empty"):
        assert named in result.stderr
    told = shell.run("bank", "check", shell.folder / "small.json", "--json")
    assert (told.exit_code, json.loads(told.stdout)["sound"]) == (1, False)
    assert {"where": "A-1", "field": "scenario", "message": "1 words", "remedy": "40 to 90"} in json.loads(told.stdout)["faults"]


def test_an_installed_version_is_checked_by_its_number_and_the_newest_by_none(shell: Shell) -> None:
    shell.ok("bank", "import", shell.file("new.csv", GOOD))
    newest, second = shell.run("bank", "check", "--json"), shell.run("bank", "check", "--version", "2", "--json")
    assert json.loads(newest.stdout)["items"] > 200
    assert (second.exit_code, json.loads(second.stdout)["items"]) == (1, 2)
    assert "not both" in shell.refused("bank", "check", shell.folder / "new.csv", "--version", "1")
    assert "no bank version 9" in shell.refused("bank", "check", "--version", "9")


def test_items_of_a_csv_that_have_no_text_yet_are_named_and_are_no_fault(shell: Shell) -> None:
    result = shell.run("bank", "check", shell.file("new.csv", GOOD), "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout).items() >= {"sound": True, "with_text": True, "without_text": ["N1", "N2"]}.items()
    assert "2 active items have no text" in result.stderr


def test_a_key_that_does_not_fit_the_parameters_of_a_csv_is_a_fault(shell: Shell) -> None:
    result = shell.run("bank", "check", shell.file("one.csv", "item_id,competency,model,a,b1\nM01-01,M.01,2pl,1,0\n"))
    assert result.exit_code == 1
    assert "M01-01, options: the key has" in result.stderr


def test_json_says_its_metric_itself(shell: Shell) -> None:
    assert "--D: is for parameters as CSV" in shell.refused("bank", "import", shell.file("s.json", well_formed()[0]), "--D", "1.7")
    assert versions(shell) == 1


def test_without_an_installation_a_csv_is_checked_for_its_parameters_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(Place(tmp_path / "none", ""), monkeypatch)
    told = shell.facts("bank", "check", shell.file("new.csv", GOOD))
    assert told.items() >= {"sound": True, "with_text": False}.items()
    assert "parameters only" in shell.ok("bank", "check", shell.folder / "new.csv")
    assert shell.facts("bank", "check", shell.file("small.json", well_formed()[0]))["with_text"] is True
    assert shell.names() == {"new.csv", "small.json"}


def test_a_file_is_not_overwritten_without_force_and_only_its_owner_reads_it(shell: Shell) -> None:
    out = shell.file("bank.json", "mine")
    assert "exists already (--force overwrites it)" in shell.refused("bank", "export", "-o", out)
    assert out.read_text() == "mine"
    shell.ok("bank", "export", "-o", out, "--force")
    assert json.loads(out.read_text())["format"] == "cact-bank-1"
    assert stat.S_IMODE(out.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("-o", "."), "does not tell the format"),
        ((), "--output"),
        (("-o", "bank.xml"), "--format csv|json"),
        (("-o", "bank"), "--format csv|json"),
        (("-o", "nowhere/bank.csv"), "does not exist"),
        (("--format", "xml", "-o", "bank.csv"), "--format"),
        (("--format", "csv", "-o", "."), "is a directory"),
    ],
)
def test_a_file_that_cannot_be_written_is_named(shell: Shell, words: tuple[str, ...], named: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shell.folder)
    assert named in shell.refused("bank", "export", *words)
    assert shell.names() == set()


def test_the_format_asked_for_wins_over_the_name(shell: Shell) -> None:
    shell.ok("bank", "export", "--format", "csv", "-o", shell.folder / "bank.txt")
    assert read_bank_csv((shell.folder / "bank.txt").read_text()).ids[0] == "M01-01"


@pytest.mark.parametrize("verb", [("bank", "list"), ("bank", "check"), ("bank", "publish", "1"), ("wave", "list"), ("user", "list")])
def test_a_folder_without_an_installation_is_named(verb: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell(Place(tmp_path / "none", ""), monkeypatch)
    assert "holds no installation (make one with 'cact init'" in shell.refused(*verb)
    assert not (tmp_path / "none").exists()


def test_a_crash_while_writing_leaves_the_old_file_and_nothing_else(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    out = shell.file("bank.csv", "mine")

    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        assert "No space left" in shell.refused("bank", "export", "-o", out, "--force")
    assert (out.read_text(), shell.names()) == ("mine", {"bank.csv"})
