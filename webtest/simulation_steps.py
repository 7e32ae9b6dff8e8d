"""Steps and people of a simulation, written as they come: CSV, whose numbers read back to the same bits, or Parquet for the steps."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from cat_engine.simulate import Trial
from cat_engine.simulated import WHY, Block

CHUNK = 200_000  # rows written at once
WAITING = 2  # chunks that may wait for the disk
REASONS = pa.array(WHY, pa.string())


class Table:
    """A table written a batch at a time by a thread of its own, so that formatting numbers does not hold up the simulation."""

    def __init__(self, path: Path, thread: ThreadPoolExecutor, *, quoted: bool) -> None:
        self._path, self._thread, self._quoted = path, thread, quoted
        self._writer: Any = None
        self._sink: Any = None
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._written: deque[Future[None]] = deque()

    def add(self, columns: Mapping[str, Any]) -> None:
        """More rows, by column."""
        batch = pa.RecordBatch.from_pydict(dict(columns))
        self._batches.append(batch)
        self._rows += batch.num_rows
        if self._rows >= CHUNK:
            self._flush()

    def close(self) -> None:
        """Wait until everything is written. Raises what writing raised."""
        if self._batches:
            self._flush()
        while self._written:
            self._written.popleft().result()
        if self._writer is not None:
            self._writer.close()
        if self._sink is not None:
            self._sink.close()

    def _flush(self) -> None:
        while len(self._written) >= WAITING:
            self._written.popleft().result()
        self._written.append(self._thread.submit(self._write, pa.Table.from_batches(self._batches)))
        self._batches, self._rows = [], 0

    def _write(self, table: pa.Table) -> None:
        if self._writer is None:
            self._writer = self._parquet(table.schema) if self._path.suffix == ".parquet" else self._csv(table.schema)
        self._writer.write_table(table)

    def _parquet(self, schema: pa.Schema) -> Any:
        return pa_parquet.ParquetWriter(self._path, schema)

    def _csv(self, schema: pa.Schema) -> Any:
        self._path.write_text(",".join(schema.names) + "\n", encoding="utf-8")  # pyarrow would put the names in quotes
        options = pa_csv.WriteOptions(include_header=False, quoting_style="needed" if self._quoted else "none")
        self._sink = pa.OSFile(str(self._path), "ab")
        return pa_csv.CSVWriter(self._sink, schema, write_options=options)


class Record:
    """The tables of one simulation. steps, the answers to items of both kinds: person_id, position, item_id, category, theta, se, rt_s where answers
    take time, and why the item was given; people: person_id, theta_true, theta, se, length (scored items), stop_reason, then competency where there are
    several, minutes where answers take time, and own_theta and own_se, from the competency's own answers only, where the plan takes competencies together.
    """

    def __init__(self, trial: Trial, person_ids: Sequence[str], steps: Table | None, people: Table) -> None:
        self._trial, self._person_ids, self._steps, self._people = trial, person_ids, steps, people
        self._item_ids = pa.array(trial.pool.ids, pa.string())

    def add(self, block: Block) -> None:
        """The next block of people."""
        ids = pa.array(self._person_ids[block.people.first :][: len(block.people)], pa.string())
        if self._steps is not None:
            self._steps.add(self._step_columns(block, ids))
        self._people.add(self._people_columns(block, ids))

    def _step_columns(self, block: Block, ids: pa.Array) -> dict[str, Any]:
        steps = block.steps
        timed = {} if steps.seconds is None else {"rt_s": steps.seconds}
        return {
            "person_id": ids.take(pa.array(steps.person - block.people.first)), "position": steps.position,
            "item_id": self._item_ids.take(pa.array(steps.item)), "category": steps.category, "theta": steps.theta, "se": steps.se, **timed,
            "why": REASONS.take(pa.array(steps.why)),
        }  # fmt: skip

    def _people_columns(self, block: Block, ids: pa.Array) -> dict[str, Any]:
        n, competencies = len(block.people), self._trial.pool.competencies
        scales = len(competencies)
        several = {"competency": list(competencies) * n} if scales > 1 else {}
        timed = {} if block.seconds is None else {"minutes": np.repeat(block.seconds.sum(axis=1) / 60, scales)}
        alone = {} if block.alone is None else {"own_theta": block.alone[:, 0].ravel(), "own_se": block.alone[:, 1].ravel()}
        return {
            "person_id": ids.take(pa.array(np.repeat(np.arange(n), scales))), "theta_true": block.people.true.ravel(),
            "theta": block.theta.ravel(), "se": block.se.ravel(), "length": block.count.ravel(),
            "stop_reason": pa.array([reason for found in block.stops for reason in found], pa.string()), **several, **timed,
            **alone,
        }  # fmt: skip


@contextmanager
def recording(trial: Trial, person_ids: Sequence[str], folder: Path, steps: str) -> Iterator[Record]:
    """A record of people.csv and, unless `steps` is "none", steps.csv or steps.parquet in `folder`; complete when the context is left."""
    special = any(set(text) & set('",\r\n') for ids in (person_ids, trial.pool.ids, trial.pool.competencies) for text in ids)
    with ThreadPoolExecutor(max_workers=1) as thread:
        people = Table(folder / "people.csv", thread, quoted=special)
        wanted = None if steps == "none" else Table(folder / f"steps.{steps}", thread, quoted=special)
        yield Record(trial, person_ids, wanted, people)
        people.close()
        if wanted is not None:
            wanted.close()
