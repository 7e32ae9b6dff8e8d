"""Ask and tell: the next decision of a test as a pure function of plan, pool and state.

Kernels are batch-first, over N sessions that stand in the same section; the live `ask` is a batch of one and the simulator a batch of many, so
there is one code path. Randomness is addressed by (seed, position): the same pool, plan, seed and answers give the same items and the same
theta on any machine. A live engine never raises for lack of an item: it ends the section with reason "bank".
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from cat_engine.batch import Batch
from cat_engine.content import FULL, LADDER, OPEN, Unbalanced, criterion
from cat_engine.eligibility import Memory, lots, segments
from cat_engine.families import Floats, Ints
from cat_engine.irt import information_of
from cat_engine.plan import Section, TestPlan
from cat_engine.pool import Pool
from cat_engine.pretest import PRETEST, is_pretest, next_pretest, open_items, operational_part
from cat_engine.randomness import Draws
from cat_engine.retest import REPEATED, without_seen
from cat_engine.select import MaximumInformation, Moment
from cat_engine.shortlist import LONGEST_LIST, from_rows, shortlist
from cat_engine.state import EngineRefusal, State
from cat_engine.stop import BANK, GOING_ON, Standing, reasons, section_reason, verdict

ALONE = np.zeros(1, dtype=int)  # the only row of a batch of one
ALONE.setflags(write=False)


class Evidence(NamedTuple):
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


class Present(NamedTuple):
    """Give item `item` (index in the pool)."""

    item: int
    section: int
    evidence: Evidence


class EndSection(NamedTuple):
    """The current section is finished: "precision", "length", "time" or "bank"."""

    section: int
    reason: str
    evidence: Evidence


class Stop(NamedTuple):
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


class Outlook(NamedTuple):
    """Where N sessions stand in a section of S' competencies: scales[S'] (indices in the pool; a competency that the pool does not know is
    left out), finished[N, S'] (which rule finished each, or GOING_ON; None where nothing is finished for anybody), eligible[N, I], and repeated[N],
    where only items met in an earlier test were left; None where nobody met any.
    """

    scales: Ints
    finished: Ints | None
    eligible: NDArray[np.bool_]
    repeated: NDArray[np.bool_] | None

    @property
    def verdict(self) -> Ints:
        """Which rule finished each competency, or GOING_ON: [N, S']."""
        return np.full((len(self.eligible), len(self.scales)), GOING_ON) if self.finished is None else self.finished


class Admission(NamedTuple):
    """eligible[N, I] after exposure control and before[N, I] it; dropped[N]: where it would have left no item and was put aside, None where it was
    for nobody.
    """

    eligible: NDArray[np.bool_]
    before: NDArray[np.bool_]
    dropped: NDArray[np.bool_] | None = None

    @property
    def rungs(self) -> tuple[str, ...]:
        """The rung of the fallback ladder that each session stands on so far."""
        if self.dropped is None:
            return (FULL,) * len(self.eligible)
        return tuple(OPEN if gone else FULL for gone in self.dropped.tolist())


class Choice(NamedTuple):
    """item[N], the next one of each session; the rung[N] of the fallback ladder on which it was found; and info[N], its information at the
    session's ability, where that was worked out on the way.
    """

    item: Ints
    rungs: tuple[str, ...]
    info: Floats | None = None


def survey(
    pool: Pool, section: Section, batch: Batch, rows: Ints, seconds: Floats, seen: NDArray[np.bool_] | None = None
) -> Outlook:  # fmt: skip
    """The first half of the kernel: which competencies are finished and which items may be given, for sessions `rows`[N] of the batch.

    seconds[N]: time spent on answers in this section. Eligible = unused, operational, of an unfinished competency of the section, and not among
    the items seen[N, I] in an earlier test, unless nothing else is left.
    """
    scales = pool.places(section.competencies)
    available = batch.free_for(rows)
    standing = Standing(batch, rows, scales, available if seen is None else available & ~seen, seconds)
    finished = verdict(section.rules, standing, section.min_items)
    if finished is not None or len(scales) < len(pool.competencies):
        unfinished = np.zeros((len(rows), len(pool.competencies)), dtype=bool)
        unfinished[:, scales] = True if finished is None else finished == GOING_ON
        available = available & (unfinished if unfinished.shape[1] == 1 else unfinished.take(pool.params.scale, axis=1))
    return Outlook(scales, finished, *without_seen(available, seen))


def draw_lots(plan: TestPlan, pool: Pool, memory: Memory | None, seeds: Sequence[int]) -> NDArray[np.bool_] | None:
    """The lots of exposure control, [N, K, I]: which items the session of each of seeds[N] may see while an ability is in segment k; None in a plan
    without such control. Without a memory the pool's pinned snapshot counts.
    """
    if not plan.eligibility.active:
        return None
    probability = plan.eligibility.probability(Memory.pinned(plan.eligibility, pool) if memory is None else memory)
    return np.array([lots(probability, seed) for seed in seeds])


def admit(plan: TestPlan, batch: Batch, rows: Ints, eligible: NDArray[np.bool_], drawn: NDArray[np.bool_] | None) -> Admission:
    """Exposure control between the halves: which of the eligible[M, I] items sessions `rows`[M] may see, by the lots drawn[N, K, I] of all."""
    if drawn is None:
        return Admission(eligible, eligible)
    own = drawn if len(rows) == len(drawn) else drawn[rows]
    if len(plan.eligibility.edges):
        segment = segments(plan.eligibility.edges, batch.theta[rows]).take(batch.pool.params.scale, axis=1)
        may = np.take_along_axis(own, segment[:, None, :], axis=1)[:, 0]
    else:
        may = own[:, 0]
    may = np.logical_and(may, eligible)
    dropped = np.greater(eligible.any(axis=1), may.any(axis=1))
    return Admission(np.where(dropped[:, None], eligible, may), eligible, dropped) if dropped.any() else Admission(may, eligible)


def choose(plan: TestPlan, section: Section, batch: Batch, rows: Ints, position: Ints, admission: Admission, draws: Draws) -> Choice:
    """The second half of the kernel: the next item of sessions `rows`[N], each of which has an item admission.eligible[N, I].

    position[N]: answers so far in the section. Ties go to the lowest index on the criterion rounded to 1e-12.
    """
    at = int(position[0])  # sessions that are stepped together stand at the same position of their section
    if at >= plan.start.length and isinstance(plan.select, MaximumInformation) and isinstance(plan.content, Unbalanced):
        found = _most_informative(plan, batch, rows, admission, draws)
        if found is not None:
            return found
    moment = Moment(batch, rows, admission.eligible, position, section.max_items, draws)
    narrowed = plan.content.narrow(moment, criterion(moment, at), section.blueprint, admission.before)
    item = plan.exposure.choose(np.where(narrowed.eligible, np.round(narrowed.score, 12), -np.inf), draws)
    rungs = tuple(max(pair, key=LADDER.index) for pair in zip(admission.rungs, narrowed.rungs, strict=True))
    return Choice(item, rungs)


def _most_informative(plan: TestPlan, batch: Batch, rows: Ints, admission: Admission, draws: Draws) -> Choice | None:
    """The very items that scoring the whole pool by maximum information would give, found by the pool's ranking; None where it has none."""
    ranking = batch.pool.ranking
    if ranking is None:
        return None
    eligible, (theta, se) = admission.eligible, batch.abilities(rows)
    variance = se * se
    closed = LONGEST_LIST if plan.eligibility.active else batch.most
    found = shortlist(ranking, theta, variance, eligible, closed, plan.exposure.depth)
    place = found.best  # which is the one that is given, where the exposure rule looks no deeper
    if found.open is None and plan.exposure.depth > 1:
        place = from_rows(plan.exposure.choose(found.score, draws), found.item.shape[1])
    item, info = found.item.take(place), found.info.take(place)
    if found.open is not None:
        some, open_still = np.flatnonzero(~found.open), np.flatnonzero(found.open)
        if some.size:
            column = plan.exposure.choose(found.score[some], draws.of(some))
            item[some], info[some] = found.item[some, column], found.info[some, column]
        known = batch.information(rows[open_still])
        score = np.round(known * variance[open_still][:, batch.pool.params.scale], 12)
        score = np.where(eligible[open_still], score, -np.inf)
        item[open_still] = plan.exposure.choose(score, draws.of(open_still))
        info[open_still] = known[np.arange(len(known)), item[open_still]]
    return Choice(item, admission.rungs, info)


def ask(plan: TestPlan, pool: Pool, state: State) -> Decision:
    """The next decision. Pure; while an item is pending, asking gives that item again, with the evidence it was given on.

    Raises EngineRefusal where the state cannot be of this pool: an item or a category that it does not have.
    """
    return _decision(plan, pool, state, _batch(plan, pool, state))


def estimate(plan: TestPlan, pool: Pool, state: State) -> Estimate:
    """Ability on every competency from the answers so far, by the plan's final estimator. Raises EngineRefusal as `ask` does."""
    return _estimate(_batch(plan, pool, state))


def look(plan: TestPlan, pool: Pool, state: State) -> tuple[Decision, Estimate]:
    """What `ask` and `estimate` give, for the work of going through the answers once."""
    batch = _batch(plan, pool, state)
    return _decision(plan, pool, state, batch), _estimate(batch)


def _decision(plan: TestPlan, pool: Pool, state: State, batch: Batch) -> Decision:
    if state.stopped is not None or state.section >= len(plan.sections):
        last = state.ended[-1] if state.ended else BANK
        reason = last if state.stopped is None else state.stopped
        return Stop(reason, _closing_evidence(batch, pool.places(plan.competencies), 0, reason))
    section, row, begun = plan.sections[state.section], ALONE, state.section_starts[-1]
    if state.pending is not None and is_pretest(pool, state.pending):
        return _pretest(pool, section, batch, state, state.pending)
    outlook = survey(pool, section, batch, row, np.array([sum(state.rt_s[begun:])]), _seen(pool, state))
    admission = admit(plan, batch, row, outlook.eligible, draw_lots(plan, pool, None, (state.seed,)))
    n_eligible, counted = int(np.count_nonzero(admission.eligible)), operational_part(pool, state)
    at = counted.position - counted.section_starts[-1]
    why, again = _why(plan, at), REPEATED if outlook.repeated is not None and outlook.repeated[0] else None
    if state.pending is not None and (n_eligible == 0 or isinstance(plan.content, Unbalanced)):
        return Present(state.pending, state.section, _evidence(batch, state.pending, n_eligible, again or admission.rungs[0], why))
    if n_eligible == 0:
        reason = section_reason(reasons(section.rules, outlook.verdict[0]))
        return EndSection(state.section, reason, _closing_evidence(batch, outlook.scales, n_eligible, reason))
    due = next_pretest(pool, section.pretest, section.competencies, state) if state.pending is None else None
    if due is not None:
        return _pretest(pool, section, batch, state, due)
    choice = choose(plan, section, batch, row, np.array([at]), admission, Draws((state.seed,), (counted.position,)))
    rung = again or choice.rungs[0]
    if state.pending is not None:
        return Present(state.pending, state.section, _evidence(batch, state.pending, n_eligible, rung, why))
    info = None if choice.info is None else choice.info.item(0)
    item = choice.item.item(0)
    return Present(item, state.section, _evidence(batch, item, n_eligible, rung, why, info))


def _seen(pool: Pool, state: State) -> NDArray[np.bool_] | None:
    """[1, I]; None where the person met nothing before."""
    if not state.seen:
        return None
    seen = np.zeros((1, len(pool)), dtype=bool)
    seen[0, list(state.seen)] = True
    return seen


def _pretest(pool: Pool, section: Section, batch: Batch, state: State, item: int) -> Present:
    left = int(np.count_nonzero(open_items(pool, section.competencies, state)))
    return Present(item, state.section, _evidence(batch, item, left, PRETEST, PRETEST))


def _why(plan: TestPlan, at: int) -> str:
    """Why the item is given that comes after `at` items of its section: "start", "adaptive" or "fixed"."""
    if at < plan.start.length:
        return "start"
    return "adaptive" if plan.select.routed else "fixed"


def _estimate(batch: Batch) -> Estimate:
    theta, se = batch.final()
    own_theta, own_se = batch.alone()
    return Estimate(theta[0], se[0], batch.count[0], batch.posterior()[0], batch.covariance()[0], own_theta[0], own_se[0])


def _batch(plan: TestPlan, pool: Pool, state: State) -> Batch:
    try:
        counted = operational_part(pool, state)
        batch = Batch.replay(plan, pool, counted.items, counted.categories, counted.dropped)
    except IndexError:
        _refuse_strangers(pool, state)
        raise
    if counted is not state or state.seen or state.pending is not None:  # of which the answers that count say nothing
        _refuse_strangers(pool, state)
    if pool.seconds is not None:
        batch.times = np.array([counted.rt_s])
    return batch


def _refuse_strangers(pool: Pool, state: State) -> None:
    """Raises EngineRefusal where the state speaks of an item or a category that the pool does not have."""
    shown = (*state.items, *state.dropped, *state.seen, *(() if state.pending is None else (state.pending,)))
    if shown and max(shown) >= len(pool):
        msg = f"item {max(shown)} is not in a pool of {len(pool)}"
        raise EngineRefusal(msg)
    for item, category in zip(state.items, state.categories, strict=True):
        if category >= pool.n_cat[item]:
            msg = f"item {pool.ids[item]} has no category {category}"
            raise EngineRefusal(msg)


def _evidence(batch: Batch, item: int, n_eligible: int, rung: str, why: str, info: float | None = None) -> Evidence:
    params = batch.pool.params
    scale = params.scale.item(item)
    if info is None:
        info = information_of(params, np.array([item]), batch.theta[0, [scale]]).item(0)
    return Evidence(batch.theta.item(0, scale), batch.se.item(0, scale), info, n_eligible, rung, why)


def _closing_evidence(batch: Batch, scales: Ints, n_eligible: int, reason: str) -> Evidence:
    rung = BANK if reason == BANK else FULL
    if not scales.size:
        return Evidence(float("nan"), float("nan"), 0.0, n_eligible, rung)
    widest = scales[int(np.argmax(batch.se[0, scales].round(12)))]  # as choices are: the same one on every machine
    return Evidence(float(batch.theta[0, widest]), float(batch.se[0, widest]), 0.0, n_eligible, rung)
