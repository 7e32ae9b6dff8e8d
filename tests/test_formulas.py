"""docs/formulas.md holds every model and rule that a plan can name, each with a formula and a dated source, and none that is gone."""

import re
from pathlib import Path

import pytest

from cat_engine.beginning import START
from cat_engine.content import CONTENT
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.irt import MODELS
from cat_engine.priors import PRIOR
from cat_engine.select import SELECTION
from cat_engine.stop import STOP

DOC = (Path(__file__).parents[1] / "docs" / "formulas.md").read_text(encoding="utf-8")
SECTIONS = {
    "## Models": MODELS, "## Ability": ESTIMATOR.names, "## Priors": PRIOR.names, "## Choice of items": SELECTION.names,
    "## One of the best": EXPOSURE.names, "## First items": START.names, "## Who may see what": ELIGIBILITY.names,
    "## Content": CONTENT.names, "## The end of a test": STOP.names,
}  # fmt: skip


@pytest.mark.parametrize("title", SECTIONS)
def test_every_name_has_a_formula_and_a_source_and_none_is_gone(title: str) -> None:
    text = next(part for part in re.split(r"^(?=## )", DOC, flags=re.MULTILINE) if part.startswith(title))
    rows = {
        row[0].strip(" `"): row[1:] for line in re.findall(r"^\| (`.*) \|$", text, re.MULTILINE) if (row := re.split(r" (?<!\\)\| ", line))
    }
    assert sorted(rows) == sorted(SECTIONS[title])
    for name, cells in rows.items():
        assert re.search(r"\b(19|20)\d\d\b", cells[-1]), f"{name} names no source"
        assert all(cell.strip() for cell in cells), f"a cell of {name} is empty"
