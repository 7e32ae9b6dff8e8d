"""Online calibration: answers to new items, strewn among those of an adaptive test, bring their true parameters back."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import expit

from calibration.files import write_items_csv
from calibration.mml import FLAT, MmlFit, MmlOptions, fit_mml
from calibration.pipeline import CalibrationOptions, calibrate
from calibration.report import html_report
from calibration.responses import ResponseLog
from cat_engine import Faulty, ItemParams, Row, load_plan, simulate
from cat_engine.irt import Floats, Ints
from cat_engine.simulate import draw_category
from itembank.bank import Bank, pool_of
from tests.calibration.conftest import ROUTED_PLAN
from tests.calibration.sitters import bank_of_rows
from tests.webtest.small import run, table

OLD, NEW, PEOPLE = 40, 10, 3000
ROWS = [
    Row("2pl", float(a), [float(b)])
    for a, b in zip(
        np.random.default_rng(91).lognormal(0.1, 0.25, OLD + NEW), np.random.default_rng(92).normal(0, 1, OLD + NEW), strict=True
    )
]
FIXED = np.arange(OLD + NEW) < OLD
START = [row if held else Row("2pl", 1.0, [0.0]) for row, held in zip(ROWS, FIXED, strict=True)]

Data = tuple[Ints, Ints, Ints]


@pytest.fixture(scope="module")
def seeded(bank_of: Callable[..., Bank]) -> Data:
    """3,000 people of N(0, 1): 20 of the 40 operational items each, routed by maximum information, and three of the ten new ones at random."""
    rng = np.random.default_rng(93)
    theta = rng.normal(size=PEOPLE)
    routed = simulate(load_plan(ROUTED_PLAN), pool_of(bank_of(ROWS[:OLD]), ["A"]), theta[:, None], 94)
    person = np.repeat(np.arange(PEOPLE), 3)
    item = OLD + np.argsort(rng.random((PEOPLE, NEW)), axis=1)[:, :3].ravel()
    category = draw_category(ItemParams.from_rows(ROWS), theta[person], item, rng.random(len(person)))
    parts = (routed.step_person, person), (routed.step_item, item), (routed.step_category, category)
    people, items, categories = (np.concatenate(part) for part in parts)
    return people, items, categories


def online(data: Data, fipc: str) -> MmlFit:
    return fit_mml(*data, START, MmlOptions(priors=FLAT, fipc=fipc, tolerance=1e-6), FIXED)


@pytest.mark.parametrize(("fipc", "largest"), [("nwu-oem", (0.30, 0.20)), ("nwu-mem", (0.13, 0.13)), ("mwu-mem", (0.13, 0.13))])
def test_every_variant_brings_the_pretest_items_back(seeded: Data, fipc: str, largest: tuple[float, float]) -> None:
    """RMSE of a and b. Of 900 answers an item, standard errors are about .1: MEM is off by no more (.104, .110; with the people's distribution updated
    .105, .111). OEM is off by .264 and .172, as posteriors by 20 items alone are wider than people are apart, which draws slopes down.
    """
    assert np.bincount(seeded[1], minlength=OLD + NEW)[OLD:].min() > 800
    found = online(seeded, fipc)
    assert found.rows[:OLD] == tuple(ROWS[:OLD])
    gaps = np.array([(own.a - true.a, own.b[0] - true.b[0]) for own, true in zip(found.rows[OLD:], ROWS[OLD:], strict=True)])
    assert np.all(np.sqrt((gaps**2).mean(axis=0)) < largest)
    assert (gaps[:, 0].mean() < -0.15) == (fipc == "nwu-oem")


NODES = np.linspace(-6, 6, 61)
DENSITY = np.exp(-0.5 * NODES**2) / np.exp(-0.5 * NODES**2).sum()


def joint(data: Data, rows: Sequence[Row], items: NDArray[np.bool_]) -> Floats:
    """Of every person, the likelihood of the answers to `items`[I] times the N(0, 1) density, [P, Q]; written out from the 2PL."""
    person, item, category = (column[items[data[1]]] for column in data)
    right = np.array([expit(row.a * (NODES - row.b[0])) for row in rows])
    log = np.zeros((PEOPLE, len(NODES)))
    np.add.at(log, person, np.log(np.where(category[:, None] == 1, right[item], 1 - right[item])))
    return np.asarray(np.exp(log) * DENSITY)


def test_oem_is_one_cycle_on_the_posteriors_of_the_operational_items_alone(seeded: Data) -> None:
    posterior = joint(seeded, ROWS, FIXED)
    posterior /= posterior.sum(axis=1, keepdims=True)
    found = online(seeded, "nwu-oem")
    for i in range(OLD, OLD + NEW):
        mine = seeded[1] == i
        right, every = (posterior[seeded[0][mine & answered]].sum(axis=0) for answered in (seeded[2] == 1, seeded[2] >= 0))

        def minus(x: Floats, right: Floats = right, every: Floats = every) -> float:
            p = expit(x[0] * (NODES - x[1]))
            return -float(right @ np.log(p) + (every - right) @ np.log(1 - p))

        best = minimize(minus, [1.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-7, "fatol": 1e-10})
        assert [found.rows[i].a, found.rows[i].b[0]] == pytest.approx(best.x, abs=1e-4)


def test_mem_goes_on_to_where_the_likelihood_of_all_answers_is_highest(seeded: Data) -> None:
    rows = online(seeded, "nwu-mem").rows
    all_answers = joint(seeded, rows, FIXED | True)
    for i, own in enumerate(rows[OLD:], start=OLD):
        person, category = seeded[0][seeded[1] == i], seeded[2][seeded[1] == i]
        without = all_answers[person] / _of(own, category)
        best = np.log(all_answers[person].sum(axis=1)).sum()
        for a, b in ((1.01, 0.0), (1 / 1.01, 0.0), (1.0, 0.01), (1.0, -0.01)):
            moved = own._replace(a=own.a * a, b=[own.b[0] + b])
            assert np.log((without * _of(moved, category)).sum(axis=1)).sum() < best


def _of(row: Row, category: Ints) -> Floats:
    right = expit(row.a * (NODES - row.b[0]))
    return np.where(category[:, None] == 1, right, 1 - right)


def test_the_command_gives_the_same(seeded: Data, tmp_path: Path) -> None:
    part = tuple(column[seeded[0] < 600] for column in seeded)
    lines = [f"p{p},i{i},{c}" for p, i, c in zip(*(column.tolist() for column in part), strict=True)]
    (tmp_path / "answers.csv").write_text("\n".join(["person_id,item_id,category", *lines]) + "\n")
    (tmp_path / "operational.csv").write_text(write_items_csv({f"i{i}": ROWS[i] for i in range(OLD)}))
    told = run(
        "calibrate", tmp_path / "answers.csv", "--anchors", tmp_path / "operational.csv", "--fipc", "nwu-oem", "--priors", "none", "--tol", "1e-6",
        "--se", "none", "--out", tmp_path / "new.csv",
    )  # fmt: skip
    assert told.exit_code == 0, told.output
    items = {row["item_id"]: row for row in table(tmp_path / "new.csv")}
    wanted = online(part, "nwu-oem")
    for i in range(OLD, OLD + NEW):
        assert [float(items[f"i{i}"]["a"]), float(items[f"i{i}"]["b1"])] == pytest.approx([wanted.rows[i].a, wanted.rows[i].b[0]], abs=1e-4)
    assert items["i0"]["flag"] == "anchor"


def log_of(data: Data, bank: Bank) -> ResponseLog:
    unknown = np.full(len(data[0]), -1)
    return ResponseLog(tuple(f"p{k}" for k in range(PEOPLE)), bank.ids, *data, unknown, unknown, 0 * unknown)


@pytest.mark.parametrize("fipc", ["nwu-oem", "nwu-mem", "mwu-mem"])
def test_a_run_on_a_bank_estimates_its_pretest_items_and_leaves_the_others_as_they_are(
    seeded: Data, bank_of: Callable[..., Bank], fipc: str
) -> None:
    """Whatever was said of them before: an item in pretest that has been calibrated once is brought up to date, an active one that never was stays."""
    bank = bank_of(START)
    status = ("active",) * OLD + ("pretest",) * NEW
    bank = replace(bank, status=status, calibration=("provisional",) * 30 + ("calibrated",) * (OLD + NEW - 30))
    options = CalibrationOptions("online", mml=MmlOptions(priors=FLAT, fipc=fipc, tolerance=1e-6))
    proposal = calibrate(log_of(seeded, bank), bank, options)
    wanted = online(seeded, fipc)
    for v, row in zip(proposal.verdicts[OLD:], wanted.rows[OLD:], strict=True):
        assert v.new is not None
        assert [v.new.a, v.new.b[0]] == pytest.approx([row.a, row.b[0]], abs=1e-6)
    assert {v.flags for v in proposal.verdicts[:OLD]} <= {("anchor",)}
    assert set(proposal.adopted()) <= set(bank.ids[OLD:])
    assert f"hanya butir uji coba, butir lain tetap ({fipc.upper()})" in html_report(proposal, provisional=False)
    new = proposal.apply(bank)
    assert [new.row(i) for i in range(OLD)] == ROWS[:OLD]
    assert new.status == status


def test_answers_to_items_that_are_held_say_nothing_of_ability(seeded: Data, bank_of: Callable[..., Bank]) -> None:
    """A held item whose key is wrong: without its answers the estimates are those of a log that never had them."""
    held = int(np.bincount(seeded[1])[:OLD].argmax())
    bank = bank_of(START)
    bank = replace(bank, status=tuple("pretest" if k >= OLD else "held" if k == held else "active" for k in range(OLD + NEW)))
    person, item, category = seeded
    wrong = person, item, np.where(item == held, 1 - category, category)
    options = CalibrationOptions("online", mml=MmlOptions(fipc="nwu-oem"))
    log = log_of(wrong, bank)
    one, other = (calibrate(part, bank, options) for part in (log, log.where(item != held)))
    assert bank.ids[held] not in {v.item_id for v in one.verdicts}
    assert {v.item_id: v.new for v in one.verdicts} == {v.item_id: v.new for v in other.verdicts}


def test_a_competency_of_which_every_item_is_held_is_passed_over(seeded: Data) -> None:
    bank = bank_of_rows([*START, Row("2pl", 1.0, [0.0], scale=1)])
    bank = replace(bank, status=("active",) * OLD + ("pretest",) * NEW + ("held",))
    proposal = calibrate(log_of(seeded, bank), bank, CalibrationOptions("online", mml=MmlOptions(fipc="nwu-oem")))
    assert [v.item_id for v in proposal.verdicts] == list(bank.ids[:-1])
    assert all(v.new is not None for v in proposal.verdicts[OLD:])


def test_a_bank_without_pretest_items_has_nothing_to_bring_up_to_date(seeded: Data, bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(ROWS)
    with pytest.raises(Faulty, match="no item in pretest"):
        calibrate(log_of(seeded, bank), bank, CalibrationOptions("online"))


def test_an_item_in_pretest_is_no_anchor_though_it_has_been_calibrated(seeded: Data, bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(START)
    bank = replace(bank, status=("active",) * OLD + ("pretest",) * NEW, calibration=("calibrated",) * (OLD + NEW))
    proposal = calibrate(log_of(seeded, bank), bank, CalibrationOptions("anchored"))
    assert all(v.new is not None for v in proposal.verdicts[OLD:])
    assert sum(v.flags == ("anchor",) for v in proposal.verdicts[:OLD]) > 35
