"""Random banks with blueprints that can be kept: the bounds of every row are drawn around a hidden form. Shared with the bench."""

from dataclasses import dataclass, replace

import numpy as np

from cat_engine import ItemParams, Pool, Row, information
from cat_engine.assembly import Assembly
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.families import Floats

CONTENTS, FORMATS, DEPTHS, KEYS = 8, 4, 3, 4  # with length, minutes and ten sets of enemies: 31 rows
ENEMIES = 10


@dataclass(frozen=True)
class World:
    """A pool of n 3PL items and what they are about, a blueprint, and a form that keeps it."""

    pool: Pool
    rows: tuple[BlueprintRow, ...]
    hidden: tuple[int, ...]

    @property
    def assembly(self) -> Assembly:
        return self.pool.assembly(self.rows)

    def info(self, theta: float) -> Floats:
        return information(self.pool.params, theta)[0]


def make_world(seed: int, n: int = 1000, length: int = 40, *, slack: int = 1, sets: bool = False) -> World:
    """31 rows, `slack` items wide on either side of the hidden form (33 with sets of 6 items a stimulus, 4 or 5 of which are asked for)."""
    rng = np.random.default_rng(seed)
    content = draw_content(rng, n, sets)
    hidden = hidden_form(rng, n, length, sets)
    rows = [BlueprintRow("length", "number", "item", "", length, length)]
    for name in ("CONTENT", "FORMAT", "DEPTH", "KEY"):
        cells = np.array(content.attributes[name])
        for value in np.unique(cells).tolist():
            there = int(np.sum(cells[hidden] == value))
            rows.append(BlueprintRow(f"{name}-{value}", "number", "item", f"{name} == {value}", max(0, there - slack), there + slack))
    minutes = sum(float(content.attributes["MINUTES"][i]) for i in hidden)
    rows.append(BlueprintRow("minutes", "sum", "item", "MINUTES", minutes - 5 * slack, minutes + 5 * slack))
    for k in range(ENEMIES):
        others = np.setdiff1d(np.arange(n), hidden)
        foes = [*rng.choice(others, size=3, replace=False).tolist(), int(rng.choice(hidden))]
        listed = ", ".join(f'"{content.attributes["ID"][i]}"' for i in foes)
        rows.append(BlueprintRow(f"enemy-{k}", "enemy", "item", f"ID %in% c({listed})"))
    if sets:
        rows.append(BlueprintRow("stimuli", "number", "stimulus", "", length // 5, length // 4))
        rows.append(BlueprintRow("per-stimulus", "number", "item", "per stimulus", 4, 5))
    items = [Row("3pl", float(np.exp(rng.normal(0.1, 0.25))), [float(rng.normal())], float(rng.uniform(0.1, 0.3))) for _ in range(n)]
    pool = replace(Pool.of(content.attributes["ID"], ItemParams.from_rows(items), ("A",)), content=content)
    return World(pool, tuple(rows), tuple(hidden.tolist()))


def draw_content(rng: np.random.Generator, n: int, sets: bool) -> Content:
    columns = {
        "CONTENT": rng.integers(0, CONTENTS, n),
        "FORMAT": rng.choice(FORMATS, n, p=[0.5, 0.25, 0.15, 0.1]),
        "DEPTH": rng.choice(DEPTHS, n, p=[0.4, 0.4, 0.2]),
        "KEY": rng.integers(0, KEYS, n),
        "MINUTES": rng.integers(1, 6, n),
    }
    attributes = {name: [str(v) for v in values] for name, values in columns.items()}
    if sets:
        attributes["STID"] = [f"S{i // 6:03d}" for i in range(n)]
    return Content.of(tuple(f"I{i:04d}" for i in range(n)), attributes)


def hidden_form(rng: np.random.Generator, n: int, length: int, sets: bool) -> np.ndarray:
    if not sets:
        return np.sort(rng.choice(n, size=length, replace=False))
    whole = rng.choice(n // 6, size=length // 5, replace=False)
    return np.sort(np.concatenate([6 * s + rng.choice(6, size=5, replace=False) for s in whole]))
