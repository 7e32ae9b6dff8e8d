"""What a calibration's state may hold."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from calibration.curves import bounds, curves
from calibration.priors import FLAT, Priors
from calibration.state import SMALLEST_SD, State, shapes_of
from cat_engine import Grid, Row
from cat_engine.irt import Floats


@pytest.mark.parametrize("mean", [0.0, 0.05, 0.1, -1.13])
def test_the_narrowest_latent_density_is_still_one_on_the_nodes(mean: float) -> None:
    nodes = Grid().nodes()
    density = State([], np.array([[mean, np.log(SMALLEST_SD)]]), np.ones((1, 2), dtype=bool)).densities(nodes)[0]
    found = float(density @ nodes)
    assert found == pytest.approx(mean, abs=1e-6)
    assert np.sqrt(density @ (nodes - found) ** 2) == pytest.approx(SMALLEST_SD, rel=1e-5)


def test_curves_and_priors_that_are_kept_are_always_those_of_the_parameters_asked_for() -> None:
    (shape,) = shapes_of([Row("grm", 1.0, (-1.0, 1.0)), Row("grm", 1.5, (0.0, 2.0))], np.zeros(2, dtype=bool))
    first, nodes, priors = shape.x.copy(), Grid().nodes(), Priors()
    for x, at, by in (
        (first, nodes, priors),
        (first, nodes, FLAT),
        (first + 0.1, nodes, priors),
        (first + 0.1, nodes[::2], priors),
        (first, nodes, priors),
    ):
        found, (log_p, scores) = shape.curves(x, at), curves("grm", x, at)
        assert (found.log_p == log_p).all()
        assert (found.scores() == scores).all()
        assert (shape.log_prior(x, by) == by.log_density("grm", x)).all()
    shape.x[0, 0] += 1.0  # in place, as the M-step does
    kept = shape.curves(shape.x, nodes).log_p
    shape.x[0, 0] += 1.0
    assert not (shape.curves(shape.x, nodes).log_p == kept).all()


@pytest.mark.parametrize("model", ["3pl", "4pl"])
def test_an_asymptote_at_its_bound_does_not_keep_slope_and_difficulty_from_their_maximum(model: str) -> None:
    nodes = Grid().nodes()
    right = expit(1.2 * (nodes + 0.5)) ** 1.6  # of a curve without guessing, c would be below 0
    counts = 2000 * np.exp(-0.5 * nodes**2) * np.stack([1 - right, right])[None]
    (shape,) = shapes_of([Row(model, 1.0, (0.0,), 0.2, 0.9)], np.zeros(1, dtype=bool))
    for _ in range(200):
        shape.maximise(counts, nodes, FLAT)
    assert shape.x[0, 2] == bounds(model, 2)[0][2]

    def loss(x: Floats) -> float:
        return -float((counts * shape.curves(x[None], nodes).log_p).sum())

    found = shape.x[0].copy()
    best = minimize(loss, found, bounds=list(zip(*bounds(model, 2), strict=True)), method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
    assert found == pytest.approx(best.x, abs=1e-3)
