"""`cact correlations`, `cact drift` and `cact pretest` as a user runs them."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from cat_engine import Row, load_plan
from itembank.bank import Bank
from itembank.exchange import write_bank_csv
from webtest.cli import main

ROWS = [Row("2pl", 1.2, [float(b)], scale=s) for s in range(2) for b in np.linspace(-1.2, 1.2, 10)]


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def folder(draw: Callable[..., Any], bank_of: Callable[..., Bank], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """R.csv: 600 people on ten items of A and of B, abilities correlated at .7; bank.csv; W.csv with two periods."""
    theta = np.random.default_rng(71).multivariate_normal([0, 0], [[1, 0.7], [0.7, 1]], 600)
    parts = [draw([row._replace(scale=0) for row in ROWS[10 * s : 10 * s + 10]], theta[:, s], 72 + s) for s in range(2)]
    matrix = np.concatenate([part.category.reshape(600, 10) for part in parts], axis=1)
    bank = bank_of(ROWS, None, ("A", "B"))
    lines = [",".join(["person_id", *bank.ids])] + [f"p{p}," + ",".join(map(str, own)) for p, own in enumerate(matrix)]
    (tmp_path / "R.csv").write_text("\n".join(lines) + "\n")
    (tmp_path / "W.csv").write_text("person_id,group\n" + "".join(f"p{p},2026-0{1 + p // 300}\n" for p in range(600)))
    (tmp_path / "bank.csv").write_text(write_bank_csv(bank))
    (tmp_path / "new.txt").write_text("i3\ni15\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_matrix_of_correlations_can_be_pasted_into_a_plan(folder: Path) -> None:
    result = run("correlations", "R.csv", "--bank", "bank.csv", "--out", "M.csv", "--se", "S.csv")
    assert result.exit_code == 0, result.output
    with (folder / "M.csv").open(newline="") as file:
        table = list(csv.reader(file))
    assert [row[0] for row in table] == ["competency", "A", "B"]
    assert float(table[1][2]) == float(table[2][1]) == pytest.approx(0.7, abs=0.15)
    with (folder / "S.csv").open(newline="") as file:
        assert 0.02 < float(list(csv.reader(file))[1][2]) < 0.08
    joint = result.stdout[result.stdout.index("[joint]") :]
    sections = "".join(
        f'[[sections]]\ncode="{c}"\ntitle="{c}"\ncompetencies=["{c}"]\nmin_items=2\nmax_items=5\ntime_budget_min=9\n' for c in "AB"
    )
    plan = load_plan(f'name = "x"\n{joint}\n{sections}')
    assert plan.joint is not None
    assert json.loads(run("correlations", "R.csv", "--bank", "bank.csv", "--json").stdout)["n"] == [[600, 600], [600, 600]]


def test_drift_lists_every_item_with_its_statistics(folder: Path) -> None:
    result = run("drift", "R.csv", "--bank", "bank.csv", "--periods", "W.csv", "--out", "D.csv", "--json")
    assert result.exit_code == 0, result.output
    table = json.loads(result.stdout)
    assert {row["item_id"] for row in table} == {f"i{k}" for k in range(20)}
    assert all(row["easier"] is not None and row["d2"] < 0.01 for row in table)
    assert (folder / "D.csv").read_text().startswith("item_id,competency,n,old_b,new_b,se_b,robust_z,d2")
    assert run("drift", "R.csv", "--bank", "bank.csv").exit_code == 0


def test_pretest_tells_what_new_items_need(folder: Path) -> None:
    result = run("pretest", "R.csv", "--bank", "bank.csv", "--items", "new.txt", "--max-se", "0.05", "--out", "P.csv", "--json")
    assert result.exit_code == 0, result.output
    table = {row["item_id"]: row for row in json.loads(result.stdout)}
    assert set(table) == {"i3", "i15"}
    assert all(row["verdict"] == "keep" and row["wanted"] == 400 for row in table.values())  # up to the most, 1,000
    assert (folder / "P.csv").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("correlations", "R.csv", "--bank", "one.csv"), "are of one competency"),
        (("correlations", "X.csv", "--bank", "bank.csv", "--out", "M.csv"), "row 1, zz: is not an item of the bank"),
        (("drift", "R.csv", "--bank", "bank.csv", "--periods", "new.txt", "--out", "M.csv"), "person_id: the column is missing"),
        (("pretest", "R.csv", "--bank", "bank.csv", "--out", "M.csv"), "there are no pretest items"),
        (("pretest", "R.csv", "--bank", "bank.csv", "--items", "bad.txt", "--out", "M.csv"), "zz: is not an item of the bank"),
        (("pretest", "R.csv", "--bank", "none.csv", "--items", "new.txt"), "none.csv"),
    ],
)
def test_what_cannot_be_is_named_and_nothing_is_written(folder: Path, words: tuple[str, ...], message: str) -> None:
    (folder / "one.csv").write_text((folder / "bank.csv").read_text().replace(",B,", ",A,"))
    (folder / "X.csv").write_text("person_id,zz\np1,1\n")
    (folder / "bad.txt").write_text("zz\n")
    result = run(*words)
    assert (result.exit_code, message in result.stderr) == (2, True), result.output
    assert not (folder / "M.csv").exists()
