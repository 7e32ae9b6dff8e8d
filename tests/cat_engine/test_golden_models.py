"""Probabilities, information and derivatives are those of catR 3.17, but where 60 digits of arithmetic say otherwise.

Two faults of catR's are known, found by evaluating the formulas of irt.py with 60 digits:

- It takes 1 - P, and the probabilities of graded items, by subtraction, which leaves eps / P of relative precision: P of graded items off by up to
  1.5e-10, information where P is near 1 by up to 9e-8, where ours hold to 1e-14.
- At D = 1.702 its derivatives of P of gpcm, pcm and rsm lack the factor D, so that information lacks D^2, J and the slope of information D^3. Its
  derivatives by differences (`info_numeric`) are right, to the 1e-8 of differences. So there both are held, the former divided by what it lacks.

Its nominal model takes no D at all, which is as it should be: the model is made of logits.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cat_engine import ItemParams, information, probabilities
from cat_engine.families import Floats
from cat_engine.irt import derivatives_at, item_terms
from tests.cat_engine.catr import row

EPS = float(np.finfo(float).eps)
POWER_OF_D = {"dP": 1, "dinfo": 3, "J": 3, "info": 2}
GRADED = ("GRM", "MGRM")
PARTIAL_CREDIT = ("GPCM", "PCM", "RSM")


@pytest.fixture(params=["catr_models.json", "catr_derivatives.json", "all"])
def cases(request: pytest.FixtureRequest, golden: Callable[[str], Any]) -> list[dict[str, Any]]:
    """The committed numbers, or all that catR gave: 20 models and metrics, 40 items, 9 abilities."""
    if request.param != "all":
        return golden(request.param)["cases"]
    shared: Path = request.getfixturevalue("shared")
    found: list[dict[str, Any]] = json.loads((shared / "golden" / "a_prob_info.json").read_text())["cases"]
    assert len(found) == 20
    return found


def in_categories(values: list[Any], shape: tuple[int, ...]) -> Floats:
    """catR's values of every category as [I, K], NaN where there is none and for category 0 of two, which catR does not tell."""
    found = np.full(shape, np.nan)
    for own, value in zip(found, values, strict=True):
        if isinstance(value, list):
            told = [x for x in value if x is not None]
            own[: len(told)] = told
        else:
            own[1] = value
    return found


def lost(name: str, model: str, p: Floats) -> Floats | float:
    """What catR loses by subtraction, relative to the value: of each category where `name` is of categories, else of each item."""
    if name in ("P", "dP"):
        return 4 * EPS / np.maximum(p, EPS) if model in GRADED else 0.0
    if name in ("info", "J", "dinfo"):
        return 4 * EPS / (1 - p.max(axis=1))
    return 0.0


def test_all_that_catr_tells_of_a_model_is_found(cases: list[dict[str, Any]]) -> None:
    for case in cases:
        model, scaling = case["model"], case["D"]
        params = ItemParams.from_rows([row(model, values, scaling) for values in case["items"]])
        for point in case["points"]:
            theta = np.full((1, len(params)), point["theta"])
            p, (first, second) = probabilities(params, point["theta"])[0], (part[0] for part in derivatives_at(params, theta))
            _, _, slope, j = (part[0] for part in item_terms(params, theta))
            by_category = {"P": p, "dP": p * first, "d2P": p * (second + first**2)}
            by_item = {"dinfo": slope, "J": j, "info": information(params, point["theta"])[0]}
            if model in PARTIAL_CREDIT and scaling != 1 and "info_numeric" in point:
                np.testing.assert_allclose(by_item["info"], point["info_numeric"], rtol=1e-8)
            for name, value in {**by_category, **by_item}.items():
                if name not in point:
                    continue
                lacking = scaling ** POWER_OF_D.get(name, 0) if model in PARTIAL_CREDIT else 1.0
                found, wanted = value / lacking, in_categories(point[name], p.shape) if name in by_category else np.array(point[name])
                there = ~np.isnan(wanted)
                assert name not in by_category or np.array_equal(there[:, 1:], p[:, 1:] > 0)
                apart = np.abs(found - wanted)[there]
                bound = ((1e-12 + lost(name, model, p)) * np.abs(wanted))[there]
                if name not in ("P", "info"):  # where a slope passes through 0 no double has it to 1e-12 of itself
                    bound += 16 * EPS
                assert np.all(apart <= bound), f"{name} of {model}, D {scaling}, at {point['theta']}: {apart.max():.1e}"
