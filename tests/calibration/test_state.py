"""What a calibration's state may hold."""

import numpy as np
import pytest

from calibration.state import SMALLEST_SD, State
from cat_engine import Grid


@pytest.mark.parametrize("mean", [0.0, 0.05, 0.1, -1.13])
def test_the_narrowest_latent_density_is_still_one_on_the_nodes(mean: float) -> None:
    nodes = Grid().nodes()
    density = State([], np.array([[mean, np.log(SMALLEST_SD)]]), np.ones((1, 2), dtype=bool)).densities(nodes)[0]
    found = float(density @ nodes)
    assert found == pytest.approx(mean, abs=1e-6)
    assert np.sqrt(density @ (nodes - found) ** 2) == pytest.approx(SMALLEST_SD, rel=1e-5)
