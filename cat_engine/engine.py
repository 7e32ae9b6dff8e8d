"""Ask and tell: the next decision of a test as a pure function of plan, pool and state.

Kernels are batch-first, over N sessions that stand in the same section; the live `ask` is a batch of one and the simulator a batch of many, so
there is one code path. Randomness is addressed by (seed, position): the same pool, plan, seed and answers give the same items and the same
theta on any machine. A live engine never raises for lack of an item: it ends the section with reason "bank".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.batch import Batch
from cat_engine.content import FULL, LADDER, OPEN, Unbalanced
from cat_engine.eligibility import Memory, lots, segments
from cat_engine.families import Floats, Ints
from cat_engine.irt import information_of
from cat_engine.plan import Section, TestPlan
from cat_engine.pool import Pool
from cat_engine.pretest import PRETEST, is_pretest, next_pretest, open_items, operational_part
from cat_engine.randomness import Draws
from cat_engine.retest import REPEATED, without_seen
from cat_engine.select import MaximumInformation, Moment
from cat_engine.shortlist import shortlist
from cat_engine.state import EngineRefusal, State
from cat_engine.stop import BANK, GOING_ON, Standing, reasons, section_reason, verdict


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision was made on.

    Of an item: ability and SE of its competency before the answer, the item's information there, how many items were eligible, and the rung
    of the fallback ladder ("full" = every rule held, "eligibility" = exposure control was dropped, "retest" = nothing was left but items met in
    an earlier test, "pretest" = no rule was asked). Of an end: ability and SE of the least precisely measured competency of the section (of
    the plan, for a stop), no information, the items still eligible, and rung "bank" where the section ended for want of one. `why` the item was
    given: "adaptive", "fixed" (the answers had no part in it), "start" (a rule for the first items), "pretest".
    """

    theta: float
    se: float
    info: float
    n_eligible: int
    rung: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Present:
    """Give item `item` (index in the pool)."""

    item: int
    section: int
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class EndSection:
    """The current section is finished: "precision", "length", "time" or "bank"."""

    section: int
    reason: str
    evidence: Evidence


@dataclass(frozen=True, slots=True)
class Stop:
    """The test is finished, for the reason of its last section, or for the one that it was stopped with."""

    reason: str
    evidence: Evidence


Decision = Present | EndSection | Stop


@dataclass(frozen=True, slots=True, eq=False)
class Estimate:
    """Per competency: theta[S], se[S], n[S] answers, and the posterior mass on the pool's grid, [S, Q].

    Where the plan takes competencies together, these borrow from the others; covariance[S, S] is that of the joint posterior, and own_theta[S]
    and own_se[S] are the estimates from each competency's own answers alone. Else covariance is diagonal and the own estimates are the same.
    """

    theta: Floats
    se: Floats
    n: Ints
    posterior: Floats
    covariance: Floats
    own_theta: Floats
    own_se: Floats

    def difference_se(self, i: int, j: int) -> float:
        """Standard error of theta[i] - theta[j]."""
        c = self.covariance
        return float(np.sqrt(c[i, i] + c[j, j] - 2 * c[i, j]))


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Where N sessions stand in a section of S' competencies: scales[S'] (indices in the pool; a competency that the pool does not know is
    left out), verdict[N, S'] (which rule finished each, or GOING_ON), eligible[N, I], and repeated[N], where only items met in an earlier test
    were left.
    """

    scales: Ints
    verdict: Ints
    eligible: NDArray[np.bool_]
    repeated: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """eligible[N, I] after exposure control and before[N, I] it; dropped[N]: where it would have left no item and was put aside."""

    eligible: NDArray[np.bool_]
    before: NDArray[np.bool_]
    dropped: NDArray[np.bool_]


def survey(
    pool: Pool, section: Section, batch: Batch, rows: Ints, seconds: Floats, seen: NDArray[np.bool_] | None = None
) -> Outlook:  # fmt: skip
    """The first half of the kernel: which competencies are finished and which items may be given, for sessions `rows`[N] of the batch.

    seconds[N]: time spent on answers in this section. Eligible = unused, operational, of an unfinished competency of the section, and not among
    the items seen[N, I] in an earlier test, unless nothing else is left.
    """
    scales = np.array([pool.competencies.index(name) for name in section.competencies if name in pool.competencies], dtype=int)
    available = ~batch.used[rows]
    available &= pool.operational
    standing = Standing(batch, rows, scales, available if seen is None else available & ~seen, seconds)
    found = verdict(section.rules, standing, section.min_items)
    if len(pool.competencies) == len(scales) == 1:
        over = found[:, 0] != GOING_ON
        eligible = np.where(over[:, None], False, available) if over.any() else available
        return Outlook(scales, found, *without_seen(eligible, seen))
    unfinished = np.zeros((len(rows), len(pool.competencies)), dtype=bool)
    unfinished[:, scales] = found == GOING_ON
    eligible = unfinished[:, pool.params.scale]
    eligible &= available
    return Outlook(scales, found, *without_seen(eligible, seen))


def admit(
    plan: TestPlan, pool: Pool, memory: Memory | None, batch: Batch, rows: Ints, eligible: NDArray[np.bool_], seeds: Sequence[int]
) -> Admission:
    """Exposure control between the halves: which of the eligible[N, I] items sessions `rows`[N] may see, by their lots. Without a memory the
    pool's pinned snapshot counts.
    """
    if not plan.eligibility.active:
        return Admission(eligible, eligible, np.zeros(len(rows), dtype=bool))
    memory = Memory.pinned(plan.eligibility, pool) if memory is None else memory
    probability = plan.eligibility.probability(memory)
    segment = segments(plan.eligibility.edges, batch.theta[rows][:, pool.params.scale])
    items = np.arange(len(pool))
    may = np.logical_and(np.stack([lots(probability, seed)[segment[n], items] for n, seed in enumerate(seeds)]), eligible)
    dropped = np.logical_and(~may.any(axis=1), eligible.any(axis=1))
    return Admission(np.where(dropped[:, None], eligible, may), eligible, dropped)


def choose(
    plan: TestPlan, section: Section, batch: Batch, rows: Ints, position: Ints, admission: Admission, draws: Draws
) -> tuple[Ints, tuple[str, ...]]:
    """The second half of the kernel: the next item[N] of sessions `rows`[N], each of which has an item admission.eligible[N, I], and the rung
    of the fallback ladder on which it was found.

    position[N]: answers so far in the section. Ties go to the lowest index on the criterion rounded to 1e-12.
    """
    at = int(position[0])  # sessions that are stepped together stand at the same position of their section
    if at >= plan.start.length and isinstance(plan.select, MaximumInformation) and isinstance(plan.content, Unbalanced):
        item = _most_informative(plan, batch, rows, admission.eligible, draws)
        if item is not None:
            return item, _rungs(admission)
    moment = Moment(batch, rows, admission.eligible, position, section.max_items, draws)
    score = plan.start.score(moment, at) if at < plan.start.length else plan.select.score(moment)
    narrowed = plan.content.narrow(moment, score, section.blueprint, admission.before)
    item = plan.exposure.choose(np.where(narrowed.eligible, np.round(narrowed.score, 12), -np.inf), draws)
    return item, tuple(max(pair, key=LADDER.index) for pair in zip(_rungs(admission), narrowed.rungs, strict=True))


def _rungs(admission: Admission) -> tuple[str, ...]:
    if not admission.dropped.any():
        return (FULL,) * len(admission.dropped)
    return tuple(OPEN if gone else FULL for gone in admission.dropped.tolist())


def _most_informative(plan: TestPlan, batch: Batch, rows: Ints, eligible: NDArray[np.bool_], draws: Draws) -> Ints | None:
    """The very items that scoring the whole pool by maximum information would give, found by the pool's ranking; None where it has none."""
    ranking = batch.pool.ranking
    if ranking is None:
        return None
    variance = batch.se[rows, 0] ** 2
    found = shortlist(ranking, batch.theta[rows, 0], variance, eligible, int(batch.count[rows, 0].max()), plan.exposure.depth)
    column = plan.exposure.choose(found.score, draws) if found.sure.all() else np.zeros(len(rows), dtype=int)
    item: Ints = found.item[np.arange(len(rows)), column]
    if not found.sure.all():
        sure, open_still = np.flatnonzero(found.sure), np.flatnonzero(~found.sure)
        if sure.size:
            item[sure] = found.item[sure, plan.exposure.choose(found.score[sure], draws.of(sure))]
        score = np.round(batch.information(rows[open_still]) * variance[open_still, None], 12)
        item[open_still] = plan.exposure.choose(np.where(eligible[open_still], score, -np.inf), draws.of(open_still))
    return item


def ask(plan: TestPlan, pool: Pool, state: State) -> Decision:
    """The next decision. Pure; while an item is pending, asking gives that item again, with the evidence it was given on.

    Raises EngineRefusal where the state cannot be of this pool: an item or a category that it does not have.
    """
    batch, counted = _batch(plan, pool, state), operational_part(pool, state)
    if state.stopped is not None or state.section >= len(plan.sections):
        last = state.ended[-1] if state.ended else BANK
        reason = last if state.stopped is None else state.stopped
        known = [pool.competencies.index(name) for name in plan.competencies if name in pool.competencies]
        return Stop(reason, _closing_evidence(batch, np.array(known, dtype=int), 0, reason))
    section, row = plan.sections[state.section], np.zeros(1, dtype=int)
    if state.pending is not None and is_pretest(pool, state.pending):
        return _pretest(pool, section, batch, state, state.pending)
    seen = None
    if state.seen:
        seen = np.zeros((1, len(pool)), dtype=bool)
        seen[0, list(state.seen)] = True
    outlook = survey(pool, section, batch, row, np.array([sum(state.rt_s[state.section_starts[-1] :])]), seen)
    admission = admit(plan, pool, None, batch, row, outlook.eligible, (state.seed,))
    n_eligible, position = int(np.count_nonzero(admission.eligible)), counted.position - counted.section_starts[-1]
    why = reason_for(plan, position)
    if state.pending is not None and (n_eligible == 0 or isinstance(plan.content, Unbalanced)):
        rung = REPEATED if outlook.repeated[0] else OPEN if admission.dropped[0] else FULL
        return Present(state.pending, state.section, _evidence(pool, batch, state.pending, n_eligible, rung, why))
    if n_eligible == 0:
        reason = section_reason(reasons(section.rules, outlook.verdict[0]))
        return EndSection(state.section, reason, _closing_evidence(batch, outlook.scales, n_eligible, reason))
    due = next_pretest(pool, section.pretest, section.competencies, state) if state.pending is None else None
    if due is not None:
        return _pretest(pool, section, batch, state, due)
    chosen, rungs = choose(plan, section, batch, row, np.array([position]), admission, Draws((state.seed,), (counted.position,)))
    item = int(chosen[0]) if state.pending is None else state.pending
    rung = REPEATED if outlook.repeated[0] else rungs[0]
    return Present(item, state.section, _evidence(pool, batch, item, n_eligible, rung, why))


def _pretest(pool: Pool, section: Section, batch: Batch, state: State, item: int) -> Present:
    left = int(np.count_nonzero(open_items(pool, section.competencies, state)))
    return Present(item, state.section, _evidence(pool, batch, item, left, PRETEST, PRETEST))


def reason_for(plan: TestPlan, position: int) -> str:
    """Why the item at a position (of the items that count) in its section is given: "start", "adaptive" or "fixed"."""
    if position < plan.start.length:
        return "start"
    return "adaptive" if plan.select.routed else "fixed"


def estimate(plan: TestPlan, pool: Pool, state: State) -> Estimate:
    """Ability on every competency from the answers so far, by the plan's final estimator. Raises EngineRefusal as `ask` does."""
    batch = _batch(plan, pool, state)
    theta, se = batch.final()
    own_theta, own_se = batch.alone()
    return Estimate(theta[0], se[0], batch.count[0], batch.posterior()[0], batch.covariance()[0], own_theta[0], own_se[0])


def _batch(plan: TestPlan, pool: Pool, state: State) -> Batch:
    shown = (*state.items, *state.dropped, *state.seen, *(() if state.pending is None else (state.pending,)))
    if shown and max(shown) >= len(pool):
        msg = f"item {max(shown)} is not in a pool of {len(pool)}"
        raise EngineRefusal(msg)
    n_cat = pool.params.n_cat
    for item, category in zip(state.items, state.categories, strict=True):
        if category >= n_cat[item]:
            msg = f"item {pool.ids[item]} has no category {category}"
            raise EngineRefusal(msg)
    counted = operational_part(pool, state)
    return Batch.replay(plan, pool, counted.items, counted.categories, counted.dropped)


def _evidence(pool: Pool, batch: Batch, item: int, n_eligible: int, rung: str, why: str) -> Evidence:
    scale = int(pool.params.scale[item])
    return Evidence(
        float(batch.theta[0, scale]),
        float(batch.se[0, scale]),
        float(information_of(pool.params, np.array([item]), batch.theta[0, [scale]])[0]),
        n_eligible,
        rung,
        why,
    )


def _closing_evidence(batch: Batch, scales: Ints, n_eligible: int, reason: str) -> Evidence:
    rung = BANK if reason == BANK else FULL
    if not scales.size:
        return Evidence(float("nan"), float("nan"), 0.0, n_eligible, rung)
    widest = scales[int(np.argmax(batch.se[0, scales]))]
    return Evidence(float(batch.theta[0, widest]), float(batch.se[0, widest]), 0.0, n_eligible, rung)
