"""Answers from which not every item can be estimated, and answers that are no answers: named to the user with what to do, from CSV and from Parquet."""

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from calibration.flags import ADVICE, SENTENCES
from cat_engine import Row
from tests.calibration.test_commands import ok, refused
from webtest.languages import language

Answer = tuple[str, str, int]


def write(path: Path, answers: list[Answer]) -> Path:
    names = ("person_id", "item_id", "category")
    if path.suffix == ".csv":
        path.write_text("\n".join(",".join(map(str, row)) for row in [names, *answers]) + "\n")
    else:
        pq.write_table(pa.table(dict(zip(names, map(list, zip(*answers, strict=True)), strict=True))), path)
    return path


@pytest.fixture(params=["R.csv", "R.parquet"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / str(request.param)


@pytest.fixture
def good(draw: Callable[..., Any]) -> list[Answer]:
    """300 people, i0 to i3 with categories 0 and 1 and g with 0 to 2."""
    rows = [*(Row("2pl", 1.3, [b]) for b in (-0.6, -0.2, 0.2, 0.6)), Row("gpcm", 1.0, [-0.5, 0.5])]
    data = draw(rows, np.random.default_rng(401).normal(size=300), 402)
    names = ["i0", "i1", "i2", "i3", "g"]
    return [(f"p{p}", names[i], int(c)) for p, i, c in zip(data.person, data.item, data.category, strict=True)]


def table(path: Path) -> dict[str, dict[str, str]]:
    return {row["item_id"]: row for row in csv.DictReader(io.StringIO(path.read_text()))}


def estimated(row: dict[str, str]) -> bool:
    """Whether a row of the estimates holds any number but n."""
    return any(value for name, value in row.items() if name not in ("item_id", "model", "n", "flag"))


def without_g(answers: list[Answer]) -> list[Answer]:
    return [row for row in answers if row[1] != "g"]


SOLVED = [(f"p{p}", "x", 1) for p in range(300)]
THREE = [("p0", "x", 0), ("p1", "x", 1), ("p2", "x", 1)]
ONE_MIDDLE = [(f"p{p}", "x", 2) for p in range(300)]
GAP = [(f"p{p}", "x", 2 * (p % 2)) for p in range(300)]
APART = [(f"q{p}", name, (p + k) % 2) for p in range(60) for k, name in enumerate(("x", "y"))]


@pytest.mark.parametrize(
    ("more", "model", "flag"),
    [
        (SOLVED, "2pl", "one_category"),
        (THREE, "2pl", "few"),
        (ONE_MIDDLE, "gpcm", "one_category"),
        (GAP, "gpcm", "empty_category"),
        (APART, "2pl", "disconnected"),
    ],
    ids=["all correct", "three answers", "one category of three", "gap in the categories", "no common items"],
)
def test_an_item_that_cannot_be_estimated_is_named_with_what_to_do_and_gets_no_number(
    good: list[Answer], path: Path, more: list[Answer], model: str, flag: str
) -> None:
    (path.parent / "M.csv").write_text(f"item_id,model\nx,{model}\n")
    out = path.parent / "P.csv"
    said = ok("calibrate", write(path, without_g(good) + more), "--model-file", path.parent / "M.csv", "--out", out)
    found = table(out)
    assert found["x"]["flag"] == flag
    assert not estimated(found["x"])
    assert all(estimated(found[name]) for name in ("i0", "i1", "i2", "i3"))
    assert f"x: {flag} (n = " in said
    why = language("en").gettext(SENTENCES[flag])
    assert f"{flag}: {why}; {ADVICE[flag]}" in said


def test_an_item_that_nobody_answered_is_named_in_a_wide_file(good: list[Answer], tmp_path: Path) -> None:
    cells = {(p, i): c for p, i, c in without_g(good)}
    lines = ["person_id,i0,i1,i2,i3,x", *(",".join([f"p{p}", *(str(cells[f"p{p}", f"i{i}"]) for i in range(4)), ""]) for p in range(300))]
    (tmp_path / "W.csv").write_text("\n".join(lines) + "\n")
    said = ok("calibrate", tmp_path / "W.csv", "--out", tmp_path / "P.csv")
    assert table(tmp_path / "P.csv")["x"]["flag"] == "no_answers"
    assert not estimated(table(tmp_path / "P.csv")["x"])
    assert "no_answers: nobody has answered the item; give it to people, or leave it out" in said


@pytest.mark.parametrize(
    ("spoiled", "words", "message"),
    [
        (("p0", "i0", 1), (), "the person has already answered item 'i0' in row "),
        (("p9", "i0", -1), (), "category: '-1' is not a category (a whole number from 0)"),
        (("p9", "i0", 99), (), "category: '99' is not a category"),
        (("", "i0", 1), (), "person_id: is empty"),
        (("r", "", 1), (), "item_id"),
        (("r", "i0", 2), (), "answers, i0: category 2 was answered, model 2pl has 0 to 1 (give it another model in a model file)"),
        (("r", "i0", 1), ("--anchors", "anchors.csv"), "anchors, zz: is not an item of the answers"),
        (("r", "i0", 1), ("--model-file", "models.csv"), "model file, zz: is not an item of the answers"),
        (("r", "i0", 1), ("--groups", "groups.csv"), "groups, person_id: 1 of 301 people with answers have no group (one row a person)"),
        (("r", "i0", 1), ("--groups", "nowhere"), "--groups, nowhere: is n"),
    ],
)
def test_answers_that_are_none_and_ids_that_nobody_knows_are_refused_and_nothing_is_written(
    good: list[Answer], path: Path, monkeypatch: pytest.MonkeyPatch, spoiled: Answer, words: tuple[str, ...], message: str
) -> None:
    monkeypatch.chdir(path.parent)
    Path("anchors.csv").write_text("item_id,model,a,b1\nzz,2pl,1,0\n")
    Path("models.csv").write_text("item_id,model\nzz,2pl\n")
    Path("groups.csv").write_text("person_id,group\n" + "".join(f"p{p},A\n" for p in range(300)))
    write(path, [*without_g(good), spoiled])
    before = sorted(Path().iterdir())
    assert message in refused("calibrate", path, *words, "--out", "P.csv", "--json", "F.json", "--report", "H.html")
    assert sorted(Path().iterdir()) == before


def test_a_person_is_never_named_in_a_fault(good: list[Answer], path: Path) -> None:
    write(path, [*without_g(good), ("198001012005011001", "i0", 1), ("198001012005011001", "i0", 1), ("198001012005011001", "i1", -1)])
    assert "198001012005011001" not in refused("calibrate", path, "--out", path.parent / "P.csv")


def test_parts_that_share_nobody_are_linked_by_an_anchor_in_each(good: list[Answer], path: Path) -> None:
    rng = np.random.default_rng(403)
    theta = rng.normal(size=300)
    apart = [(f"q{p}", name, int(rng.random() < 1 / (1 + np.exp(-theta[p])))) for p in range(300) for name in ("x", "y")]
    (path.parent / "B.csv").write_text("item_id,model,a,b1\ni0,2pl,1.3,-0.6\nx,2pl,1.0,0.0\n")
    ok("calibrate", write(path, without_g(good) + apart), "--anchors", path.parent / "B.csv", "--out", path.parent / "P.csv")
    flags = {name: row["flag"] for name, row in table(path.parent / "P.csv").items()}
    assert flags["i0"] == flags["x"] == "anchor"
    assert "disconnected" not in flags.values()
    assert estimated(table(path.parent / "P.csv")["y"])
