"""What `cact simulate` leaves behind: steps, people and items as CSV, the summary as JSON, the report as HTML; all of it or nothing."""

import csv
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cat_engine import Fault, Faulty, Pool, SimulationResult, TestPlan
from webtest.simulation_report import html_report


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A finished simulation: who took part, where their true abilities come from ("drawn", "given", "all responses"), how long it took."""

    plan: TestPlan
    pool: Pool
    result: SimulationResult
    person_ids: tuple[str, ...]
    truth: str
    seconds: float


def summary(run: Run) -> dict[str, Any]:
    """The figures of summary.json; rmse and bias over all people and competencies, and per competency."""
    result = run.result
    error = result.theta - result.true
    return {
        "people": len(result.true),
        "items": len(run.pool),
        "truth": run.truth,
        "rmse": float(np.sqrt((error**2).mean())),
        "bias": float(error.mean()),
        "mean_length": result.summary.mean_length,
        "max_exposure": result.summary.max_exposure,
        "overlap": result.overlap,
        "unused": result.unused,
        "seconds": round(run.seconds, 3),
        "rmse_by_competency": dict(zip(run.pool.competencies, result.summary.rmse, strict=True)),
        "bias_by_competency": dict(zip(run.pool.competencies, result.summary.bias, strict=True)),
        "plan_digest": run.plan.digest,
        "pool_digest": run.pool.digest,
    }


def write_run(run: Run, folder: Path) -> None:
    """Write all files into `folder`, which must not exist yet or be empty. Raises Faulty where it holds something."""
    with whole(folder) as part:
        write_csv(part / "steps.csv", ("person_id", "position", "item_id", "category", "theta", "se"), _steps(run))
        several = len(run.pool.competencies) > 1
        head = ("person_id", *(("competency",) if several else ()), "theta_true", "theta", "se", "length", "stop_reason")
        write_csv(part / "people.csv", head, _people(run, several))
        write_csv(part / "items.csv", ("item_id", "exposure"), zip(run.pool.ids, run.result.exposure.tolist(), strict=True))
        (part / "summary.json").write_text(json.dumps(summary(run), indent=1) + "\n", encoding="utf-8")
        (part / "report.html").write_text(html_report(run.plan, run.pool, run.result, summary(run)), encoding="utf-8")


def _steps(run: Run) -> Iterator[tuple[object, ...]]:
    r = run.result
    columns = (r.step_person, r.step_position, r.step_item, r.step_category, r.step_theta, r.step_se)
    for person, position, item, category, theta, se in zip(*(c.tolist() for c in columns), strict=True):
        yield run.person_ids[person], position, run.pool.ids[item], category, theta, se


def _people(run: Run, several: bool) -> Iterator[tuple[object, ...]]:
    r = run.result
    true, theta, se, count = (c.tolist() for c in (r.true, r.theta, r.se, r.count))
    for n, person_id in enumerate(run.person_ids):
        for s, competency in enumerate(run.pool.competencies):
            own = (competency,) if several else ()
            yield (person_id, *own, true[n][s], theta[n][s], se[n][s], count[n][s], r.stops[n][s])


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A CSV file whose numbers read back to the same bits."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def new_folder_fault(folder: Path) -> list[Fault]:
    """A fault where `folder` cannot be made because something is there."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        return [Fault("--out", str(folder), "is there already and not empty", "name a new folder")]
    return []


@contextmanager
def whole(folder: Path) -> Iterator[Path]:
    """A temporary folder that becomes `folder` when all went well and disappears when not."""
    faults = new_folder_fault(folder)
    if faults:
        raise Faulty(faults)
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    part.chmod(0o755)
    try:
        yield part
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary file that becomes `path` when all went well and disappears when not."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
