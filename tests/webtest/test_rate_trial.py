"""Control parameters that do not keep r_max are no secret: plan check, simulate and its report say so."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom

from tests.webtest.small import run
from webtest.rate_trial import PEOPLE

PLAN = """name = "tight"
[eligibility]
name = "sympson_hetter"
r_max = {limit}
[[sections]]
code = "s"
competencies = ["A"]
min_items = {length}
max_items = {length}
time_budget_min = 30
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    rows = "".join(f"i{k},A,2pl,{float(rng.uniform(0.8, 1.8))},{float(rng.normal())}\n" for k in range(48))
    (tmp_path / "bank.csv").write_text("item_id,competency,model,a,b1\n" + rows)
    (tmp_path / "tight.toml").write_text(PLAN.format(limit=0.2, length=12))  # a quarter of the bank: even equal use is above
    (tmp_path / "roomy.toml").write_text(PLAN.format(limit=0.9, length=6))
    return tmp_path


def test_a_plan_whose_parameters_do_not_keep_the_rate_is_told_so(folder: Path) -> None:
    told = run("plan", "check", folder / "tight.toml", "--bank", folder / "bank.csv")
    assert told.exit_code == 0
    assert "r_max = 0.2 is NOT kept" in told.stdout
    found = json.loads(run("plan", "check", folder / "tight.toml", "--bank", folder / "bank.csv", "--json").stdout)["exposure"]
    assert found["people"] == PEOPLE
    assert found["r_max"] == 0.2
    assert found["highest"] >= 0.25
    assert found["above"]
    kept = run("plan", "check", folder / "roomy.toml", "--bank", folder / "bank.csv")
    assert "r_max = 0.9 is kept within chance" in kept.stdout


def test_a_simulation_names_the_items_above_the_rate(folder: Path) -> None:
    result = run(
        "simulate", "--bank", folder / "bank.csv", "--plan", folder / "tight.toml", "--n", 400, "--seed", 5, "--out", folder / "out"
    )
    assert "r_max = 0.2 is NOT kept" in result.stdout
    named = json.loads((folder / "out" / "summary.json").read_text())["above_r_max"]
    with (folder / "out" / "items.csv").open(newline="") as file:
        answers = {row["item_id"]: int(row["answers"]) for row in csv.DictReader(file)}
    assert named == [i for i, n in answers.items() if binom.sf(n - 1, 400, 0.2) * 12 / 0.2 <= 0.01]
    assert len(named) > 3
    assert named[0] in (folder / "out" / "report.html").read_text()
    assert "Batas paparan 20,0 %" in (folder / "out" / "report.html").read_text()
