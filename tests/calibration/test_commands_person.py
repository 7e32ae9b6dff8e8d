"""`cact personfit` and `cact security` as a user runs them."""

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from calibration.responses import ResponseLog
from itembank.bank import Bank
from itembank.exchange import write_bank_csv
from tests.calibration.sitters import adaptive, bank_of_rows, items, known, timed, times_of
from webtest.cli import main

N = 160
PLAN = """name = "t"
[[sections]]
code = "all"
title = "all"
competencies = ["A", "B"]
min_items = 12
max_items = 12
time_budget_min = 60
"""


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def long_text(log: ResponseLog, option: list[str] | None = None) -> str:
    lines = ["person_id,item_id,category,rt_ms,position" + (",option" if option else "")]
    for r in range(len(log)):
        row = f"{log.person_ids[log.person[r]]},{log.item_ids[log.item[r]]},{log.category[r]},{log.rt_ms[r]},{log.position[r]}"
        lines.append(row + (f",{option[r]}" if option else ""))
    return "\n".join(lines) + "\n"


@pytest.fixture
def bank() -> Bank:
    made = bank_of_rows(items("2pl", 60, 1, scales=2))
    times = times_of(made, 2)
    columns = [{"rt_alpha": repr(a), "rt_beta": repr(b)} for a, b in zip(times.alpha.tolist(), times.beta.tolist(), strict=True)]
    return replace(made, attributes=tuple(columns))


@pytest.fixture
def log(bank: Bank) -> ResponseLog:
    """An adaptive test of 12 items a competency; the last 12 people knew ten items."""
    drawn = timed(adaptive(bank, np.random.default_rng(3).normal(-0.3, 1, (N, 2)), 12, 4), times_of(bank, 2), 5)
    often = np.argsort(-np.bincount(drawn.item, minlength=60))[:10]
    return known(drawn, bank, np.arange(N) >= N - 12, np.isin(np.arange(60), often), 6, haste=0.3)


@pytest.fixture
def folder(bank: Bank, log: ResponseLog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "bank.csv").write_text(write_bank_csv(bank))
    (tmp_path / "R.csv").write_text(long_text(log))
    (tmp_path / "P.csv").write_text("person_id,room,wave\n" + "".join(f"p{k},r{k // 5},W{k // 40}\n" for k in range(N)))
    often = np.argsort(-np.bincount(log.item, minlength=60))[:10]
    (tmp_path / "S.txt").write_text("".join(f"i{k}\n" for k in often))
    (tmp_path / "plan.toml").write_text(PLAN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_person_fit_writes_a_row_a_person_and_counts_what_stands_out(folder: Path) -> None:
    result = run(
        "personfit", "--bank", "bank.csv", "--responses", "R.csv", "--out", "F.csv", "--replicates", "19", "--level", "0.05", "--json"
    )
    assert result.exit_code == 0, result.output
    figures = json.loads(result.stdout)
    rows = table(folder / "F.csv")
    assert [row["person_id"] for row in rows] == [f"p{k}" for k in range(N)]
    assert figures["people"] == N
    assert figures["flagged"]["times"] == sum("times" in row["flags"] for row in rows)
    assert sum("times" in row["flags"] for row in rows[-12:]) > 6  # in a third of the time on part of the items
    assert all(float(row["p_lz"]) >= 0.05 and row["theta"] == "" and row["n"] == "24" for row in rows)
    assert "p15" not in result.output


def test_person_fit_of_the_test_itself_by_its_plan_and_of_lz_star_alone(folder: Path) -> None:
    common = ("personfit", "--bank", "bank.csv", "--responses", "R.csv")
    assert run(*common, "--plan", "plan.toml", "--out", "T.csv").exit_code == 0
    assert run(*common, "--replicates", "0", "--method", "wle", "--out", "N.csv").exit_code == 0
    by_test, normal = table(folder / "T.csv"), table(folder / "N.csv")
    assert {row["p_cusum"] for row in normal} == {""}
    assert min(float(row["p_lz"]) for row in by_test) >= 1 / 1121  # 160 people sit seven times over
    assert np.mean([float(row["p_lz"]) for row in normal]) > np.mean([float(row["p_lz"]) for row in by_test]) + 0.02
    again = run(*common, "--plan", "plan.toml", "--out", "T2.csv")
    assert again.exit_code == 0
    assert (folder / "T2.csv").read_text() == (folder / "T.csv").read_text()


def test_thresholds_of_rapid_guesses_can_be_given_by_item(folder: Path) -> None:
    (folder / "H.csv").write_text("item_id,seconds\n" + "".join(f"i{k},100000\n" for k in range(60)))
    result = run("personfit", "--bank", "bank.csv", "--responses", "R.csv", "--out", "F.csv", "--replicates", "0", "--thresholds", "H.csv")
    assert "160 effort below 0.9" in result.stdout
    assert {row["effort"] for row in table(folder / "F.csv")} == {"0.0"}
    (folder / "H.csv").write_text("item_id,seconds\nzz,3\ni1,3\ni1,-3\n")
    result = run("personfit", "--bank", "bank.csv", "--responses", "R.csv", "--out", "F2.csv", "--thresholds", "H.csv")
    assert result.exit_code == 2
    for fault in ("row 2, item_id: 'zz' is not an item", "row 4, item_id: 'i1' stands in an earlier row", "row 4, seconds: '-3'"):
        assert fault in result.stderr
    assert not (folder / "F2.csv").exists()


def test_wide_answers_without_times_do_and_few_times_are_left_out_with_a_word(folder: Path, bank: Bank, log: ResponseLog) -> None:
    matrix = log.matrix()
    head = ",".join(["person_id", *bank.ids])
    (folder / "W.csv").write_text(
        head + "\n" + "".join(f"p{k}," + ",".join("" if c < 0 else str(c) for c in row) + "\n" for k, row in enumerate(matrix[:30]))
    )
    (folder / "plain.csv").write_text(write_bank_csv(replace(bank, attributes=({},) * 60)))
    result = run("personfit", "--bank", "plain.csv", "--responses", "W.csv", "--out", "F.csv", "--replicates", "0")
    assert result.exit_code == 0, result.output
    assert {row["p_time"] + row["effort"] for row in table(folder / "F.csv")} == {""}
    (folder / "few.csv").write_text("person_id,item_id,category,rt_ms\na,i0,1,5000\na,i1,0,6000\nb,i0,1,7000\n")
    result = run("personfit", "--bank", "plain.csv", "--responses", "few.csv", "--out", "F.csv", "--replicates", "0")
    assert (result.exit_code, "response times are left out" in result.stderr) == (0, True)


def test_items_that_the_last_wave_knew_are_named(folder: Path) -> None:
    result = run(
        "security",
        "items",
        "--bank",
        "bank.csv",
        "--responses",
        "R.csv",
        "--people",
        "P.csv",
        "--out",
        "I.csv",
        "--windows",
        "V.csv",
        "--json",
    )
    assert result.exit_code == 0, result.output
    rows, known_items = json.loads(result.stdout), (folder / "S.txt").read_text().split()
    assert [row["item_id"] for row in rows] == [row["item_id"] for row in table(folder / "I.csv")]
    assert np.mean([rows.index(row) for row in rows if row["item_id"] in known_items]) < len(rows) / 3
    windows = table(folder / "V.csv")
    assert {row["window"] for row in windows} == {"W0", "W1", "W2", "W3"}

    def excess(wave: str) -> float:
        return float(
            np.mean([float(row["z"]) + float(row["time_z"]) for row in windows if row["window"] == wave and row["item_id"] in known_items])
        )

    assert excess("W3") > max(excess(f"W{k}") for k in range(3)) + 1
    quiet = run("security", "items", "--bank", "bank.csv", "--responses", "R.csv", "--no-times", "--out", "I.csv", "--level", "0.005")
    assert "items stands out at level 0.005" in quiet.stdout
    assert {row["time_ratio"] for row in table(folder / "I.csv")} == {""}


def test_people_who_knew_the_suspected_items_are_named(folder: Path) -> None:
    common = ("security", "preknowledge", "--bank", "bank.csv", "--responses", "R.csv", "--suspected", "S.txt")
    result = run(*common, "--out", "K.csv", "--json")
    assert result.exit_code == 0, result.output
    named = {row["person_id"] for row in json.loads(result.stdout)}
    assert named <= {f"p{k}" for k in range(N - 12, N)}
    assert len(named) >= 9
    rows = table(folder / "K.csv")
    assert len(rows) == N
    assert float(rows[-1]["speed_gain"]) > 0.5
    assert run(*common, "--no-times", "--out", "K.csv").exit_code == 0
    assert {row["z_times"] for row in table(folder / "K.csv")} == {""}


def test_a_pair_in_a_room_is_named_and_options_count_where_they_are_given(folder: Path, bank: Bank, log: ResponseLog) -> None:
    lines = [row.split(",") for row in (folder / "R.csv").read_text().splitlines()]
    copied = [["p0", *row[1:]] for row in lines if row[0] == "p2"]  # p0 and p2 sit in r0
    kept = [row for row in lines if row[0] != "p0"] + copied
    (folder / "R.csv").write_text("\n".join(",".join(row) for row in kept) + "\n")
    common = ("security", "pairs", "--bank", "bank.csv", "--responses", "R.csv", "--people", "P.csv", "--out", "Q.csv")
    result = run(*common, "--json")
    assert result.exit_code == 0, result.output
    (pair,) = json.loads(result.stdout)
    assert {pair["person_1"], pair["person_2"], pair["room"]} == {"p0", "p2", "W0 r0"}
    assert (pair["common"], pair["same"]) == (24, 24)
    out = run("security", "people", *common[2:], "--no-times", "--json")
    assert out.exit_code == 0, out.output
    assert {(row["person_id"], row["partner"]) for row in json.loads(out.stdout)} == {("p0", "p2"), ("p2", "p0")}
    everybody = table(folder / "Q.csv")
    assert len(everybody) == N
    assert {row["p_speed"] for row in everybody} == {""}
    assert run("security", "people", *common[2:]).exit_code == 0
    assert all(row["p_speed"] for row in table(folder / "Q.csv"))
    wrong = np.random.default_rng(7).choice(list("WXYZ"), len(kept))
    option = ["option", *("R" if row[2] == "1" else str(w) for row, w in zip(kept[1:], wrong, strict=False))]
    by_p2 = {row[1]: o for row, o in zip(kept, option, strict=True) if row[0] == "p2"}
    option = [by_p2[row[1]] if row[0] == "p0" else o for row, o in zip(kept, option, strict=True)]
    (folder / "R.csv").write_text("\n".join(",".join([*row, o]) for row, o in zip(kept, option, strict=True)) + "\n")
    (closer,) = json.loads(run(*common, "--json").stdout)
    assert closer["omega"] > pair["omega"]


BAD: list[tuple[tuple[str, ...], dict[str, str], str]] = [
    (("personfit", "--bank", "bank.csv", "--responses", "R.csv"), {"R.csv": "person_id,item_id,category\np,zz,1\n"}, "'zz' is not an item of the bank"),
    (("personfit", "--bank", "bank.csv", "--responses", "R.csv"), {"R.csv": "person_id,item_id,category\np,i0,4\n"}, "category 4 was answered"),
    (("personfit", "--responses", "R.csv"), {}, "name one bank"),
    (("personfit", "--bank", "bank.csv", "--responses", "none.csv"), {}, "cannot be read"),
    (("security", "items", "--bank", "bank.csv", "--responses", "R.csv", "--people", "P.csv"), {"P.csv": "person_id\np0\n"}, "159 of 160 people"),
    (("security", "items", "--bank", "bank.csv", "--responses", "R.csv", "--replicates", "9"), {}, "9 are too few for a level of 0.05 (at least 19)"),
    (("security", "pairs", "--bank", "bank.csv", "--responses", "R.csv", "--people", "P.csv"), {"P.csv": "person_id,wave\np0,1\n"}, "room: the column is missing"),
    (("security", "people", "--bank", "bank.csv", "--responses", "R.csv", "--people", "P.csv"), {"P.csv": "person_id,wave\np0,1\n"}, "room: the column is missing"),
    (("security", "preknowledge", "--bank", "bank.csv", "--responses", "R.csv", "--suspected", "S.txt"), {"S.txt": "zz\n"}, "zz: is not an item"),
    (
        ("security", "preknowledge", "--bank", "bank.csv", "--responses", "R.csv", "--suspected", "S.txt"),
        {"S.txt": "".join(f"i{k}\n" for k in range(60))},
        "do not hold both suspected and other items",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("words", "files", "fault"), BAD)
def test_bad_input_is_named_and_nothing_is_written(folder: Path, words: tuple[str, ...], files: dict[str, str], fault: str) -> None:
    for name, text in files.items():
        (folder / name).write_text(text)
    result = run(*words, "--out", "O.csv", "--json")
    assert result.exit_code == 2
    assert fault in " ".join(result.stderr.split())
    assert not (folder / "O.csv").exists()
    answer: dict[str, Any] = json.loads(result.stdout)
    assert answer["error"] == "faulty"


def test_times_of_a_bank_that_are_no_numbers_are_named(folder: Path, bank: Bank) -> None:
    columns = [dict(row) for row in bank.attributes]
    columns[3]["rt_alpha"] = "-1"
    columns[5]["rt_beta"] = "x"
    columns[7] = {}
    (folder / "bank.csv").write_text(write_bank_csv(replace(bank, attributes=tuple(columns))))
    result = run("personfit", "--bank", "bank.csv", "--responses", "R.csv", "--out", "F.csv")
    assert result.exit_code == 2
    assert [name for name in ("i3", "i5", "i7") if f"item {name}" in result.stderr] == ["i3", "i5"]
