"""The flags on a real exam, beside the 46 people whom its owner flagged: the figures that docs/security.md states."""

from pathlib import Path

import numpy as np
import pytest

from calibration.personfit_times import ItemSpeeds, population
from tests.calibration.exam import Exam, figures


@pytest.mark.slow
def test_what_the_flagged_people_of_a_real_exam_look_like(shared: Path) -> None:
    exam = Exam.read(shared / "data")
    assert (exam.sittings.n_persons, int(exam.flagged.sum())) == (1636, 46)
    assert population(exam.sittings, ItemSpeeds.calibrated(exam.sittings)).sd == pytest.approx(0.173, abs=0.01)
    found = figures(exam)
    wanted = {
        "lz*": (0.42, 0.04), "infit": (0.40, 0.00), "outfit": (0.49, 0.07), "CUSUM": (0.48, 0.04), "times": (0.48, 0.17),
        "fast answers": (0.55, 0.09), "effort": (0.52, 0.04), "speed": (0.67, 0.43), "omega, largest": (0.62, 0.28), "preknowledge": (0.67, 0.25),
        "quick for the ability": (0.73, 0.43), "standing out": (0.86, 0.67),
    }  # fmt: skip
    assert found["roc"].keys() == wanted.keys()
    for name, numbers in wanted.items():
        np.testing.assert_allclose(found["roc"][name], numbers, atol=0.011, err_msg=name)  # as rounded; one of 46 is .022
    np.testing.assert_allclose(found["rates"]["lz*"], (0.064, 0.017), atol=0.001)
    np.testing.assert_allclose(found["rates"]["times, exact"], (0.218, 0.157), atol=0.001)
    np.testing.assert_allclose(found["rates"]["times"], (0.043, 0.010), atol=0.001)
    np.testing.assert_allclose(found["rates"]["standing out"], (0.064, 0.019), atol=0.001)
    assert found["named"] == (5, 4)
    assert [found[name] for name in ("named pairs", "named people", "of them flagged")] == [6, 6, 6]
