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
from cat_engine.eligibility import Memory, lots, segments
from cat_engine.families import Floats, Ints
from cat_engine.plan import Section, TestPlan
from cat_engine.pool import Pool
from cat_engine.randomness import Draws
from cat_engine.select import Moment
from cat_engine.state import EngineRefusal, State
from cat_engine.stop import BANK, GOING_ON, Standing, reasons, section_reason, verdict

FULL = "full"  # the first rung of the fallback ladder: every rule of the plan held
OPEN = "eligibility"  # the second: exposure control would have left no item, and was dropped for this one


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a decision was made on.

    Of an item: ability and SE of its competency before the answer, the item's information there, how many items were eligible, and the rung
    of the fallback ladder ("full" = every rule held, "eligibility" = exposure control was dropped). Of an end: ability and SE of the least precisely measured competency of the section (of
    the plan, for a stop), no information, the items still eligible, and rung "bank" where the section ended for want of one.
    """

    theta: float
    se: float
    info: float
    n_eligible: int
    rung: str


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
    """Per competency: theta[S], se[S], n[S] answers, and the posterior mass on the pool's grid, [S, Q]."""

    theta: Floats
    se: Floats
    n: Ints
    posterior: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """Where N sessions stand in a section of S' competencies: scales[S'] (indices in the pool; a competency that the pool does not know is
    left out), verdict[N, S'] (which rule finished each, or GOING_ON) and eligible[N, I].
    """

    scales: Ints
    verdict: Ints
    eligible: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Admission:
    """eligible[N, I] after exposure control; dropped[N]: where that would have left no item and was put aside."""

    eligible: NDArray[np.bool_]
    dropped: NDArray[np.bool_]


def survey(pool: Pool, section: Section, batch: Batch, rows: Ints, seconds: Floats) -> Outlook:
    """The first half of the kernel: which competencies are finished and which items may be given, for sessions `rows`[N] of the batch.

    seconds[N]: time spent on answers in this section. Eligible = unused, operational, of an unfinished competency of the section.
    """
    scales = np.array([pool.competencies.index(name) for name in section.competencies if name in pool.competencies], dtype=int)
    available = ~batch.used[rows]
    available &= pool.operational
    standing = Standing(batch, rows, scales, available, seconds)
    found = verdict(section.rules, standing, section.min_items)
    unfinished = np.zeros((len(rows), len(pool.competencies)), dtype=bool)
    unfinished[:, scales] = found == GOING_ON
    eligible = unfinished[:, pool.params.scale]
    eligible &= available
    return Outlook(scales, found, eligible)


def admit(
    plan: TestPlan, pool: Pool, memory: Memory | None, batch: Batch, rows: Ints, eligible: NDArray[np.bool_], seeds: Sequence[int]
) -> Admission:
    """Exposure control between the halves: which of the eligible[N, I] items sessions `rows`[N] may see, by their lots. Without a memory the
    pool's pinned snapshot counts.
    """
    if not plan.eligibility.active:
        return Admission(eligible, np.zeros(len(rows), dtype=bool))
    memory = Memory.pinned(plan.eligibility, pool) if memory is None else memory
    probability = plan.eligibility.probability(memory)
    segment = segments(plan.eligibility.edges, batch.theta[rows][:, pool.params.scale])
    items = np.arange(len(pool))
    may = np.logical_and(np.stack([lots(probability, seed)[segment[n], items] for n, seed in enumerate(seeds)]), eligible)
    dropped = np.logical_and(~may.any(axis=1), eligible.any(axis=1))
    return Admission(np.where(dropped[:, None], eligible, may), dropped)


def choose(plan: TestPlan, section: Section, batch: Batch, rows: Ints, position: Ints, eligible: NDArray[np.bool_], draws: Draws) -> Ints:
    """The second half of the kernel: the next item[N] of sessions `rows`[N], each of which has an item eligible[N, I].

    position[N]: answers so far in the section. Ties go to the lowest index on the criterion rounded to 1e-12.
    """
    moment = Moment(batch, rows, eligible, position, section.max_items, draws)
    at = int(position[0])  # sessions that are stepped together stand at the same position of their section
    score = plan.start.score(moment, at) if at < plan.start.length else plan.select.score(moment)
    return plan.exposure.choose(np.where(eligible, np.round(score, 12), -np.inf), draws)


def ask(plan: TestPlan, pool: Pool, state: State) -> Decision:
    """The next decision. Pure; while an item is pending, asking gives that item again, with the evidence it was given on.

    Raises EngineRefusal where the state cannot be of this pool: an item or a category that it does not have.
    """
    batch = _batch(plan, pool, state)
    if state.stopped is not None or state.section >= len(plan.sections):
        last = state.ended[-1] if state.ended else BANK
        reason = last if state.stopped is None else state.stopped
        known = [pool.competencies.index(name) for name in plan.competencies if name in pool.competencies]
        return Stop(reason, _closing_evidence(batch, np.array(known, dtype=int), 0, reason))
    section, row = plan.sections[state.section], np.zeros(1, dtype=int)
    outlook = survey(pool, section, batch, row, np.array([sum(state.rt_s[state.section_starts[-1] :])]))
    admission = admit(plan, pool, None, batch, row, outlook.eligible, (state.seed,))
    n_eligible = int(np.count_nonzero(admission.eligible))
    rung = OPEN if admission.dropped[0] else FULL
    if state.pending is not None:
        return Present(state.pending, state.section, _evidence(pool, batch, state.pending, n_eligible, rung))
    if n_eligible == 0:
        reason = section_reason(reasons(section.rules, outlook.verdict[0]))
        return EndSection(state.section, reason, _closing_evidence(batch, outlook.scales, n_eligible, reason))
    position = np.array([state.position - state.section_starts[-1]])
    item = int(choose(plan, section, batch, row, position, admission.eligible, Draws((state.seed,), (state.position,)))[0])
    return Present(item, state.section, _evidence(pool, batch, item, n_eligible, rung))


def estimate(plan: TestPlan, pool: Pool, state: State) -> Estimate:
    """Ability on every competency from the answers so far, by the plan's final estimator. Raises EngineRefusal as `ask` does."""
    batch = _batch(plan, pool, state)
    theta, se = batch.final()
    return Estimate(theta[0], se[0], batch.count[0], batch.posterior()[0])


def _batch(plan: TestPlan, pool: Pool, state: State) -> Batch:
    shown = (*state.items, *state.dropped, *(() if state.pending is None else (state.pending,)))
    if shown and max(shown) >= len(pool):
        msg = f"item {max(shown)} is not in a pool of {len(pool)}"
        raise EngineRefusal(msg)
    n_cat = pool.params.n_cat
    for item, category in zip(state.items, state.categories, strict=True):
        if category >= n_cat[item]:
            msg = f"item {pool.ids[item]} has no category {category}"
            raise EngineRefusal(msg)
    return Batch.replay(plan, pool, state.items, state.categories, state.dropped)


def _evidence(pool: Pool, batch: Batch, item: int, n_eligible: int, rung: str) -> Evidence:
    scale = pool.params.scale[item]
    return Evidence(float(batch.theta[0, scale]), float(batch.se[0, scale]), float(batch.info[0, item]), n_eligible, rung)


def _closing_evidence(batch: Batch, scales: Ints, n_eligible: int, reason: str) -> Evidence:
    rung = BANK if reason == BANK else FULL
    if not scales.size:
        return Evidence(float("nan"), float("nan"), 0.0, n_eligible, rung)
    widest = scales[int(np.argmax(batch.se[0, scales]))]
    return Evidence(float(batch.theta[0, widest]), float(batch.se[0, widest]), 0.0, n_eligible, rung)
