"""One competency from answers to estimates with their flags: screening, fit, standard errors, and what speaks against each item.

An item that cannot be estimated gets no number but a flag that says why.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from calibration.curves import A_BOUNDS, ASYMPTOTES, INTERCEPT_BOUND, SLOPE_BOUND, bounded, bounds, pack
from calibration.expectation import Here, Hold
from calibration.fit import rmsd
from calibration.mml import MmlFit, MmlOptions, fit_mml
from calibration.priors import COMMON_SLOPE
from calibration.state import FIXED_SLOPE
from calibration.uncertainty import Errors, standard_errors
from cat_engine import Row
from cat_engine.irt import Floats, Ints

LOWEST_A = 0.35
FARTHEST_B = 5.5
NEAR_END = 0.05  # distance of the logit of an asymptote from its bound
LARGEST_RMSD = 0.1
STRETCH = 1 << 22


@dataclass(frozen=True, slots=True)
class Demands:
    """min_n: answers an item needs. max_se: largest SE of any b (of a nominal item of any slope and intercept, per unit of a slope above 1). se: how SEs are made (uncertainty.METHODS). mml: how the fit is run."""

    min_n: int = 100
    max_se: float = 0.35
    se: str = "oakes"
    mml: MmlOptions = field(default_factory=MmlOptions)


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """A fit of the items `used` (indices into those handed in), its SEs, and RMSD of each used item; `groups` are the numbers of those that had answers
    to these items.
    """

    used: Ints
    groups: Ints
    fit: MmlFit
    errors: Errors
    rmsd: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Estimates:
    """counts[I][n_cat] answers by category, flags[I] (of flags.FLAGS) of all items handed in, and the run, unless nothing can be estimated."""

    counts: tuple[Ints, ...]
    flags: tuple[tuple[str, ...], ...]
    run: Run | None


def tabulate(item: Ints, category: Ints, n_items: int, n_cat: int) -> Ints:
    """Answers by item and category, [I, K], of answers item[R] < I and category[R] < K; a stretch at a time, as there may be many millions."""
    table = np.zeros(n_items * n_cat, dtype=np.int64)
    for at in range(0, len(item), STRETCH):
        cells = item[at : at + STRETCH].astype(np.int64) * n_cat + category[at : at + STRETCH]
        table += np.bincount(cells, minlength=len(table))
    return table.reshape(n_items, n_cat)


def renumbered(person: Ints) -> tuple[Ints, Ints]:
    """Who of the persons numbered person[R] occurs, and each one's number among them, [R]."""
    occurs = np.bincount(person) > 0
    return np.flatnonzero(occurs), person if occurs.all() else (np.cumsum(occurs) - 1)[person]


def screen(counts: Ints, min_n: int) -> str | None:
    """Why an item with counts[n_cat] answers cannot be estimated, or None."""
    if counts.sum() == 0:
        return "no_answers"
    if counts.sum() < min_n:
        return "few"
    if np.count_nonzero(counts) == 1:
        return "one_category"
    return "empty_category" if (counts == 0).any() else None


def estimate(
    person: Ints,
    item: Ints,
    category: Ints,
    rows: Sequence[Row],
    demands: Demands,
    fixed: NDArray[np.bool_],
    group: Ints | None = None,
    hold: Hold = Here,
) -> Estimates:
    """Estimate I items from answers person[R], item[R], category[R]; `rows` are starting values, items `fixed`[I] stay, group[P], hold as in fit_mml."""
    if (person[1:] < person[:-1]).any():
        order = np.argsort(person, kind="stable")
        person, item, category = person[order], item[order], category[order]
    width = max(len(row.b) for row in rows) + 1
    counts = tuple(own[: len(row.b) + 1] for own, row in zip(tabulate(item, category, len(rows), width), rows, strict=True))
    why = [None if fixed[i] and counts[i].sum() else screen(counts[i], demands.min_n) for i in range(len(rows))]
    usable = np.array([reason is None for reason in why])
    linked = _linked(person, item, usable, fixed, np.array([own.sum() for own in counts]))
    for i in np.flatnonzero(usable & ~linked).tolist():
        why[i] = "disconnected"
    used = np.flatnonzero(usable & linked)
    if not (~fixed[used]).any() or len(used) < _least(rows, used, fixed):
        return Estimates(counts, tuple(("anchor",) if fixed[i] else (why[i] or "no_run",) for i in range(len(rows))), None)
    place: Ints = np.zeros(len(rows), dtype=np.int32)
    place[used] = np.arange(len(used))
    if len(used) < len(rows):
        mine = (usable & linked)[item]
        person, item, category = person[mine], place[item[mine]], category[mine]
    who, person = renumbered(person)
    present, groups = np.unique(np.zeros(len(who), dtype=np.int64) if group is None else group[who], return_inverse=True)
    fit = fit_mml(person, item, category, [rows[i] for i in used.tolist()], demands.mml, fixed[used], groups, hold=hold)
    run = Run(used, present, fit, standard_errors(fit, demands.mml.priors, demands.se), rmsd(fit))
    discrimination = fit.params.discrimination.tolist()
    flags: list[tuple[str, ...]] = []
    for i, reason in enumerate(why):
        flags.append(("anchor",) if fixed[i] else (reason,) if reason else _flags(run, int(place[i]), discrimination[place[i]], demands))
    return Estimates(counts, tuple(flags), run)


def _least(rows: Sequence[Row], used: Ints, fixed: NDArray[np.bool_]) -> int:
    """The fewest items that can be estimated together. Two tell only the product of their slopes: without a fixed item the priors alone would part it."""
    return 2 if fixed[used].any() or all(rows[i].model in COMMON_SLOPE for i in used.tolist()) else 3


def _linked(person: Ints, item: Ints, usable: NDArray[np.bool_], fixed: NDArray[np.bool_], answers: Ints) -> NDArray[np.bool_]:
    """Items on the common scale: connected by people to a fixed item or, where none is fixed, in the part with the most answers[I], [I].

    person[R] is in order. Parts that share nobody would be put on one scale by assumption alone. A person's answers are a chain, so that its links
    are all that is needed of them.
    """
    links, n_items, last = np.zeros(0, dtype=np.int64), len(usable), (-1, -1)
    for at in range(0, len(item), STRETCH):
        mine = usable[item[at : at + STRETCH]]
        if not mine.any():
            continue
        who, what = person[at : at + STRETCH][mine], item[at : at + STRETCH][mine].astype(np.int64)
        who, what = np.concatenate([[last[0]], who]), np.concatenate([[last[1]], what])
        last = int(who[-1]), int(what[-1])
        same = who[1:] == who[:-1]
        links = np.concatenate([links, what[:-1][same] * n_items + what[1:][same]])
        links = np.flatnonzero(np.bincount(links)) if n_items**2 <= STRETCH else np.unique(links)
    edges = sparse.coo_matrix((np.ones(len(links)), np.divmod(links, n_items)), shape=(n_items, n_items))
    part = connected_components(edges, directed=False)[1]
    if (fixed & usable).any():
        return np.isin(part, part[fixed & usable])
    return np.asarray(part == np.bincount(part, answers * usable).argmax())


def _flags(run: Run, k: int, discrimination: float, demands: Demands) -> tuple[str, ...]:
    """What speaks against the estimate of used item k, of an overall discrimination."""
    row = run.fit.rows[k]
    flags = []
    if not run.fit.converged:
        flags.append("not_converged")
    if demands.se != "none" and not _precise(row, run.errors, k, demands.max_se):
        flags.append("uncertain")
    if discrimination < LOWEST_A:
        flags.append("low_a")
    if _at_bound(row):
        flags.append("at_bound")
    if run.rmsd[k] > LARGEST_RMSD:
        flags.append("misfit")
    return tuple(flags)


def _precise(row: Row, errors: Errors, k: int, max_se: float) -> bool:
    """Whether the SEs of used item k are small enough, of what has any: what ran into its bound is flagged for that."""
    se_a, se_b, se_slopes = errors.moved(k, row)
    given, steps = bounded(row.model, len(row.b) + 1, pack(row)), len(row.b)
    if row.slopes:
        most = max_se * np.maximum(np.abs(row.slopes), 1.0)
        return bool(np.all(given | (np.concatenate([se_slopes, se_b]) <= np.tile(most, 2))))
    sloped = row.model in FIXED_SLOPE or given[0] or se_a <= max_se * max(row.a, 1.0)
    return bool(sloped and np.all(given[1 : 1 + steps] | (np.array(se_b) <= max_se)))


def _at_bound(row: Row) -> bool:
    farthest = max(abs(b) for b in row.b)
    if row.slopes:
        return farthest > 0.9 * INTERCEPT_BOUND or max(abs(slope) for slope in row.slopes) > 0.9 * SLOPE_BOUND
    if ends := ASYMPTOTES.get(row.model, 0):
        low, high = bounds(row.model, 2)
        if np.minimum(pack(row) - low, high - pack(row))[-ends:].min() < NEAR_END:
            return True
    return farthest > FARTHEST_B or row.a > 0.9 * A_BOUNDS[1]
