"""`cact calibrate` and `cact link` as a user runs them: on files, and on the closed waves of an installation."""

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from sqlmodel import Session as SqlSession

from calibration.files import read_items_csv, write_items_csv
from calibration.linking import transform
from cat_engine import ItemParams, Row, probabilities
from itembank.exchange import write_bank_csv
from itembank.store import load_bank
from tests.conftest import Place
from tests.webtest.conftest import simulated_once
from webtest.cli import main
from webtest.events import Kind
from webtest.founding import invented_roster
from webtest.services.waves import NewWave

T0 = 1_790_000_000_000
MINUTE = 60_000
PLAN = """
name = "Satu kompetensi"
[[sections]]
code = "k"
title = "k"
competencies = ["M.01"]
min_items = 10
max_items = 10
time_budget_min = 60
"""


def run(*words: str | Path) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def ok(*words: str | Path) -> str:
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result.stdout


def refused(*words: str | Path) -> str:
    result = run(*words)
    assert result.exit_code == 2, result.output
    return result.stderr


@pytest.fixture
def answered(draw: Callable[..., Any], tmp_path: Path) -> Path:
    """A folder with R.csv: 600 people, 8 good 2PL items, one that all solve, one that nobody saw, one with three answers."""
    rows = [Row("2pl", 1.3, [float(b)]) for b in np.linspace(-1, 1, 8)]
    data = draw(rows, np.random.default_rng(201).normal(size=600), 202)
    matrix = np.full((600, 8), -1)
    matrix[data.person, data.item] = data.category
    lines = [["person_id", *(f"i{k}" for k in range(8)), "solved", "unseen", "three"]]
    lines += [[f"p{p}", *map(str, own), "1", "", "1" if p < 3 else ""] for p, own in enumerate(matrix)]
    (tmp_path / "R.csv").write_text("\n".join(",".join(line) for line in lines) + "\n")
    return tmp_path


def table(path: Path) -> dict[str, dict[str, str]]:
    return {row["item_id"]: row for row in csv.DictReader(io.StringIO(path.read_text()))}


def test_a_file_gives_estimates_figures_and_a_report(answered: Path) -> None:
    said = ok(
        "calibrate", answered / "R.csv", "--model", "2pl", "--tol", "1e-6", "--out", answered / "P.csv", "--json", answered / "F.json",
        "--report", answered / "H.html",
    )  # fmt: skip
    assert "8 of 11 items without a flag" in said
    items = table(answered / "P.csv")
    assert list(items["i0"]) == ["item_id", "model", "a", "b1", "c", "d", "se_a", "se_b1", "se_c", "n", "flag"]
    for k, b in enumerate(np.linspace(-1, 1, 8)):
        row = items[f"i{k}"]
        assert float(row["b1"]) == pytest.approx(b, abs=4 * float(row["se_b1"]))
        assert (row["n"], row["flag"], row["c"]) == ("600", "", "")
    for name, flag, n in (("solved", "one_category", "600"), ("unseen", "no_answers", "0"), ("three", "few", "3")):
        assert items[name]["flag"] == flag
        assert items[name]["n"] == n
        assert not any(items[name][column] for column in ("a", "b1", "se_a", "se_b1"))
        assert f"{name}: {flag} (n = {n})" in said
    figures = json.loads((answered / "F.json").read_text())
    assert figures["converged"] is True
    assert figures["latent"] == {"all": {"mean": 0.0, "sd": 1.0, "se_mean": None, "se_sd": None}}
    assert figures["aic"] == pytest.approx(-2 * figures["loglik"] + 2 * 16)
    assert figures["bic"] == pytest.approx(-2 * figures["loglik"] + 16 * np.log(600))
    assert figures["peak_mb"] > 10
    assert figures["items"]["unseen"] == ["no_answers"]
    assert "<svg" in (answered / "H.html").read_text()


def test_anchors_groups_and_a_model_file_are_taken(answered: Path) -> None:
    anchors = {f"i{k}": Row("2pl", 1.3, [float(np.linspace(-1, 1, 8)[k])]) for k in range(4)}
    (answered / "B.csv").write_text(write_items_csv(anchors))
    (answered / "M.csv").write_text("item_id,model\ni6,3pl\ni7,1pl\n")
    (answered / "G.csv").write_text("person_id,group\n" + "".join(f"p{p},{'AB'[p % 2]}\n" for p in range(600)))
    ok("calibrate", answered / "R.csv", "--anchors", answered / "B.csv", "--fipc", "mwu-mem", "--groups", answered / "G.csv", "--model-file",
       answered / "M.csv", "--priors", "a=lognormal:0,.5,c=beta:5,17", "--se", "xpd", "--out", answered / "P.csv", "--json", answered / "F.json")  # fmt: skip
    items = table(answered / "P.csv")
    assert (items["i0"]["a"], items["i0"]["flag"], items["i0"]["se_a"]) == ("1.3", "anchor", "")
    assert items["i6"]["model"] == "3pl"
    assert 0 < float(items["i6"]["c"]) < 0.5
    assert items["i7"]["model"] == "1pl"
    latent = json.loads((answered / "F.json").read_text())["latent"]
    assert set(latent) == {"A", "B"}
    for group in latent.values():
        assert group["mean"] == pytest.approx(0, abs=0.25)
        assert group["se_mean"] > 0


def test_where_every_item_is_an_anchor_nothing_is_left_to_estimate(answered: Path) -> None:
    (answered / "B.csv").write_text(write_items_csv({f"i{k}": Row("2pl", 1.3, [0.0]) for k in range(8)}))
    rows = [line.split(",")[:9] for line in (answered / "R.csv").read_text().splitlines()]  # without the items of which something is wrong
    (answered / "R.csv").write_text("\n".join(map(",".join, rows)) + "\n")
    said = ok("calibrate", answered / "R.csv", "--anchors", answered / "B.csv", "--out", answered / "P.csv")
    assert "Nothing was left to estimate: every item is an anchor." in said
    assert {row["flag"] for row in table(answered / "P.csv").values()} == {"anchor"}


def test_graded_answers_and_a_rating_scale(draw: Callable[..., Any], tmp_path: Path) -> None:
    rows = [Row("pcm", 1.0, [b - 0.5, b + 0.5]) for b in (-0.6, 0.0, 0.6)]
    data = draw(rows, np.random.default_rng(211).normal(size=900), 212)
    lines = [f"p{p},i{i},{c}" for p, i, c in zip(data.person, data.item, data.category, strict=True)]
    (tmp_path / "R.csv").write_text("\n".join(["person_id,item_id,category", *lines]) + "\n")
    for model, kept in (("grm", "grm"), ("gpcm", "gpcm"), ("pcm", "pcm"), ("rsm", "rsm"), ("mgrm", "mgrm"), ("rasch", "pcm")):
        ok("calibrate", tmp_path / "R.csv", "--model", model, "--priors", "none", "--out", tmp_path / f"{model}.csv")
        assert {row["model"] for row in table(tmp_path / f"{model}.csv").values()} == {kept}
    steps = [float(row["b2"]) - float(row["b1"]) for row in table(tmp_path / "rsm.csv").values()]
    assert steps == pytest.approx([steps[0]] * 3, abs=1e-9)
    assert "category 2 was answered, model 2pl has 0 to 1 (give it another model in a model file)" in refused(
        "calibrate", tmp_path / "R.csv", "--out", tmp_path / "no.csv"
    )
    assert not (tmp_path / "no.csv").exists()


def test_nominal_items_are_written_with_slopes_and_their_errors_and_can_be_anchors(draw: Callable[..., Any], tmp_path: Path) -> None:
    rows = [Row("nrm", 1.0, [0.4 - 0.2 * k, 0.1], slopes=[1.6, 0.6]) for k in range(5)]
    data = draw([*rows, Row("2pl", 1.2, [0.2])], np.random.default_rng(213).normal(size=900), 214)
    lines = [f"p{p},i{i},{c}" for p, i, c in zip(data.person, data.item, data.category, strict=True)]
    (tmp_path / "R.csv").write_text("\n".join(["person_id,item_id,category", *lines]) + "\n")
    (tmp_path / "M.csv").write_text("item_id,model\ni5,2pl\n")
    ok("calibrate", tmp_path / "R.csv", "--model", "nrm", "--model-file", tmp_path / "M.csv", "--priors", "none", "--out", tmp_path / "P.csv",
       "--report", tmp_path / "H.html")  # fmt: skip
    found = table(tmp_path / "P.csv")
    assert (tmp_path / "P.csv").read_text().splitlines()[0] == ("item_id,model,a,a1,a2,b1,b2,c,d,se_a,se_a1,se_a2,se_b1,se_b2,se_c,n,flag")
    assert [found["i5"][name] for name in ("a1", "b2", "se_a1", "se_b2")] == [""] * 4
    assert float(found["i5"]["se_a"]) > 0
    for k in range(5):
        own = found[f"i{k}"]
        assert (own["model"], own["a"], own["se_a"]) == ("nrm", "", "")
        for name, true in (("a1", 1.6), ("a2", 0.6), ("b1", 0.4 - 0.2 * k), ("b2", 0.1)):
            assert abs(float(own[name]) - true) < 4 * float(own[f"se_{name}"])
    assert "skor" in (tmp_path / "H.html").read_text()
    parameters = read_items_csv((tmp_path / "P.csv").read_text())
    (tmp_path / "A.csv").write_text(write_items_csv({name: parameters[name] for name in ("i0", "i1", "i2")}))
    ok("calibrate", tmp_path / "R.csv", "--model", "nrm", "--model-file", tmp_path / "M.csv", "--anchors", tmp_path / "A.csv", "--out",
       tmp_path / "Q.csv")  # fmt: skip
    assert {name: row["a2"] for name, row in table(tmp_path / "Q.csv").items() if row["flag"] == "anchor"} == {
        name: found[name]["a2"] for name in ("i0", "i1", "i2")
    }
    fitted = ok("fit", tmp_path / "R.csv", "--items", tmp_path / "P.csv", "--json")
    assert {row["item"] for row in json.loads(fitted)} == set(found)


def test_a_file_in_which_nothing_can_be_estimated_gives_flags_only(tmp_path: Path) -> None:
    (tmp_path / "R.csv").write_text("person_id,a,b\np1,0,1\np2,1,1\n")
    said = ok("calibrate", tmp_path / "R.csv", "--out", tmp_path / "P.csv", "--json", tmp_path / "F.json", "--report", tmp_path / "H.html")
    assert "No item could be estimated" in said
    assert [row["flag"] for row in table(tmp_path / "P.csv").values()] == ["few", "few"]
    assert json.loads((tmp_path / "F.json").read_text())["loglik"] is None
    assert "Jawaban terlalu sedikit" in (tmp_path / "H.html").read_text()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--model", "2pl"], "--out: is missing"),
        (["--out", "P.csv", "--waves", "G1"], "--waves: does not go with a file of answers"),
        (["--out", "P.csv", "--publish", "--girth"], "2 faults"),
        (["--out", "P.csv", "--anchored"], "--anchored: does not go with a file of answers"),
        (["--out", "no/P.csv"], "the folder"),
        (["--out", "P.csv", "--priors", "a=gamma:1,2"], "priors, a: 'gamma' is not a family"),
        (["--out", "P.csv", "--anchors", "missing.csv"], "cannot be read"),
        (["--out", "P.csv", "--anchors", "foreign.csv"], "anchors, zz: is not an item of the answers"),
        (["--out", "P.csv", "--anchors", "broken.csv"], "broken.csv, row 2, a: 'x' is not a finite number"),
        (["--out", "P.csv", "--model-file", "models.csv"], "models.csv, row 2, model: '9pl' is not known"),
        (["--out", "P.csv", "--groups", "groups.csv"], "599 of 600 people with answers have no group"),
        (["--out", "P.csv", "--groups", "nine.csv"], "--groups, B: has fewer than 10 people, too few for a mean and sd"),
    ],
)
def test_what_cannot_be_is_refused_with_exit_code_2_and_nothing_is_written(
    answered: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(answered)
    (answered / "foreign.csv").write_text("item_id,model,a,b1\nzz,2pl,1,0\n")
    (answered / "broken.csv").write_text("item_id,model,a,b1\ni0,2pl,x,0\n")
    (answered / "models.csv").write_text("item_id,model\ni0,9pl\n")
    (answered / "groups.csv").write_text("person_id,group\np0,A\n")
    (answered / "nine.csv").write_text("person_id,group\n" + "".join(f"p{k},{'A' if k < 591 else 'B'}\n" for k in range(600)))
    before = sorted(path.name for path in answered.iterdir())
    assert message in refused("calibrate", "R.csv", *words)
    assert sorted(path.name for path in answered.iterdir()) == before


def test_a_file_of_answers_that_is_no_text_is_named_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("R.csv").write_bytes("person_id,i0\nÉ,1\n".encode("latin-1"))
    assert "\nR.csv: is not UTF-8 text" in refused("calibrate", "R.csv", "--out", "P.csv")


def test_link_moves_parameters_and_says_the_constants(tmp_path: Path) -> None:
    old = {f"i{k}": Row("2pl", 1.0 + 0.1 * k, [0.4 * k - 1]) for k in range(6)}
    new = {item_id: transform(row, 1 / 1.2, -0.5 / 1.2) for item_id, row in old.items()} | {"fresh": Row("grm", 1.1, [-0.5, 0.5])}
    (tmp_path / "O.csv").write_text(write_items_csv(old))
    (tmp_path / "N.csv").write_text(write_items_csv(new))
    (tmp_path / "C.txt").write_text("i1\ni3\ni5\n")
    common = ("--new", tmp_path / "N.csv", "--old", tmp_path / "O.csv")
    for method in ("sl", "haebara", "ms", "mm"):
        figures = json.loads(ok("link", *common, "--method", method, "--common", tmp_path / "C.txt", "--out", tmp_path / "L.csv", "--json"))
        assert [figures["A"], figures["B"]] == pytest.approx([1.2, 0.5], abs=1e-6)
        assert (figures["common"], figures["moved"]) == (3, 7)
    moved = read_items_csv((tmp_path / "L.csv").read_text())
    assert moved["i0"].b == pytest.approx(old["i0"].b, abs=1e-6)
    assert moved["fresh"].b == pytest.approx([-0.1, 1.1], abs=1e-6)
    assert "A = 1.200000, B = 0.500000 (sl, 6 common items)" in ok("link", *common)
    new["i2"] = new["i2"]._replace(b=[new["i2"].b[0] + 1.5])
    (tmp_path / "N.csv").write_text(write_items_csv(new))
    assert list(json.loads(ok("link", *common, "--json"))["drift"]) == ["i2"]
    assert "i2 may have drifted" in ok("link", *common)
    purified = json.loads(ok("link", *common, "--purify", "--json"))
    assert [purified["A"], purified["B"]] == pytest.approx([1.2, 0.5], abs=1e-6)
    assert (purified["common"], purified["used"], list(purified["drift"])) == (6, 5, ["i2"])
    assert "(sl, 6 common items, 1 left out)" in ok("link", *common, "--purify")
    (tmp_path / "C.txt").write_text("i1\nzz\n")
    assert "zz: is a common item and is missing" in refused("link", *common, "--common", tmp_path / "C.txt")
    assert json.loads(ok("link", *common, "--common", "i1, i3,i5", "--json"))["common"] == 3
    assert "zz: is a common item and is missing" in refused("link", *common, "--common", "i1,zz")
    for neither in (tmp_path / "D.txt", ",", "x" * 300):
        assert "--common: is neither a file nor ids of items" in refused("link", *common, "--common", neither)


def sit_a_wave(place: Place, n: int) -> str:
    """A closed wave in which people of ability N(0, 1) have answered by the sample bank's own parameters."""
    house = place.open()
    rng = np.random.default_rng(5)
    with SqlSession(house.engine) as sql:
        bank = load_bank(sql, None)
    wave = house.waves.create(NewWave("Uji", "Kota", "Aula", "2026-11-24"), invented_roster(n), PLAN, actor="t", now=T0, seed=3)
    house.waves.open(wave, actor="t", now=T0, simulated=simulated_once)
    ids = [line.attempt for line in house.monitor.board(wave, T0, fresh=True).lines]
    cards = house.waves.issue_pins(wave, ids, actor="t", now=T0)
    takers = []
    for card in cards:
        attempt, _ = house.taking.login(card.nip, card.pin, card.nip, T0)
        for kind in (Kind.IDENTITY_CONFIRMED, Kind.RULES_ACCEPTED, Kind.PRACTISED):
            house.taking.step(attempt, wave, card.nip, kind, T0)
        takers.append((attempt, card.nip))
    house.waves.start(wave, ids, actor="t", now=T0 + MINUTE)
    for attempt, device in takers:
        theta, now = rng.normal(), T0 + MINUTE
        screen = house.taking.begin(attempt, wave, device, now)
        while screen.content is not None:
            row = bank.row(bank.index[screen.content.item_id])._replace(scale=0)
            p = probabilities(ItemParams.from_rows([row]), theta)[0, 0]
            chosen = screen.content.categories.index(int(rng.choice(len(p), p=p / p.sum())))
            now += 5_000
            screen = house.taking.answer(attempt, wave, device, screen.seq, chosen, 900, f"k{screen.seq}", now)
    house.waves.close(wave, actor="t", now=T0 + 90 * MINUTE)
    house.close()
    return wave


def write_bank(lite: Place, folder: Path) -> Path:
    house = lite.open()
    with SqlSession(house.engine) as sql:
        (folder / "truth.csv").write_text(write_bank_csv(load_bank(sql, 1)))
    house.close()
    return folder / "truth.csv"


def test_closed_waves_become_a_draft_that_is_published_on_request(lite: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", lite.url)
    where = ("calibrate", "--data", lite.folder)
    assert "no answers" in refused(*where)
    wave = sit_a_wave(lite, 50)
    assert "--waves, nope: is no wave of this installation" in refused(*where, "--waves", "nope")
    assert "--model: does not go with closed waves" in refused(*where, "--model", "grm")
    demands = ("--min-n", "20", "--max-se", "3")
    said = ok(
        *where, *demands, "--waves", wave, "--report", tmp_path / "L.html", "--out", tmp_path / "L.csv", "--json", tmp_path / "L.json"
    )
    proposed = {row["item_id"]: row for row in csv.DictReader(io.StringIO((tmp_path / "L.csv").read_text()))}
    told = {item["item_id"]: item for item in json.loads((tmp_path / "L.json").read_text())["items"]}
    assert proposed.keys() == told.keys()
    assert {row["verdict"] for row in proposed.values()} >= {"adopt", "keep"}
    assert all(row["why"] and row["old_a"] for row in proposed.values())
    assert all(bool(row["b1"]) == bool(row["se_b1"]) == (told[name]["new"] is not None) for name, row in proposed.items())
    assert "500 answers of 1 waves on bank version 1" in said
    assert "Version 2 is a draft; 'cact bank publish 2' publishes it." in said
    assert "no_answers" in said
    report = (tmp_path / "L.html").read_text()
    assert "Bank contoh, belum terkalibrasi" in report
    twice = ok(*where, *demands, "--waves", f"{wave},{wave}", "--report", tmp_path / "E.html", "--language", "en")
    assert "500 answers of 1 waves" in twice
    assert "Sample bank, not yet calibrated" in (tmp_path / "E.html").read_text()
    house = lite.open()
    with SqlSession(house.engine) as sql:
        assert load_bank(sql, None).version == 1
    house.close()
    said = ok(*where, *demands, "--girth", "--publish", "--truth", write_bank(lite, tmp_path))
    assert re.search(r"Against the truth, \d+ items: RMSE of b 0\.\d{3} \(r 0\.\d{3}\), of a \d\.\d{3}", said)
    assert "Version 2 changes" in said
    assert not re.search(r"\d\.\d{4}", said.partition("Version 2 changes")[2])  # a person reads it
    assert " a: " in said
    assert "Version 2 is published" in said
    house = lite.open()
    with SqlSession(house.engine) as sql:
        new = load_bank(sql, None)
        old = load_bank(sql, 1)
    house.close()
    assert (new.version, new.parent) == (2, 1)
    changed = [item_id for item_id in new.ids if new.row(new.index[item_id]) != old.row(old.index[item_id])]
    assert changed
    assert all(new.calibration[new.index[item_id]] == "calibrated" for item_id in changed)
    assert "0 items take new parameters" in ok(*where, "--min-n", "400", "--anchored")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["calibrate", "--waves", ","], "--waves, ,: names no wave (name them, separated by commas, or leave --waves out"),
        (["calibrate", "--waves", ""], "--waves: names no wave"),
        (["calibrate", "--online", "--anchored"], "--anchored, --online: do not go together (choose one)"),
        (["calibrate", "--free", "--online", "--fipc", "nwu-oem"], "--free, --online: do not go together (choose one)"),
        (
            ["responses", "export", "--waves", " , ", "--out", "answers"],
            "names no wave (name them, separated by commas, or leave --waves out",
        ),
        (["personfit", "--waves", ",", "--out", "F.csv"], "--waves, ,: names no wave (name closed waves, separated by commas)"),
    ],
)
def test_waves_that_are_named_by_nothing_are_not_all_waves_and_two_modes_are_not_the_last_one(
    lite: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", lite.url)
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    assert message in refused(*words, "--data", lite.folder)
    assert sorted(tmp_path.iterdir()) == before


def test_upper_asymptotes_have_their_standard_errors_and_files_without_any_no_such_column(draw: Callable[..., Any], tmp_path: Path) -> None:
    data = draw([Row("4pl", 1.6, [b], 0.15, 0.9) for b in (-0.8, -0.2, 0.3, 0.9)], np.random.default_rng(81).normal(size=900), 82)
    rows = [f"p{p},i{i},{c}" for p, i, c in zip(data.person, data.item, data.category, strict=True)]
    (tmp_path / "R.csv").write_text("\n".join(["person_id,item_id,category", *rows]) + "\n")
    for model, named in (("4pl", True), ("3pl", False)):
        ok("calibrate", tmp_path / "R.csv", "--model", model, "--out", tmp_path / "P.csv")
        found = list(csv.DictReader(io.StringIO((tmp_path / "P.csv").read_text())))
        assert all(("se_d" in row) == named and bool(row["d"]) == named and bool(row["se_c"]) for row in found)
        assert not named or all(0.005 < float(row["se_d"]) < 0.2 for row in found)
