"""A real licensing exam with 46 people whom its owner flagged as cheaters (Cizek & Wollack, 2017): 1,636 people, 170 items, options and times."""

import csv
import gzip
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from calibration.personfit import met, pattern_fit
from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_cusum import cusum
from calibration.personfit_times import ItemSpeeds, time_fit
from calibration.responses import WHY, ResponseLog
from calibration.security_pairs import rooms, similar_pairs
from calibration.security_people import standing_out
from calibration.security_preknowledge import preknowledge
from cat_engine import ItemParams, Row
from cat_engine.irt import Floats
from itembank.bank import Bank

N_ITEMS, HALVES, MOST_SUSPECTED = 170, 20, 50


@dataclass(frozen=True, eq=False)
class Exam:
    """The sittings, who was flagged[P], and the option of each answer, [R]."""

    sittings: Sittings
    flagged: NDArray[np.bool_]
    option: list[str]

    @classmethod
    def read(cls, folder: Path) -> "Exam":
        """From the folder of data files; items as another fit of the same answers has them (2PL)."""
        with gzip.open(folder / "credential_form1_full.csv.gz", "rt", newline="") as file:
            rows = list(csv.DictReader(file))
        with (folder / "credential_form1_calibrated_2pl_lnrt.csv").open(newline="") as file:
            items = [Row("2pl", float(item["a"]), [float(item["b"])]) for item in csv.DictReader(file)]
        ids = tuple(f"i{k}" for k in range(1, N_ITEMS + 1))

        def columns(name: str) -> NDArray[np.int64]:
            return np.array([[int(row[f"{name}.{k}"] or -1) for k in range(1, N_ITEMS + 1)] for row in rows]).ravel()

        n = len(rows)
        person, item = np.repeat(np.arange(n), N_ITEMS), np.tile(np.arange(N_ITEMS), n)
        bank = Bank(
            ids, ItemParams.from_rows(items), ("all",), ("active",) * N_ITEMS, ("calibrated",) * N_ITEMS, (None,) * N_ITEMS, ({},) * N_ITEMS
        )
        log = ResponseLog(
            tuple(row["EID"] for row in rows),
            ids,
            person,
            item,
            columns("iraw"),
            1000 * columns("idur"),
            item,
            np.full(len(item), WHY.index("fixed")),
        )
        return cls(Sittings.of(log, bank), np.array([row["Flagged"] == "1" for row in rows]), [str(o) for o in columns("iresp").tolist()])


def roc(value: Floats, guilty: NDArray[np.bool_]) -> tuple[float, float]:
    """Area under the curve, and the share of the guilty above the value that 5 % of the others exceed."""
    ranks = rankdata(value)
    n = int(guilty.sum())
    area = (ranks[guilty].sum() - n * (n + 1) / 2) / (n * (len(value) - n))
    return float(area), float((value[guilty] > np.quantile(value[~guilty], 0.95)).mean())


def figures(exam: Exam) -> dict[str, Any]:
    """ROC of every flag, how many honest people it flags at .05 and .01 (a pair: "rates"), and the pairs that are named at .05."""
    sittings, guilty = exam.sittings, exam.flagged
    scorer = Scorer.of(sittings)
    at = met(sittings, sittings.category, scorer.score(sittings.category)[0])
    pattern, speeds = pattern_fit(sittings, at), ItemSpeeds.calibrated(sittings)
    times = time_fit(sittings, speeds, speeds.thresholds())
    (room,) = rooms(scorer, option=exam.option)
    omega = room.agreement(slice(None)).omega
    omega = np.maximum(omega, omega.T)
    np.fill_diagonal(omega, -np.inf)
    named = [pair for pair in similar_pairs([room])[0] if pair.p_adjusted <= 0.05]
    out = standing_out(sittings, scorer.score(sittings.category)[0], speeds, [room])
    people = sorted({number for pair in named for number in (pair.copier, pair.source)})
    values = {
        "lz*": -pattern.lz_star, "infit": pattern.infit, "outfit": pattern.outfit, "CUSUM": cusum(sittings, at), "times": times.chi2 / times.df,
        "fast answers": times.fast.astype(float), "effort": -times.effort, "speed": times.tau, "omega, largest": omega.max(axis=1),
        "quick for the ability": -out.p_speed, "standing out": -out.p,
    }  # fmt: skip
    return {
        "roc": {name: roc(value, guilty) for name, value in values.items()} | {"preknowledge": _split_halves(exam, at, speeds)},
        "rates": {name: tuple((p[~guilty] <= level).mean() for level in (0.05, 0.01)) for name, p in (("lz*", pattern.p), ("times, exact", times.p), ("times", times.p_among()), ("standing out", out.p))},
        "named": (int((out.p_adjusted <= 0.05).sum()), int((out.p_adjusted[guilty] <= 0.05).sum())),
        "named pairs": len(named), "named people": len(people), "of them flagged": int(guilty[people].sum()),
    }  # fmt: skip


def _split_halves(exam: Exam, at: Any, speeds: ItemSpeeds) -> tuple[float, float]:
    """Half of the flagged point out the items (the 50 on which they exceed expectation most), the test is of the other half; mean of 20 splits."""
    guilty, sittings = exam.flagged, exam.sittings
    rng = np.random.default_rng(0)
    found = []
    for _ in range(HALVES):
        half = rng.permutation(np.flatnonzero(guilty))[: guilty.sum() // 2]
        mine = np.isin(sittings.person, half)
        gap = np.bincount(sittings.item[mine], at.residual[mine]) / np.sqrt(np.bincount(sittings.item[mine], at.variance[mine]))
        suspected = np.argsort(np.argsort(-gap)) < MOST_SUSPECTED
        z, rest = preknowledge(sittings, at, speeds, suspected).z, ~np.isin(np.arange(len(guilty)), half)
        found.append(roc(z[rest], guilty[rest]))
    return float(np.mean([area for area, _ in found])), float(np.mean([share for _, share in found]))
