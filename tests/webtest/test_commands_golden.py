"""The engine's commands give catR 3.17's numbers: the bank as a parameter CSV in catR's own metric, answers as files, as docs/commands.md has it.

A selection: the engine itself is held to all numbers in tests/cat_engine/test_golden_*.py, which say where catR is wrong.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine import ItemParams
from itembank.bank import Bank
from itembank.exchange import write_bank_csv
from tests.calibration.conftest import read_golden
from tests.cat_engine.catr import Values, answers_of, row
from tests.webtest.small import run, table

ON_CATRS_GRID = "--grid=-4,4,33"
SCORES = {
    "ML": ("--method", "mle"),
    "WL": ("--method", "wle"),
    "BM": ("--method", "map"),
    "BM_n05_15": ("--method", "map", "--prior", "normal:0.5,1.5"),
    "BM_Jeffreys": ("--method", "map", "--prior", "jeffreys"),
    "EAP": (),
    "EAP_n05_15_q61": ("--prior", "normal:0.5,1.5", "--grid=-6,6,61"),
    "EAP_unif44": ("--prior", "uniform:-4,4"),
    "EAP_Jeffreys": ("--prior", "jeffreys"),
}
CRITERIA = {
    "MFI": "mfi", "bOpt": "urry", "thOpt": "thopt", "MLWI": "mlwi", "MPWI": "mpwi", "KL": "kl", "KLP": "klp", "GDI": "gdi", "GDIP": "gdip",
    "MEPV": "mepv:predictive=false", "MEI_EAP_observed": "mei", "MEI_EAP_Fisher": "mei:info=fisher", "MEI_BM_Fisher": "mei:info=fisher",
}  # fmt: skip


def write_bank(file: Path, model: str, items: Sequence[Values]) -> tuple[str, ...]:
    n = len(items)
    ids = tuple(f"I{i + 1}" for i in range(n))
    params = ItemParams.from_rows([row(model, values) for values in items])
    file.write_text(write_bank_csv(Bank(ids, params, ("A",), ("active",) * n, ("provisional",) * n, (None,) * n, ({},) * n)))
    return ids


def write_rows(file: Path, *rows: Sequence[object]) -> None:
    with file.open("w", newline="") as out:
        csv.writer(out).writerows(rows)


def done(*words: str | Path) -> None:
    result = run(*words)
    assert result.exit_code == 0, result.output


def case_of(name: str, model: str, scaling: float = 1.0) -> dict[str, Any]:
    return next(case for case in read_golden(name)["cases"] if case["model"] == model and case.get("D", 1) == scaling)


@pytest.mark.parametrize("model", ["1PL", "2PL", "3PL", "4PL", "GRM", "MGRM", "GPCM", "PCM", "RSM", "NRM"])
def test_probabilities_and_information_on_another_metric(tmp_path: Path, model: str) -> None:
    case = case_of("catr_models.json", model, 1.702)
    ids, points = write_bank(tmp_path / "bank.csv", model, case["items"]), case["points"]
    theta = "--theta=" + ",".join(str(point["theta"]) for point in points)
    done("information", "--bank", tmp_path / "bank.csv", theta, "--D", "1.702", "--out", tmp_path / "i.csv")
    found = table(tmp_path / "i.csv")
    assert [(r["item_id"], float(r["theta"])) for r in found] == [(i, point["theta"]) for i in ids for point in points]
    for k, line in enumerate(found):
        point, i = points[k % len(points)], k // len(points)
        p = point["P"][i] if isinstance(point["P"][i], list) else [1 - point["P"][i], point["P"][i]]
        assert [float(line[f"p{c}"]) for c in range(len(p)) if p[c] is not None] == pytest.approx([x for x in p if x is not None], rel=1e-9)
        column = "info" if "info" in point else "info_numeric"
        assert float(line["info"]) == pytest.approx(point[column][i], rel=1e-7)


@pytest.mark.parametrize(("model", "scaling"), [("3PL", 1.702), ("4PL", 1), ("PCM", 1), ("NRM", 1)])
def test_abilities_by_every_method_and_prior(tmp_path: Path, model: str, scaling: float) -> None:
    case = case_of("catr_theta.json", model, scaling)
    patterns = case["patterns"][::7] if scaling == 1 else case["patterns"]
    ids = write_bank(tmp_path / "bank.csv", model, case["items"])
    people = ((p["tag"], *(x.replace(".", "") for x in p["x"])) for p in patterns)
    write_rows(tmp_path / "r.csv", ("person_id", *ids), *people)
    for name, words in SCORES.items():
        files = ("--bank", tmp_path / "bank.csv", "--responses", tmp_path / "r.csv", "--out", tmp_path / "s.csv")
        done("score", *files, ON_CATRS_GRID, "--D", str(scaling), *words)
        for line, pattern in zip(table(tmp_path / "s.csv"), patterns, strict=True):
            theta, se, *_ = pattern[name]
            close = (1e-12, 1e-12) if name.startswith("EAP") else (1e-9, 5e-5)
            assert line["person_id"] == pattern["tag"]
            assert int(line["n"]) == len(answers_of(pattern["x"])[0])
            assert float(line["theta"]) == pytest.approx(theta, abs=close[0]), f"{name} of {pattern['tag']}"
            assert se is None or float(line["se"]) == pytest.approx(se, abs=close[1]), f"{name} of {pattern['tag']}"


@pytest.mark.parametrize("model", ["3PL", "GRM", "NRM"])
def test_criteria_of_every_item_and_the_one_chosen(tmp_path: Path, model: str) -> None:
    case = case_of("catr_nextitem.json", model)
    situation = next(s for s in case["states"] if len(s["x"]) == 3)
    write_bank(tmp_path / "bank.csv", model, case["items"])
    given = zip(situation["administered"], situation["x"], strict=True)
    write_rows(tmp_path / "a.csv", ("item_id", "category"), *((f"I{i}", x) for i, x in given))
    for name, criterion in CRITERIA.items():
        if name not in situation["values"]:
            continue
        more = ("--method", "map", f"--theta={situation['theta']!r}") if "BM" in name else ()
        files = ("--bank", tmp_path / "bank.csv", "--administered", tmp_path / "a.csv", "--out", tmp_path / "c.csv")
        done("next", *files, "--criterion", criterion, ON_CATRS_GRID, *more)
        lines = table(tmp_path / "c.csv")
        found = [float(line["criterion"]) for line in lines if line["eligible"] == "1"]
        assert found == pytest.approx(situation["values"][name], rel=1e-4 if "BM" in name else 1e-10), name
        chosen = situation["chosen"][list(situation["values"]).index(name)]
        assert [line["item_id"] for line in lines if line["chosen"] == "1"] == [f"I{chosen}"], name


FIXED_STEPS = """
name = "steps"
[interim]
name = "mle"
step = 0.4
[select]
name = "urry"
[start]
name = "thetas"
thetas = [0.0]
criterion = "urry"
[[sections]]
code = "s"
competencies = ["A"]
min_items = 20
max_items = 20
time_budget_min = 60
"""
BY_PRECISION = """
name = "precision"
[stop]
se = 0.25
[[sections]]
code = "s"
competencies = ["A"]
min_items = 1
max_items = 30
time_budget_min = 60
"""


@pytest.mark.parametrize(
    ("name", "plan", "close"),
    [("1PL bOpt ML constantPatt fixed4 length 20", FIXED_STEPS, 1e-4), ("GRM MFI EAP SE<=0.25 or 30", BY_PRECISION, 1e-12)],
)
def test_whole_tests_on_answers_that_are_given(tmp_path: Path, name: str, plan: str, close: float) -> None:
    case = next(case for case in read_golden("catr_runs.json")["runs"] if case["name"] == name)
    ids = write_bank(tmp_path / "bank.csv", case["model"], case["items"])
    answers = [["0"] * len(ids) for _ in case["examinees"]]
    for line, examinee in zip(answers, case["examinees"], strict=True):
        for item, x in zip(examinee["items"], examinee["x"], strict=True):
            line[item - 1] = x
    write_rows(tmp_path / "r.csv", ("person_id", *ids), *((f"P{n}", *line) for n, line in enumerate(answers)))
    (tmp_path / "plan.toml").write_text(plan)
    files = (
        "--bank",
        tmp_path / "bank.csv",
        "--plan",
        tmp_path / "plan.toml",
        "--responses",
        tmp_path / "r.csv",
        "--out",
        tmp_path / "out",
    )
    done("simulate", *files, ON_CATRS_GRID)
    steps = table(tmp_path / "out" / "steps.csv")
    expected = [(f"P{n}", f"I{item}") for n, examinee in enumerate(case["examinees"]) for item in examinee["items"]]
    assert [(step["person_id"], step["item_id"]) for step in steps] == expected
    theta = np.concatenate([examinee["theta"] for examinee in case["examinees"]])
    np.testing.assert_allclose([float(step["theta"]) for step in steps], theta, atol=close, rtol=0)


@pytest.mark.parametrize(
    ("words", "fault"),
    [
        (("--criterion", "mepv:predictive=perhaps"), "true or false"),
        (("--criterion", "mepv:"), ""),
        (("--criterion", "mepv:predictive"), "--criterion"),
        (("--criterion", "mepv:sure=true"), "known: predictive"),
        (("--criterion", "c_rule:weights={A=2}"), ""),
        (("--method", "mle:low=3,high=-3"), "low below high"),
        (("--method", "mle:low=x=3"), "--method"),
        (("--D", "0"), "--D"),
    ],
)
def test_options_of_a_rule_and_of_an_estimator_are_read_and_faults_named(tmp_path: Path, words: tuple[str, str], fault: str) -> None:
    write_bank(tmp_path / "bank.csv", "2PL", [[1.0, 0.0, 0, 1], [1.2, 0.5, 0, 1]])
    write_rows(tmp_path / "a.csv", ("item_id", "category"), ("I1", 1))
    result = run("next", "--bank", tmp_path / "bank.csv", "--administered", tmp_path / "a.csv", "--out", tmp_path / "c.csv", *words)
    assert result.exit_code == (2 if fault else 0), result.output
    assert fault in result.stderr
    assert (tmp_path / "c.csv").exists() is not bool(fault)
