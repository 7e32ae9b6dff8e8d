"""A proposal as CSV and JSON: what it says is the proposal's, and its parameters read back to the same bits."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from calibration.files import read_items_csv
from calibration.pipeline import Proposal, calibrate
from calibration.proposal_files import proposal_csv, proposal_json
from cat_engine import Row
from itembank.bank import Bank
from webtest.languages import language

ROWS = [
    *(Row("2pl", 1.2, [float(b)]) for b in np.linspace(-1, 1, 6)),
    Row("grm", 1.4, [-0.8, 0.1, 0.9]),
    Row("3pl", 1.3, [0.2], 0.2),
    Row("nrm", 1.0, [0.3, -0.2], slopes=[0.8, 1.7]),
    Row("2pl", 1.0, [0.0]),
]


@pytest.fixture(scope="module")
def proposal(draw: Callable[..., Any], bank_of: Callable[..., Bank]) -> Proposal:
    """2,000 people of two sexes; item 2 is harder for one of them, item 4 has become harder for all, and of item 9 there are five answers."""
    theta = np.random.default_rng(61).normal(size=2000)
    moved = [row._replace(b=[row.b[0] + 1.1]) if k == 4 else row for k, row in enumerate(ROWS)]
    data = draw(moved, theta, 62)
    harder = draw([row._replace(b=[row.b[0] + 1.2]) if k == 2 else row for k, row in enumerate(moved)], theta, 63)
    other = data.person % 2 == 1
    data.category[other] = harder.category[other]
    bank = bank_of(ROWS)
    log = data.log(bank.ids).where((data.item < 9) | (data.person < 5))
    return calibrate(log, bank, groups={"sex": ["LP"[p % 2] for p in range(2000)]})


def test_a_row_an_item_holds_what_the_proposal_says_and_its_parameters_read_back_to_the_same_bits(proposal: Proposal) -> None:
    text = proposal_csv(proposal)
    rows = {row["item_id"]: row for row in csv.DictReader(io.StringIO(text))}
    back = read_items_csv(text, blanks=True)
    assert list(rows) == [v.item_id for v in proposal.verdicts]
    for v in proposal.verdicts:
        row = rows[v.item_id]
        assert (row["verdict"], row["flags"], row["n"], row["why"]) == (v.verdict, ";".join(v.flags), str(v.n), v.why())
        assert v.new is None or back[v.item_id] == v.new._replace(scale=0)
        assert [float(row[f"old_b{k + 1}"]) for k in range(len(v.old.b))] == pytest.approx(v.old.b)
    assert float(rows["i6"]["se_b3"]) == proposal.verdicts[6].se_b[2]
    assert float(rows["i7"]["se_c"]) == proposal.verdicts[7].se_c
    assert (rows["i8"]["a"], float(rows["i8"]["se_a2"])) == ("", proposal.verdicts[8].se_slopes[1])


def test_an_item_without_an_estimate_has_its_reason_and_no_number(proposal: Proposal) -> None:
    row = next(row for row in csv.DictReader(io.StringIO(proposal_csv(proposal))) if row["item_id"] == "i9")
    assert (row["flags"], row["n"]) == ("few", "5")
    numbers = ("a", "b1", "se_a", "se_b1", "rmsd", "shift", "robust_z", "dif_group")
    assert not any(row[name] for name in numbers)


def test_what_drifted_and_what_favours_a_group_stands_out(proposal: Proposal) -> None:
    told = json.loads(proposal_json(proposal, language("en")))
    items = {item["item_id"]: item for item in told["items"]}
    assert max(items, key=lambda name: abs(items[name]["robust_z"] or 0)) == "i4"
    assert items["i4"]["shift"] > 0.7
    assert {name for name, item in items.items() if item["dif"] and item["dif"]["flagged"]} == {"i2"}
    assert items["i2"]["dif"]["group"] in ("sex:L", "sex:P")
    assert "to be held" in items["i2"]["why"] or "held and reviewed" in items["i2"]["why"]
    assert items["i9"]["new"] is None
    assert items["i9"]["se"] is None
    assert (told["scales"][0]["converged"], told["scales"][0]["people"]) == (True, 2000)
