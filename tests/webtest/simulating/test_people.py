"""`cact simulate`: whose abilities, and where their tests start."""

import json
from pathlib import Path

import numpy as np
import pytest

from cat_engine import Faulty, Grid, NormalPrior, load_plan, simulate
from itembank.exchange import read_bank_csv
from tests.webtest.simulating.given import STARTED, sim, sim2
from tests.webtest.small import BANK, run, table
from webtest.engine_inputs import pool_for, read_thetas


def test_given_abilities_are_taken(files: Path) -> None:
    (files / "thetas.csv").write_text("person_id,theta\nann,-1.5\nbob,2\n")
    assert sim(files, "--thetas", files / "thetas.csv", "--seed", "1").exit_code == 0
    assert [(row["person_id"], float(row["theta_true"])) for row in table(files / "out" / "people.csv")] == [("ann", -1.5), ("bob", 2.0)]


def test_only_people_who_are_drawn_need_a_seed_and_without_one_it_is_0(files: Path) -> None:
    (files / "thetas.csv").write_text("person_id,theta\nann,-1.5\nbob,2\n")
    given = "simulate", "--bank", files / "bank.csv", "--plan", files / "plan.toml", "--thetas", files / "thetas.csv", "--out"
    assert run(*given, files / "out").exit_code == 0
    assert run(*given, files / "zero", "--seed", "0").exit_code == 0
    assert (files / "out" / "steps.csv").read_bytes() == (files / "zero" / "steps.csv").read_bytes()
    assert json.loads((files / "out" / "summary.json").read_text())["seed"] == 0
    drawn = sim(files, "--n", "5")
    assert (drawn.exit_code, "--seed: is missing" in drawn.stderr) == (2, True)


@pytest.mark.parametrize(
    "header", ['"person_id","theta"', "\ufeffperson_id,theta", "theta,person_id,room", "person_id,A", '"A","person_id"']
)
def test_abilities_are_read_however_the_header_is_written(header: str) -> None:
    names = [name.strip('"\ufeff') for name in header.split(",")]
    cells = {"person_id": "p", "theta": "0.5", "A": "0.5", "room": "x"}
    given = read_thetas(f"{header}\r\n" + ",".join(cells[name] for name in names) + "\r\n", ("A",))
    assert (given.person_ids, given.true.tolist()) == (("p",), [[0.5]])


def test_a_file_without_a_header_is_told_what_to_write() -> None:
    with pytest.raises(Faulty) as refused:
        read_thetas("0.5\n-0.5\n", ("A",))
    assert all("person_id,theta" in fault.remedy for fault in refused.value.faults)


def test_every_fault_of_an_ability_file_is_named() -> None:
    with pytest.raises(Faulty) as refused:
        read_thetas("person_id,theta\nann,high\n,1\nbob,1,2\nann,0\n", ("A",))
    assert sorted((f.where, f.field) for f in refused.value.faults) == [
        ("row 2", "theta"), ("row 3", "person_id"), ("row 4", ""), ("row 5", "person_id"),
    ]  # fmt: skip
    for text in ("", "person,theta\nann,1\n", "person_id,theta\n"):
        with pytest.raises(Faulty):
            read_thetas(text, ("A",))


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


def test_that_nobody_starts_at_a_prior_of_the_plan_is_said(files: Path) -> None:
    (files / "plan.toml").write_text(STARTED)
    assert "everybody starts at [prior]" in sim(files, "--n", "5", "--seed", "1").stderr
    for name, group, said in (("none", "pelaksana", True), ("one", "JPT Pratama", False)):
        (files / "thetas.csv").write_text(f"person_id,theta,group\nann,1,{group}\n")
        done = run(
            "simulate",
            "--bank",
            files / "bank.csv",
            "--plan",
            files / "plan.toml",
            "--out",
            files / name,
            "--thetas",
            files / "thetas.csv",
            "--seed",
            "1",
        )
        assert ("everybody starts at [prior]" in done.stderr) == said


def test_every_fault_of_where_people_start_is_named(files: Path) -> None:
    text = "person_id,theta,group,prior_mean,prior_sd\nann,1,kepala,,\nbob,1,,9,\ncid,1,,1,0\ndee,x,pelaksana,1,1\n"
    with pytest.raises(Faulty) as refused:
        read_thetas(text, ("A",), started=True)
    assert [(f.where, f.field) for f in refused.value.faults] == [
        ("row 2", "group"), ("row 3", "prior_sd"), ("row 4", "prior_sd"), ("row 5", "theta"),
    ]  # fmt: skip
    near = "person_id,theta,prior_mean,prior_sd\nann,1,3,0.6\n"
    assert read_thetas(near, ("A",), started=True).own == (NormalPrior(3.0, 0.6),)
    with pytest.raises(Faulty, match="the grid cuts off the prior"):
        read_thetas(near, ("A",), Grid(-4.0, 4.0, 33), started=True)
    given = read_thetas(text.replace(",x,", ",1,"), ("A",))  # a plan without priors does not look at the columns
    assert (given.groups, given.own) == (("",) * 4, (None,) * 4)


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
        (("--abilities", "normal:0,500"), "draws people from -1500 to 1500"),
        (("--abilities", "normal:10,1"), "within 12: farther from the items"),
        (("--abilities", "uniform:-13,2"), "within 12"),
        (("--speed-sd", "0"), "--speed-sd"),
        (("--speed-correlation", "2"), "--speed-correlation"),
        (("--grid", "1,2"), "--grid"),
        (("--grid=-2,2,33",), "the grid cuts off the prior"),
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


def test_competencies_taken_together_are_reported_without_borrowing_too(files: Path) -> None:
    (files / "plan2.toml").write_text((files / "plan2.toml").read_text() + "[joint]\ncorrelation = 0.6\n")
    assert (
        run(
            "simulate", "--bank", files / "two.csv", "--plan", files / "plan2.toml", "--n", "4", "--seed", "5", "--out", files / "out"
        ).exit_code
        == 0
    )
    people, steps = table(files / "out" / "people.csv"), table(files / "out" / "steps.csv")
    (files / "R.csv").write_text(
        "person_id,item_id,category\n" + "".join(f"{s['person_id']},{s['item_id']},{s['category']}\n" for s in steps)
    )
    assert (
        run("score", "--bank", files / "two.csv", "--responses", files / "R.csv", "--method", "eap", "--out", files / "S.csv").exit_code
        == 0
    )
    scored = {(row["person_id"], row["competency"]): row for row in table(files / "S.csv")}
    for row in people:
        alone = scored[row["person_id"], row["competency"]]
        assert (float(row["own_theta"]), float(row["own_se"])) == pytest.approx((float(alone["theta"]), float(alone["se"])), abs=1e-12)
        assert row["theta"] != row["own_theta"]
