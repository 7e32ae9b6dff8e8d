"""The reference numbers once more, by the commands on files of answers: what a user of `cact calibrate`, `fit`, `score`, `dif` and `personfit` gets."""

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.files import write_items_csv
from cat_engine import Row
from tests.calibration.mirt import MODELS, fit_of, rows_of
from tests.calibration.test_ability_bins import SORTED_BY_ROUNDING
from tests.calibration.test_commands_fit import run
from tests.calibration.test_fit import PERSON
from tests.calibration.test_golden import CASES, LOGNORMAL

Golden = Callable[[str], Any]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder in which commands run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(matrix: Any, ids: Sequence[str]) -> None:
    """R.csv of answers matrix[P, I], -1 where there is none."""
    lines = [f"p{k}," + ",".join("" if x < 0 else str(x) for x in row) for k, row in enumerate(matrix.tolist())]
    Path("R.csv").write_text("\n".join([",".join(["person_id", *ids]), *lines]) + "\n")


def matrix_of(data: Any) -> Any:
    out = np.full((int(data.person.max()) + 1, len(data.counts)), -1)
    out[data.person, data.item] = data.category
    return out


def banked(rows: Sequence[Row], ids: Sequence[str], bank: str | None = None, items: str | None = None) -> None:
    """Parameters as a bank of one competency and as a file of items."""
    lines = write_items_csv(dict(zip(ids, rows, strict=True))).splitlines()
    if bank:
        Path(bank).write_text("\n".join([f"{lines[0]},competency", *(f"{line},A" for line in lines[1:])]) + "\n")
    if items:
        Path(items).write_text("\n".join(lines) + "\n")


def ok(*words: str | Path) -> None:
    result = run(*words)
    assert result.exit_code == 0, result.output


def table(path: str) -> list[dict[str, str]]:
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def column(rows: Sequence[dict[str, str]], name: str) -> Any:
    return np.array([float(row[name]) if row[name] else np.nan for row in rows])


@pytest.mark.parametrize("name", CASES)
def test_calibrate_gives_the_fits_of_mirt(golden: Golden, answers: Callable[[str], Any], here: Path, name: str) -> None:
    wanted, (model, priors) = fit_of(name), CASES[name]
    data, ids = answers(name), [f"i{k}" for k in range(len(wanted["items"]))]
    written(matrix_of(data), ids)
    ok(
        "calibrate",
        "R.csv",
        "--model",
        "rasch" if name.endswith("Rasch") else model,
        "--priors",
        priors,
        "--min-n",
        "1",
        "--out",
        "P.csv",
        "--json",
        "F.json",
    )
    figures, items = json.loads(Path("F.json").read_text()), table("P.csv")
    assert figures["converged"]
    assert figures["loglik"] == pytest.approx(wanted["loglik"], abs=1.2e-3 if name == "sim3PL" else 1e-4)
    assert [figures["aic"], figures["bic"]] == pytest.approx([wanted["aic"], wanted["bic"]], abs=2.4e-3 if name == "sim3PL" else 2e-4)
    assert figures["latent"]["all"]["sd"] ** 2 == pytest.approx(wanted["variance"], abs=1e-3)
    near = 4e-3 if model == "nrm" else 1e-3
    theirs = list(wanted["items"].values())
    for row, item in zip(items, theirs, strict=True):
        assert [float(row[f"b{k + 1}"]) for k in range(len(item["b"]))] == pytest.approx(item["b"], abs=near)
        if "a" in item:
            assert float(row["a"]) == pytest.approx(item["a"], abs=1e-3)
        if "c" in item:
            assert float(row["c"]) == pytest.approx(item["c"], abs=1e-3)
        for k, slope in enumerate(item.get("slopes", [])):
            assert float(row[f"a{k + 1}"]) == pytest.approx(slope, abs=near)
        if name not in LOGNORMAL and item.get("se_a") is not None and model != "nrm":
            assert float(row["se_a"]) == pytest.approx(item["se_a"], rel=0.02)
            last = len(item["b"])
            assert float(row[f"se_b{last}"]) == pytest.approx(item["se_b"][-1], rel=0.02)


@pytest.mark.parametrize("name", MODELS)
def test_fit_and_score_give_the_statistics_of_mirt(golden: Golden, answers: Callable[[str], Any], here: Path, name: str) -> None:
    rows, data, model, sd = rows_of(name), answers(name), MODELS[name], repr(float(np.sqrt(fit_of(name)["variance"])))
    wanted, by_score = golden("mirt_residuals.json")["fits"][name], golden("mirt_item_fit.json")["fits"][name]
    ids = [f"i{k}" for k in range(len(rows))]
    written(matrix_of(data), ids)
    banked(rows, ids, "B.csv", "I.csv")
    files = "--out", "fit.csv", "--persons", "people.csv", "--pairs", "pairs.csv", *(["--model-fit", "M.json"] if "m2" in by_score else [])
    ok("fit", "R.csv", "--items", "I.csv", "--sd", sd, *files)
    items, people, pairs = table("fit.csv"), table("people.csv"), table("pairs.csv")
    for own in ("infit", "outfit", "z_infit", "z_outfit"):
        np.testing.assert_allclose(column(items, own), wanted[own], atol=1e-9)
    np.testing.assert_allclose(column(items, "s_x2"), by_score["statistic"], atol=1e-8)
    for mine, theirs in (("df", "df"), ("p_s_x2", "p"), ("rmsea", "rmsea")):
        np.testing.assert_allclose(column(items, mine), by_score[theirs], atol=1e-8)
    assert column(items, "df_x2").tolist() == wanted["df_x2"]
    if model not in SORTED_BY_ROUNDING:
        np.testing.assert_allclose(column(items, "x2"), wanted["x2"], rtol=1e-9)
    place = {(int(row["item"][1:]), int(row["other"][1:])): k for k, row in enumerate(pairs)}
    order = [place[j, i] for i in range(len(rows)) for j in range(i)]
    np.testing.assert_allclose(column(pairs, "q3")[order], wanted["q3"], atol=1e-9)
    np.testing.assert_allclose(column(pairs, "ld_x2")[order], by_score["ld"], atol=1e-8)
    who = np.array(wanted["rows"]) - 1
    for mine, theirs in (("theta", "eap"), ("se", "se_eap"), *((own, own) for own in PERSON)):
        np.testing.assert_allclose(column(people, mine)[who], wanted[theirs], atol=1e-9)
    if "m2" in by_score:
        figures, theirs = json.loads(Path("M.json").read_text()), by_score["m2"]
        assert figures["df"] == theirs["df"]
        assert figures["srmsr"] == pytest.approx(theirs["SRMSR"], abs=1e-9)
        if model not in ("3pl", "gpcm", "rsm"):  # see test_model_fit.py
            near = 1e-4 if model == "pcm" else 1e-7
            assert [figures["m2"], figures["rmsea"]] == pytest.approx([theirs["M2"], theirs["RMSEA"]], rel=near)
    written(matrix_of(data)[who], ids)
    for method in ("map", "mle", "wle"):
        jeffreys = model == "3pl" and method == "wle"
        words = ("--method", "map" if jeffreys else method, "--prior", "jeffreys" if jeffreys else f"normal:0,{sd}")
        ok("score", "--bank", "B.csv", "--responses", "R.csv", *words, "--out", "theta.csv")
        theirs = np.array([np.nan if v is None else v for v in wanted[method]])
        finite = np.abs(theirs) < 4
        np.testing.assert_allclose(column(table("theta.csv"), "theta")[finite], theirs[finite], atol=5e-5)


def test_calibrate_with_anchors_gives_the_fits_of_mirt(answers: Callable[[str], Any], here: Path) -> None:
    wanted, ids = fit_of("fipc"), list(fit_of("fipc")["items"])
    written(matrix_of(answers("fipc")), ids)
    held = {name: row for name, row in zip(ids, rows_of("fipc"), strict=True) if wanted["items"][name]["fixed"]}
    Path("A.csv").write_text(write_items_csv(held))
    for fipc, loglik, latent in (
        ("mwu-mem", wanted["loglik"], (wanted["mean"], wanted["variance"])),
        ("nwu-mem", wanted["fixed_density"]["loglik"], (0.0, 1.0)),
    ):
        words = ("calibrate", "R.csv", "--model", "2pl", "--anchors", "A.csv", "--fipc", fipc, "--priors", "none", "--tol", "1e-6")
        ok(*words, "--out", "P.csv", "--json", "F.json")
        figures, items = json.loads(Path("F.json").read_text()), table("P.csv")
        assert figures["loglik"] == pytest.approx(loglik, abs=1e-4)
        own = figures["latent"]["all"]
        assert [own["mean"], own["sd"] ** 2] == pytest.approx(latent, abs=1e-3)
        theirs = (
            wanted["fixed_density"]
            if fipc == "nwu-mem"
            else {k: [item[k] for item in wanted["items"].values()] for k in ("a", "b", "se_a", "se_b")}
        )
        new = np.array([name not in held for name in ids])
        np.testing.assert_allclose(column(items, "a"), theirs["a"], atol=1e-3)
        np.testing.assert_allclose(column(items, "b1"), theirs["b"], atol=1e-3)
        for se in ("se_a", "se_b"):
            mine = column(items, "se_a" if se == "se_a" else "se_b1")
            np.testing.assert_allclose(mine[new], np.array(theirs[se], dtype=float)[new], rtol=0.02)
            assert np.isnan(mine[~new]).all()


def test_dif_and_calibrate_of_groups_give_the_numbers_of_difr_and_mirt(golden: Golden, shared: Path, here: Path) -> None:
    with (shared / "golden" / "f_dif.csv").open(newline="") as file:
        lines = list(csv.reader(file))[1:]
    ids = [f"i{k}" for k in range(24)]
    written(np.array([[int(cell) for cell in line[1:]] for line in lines]), ids)
    # The reference group of mirt comes first in the order of appearance.
    order = sorted(range(len(lines)), key=lambda k: lines[k][0] == "M")
    answered = Path("R.csv").read_text().splitlines()
    Path("R.csv").write_text("\n".join([answered[0], *(answered[1 + k] for k in order)]) + "\n")
    Path("G.csv").write_text("person_id,group\n" + "".join(f"p{k},{lines[k][0]}\n" for k in order))

    wanted, ratios, groups = golden("mirt_difr_dif.json"), golden("mirt_difr_likelihood.json"), golden("mirt_groups.json")
    ok("dif", "R.csv", "--groups", "G.csv", "--focal", "M", "--min-n", "2", "--out", "D.csv")
    found = table("D.csv")
    for mine, theirs in (("chi2_mh", "statistic"), ("alpha", "alpha")):
        np.testing.assert_allclose(column(found, mine), wanted["mh"][theirs], atol=1e-9)
    np.testing.assert_allclose(column(found, "delta"), -2.35 * np.log(wanted["mh"]["alpha"]), atol=1e-9)
    np.testing.assert_allclose(column(found, "difference"), wanted["difference"], atol=1e-9)
    for mine, theirs in (("chi2_both", "both"), ("chi2_uniform", "uniform"), ("chi2_nonuniform", "nonuniform"), ("delta_r2", "delta_r2")):
        np.testing.assert_allclose(column(found, mine), wanted["logistic"][theirs], atol=1e-6)
    ok("dif", "R.csv", "--groups", "G.csv", "--focal", "M", "--min-n", "2", "--purify", "--out", "D.csv")
    found = table("D.csv")
    np.testing.assert_allclose(column(found, "chi2_mh"), ratios["mh_purified"]["statistic"], atol=1e-9)
    np.testing.assert_allclose(column(found, "chi2_both"), ratios["logistic_purified"]["statistic"], atol=1e-6)
    assert [k + 1 for k, row in enumerate(found) if row["anchor"] == "False"] == ratios["mh_purified"]["flagged"]
    ok("dif", "R.csv", "--groups", "G.csv", "--focal", "M", "--min-n", "2", "--method", "likelihood", "--out", "D.csv")
    found = table("D.csv")[:12]
    np.testing.assert_allclose(column(found, "chi2"), ratios["both"]["statistic"], atol=1e-2)
    np.testing.assert_allclose(column(found, "chi2_uniform"), ratios["uniform"]["statistic"], atol=1e-2)
    np.testing.assert_allclose(column(found, "p"), ratios["both"]["p"], atol=1e-3)
    np.testing.assert_allclose(column(found, "p_uniform"), ratios["uniform"]["p"], atol=1e-3)
    assert [int(row["df"]) for row in found] == ratios["both"]["df"]

    ok(
        "calibrate",
        "R.csv",
        "--model",
        "2pl",
        "--groups",
        "G.csv",
        "--priors",
        "none",
        "--tol",
        "1e-6",
        "--out",
        "P.csv",
        "--json",
        "F.json",
    )
    figures = json.loads(Path("F.json").read_text())
    assert figures["loglik"] == pytest.approx(groups["loglik"], abs=1e-4)
    assert [figures["latent"]["M"]["mean"], figures["latent"]["M"]["sd"] ** 2] == pytest.approx(
        [groups["mean"], groups["variance"]], abs=1e-3
    )
    assert [figures["latent"]["F"]["mean"], figures["latent"]["F"]["sd"]] == [0.0, 1.0]


@pytest.mark.parametrize("model", ["3pl", "grm"])
def test_fit_and_personfit_give_lz_of_mirt(golden: Golden, here: Path, model: str) -> None:
    wanted = golden("mirt_residuals.json")["lz"][model]
    rows = [
        Row("3pl", own[0], [-own[1] / own[0]], own[2]) if model == "3pl" else Row("grm", own[0], [-d / own[0] for d in own[1:]])
        for own in wanted["items"]
    ]
    ids = [f"i{k}" for k in range(len(rows))]
    written(np.array([[int(c) for c in line] for line in wanted["answers"]]), ids)
    banked(rows, ids, "B.csv", "I.csv")
    ok("fit", "R.csv", "--items", "I.csv", "--known", "--persons", "people.csv")
    people = table("people.csv")
    np.testing.assert_allclose(column(people, "theta"), wanted["EAP"], atol=1e-9)
    np.testing.assert_allclose(column(people, "lz"), wanted["lz_EAP"], atol=1e-9)
    wle = golden("mirt_lz_wle.json")[model]
    np.testing.assert_allclose(column(people, "se"), wle["EAP_se"], atol=1e-9)
    ok("score", "--bank", "B.csv", "--responses", "R.csv", "--method", "map", "--prior", "jeffreys", "--out", "theta.csv")
    np.testing.assert_allclose(column(table("theta.csv"), "theta"), wle["WLE"], atol=2e-5)
    ok("personfit", "--bank", "B.csv", "--responses", "R.csv", "--replicates", "0", "--out", "fit.csv")
    np.testing.assert_allclose(column(table("fit.csv"), "lz"), wanted["lz_EAP"], atol=2e-7)  # at abilities on 61 nodes; mirt has 121
    if model == "grm":  # of the 3PL mirt's WLE is another estimate (test_scores.py)
        ok("personfit", "--bank", "B.csv", "--responses", "R.csv", "--method", "wle", "--replicates", "0", "--out", "fit.csv")
        np.testing.assert_allclose(column(table("fit.csv"), "theta"), wle["WLE"], atol=2e-5)
        np.testing.assert_allclose(column(table("fit.csv"), "lz"), wle["lz_WLE"], atol=2e-5)
