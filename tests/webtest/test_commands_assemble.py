"""`cact assemble`: forms that satisfy a blueprint with most information, and blueprints that are refused."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result

from tests.webtest.small import run, table, written


@pytest.fixture
def files(tmp_path: Path) -> Path:
    return written(tmp_path)


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
