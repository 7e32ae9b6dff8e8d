"""`cact fit` and `cact dif` as a user runs them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cat_engine import Row
from webtest.cli import main


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folder(draw: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """R.csv of 800 people in groups A and B (G.csv): eight items, the last one harder for B."""
    rng = np.random.default_rng(601)
    rows = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1, 8)]
    parts = [draw(own, rng.normal(size=400), 602 + k) for k, own in enumerate((rows, [*rows[:7], Row("2pl", 1.2, [2.2])]))]
    matrix = np.concatenate([part.category.reshape(400, 8) for part in parts])
    lines = [",".join(["person_id", *(f"i{k}" for k in range(8))])] + [f"p{p}," + ",".join(map(str, own)) for p, own in enumerate(matrix)]
    (tmp_path / "R.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "G.csv").write_text("person_id,group\n" + "".join(f"p{p},{'AB'[p // 400]}\n" for p in range(800)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_dif_names_the_item_that_is_harder_for_the_focal_group(folder: Path) -> None:
    result = run("dif", "R.csv", "--groups", "G.csv", "--focal", "B", "--out", "D.csv", "--json")
    assert result.exit_code == 0, result.output
    table = {row["item"]: row for row in json.loads(result.stdout)}
    assert table["i7"]["ets"] == "C"
    assert table["i7"]["delta"] < -1.5
    assert table["i7"]["p_uniform"] < 0.001
    assert table["i3"]["ets"] in ("A", "B")
    with (folder / "D.csv").open(newline="") as file:
        assert [row["item"] for row in csv.DictReader(file)] == [f"i{k}" for k in range(8)]
    assert "i7" in run("dif", "R.csv", "--groups", "G.csv", "--focal", "B").stdout


@pytest.mark.parametrize(("method", "p", "sizes"), [("likelihood", "p", ("signed",)), ("residual", "p_rs", ("rdif_r", "beta"))])
def test_dif_of_incomplete_answers_names_the_same_item(folder: Path, method: str, p: str, sizes: tuple[str, ...]) -> None:
    holes(folder)
    words = ("dif", "R.csv", "--groups", "G.csv", "--focal", "B", "--method", method, "--out", "D.csv", "--json")
    result = run(*words, *(["--purify", "--alpha", "0.001"] if method == "residual" else []))
    assert result.exit_code == 0, result.output
    table = {row["item"]: row for row in json.loads(result.stdout)}
    assert table["i7"][p] < 0.001
    assert all(table["i7"][size] < -0.1 for size in sizes)
    assert [row["item"] for row in table.values() if not row["anchor"]] == (["i7"] if method == "residual" else [])
    assert table["i3"]["n_reference"] + table["i3"]["n_focal"] == 700
    with (folder / "D.csv").open(newline="") as file:
        assert list(csv.DictReader(file))[7]["anchor"] == str(method != "residual")


def test_flags_that_go_round_are_said_to(folder: Path) -> None:
    rng = np.random.default_rng(19)  # a third of the items harder for the focal group of 150
    focal, items = np.arange(300) < 150, np.arange(12)
    theta, b = rng.normal(size=300) - 0.5 * focal, np.linspace(-1.5, 1.5, 12)
    p = 1 / (1 + np.exp(-1.2 * (theta[:, None] - b - np.where(items < 4, 0.7, 0.0) * focal[:, None])))
    scores = (rng.random((300, 12)) < p).astype(int)
    lines = [",".join(["person_id", *(f"i{k}" for k in items)])] + [f"p{p}," + ",".join(map(str, own)) for p, own in enumerate(scores)]
    (folder / "R.csv").write_text("\n".join(lines) + "\n")
    (folder / "G.csv").write_text("person_id,group\n" + "".join(f"p{p},{'AB'[p < 150]}\n" for p in range(300)))
    result = run("dif", "R.csv", "--groups", "G.csv", "--focal", "B", "--purify", "--json")
    assert result.exit_code == 0, result.output
    assert "2 sets of flags lead to each other; people are matched by the items that none of them holds" in result.stderr
    assert sum(row["anchor"] for row in json.loads(result.stdout)) == 6


def holes(folder: Path) -> None:
    """Every person has left out one item."""
    lines = [line.split(",") for line in (folder / "R.csv").read_text().splitlines()]
    for k, line in enumerate(lines[1:]):
        line[1 + k % 8] = ""
    (folder / "R.csv").write_text("".join(",".join(line) + "\n" for line in lines))


def test_dif_takes_any_column_of_groups_and_two_of_several_groups(folder: Path) -> None:
    lines = "".join(f"p{p},{'LP'[p % 2]},{('eselon', 'staf', 'staf', 'lain')[p // 200]}\n" for p in range(800))
    (folder / "G.csv").write_text("person_id,sex,job_level\n" + lines)
    fair = json.loads(run("dif", "R.csv", "--groups", "G.csv", "--by", "sex", "--focal", "P", "--json").stdout)
    assert all(row["ets"] in ("A", "B") for row in fair)
    words = ("dif", "R.csv", "--groups", "G.csv", "--by", "job_level", "--focal", "lain", "--json")
    two = {row["item"]: row for row in json.loads(run(*words, "--reference", "eselon").stdout)}
    assert (two["i7"]["n_reference"], two["i7"]["n_focal"], two["i7"]["ets"]) == (200, 200, "C")
    rest = {row["item"]: row for row in json.loads(run(*words).stdout)}
    assert rest["i7"]["n_reference"] == 600
    for words, message in (
        (("--by", "unit", "--focal", "lain"), "row 1, unit: the column is missing"),
        (("--by", "sex", "--focal", "P", "--reference", "P"), "--reference: is the focal group itself"),
        (("--by", "sex", "--focal", "P", "--min-n", "500"), "no item has 500 answers in both groups, the most is 400"),
    ):
        result = run("dif", "R.csv", "--groups", "G.csv", *words)
        assert (result.exit_code, message in result.stderr) == (2, True), result.stderr


def test_dif_takes_given_parameters_and_names_what_is_wrong_with_them(folder: Path) -> None:
    holes(folder)
    rows = [f"i{k},2pl,1.2,{b:.2f}\n" for k, b in enumerate(np.linspace(-1, 1, 8))]
    (folder / "P.csv").write_text("item_id,model,a,b1\n" + "".join(rows))
    words = ("dif", "R.csv", "--groups", "G.csv", "--focal", "B", "--method", "residual", "--items", "P.csv")
    table = {row["item"]: row for row in json.loads(run(*words, "--json").stdout)}
    assert table["i7"]["p_rs"] < 0.001
    (folder / "P.csv").write_text("item_id,model,a,b1\n" + "".join(rows[:6]))
    result = run(*words, "--out", "D.csv")
    assert (result.exit_code, "2 faults" in result.stderr, "P.csv, i7: has no parameters" in result.stderr) == (2, True, True)
    assert not (folder / "D.csv").exists()


def test_dif_refuses_unknown_groups_and_incomplete_answers(folder: Path) -> None:
    result = run("dif", "R.csv", "--groups", "G.csv", "--focal", "C")
    assert (result.exit_code, "'C' is not a group (one of A, B)" in result.stderr) == (2, True)
    (folder / "R.csv").write_text((folder / "R.csv").read_text().replace("p0,0", "p0,").replace("p0,1", "p0,"))
    result = run("dif", "R.csv", "--groups", "G.csv", "--focal", "B", "--out", "D.csv")
    assert (result.exit_code, "are incomplete or routed" in result.stderr) == (2, True)
    assert not (folder / "D.csv").exists()


def test_fit_takes_the_file_that_calibrate_writes_and_leaves_out_what_has_no_number(folder: Path) -> None:
    text = (folder / "R.csv").read_text().splitlines()
    (folder / "R.csv").write_text("\n".join([f"{text[0]},solved", *(f"{line},1" for line in text[1:])]) + "\n")
    assert run("calibrate", "R.csv", "--model", "2pl", "--out", "P.csv").exit_code == 0
    result = run("fit", "R.csv", "--items", "P.csv", "--persons", "people.csv", "--out", "fit.csv", "--json")
    assert result.exit_code == 0, result.output
    table = json.loads(result.stdout)
    assert [row["item"] for row in table] == [f"i{k}" for k in range(8)]
    assert all(0.6 < row["infit"] < 1.2 and row["n"] == 800 for row in table)
    assert all(row["q3_with"] != row["item"] for row in table)
    with (folder / "people.csv").open(newline="") as file:
        people = list(csv.DictReader(file))
    assert len(people) == 800
    assert set(people[0]) == {
        "person_id", "theta", "se", "lz", "person_infit", "person_z_infit", "person_outfit", "person_z_outfit",
    }  # fmt: skip
    assert (folder / "fit.csv").exists()


def test_fit_of_a_whole_form_tells_s_x2_ld_x2_and_m2_and_of_an_incomplete_one_why_not(folder: Path) -> None:
    assert run("calibrate", "R.csv", "--model", "2pl", "--out", "P.csv").exit_code == 0
    words = ("fit", "R.csv", "--items", "P.csv")
    result = run(*words, "--pairs", "pairs.csv", "--model-fit", "M.json", "--json")
    assert result.exit_code == 0, result.output
    table = json.loads(result.stdout)
    assert all(row["df"] == 7 - 2 and row["p_s_x2"] > 1e-4 and row["z_ld_with"] != row["item"] for row in table)
    figures = json.loads((folder / "M.json").read_text())
    assert (figures["df"], figures["rmsea_low"] <= figures["rmsea"] <= figures["rmsea_high"]) == (36 - 16, True)
    with (folder / "pairs.csv").open(newline="") as file:
        pairs = list(csv.DictReader(file))
    assert (len(pairs), pairs[0]["item"], pairs[0]["other"]) == (28, "i0", "i1")
    known = json.loads(run(*words, "--known", "--model-fit", "M.json", "--json").stdout)
    assert (known[0]["df"], json.loads((folder / "M.json").read_text())["df"]) == (7, 36)
    assert f"M2 {figures['m2']:.2f}, df 20" in run(*words).stdout

    holes(folder)
    result = run(*words, "--json")
    assert (result.exit_code, {row["s_x2"] for row in json.loads(result.stdout)}) == (0, {None})
    assert "Without S-X2, LD-X2 or M2: 12% of the answers are missing" in result.stderr
    result = run(*words, "--out", "fit.csv", "--model-fit", "M.json")
    assert (result.exit_code, "--model-fit: cannot be told" in result.stderr) == (2, True)
    assert not (folder / "fit.csv").exists()


@pytest.mark.parametrize(
    ("items", "message"),
    [
        ("item_id,model,a,b1\nzz,2pl,1,0\n", "has no item that was answered"),
        ("item_id,model,a,b1\ni0,2pl,-1,0\n", "row 2, a"),
        ("item_id,a,b1\ni0,1,0\n", "row 1, model: the column is missing"),
    ],
)
def test_fit_refuses_parameters_that_do_not_fit_the_answers(folder: Path, items: str, message: str) -> None:
    (folder / "P.csv").write_text(items)
    result = run("fit", "R.csv", "--items", "P.csv", "--out", "fit.csv")
    assert result.exit_code == 2
    assert message in result.stderr
    assert not (folder / "fit.csv").exists()


def test_fit_refuses_a_category_that_an_item_does_not_have(folder: Path) -> None:
    (folder / "R.csv").write_text("person_id,i0,i1\np0,2,1\np1,0,1\n")
    (folder / "P.csv").write_text("item_id,model,a,b1\ni0,2pl,1,0\ni1,2pl,1,0\n")
    result = run("fit", "R.csv", "--items", "P.csv")
    assert result.exit_code == 2
    assert "answers, i0: category 2 was answered, its row has 0 to 1" in result.stderr


def test_fit_writes_observed_and_expected_scores_in_bins_of_ability(folder: Path) -> None:
    run("calibrate", "R.csv", "--out", "P.csv")
    assert run("fit", "R.csv", "--items", "P.csv", "--bins", "B.csv").exit_code == 0
    rows = list(csv.DictReader((folder / "B.csv").read_text().splitlines()))
    assert {row["item"] for row in rows} == {f"i{k}" for k in range(8)}
    first = [row for row in rows if row["item"] == "i0"]
    assert [int(row["bin"]) for row in first] == list(range(1, len(first) + 1))
    assert sum(float(row["n"]) for row in first) == pytest.approx(800, abs=30)
    assert max(abs(float(row["observed"]) - float(row["expected"])) for row in first) < 0.1


@pytest.mark.parametrize("words", [("fit", "R.csv", "--items", "P.csv"), ("dif", "R.csv", "--groups", "G.csv", "--focal", "B")])
def test_answers_are_never_overwritten_by_a_table_made_of_them(folder: Path, words: tuple[str, ...]) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    result = run(*words, "--out", "./R.csv")
    assert result.exit_code == 2
    assert "R.csv: is read by this command and would be overwritten (name another file)" in result.output
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_two_tables_never_share_a_file(folder: Path) -> None:
    run("calibrate", "R.csv", "--out", "P.csv")
    result = run("fit", "R.csv", "--items", "P.csv", "--out", "F.csv", "--persons", "./F.csv")
    assert result.exit_code == 2
    assert "--out, --persons: name the same file (a file for each)" in result.output
    assert not (folder / "F.csv").exists()


@pytest.mark.parametrize("words", [("fit",), ("dif", "--groups", "G.csv", "--focal", "B", "--method", "residual", "--min-n", "10")])
def test_answers_to_items_of_several_competencies_are_taken_one_scale_at_a_time(folder: Path, words: tuple[str, ...]) -> None:
    lines = [f"i{k},{'AB'[k // 4]},2pl,1.2,{np.linspace(-1, 1, 8)[k]}" for k in range(8)]
    (folder / "B.csv").write_text("\n".join(["item_id,competency,model,a,b1", *lines]) + "\n")
    command, *rest = words
    refused = run(command, "R.csv", *rest, "--items", "B.csv")
    assert refused.exit_code == 2
    assert "--competency: the answers are to items of 2 competencies, and a scale is of one (name one of A, B)" in refused.output
    assert "--competency, C: has no answers" in run(command, "R.csv", *rest, "--items", "B.csv", "--competency", "C").output
    found = run(command, "R.csv", *rest, "--items", "B.csv", "--competency", "B", "--json")
    (folder / "R.csv").write_text(
        "\n".join(",".join([cells[0], *cells[5:]]) for cells in (line.split(",") for line in (folder / "R.csv").read_text().splitlines()))
    )
    alone = run(command, "R.csv", *rest, "--items", "B.csv", "--json")
    assert [row["item"] for row in json.loads(found.stdout)] == ["i4", "i5", "i6", "i7"]
    assert found.stdout == alone.stdout


def test_girth_gives_its_estimates_and_classical_statistics_of_a_form_and_refuses_them_on_holes(folder: Path) -> None:
    for estimator, columns in (("pcm_mml", ["a", "b"]), ("classical", ["mean", "sd", "item_rest", "polyserial", "alpha_without"])):
        result = run("girth", "R.csv", "--estimator", estimator, "--out", "C.csv", "--json")
        assert result.exit_code == 0, result.output
        with (folder / "C.csv").open(newline="") as file:
            table = list(csv.DictReader(file))
        assert list(table[0]) == ["item", "n", *columns]
        assert [row["item"] for row in table] == [row["item"] for row in json.loads(result.stdout)] == [f"i{k}" for k in range(8)]
    assert "Cronbach's alpha 0." in run("girth", "R.csv", "--estimator", "classical").stdout
    holes(folder)
    (folder / "C.csv").unlink()
    refused = run("girth", "R.csv", "--estimator", "twopl_mml", "--out", "C.csv")
    assert refused.exit_code == 2
    assert "girth.twopl_mml solves difficulty from proportions correct, which routed or incomplete answers do not carry" in refused.output
    assert run("girth", "R.csv", "--estimator", "classical", "--out", "C.csv").exit_code == 2
    assert not (folder / "C.csv").exists()
    assert run("girth", "R.csv").exit_code == 0
