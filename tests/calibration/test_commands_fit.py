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
    assert set(people[0]) == {"person_id", "theta", "se", "lz", "person_infit", "person_outfit"}
    assert (folder / "fit.csv").exists()


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
