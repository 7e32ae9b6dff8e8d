"""Commands that look at plans and banks: what they write, and that they write nothing when something is wrong."""

import csv
import itertools
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


# assemble

ROWS = 'CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB,ONOFF\nC1,Number,Item,,2,2,\nC2,Number,Item,AREA == 1,1,1,\nC3,Enemy,Item,"ID %in% c(""x2"", ""x3"")",,,\n'


def assemble(files: Path, rows: str = ROWS, *more: str | Path, key: str = "ID") -> Result:
    (files / "rows.csv").write_text(rows)
    (files / "about.csv").write_text(f"{key},AREA\nx1,1\nx2,1\nx3,2\nx4,2\n")
    return run(
        "assemble", "--bank", files / "bank.csv", "--constraints", files / "rows.csv", "--attributes", files / "about.csv", "--out",
        files / "form.csv", "--json", *more,
    )  # fmt: skip


def test_attributes_that_do_not_name_their_items_are_refused(files: Path) -> None:
    result = assemble(files, key="NAME")
    assert result.exit_code == 2
    assert "about.csv, row 1, ID: the column is missing (id or item_id names what a row is about)" in result.stderr
    assert not (files / "form.csv").exists()


@pytest.mark.parametrize("key", ["ID", "item_id"])
def test_a_form_satisfies_its_blueprint_with_most_information(files: Path, key: str) -> None:
    result = assemble(files, key=key)
    assert result.exit_code == 0
    assert [row["item_id"] for row in table(files / "form.csv")] == ["x1", "x3"]
    assert json.loads(result.stdout)["total_info"] == pytest.approx(sum(float(row["info"]) for row in table(files / "form.csv")))


def test_a_form_stands_in_the_order_that_its_blueprint_asks_for(files: Path) -> None:
    (files / "about2.csv").write_text("ID,AREA,STEP\nx1,1,3\nx2,1,9\nx3,2,1\nx4,2,2\n")
    assemble(
        files,
        "CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB,ONOFF\nC1,Number,Item,,4,4,\nC2,Order,Item,STEP,,,\n",
        "--attributes",
        files / "about2.csv",
    )
    assert [row["item_id"] for row in table(files / "form.csv")] == ["x3", "x4", "x1", "x2"]


def test_a_blueprint_that_no_form_satisfies_is_named_by_the_rows_it_misses(files: Path) -> None:
    result = assemble(files, ROWS.replace("AREA == 1,1,1", "AREA == 1,3,3"))
    assert result.exit_code == 2
    assert "C2" in result.stderr
    assert not (files / "form.csv").exists()


@pytest.mark.parametrize(("old", "new"), [("AREA == 1", "SIZE == 1"), ("== 1,1,1", "== 1,2,1"), ("Enemy", "Foe"), ("CONDITION", "WHERE")])
def test_a_faulty_blueprint_is_refused(files: Path, old: str, new: str) -> None:
    assert assemble(files, ROWS.replace(old, new)).exit_code == 2
    assert not (files / "form.csv").exists()


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        (
            'Enemy,Item,"ID %in% c(""x2"", ""x3"")"',
            'Include,Item,"ID == ""x9"""',
            "no item meets",
        ),  # a slip of the pen would leave out what must be in
        ("C2,Number,Item,AREA == 1,1,1", "C2,Sum,Item,Per Stimulus,1,1", "does not go with sum"),  # was counted as a number
        ("C2,Number,Item,AREA == 1,1,1", "C2,Number,Stimulus,per stimulus,1,1", "does not go with number of stimulus"),
        ("AREA == 1,1,1,", "AREA == 1,1,1,of", "'of' is neither ON nor OFF"),  # counted, though it was meant not to
        ("C1,Number,Item,,2,2,", "C1,Number,Item,,5,5,", "no test of the pool satisfies C1"),
    ],
)
def test_a_row_that_would_silently_mean_something_else_is_refused_with_its_place(files: Path, old: str, new: str, field: str) -> None:
    assert old in ROWS
    result = assemble(files, ROWS.replace(old, new))
    assert result.exit_code == 2
    assert field in result.stderr
    assert "rows.csv" in result.stderr
    assert not (files / "form.csv").exists()


def test_nothing_to_choose_from_and_nothing_to_keep_are_refused(files: Path) -> None:
    off = assemble(files, "CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB,ONOFF\nC1,Number,Item,,2,2,OFF\n")
    assert off.exit_code == 2
    assert "every row is OFF" in off.stderr
    head, *rows = (files / "bank.csv").read_text().splitlines()
    (files / "bank.csv").write_text("\n".join([head + ",status", *(row + ",held" for row in rows)]) + "\n")
    held = assemble(files)
    assert held.exit_code == 2
    assert "no item is active" in held.stderr
    assert not (files / "form.csv").exists()


EVERY_KIND = '''CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB,ONOFF,PRIORITY
length,Number,Item,,12,12,,9
passages,Number,Stimulus,,3,3,,
items a passage,Number,Item,Per Stimulus,4,4,,
each area,Number,Item,AREA,3,6,,2
one area,Number,Item,AREA == 0,4,4,,
words,Sum,Item,WORDS,100,140,,
words of an area,Sum,Item,"WORDS, AREA == 1",30,60,,
lines,Sum,Stimulus,LINES,20,60,,
foes,Enemy,Item,"ID %in% c(""x0"", ""x1"")",,,,
passages that are foes,Enemy,Stimulus,"STID %in% c(""s0"", ""s1"")",,,,
in,Include,Item,"ID == ""x12""",,,,
passage in,Include,Stimulus,"STID == ""s2""",,,,
out,Exclude,Item,"ID == ""x8""",,,,
passage out,Exclude,Stimulus,"STID == ""s4""",,,,
together,AllOrNone,Item,"ID %in% c(""x10"", ""x11"")",,,,
passages together,AllOrNone,Stimulus,"STID %in% c(""s1"", ""s5"")",,,,
order,Order,Item,AREA,,,,
order of passages,Order,Stimulus,LINES,,,,
off,Number,Item,AREA == 9,5,5,OFF,
'''


def test_a_form_keeps_rows_of_every_kind_on_items_and_stimuli(tmp_path: Path) -> None:
    rng, n = np.random.default_rng(4), 30
    a, b = rng.uniform(0.7, 1.8, n), rng.normal(size=n)
    area, words, stimulus = [k % 3 for k in range(n)], rng.integers(5, 15, n).tolist(), [k // 5 for k in range(n)]
    lines = [10, 18, 12, 14, 16, 30]
    (tmp_path / "bank.csv").write_text(
        "item_id,competency,model,a,b1,AREA,WORDS,STID\n"
        + "".join(f"x{k},A,2pl,{a[k]},{b[k]},{area[k]},{words[k]},s{stimulus[k]}\n" for k in range(n))
    )
    (tmp_path / "stimuli.csv").write_text("STID,LINES\n" + "".join(f"s{g},{lines[g]}\n" for g in range(6)))
    (tmp_path / "rows.csv").write_text(EVERY_KIND)
    result = run(
        "assemble", "--bank", tmp_path / "bank.csv", "--constraints", tmp_path / "rows.csv", "--stimuli", tmp_path / "stimuli.csv",
        "--theta=-1,0.5", "--out", tmp_path / "form.csv", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    theta = np.array([[-1.0], [0.5]])
    p = 1 / (1 + np.exp(-a * (theta - b)))
    info = (a**2 * p * (1 - p)).mean(axis=0)

    def legal(sets: tuple[int, ...], items: list[int]) -> bool:
        areas = [area[k] for k in items]
        return (
            2 in sets and 4 not in sets and not {0, 1} <= set(sets) and (1 in sets) == (5 in sets) and 12 in items and 8 not in items
            and not {0, 1} <= set(items) and len({10, 11} & set(items)) != 1 and areas.count(0) == 4
            and all(3 <= areas.count(v) <= 6 for v in range(3)) and 100 <= sum(words[k] for k in items) <= 140
            and 30 <= sum(words[k] for k in items if area[k] == 1) <= 60 and 20 <= sum(lines[g] for g in sets) <= 60
        )  # fmt: skip

    best = 0.0
    for sets in itertools.combinations(range(6), 3):
        for left_out in itertools.product(range(5), repeat=3):  # four of the five items of each passage
            items = [5 * g + j for g, out in zip(sets, left_out, strict=True) for j in range(5) if j != out]
            best = max(best, float(info[items].sum()) if legal(sets, items) else 0.0)
    assert json.loads(result.stdout)["total_info"] == pytest.approx(best, rel=1e-9)
    assert json.loads(result.stdout)["items"] == 12


def test_a_form_stays_within_its_seconds(tmp_path: Path) -> None:
    seconds = [30.0, 200.0, 40.0, 50.0]
    lines = "".join(
        f"x{k},A,2pl,{a},0,{'2'},{np.log(s) - 0.125}\n" for k, (a, s) in enumerate(zip((1.0, 2.0, 0.9, 0.8), seconds, strict=True))
    )
    (tmp_path / "bank.csv").write_text("item_id,competency,model,a,b1,rt_alpha,rt_beta\n" + lines)
    rows = "CONSTRAINT_ID,TYPE,WHAT,CONDITION,LB,UB\nC1,Number,Item,,2,2\nC2,Time,Item,,0,{}\n"
    for limit, items in ((300, ["x0", "x1"]), (85, ["x0", "x2"]), (60, None)):
        (tmp_path / "rows.csv").write_text(rows.format(limit))
        result = run("assemble", "--bank", tmp_path / "bank.csv", "--constraints", tmp_path / "rows.csv", "--out", tmp_path / "form.csv")
        if items is None:
            assert result.exit_code == 2
            assert "C1 and C2 together" in result.stderr
        else:
            assert [row["item_id"] for row in table(tmp_path / "form.csv")] == items
    (tmp_path / "bank.csv").write_text("item_id,competency,model,a,b1\nx0,A,2pl,1,0\nx1,A,2pl,1,0\n")
    assert (
        "rt_beta"
        in run("assemble", "--bank", tmp_path / "bank.csv", "--constraints", tmp_path / "rows.csv", "--out", tmp_path / "f.csv").stderr
    )


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


def test_the_forms_of_testdesign_are_assembled(shared: Path, tmp_path: Path) -> None:
    cases = json.loads((Path(__file__).parents[1] / "golden" / "testdesign_shadow.json").read_text())["static_optimum"]
    data = shared / "golden"
    with (data / "h_shadow_fatigue_pool.csv").open(newline="") as file:
        items = list(csv.DictReader(file))
    lines = ["item_id,competency,model,a,b1,b2,b3,b4"]
    for item in items:
        steps = [item[f"X{k}"] if item[f"X{k}"] != "NA" else "" for k in range(2, 6)]
        lines.append(f"{item['id']},F,grm,{item['X1']},{','.join(steps)}")
    (tmp_path / "bank.csv").write_text("\n".join(lines) + "\n")
    for case in cases:
        result = run(
            "assemble", "--bank", tmp_path / "bank.csv", "--constraints", data / "h_shadow_fatigue_constraints.csv", "--attributes",
            data / "h_shadow_fatigue_attributes.csv", f"--theta={case['theta']}", "--out", tmp_path / "f.csv", "--json",
        )  # fmt: skip
        assert result.exit_code == 0, result.stderr
        assert json.loads(result.stdout)["total_info"] == pytest.approx(case["total_info"], rel=1e-6)


def test_a_reading_test_of_the_reference_data_is_assembled(shared: Path, tmp_path: Path) -> None:
    data = shared / "data"
    with (data / "testdesign_itempool_reading.csv").open(newline="") as file:
        items = list(csv.DictReader(file))
    lines = ["item_id,competency,model,a,b1,b2,c"]
    for item in items:
        if item["MODEL"] == "3PL":
            lines.append(f"{item['ID']},R,3pl,{item['PAR1']},{item['PAR2']},,{item['PAR3']}")
        else:
            lines.append(f"{item['ID']},R,gpcm,{item['PAR1']},{item['PAR2']},{item['PAR3'] if item['PAR3'] != 'NA' else ''},")
    (tmp_path / "bank.csv").write_text("\n".join(lines) + "\n")
    result = run(
        "assemble", "--bank", tmp_path / "bank.csv", "--constraints", data / "testdesign_constraints_reading.csv", "--attributes",
        data / "testdesign_itemattrib_reading.csv", "--stimuli", data / "testdesign_stimattrib_reading.csv", "--out", tmp_path / "f.csv", "--json",
    )  # fmt: skip
    assert result.exit_code == 0, result.stderr
    assert json.loads(result.stdout)["items"] == 30
    with (data / "testdesign_itemattrib_reading.csv").open(newline="") as file:
        about = {row["ID"]: row for row in csv.DictReader(file)}
    chosen = [about[row["item_id"]] for row in table(tmp_path / "f.csv")]
    assert sorted(row["CONTENT"] for row in chosen) == ["1"] * 15 + ["2"] * 15
    assert len({row["STID"] for row in chosen}) == 6
    assert sum(row["TYPE"] == "CR" for row in chosen) == 2


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
