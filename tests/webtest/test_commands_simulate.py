"""`cact simulate`: what it writes, for one plan and for several, and that it writes nothing when something is wrong."""

import json
import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet
import pytest
from click.testing import Result

from cat_engine import Faulty, ItemParams, NormalPrior, Pool, Row, load_plan, simulate
from cat_engine.population import Population
from cat_engine.timing import ItemTimes, Speeds
from itembank.exchange import read_bank_csv
from tests.webtest.small import BANK, PLAN, TWO, run, table, written
from webtest.engine_inputs import pool_for, read_answers, read_thetas
from webtest.item_times import times_for


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return written(tmp_path)


def sim(files: Path, *more: str | Path) -> Result:
    return run("simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--out", files / "out", *more)


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


def test_given_abilities_are_taken(files: Path) -> None:
    (files / "thetas.csv").write_text("person_id,theta\nann,-1.5\nbob,2\n")
    assert sim(files, "--thetas", files / "thetas.csv", "--seed", "1").exit_code == 0
    assert [(row["person_id"], float(row["theta_true"])) for row in table(files / "out" / "people.csv")] == [("ann", -1.5), ("bob", 2.0)]


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


def test_every_fault_of_an_ability_file_is_named() -> None:
    with pytest.raises(Faulty) as refused:
        read_thetas("person_id,theta\nann,high\n,1\nbob,1,2\nann,0\n", ("A",))
    assert sorted((f.where, f.field) for f in refused.value.faults) == [
        ("row 2", "theta"), ("row 3", "person_id"), ("row 4", ""), ("row 5", "person_id"),
    ]  # fmt: skip
    for text in ("", "person,theta\nann,1\n", "person_id,theta\n"):
        with pytest.raises(Faulty):
            read_thetas(text, ("A",))


STARTED = PLAN + "[prior]\nperson = true\n[prior.groups.jpt_pratama]\nmean = 0.8\nsd = 0.9\n"


def test_people_of_a_file_start_at_the_priors_of_their_groups_and_their_own(files: Path) -> None:
    (files / "plan.toml").write_text(STARTED)
    rows = ["ann,-1.5,JPT Pratama,,", "bob,2,pelaksana,,", "cid,0,,-1.2,0.6", "dee,0,jpt-pratama,-1.2,0.6"]
    (files / "thetas.csv").write_text("\n".join(["person_id,theta,group,prior_mean,prior_sd", *rows]) + "\n")
    done = sim(files, "--thetas", files / "thetas.csv", "--seed", "1")
    assert done.exit_code == 0, done.output
    plan = load_plan(STARTED)
    own = NormalPrior(-1.2, 0.6)
    priors = (plan.starts.of("jpt_pratama"), None, own, own)
    expected = simulate(plan, pool_for(read_bank_csv(BANK), plan), [[-1.5], [2], [0], [0]], 1, priors=priors)
    people, steps = (table(files / "out" / name) for name in ("people.csv", "steps.csv"))
    assert [row["person_id"] for row in people] == ["ann", "bob", "cid", "dee"]
    assert [float(row["theta"]) for row in people] == expected.theta[:, 0].tolist()
    assert [(row["item_id"], float(row["theta"])) for row in steps] == [
        (f"x{i + 1}", theta) for i, theta in zip(expected.step_item, expected.step_theta, strict=True)
    ]


def test_spread_over_processes_the_numbers_are_the_same(files: Path) -> None:
    (files / "plan.toml").write_text(STARTED)
    rows = [f"p{n},{n % 5 - 2},{('jpt_pratama', 'pelaksana')[n % 2]}" for n in range(60)]
    (files / "thetas.csv").write_text("\n".join(["person_id,theta,group", *rows]) + "\n")
    words = (
        "simulate",
        "--bank",
        files / "bank.csv",
        "--plan",
        files / "plan.toml",
        "--thetas",
        files / "thetas.csv",
        "--seed",
        "1",
        "--out",
    )
    assert run(*words, files / "one").exit_code == run(*words, files / "two", "--workers", "2").exit_code == 0
    for name in ("people.csv", "steps.csv"):
        assert (files / "one" / name).read_bytes() == (files / "two" / name).read_bytes()


def test_every_fault_of_where_people_start_is_named(files: Path) -> None:
    text = "person_id,theta,group,prior_mean,prior_sd\nann,1,kepala,,\nbob,1,,9,\ncid,1,,1,0\ndee,x,pelaksana,1,1\n"
    with pytest.raises(Faulty) as refused:
        read_thetas(text, ("A",), started=True)
    assert [(f.where, f.field) for f in refused.value.faults] == [
        ("row 2", "group"), ("row 3", "prior_sd"), ("row 4", "prior_sd"), ("row 5", "theta"),
    ]  # fmt: skip
    given = read_thetas(text.replace(",x,", ",1,"), ("A",))  # a plan without priors does not look at the columns
    assert (given.groups, given.own) == (("",) * 4, (None,) * 4)


def test_an_answer_past_the_items_categories_is_refused(tmp_path: Path) -> None:
    (tmp_path / "R.csv").write_text("person_id,x\nann,2\n")
    pool = Pool.of(("x",), ItemParams.from_rows([Row("2pl", 1.0, [0.0])]), ("A",))
    with pytest.raises(Faulty, match="2 is not a category"):
        read_answers(tmp_path / "R.csv", pool)


# people


def test_people_are_drawn_as_asked(files: Path) -> None:
    (files / "matrix.csv").write_text("competency,B,A\nA,-0.5,1\nB,1,-0.5\n")
    more = ("--abilities", "uniform:-2,2", "--correlations", files / "matrix.csv")
    assert sim2(files, "--n", "4000", "--seed", "1", "--steps", "none", *more).exit_code == 0
    rows = table(files / "out" / "people.csv")
    true = np.array([float(row["theta_true"]) for row in rows]).reshape(-1, 2)
    assert np.abs(true).max() <= 2
    assert true.std(axis=0) == pytest.approx(4 / np.sqrt(12), abs=0.03)
    assert np.corrcoef(true.T)[0, 1] == pytest.approx(6 / np.pi * np.arcsin(-0.25), abs=0.05)
    assert not list((files / "out").glob("steps*"))


def sim2(files: Path, *more: str | Path) -> Result:
    return run("simulate", "--bank", files / "two.csv", "--plan", files / "plan2.toml", "--out", files / "out", *more)


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        ("competency,A,B\nA,1,0.5\n", ["B: has no row"]),
        ("competency,A,B\nA,1,high\nB,0.5,\n", ["'high' is not a number", "'' is not a number"]),
        ("competency,A,B\nA,1,0.5\nB,0.4,1\n", ["not symmetric"]),
        ("competency,A,B\nA,1,1.5\nB,1.5,1\n", ["positive semi-definite"]),
    ],
)
def test_every_fault_of_a_correlation_matrix_is_named(files: Path, matrix: str, words: list[str]) -> None:
    (files / "matrix.csv").write_text(matrix)
    result = sim2(files, "--n", "5", "--seed", "1", "--correlations", files / "matrix.csv")
    assert result.exit_code == 2
    assert all(word in result.stderr for word in words)
    assert not (files / "out").exists()


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--abilities", "gamma:1,2"), "--abilities"),
        (("--abilities", "jeffreys"), "cannot be drawn from"),
        (("--speed-sd", "0"), "--speed-sd"),
        (("--speed-correlation", "2"), "--speed-correlation"),
    ],
)
def test_people_who_cannot_be_drawn_are_refused(files: Path, more: tuple[str, ...], word: str) -> None:
    result = sim(files, "--n", "5", "--seed", "1", *more)
    assert result.exit_code == 2
    assert word in result.stderr


def test_a_distribution_for_people_who_are_given_is_refused(files: Path) -> None:
    (files / "thetas.csv").write_text("person_id,theta\nann,-1.5\n")
    result = sim(files, "--thetas", files / "thetas.csv", "--seed", "1", "--abilities", "uniform:-2,2")
    assert result.exit_code == 2
    assert "people who are drawn" in result.stderr


# files


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


def test_tenths_of_the_people_have_a_file_and_the_summary_holds_every_figure(files: Path) -> None:
    assert sim(files, "--n", "200", "--seed", "5").exit_code == 0
    rows = table(files / "out" / "deciles.csv")
    assert [row["people"] for row in rows] == ["20"] * 10
    theta = [float(row["theta"]) for row in rows]
    assert theta == sorted(theta)
    figures = json.loads((files / "out" / "summary.json").read_text())
    people = table(files / "out" / "people.csv")
    true, found, se = (np.array([float(row[name]) for row in people]) for name in ("theta_true", "theta", "se"))
    assert figures["reliability_by_competency"]["A"] == pytest.approx(1 - (se**2).mean())
    assert figures["squared_correlation_by_competency"]["A"] == pytest.approx(np.corrcoef(true, found)[0, 1] ** 2)
    assert figures["mean_minutes"] is None
    assert figures["accuracy"] is None
    assert sum(float(row["exposure"]) for row in table(files / "out" / "items.csv")) == pytest.approx(figures["mean_length"])


# time

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


def test_a_plans_acceptance_limits_are_checked(files: Path) -> None:
    (files / "plan.toml").write_text(PLAN + "[acceptance]\nmax_rmse = 0.01\nmax_items = 5\n")
    result = sim(files, "--n", "50", "--seed", "5")
    assert "limits missed: rmse" in result.stdout
    figures = json.loads((files / "out" / "summary.json").read_text())
    assert [(c["figure"], c["holds"]) for c in figures["acceptance"]] == [("rmse", False), ("items", True)]
    assert figures["acceptance"][0]["value"] == pytest.approx(figures["rmse"])
    assert "Syarat rancangan" in (files / "out" / "report.html").read_text()


# pretest items


def with_new_items(folder: Path, *, items: int = 14, new: int = 2, first: int = 2, last: int = 5) -> str:
    """bank.csv: two competencies of 2PL items, of each three in pretest, n1 to n3 and m1 to m3; plan.toml gives `new` of them. Gives the bank."""
    header = "item_id,competency,model,a,b1,c,d,status,rt_alpha,rt_beta"
    rng = np.random.default_rng(8)
    rows = [
        f"{c}{i},{c.upper()},2pl,{rng.uniform(0.9, 1.8):.3f},{b:.3f},,,active,2,3"
        for c in "xy"
        for i, b in enumerate(np.linspace(-2.2, 2.2, items))
    ]
    rows += [
        f"{name}{i},{c},2pl,{1.0 + 0.3 * i:.1f},{0.6 * i - 1.2:.1f},,,pretest,2,3"
        for name, c in (("n", "X"), ("m", "Y"))
        for i in (1, 2, 3)
    ]
    text = "\n".join([header, *rows]) + "\n"
    (folder / "bank.csv").write_text(text)
    seeded = f"[pretest]\ncount = {new}\nfirst = {first}\nlast = {last}\n" if new else ""
    plan = PLAN.replace('["A"]', '["X", "Y"]').replace("min_items = 2\nmax_items = 3", "min_items = 4\nmax_items = 6")
    plan = plan.replace("time_budget_min = 10", "time_budget_min = 60")
    (folder / "plan.toml").write_text(plan.replace("[[sections]]", seeded + "[[sections]]"))
    return text


def test_answers_to_pretest_items_stand_in_their_place_and_change_no_ability(files: Path) -> None:
    with_new_items(files)
    assert sim(files, "--n", "40", "--seed", "5").exit_code == 0
    steps, people, items = (table(files / "out" / name) for name in ("steps.csv", "people.csv", "items.csv"))
    with_new_items(files, new=0)
    assert (
        run(
            "simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--n", 40, "--seed", 5, "--out", files / "bare"
        ).exit_code
        == 0
    )
    bare, plain = table(files / "bare" / "steps.csv"), table(files / "bare" / "people.csv")
    scored = [row for row in steps if row["why"] != "pretest"]
    # Where there is time enough, the test around them is the one without them.
    assert [{**row, "position": "", "rt_s": ""} for row in scored] == [{**row, "position": "", "rt_s": ""} for row in bare]
    assert [{**row, "minutes": ""} for row in people] == [{**row, "minutes": ""} for row in plain]
    per_person = {row["person_id"]: [r for r in steps if r["person_id"] == row["person_id"]] for row in people}
    lengths = {row["person_id"]: sum(int(r["length"]) for r in people if r["person_id"] == row["person_id"]) for row in people}
    for person, mine in per_person.items():
        assert [int(row["position"]) for row in mine] == list(range(lengths[person] + 2))  # and it is longer by two
        places = [int(row["position"]) for row in mine if row["why"] == "pretest"]
        assert len(places) == 2
        assert set(places) <= {1, 2, 3, 4}  # from the second item to the fifth
        stands = {"X": ("0.0", "1.0"), "Y": ("0.0", "1.0")}  # the prior, before the first answer
        for row in mine:
            competency = "X" if row["item_id"][0] in "xn" else "Y"
            now = (row["theta"], row["se"])
            assert row["why"] == "adaptive" or [float(v) for v in now] == pytest.approx(
                [float(v) for v in stands[competency]], abs=1e-6
            )  # the grid
            stands[competency] = now
    for row in items:
        assert int(row["answers"]) == sum(step["item_id"] == row["item_id"] for step in steps)
        assert float(row["exposure"]) == int(row["answers"]) / 40
        assert row["status"] == ("pretest" if row["item_id"][0] in "nm" else "active")
    assert sum(int(row["answers"]) for row in items if row["status"] == "pretest") == 80
    figures = json.loads((files / "out" / "summary.json").read_text())
    assert figures["mean_pretest"] == 2
    assert figures["mean_length"] == pytest.approx(np.mean(list(lengths.values())))
    assert "Butir uji coba" in (files / "out" / "report.html").read_text()


def test_minutes_are_those_of_items_of_both_kinds(files: Path) -> None:
    with_new_items(files)
    assert sim(files, "--n", "20", "--seed", "5").exit_code == 0
    steps, people = (table(files / "out" / name) for name in ("steps.csv", "people.csv"))
    for row in people:
        mine = sum(float(step["rt_s"]) for step in steps if step["person_id"] == row["person_id"])
        assert float(row["minutes"]) == pytest.approx(mine / 60)


def test_a_replay_gives_only_pretest_items_that_the_person_answered(files: Path) -> None:
    with_new_items(files)
    ids = [f"{c}{i}" for c in "xy" for i in range(14)]
    (files / "r.csv").write_text(f"person_id,{','.join(ids)},n2\nann,{','.join('01' * 14)},1\nbob,{','.join('10' * 14)},\n")
    assert sim(files, "--responses", files / "r.csv").exit_code == 0
    extra = [row for row in table(files / "out" / "steps.csv") if row["why"] == "pretest"]
    assert [(row["person_id"], row["item_id"], row["category"]) for row in extra] == [("ann", "n2", "1")]


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_pretest_items_can_be_calibrated_from_the_steps(files: Path, kind: str) -> None:
    text = with_new_items(files, new=3, first=1, last=9)
    assert sim(files, "--n", "1500", "--seed", "5", "--steps", kind, "--correlation", "0").exit_code == 0
    rows = [line.split(",") for line in text.splitlines()]
    given = {row["item_id"] for row in table(files / "out" / "items.csv") if int(row["answers"])}
    anchors = [",".join([row[0], *row[2:7]]) for row in rows if row[7] == "active" and row[1] == "X" and row[0] in given]
    (files / "anchors.csv").write_text("item_id,model,a,b1,c,d\n" + "\n".join(anchors) + "\n")
    steps = files / "out" / f"steps.{kind}"
    if kind == "csv":  # of one scale
        lines = steps.read_text().splitlines()
        steps.write_text("\n".join([lines[0], *(line for line in lines if line.split(",")[2][0] in "xn")]) + "\n")
    else:
        answers = pyarrow.parquet.read_table(steps)
        pyarrow.parquet.write_table(answers.filter([name[0] in "xn" for name in answers["item_id"].to_pylist()]), steps)
    done = run("calibrate", steps, "--model", "2pl", "--anchors", files / "anchors.csv", "--priors", "none", "--out", files / "P.csv")
    assert done.exit_code == 0, done.stderr
    found = {row["item_id"]: row for row in table(files / "P.csv")}
    for row in rows:
        if row[7] == "pretest" and row[1] == "X":
            own = found[row[0]]
            for name, truth in (("a", row[3]), ("b1", row[4])):
                assert abs(float(own[name]) - float(truth)) < 3.3 * float(own[f"se_{name}"])  # six comparisons: 1 in 170 by chance
                assert float(own[f"se_{name}"]) < 0.25


# several plans

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


# cluster


@pytest.fixture(scope="module")
def scheduler() -> Iterator[str]:
    distributed = pytest.importorskip("distributed")
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=50) as cluster:
        yield cluster.scheduler_address


def test_a_cluster_and_several_processes_give_the_same_files_as_one(files: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webtest.simulation_cluster.TASK", 1)
    with_new_items(files)
    more = ("--n", "1600", "--seed", "5")  # four blocks, so four tasks
    assert sim(files, *more).exit_code == 0
    for name, where in (("cluster", ("--scheduler", scheduler)), ("processes", ("--workers", "2"))):
        out = files / name
        found = run("simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--out", out, *where, *more)
        assert found.exit_code == 0, found.stderr
        for table_name in ("steps.csv", "people.csv", "items.csv", "deciles.csv"):
            assert (out / table_name).read_bytes() == (files / "out" / table_name).read_bytes()
        here, there = (json.loads((folder / "summary.json").read_text()) for folder in (files / "out", out))
        assert {**here, "seconds": 0} == {**there, "seconds": 0}


def test_a_scheduler_that_does_not_answer_is_a_fault(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("webtest.cluster.TIMEOUT_S", 1)
    result = sim(files, "--n", "5", "--seed", "1", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "cannot be reached" in result.stderr
    assert not (files / "out").exists()


def test_a_cluster_that_is_lost_on_the_way_is_a_fault_and_nothing_is_written(
    files: Path, scheduler: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(*arguments: object) -> None:
        raise CommClosedError("gone")

    from distributed.comm.core import CommClosedError

    monkeypatch.setattr("webtest.simulation_cluster._in_order", lost)
    result = sim(files, "--n", "5", "--seed", "1", "--scheduler", scheduler)
    assert result.exit_code == 2
    assert "the cluster was lost" in result.stderr
    assert not (files / "out").exists()


class Deadly:
    """What ends the process that unpickles it."""

    def __reduce__(self) -> tuple[object, ...]:
        return os._exit, (3,)


def test_a_process_that_dies_is_a_fault(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deadly = pickle.dumps(Deadly())
    monkeypatch.setattr("webtest.simulation_cluster.pickle", SimpleNamespace(dumps=lambda _trial: deadly))
    result = sim(files, "--n", "5", "--seed", "1", "--workers", "2")
    assert result.exit_code == 2
    assert "was killed" in result.stderr
    assert not (files / "out").exists()


def test_without_the_package_a_cluster_is_refused_with_the_way_to_get_it(files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    result = sim(files, "--n", "5", "--seed", "1", "--scheduler", "tcp://127.0.0.1:9")
    assert result.exit_code == 2
    assert "cact[cluster]" in result.stderr


def test_a_rule_that_learns_from_person_to_person_cannot_be_spread(files: Path) -> None:
    (files / "plan.toml").write_text(PLAN + '[eligibility]\nname = "fading"\n')
    for where in (("--scheduler", "tcp://127.0.0.1:9"), ("--workers", "2")):
        result = sim(files, "--n", "5", "--seed", "1", *where)
        assert result.exit_code == 2
        assert "learns from person to person" in result.stderr
