"""The E-step against its definition, person by person; parts that are cut, moved and added up anyhow."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import logsumexp

from calibration import expectation
from calibration.expectation import Design, Here, Part, Sums, expected_counts, in_pairs

N_ITEMS, N_CAT, N_GROUPS, N_NODES = 7, 3, 2, 11


def answers(n_persons: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """person, item, category (shuffled; some people answered nothing), group[P] and a table of log-probabilities."""
    rng = np.random.default_rng(seed)
    given_to = np.argwhere(rng.random((n_persons, N_ITEMS)) < 0.5)
    rng.shuffle(given_to)
    person, item = given_to.T
    table = np.log(rng.dirichlet(np.ones(N_NODES), N_ITEMS * N_CAT + N_GROUPS))
    return person, item, rng.integers(0, N_CAT, len(item)), np.append(0, rng.integers(0, N_GROUPS, n_persons - 1)), table


@pytest.mark.parametrize("block", [3, 64, 2048])
def test_the_sums_are_those_of_the_definition_however_the_persons_are_cut(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expectation, "BLOCK", block)
    person, item, category, group, table = answers(200, 1)
    loglik, expected = 0.0, np.zeros_like(table)
    for p in range(200):
        columns = [*(item[person == p] * N_CAT + category[person == p]), N_ITEMS * N_CAT + group[p]]
        joint = table[columns].sum(axis=0)
        loglik += logsumexp(joint)
        expected[columns] += np.exp(joint - logsumexp(joint))
    design = Design.of(person, item, category, group, N_ITEMS, N_CAT)
    found = design.expect(table)
    assert found[0] == pytest.approx(loglik, abs=1e-9)
    np.testing.assert_allclose(found[1], expected, atol=1e-10)
    np.testing.assert_array_equal(design.counts, np.bincount(item * N_CAT + category, minlength=N_ITEMS * N_CAT).reshape(N_ITEMS, N_CAT))
    np.testing.assert_array_equal(design.sizes, np.bincount(group))
    rough = design.expect(table.astype(np.float32))
    assert rough[0] == pytest.approx(loglik, rel=1e-5)
    np.testing.assert_allclose(rough[1], expected, atol=1e-3)


def test_a_part_that_was_sent_away_gives_the_same_to_the_last_bit() -> None:
    parts: list[Part] = []

    def keep(made: list[Part]) -> Here:
        parts.extend(made)
        return Here(made)

    person, item, category, group, table = answers(300, 2)
    Design.of(person, item, category, group, N_ITEMS, N_CAT, keep)  # type: ignore[arg-type]
    (part,) = parts
    away = pickle.loads(pickle.dumps(part))  # noqa: S301
    for one, other in zip(expected_counts(part, table), expected_counts(away, table), strict=True):
        np.testing.assert_array_equal(one, other)


def test_there_are_eight_parts_of_whole_blocks_and_more_only_where_parts_would_be_too_large() -> None:
    made: list[int] = []

    class Nowhere:
        def total(self, work: object, *shared: object) -> Sums:
            raise NotImplementedError

    def count(parts: list[Part]) -> Nowhere:
        made.append(len(parts))
        return Nowhere()

    for n_persons in (1, 2048, 2049, 16_384, 100_000, 1_200_000):
        person = np.arange(n_persons)
        Design.of(person, 0 * person, 0 * person, 0 * person, 2, 2, count)  # type: ignore[arg-type]
    assert made == [1, 1, 2, 8, 7, 19]


@given(st.integers(1, 70))
def test_sums_that_come_one_by_one_are_joined_as_neighbours_level_by_level(n: int) -> None:
    level = [str(k) for k in range(n)]
    joined = in_pairs(iter(level), lambda one, other: f"({one} {other})")
    while len(level) > 1:
        level = [f"({' '.join(level[at : at + 2])})" if at + 1 < len(level) else level[at] for at in range(0, len(level), 2)]
    assert joined == level[0]
