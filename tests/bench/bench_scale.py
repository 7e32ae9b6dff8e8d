"""Calibration at scale: one million people, one thousand 2PL items, sixty answers each, from Parquet to item parameters by `cact calibrate`.

    python -m tests.bench.bench_scale 100000     that many people

The answers are made once, in the system's folder for temporary files; the command runs as a process of its own, so that its peak memory is its own.
"""

import csv
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from cat_engine.irt import Floats, Ints

Line = tuple[str, float, str]
PEOPLE, ITEMS, ANSWERS_EACH = 1_000_000, 1_000, 60
STRETCH = 20_000
LIMIT_S, LIMIT_MB = 600, 6_000


def truth() -> tuple[Floats, Floats]:
    """Slopes and difficulties of the items."""
    rng = np.random.default_rng(1)
    return rng.lognormal(0.1, 0.3, ITEMS), rng.normal(size=ITEMS)


def make(path: Path, people: int) -> None:
    """Write the answers of `people` people of ability N(0, 1), each to one item of each of sixty groups of items, drawn at random."""
    a, b = truth()
    rng = np.random.default_rng(2)
    groups = np.array_split(rng.permutation(ITEMS), ANSWERS_EACH)
    items = pa.array([f"i{k:04d}" for k in range(ITEMS)])
    schema = pa.schema(
        [
            ("person_id", pa.dictionary(pa.int32(), pa.string())),
            ("item_id", pa.dictionary(pa.int32(), pa.string())),
            ("category", pa.int8()),
        ]
    )
    draft = path.with_suffix(".part")
    with pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        for at in range(0, people, STRETCH):
            n = min(STRETCH, people - at)
            item: Ints = np.stack([own[rng.integers(0, len(own), n)] for own in groups], axis=1)
            right = rng.random(item.shape) < 1 / (1 + np.exp(-a[item] * (rng.normal(size=(n, 1)) - b[item])))
            names = pa.array([f"p{k:07d}" for k in range(at, at + n)])
            person = pa.array(np.repeat(np.arange(n, dtype=np.int32), ANSWERS_EACH))
            columns = [
                pa.DictionaryArray.from_arrays(person, names),
                pa.DictionaryArray.from_arrays(pa.array(item.ravel().astype(np.int32)), items),
                pa.array(right.ravel().astype(np.int8)),
            ]
            writer.write_table(pa.Table.from_arrays(columns, schema=schema))
    draft.replace(path)


def run(people: int = PEOPLE) -> list[Line]:
    """Seconds, CPU seconds and peak memory of `cact calibrate`, and how near the parameters came."""
    folder = Path(tempfile.gettempdir()) / "cact-bench"
    folder.mkdir(exist_ok=True)
    answers = folder / f"answers-{people}.parquet"
    if not answers.exists():
        make(answers, people)
    out, figures = folder / "parameters.csv", folder / "figures.json"
    command = [
        sys.executable, "-m", "webtest", "calibrate", answers, "--model", "2pl", "--priors", "none", "--tol", "1e-4", "--out", out, "--json", figures,
    ]  # fmt: skip
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([str(word) for word in command], check=True, stdout=subprocess.DEVNULL)
    seconds, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    found, known = json.loads(figures.read_text()), truth()
    with out.open(newline="") as file:
        rows = {row["item_id"]: row for row in csv.DictReader(file)}
    a, b, se_b = (np.array([float(rows[f"i{k:04d}"][name]) for k in range(ITEMS)]) for name in ("a", "b1", "se_b1"))
    label = f"2PL {people:,} x {ITEMS:,}, {ANSWERS_EACH} answers each, Parquet to parameters with Oakes errors"
    return [
        (f"{label} (limit {LIMIT_S})", seconds, "s"),
        ("  CPU", cpu, "s"),
        (f"  peak memory (limit {LIMIT_MB})", found["peak_mb"], "MB"),
        ("  cycles", found["n_cycles"], ""),
        ("  RMSE of a", float(np.sqrt(np.mean((a - known[0]) ** 2))), ""),
        ("  RMSE of b", float(np.sqrt(np.mean((b - known[1]) ** 2))), ""),
        ("  errors of b in standard errors, root mean square", float(np.sqrt(np.mean(((b - known[1]) / se_b) ** 2))), ""),
    ]


if __name__ == "__main__":
    for name, value, unit in run(*map(int, sys.argv[1:])):
        print(f"{value:12.4f} {unit:2} {name}")
