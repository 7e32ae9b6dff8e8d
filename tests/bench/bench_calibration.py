"""Calibration: speed beside girth and mirt (from PyPI, where installed), and what routed answers do to estimators that start from proportions.

python -m tests.bench.bench_calibration
python -m tests.bench.bench_calibration routed best-five 20000      the last part alone: by which plan, and of how many people
"""

import sys
import warnings
from collections.abc import Callable, Iterator
from time import process_time
from typing import Any

import numpy as np

from calibration.curves import starting_rows
from calibration.girth_adapter import MISSING
from calibration.mml import MmlFit, MmlOptions, Priors, fit_mml
from calibration.pipeline import CalibrationOptions, calibrate
from calibration.report import html_report
from calibration.responses import ResponseLog
from calibration.uncertainty import standard_errors
from cat_engine import ItemParams, Row, load_plan, simulate
from cat_engine.irt import Floats, Ints
from cat_engine.simulate import draw_category
from itembank.bank import Bank, pool_of
from itembank.demo import load_demo, plan_text
from tests.bench.__main__ import main
from tests.bench.case import Case

Line = tuple[str, float, str]
Data = tuple[Ints, Ints, Ints]  # person, item and category of each answer
REPEATS = 3
SERANG = 1052
ROUTED_PEOPLE, ROUTED_ITEMS = 5_000, 156
SECTION = """
[[sections]]
code = "all"
title = "all"
competencies = ["A"]
min_items = 30
max_items = 30
time_budget_min = 60
"""
ROUTED = {  # what chooses the items of a plan
    "best-five": '[exposure]\nname = "randomesque"\nk = 5',
    "progressive": '[select]\nname = "progressive"',
}


def bank_2pl(n: int, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.3, n), rng.normal(size=n), strict=True)]


def answers(rows: list[Row], n_persons: int, per_person: int, seed: int) -> Data:
    """person, item and category of people of ability N(0, 1) who each take a random `per_person` of the items."""
    rng = np.random.default_rng(seed)
    params, theta = ItemParams.from_rows(rows), rng.normal(size=n_persons)
    person = np.repeat(np.arange(n_persons), per_person)
    item = np.argsort(rng.random((n_persons, len(rows))), axis=1)[:, :per_person].ravel()
    return person, item, draw_category(params, theta[person], item, rng.random(len(person)))


def timed(work: Callable[[], Any], repeats: int = REPEATS) -> list[float]:
    """CPU seconds of each run, of all threads together: what one processor would take, whatever else the machine does."""
    times = []
    for _ in range(repeats):
        begin = process_time()
        work()
        times.append(process_time() - begin)
    return times


def fit(rows: list[Row], data: Data, priors: str, tolerance: float = 1e-4) -> MmlFit:
    counts = np.zeros((len(rows), len(rows[0].b) + 1), dtype=np.int64)
    np.add.at(counts, data[1:], 1)
    start = starting_rows(rows[0].model, counts.tolist())
    return fit_mml(*data, start, MmlOptions(priors=Priors.parse(priors), tolerance=tolerance))


def graded(n_persons: int) -> tuple[list[Row], Data]:
    """270 partial credit items of five categories, 60 answers each."""
    rng = np.random.default_rng(3)
    rows = [Row("gpcm", float(a), np.sort(rng.normal(size=4)).tolist()) for a in rng.lognormal(0, 0.3, 270)]
    return rows, answers(rows, n_persons, 60, 4)


def with_errors(rows: list[Row], data: Data) -> None:
    standard_errors(fit(rows, data, "none"), Priors.parse("none"))


def dense(data: Data, shape: tuple[int, int]) -> Ints:
    matrix = np.full(shape, MISSING)
    matrix[data[0], data[1]] = data[2]
    return matrix


def by_mirt(model: str, rows: list[Row], data: Data, n_persons: int, errors: bool = False) -> list[float]:
    """mirt of PyPI, once, on as many nodes as ours; ImportError where it is not installed."""
    import mirt

    scores = dense(data, (n_persons, len(rows)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return timed(lambda: mirt.fit_mirt(np.where(scores < 0, -1, scores), model=model, n_quadpts=61, compute_standard_errors=errors), 1)


def by_girth(rows: list[Row], data: Data, n_persons: int) -> list[float]:
    """girth, once."""
    import girth

    return timed(lambda: girth.twopl_mml(dense(data, (n_persons, len(rows))).T), 1)


def serang() -> list[float]:
    """From the button to the report: 1,052 people on the sample bank, about 90 answers each."""
    bank, _ = load_demo()
    pool = pool_of(bank, bank.competencies)
    rng = np.random.default_rng(5)
    true = np.sqrt(0.6) * rng.normal(size=(SERANG, 1)) + np.sqrt(0.4) * rng.normal(size=(SERANG, len(bank.competencies)))
    result = simulate(load_plan(plan_text()), pool, true, 1)
    unknown = -np.ones(len(result.step_item), dtype=np.int64)
    log = ResponseLog(
        tuple(map(str, range(SERANG))), pool.ids, result.step_person, result.step_item, result.step_category, unknown, result.step_position,
        0 * unknown,
    )  # fmt: skip
    return timed(lambda: html_report(calibrate(log, bank, CalibrationOptions()), provisional=True))


def routed(plan: str, n_people: int) -> tuple[Bank, Data]:
    """A 2PL bank, and the answers that our own engine routed on it by a plan of ROUTED."""
    rows = bank_2pl(ROUTED_ITEMS, 6)
    bank = Bank(
        tuple(f"i{k}" for k in range(len(rows))), ItemParams.from_rows(rows), ("A",), ("active",) * len(rows), ("provisional",) * len(rows),
        (None,) * len(rows), ({},) * len(rows),
    )  # fmt: skip
    result = simulate(
        load_plan(f'name = "routed"\n{ROUTED[plan]}{SECTION}'), pool_of(bank, ["A"]), np.random.default_rng(7).normal(size=(n_people, 1)), 8
    )
    return bank, (result.step_person, result.step_item, result.step_category)


def routed_recovery(plan: str, n_people: int) -> Iterator[Line]:
    """Errors on routed answers, of items with at least 100: ours, girth's full likelihood, and girth's estimators by proportion."""
    import girth

    bank, data = routed(plan, n_people)
    answered = np.bincount(data[1], minlength=len(bank))
    both = np.array([len(np.unique(data[2][data[1] == i])) == 2 for i in range(len(bank))])
    kept = np.flatnonzero((answered >= 100) & both)
    true_a, true_b = bank.params.a[kept], bank.params.b[kept, 0]
    mine = np.isin(data[1], kept)
    part = (data[0][mine], np.searchsorted(kept, data[1][mine]), data[2][mine])

    def lines(label: str, a: Floats, b: Floats) -> Iterator[Line]:
        for name, found, truth in (("a", a, true_a), ("b", b, true_b)):
            yield f"{label}: RMSE of {name}", float(np.sqrt(np.mean((found - truth) ** 2))), ""
        yield f"{label}: correlation of b", float(np.corrcoef(b, true_b)[0, 1]), ""

    ours = fit([bank.row(i) for i in kept.tolist()], part, "default").rows
    label = f"routed ({plan}) {n_people:,} x {len(kept)}, 30 answers each, ours"
    yield from lines(label, np.array([row.a for row in ours]), np.array([row.b[0] for row in ours]))
    matrix = dense(part, (n_people, len(kept))).T
    for name in ("pcm_mml", "rasch_mml", "twopl_mml"):
        found = getattr(girth, name)(matrix)
        a = np.broadcast_to(np.asarray(found["Discrimination"], dtype=float), len(kept))
        yield from lines(f"  girth.{name}", a, np.asarray(found["Difficulty"], dtype=float).reshape(len(kept)))


def shortfall(label: str, rows: list[Row], data: Data, priors: str) -> Line:
    """What the log-likelihood lacks of a run to 1e-6: more than .01 would make the times worthless."""
    return f"{label}: log-likelihood against a run to 1e-6", fit(rows, data, priors).loglik - fit(rows, data, priors, 1e-6).loglik, ""


SPARSE, COMPLETE, GUESSED = "2PL 20,000 x 300, 30 answers each", "2PL 5,000 x 60 complete", "3PL 5,000 x 60 with priors"
GRADED = "GPCM 20,000 x 270 x 5 categories, 60 answers each, with Oakes errors"


def banks() -> tuple[list[Row], list[Row], list[Row]]:
    """Of the first three cases."""
    return bank_2pl(300, 1), bank_2pl(60, 2), [row._replace(model="3pl", c=0.2) for row in bank_2pl(60, 2)]


def cases() -> list[Case]:
    """CPU seconds of the fastest of some runs: other work on the machine only ever adds. A peer that gets fewer people says so in its name."""
    many, few, guessed = banks()
    sparse, complete, three = answers(many, 20_000, 30, 1), answers(few, 5_000, 60, 1), answers(guessed, 5_000, 60, 1)
    whole_graded, part_graded = graded(20_000), graded(500)
    part_sparse, part_three = answers(many, 1_000, 30, 1), answers(guessed, 500, 60, 1)
    return [
        Case(
            SPARSE, "s", lambda: timed(lambda: fit(many, sparse, "none")), 1, 0.4, figure=min,
            peers={"mirt": lambda: by_mirt("2PL", many, sparse, 20_000), "girth, 1,000 people": lambda: by_girth(many, part_sparse, 1_000)},
        ),
        Case(
            COMPLETE, "s", lambda: timed(lambda: fit(few, complete, "none")), 0.5, figure=min,
            peers={"mirt": lambda: by_mirt("2PL", few, complete, 5_000), "girth": lambda: by_girth(few, complete, 5_000)},
        ),
        Case(
            GUESSED, "s", lambda: timed(lambda: fit(guessed, three, "default")), 0.6, figure=min,
            peers={"mirt, 500 people, no priors": lambda: by_mirt("3PL", guessed, part_three, 500)},
        ),
        Case(
            GRADED, "s", lambda: timed(lambda: with_errors(*whole_graded), 2), 10, 4, figure=min,
            peers={"mirt, 500 people": lambda: by_mirt("GPCM", *part_graded, 500, True)},
        ),
        Case(f"{SERANG:,} people on the sample bank, from answers to report", "s", serang, 2, figure=min),
    ]  # fmt: skip


def run() -> list[Line]:
    """Rows (name, value, unit): whether the fits that are timed are good enough, and what routed answers do to each estimator."""
    many, few, guessed = banks()
    return [
        shortfall(SPARSE, many, answers(many, 20_000, 30, 1), "none"),
        shortfall(COMPLETE, few, answers(few, 5_000, 60, 1), "none"),
        shortfall(GUESSED, guessed, answers(guessed, 5_000, 60, 1), "default"),
        *(line for plan in ROUTED for line in routed_recovery(plan, ROUTED_PEOPLE)),
    ]


if __name__ == "__main__":
    if sys.argv[1:2] != ["routed"]:
        sys.exit(main(["bench_calibration"]))
    for name, value, unit in routed_recovery(sys.argv[2], int(sys.argv[3])):
        print(f"{value:12.4f} {unit:2} {name}", flush=True)
