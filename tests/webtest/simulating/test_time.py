"""`cact simulate`: response times."""

import json
from pathlib import Path

import numpy as np
import pytest

from cat_engine import load_plan, simulate
from cat_engine.population import Population
from cat_engine.timing import ItemTimes, Speeds
from itembank.exchange import read_bank_csv
from tests.webtest.simulating.given import sim
from tests.webtest.small import BANK, PLAN, run, table
from webtest.engine_inputs import pool_for
from webtest.item_times import times_for

TIMED = "\n".join(line + end for line, end in zip(BANK.splitlines(), (",rt_alpha,rt_beta,seconds", ",2,4,", ",2.5,4.2,", ",,,70", ",1.8,3.9,"), strict=True))  # fmt: skip


def test_a_bank_with_response_times_lets_time_pass(files: Path) -> None:
    (files / "bank.csv").write_text(TIMED + "\n")
    (files / "plan.toml").write_text(PLAN.replace("time_budget_min = 10", "time_budget_min = 2.5"))
    assert sim(files, "--n", "300", "--seed", "5", "--speed-sd", "0.2", "--speed-correlation", "0.4").exit_code == 0
    steps, people = (table(files / "out" / name) for name in ("steps.csv", "people.csv"))
    assert list(steps[0]) == ["person_id", "position", "item_id", "category", "theta", "se", "rt_s", "why"]
    assert list(people[0]) == ["person_id", "theta_true", "theta", "se", "length", "stop_reason", "minutes"]
    bank, plan = read_bank_csv(TIMED + "\n"), load_plan((files / "plan.toml").read_text())
    pool = pool_for(bank, plan)
    times = times_for(bank, pool)
    population = Population(0.6, speeds=Speeds(0.0, 0.2), haste=0.4)
    true = population.abilities(300, 1, 5)
    expected = simulate(plan, pool, true, 5, times=times, tau=population.tau(true, 5))
    assert expected.step_seconds is not None
    assert [float(row["rt_s"]) for row in steps] == expected.step_seconds.tolist()
    late = [row["stop_reason"] == "time" for row in people]
    assert late == [found == ("time",) for found in expected.reasons]
    figures = json.loads((files / "out" / "summary.json").read_text())
    assert 0 < figures["out_of_time"] == pytest.approx(np.mean(late))
    assert figures["mean_minutes"] == pytest.approx(np.mean([float(row["minutes"]) for row in people]))
    assert figures["sections"][0]["budget_minutes"] == 2.5
    assert "Kehabisan waktu" in (files / "out" / "report.html").read_text()


def test_time_parameters_come_from_the_columns_that_are_there() -> None:
    bank = read_bank_csv(TIMED + "\n")
    found = times_for(bank, pool_for(bank, load_plan(PLAN)))
    assert found is not None
    assert found.alpha.tolist() == [2.0, 2.5, 2.0, 1.8]
    assert found.beta[:2].tolist() == [4.0, 4.2]
    third = ItemTimes(found.alpha[[2]], found.beta[[2]])
    assert np.exp(third.beta + 0.5 / third.alpha**2) == pytest.approx(70.0)  # the mean of the lognormal distribution
    some = read_bank_csv(TIMED.replace("1.8,3.9", ",") + "\n")
    assert times_for(some, pool_for(some, load_plan(PLAN))) is None


def test_a_plan_is_checked_for_time_where_the_bank_has_it(files: Path) -> None:
    (files / "bank.csv").write_text(TIMED + "\n")
    (files / "plan.toml").write_text(PLAN.replace("time_budget_min = 10", "time_budget_min = 3"))
    result = run("plan", "check", files / "plan.toml", "--bank", files / "bank.csv")
    assert "the plan allows 3: too short" in result.stdout
    found = json.loads(run("plan", "check", files / "plan.toml", "--bank", files / "bank.csv", "--json").stdout)["time"]
    assert found[0]["budget_min"] == pytest.approx(3.0)
    assert found[0]["expected_min"] < found[0]["advised_min"] <= found[0]["longest_min"]


@pytest.mark.parametrize(("cells", "named"), [("-1,3.9", "rt_alpha = '-1'"), (",3.9", "rt_beta = '3.9'"), ("abc,3.9", "rt_alpha = 'abc'")])
def test_a_cell_that_is_no_time_is_a_fault_and_does_not_stop_the_clock(files: Path, cells: str, named: str) -> None:
    (files / "bank.csv").write_text(TIMED.replace("1.8,3.9", cells) + "\n")
    result = sim(files, "--n", "5", "--seed", "1")
    assert result.exit_code == 2
    assert "item x4, seconds" in result.stderr
    assert named in result.stderr
    assert not (files / "out").exists()


def test_whose_missing_times_let_no_time_pass_is_said(files: Path) -> None:
    (files / "bank.csv").write_text(TIMED.replace("1.8,3.9", ",") + "\n")
    result = sim(files, "--n", "5", "--seed", "1")
    assert result.exit_code == 0
    assert "no time" in result.stderr
    assert "x4" in result.stderr
    (files / "bank.csv").write_text(BANK)
    untimed = run(
        "simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--out", files / "other", "--n", "5", "--seed", "1"
    )
    assert "note" not in untimed.stderr


def test_a_section_that_nobody_ends_in_time_has_no_empty_plot(files: Path) -> None:
    (files / "bank.csv").write_text(TIMED + "\n")
    for minutes, plots in ((10, 1), (0.1, 0)):
        (files / "plan.toml").write_text(PLAN.replace("time_budget_min = 10", f"time_budget_min = {minutes}"))
        out = files / f"out{plots}"
        assert (
            run("simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--out", out, "--n", "50", "--seed", "1").exit_code
            == 0
        )
        assert json.loads((out / "summary.json").read_text())["out_of_time"] == 1 - plots
        assert (out / "report.html").read_text().count("yang selesai tepat waktu") == plots
