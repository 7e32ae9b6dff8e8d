"""What `cact simulate` leaves behind for one design: steps, people, items and deciles, the summary as JSON, the report as HTML."""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from calibration.language import INDONESIAN, Language
from cat_engine.irt import Floats, Ints
from cat_engine.people import People
from cat_engine.pretest import is_pretest
from cat_engine.rates import above_limit, limit_of
from cat_engine.section_time import SectionAdvice, section_advice
from cat_engine.simulate import Mapper, Trial, blocks, in_turn
from cat_engine.tally import LEVELS, Tally
from cat_engine.timing import Speeds
from webtest.simulation_report import DOTS, GRID, Simulated, html_report
from webtest.simulation_steps import recording
from webtest.whole_files import write_csv

STEPS = ("csv", "parquet", "none")


@dataclass(frozen=True, slots=True, eq=False)
class Design:
    """One simulation to be run: the trial, who sits it, where their true abilities come from ("drawn", "given", "all responses"), and the speeds in
    the population, where answers take time.
    """

    name: str
    trial: Trial
    people: People
    person_ids: Sequence[str]
    truth: str
    speeds: Speeds


def run(
    design: Design,
    folder: Path,
    *,
    steps: str = "csv",
    mapper: Mapper = in_turn,
    watch: Callable[[int], None] | None = None,
    language: Language = INDONESIAN,
) -> Simulated:
    """Simulate a design and write its files into `folder`, which is there. `watch` hears how many people have sat it so far; the report is in a language."""
    begun, trial = time.perf_counter(), design.trial
    tally = Tally.of(trial, design.people.true, GRID)
    sample: list[Floats] = []
    unscored = np.zeros(len(trial.pool), dtype=int)
    with recording(trial, design.person_ids, folder, steps) as record:
        for block in blocks(trial, design.people, mapper=mapper):
            tally.add(block)
            record.add(block)
            unscored += np.bincount(block.unscored.item, minlength=len(unscored))
            if tally.people - len(block.people) < DOTS:
                sample.append(np.stack([block.people.true, block.theta]))
            if watch is not None:
                watch(tally.people)
    advice = () if trial.times is None else section_advice(trial.plan, trial.pool, trial.times, design.speeds)
    seconds = time.perf_counter() - begun
    done = Simulated(
        design.name, tally, np.concatenate(sample, axis=1)[:, :DOTS], advice, summary(design, tally, unscored, advice, seconds)
    )  # fmt: skip
    rows = item_rows(tally, unscored)
    write_csv(folder / "items.csv", tuple(rows[0]), (tuple(row.values()) for row in rows))
    rows = decile_rows(tally)
    write_csv(folder / "deciles.csv", tuple(rows[0]), (tuple(row.values()) for row in rows))
    write_json(folder / "summary.json", done.figures)
    (folder / "report.html").write_text(html_report(done, language), encoding="utf-8")
    return done


def summary(design: Design, tally: Tally, unscored: Ints, advice: Sequence[SectionAdvice], seconds: float) -> dict[str, Any]:
    """The figures of summary.json; rmse, bias and se over all people and competencies, and per competency. None where a figure has no meaning.
    unscored[I]: answers to pretest items.
    """
    pool, whole = design.trial.pool, tally.deciles.whole
    n = float(whole.n.sum())

    def by(values: Floats) -> dict[str, float | None]:
        return dict(zip(pool.competencies, (finite(v) for v in values), strict=True))

    accuracy = {pool.competencies[s]: share for s, share in tally.accuracy.items()}
    return {
        "plan": design.trial.plan.name,
        "people": tally.people,
        "items": len(pool),
        "seed": design.trial.seed,
        "truth": design.truth,
        "rmse": math.sqrt(whole.error2.sum() / n),
        "bias": float(whole.error.sum()) / n,
        "se": float(whole.se.sum()) / n,
        "mean_length": tally.mean_length,
        "max_exposure": float(tally.exposure.max(initial=0.0)),
        "overlap": tally.overlap,
        "unused": tally.unused,
        "seconds": round(seconds, 3),
        "reliability": float(tally.reliability.mean()),
        "squared_correlation": finite(tally.squared_correlation.mean()),
        "accuracy": sum(accuracy.values()) / len(accuracy) if accuracy else None,
        "mean_pretest": None if pool.need is None else float(unscored.sum()) / tally.people,
        "mean_minutes": tally.mean_minutes,
        "out_of_time": tally.out_of_time,
        "rmse_by_competency": by(whole.rmse[:, 0]),
        "bias_by_competency": by(whole.bias[:, 0]),
        "se_by_competency": by(whole.mean_se[:, 0]),
        "length_by_competency": by(whole.mean(whole.items)[:, 0]),
        "reliability_by_competency": by(tally.reliability),
        "squared_correlation_by_competency": by(tally.squared_correlation),
        "accuracy_by_competency": accuracy,
        "reached": reached_rows(tally),
        "stops": {name: {r: k for (at, r), k in sorted(tally.stops.items()) if at == s} for s, name in enumerate(pool.competencies)},
        "sections": [
            {
                "code": one.section.code, "mean_minutes": spent.total / 60 / tally.people, "p95_minutes": spent.percentile(0.95) / 60,
                "out_of_time": spent.late / tally.people, "budget_minutes": one.section.time_budget_min, "expected_minutes": one.mean_s / 60,
                "advised_minutes": one.advice.limit_s / 60, "longest_minutes": one.advice.longest_s / 60,
            }
            for one, spent in zip(advice, tally.times, strict=True)
        ],
        "above_r_max": _above(tally),
        "acceptance": [asdict(check) for check in design.trial.plan.acceptance.checks(tally.worst)],
        "plan_digest": design.trial.plan.digest,
        "pool_digest": pool.digest,
    }  # fmt: skip


def _above(tally: Tally) -> list[str] | None:
    """The items that more people got than the plan's r_max allows, beyond chance; None where the plan has none."""
    limit, ids = limit_of(tally.trial.plan.eligibility), tally.trial.pool.ids
    return None if limit is None else [ids[i] for i in np.flatnonzero(above_limit(tally.given, tally.people, limit))]


def finite(value: float) -> float | None:
    """A number, None where it is none."""
    return float(value) if math.isfinite(value) else None


def reached_rows(tally: Tally) -> list[dict[str, Any]]:
    """Per competency and reliability: the share of people who reach it, with how many items and after how many minutes of the test."""
    rows = []
    for s, name in enumerate(tally.trial.pool.competencies):
        for k, level in enumerate(LEVELS):
            n = int(tally.reached.n[s, k])
            rows.append({
                "competency": name, "reliability": level, "se": float(tally.reached.se[s, k]), "share": n / tally.people,
                "items": float(tally.reached.items[s, k]) / n if n else None,
                "minutes": float(tally.reached.seconds[s, k]) / 60 / n if n and tally.times else None,
            })  # fmt: skip
    return rows


def item_rows(tally: Tally, unscored: Ints) -> list[dict[str, Any]]:
    """Per item of either kind: how many people answered it, and what share of all; unscored[I], the answers to pretest items."""
    pool, answers = tally.trial.pool, tally.given + unscored
    return [
        {
            "item_id": item_id, "exposure": share, "competency": pool.competencies[s], "answers": n,
            "status": "pretest" if is_pretest(pool, i) else "active",
        }
        for i, (item_id, share, s, n) in enumerate(
            zip(pool.ids, (answers / tally.people).tolist(), pool.params.scale.tolist(), answers.tolist(), strict=True)
        )
    ]  # fmt: skip


def decile_rows(tally: Tally) -> list[dict[str, Any]]:
    """Figures by tenths of the people, from the lowest true ability to the highest, per competency."""
    by = tally.deciles
    columns = {"theta": by.mean(by.true), "bias": by.bias, "rmse": by.rmse, "se": by.mean_se, "items": by.mean(by.items)}
    return [
        {
            "competency": name, "decile": k + 1, "people": int(by.n[s, k]),
            **{key: "" if math.isnan(values[s, k]) else float(values[s, k]) for key, values in columns.items()},
        }
        for s, name in enumerate(tally.trial.pool.competencies)
        for k in range(by.n.shape[1])
    ]  # fmt: skip


def write_json(path: Path, value: object) -> None:
    """A JSON file without numbers that JSON does not have."""
    path.write_text(json.dumps(value, indent=1, allow_nan=False) + "\n", encoding="utf-8")
