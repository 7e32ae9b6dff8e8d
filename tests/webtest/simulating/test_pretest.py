"""`cact simulate`: items in pretest among the others."""

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest

from tests.webtest.simulating.given import sim, with_new_items
from tests.webtest.small import run, table


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
