"""People who sit a form or an adaptive test, drawn from the model with and without times, and what cheats do to their answers."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from calibration.personfit_answers import Scorer, Sittings
from calibration.responses import WHY, ResponseLog
from cat_engine import ItemParams, Pool, Row, TestPlan, load_plan, simulate
from cat_engine.irt import Floats
from cat_engine.simulate import draw_category
from cat_engine.timing import ItemTimes, draw_seconds
from itembank.bank import Bank, pool_of

Marks = NDArray[np.bool_]


def items(model: str, n: int, seed: int, scales: int = 1) -> list[Row]:
    """n items of a model, taking turns over the scales."""
    rng = np.random.default_rng(seed)
    made = []
    for k in range(n):
        a, b = float(rng.lognormal(0.1, 0.3)), float(rng.normal(0, 1.1))
        if model in ("2pl", "3pl"):
            made.append(Row(model, a, [b], 0.2 if model == "3pl" else 0.0, scale=k % scales))
        else:
            steps = np.sort(rng.normal(b, 0.8, 4)) + 0.05 * np.arange(4)
            made.append(Row(model, a if model == "grm" else 0.7 * a, steps.tolist(), scale=k % scales))
    return made


def bank_of_rows(rows: list[Row]) -> Bank:
    n, scales = len(rows), max(row.scale for row in rows) + 1
    return Bank(
        tuple(f"i{k}" for k in range(n)), ItemParams.from_rows(rows), tuple("ABCDEFGHIJ"[:scales]), ("active",) * n, ("calibrated",) * n,
        (None,) * n, ({},) * n, version=1,
    )  # fmt: skip


def log_of(
    bank: Bank,
    n_persons: int,
    person: NDArray[np.int64],
    item: NDArray[np.int64],
    category: NDArray[np.int64],
    position: NDArray[np.int64],
    why: str,
) -> ResponseLog:
    unknown = np.full(len(person), -1)
    ids = tuple(f"p{k}" for k in range(n_persons))
    return ResponseLog(ids, bank.ids, person, item, category, unknown, position, np.full(len(person), WHY.index(why)))


def form(bank: Bank, theta: Floats, seed: int) -> ResponseLog:
    """Everybody, of abilities theta[N, S], answers everything in the bank's order."""
    n, m = len(theta), len(bank)
    person, item = np.repeat(np.arange(n), m), np.tile(np.arange(m), n)
    uniform = np.random.default_rng(seed).random(n * m)
    category = draw_category(bank.params, theta[person, bank.params.scale[item]], item, uniform)
    return log_of(bank, n, person, item, category, item, "fixed")


def adaptive_plan(bank: Bank, each: int) -> tuple[TestPlan, Pool]:
    """`each` items a competency, by maximum information."""
    names = ", ".join(f'"{name}"' for name in bank.competencies)
    plan = load_plan(
        f'name = "t"\n[[sections]]\ncode = "all"\ntitle = "all"\ncompetencies = [{names}]\n'
        f"min_items = {each}\nmax_items = {each}\ntime_budget_min = 60\n"
    )
    return plan, pool_of(bank, bank.competencies)


def adaptive(bank: Bank, theta: Floats, each: int, seed: int, truth: list[Row] | None = None) -> ResponseLog:
    """Everybody takes the adaptive test, and answers by the parameters `truth` of the items, where they are not the bank's."""
    result = simulate(*adaptive_plan(bank, each), theta, seed, None if truth is None else ItemParams.from_rows(truth))
    return log_of(bank, len(theta), result.step_person, result.step_item, result.step_category, result.step_position, "adaptive")


def times_of(bank: Bank, seed: int) -> ItemTimes:
    """Like a licensing exam's: some 50 s an item."""
    rng = np.random.default_rng(seed)
    return ItemTimes(np.exp(rng.normal(np.log(2), 0.2, len(bank))), rng.normal(3.9, 0.4, len(bank)))


def timed(log: ResponseLog, times: ItemTimes, seed: int, sd: float = 0.25) -> ResponseLog:
    """With times by the lognormal model."""
    rng = np.random.default_rng(seed)
    tau = rng.normal(0, sd, len(log.person_ids))
    seconds = draw_seconds(times, tau[log.person], log.item, rng.standard_normal(len(log)))
    return replace(log, rt_ms=np.rint(1000 * seconds).astype(np.int64))


def known(log: ResponseLog, bank: Bank, who: Marks, which: Marks, seed: int, solve: float = 0.95, haste: float = 0.5) -> ResponseLog:
    """The people `who`[N] know the items `which`[I]: nearly always right, in half the time."""
    hit = who[log.person] & which[log.item]
    right = hit & (np.random.default_rng(seed).random(len(log)) < solve)
    category = np.where(right, bank.params.n_cat[log.item] - 1, log.category)
    return replace(log, category=category, rt_ms=np.where(hit, (log.rt_ms * haste).astype(np.int64), log.rt_ms))


def scorer_of(log: ResponseLog, bank: Bank, method: str = "eap") -> Scorer:
    return Scorer.of(Sittings.of(log, bank), method)
