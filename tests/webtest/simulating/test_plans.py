"""`cact simulate`: several plans side by side."""

import json
from pathlib import Path

import pytest

from cat_engine import load_plan, simulate
from cat_engine.population import Population
from itembank.exchange import read_bank_csv
from tests.webtest.simulating.given import sim
from tests.webtest.small import PLAN, TWO, run, table
from webtest.engine_inputs import pool_for

LONGER = PLAN.replace('"small"', '"longer"').replace('["A"]', '["A", "B"]') + "[sections.stop]\nclassify_ci = {cuts = [0.0]}\n"


@pytest.fixture
def compared(files: Path) -> Path:
    (files / "longer.toml").write_text(LONGER)
    more = ("--plan", files / "longer.toml", "--n", "250", "--seed", "3")
    result = run("simulate", "--bank", files / "two.csv", "--plan", files / "plan.toml", "--out", files / "out", *more)
    assert result.exit_code == 0, result.stderr
    return files


def test_several_plans_are_given_to_the_same_people_and_stand_side_by_side(compared: Path) -> None:
    folder = compared / "out"
    assert sorted(path.name for path in folder.iterdir()) == ["comparison.csv", "comparison.html", "comparison.json", "longer", "plan"]
    small, longer = (table(folder / name / "people.csv") for name in ("plan", "longer"))
    assert [row["theta_true"] for row in small] == [row["theta_true"] for row in longer if row["competency"] == "A"]
    rows = json.loads((folder / "comparison.json").read_text())
    for row, name in zip(rows, ("plan", "longer"), strict=True):
        figures = json.loads((folder / name / "summary.json").read_text())
        assert row["plan"] == name
        assert all(
            row[key] == figures[key] for key in ("mean_length", "rmse", "bias", "se", "max_exposure", "overlap", "unused", "accuracy")
        )
        assert row["reliability_A"] == figures["reliability_by_competency"]["A"]
    assert rows[0]["accuracy"] is None
    assert rows[0]["reliability_B"] is None
    assert 0.5 < rows[1]["accuracy"] <= 1
    assert [row["plan"] for row in table(folder / "comparison.csv")] == ["plan", "longer"]
    page = (folder / "comparison.html").read_text()
    assert 'href="longer/report.html"' in page
    assert "nan" not in page


def test_a_plan_among_several_gives_what_it_gives_alone_on_these_people(compared: Path) -> None:
    true = Population(0.6).abilities(250, 2, 3)
    plan = load_plan(LONGER)
    pool = pool_for(read_bank_csv(TWO), plan)
    expected = simulate(plan, pool, true, 3)
    people = table(compared / "out" / "longer" / "people.csv")
    assert [float(row["theta"]) for row in people] == expected.theta.ravel().tolist()


def test_real_answers_are_replayed_for_every_plan(files: Path) -> None:
    (files / "r.csv").write_text("person_id,x1,x2,x3,x4,y1,y2\nann,1,0,3,2,1,1\nbob,0,,,1,0,\n")
    more = ("--plan", files / "plan.toml", "--plan", files / "plan2.toml", "--responses", files / "r.csv")
    assert run("simulate", "--bank", files / "two.csv", "--out", files / "out", *more).exit_code == 0
    assert {row["item_id"] for row in table(files / "out" / "plan" / "steps.csv")} <= {"x1", "x2", "x3", "x4"}
    assert {"y1", "y2"} <= {row["item_id"] for row in table(files / "out" / "plan2" / "steps.csv")}


def test_plans_that_cannot_be_compared_are_refused_with_all_faults(files: Path) -> None:
    (files / "more").mkdir()
    (files / "more" / "plan.toml").write_text(PLAN)
    result = sim(files, "--plan", files / "more" / "plan.toml", "--n", "5", "--seed", "1")
    assert result.exit_code == 2
    assert "is the name of several plan files" in result.stderr
    (files / "bad.toml").write_text(PLAN.replace('["A"]', '["C"]'))
    result = sim(files, "--plan", files / "plan2.toml", "--plan", files / "bad.toml", "--n", "5", "--seed", "1")
    assert result.exit_code == 2
    assert "plan2.toml" in result.stderr
    assert "bad.toml" in result.stderr
    assert not (files / "out").exists()
