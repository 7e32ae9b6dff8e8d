"""`cact simulate`: what it writes, and that it writes nothing where something is wrong."""

import json
from pathlib import Path

import pyarrow.parquet
import pytest

from cat_engine import Faulty, ItemParams, Pool, Row, load_plan, simulate
from cat_engine.population import Population
from itembank.bank import pool_of
from itembank.exchange import read_bank_csv
from tests.webtest.simulating.given import sim
from tests.webtest.small import PLAN, run, table
from webtest.engine_inputs import read_answers


def test_a_simulation_writes_what_the_engine_gives(files: Path) -> None:
    assert sim(files, "--n", "30", "--seed", "5").exit_code == 0
    plan = load_plan(PLAN)
    params = ItemParams.from_rows(
        [Row("2pl", 1.2, [-0.5]), Row("3pl", 1.0, [0.5], 0.2), Row("grm", 1.5, [-1, 0, 1]), Row("gpcm", 0.8, [-1, 0.5])]
    )
    expected = simulate(plan, Pool.of(("x1", "x2", "x3", "x4"), params, ("A",)), Population(0.6).abilities(30, 1, 5), 5)
    people, steps, items = (table(files / "out" / name) for name in ("people.csv", "steps.csv", "items.csv"))
    assert list(people[0]) == ["person_id", "theta_true", "theta", "se", "length", "stop_reason"]
    assert list(steps[0]) == ["person_id", "position", "item_id", "category", "theta", "se", "why"]
    assert {row["why"] for row in steps} == {"adaptive"}
    assert [float(row["theta"]) for row in people] == expected.theta[:, 0].tolist()
    assert [row["item_id"] for row in steps] == [f"x{i + 1}" for i in expected.step_item]
    assert [float(row["exposure"]) for row in items] == expected.exposure.tolist()
    figures = json.loads((files / "out" / "summary.json").read_text())
    assert (files / "out" / "steps.csv").read_text().startswith("person_id,position,item_id,category,theta,se,why\n1,0,x")
    assert figures["rmse"] == pytest.approx(expected.rmse[0])
    assert {"rmse", "bias", "mean_length", "max_exposure", "overlap", "unused", "seconds"} <= set(figures)
    report = (files / "out" / "report.html").read_text()
    assert report.count("<figure>") == 5
    assert "http" not in report
    assert "nan" not in report


def test_several_competencies_give_a_row_a_person_and_competency(files: Path) -> None:
    result = run(
        "simulate", "--bank", files / "two.csv", "--plan", files / "plan2.toml", "--n", 20, "--seed", 1, "--out", files / "out", "--json"
    )
    assert result.exit_code == 0
    people = table(files / "out" / "people.csv")
    assert len(people) == 40
    assert {row["competency"] for row in people} == {"A", "B"}
    assert {row["stop_reason"] for row in people} <= {"length", "bank"}


def test_real_answers_are_replayed_in_adaptive_order_and_only_those(files: Path) -> None:
    (files / "r.csv").write_text("person_id,x1,x2,x3,x4\nann,1,0,3,2\nbob,0,,,1\n")
    assert sim(files, "--responses", files / "r.csv").exit_code == 0
    steps = table(files / "out" / "steps.csv")
    real = {("ann", "x1"): 1, ("ann", "x2"): 0, ("ann", "x3"): 3, ("ann", "x4"): 2, ("bob", "x1"): 0, ("bob", "x4"): 1}
    assert all(real[row["person_id"], row["item_id"]] == int(row["category"]) for row in steps)
    assert [row["person_id"] for row in steps].count("bob") == 2
    assert table(files / "out" / "people.csv")[1]["stop_reason"] == "bank"
    assert json.loads((files / "out" / "summary.json").read_text())["truth"] == "all responses"


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ((), "nobody takes the test"),
        (("--n", "5"), "--seed"),
        (("--n", "0", "--seed", "1"), "not a number of people"),
        (("--n", "5", "--seed", "-1"), "negative"),
        (("--n", "5", "--seed", "1", "--correlation", "1.5"), "out of range"),
        (("--n", "5", "--seed", "1", "--rho", "0.3", "--correlations", "c.csv"), "--correlations are too many"),
        (("--n", "5", "--seed", "1", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"), "--scheduler are too many"),
        (("--n", "5", "--seed", "1", "--responses", "r.csv"), "--responses"),
        (("--thetas", "none.csv", "--seed", "1"), "none.csv"),
    ],
)
def test_a_simulation_that_cannot_be_is_refused_and_nothing_is_written(files: Path, more: tuple[str, ...], word: str) -> None:
    result = sim(files, *more)
    assert result.exit_code == 2
    assert word in result.stderr
    assert sorted(path.name for path in files.iterdir()) == ["bank.csv", "plan.toml", "plan2.toml", "two.csv"]


def test_a_folder_that_holds_something_is_left_alone(files: Path) -> None:
    (files / "out").mkdir()
    (files / "out" / "notes.txt").write_text("mine")
    assert sim(files, "--n", "5", "--seed", "1").exit_code == 2
    assert [path.name for path in (files / "out").iterdir()] == ["notes.txt"]


def test_an_answer_past_the_items_categories_is_refused(tmp_path: Path) -> None:
    (tmp_path / "R.csv").write_text("person_id,x\nann,2\n")
    bank = read_bank_csv("item_id,competency,model,a,b1\nx,A,2pl,1,0\n")
    with pytest.raises(Faulty, match="2 is not a category"):
        read_answers(tmp_path / "R.csv", pool_of(bank, ("A",)), bank)


def test_steps_as_parquet_are_those_of_the_csv_file(files: Path) -> None:
    assert sim(files, "--n", "70", "--seed", "5").exit_code == 0
    result = run("simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--n", "70", "--seed", "5", "--steps", "parquet", "--out", files / "p")  # fmt: skip
    assert result.exit_code == 0
    found = pyarrow.parquet.read_table(files / "p" / "steps.parquet").to_pylist()
    steps = table(files / "out" / "steps.csv")
    assert [(r["person_id"], r["item_id"], r["theta"], r["se"]) for r in found] == [
        (r["person_id"], r["item_id"], float(r["theta"]), float(r["se"])) for r in steps
    ]
    assert (files / "p" / "people.csv").read_bytes() == (files / "out" / "people.csv").read_bytes()


def test_names_with_commas_and_quotes_come_back_from_the_files(files: Path) -> None:
    (files / "thetas.csv").write_text('person_id,theta\n"Ann, ""the"" first",0.5\nbob,2\n')
    assert sim(files, "--thetas", files / "thetas.csv", "--seed", "1").exit_code == 0
    assert [row["person_id"] for row in table(files / "out" / "people.csv")] == ['Ann, "the" first', "bob"]


def test_a_plans_acceptance_limits_are_checked(files: Path) -> None:
    (files / "plan.toml").write_text(PLAN + "[acceptance]\nmax_rmse = 0.01\nmax_items = 5\n")
    result = sim(files, "--n", "50", "--seed", "5")
    assert "limits missed: rmse" in result.stdout
    figures = json.loads((files / "out" / "summary.json").read_text())
    assert [(c["figure"], c["holds"]) for c in figures["acceptance"]] == [("rmse", False), ("items", True)]
    assert figures["acceptance"][0]["value"] == pytest.approx(figures["rmse"])
    assert "Syarat rancangan" in (files / "out" / "report.html").read_text()
