"""Options of `cact calibrate` on files: the shape of ability, a warm start, groups that fall out, and what must not be overwritten."""

import csv
import errno
import io
import json
import re
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine import Row
from tests.calibration.test_commands import ok, refused


@pytest.fixture
def folder(draw: Callable[..., Any], tmp_path: Path) -> Path:
    """R.csv: 800 people of two groups (G.csv), of skewed ability, on twelve 2PL items."""
    rng = np.random.default_rng(501)
    theta = np.where(rng.random(800) < 0.75, rng.normal(-0.6, 0.5, 800), rng.normal(1.8, 0.5, 800))
    data = draw([Row("2pl", 1.6, [float(b)]) for b in np.linspace(-1.5, 2, 12)], theta, 502)
    rows = [f"p{p},i{i},{c}" for p, i, c in zip(data.person, data.item, data.category, strict=True)]
    (tmp_path / "R.csv").write_text("\n".join(["person_id,item_id,category", *rows]) + "\n")
    (tmp_path / "G.csv").write_text("person_id,group\n" + "".join(f"p{p},{'AB'[p % 2]}\n" for p in range(800)))
    return tmp_path


def figures(folder: Path, *words: str | Path) -> dict[str, Any]:
    said = ok("calibrate", folder / "R.csv", *words, "--out", folder / "P.csv", "--json", folder / "F.json")
    found: dict[str, Any] = json.loads((folder / "F.json").read_text())
    assert re.search(rf"after {found['n_cycles']} cycles", said)
    return found


@pytest.mark.parametrize("se", ["oakes", "xpd", "none"])
def test_a_histogram_follows_skewed_ability_on_a_standard_scale(folder: Path, se: str) -> None:
    normal = figures(folder, "--se", se, "--tol", "1e-3")
    shaped = figures(folder, "--se", se, "--tol", "1e-3", "--density", "histogram", "--groups", folder / "G.csv")
    assert shaped["loglik"] > normal["loglik"] + 5
    weights, nodes = (np.array(shaped["latent"]["A"][name]) for name in ("weights", "nodes"))
    assert weights.sum() == pytest.approx(1)
    assert [weights @ nodes, weights @ nodes**2] == pytest.approx([0, 1], abs=1e-9)
    assert weights @ nodes**3 > 0.3
    assert set(shaped["latent"]) == {"A", "B"}
    assert "nodes" not in normal["latent"]["all"]


def test_the_current_bank_is_where_a_run_may_start_and_its_other_items_do_not_matter(folder: Path) -> None:
    exact = ("--tol", "1e-6", "--priors", "none")
    cold = figures(folder, *exact)
    bank = [["item_id", "competency", "model", "a", "b1", "c", "d"]]
    with (folder / "P.csv").open(newline="") as file:
        bank += [[row["item_id"], "M", "2pl", row["a"], row["b1"], "", ""] for row in csv.DictReader(file)]
    bank.append(["elsewhere", "M", "2pl", "1.0", "0.0", "", ""])
    text = io.StringIO()
    csv.writer(text).writerows(bank)
    (folder / "bank.csv").write_text(text.getvalue())
    warm = figures(folder, *exact, "--model-file", folder / "bank.csv")
    assert warm["loglik"] == pytest.approx(cold["loglik"], abs=1e-5)
    assert warm["n_cycles"] < cold["n_cycles"] / 2


def test_a_group_that_met_no_item_of_the_scale_does_not_lend_its_name_to_another(folder: Path) -> None:
    with (folder / "R.csv").open("a") as file:
        file.writelines(f"z{p},apart{i},{(p + i) % 2}\n" for p in range(40) for i in range(2))
    lines = (folder / "G.csv").read_text().split("\n")
    own = [f"z{p},Z" for p in range(40)]
    (folder / "G.csv").write_text("\n".join([lines[0], *own, *lines[1:]]))
    found = figures(folder, "--groups", folder / "G.csv")
    assert found["items"]["apart0"] == ["disconnected"]
    assert set(found["latent"]) == {"A", "B"}
    assert found["latent"]["A"]["sd"] == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "R.csv"], "R.csv: is read by this command and would be overwritten (name another file)"),
        (["--out", "P.csv", "--groups", "G.csv", "--report", "./G.csv"], "G.csv: is read by this command and would be overwritten"),
        (["--out", "P.csv", "--json", "./P.csv"], "--out, --json: name the same file (a file for each)"),
        (["--out", "P.csv", "--density", "histogram", "--fipc", "nwu-oem"], "--density, histogram: does not go with --fipc nwu-oem"),
        (
            ["--out", "P.csv", "--fipc", "nwu-oem"],
            "--fipc, nwu-oem: says how fixed items are used, and there are none (name them with --anchors)",
        ),
        (["--out", "P.csv", "--tol", "nan", "--max-se", "inf"], "--tol, nan: is not a finite number"),
        (["--out", "P.csv", "--groups", "job"], "--groups, job: is no file (a CSV person_id,group, or a column of answers in Parquet)"),
        (["--out", "P.csv", "--competency", "M"], "--competency, M: cannot be told from CSV"),
    ],
)
def test_options_that_do_not_go_together_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str) -> None:
    monkeypatch.chdir(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert message in refused("calibrate", "R.csv", *words)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_where_one_file_cannot_be_written_none_is(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = sorted(path.name for path in folder.iterdir())
    make = tempfile.mkstemp

    def full(**how: Any) -> tuple[int, str]:
        if "F.json" in how["prefix"]:
            raise OSError(errno.ENOSPC, "No space left on device")
        return make(**how)

    monkeypatch.setattr(tempfile, "mkstemp", full)
    said = refused("calibrate", folder / "R.csv", "--se", "none", "--out", folder / "P.csv", "--json", folder / "F.json")
    assert "F.json: cannot be written: No space left on device" in said
    assert sorted(path.name for path in folder.iterdir()) == before
