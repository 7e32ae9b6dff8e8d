"""Commands that look at plans and banks: what they write, and that they write nothing when something is wrong."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import Result

from cat_engine import ItemParams, Row, information, load_plan
from tests.webtest.small import BANK, PLAN, run, table, written


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return written(tmp_path)


# plan check


def test_a_plan_in_order_is_shown_with_its_digest(files: Path) -> None:
    result = run("plan", "check", files / "plan.toml", "--bank", files / "bank.csv", "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert found["digest"] == load_plan(PLAN).digest
    assert found["items"] == 4


def test_all_faults_of_a_plan_are_named_with_what_would_be_legal(files: Path) -> None:
    (files / "plan.toml").write_text(PLAN.replace('"s"', '""').replace("min_items = 2", "min_items = 9") + '[select]\nname = "best"\n')
    result = run("plan", "check", files / "plan.toml")
    assert result.exit_code == 2
    for word in ("code", "min_items", "best", "mfi"):
        assert word in result.stderr


def test_a_plan_that_does_not_fit_the_bank_is_refused(files: Path) -> None:
    result = run("plan", "check", files / "plan2.toml", "--bank", files / "bank.csv")
    assert result.exit_code == 2
    assert "no competency 'B' (the bank has A)" in result.stderr


def test_an_installations_bank_may_stand_for_a_file(lite: Any, files: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", lite.url)
    (files / "plan.toml").write_text(PLAN.replace('"A"', '"P.01"'))
    result = run("plan", "check", files / "plan.toml", "--data", lite.folder, "--json")
    assert result.exit_code == 0
    assert json.loads(result.stdout)["items"] > 10


@pytest.mark.parametrize("more", [(), ("--bank", "bank.csv")])
def test_a_group_that_is_no_job_level_is_a_fault_of_the_plan(files: Path, more: tuple[str, ...]) -> None:
    (files / "plan.toml").write_text(PLAN + "[prior.groups.kepala]\nmean = 0.5\n")
    result = run("plan", "check", files / "plan.toml", *(files / word if word.endswith(".csv") else word for word in more))
    assert result.exit_code == 2
    assert "prior.groups.kepala: 'kepala' is no job level" in result.output


def test_a_missing_plan_and_two_banks_are_refused(files: Path) -> None:
    assert run("plan", "check", files / "none.toml").exit_code == 2
    assert run("plan", "check", files / "plan.toml", "--bank", files / "bank.csv", "--data", files).exit_code == 2


CROWDED = """
[content]
name = "shadow"
[[sections]]
code = "s"
competencies = ["A"]
min_items = 2
max_items = 3
time_budget_min = 10
[[sections.blueprint]]
row_id = "length"
kind = "number"
low = 3
high = 3
[[sections.blueprint]]
row_id = "loose"
kind = "number"
condition = "AREA == 1"
low = 0
high = 3
[[sections.blueprint]]
row_id = "foes"
kind = "enemy"
condition = "AREA > 0"
"""


def test_a_plan_whose_blueprint_no_test_keeps_is_named_by_the_rows_that_conflict(tmp_path: Path) -> None:
    (tmp_path / "bank.csv").write_text("item_id,competency,model,a,b1,AREA\n" + "".join(f"x{k},A,2pl,1,0,{1 + k % 2}\n" for k in range(4)))
    (tmp_path / "plan.toml").write_text('name = "crowded"\n' + CROWDED)
    result = run("plan", "check", tmp_path / "plan.toml", "--bank", tmp_path / "bank.csv")
    assert result.exit_code == 2
    assert "no test of the pool satisfies length and foes together" in result.stderr
    assert "loose" not in result.stderr.replace("loosen", "")


# information


def test_information_is_written_for_every_item_and_ability(files: Path) -> None:
    assert run("information", "--bank", files / "bank.csv", "--theta=-2,0,2", "--out", files / "i.csv").exit_code == 0
    rows = table(files / "i.csv")
    assert list(rows[0]) == ["item_id", "theta", "p0", "p1", "p2", "p3", "info"]
    assert len(rows) == 12
    assert rows[0]["p2"] == ""
    one = next(row for row in rows if row["item_id"] == "x1" and float(row["theta"]) == 0)
    assert float(one["info"]) == information(ItemParams.from_rows([Row("2pl", 1.2, [-0.5])]), 0.0)[0, 0]
    assert all(sum(float(row[f"p{k}"] or 0) for k in range(4)) == pytest.approx(1.0) for row in rows)


def test_abilities_that_are_no_numbers_are_refused(files: Path) -> None:
    result = run("information", "--bank", files / "bank.csv", "--theta=a,b", "--out", files / "i.csv")
    assert result.exit_code == 2
    assert not (files / "i.csv").exists()


# score


def score(files: Path, *more: str) -> Result:
    (files / "r.csv").write_text("person_id,x1,x2,x3,x4\nann,1,0,3,2\nbob,0,,,1\n")
    return run("score", "--bank", files / "bank.csv", "--responses", files / "r.csv", "--out", files / "s.csv", *more)


@pytest.mark.parametrize("method", ["eap", "map", "wle", "mle", "mlef", "robust"])
def test_answers_are_scored_by_every_method(files: Path, method: str) -> None:
    assert score(files, "--method", method).exit_code == 0
    rows = table(files / "s.csv")
    assert list(rows[0]) == ["person_id", "theta", "se", "n"]
    assert [(row["person_id"], row["n"]) for row in rows] == [("ann", "4"), ("bob", "2")]
    assert float(rows[0]["theta"]) > float(rows[1]["theta"])


@pytest.mark.parametrize("status", ["retired", "held", "pretest"])
def test_answers_to_items_that_do_not_count_in_the_bank_are_refused_with_why_and_what_to_do(files: Path, status: str) -> None:
    head, first, *rest = (files / "bank.csv").read_text().splitlines()
    lines = [f"{head},status", f"{first},{status}", *(f"{line},active" for line in rest)]
    (files / "bank.csv").write_text("\n".join(lines) + "\n")
    found = score(files)
    assert (found.exit_code, (files / "s.csv").exists()) == (2, False)
    wanted = (
        f"answers, x1: is '{status}' in the bank, and only items that are active count (leave answers to it out, or make it 'active' in"
    )
    assert wanted in found.output
    assert "is not an item of the bank" not in found.output


def test_prior_grid_and_metric_are_taken_as_written(files: Path) -> None:
    found = []
    for more in ((), ("--prior", "normal:1,0.5"), ("--grid=-4,4,33",), ("--D", "1.702")):
        assert score(files, *more).exit_code == 0
        found.append(float(table(files / "s.csv")[0]["theta"]))
    assert len(set(found)) == 4
    assert found[1] > found[0]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        (("--method", "ml"), "eap"),
        (("--prior", "normal:0"), "--prior"),
        (("--prior", "normal:0,0"), "--prior"),
        (("--prior", "flat"), "jeffreys"),
        (("--prior", "uniform:5,8", "--grid=-4,4,33"), "outside the grid"),
        (("--prior", "normal:10,0.5"), "outside the grid"),
        (("--grid", "1,2"), "--grid"),
        (("--grid", "2,1,9"), "--grid"),
        (("--grid=-6,6,1000000000",), "--grid"),
        (("--grid=-1e300,1e300,61",), "--grid"),
        (("--prior", "normal:50,1"), "outside the grid"),
        (("--prior", "uniform:4.5,9", "--grid=-6,6,61"), "outside the grid"),
        (("--D", "0"), "--D"),
        (("--D", "nan"), "--D"),
        (("--D", "1e308"), "--D"),
    ],
)
def test_a_scoring_that_cannot_be_is_refused(files: Path, more: tuple[str, ...], word: str) -> None:
    result = score(files, *more)
    assert result.exit_code == 2
    assert word in result.stderr
    assert not (files / "s.csv").exists()


def test_people_who_answered_nothing_stand_where_the_prior_is(files: Path) -> None:
    (files / "some.csv").write_text("person_id,x1,x2,x3,x4\nann,1,1,3,2\ncid,,,,\n")
    words = ("score", "--bank", files / "bank.csv", "--responses", files / "some.csv", "--out", files / "s.csv")
    assert run(*words, "--prior", "normal:0.5,0.8").exit_code == 0
    ann, cid = table(files / "s.csv")
    assert (ann["person_id"], ann["n"]) == ("ann", "4")
    assert (cid["person_id"], cid["n"]) == ("cid", "0")
    assert (float(cid["theta"]), float(cid["se"])) == pytest.approx((0.5, 0.8), abs=1e-6)
    (files / "some.csv").write_text("person_id,x1,x2,x3,x4\ncid,,,,\n")
    assert run(*words, "--method", "mle").exit_code == 0
    assert [row["n"] for row in table(files / "s.csv")] == ["0"]


# next


@pytest.mark.parametrize(
    "criterion", ["mfi", "urry", "thopt", "mlwi", "mpwi", "kl", "klp", "mei", "mepv", "gdi", "gdip", "random", "progressive"]
)
def test_every_criterion_names_one_eligible_item(files: Path, criterion: str) -> None:
    (files / "a.csv").write_text("item_id,category\nx1,1\nx3,2\n")
    result = run(
        "next", "--bank", files / "bank.csv", "--administered", files / "a.csv", "--criterion", criterion, "--out", files / "c.csv"
    )
    assert result.exit_code == 0
    rows = table(files / "c.csv")
    assert [row["eligible"] for row in rows] == ["0", "1", "0", "1"]
    chosen = [row for row in rows if row["chosen"] == "1"]
    assert [row["eligible"] for row in chosen] == ["1"]
    smaller = criterion in ("urry", "thopt", "mepv")
    left = [float(row["criterion"]) for row in rows if row["eligible"] == "1"]
    assert float(chosen[0]["criterion"]) == (min(left) if smaller else max(left))


def test_the_criterion_looks_from_the_ability_that_is_given(files: Path) -> None:
    (files / "a.csv").write_text("item_id,category\n")
    arguments = ("next", "--bank", files / "bank.csv", "--administered", files / "a.csv", "--theta=1.5", "--out", files / "c.csv")
    assert run(*arguments).exit_code == 0
    found = [float(row["criterion"]) for row in table(files / "c.csv")]
    rows = [Row("2pl", 1.2, [-0.5]), Row("3pl", 1.0, [0.5], 0.2), Row("grm", 1.5, [-1, 0, 1]), Row("gpcm", 0.8, [-1, 0.5])]
    np.testing.assert_allclose(found, information(ItemParams.from_rows(rows), 1.5)[0], rtol=1e-12)


def test_information_per_second_is_what_it_says_and_needs_seconds(files: Path) -> None:
    (files / "answers.csv").write_text("item_id,category\nx1,1\n")
    words = ("--administered", files / "answers.csv", "--theta", "0.3", "--out", files / "n.csv", "--criterion")
    refused = run("next", "--bank", files / "bank.csv", *words, "mfi_per_time")
    assert refused.exit_code == 2
    assert "x1" in refused.stderr
    assert not (files / "n.csv").exists()
    timed = [line + ("seconds" if k == 0 else str(10 * k)) for k, line in enumerate(f"{line}," for line in BANK.splitlines())]
    (files / "timed.csv").write_text("\n".join(timed) + "\n")
    found = {}
    for rule in ("mfi", "mfi_per_time"):
        assert run("next", "--bank", files / "timed.csv", *words, rule).exit_code == 0
        found[rule] = [float(row["criterion"]) for row in table(files / "n.csv")]
    assert found["mfi_per_time"] == pytest.approx([info / (10 * k) for k, info in enumerate(found["mfi"], start=1)], rel=1e-12)


@pytest.mark.parametrize("theta", ["nan", "inf", "1e308", "-101"])
def test_an_ability_that_nobody_has_is_refused(files: Path, theta: str) -> None:
    (files / "answers.csv").write_text("item_id,category\nx1,1\n")
    words = ("--administered", files / "answers.csv", f"--theta={theta}", "--out", files / "n.csv")
    refused = run("next", "--bank", files / "bank.csv", *words)
    assert refused.exit_code == 2
    assert "--theta" in refused.stderr


def test_every_fault_of_the_answers_given_is_named(files: Path) -> None:
    (files / "a.csv").write_text("item_id,category\nx9,1\nx1,2\nx1,0\nx1,1\nx2\n")
    result = run("next", "--bank", files / "bank.csv", "--administered", files / "a.csv", "--criterion", "mfi", "--out", files / "c.csv")
    assert result.exit_code == 2
    assert all(f"row {k}" in result.stderr for k in (2, 3, 5, 6))
    assert not (files / "c.csv").exists()
    assert (
        run(
            "next", "--bank", files / "bank.csv", "--administered", files / "a.csv", "--criterion", "best", "--out", files / "c.csv"
        ).exit_code
        == 2
    )


# banks of one competency


def test_a_bank_of_one_competency_does_without_the_column(files: Path) -> None:
    bare = "\n".join(",".join(cell for k, cell in enumerate(line.split(",")) if k != 1) for line in BANK.splitlines())
    (files / "bare.csv").write_text(bare + "\n")
    (files / "R.csv").write_text("person_id,item_id,category\np,x1,1\np,x3,2\nq,x2,0\n")
    (files / "A.csv").write_text("item_id,category\nx1,1\n")
    outcomes = []
    for name in ("bank.csv", "bare.csv"):
        out = files / f"{name}-out"
        bank, plan = ("--bank", files / name), ("--plan", files / "plan.toml")
        done = [
            run("plan", "check", files / "plan.toml", *bank),
            run("information", *bank, "--theta=-1,1", "--out", f"{out}-i.csv"),
            run("score", *bank, "--responses", files / "R.csv", "--method", "map", "--out", f"{out}-s.csv"),
            run("next", *bank, "--administered", files / "A.csv", "--criterion", "mfi", "--out", f"{out}-n.csv"),
            run("simulate", *bank, *plan, "--n", "5", "--seed", "1", "--out", out),
        ]
        assert [result.exit_code for result in done] == [0] * len(done), [result.stderr for result in done]
        outcomes.append([Path(f"{out}-{part}.csv").read_text() for part in "isn"] + [(out / "steps.csv").read_text()])
    assert outcomes[0] == outcomes[1]


def test_a_plan_of_two_competencies_asks_for_the_column(files: Path) -> None:
    (files / "bare.csv").write_text("item_id,model,a,b1\nx1,2pl,1,0\n")
    result = run(
        "simulate", "--bank", files / "bare.csv", "--plan", files / "plan2.toml", "--n", "5", "--seed", "1", "--out", files / "out"
    )
    assert (result.exit_code, "competency: the column is missing" in result.stderr) == (2, True)
