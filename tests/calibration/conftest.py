"""Answers, fits and small banks that several tests share. Everything is drawn from fixed seeds or read from files of reference numbers."""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from calibration.curves import starting_rows
from calibration.mml import MmlFit, MmlOptions, Priors, fit_mml
from calibration.responses import WHY, ResponseLog
from cat_engine import ItemParams, Row, TestPlan, load_plan, probabilities, simulate
from cat_engine.irt import Floats, Ints
from itembank.bank import Bank, pool_of

GOLDEN = Path(__file__).parents[1] / "golden"


@cache
def read_golden(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


@pytest.fixture(scope="session")
def golden() -> Callable[[str], Any]:
    """A file of reference numbers."""
    return read_golden


@dataclass(frozen=True, eq=False)
class Answers:
    """Persons x items as columns; -1 in the matrix they come from is "not administered"."""

    person: Ints
    item: Ints
    category: Ints
    counts: list[list[int]]

    @classmethod
    def of(cls, matrix: Ints) -> "Answers":
        person, item = np.nonzero(matrix >= 0)
        counts = [np.bincount(column[column >= 0]).tolist() for column in matrix.T]
        return cls(person, item, matrix[person, item], counts)

    def fit(self, model: str, priors: str = "none", tolerance: float = 1e-6, **options: Any) -> MmlFit:
        """A fit from rough starting values."""
        chosen = MmlOptions(priors=Priors.parse(priors), tolerance=tolerance, **options)
        return fit_mml(self.person, self.item, self.category, starting_rows(model, self.counts), chosen)

    def log(self, ids: tuple[str, ...]) -> ResponseLog:
        """The same as a log of a fixed form."""
        unknown = -np.ones(len(self.person), dtype=np.int64)
        persons = tuple(f"p{k}" for k in range(int(self.person.max()) + 1))
        return ResponseLog(persons, ids, self.person, self.item, self.category, unknown, unknown, 0 * unknown + WHY.index("fixed"))


def read_matrix(path: Path) -> Ints:
    with path.open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([[-1 if cell in ("", "NA") else int(cell) for cell in row] for row in rows])


@pytest.fixture
def answers(request: pytest.FixtureRequest) -> Callable[[str], Answers]:
    """A reference data set by name: committed where it was simulated, else of the folder of reference data."""

    def get(name: str) -> Answers:
        lines = read_golden("mirt_answers.json").get(name)
        if lines is not None:
            return Answers.of(np.array([[-1 if c == "." else int(c) for c in line] for line in lines]))
        shared: Path = request.getfixturevalue("shared")
        return Answers.of(read_matrix(shared / "golden" / f"f_{name}.csv"))

    return get


def drawn(rows: list[Row], theta: Floats, seed: int) -> Ints:
    p = probabilities(ItemParams.from_rows(rows), theta)
    uniform = np.random.default_rng(seed).random(p.shape[:2])
    return np.asarray(np.minimum((uniform[:, :, None] > p.cumsum(axis=2)).sum(axis=2), [len(row.b) for row in rows]))


@pytest.fixture(scope="session")
def draw() -> Callable[[list[Row], Floats, int], Answers]:
    """Complete answers of people of abilities theta[P] by the model, from a seed."""
    return lambda rows, theta, seed: Answers.of(drawn(rows, theta, seed))


def banked(rows: list[Row], ids: list[str] | None = None, competencies: tuple[str, ...] = ("A",)) -> Bank:
    names = ids or [f"i{k}" for k in range(len(rows))]
    n = len(rows)
    return Bank(
        tuple(names), ItemParams.from_rows(rows), competencies, ("active",) * n, ("provisional",) * n, (None,) * n, ({},) * n, version=1
    )


@pytest.fixture(scope="session")
def bank_of() -> Callable[..., Bank]:
    """A bank of rows, provisional, version 1."""
    return banked


ROUTED_PLAN = """
name = "routed"
[[sections]]
code = "all"
title = "all"
competencies = ["A"]
min_items = 20
max_items = 20
time_budget_min = 60
"""


def sat_adaptively(plan: TestPlan, bank: Bank, theta: Floats, seed: int) -> ResponseLog:
    """The answers of people of abilities theta[N] to the items that the engine chooses from the bank for each of them."""
    result = simulate(plan, pool_of(bank, ["A"]), theta[:, None], seed=seed)
    unknown = -np.ones(len(result.step_item), dtype=np.int64)
    return ResponseLog(
        tuple(f"p{k}" for k in range(len(theta))), bank.ids, result.step_person, result.step_item, result.step_category, unknown,
        result.step_position, 0 * unknown,
    )  # fmt: skip


@pytest.fixture(scope="session")
def routed() -> tuple[Bank, ResponseLog]:
    """4,000 people on 60 2PL items, 20 each, chosen by the engine for information: the bank holds the true parameters."""
    rng = np.random.default_rng(11)
    rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.25, 60), rng.normal(0, 1.1, 60), strict=True)]
    bank = banked(rows)
    return bank, sat_adaptively(load_plan(ROUTED_PLAN), bank, rng.normal(size=4000), 3)
