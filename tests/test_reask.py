"""Asking again what was sat elsewhere: nothing is found where nothing differs, and another theta is found however it differs."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cat_engine import Decision, Estimate
from tests import reask
from webtest import catalog


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("reask") / "made"
    assert reask.main(["make", str(made), "--plans", "1", "--people", "1"]) == 0
    return made


def shift(patch: pytest.MonkeyPatch, by: float) -> None:
    """Another machine, whose estimates are off."""
    here = catalog.look

    def elsewhere(*given: object) -> tuple[Decision, Estimate]:
        decision, found = here(*given)  # type: ignore[arg-type]
        return decision, replace(found, theta=found.theta + by)

    patch.setattr(catalog, "look", elsewhere)


def test_the_same_machine_finds_no_difference_to_the_last_bit(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert reask.main(["check", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"asked again by {reask.versions()}" in said
    assert "1 sessions, 13 decisions asked again: 0 differences\n0 of " in said


def test_a_theta_that_differs_is_a_difference(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    shift(monkeypatch, 1e-6)
    assert reask.main(["check", str(folder)]) == 1
    assert "theta after the answer is" in capsys.readouterr().out


def test_last_bits_are_counted_and_measured_and_no_difference(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shift(monkeypatch, 1e-12)
    compared = reask.check(folder)
    assert compared.differences == []
    assert 0 < compared.inexact < compared.numbers
    assert np.isclose(compared.largest, 1e-12, rtol=1e-3)
