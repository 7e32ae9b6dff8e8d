"""What the engine's commands read: lists of numbers, abilities, answers, priors and grids, with every fault named."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from cat_engine import Fault, Faulty, Grid, NormalPrior, Pool, TestPlan
from cat_engine.irt import Floats, Ints
from cat_engine.priors import PRIOR, Prior
from itembank.bank import Bank, pool_of
from webtest.response_files import read_responses
from webtest.snapshots import plan_faults, untried


def numbers(text: str, option: str) -> Floats:
    """Numbers separated by commas. Raises Faulty."""
    found = [to_number(cell) for cell in text.split(",")]
    if not all(math.isfinite(v) for v in found):
        raise Faulty([Fault(option, "", f"'{text}' is not a list of numbers", f"{option}=-2,0,2")])
    return np.array(found)


def to_number(cell: str) -> float:
    """A number, NaN where it is none."""
    try:
        return float(cell)
    except ValueError:
        return math.nan


def pool_for(bank: Bank, plan: TestPlan) -> Pool:
    """The pool on which a plan is tried out: with the control parameters and the pretest items that it asks for. Raises Faulty where the bank cannot
    serve the plan.
    """
    pool = pool_of(bank, plan.competencies, untried(plan, bank))
    faults = plan_faults(plan, bank, pool)
    if faults:
        raise Faulty(faults)
    return pool


def read_table(text: str, *columns: str) -> list[dict[str, str]]:
    """The rows of a CSV file by column name. Raises Faulty where a column is missing."""
    reader = csv.DictReader(io.StringIO(text, newline=""))
    header = [(name or "").strip() for name in reader.fieldnames or []]
    known = {name.upper() for name in header}
    faults = [Fault("row 1", name, "the column is missing") for name in columns if name.upper() not in known]
    if faults:
        raise Faulty(faults)
    reader.fieldnames = header
    return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]


def read_thetas(text: str, competencies: tuple[str, ...]) -> tuple[tuple[str, ...], Floats]:
    """`person_id` and a column a competency, or `person_id,theta` where there is one competency. Raises Faulty with every fault."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = [cell.strip() for cell in rows[0]] if rows else []
    columns = ["theta"] if len(competencies) == 1 and "theta" in header else list(competencies)
    faults = [Fault("row 1", name, "the column is missing") for name in ("person_id", *columns) if name not in header]
    if faults:
        raise Faulty(faults)
    at, person = [header.index(name) for name in columns], header.index("person_id")
    found: dict[str, list[float]] = {}
    for where, cells in _whole_rows(rows, faults):
        person_id, values = cells[person].strip(), [to_number(cells[k]) for k in at]
        if not person_id:
            faults.append(Fault(where, "person_id", "is empty"))
        if person_id in found:
            faults.append(Fault(where, "person_id", f"'{person_id}' stands in an earlier row already"))
        for name, k, value in zip(columns, at, values, strict=True):
            if not math.isfinite(value):
                faults.append(Fault(where, name, f"'{cells[k]}' is not a number", "write a number with a decimal point"))
        found[person_id] = values
    if not found and not faults:
        faults.append(Fault("file", "", "holds no people"))
    if faults:
        raise Faulty(faults)
    return tuple(found), np.array(list(found.values()))


def _whole_rows(rows: Sequence[Sequence[str]], faults: list[Fault]) -> Iterator[tuple[str, Sequence[str]]]:
    """("row 2", its cells) of each row below the header that is not empty; one with more or fewer cells than the header is added to `faults`."""
    for number, cells in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) == len(rows[0]):
            yield f"row {number}", cells
        else:
            faults.append(Fault(f"row {number}", "", f"has {len(cells)} cells, the header {len(rows[0])}"))


def read_correlations(text: str, competencies: Sequence[str], faults: list[Fault]) -> Floats | None:
    """`competency` and a column a competency, as the correlation matrix [S, S] of `competencies`; what is wrong is added to `faults`."""
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    table = {(row.get("competency") or "").strip(): row for row in rows}
    found = np.full((len(competencies), len(competencies)), np.nan)
    for i, one in enumerate(competencies):
        if one not in table:
            faults.append(Fault("--correlations", one, "has no row", "a row and a column for each competency, headed 'competency'"))
            continue
        for j, other in enumerate(competencies):
            cell = table[one].get(other)
            found[i, j] = to_number(cell or "")
            if not math.isfinite(found[i, j]):
                faults.append(Fault(f"--correlations, row {one}", other, f"'{cell or ''}' is not a number", "a correlation from -1 to 1"))
    return None if faults else found


def read_answers(path: Path, pool: Pool) -> tuple[tuple[str, ...], Ints]:
    """Real answers as person ids and categories[N, I], -1 = not answered; answers to items outside the pool are refused. Raises Faulty."""
    log = read_responses(path, pool.ids)
    answers = np.full((len(log.person_ids), len(pool)), -1)
    column = np.array([pool.index[item_id] for item_id in log.item_ids])
    answers[log.person, column[log.item]] = log.category
    faults = [
        Fault(f"person {log.person_ids[n]}", pool.ids[i], f"{answers[n, i]} is not a category", f"from 0 to {pool.params.n_cat[i] - 1}")
        for n, i in np.argwhere(answers >= pool.params.n_cat).tolist()
    ]
    if faults:
        raise Faulty(faults)
    return log.person_ids, answers


def read_given(text: str, pool: Pool) -> tuple[list[int], list[int]]:
    """`item_id,category` in order of answering, as item indices and categories; the file may hold no row. Raises Faulty with every fault."""
    rows = list(csv.reader(io.StringIO(text, newline="")))
    header = [cell.strip() for cell in rows[0]] if rows else []
    faults = [Fault("row 1", name, "the column is missing", "item_id,category") for name in ("item_id", "category") if name not in header]
    if faults:
        raise Faulty(faults)
    items: list[int] = []
    answers: list[int] = []
    for where, cells in _whole_rows(rows, faults):
        item_id, cell = (cells[header.index(name)].strip() for name in ("item_id", "category"))
        item = pool.index.get(item_id)
        if item is None:
            faults.append(Fault(where, "item_id", f"'{item_id}' is not an active item of the bank"))
        elif item in items:
            faults.append(Fault(where, "item_id", f"'{item_id}' was answered in an earlier row"))
        elif not cell.isdigit() or int(cell) >= pool.params.n_cat[item]:
            faults.append(Fault(where, "category", f"'{cell}' is not a category", f"from 0 to {pool.params.n_cat[item] - 1}"))
        else:
            items.append(item)
            answers.append(int(cell))
    if faults:
        raise Faulty(faults)
    return items, answers


def parse_prior(text: str, faults: list[Fault], option: str = "--prior") -> Prior:
    """`name:number,number` as a prior; what is wrong is added to `faults`."""
    name, _, cells = text.partition(":")
    values = [to_number(cell) for cell in cells.split(",")] if cells else []
    keys = {"normal": ("mean", "sd"), "uniform": ("low", "high")}.get(name, ())
    if len(values) not in (0, len(keys)) or not all(math.isfinite(v) for v in values):
        faults.append(Fault(option, "", f"'{text}' is not a prior", "normal:0,1, uniform:-4,4 or jeffreys"))
        return NormalPrior()
    try:
        return PRIOR.build({"name": name, **dict(zip(keys, values, strict=False))}, faults) or NormalPrior()
    except ValueError as error:
        faults.append(Fault(option, "", str(error), "an sd above 0"))
        return NormalPrior()


def parse_grid(text: str, faults: list[Fault]) -> Grid:
    """`from,to,nodes` as a grid; what is wrong is added to `faults`."""
    values = [to_number(cell) for cell in text.split(",")]
    if len(values) == 3 and all(math.isfinite(v) for v in values) and values[2] == int(values[2]):
        try:
            return Grid(values[0], values[1], int(values[2]))
        except ValueError:
            pass
    faults.append(Fault("--grid", "", f"'{text}' is not a grid", "from, to and at least 3 nodes: -6,6,61"))
    return Grid()
