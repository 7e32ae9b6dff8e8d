"""Calibration of a file of answers that belongs to no bank: one scale, a model an item, anchors and groups where there are any."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from calibration.curves import starting_rows
from calibration.estimate import Demands, Run, estimate, tabulate
from calibration.expectation import Here, Hold
from calibration.pair_residuals import PairFindings, pair_findings
from calibration.responses import ResponseLog
from calibration.verdicts import ItemVerdict, ScaleRun, with_partners
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import DICHOTOMOUS, Ints


@dataclass(frozen=True, slots=True)
class Specification:
    """What is to be estimated: `model` of items that `models` does not name, rows to start from, and rows of anchors, which stay.

    `start` may be a whole bank: of its items that nobody answered nothing is said.
    """

    model: str = "2pl"
    models: Mapping[str, str] = field(default_factory=dict)
    start: Mapping[str, Row] = field(default_factory=dict)
    anchors: Mapping[str, Row] = field(default_factory=dict)

    def row(self, item_id: str, counts: Ints) -> Row:
        """Where the estimation of an item with counts[K] answers starts."""
        known = self.anchors.get(item_id) or self.start.get(item_id)
        model = self.models.get(item_id, self.model)
        return known or starting_rows(model, [counts[:2].tolist() if model in DICHOTOMOUS else counts.tolist()])[0]


@dataclass(frozen=True, slots=True, eq=False)
class FileCalibration:
    """A verdict an item, in the order of the file, the run, and the dependence of items; None where nothing could be estimated."""

    verdicts: tuple[ItemVerdict, ...]
    run: Run | None
    seconds: float
    pairs: PairFindings | None = None

    @property
    def scales(self) -> tuple[ScaleRun, ...]:
        """The run as the report takes it."""
        if self.run is None:
            return ()
        ids = [v.item_id for v in self.verdicts]
        return (ScaleRun.of(self.run.fit, "", tuple(ids[i] for i in self.run.used.tolist())),)


def calibrate_answers(
    log: ResponseLog, what: Specification, demands: Demands, group: Ints | None = None, hold: Hold = Here
) -> FileCalibration:
    """Estimate the items of `log`; group[P] numbers the group of log.person_ids; `hold` as in fit_mml.

    Raises Faulty naming items that the specification knows and the answers do not, and answers that an item's model does not have.
    """
    began = time.perf_counter()
    table = tabulate(log.item, log.category, len(log.item_ids), max(2, int(log.category.max()) + 1))
    n_cat = np.where(table > 0, np.arange(1, table.shape[1] + 1), 0).max(axis=1)
    counts = [own[: max(2, n)] for own, n in zip(table, n_cat.tolist(), strict=True)]
    rows = [what.row(item_id, own) for item_id, own in zip(log.item_ids, counts, strict=True)]
    answered = set(log.item_ids)
    faults = [
        Fault("anchors" if item_id in what.anchors else "model file", item_id, "is not an item of the answers")
        for item_id in dict.fromkeys([*what.anchors, *what.models])
        if item_id not in answered and (item_id in what.anchors or item_id not in what.start)
    ]
    for item_id, row, n in zip(log.item_ids, rows, n_cat.tolist(), strict=True):
        if n > len(row.b) + 1:
            remedy = "give it another model in a model file" if row.model in DICHOTOMOUS else "its row must have a b for each step"
            faults.append(Fault("answers", item_id, f"category {n - 1} was answered, model {row.model} has 0 to {len(row.b)}", remedy))
    if faults:
        raise Faulty(faults)
    fixed = np.array([item_id in what.anchors for item_id in log.item_ids])
    found = estimate(log.person, log.item, log.category, rows, demands, fixed, group, hold)
    place = {} if found.run is None else {int(i): k for k, i in enumerate(found.run.used)}
    verdicts = []
    for i, item_id in enumerate(log.item_ids):
        own, old, n = found.counts[i], rows[i] if fixed[i] else None, int(found.counts[i].sum())
        nan, steps = float("nan"), len(rows[i].b)
        if found.run is None or i not in place or fixed[i]:
            verdicts.append(
                ItemVerdict(item_id, "", old, None, nan, (nan,) * steps, nan, n, tuple(own.tolist()), nan, nan, found.flags[i], rows[i])
            )
            continue
        k, errors = place[i], found.run.errors
        se_a, se_b, se_slopes = errors.moved(k, found.run.fit.rows[k])
        verdicts.append(
            ItemVerdict(
                item_id, "", old, found.run.fit.rows[k], se_a, se_b, float(errors.c[k]), n, tuple(own.tolist()),
                float(found.run.rmsd[k]), nan, found.flags[i], rows[i], se_slopes, float(errors.d[k]),
            )
        )  # fmt: skip
    pairs = None
    if found.run is not None:
        pairs = pair_findings(found.run.fit, [log.item_ids[i] for i in found.run.used.tolist()])
        verdicts = with_partners(verdicts, pairs)
    return FileCalibration(tuple(verdicts), found.run, time.perf_counter() - began, pairs)
