"""What a calibration's state may hold."""

import numpy as np
import pytest

from calibration.state import SMALLEST_SD, State, parameters_behind
from cat_engine import Grid, Row


@pytest.mark.parametrize("mean", [0.0, 0.05, 0.1, -1.13])
def test_the_narrowest_latent_density_is_still_one_on_the_nodes(mean: float) -> None:
    nodes = Grid().nodes()
    density = State([], np.array([[mean, np.log(SMALLEST_SD)]]), np.ones((1, 2), dtype=bool)).densities(nodes)[0]
    found = float(density @ nodes)
    assert found == pytest.approx(mean, abs=1e-6)
    assert np.sqrt(density @ (nodes - found) ** 2) == pytest.approx(SMALLEST_SD, rel=1e-5)


def test_items_that_share_their_steps_are_counted_with_the_steps_of_the_first_and_a_shift_of_their_own() -> None:
    """A slope (of pcm and rsm given), K - 1 steps and, of every further item with as many shared steps, its shift. Two categories have no step to share."""
    rows = [
        Row("2pl", 1.1, [0.2]), Row("rsm", 1.0, [-0.5, 0.5]), Row("mgrm", 1.2, [-0.4, 0.6]), Row("rsm", 1.0, [0.1, 1.1]),
        Row("rsm", 1.0, [-1.0, 0.0, 1.0]), Row("mgrm", 0.9, [0.0, 1.0]), Row("rsm", 1.0, [0.3]), Row("rsm", 1.0, [0.6]),
        Row("pcm", 1.0, [-0.5, 0.5]), Row("3pl", 1.0, [0.1], 0.2), Row("nrm", 1.0, [0.1, 0.2], slopes=[0.5, 1.0]),
    ]  # fmt: skip
    assert parameters_behind(rows) == [2, 2, 3, 3, 3, 4, 1, 1, 2, 3, 4]
