"""A calibration run: every item that cannot be estimated is named and keeps its parameters, whatever the fault."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from calibration.estimate import renumbered
from calibration.flags import ADVICE, FLAGS, SENTENCES
from calibration.mml import MmlOptions
from calibration.pipeline import CalibrationOptions, Proposal, calibrate, recovery
from calibration.responses import Response, ResponseLog
from cat_engine import Faulty, Row
from itembank.bank import Bank

OPTIONS = CalibrationOptions(min_n=100)
GOOD = [Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1.2, 1.2, 8)]


def responses(draw: Callable[..., Any], rows: list[Row], n: int = 1200, seed: int = 101) -> list[Response]:
    data = draw(rows, np.random.default_rng(seed).normal(size=n), seed + 1)
    triples = zip(data.person, data.item, data.category, strict=True)
    return [Response(f"p{p}", f"i{i}", int(c), why="fixed") for p, i, c in triples]


@given(st.lists(st.integers(0, 30), min_size=1))
def test_persons_are_renumbered_as_by_sorting_them(person: list[int]) -> None:
    who, number = renumbered(np.array(person))
    expected_who, expected = np.unique(person, return_inverse=True)
    np.testing.assert_array_equal(who, expected_who)
    np.testing.assert_array_equal(number, expected)


def verdict_of(proposal: Proposal, item_id: str) -> Any:
    return next(v for v in proposal.verdicts if v.item_id == item_id)


def check_kept(proposal: Proposal, bank: Bank, item_id: str, flag: str) -> None:
    """The item is named with the flag, has no new number, and is not in what would be adopted."""
    verdict = verdict_of(proposal, item_id)
    assert verdict.flags == (flag,)
    assert verdict.new is None
    assert np.isnan(verdict.se_a)
    assert np.isnan(verdict.se_b).all()
    assert verdict.verdict == "keep"
    assert SENTENCES[flag] in verdict.why()
    assert item_id not in proposal.adopted()
    i = bank.index[item_id]
    assert proposal.apply(bank).row(i) == bank.row(i)
    with pytest.raises(ValueError, match=f"no estimate to accept for {item_id}"):
        proposal.apply(bank, [item_id])


def test_good_items_are_adopted_and_each_of_the_others_is_named(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [*GOOD, Row("grm", 1.3, [-0.5, 0.5])]
    answers = responses(draw, rows)
    silent = [Row("2pl", 1.0, [0.0])] * 3
    bank = bank_of([*rows, *silent, Row("grm", 1.0, [-1.0, 0.0, 1.0])], [*(f"i{k}" for k in range(9)), "unasked", "three", "solved", "gap"])
    answers += [Response(f"p{p}", "three", p % 2, why="fixed") for p in range(3)]
    answers += [Response(f"p{p}", "solved", 1, why="fixed") for p in range(600)]
    answers += [Response(f"p{p}", "gap", (0, 1, 3)[p % 3], why="fixed") for p in range(600)]
    proposal = calibrate(ResponseLog.of(answers), bank, OPTIONS)
    assert set(proposal.adopted()) == {f"i{k}" for k in range(9)}
    check_kept(proposal, bank, "unasked", "no_answers")
    check_kept(proposal, bank, "three", "few")
    check_kept(proposal, bank, "solved", "one_category")
    check_kept(proposal, bank, "gap", "empty_category")
    adopted = verdict_of(proposal, "i3")
    assert (
        adopted.why()
        == f"Parameter baru cukup teliti (n = 1.200, SE b terbesar {max(adopted.se_b):.2f}) dan cocok dengan model.".replace("0.", "0,")
    )
    assert proposal.apply(bank).calibration[:10] == ("calibrated",) * 9 + ("provisional",)


def test_a_part_of_the_design_that_shares_nobody_is_not_put_on_the_scale(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    first = responses(draw, GOOD)
    second = [Response(f"q{r.person_id}", f"x{r.item_id}", r.category, why="fixed") for r in responses(draw, GOOD[:4], n=500, seed=103)]
    bank = bank_of([*GOOD, *GOOD[:4]], [*(f"i{k}" for k in range(8)), *(f"xi{k}" for k in range(4))])
    proposal = calibrate(ResponseLog.of([*first, *second]), bank, OPTIONS)
    assert set(proposal.adopted()) == {f"i{k}" for k in range(8)}
    for k in range(4):
        check_kept(proposal, bank, f"xi{k}", "disconnected")
    bridge = [Response(f"p{p}", "xi0", p % 2, why="fixed") for p in range(200)]
    together = calibrate(ResponseLog.of([*first, *second, *bridge]), bank, OPTIONS)
    assert not any("disconnected" in v.flags for v in together.verdicts)


def test_in_an_anchored_run_only_what_an_anchor_reaches_is_estimated(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    first = responses(draw, GOOD, n=1500)
    second = [Response(f"q{r.person_id}", f"x{r.item_id}", r.category, why="fixed") for r in responses(draw, GOOD[:4], n=2500, seed=103)]
    bank = bank_of([*GOOD, *GOOD[:4]], [*(f"i{k}" for k in range(8)), *(f"xi{k}" for k in range(4))])
    anchors = frozenset(f"i{k}" for k in range(5))
    proposal = calibrate(ResponseLog.of([*first, *second]), bank, CalibrationOptions(mode="anchored", anchors=anchors))
    assert set(proposal.adopted()) == {"i5", "i6", "i7"}
    for k in range(5):
        check_kept(proposal, bank, f"i{k}", "anchor")
    for k in range(4):
        check_kept(proposal, bank, f"xi{k}", "disconnected")


def test_an_anchored_run_without_answers_to_anchors_estimates_nothing(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    bank = bank_of([*GOOD, GOOD[0]], [*(f"i{k}" for k in range(8)), "anchor"])
    options = CalibrationOptions(mode="anchored", anchors=frozenset({"anchor"}))
    proposal = calibrate(ResponseLog.of(responses(draw, GOOD)), bank, options)
    assert not proposal.adopted()
    check_kept(proposal, bank, "i0", "no_anchor")
    check_kept(proposal, bank, "anchor", "anchor")


def test_anchored_estimates_stand_on_the_banks_scale(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    data = draw(GOOD, np.random.default_rng(111).normal(0.8, 1.2, 3000), 112)
    bank = bank_of([*GOOD[:6], Row("2pl", 1.0, [0.0]), Row("2pl", 1.0, [0.0])])
    anchors = frozenset(f"i{k}" for k in range(6))
    proposal = calibrate(data.log(bank.ids), bank, CalibrationOptions(mode="anchored", anchors=anchors))
    for k in (6, 7):
        new = proposal.adopted()[f"i{k}"]
        assert [new.a, new.b[0]] == pytest.approx([GOOD[k].a, GOOD[k].b[0]], abs=0.15)
    assert [proposal.scales[0].mean, proposal.scales[0].sd] == pytest.approx([0.8, 1.2], abs=0.1)
    assert (proposal.scales[0].slope, proposal.scales[0].intercept) == (1.0, 0.0)


def test_free_estimates_are_put_on_the_banks_scale(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    theta = np.random.default_rng(121).normal(-0.6, 0.8, 4000)
    bank = bank_of(GOOD)
    proposal = calibrate(draw(GOOD, theta, 122).log(bank.ids), bank, OPTIONS)
    found = recovery(proposal, dict(zip(bank.ids, GOOD, strict=True)))
    assert found.n_items == 8
    assert found.rmse_b < 0.12
    assert found.r_b > 0.99
    assert [proposal.scales[0].mean, proposal.scales[0].sd] == pytest.approx([-0.6, 0.8], abs=0.12)


def test_partial_credit_items_keep_their_unit_slope_through_linking(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [Row("pcm", 1.0, [b - 0.5, b + 0.5]) for b in np.linspace(-1, 1, 6)]
    bank = bank_of(rows)
    proposal = calibrate(draw(rows, np.random.default_rng(131).normal(0.5, 1.4, 3000), 132).log(bank.ids), bank, OPTIONS)
    assert {row.a for row in proposal.adopted().values()} == {1.0}
    assert recovery(proposal, dict(zip(bank.ids, rows, strict=True))).rmse_b < 0.12
    assert proposal.scales[0].sd == pytest.approx(1.4, abs=0.1)


def test_nominal_items_are_put_on_the_banks_scale_with_the_errors_they_have_there(
    draw: Callable[..., Any], bank_of: Callable[..., Bank]
) -> None:
    rows = [Row("nrm", 1.0, [0.5 + 0.2 * k, 0.3 - 0.3 * k], slopes=[0.8, 1.7]) for k in range(-3, 4)]
    bank = bank_of(rows)
    proposal = calibrate(draw(rows, np.random.default_rng(133).normal(0.5, 1.3, 4000), 134).log(bank.ids), bank, OPTIONS)
    assert [proposal.scales[0].mean, proposal.scales[0].sd] == pytest.approx([0.5, 1.3], abs=0.15)
    assert len(proposal.adopted()) == 7
    assert recovery(proposal, dict(zip(bank.ids, rows, strict=True))).rmse_b < 0.1
    z = []
    for verdict, true in zip(proposal.verdicts, rows, strict=True):
        assert verdict.new is not None
        assert np.isnan(verdict.se_a)
        z += [(own - b) / se for own, b, se in zip(verdict.new.b, true.b, verdict.se_b, strict=True)]
        z += [(own - slope) / se for own, slope, se in zip(verdict.new.slopes, true.slopes, verdict.se_slopes, strict=True)]
    assert 0.6 < np.sqrt(np.mean(np.square(z))) < 1.5  # 28 estimates, those of an item correlated


def test_an_item_that_does_not_discriminate_is_held(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [*GOOD, Row("2pl", 0.05, [0.0])]
    bank = bank_of([*GOOD, Row("2pl", 1.0, [0.0])])
    answers = draw(rows, np.random.default_rng(141).normal(size=2500), 142)
    verdict = verdict_of(calibrate(answers.log(bank.ids), bank, OPTIONS), "i8")
    assert "low_a" in verdict.flags
    assert verdict.verdict == "reject"


def test_an_uncertain_estimate_is_not_adopted(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [*GOOD, Row("2pl", 1.0, [3.4])]
    bank = bank_of(rows)
    verdict = verdict_of(calibrate(ResponseLog.of(responses(draw, rows)), bank, CalibrationOptions(max_se=0.15)), "i8")
    assert "uncertain" in verdict.flags
    assert verdict.new is not None
    assert verdict.verdict == "keep"


def test_an_estimate_that_did_not_converge_is_not_adopted(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(GOOD)
    options = CalibrationOptions(mml=MmlOptions(tolerance=1e-12, max_cycles=2))
    proposal = calibrate(ResponseLog.of(responses(draw, GOOD)), bank, options)
    assert not proposal.adopted()
    assert all("not_converged" in v.flags for v in proposal.verdicts)


def test_competencies_are_calibrated_each_by_itself(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    rows = [*GOOD, *(row._replace(scale=1) for row in GOOD[:5]), GOOD[0]._replace(scale=2)]
    bank = bank_of(rows, competencies=("A", "B", "C"))
    proposal = calibrate(ResponseLog.of(responses(draw, [row._replace(scale=0) for row in rows])), bank, OPTIONS)
    assert [run.competency for run in proposal.scales] == ["A", "B"]
    assert [run.n_answers for run in proposal.scales] == [8 * 1200, 5 * 1200]
    assert verdict_of(proposal, "i13").flags == ("no_run",)


def test_two_items_alone_are_estimated_only_where_something_tells_their_slopes_apart(
    draw: Callable[..., Any], bank_of: Callable[..., Bank]
) -> None:
    two = [Row("2pl", 1.2, [-0.4]), Row("2pl", 0.9, [0.3])]
    answers = draw(two, np.random.default_rng(143).normal(size=800), 144).log(("i0", "i1"))
    free = calibrate(answers, bank_of(two), OPTIONS)
    assert [v.flags for v in free.verdicts] == [("no_run",)] * 2
    anchored = calibrate(answers, bank_of(two), CalibrationOptions(mode="anchored", anchors=frozenset({"i0"})))
    assert verdict_of(anchored, "i1").new is not None
    rasch = [Row("pcm", 1.0, [-0.4]), Row("pcm", 1.0, [0.3])]
    assert all(v.new is not None for v in calibrate(answers, bank_of(rasch), OPTIONS).verdicts)


def test_girth_gives_its_second_opinion_on_the_banks_scale(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    bank = bank_of(GOOD)
    proposal = calibrate(ResponseLog.of(responses(draw, GOOD)), bank, CalibrationOptions(girth=True))
    assert proposal.scales[0].girth_correlation > 0.99
    for verdict in proposal.verdicts:
        assert verdict.girth_b == pytest.approx(np.mean(verdict.new.b), abs=0.15)


@pytest.mark.parametrize(
    ("more", "options", "message"),
    [
        ([Response("p", "i99", 0)], OPTIONS, "answers, i99: is not an item of the bank (bank version 1 is used)"),
        ([Response("p", "i0", 2)], OPTIONS, "answers, i0: category 2 was answered, the bank has categories 0 to 1"),
        ([Response("p1", "i0", 0)], OPTIONS, "answers, i0: 1 people have answered it more than once"),
        ([], CalibrationOptions(mode="both"), "options, mode: 'both' is not known (one of free, anchored, online)"),
        ([], CalibrationOptions(mode="anchored", anchors=frozenset({"zz"})), "options, anchors: 'zz' is not an item of the bank"),
    ],
)
def test_answers_that_cannot_be_are_refused_by_item(
    draw: Callable[..., Any], bank_of: Callable[..., Bank], more: list[Response], options: CalibrationOptions, message: str
) -> None:
    with pytest.raises(Faulty) as caught:
        calibrate(ResponseLog.of([*responses(draw, GOOD, n=20), *more]), bank_of(GOOD), options)
    assert message in str(caught.value)


def test_no_answers_at_all_are_refused(bank_of: Callable[..., Bank]) -> None:
    with pytest.raises(Faulty, match="answers: there are none"):
        calibrate(ResponseLog.of([]), bank_of(GOOD))


def test_routed_answers_of_our_own_engine_give_back_its_bank(routed: tuple[Bank, ResponseLog]) -> None:
    bank, log = routed
    proposal = calibrate(log, bank, CalibrationOptions(min_n=300))
    truth = {item_id: bank.row(i) for i, item_id in enumerate(bank.ids)}
    found = recovery(proposal, truth, adopted_only=True)
    assert found.n_items >= 30
    assert found.rmse_b < 0.13
    assert found.r_b > 0.99
    assert found.rmse_a < 0.2


def test_the_same_answers_give_the_same_proposal_whatever_their_order(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> None:
    answers, bank = responses(draw, GOOD), bank_of(GOOD)
    shuffled = [answers[k] for k in np.random.default_rng(0).permutation(len(answers))]
    one, other = (calibrate(ResponseLog.of(log), bank, OPTIONS).adopted() for log in (answers, shuffled))
    for item_id, row in one.items():
        assert [other[item_id].a, *other[item_id].b] == pytest.approx([row.a, *row.b], abs=1e-3)


def test_every_flag_has_its_words_and_its_sentence() -> None:
    assert set(FLAGS) == set(SENTENCES) > set(ADVICE)
