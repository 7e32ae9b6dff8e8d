"""What one wave may use."""

from dataclasses import replace

import numpy as np
import pytest

from cat_engine import Grid, ItemParams, Pool, Row, information, log_probabilities

ROWS = [Row("2pl", 1.0, [0.0], scale=0), Row("grm", 1.0, [0.0, 1.0], scale=1)]


def pool() -> Pool:
    return Pool.of(("a", "b"), ItemParams.from_rows(ROWS), ("A", "B"))


def test_the_table_holds_the_log_probabilities_at_the_nodes() -> None:
    one = pool()
    assert one.log_table.shape == (2, 3, 61)
    np.testing.assert_array_equal(one.log_table[1, 2], log_probabilities(one.params, one.nodes)[:, 1, 2])


def test_items_are_found_by_id_and_by_competency() -> None:
    assert pool().index == {"a": 0, "b": 1}
    assert [at.tolist() for at, _ in pool().scales] == [[0], [1]]
    assert len(pool()) == 2


def test_the_digest_changes_with_anything_that_a_decision_depends_on() -> None:
    one = pool()
    others = [
        replace(one, ids=("a", "c")),
        replace(one, competencies=("A", "C")),
        replace(one, operational=np.array([True, False])),
        replace(one, exposure=np.array([0.1, 0.0])),
        replace(one, grid=Grid(-5.0, 5.0, 61)),
        replace(one, params=ItemParams.from_rows([ROWS[0]._replace(a=1.1), ROWS[1]])),
        replace(one, params=ItemParams.from_rows([ROWS[0]._replace(scale=1), ROWS[1]])),
    ]
    assert pool().digest == one.digest
    assert len({one.digest, *(other.digest for other in others)}) == 1 + len(others)


def test_slopes_are_part_of_the_digest_and_of_where_an_item_lies() -> None:
    rows = [ROWS[0], Row("nrm", 1.0, [0.6, -1.0], scale=1, slopes=[-0.5, 1.5])]
    one = replace(pool(), params=ItemParams.from_rows(rows))
    other = replace(pool(), params=ItemParams.from_rows([rows[0], rows[1]._replace(slopes=[-0.5, 1.6])]))
    assert one.digest != other.digest
    assert one.middle[1] == pytest.approx(0.8)  # category 2 overtakes category 1 where -0.5 theta + 0.6 = 1.5 theta - 1
    assert one.params.discrimination[1] == pytest.approx(1.0)
    assert np.all(information(one.params, one.peak[1] + np.array([-0.1, 0.1]))[:, 1] < information(one.params, one.peak[1])[0, 1])


@pytest.mark.parametrize(
    "change",
    [
        {"ids": ("a",)},
        {"ids": ("a", "a")},
        {"competencies": ("A",)},
        {"competencies": ("A", "A")},
        {"operational": np.array([True])},
        {"exposure": np.array([0.0, 1.5])},
        {"exposure": np.array([0.0, np.nan])},
    ],
)
def test_parts_that_do_not_fit_together_are_refused(change: dict) -> None:
    with pytest.raises(ValueError):
        replace(pool(), **change)


def test_the_masks_of_a_pool_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        pool().operational[0] = False
