"""What came out of a rehearsal: every acknowledged answer looked up in the log, times, and abilities against the true ones."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from cat_engine.irt import Floats
from itembank.bank import Bank
from webtest.rehearsal.people import Taker

Answers = Mapping[str, Sequence[Mapping[str, Any]]]  # NIP -> the payloads of accepted answers, in their order


@dataclass(frozen=True, slots=True)
class Report:
    """What came out. Times in ms or s; rmse and correlation by competency, against the true abilities."""

    wave: str
    n: int
    finished: int
    failed: int
    answers: int
    lost: int
    doubled: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    answers_per_s: float
    mean_length: float
    rmse: Mapping[str, float]
    correlation: Mapping[str, float]
    mean_se: Mapping[str, float]
    max_exposure: float
    unused: float
    kills: int
    seconds: float
    faults: tuple[str, ...]


def answers_in(log: Sequence[dict[str, Any]]) -> Answers:
    """The accepted answers of a wave's log, by NIP, in their order."""
    found: dict[str, list[dict[str, Any]]] = {}
    for line in log:
        if line["kind"] == "answered":
            found.setdefault(line["nip"], []).append(line["payload"])
    return found


def lost_and_doubled(takers: Sequence[Taker], answers: Answers) -> tuple[int, int]:
    """How many answers that the server acknowledged are not in its log as they were given, and how many are there twice: to the same item, or to the
    same presentation.
    """
    lost = doubled = 0
    for taker in takers:
        mine = answers.get(taker.row.nip, [])
        logged = {(p["item_id"], p["choice"]) for p in mine}
        lost += sum(pair not in logged for pair in taker.acknowledged)
        doubled += len(mine) - len({p["item_id"] for p in mine}) + len(mine) - len({p["presented_seq"] for p in mine})
    return lost, doubled


def _recovery(takers: Sequence[Taker], answers: Answers, bank: Bank) -> dict[str, Floats]:
    """By competency the people's true ability, last estimate and its standard error, [N, 3]."""
    found: dict[str, list[tuple[float, float, float]]] = {}
    for taker in takers:
        last = {bank.competency_of(bank.index[p["item_id"]]): p for p in answers.get(taker.row.nip, [])}
        for code, p in last.items():
            found.setdefault(code, []).append((taker.theta[code], p["theta"], p["se"]))
    return {code: np.array(rows) for code, rows in sorted(found.items())}


def report_on(
    wave: str, takers: Sequence[Taker], log: Sequence[dict[str, Any]], bank: Bank, kills: int, tested_s: float, seconds: float
) -> Report:
    """The report on a wave of `takers` whose log is `log`; tested_s, of the test alone, and seconds, of the whole day."""
    answers = answers_in(log)
    lost, doubled = lost_and_doubled(takers, answers)
    pairs = _recovery(takers, answers, bank)
    used = Counter(p["item_id"] for taker in takers for p in answers.get(taker.row.nip, []))
    latencies = np.array([ms for taker in takers for ms in taker.latencies_ms] or [0.0])
    p50, p95, p99 = (round(float(v), 1) for v in np.percentile(latencies, [50, 95, 99]))
    total = sum(len(taker.acknowledged) for taker in takers)
    return Report(
        wave=wave,
        n=len(takers),
        finished=sum(t.state == "finished" for t in takers),
        failed=sum(t.state == "failed" for t in takers),
        answers=total,
        lost=lost,
        doubled=doubled,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        answers_per_s=round(total / tested_s, 1),
        mean_length=round(sum(len(v) for v in answers.values()) / max(1, len(takers)), 2),
        rmse={code: round(float(np.sqrt(np.mean((x[:, 1] - x[:, 0]) ** 2))), 3) for code, x in pairs.items()},
        correlation={code: round(float(np.corrcoef(x[:, 0], x[:, 1])[0, 1]), 3) if len(x) > 2 else 0.0 for code, x in pairs.items()},
        mean_se={code: round(float(x[:, 2].mean()), 3) for code, x in pairs.items()},
        max_exposure=round(max(used.values(), default=0) / max(1, len(takers)), 3),
        unused=round(1 - len(used) / len(bank), 3),
        kills=kills,
        seconds=round(seconds, 1),
        faults=tuple(sorted({t.fault for t in takers if t.fault})),
    )
