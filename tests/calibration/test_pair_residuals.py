"""Local dependence: what q3 is by its definition, against Yen's, how often independent pairs are flagged, and that testlets are found."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import calibration.pair_residuals
from calibration.fit import residuals
from calibration.mml import MmlFit, MmlOptions, fit_mml
from calibration.pair_residuals import LEAST_COMMON, PairFindings, _tables, pair_findings
from calibration.pipeline import CalibrationOptions, calibrate
from calibration.proposal_files import proposal_csv, proposal_json
from calibration.report import html_report
from calibration.responses import ResponseLog
from cat_engine import ItemParams, Row, probabilities
from cat_engine.simulate import draw_category
from itembank.bank import Bank
from tests.calibration.mirt import rows_of
from tests.calibration.sitters import adaptive, bank_of_rows, items
from tests.calibration.test_commands_fit import run
from webtest.languages import language
from webtest.services.review import _estimate, as_json

Draw = Callable[..., Any]
BOUND_05 = 1.6449


def names(n: int) -> list[str]:
    return [f"i{k}" for k in range(n)]


def by_definition(matrix: NDArray[np.int64], fit: MmlFit) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """q3 and z of complete answers, person by person and node by node."""
    p = probabilities(ItemParams.from_rows([row._replace(scale=0) for row in fit.rows]), fit.nodes)  # [Q, I, K]
    expected = (p * np.arange(p.shape[2])).sum(axis=2)
    t = []
    for own in matrix:
        joint = np.log(fit.weights[0]) + np.log(p[:, np.arange(len(own)), own]).sum(axis=1)
        w = np.exp(joint - joint.max())
        away = own - expected
        t.append(np.einsum("q,qi,qj->ij", w / w.sum(), away, away))
    total, square = np.sum(t, axis=0), np.sum(np.square(t), axis=0)
    spread = np.diag(total)
    return total / np.sqrt(np.outer(spread, spread)), total / np.sqrt(square)


def test_q3_is_the_correlation_of_residuals_over_the_posterior(draw: Draw) -> None:
    """By sums over persons and nodes; what is left is what two expected scores bend within a posterior more than parabolas do."""
    rows = [*items("2pl", 9, 11), *items("grm", 3, 12)]
    data = draw(rows, np.random.default_rng(13).normal(size=300), 14)
    fit = fit_mml(data.person, data.item, data.category, rows)
    q3, z = by_definition(data.category.reshape(300, 12), fit)
    n, mine, my_z = _tables(fit, 1)
    apart = ~np.eye(12, dtype=bool)
    assert (n == 300).all()
    np.testing.assert_allclose(mine[apart], q3[apart], atol=0.002)
    np.testing.assert_allclose(my_z[apart], z[apart], atol=0.03)


def test_far_apart_steep_items_of_a_short_test_do_not_seem_to_go_together(draw: Draw) -> None:
    """Four items: posteriors are wide, and two expected scores that rise at their two ends are no straight lines, as which they would have a z of 16."""
    rows = [Row("2pl", 3.0, [b]) for b in (-1.5, -0.5, 0.5, 1.5)]
    data = draw(rows, np.random.default_rng(18).normal(size=2000), 19)
    fit = fit_mml(data.person, data.item, data.category, rows)
    q3, z = by_definition(data.category.reshape(2000, 4), fit)
    _, mine, my_z = _tables(fit, 1)
    apart = ~np.eye(4, dtype=bool)
    np.testing.assert_allclose(mine[apart], q3[apart], atol=0.01)
    assert z[apart].max() < 3.5
    assert my_z[apart].max() < 3.5


@pytest.mark.parametrize("name", ["VerbAgg_2PL", "VerbAgg_Rasch", "VerbAgg_graded", "VerbAgg_rsm"])
def test_on_a_whole_form_q3_is_that_of_mirt_above_its_mean(golden: Callable[[str], Any], answers: Callable[[str], Any], name: str) -> None:
    """24 items: what both take out is about 1 / 23, ours pair by pair. The strongest pairs are one behaviour in two situations of one kind."""
    data, rows = answers(name), rows_of(name)
    found = pair_findings(fit_mml(data.person, data.item, data.category, rows), names(24))
    wanted = np.array(golden("mirt_residuals.json")["fits"][name]["q3"])
    mine = np.array([found.q3[i, j] for i in range(24) for j in range(i)])
    assert np.corrcoef(mine, wanted)[0, 1] > 0.99
    np.testing.assert_allclose(mine, wanted - wanted.mean(), atol=0.06)
    assert abs(mine.mean()) < 0.005
    assert wanted.mean() == pytest.approx(-1 / 23, abs=0.01)
    flagged = {frozenset((pair.item_id, pair.other)) for pair in found.flagged_pairs()}
    assert {frozenset(("i2", "i5")), frozenset(("i11", "i23")), frozenset(("i1", "i4"))} <= flagged


def test_independent_pairs_of_routed_answers_are_flagged_at_the_nominal_rate() -> None:
    """2,000 people, 12 of 40 items each by maximum information, and 1,052 with 9 of 34 graded ones: of pairs with 50 people or more about 5 % are beyond the bound
    of 5 %, none after Holm's correction; Yen's Q3 at the EAP is below 0 all along.
    """
    z, q3, yen = [], [], []
    for model, n_items, each, n, seeds in (("2pl", 40, 12, 2000, range(100, 104)), ("grm", 34, 9, 1052, range(104, 107))):
        for seed in seeds:
            rows = items(model, n_items, seed)
            log = adaptive(bank_of_rows(rows), np.random.default_rng(seed).normal(size=(n, 1)), each, seed)
            fit = fit_mml(log.person, log.item, log.category, rows)
            common, mine, my_z = _tables(fit, 1)
            tested = np.triu(common >= LEAST_COMMON, 1)
            z.append(my_z[tested])
            q3.append(mine[tested])
            yen.append(residuals(log.person, log.item, log.category, fit.rows).q3[tested])
            assert not pair_findings(fit, names(n_items)).flagged.any()
    every = np.concatenate(z)
    assert len(every) > 1000
    assert 0.03 < (every > BOUND_05).mean() < 0.06
    assert 0.9 < every.std() < 1.05
    assert abs(np.concatenate(q3).mean()) < 0.005
    assert np.concatenate(yen).mean() < -0.06


@pytest.mark.parametrize("fipc", ["nwu-oem", "owu-mem"])
def test_people_unlike_those_for_whom_ability_was_fixed_do_not_make_items_go_together(fipc: str) -> None:
    """Ability N(1.5, 1.3), taken as N(0, 1) or updated once while eight items were estimated: of 6 answers each that would be a mean z of .9 and .4, and flags."""
    rng = np.random.default_rng(5)
    rows, n, each = items("2pl", 40, 5), 2500, 6
    person, item = np.repeat(np.arange(n), each), np.argsort(rng.random((n, 40)), axis=1)[:, :each].ravel()
    category = draw_category(ItemParams.from_rows(rows), rng.normal(1.5, 1.3, n)[person], item, rng.random(len(item)))
    fit = fit_mml(person, item, category, rows, MmlOptions(fipc=fipc), np.arange(40) < 32)
    kept = fit.state.latent.copy()
    common, _, z = _tables(fit, 1)
    assert abs(z[np.triu(common >= LEAST_COMMON, 1)].mean()) < 0.2
    assert not pair_findings(fit, names(40)).flagged.any()
    np.testing.assert_array_equal(fit.state.latent, kept)


def with_testlet(n: int, n_items: int, each: int, seed: int, sd: float) -> tuple[Bank, ResponseLog]:
    """Items 0 and 1 share a stimulus of which each person makes more or less, by N(0, sd); each person meets `each` of the items at random."""
    rows = [Row("2pl", 1.3, [0.2]), Row("2pl", 1.3, [-0.2]), *items("2pl", n_items - 2, seed)]
    rng = np.random.default_rng(seed)
    theta, shared = rng.normal(size=n), rng.normal(0, sd, n)
    person, item = np.repeat(np.arange(n), each), np.argsort(rng.random((n, n_items)), axis=1)[:, :each].ravel()
    params = ItemParams.from_rows(rows)
    ability = theta[person] + np.where(item < 2, shared[person], 0.0)
    right = rng.random(len(item)) < 1 / (1 + np.exp(-params.a[item] * (ability - params.b[item, 0])))
    unknown = np.full(len(item), -1)
    bank = bank_of_rows(rows)
    return bank, ResponseLog(
        tuple(f"p{k}" for k in range(n)), bank.ids, person, item, right.astype(np.int64), unknown, unknown, 0 * unknown
    )


def test_two_items_of_one_stimulus_are_found_and_no_others() -> None:
    for seed in (300, 301, 302):
        bank, log = with_testlet(2000, 40, 20, seed, 1.5)
        found = pair_findings(fit_mml(log.person, log.item, log.category, [bank.row(i) for i in range(40)]), bank.ids)
        [pair] = found.flagged_pairs()
        assert (pair.item_id, pair.other) == ("i0", "i1")
        assert 0.2 < pair.q3 < 0.6
        assert found.partners() == {"i0": ("i1",), "i1": ("i0",)}
        assert found.highest()["i1"].other == "i0"


@pytest.fixture(scope="module")
def testlet() -> tuple[Bank, ResponseLog]:
    return with_testlet(2000, 30, 15, 300, 2.0)


def test_a_run_names_the_partner_wherever_it_speaks_of_the_item(testlet: tuple[Bank, ResponseLog]) -> None:
    bank, log = testlet
    proposal = calibrate(log, bank, CalibrationOptions(max_se=1.0))
    of = {v.item_id: v for v in proposal.verdicts}
    assert "dependent" in of["i0"].flags
    assert of["i0"].verdict == "keep"
    assert "melebihi yang dijelaskan kemampuan (i1)" in of["i0"].why()
    assert "than ability explains (i0)" in of["i1"].why(language("en"))
    assert not any("dependent" in v.flags for name, v in of.items() if name not in ("i0", "i1"))
    page = html_report(proposal, provisional=False)
    assert "435 pasangan diuji." in page
    assert '<td class="p">i0</td><td class="p">i1</td>' in page
    assert "sejalan dengan butir lain (i1)" in page
    told = json.loads(proposal_json(proposal))
    [pair] = told["pairs"][0]["flagged"]
    assert (pair["item_id"], pair["other"], told["pairs"][0]["tested"]) == ("i0", "i1", 435)
    assert told["items"][1]["pair"]["with"] == "i0"
    assert told["items"][1]["partners"] == ["i0"]
    row = next(csv.DictReader(io.StringIO(proposal_csv(proposal))))
    assert (row["pair_with"], row["partners"], int(row["pair_n"])) == ("i1", "i1", pair["n"])
    assert float(row["pair_q3"]) == pair["q3"] > 0.2
    kept = json.loads(as_json(proposal))
    assert _estimate(kept[0], language("id")).why == of["i0"].why()


def test_an_anchor_keeps_its_parameters_and_its_partner_is_flagged(testlet: tuple[Bank, ResponseLog]) -> None:
    bank, log = testlet
    anchors = frozenset(bank.ids) - {"i1"}
    of = {v.item_id: v for v in calibrate(log, bank, CalibrationOptions("anchored", anchors, max_se=1.0)).verdicts}
    assert "dependent" in of["i1"].flags
    assert (of["i0"].flags, of["i0"].partners) == (("anchor",), ("i1",))


def test_a_file_of_answers_has_its_pairs_in_every_file(
    testlet: tuple[Bank, ResponseLog], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, log = testlet
    rows = [f"p{p},i{i},{x}" for p, i, x in zip(log.person, log.item, log.category, strict=True)]
    monkeypatch.chdir(tmp_path)
    Path("R.csv").write_text("\n".join(["person_id,item_id,category", *rows]) + "\n")
    result = run("calibrate", "R.csv", "--max-se", "1", "--out", "P.csv", "--json", "F.json", "--report", "H.html")
    assert result.exit_code == 0, result.output
    assert "i1: dependent (n = 1026, with i0)" in result.output
    assert "give no test both" in result.output
    of = {row["item_id"]: row for row in csv.DictReader(io.StringIO(Path("P.csv").read_text()))}
    assert [(of[k]["flag"], of[k]["partners"]) for k in ("i0", "i1", "i2")] == [("dependent", "i1"), ("dependent", "i0"), ("", "")]
    pairs = json.loads(Path("F.json").read_text())["pairs"]
    assert (pairs["tested"], pairs["one_of"], len(pairs["flagged"])) == (435, 1, 1)
    first, second = pairs["flagged"][0]["item_id"], pairs["flagged"][0]["other"]
    assert {first, second} == {"i0", "i1"}
    assert f'<td class="p">{first}</td><td class="p">{second}</td>' in Path("H.html").read_text()


def test_sums_are_the_same_dense_and_sparse_in_one_part_and_in_many(monkeypatch: pytest.MonkeyPatch) -> None:
    bank, log = with_testlet(5000, 30, 4, 303, 1.0)  # three blocks
    fit = fit_mml(log.person, log.item, log.category, [bank.row(i) for i in range(30)])
    assert len(fit.design.held.parts) > 1  # type: ignore[attr-defined]
    _, dense, _ = _tables(fit, 1)
    monkeypatch.setattr(calibration.pair_residuals, "CROWDED", 1)
    n, sparse, _ = _tables(fit, 1)
    np.testing.assert_allclose(sparse, dense, atol=1e-12)
    met = np.zeros((5000, 30))
    met[log.person, log.item] = 1
    np.testing.assert_array_equal(n, met.T @ met)


def test_of_many_answers_every_so_manieth_person_stands_for_all(testlet: tuple[Bank, ResponseLog], monkeypatch: pytest.MonkeyPatch) -> None:
    bank, log = testlet
    monkeypatch.setattr(calibration.pair_residuals, "MOST_PAIRS", 2000 * 15 * 15 // 2)
    proposal = calibrate(log, bank, CalibrationOptions(max_se=1.0))
    [found] = proposal.pairs
    assert found.every == 2
    assert found.n[0, 1] == pytest.approx(240, abs=40)
    assert [(pair.item_id, pair.other) for pair in found.flagged_pairs()] == [("i0", "i1")]
    assert "A: menurut satu dari tiap 2 orang." in html_report(proposal, provisional=False)


def test_of_too_many_items_no_pair_is_tested_and_the_report_says_why(
    testlet: tuple[Bank, ResponseLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    bank, log = testlet
    monkeypatch.setattr(calibration.pair_residuals, "MOST_ITEMS", 29)
    monkeypatch.setattr("calibration.report.MOST_ITEMS", 29)
    proposal = calibrate(log, bank, CalibrationOptions(max_se=1.0))
    [found] = proposal.pairs
    assert (found.tested, found.highest(), found.flagged_pairs()) == (0, {}, [])
    assert "A: tidak diuji, karena butirnya lebih dari 29." in html_report(proposal, provisional=False)


def test_pairs_that_few_met_are_not_tested(draw: Draw) -> None:
    rows = items("2pl", 6, 15)
    data = draw(rows, np.random.default_rng(16).normal(size=400), 17)
    keep = ~((data.item == 0) & (data.person >= 200)) & ~((data.item == 1) & (data.person < 151))
    fit = fit_mml(data.person[keep], data.item[keep], data.category[keep], rows)
    found: PairFindings = pair_findings(fit, names(6))
    assert found.n[0, 1] == LEAST_COMMON - 1
    assert np.isnan(found.q3[0, 1])
    assert found.tested == 14
