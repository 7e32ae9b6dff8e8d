"""Answers in common: omega written out, an exact tail, false alarms, and a copier found in the room."""

from dataclasses import replace
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.holm import holm
from calibration.personfit_answers import Scorer
from calibration.security import People
from calibration.security_pairs import Pair, rooms, similar_pairs, upper_tail
from cat_engine import Row, probabilities
from cat_engine.irt import Floats
from tests.calibration.sitters import adaptive, bank_of_rows, form, items, scorer_of


@given(st.lists(st.floats(0, 1), max_size=7))
@settings(max_examples=30)
def test_the_upper_tail_is_that_of_all_outcomes(p: list[float]) -> None:
    for least in range(len(p) + 1):
        outcomes = (bits for bits in product((0, 1), repeat=len(p)) if sum(bits) >= least)
        wanted = sum(np.prod([q if bit else 1 - q for q, bit in zip(p, bits, strict=True)]) for bits in outcomes)
        assert upper_tail(np.array(p), least) == pytest.approx(wanted, abs=1e-12)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
@settings(max_examples=50)
def test_holms_p_of_the_smallest_counts_the_tests_that_are_not_handed_in_and_leaves_out_what_is_none(p: list[float]) -> None:
    own = np.sort(np.array(p))
    np.testing.assert_allclose(holm(own)[: len(p) // 2], holm(own[: len(p) // 2], tests=len(p)))
    np.testing.assert_allclose(holm(np.append(own, np.nan))[:-1], holm(own))
    assert np.isnan(holm(np.append(own, np.nan))[-1])


def test_omega_of_a_pair_is_wollacks_on_the_items_that_both_met() -> None:
    rows = items("gpcm", 30, 1)
    bank = bank_of_rows(rows)
    log = form(bank, np.random.default_rng(2).normal(size=(6, 1)), 3)
    log = log.where(np.random.default_rng(4).random(len(log)) < 0.7)
    scorer = scorer_of(log, bank)
    (room,) = rooms(scorer)
    found = room.agreement(slice(None))
    theta, _ = scorer.score(scorer.sittings.category)
    matrix = log.matrix()
    p = probabilities(bank.params, theta)
    for c, s in ((0, 1), (1, 0), (4, 2)):
        both = np.flatnonzero((matrix[c] >= 0) & (matrix[s] >= 0))
        chance = p[c, both, matrix[s, both]]
        same = (matrix[c, both] == matrix[s, both]).sum()
        assert found.common[c, s] == len(both)
        assert found.same[c, s] == same
        assert found.omega[c, s] == pytest.approx((same - chance.sum()) / np.sqrt((chance * (1 - chance)).sum()))
        np.testing.assert_allclose(np.sort(room.compared(c, s)), np.sort(chance))
        assert found.expected[c, s] == pytest.approx(chance.sum())


def test_an_options_chance_is_its_share_of_the_answers_in_its_category() -> None:
    bank = bank_of_rows([Row("2pl", 1.0, [0.0])] * 12)
    log = form(bank, np.zeros((40, 1)), 5)
    option = ["right" if c else ("a", "b", "b", "c", "b")[k % 5] for k, c in enumerate(log.category.tolist())]
    scorer = scorer_of(log, bank)
    (room,) = rooms(scorer, option=option)
    p = probabilities(bank.params, scorer.score(scorer.sittings.category)[0])
    wrong_b = [o == "b" for o, i in zip(option, log.item.tolist(), strict=True) if i == 0]
    wrong = (log.category[log.item == 0] == 0).sum()
    columns = room.chance[:, room.given[np.flatnonzero(wrong_b)[0]] > 0][:, 0]
    np.testing.assert_allclose(columns, p[:, 0, 0] * sum(wrong_b) / wrong)
    np.testing.assert_allclose(room.chance.sum(axis=1), 12)  # every item's options add up to one


@pytest.mark.parametrize("routed", [False, True])
def test_honest_people_are_not_named_on_a_form_nor_in_an_adaptive_test(routed: bool) -> None:
    bank = bank_of_rows(items("2pl", 60 if routed else 30, 6))
    theta = np.random.default_rng(7).normal(size=(160, 1))
    log = adaptive(bank, theta, 20, 8) if routed else form(bank, theta, 8)
    found = list(rooms(scorer_of(log, bank), [f"r{k // 40}" for k in range(160)]))
    omega = []
    for room in found:
        block = room.agreement(slice(None))
        omega.append(block.omega[(block.common >= 10) & ~np.eye(len(block.omega), dtype=bool)])
    every = np.concatenate(omega)
    assert every.mean() == pytest.approx(0, abs=0.1)
    assert 0.85 < every.std() < 1.02  # a little too narrow: the copier's ability is estimated from the answers compared
    assert 0.02 < (every > 1.645).mean() < 0.055
    pairs, compared = similar_pairs(found)
    assert compared == 4 * 40 * 39 // 2 or routed
    assert pairs[0].p_adjusted > 0.05


def found_in(scorer: Scorer, pair: Pair) -> Floats:
    """The copier's chances of the source's answers, from the model."""
    theta, _ = scorer.score(scorer.sittings.category)
    p = probabilities(scorer.sittings.params, theta[[pair.copier]])[0]
    answers = scorer.sittings.category[scorer.sittings.person == pair.source]
    return np.asarray(p[np.arange(len(answers)), answers])


def test_who_copies_half_the_answers_of_a_neighbour_is_named_with_the_source_and_nobody_else_is() -> None:
    bank = bank_of_rows(items("gpcm", 40, 9))
    log = form(bank, np.random.default_rng(10).normal(size=(60, 1)), 11)
    matrix = log.matrix()
    matrix[7, ::2] = matrix[33, ::2]
    log = replace(log, category=matrix.ravel())
    room = [f"r{k % 2}" for k in range(60)]  # 7 and 33 are in r1
    pairs, compared = similar_pairs(rooms(scorer_of(log, bank), room))
    assert compared == 2 * 30 * 29 // 2
    named = [pair for pair in pairs if pair.p_adjusted <= 0.05]
    assert [{pair.copier, pair.source} for pair in named] == [{7, 33}]
    assert named[0].common == 40
    assert named[0].same > named[0].expected + 10
    assert named[0].expected == pytest.approx(sum(found_in(scorer_of(log, bank), named[0])))
    assert named[0].p == pytest.approx(2 * upper_tail(found_in(scorer_of(log, bank), named[0]), named[0].same))
    apart = [f"r{k}" if k in (7, 33) else "r" for k in range(60)]
    assert similar_pairs(rooms(scorer_of(log, bank), apart))[0][0].p_adjusted > 0.05


def test_the_same_wrong_options_say_more_than_being_wrong_together() -> None:
    bank = bank_of_rows(items("2pl", 40, 12))
    rng = np.random.default_rng(13)
    log = form(bank, np.full((50, 1), -0.5), 14)
    option = np.where(log.category == 1, 0, rng.integers(1, 5, len(log)))
    matrix, options = log.matrix(), option.reshape(50, 40)
    copied = rng.permutation(40)[:16]
    matrix[3, copied], options[3, copied] = matrix[4, copied], options[4, copied]
    log = replace(log, category=matrix.ravel())
    scorer = scorer_of(log, bank)

    def p_of(found: list[str] | None) -> float:
        pairs, _ = similar_pairs(rooms(scorer, option=found))
        return min(pair.p for pair in pairs if {pair.copier, pair.source} == {3, 4})

    assert p_of([str(o) for o in options.ravel()]) < 0.01 * p_of(None)


def test_people_of_one_time_are_one_window() -> None:
    people = People(("", "", ""), ("b", "a", "b"), np.array([2, 1, 2]))
    assert tuple(people.windows()) == ("a", "b")
    assert tuple(People.unknown(2).windows()) == ("",)
