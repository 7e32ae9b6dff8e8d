"""What the engine's commands read: lists of numbers, abilities, answers, priors and grids, with every fault named."""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from calibration.files import cells_by_row
from cat_engine import Fault, Faulty, Grid, NormalPrior, Pool, TestPlan
from cat_engine.irt import Floats, Ints
from cat_engine.priors import PRIOR, Prior
from itembank.bank import Bank, pool_of
from itembank.csv_lines import csv_lines
from itembank.exchange import read_bank_csv
from webtest.console import named, read_text
from webtest.job_levels import read_job_level
from webtest.response_files import read_responses
from webtest.snapshots import Control, control_of, plan_faults, untried
from webtest.start_cells import LIVE, read_prior

FARTHEST = 100.0  # an ability beyond this is a typing error
MOST_NODES = 10_001
ABILITY = "ability"
LARGEST_D = 10.0
BARE_WORD = re.compile(r"=\s*(?!(?:true|false|nan|inf)\b)([A-Za-z]\w*)")


def read_bank(path: Path, plans: Sequence[TestPlan] | None = None) -> Bank:
    """The bank of a parameter CSV. A file without a competency column holds items of one: the one that the plans ask for, where it is one, or, without
    plans, ABILITY. Raises Faulty with the file's name.
    """
    names = {ABILITY} if plans is None else {name for plan in plans for name in plan.competencies}
    with named(path):
        return read_bank_csv(read_text(path), competency=names.pop() if len(names) == 1 else "")


def abilities(text: str, option: str) -> Floats:
    """Abilities separated by commas. Raises Faulty."""
    found = [to_number(cell) for cell in text.split(",")]
    if not all(math.isfinite(v) for v in found):
        raise Faulty([Fault(option, "", f"'{text}' is not a list of numbers", f"{option}=-2,0,2")])
    if max(map(abs, found)) > FARTHEST:
        raise Faulty([Fault(option, "", f"'{text}' is out of range", f"abilities lie between -{FARTHEST:g} and {FARTHEST:g}")])
    return np.array(found)


def to_number(cell: str) -> float:
    """A number, NaN where it is none."""
    try:
        return float(cell)
    except ValueError:
        return math.nan


def pool_for(bank: Bank, plan: TestPlan, grid: Grid | None = None, *, control: Control = control_of) -> Pool:
    """The pool on which a plan is tried out: with the control parameters, which `control` finds, and the pretest items that it asks for. Raises Faulty
    where the bank cannot serve the plan, and what `control` raises.
    """
    pool = replace(pool_of(bank, plan.competencies, untried(plan, bank, control)), grid=grid or Grid())
    faults = plan_faults(plan, bank, pool)
    if faults:
        raise Faulty(faults)
    return pool


def read_table(text: str, *columns: str) -> list[dict[str, str]]:
    """The rows of a CSV file by column name; `columns` in any case. Raises Faulty where a column is missing or a row does not fit the header."""
    rows = [dict(cells) for _, cells in cells_by_row(text, ())]
    if not rows:
        raise Faulty([Fault("file", "", "holds no rows", "row 1 names the columns")])
    known = {name.upper() for name in rows[0]}
    faults = [Fault("row 1", name, "the column is missing") for name in columns if name.upper() not in known]
    if faults:
        raise Faulty(faults)
    return rows


@dataclass(frozen=True, slots=True, eq=False)
class Given:
    """People of a file: their ids, true abilities true[N, S], and what tells where each one's test starts: group ("" = none) and own prior."""

    person_ids: tuple[str, ...]
    true: Floats
    groups: tuple[str, ...]
    own: tuple[NormalPrior | None, ...]


def read_thetas(text: str, competencies: tuple[str, ...], grid: Grid = LIVE, *, started: bool = False) -> Given:
    """`person_id` and a column a competency, or `person_id,theta` where there is one competency; where tests start by priors (`started`) also `group`, a
    job level, and `prior_mean` with `prior_sd`, each optional; `grid` must hold these. Raises Faulty with every fault.
    """
    header = [cell.strip() for line in csv_lines(text)[:1] for cell in line]
    single = len(competencies) == 1 and ("theta" in header or competencies[0] not in header)
    columns = ["theta"] if single else list(competencies)
    found: dict[str, list[float]] = {}
    groups: list[str] = []
    own: list[NormalPrior | None] = []
    faults: list[Fault] = []
    for where, cells in cells_by_row(text, ("person_id", *columns), faults):
        person_id, values = cells["person_id"], [to_number(cells[name]) for name in columns]
        if not person_id:
            faults.append(Fault(where, "person_id", "is empty"))
        if person_id in found:  # not named: an id may be a NIP
            faults.append(Fault(where, "person_id", "the person stands in an earlier row already", "one row a person"))
        for name, value in zip(columns, values, strict=True):
            if not math.isfinite(value):
                faults.append(Fault(where, name, f"'{cells[name]}' is not a number", "write a number with a decimal point"))
            elif abs(value) > FARTHEST:
                faults.append(
                    Fault(where, name, f"'{cells[name]}' is out of range", f"abilities lie between -{FARTHEST:g} and {FARTHEST:g}")
                )
        found[person_id] = values
        group = cells.get("group", "") if started else ""
        groups.append(read_job_level(where, "group", group, faults) if group else "")
        own.append(read_prior(where, cells, faults, grid) if started else None)
    if not found and not faults:
        faults.append(Fault("file", "", "holds no people"))
    if faults:
        raise Faulty(faults)
    return Given(tuple(found), np.array(list(found.values())), tuple(groups), tuple(own))


def read_correlations(text: str, competencies: Sequence[str], faults: list[Fault]) -> Floats | None:
    """`competency` and a column a competency, as the correlation matrix [S, S] of `competencies`; what is wrong is added to `faults`."""
    table: dict[str, Mapping[str, str]] = {}
    try:
        for where, cells in cells_by_row(text, ("competency",)):
            if cells["competency"] in table:
                faults.append(Fault(f"--correlations, {where}", "competency", f"'{cells['competency']}' stands in an earlier row already"))
            table[cells["competency"]] = cells
    except Faulty as error:
        faults += [replace(fault, where=f"--correlations, {fault.where}") for fault in error.faults]
        return None
    found = np.full((len(competencies), len(competencies)), np.nan)
    for i, one in enumerate(competencies):
        if one not in table:
            faults.append(Fault("--correlations", one, "has no row", "a row and a column for each competency, headed 'competency'"))
            continue
        for j, other in enumerate(competencies):
            cell = table[one].get(other, "")
            found[i, j] = to_number(cell)
            if not math.isfinite(found[i, j]):
                faults.append(Fault(f"--correlations, row {one}", other, f"'{cell}' is not a number", "a correlation from -1 to 1"))
    return None if faults else found


def read_answers(path: Path, pool: Pool, bank: Bank, *, everybody: bool = False) -> tuple[tuple[str, ...], Ints]:
    """Real answers as person ids and categories[N, I], -1 = not answered; answers to items outside the pool, which is of the bank, are refused.
    `everybody`: with the people of a wide file who answered nothing. Raises Faulty.
    """
    log = read_responses(path, dict(zip(bank.ids, bank.params.n_cat.tolist(), strict=True)), everybody=everybody)
    outside = [_outside(bank, bank.index[item_id]) for item_id in log.item_ids if item_id not in pool.index]
    if outside:
        raise Faulty(outside)
    answers = np.full((len(log.person_ids), len(pool)), -1)
    column = np.array([pool.index[item_id] for item_id in log.item_ids], dtype=int)
    answers[log.person, column[log.item]] = log.category
    above = answers >= pool.params.n_cat
    faults = [  # of Parquet; by item: a person's id may be a NIP
        Fault("answers", pool.ids[i], f"{category} is not a category ({n} answers)", f"from 0 to {pool.params.n_cat[i] - 1}")
        for i in np.flatnonzero(above.any(axis=0)).tolist()
        for category, n in Counter(answers[above[:, i], i].tolist()).items()
    ]
    if faults:
        raise Faulty(faults)
    return log.person_ids, answers


def _outside(bank: Bank, i: int) -> Fault:
    """Why an item of a bank is not in a pool made of it, and what to do about that."""
    if bank.status[i] == "active":
        return Fault("answers", bank.ids[i], f"is an item of {bank.competency_of(i)}, which is not asked for", "leave answers to it out")
    remedy = "leave answers to it out, or make it 'active' in the bank's column status"
    return Fault("answers", bank.ids[i], f"is '{bank.status[i]}' in the bank, and only items that are active count", remedy)


def read_given(text: str, pool: Pool) -> tuple[list[int], list[int]]:
    """`item_id,category` in order of answering, as item indices and categories; the file may hold no row. Raises Faulty with every fault."""
    items: list[int] = []
    answers: list[int] = []
    faults: list[Fault] = []
    for where, cells in cells_by_row(text, ("item_id", "category"), faults):
        item_id, cell = cells["item_id"], cells["category"]
        item = pool.index.get(item_id)
        if item is None:
            faults.append(Fault(where, "item_id", f"'{item_id}' is not an active item of the bank"))
        elif item in items:
            faults.append(Fault(where, "item_id", f"'{item_id}' was answered in an earlier row"))
        elif cell not in (legal := [str(k) for k in range(pool.params.n_cat[item])]):
            faults.append(Fault(where, "category", f"'{cell[:20]}' is not a category", f"from 0 to {legal[-1]}"))
        else:
            items.append(item)
            answers.append(legal.index(cell))
    if faults:
        raise Faulty(faults)
    return items, answers


def parse_strategy(text: str, option: str, faults: list[Fault]) -> dict[str, object]:
    """`name`, or `name:key=value,key=value` with values as in TOML (words need no quotes), as the table of a strategy; what is wrong is added to
    `faults`.
    """
    name, _, cells = text.partition(":")
    try:
        options = tomllib.loads("it = {" + BARE_WORD.sub(r'="\1"', cells) + "}")["it"]
    except tomllib.TOMLDecodeError:
        faults.append(Fault(option, "", f"'{cells}' is not a list of options", f"{name}:option=value,option=value"))
        options = {}
    return {**options, "name": name}


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
            grid = Grid(values[0], values[1], int(values[2]))
        except ValueError:
            pass
        else:
            if grid.n <= MOST_NODES and max(-grid.low, grid.high) <= FARTHEST:
                return grid
    legal = f"from, to and number of nodes, 3 to {MOST_NODES}, within {FARTHEST:g} of 0: -6,6,61"
    faults.append(Fault("--grid", "", f"'{text}' is not a grid", legal))
    return Grid()


def parse_scaling(value: float, faults: list[Fault]) -> float:
    """The D of the model that a bank's parameters belong to; what is wrong is added to `faults`."""
    if 0 < value <= LARGEST_D:
        return value
    faults.append(Fault("--D", "", f"{value:g} is not a metric", "1, 1.7 or 1.702"))
    return 1.0
