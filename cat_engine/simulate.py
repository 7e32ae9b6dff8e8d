"""Monte-Carlo simulation of a plan on a pool: N test-takers stepped together through the very kernels of the live test.

A `Trial` says what is tried out, `People` who sits it; `blocks` runs them block by block, so that a million people need no more memory than a
few blocks, and `simulate` keeps everything. Where the trial has time parameters and people have speeds, answers take time by the lognormal model
(timing.py): rules about time fire, and a section ends when its budget is spent. Without them no time passes.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cat_engine.batch import Batch, capacity, cells
from cat_engine.eligibility import Memory, segments
from cat_engine.engine import admit, choose, draw_lots, survey
from cat_engine.families import Floats, Ints
from cat_engine.irt import ItemParams, probabilities_up_to
from cat_engine.people import People, Seeds, normals, uniforms, unscored_uniforms
from cat_engine.plan import Section, TestPlan
from cat_engine.pool import Pool
from cat_engine.pretest import PRETEST, Seeding
from cat_engine.priors import NormalPrior
from cat_engine.randomness import Draws, Picked
from cat_engine.simulated import WHY, Block, SimulationResult, Steps, joined
from cat_engine.stop import BANK, TIME, reasons, section_reason
from cat_engine.timing import ItemTimes, draw_seconds


def stepped_together(pool: Pool) -> int:
    """How many sessions a block holds: what keeps the posteriors in cache, fewer of a wide bank, whose scores of all items take the more memory."""
    return 1000 if len(pool) <= 1000 else 500


def draw_category(params: ItemParams, theta: Floats, item: Ints, uniform: Floats) -> Ints:
    """Answers by the model: session n of ability theta[n] meets item[n]; the inverse of the category distribution at uniform[n]."""
    # Counted within the item's own categories, so that a cumulative sum of 1 - 1e-16 cannot give a category past the last one.
    category = (uniform[:, None] > probabilities_up_to(params, item, theta)).sum(axis=1)
    return np.asarray(np.minimum(category, params.n_cat[item] - 1))


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """What is tried out: a plan on a pool. Answers follow `truth` (default: the pool's own parameters) and, where `times` is there, take time."""

    plan: TestPlan
    pool: Pool
    seed: int
    truth: ItemParams | None = None
    times: ItemTimes | None = None


Mapper = Callable[[Trial, Iterable[People]], Iterator[Block]]  # run_block over parts, the blocks in the order of the parts


def run_block(trial: Trial, people: People) -> Block:
    """The tests of some people, whoever else is simulated. Pure: blocks can run anywhere."""
    return _run_block(trial, people, Memory.pinned(trial.plan.eligibility, trial.pool))


def _run_block(trial: Trial, people: People, memory: Memory) -> Block:
    """Those who start at the same prior are stepped together, each under the plan as they are asked by."""
    parts = [(rows, _step(trial, trial.plan.starting_at(prior), own, memory)) for prior, rows, own in people.by_prior()]
    return parts[0][1] if len(parts) == 1 else joined(people, parts)


def in_turn(trial: Trial, parts: Iterable[People]) -> Iterator[Block]:
    """One block after the other, in this process."""
    return (run_block(trial, part) for part in parts)


def blocks(trial: Trial, people: People, *, block: int | None = None, mapper: Mapper = in_turn) -> Iterator[Block]:
    """The tests of N people, a block of them at a time, in their order.

    The uniform number behind a person's answer at position t is number t of the person's own row of `uniforms`, and so with times; decisions come
    from the person's attempt seed. So nobody's test depends on who else is simulated, on `block`, the number of sessions stepped together, or on
    where a block runs. Where exposure control learns from person to person, people sit one after the other, and always in this process. Raises
    ValueError where trial and people do not fit together.
    """
    _check(trial, people)
    if trial.plan.eligibility.learns:  # what one person was given decides what the next may see
        return _one_by_one(trial, people)
    size = block or stepped_together(trial.pool)
    return mapper(trial, (people.part(at, size) for at in range(0, len(people), size)))


def _one_by_one(trial: Trial, people: People) -> Iterator[Block]:
    memory = Memory.pinned(trial.plan.eligibility, trial.pool)
    for at in range(len(people)):
        ran = _run_block(trial, people.part(at, 1), memory)
        trial.plan.eligibility.learn(memory, ran.finished)
        yield ran


def _check(trial: Trial, people: People) -> None:
    pool, true, answers = trial.pool, people.true, people.answers
    if true.ndim != 2 or true.shape[1] != len(pool.competencies) or not len(true) or not np.all(np.isfinite(true)):
        msg = f"true abilities of shape {true.shape} are not finite numbers [N, {len(pool.competencies)}], N >= 1"
        raise ValueError(msg)
    if trial.truth is not None and not np.array_equal(trial.truth.n_cat, pool.params.n_cat):
        msg = "the true items have other numbers of categories than the pool's"
        raise ValueError(msg)
    if answers is not None and (answers.shape != (len(true), len(pool)) or np.any(answers >= pool.params.n_cat) or np.any(answers < -1)):
        msg = f"answers of shape {answers.shape} are not categories of {len(true)} people and {len(pool)} items"
        raise ValueError(msg)
    if trial.times is not None and (len(trial.times) != len(pool) or people.tau is None):
        msg = f"times of {len(trial.times)} items need one for each of {len(pool)}, and the speed of each person"
        raise ValueError(msg)
    if people.tau is not None and (people.tau.shape != (len(true),) or not np.all(np.isfinite(people.tau))):
        msg = f"speeds of shape {people.tau.shape} are not finite numbers [{len(true)}]"
        raise ValueError(msg)
    if people.priors is not None and len(people.priors) != len(true):
        msg = f"{len(people.priors)} priors to start at for {len(true)} people"
        raise ValueError(msg)


def simulate(
    plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, truth: ItemParams | None = None, *, answers: Ints | None = None,
    times: ItemTimes | None = None, tau: ArrayLike | None = None, seeds: Sequence[int] | None = None, seen: NDArray[np.bool_] | None = None,
    priors: Sequence[NormalPrior | None] | None = None, block: int | None = None, watch: Callable[[int], None] | None = None,
) -> SimulationResult:  # fmt: skip
    """Give the test of `plan` to N people of true abilities `true`[N, S], and keep every step: see Trial, People and `blocks`.

    `watch` hears after each block how many people are done. Raises ValueError where the arguments do not fit the pool.
    """
    speeds = None if tau is None else np.array(tau, dtype=float)
    own = None if priors is None else tuple(priors)
    people = People(np.array(true, dtype=float), speeds, answers, 0, None if seeds is None else tuple(seeds), seen, own)
    ran: list[Block] = []
    done = 0
    for part in blocks(Trial(plan, pool, seed, truth, times), people, block=block):
        ran.append(part)
        done += len(part.people)
        if watch is not None:
            watch(done)
    person, position, item, category = (np.concatenate([part.answers[k] for part in ran]) for k in range(4))
    step_theta, step_se = (np.concatenate([part.abilities[k] for part in ran]) for k in range(2))
    return SimulationResult(
        true=people.true,
        theta=np.concatenate([part.theta for part in ran]),
        se=np.concatenate([part.se for part in ran]),
        count=np.concatenate([part.count for part in ran]),
        reasons=tuple(tuple(found) for part in ran for found in part.reasons),
        stops=tuple(tuple(found) for part in ran for found in part.stops),
        step_person=person,
        step_position=position,
        step_item=item,
        step_category=category,
        step_theta=step_theta,
        step_se=step_se,
        exposure=np.bincount(item, minlength=len(pool)) / len(people),
        operational=pool.operational,
        step_seconds=None if times is None else np.concatenate([part.step_seconds for part in ran if part.step_seconds is not None]),
        seconds=None if times is None else np.concatenate([part.seconds for part in ran if part.seconds is not None]),
        pretest=np.concatenate([part.pretest for part in ran], axis=1),
    )


def _step(trial: Trial, plan: TestPlan, people: People, memory: Memory) -> Block:
    """People stepped together, asked by `plan` and scored by the trial's."""
    pool, true, real, n = trial.pool, people.true, people.answers, len(people)
    truth = pool.params if trial.truth is None else trial.truth
    batch, scale = Batch.begin(plan, pool, n), pool.params.scale
    ends: list[list[str]] = [[] for _ in range(n)]
    stops = [[""] * len(pool.competencies) for _ in range(n)]
    seeds = Seeds(trial.seed, people.number, {} if people.seeds is None else dict(enumerate(people.seeds)))
    seeded = None if pool.need is None else _Seeded.of(trial, people)
    uniform = uniforms(trial.seed, people.number, capacity(plan, pool))
    clock = None if trial.times is None else _Clock.of(trial, people)
    held, ended = np.ones(n, dtype=bool), np.zeros(len(plan.eligibility.edges) + 1, dtype=bool)
    drawn = draw_lots(plan, pool, memory, Picked(seeds, np.arange(n)))
    abilities, took = np.zeros((2, *batch.items.shape)), np.zeros(batch.items.shape)
    why, routed = np.zeros(batch.items.shape, dtype=np.int8), WHY.index("adaptive" if plan.select.routed else "fixed")
    batch.times = None if clock is None else took  # written in place, as the answers are

    def end(section: Section, scales: Ints, over: Ints, verdict: Ints, unfinished: str) -> None:
        """The section is over for sessions over[M], whose competencies stand at verdict[M, S']."""
        kinds, kind = np.unique(verdict, axis=0, return_inverse=True)  # most people end in one of a few ways
        found = [reasons(section.rules, row, unfinished) for row in kinds]
        whole = [section_reason(each) for each in found]
        for i, way in zip(over.tolist(), kind.ravel().tolist(), strict=True):
            ends[i].append(whole[way])
            for s, reason in zip(scales.tolist(), found[way], strict=True):
                stops[i][s] = reason

    for k, section in enumerate(plan.sections):
        rows, begun = np.arange(n), batch.count.sum(axis=1)
        if seeded is not None:
            seeded.seeding.begin(section.pretest, section.competencies, k, seeds)
        while rows.size:
            spent, seen = np.zeros(rows.size) if clock is None else clock.spent[rows, k], None if people.seen is None else people.seen[rows]
            outlook = survey(pool, section, batch, rows, spent, seen)
            eligible, verdict = outlook.eligible if real is None else outlook.eligible & (real[rows] >= 0), outlook.verdict
            going = eligible.any(axis=1)
            if not going.all():
                end(section, outlook.scales, rows[~going], verdict[~going], BANK)
                rows, eligible, verdict = rows[going], eligible[going], verdict[going]
            if not rows.size:
                break
            position = batch.position(rows)
            own_seeds = Picked(seeds, rows)
            if seeded is not None and (due := (extra := seeded.seeding.due(rows, own_seeds)) >= 0).any():
                who, item = rows[due], extra[due]  # they answer it, and then everybody is asked again
                seeded.seeding.met[who, item] = True
                seconds = None
                if clock is not None:
                    seconds, late = clock.answer(who, item, k, 60 * section.time_budget_min)
                    end(section, outlook.scales, who[late], verdict[due][late], TIME)
                    rows, who, item, seconds = rows[~np.isin(rows, who[late])], who[~late], item[~late], seconds[~late]
                seeded.give(who, item, batch.theta[who, scale[item]], batch.se[who, scale[item]], seconds)
                continue
            admission = admit(plan, batch, rows, eligible, drawn)
            if admission.dropped is not None:
                held[rows[admission.dropped]] = False
            draws = Draws(own_seeds, position.tolist())
            item = choose(plan, section, batch, rows, position - begun[rows], admission, draws).item
            if clock is not None:
                seconds, late = clock.answer(rows, item, k, 60 * section.time_budget_min)
                if late.any():  # the item was on the screen when the section ended: seen, not scored, never given again
                    batch.free[rows[late], item[late]] = False
                    end(section, outlook.scales, rows[late], verdict[late], TIME)
                    rows, item, position, seconds = rows[~late], item[~late], position[~late], seconds[~late]
                    if not rows.size:
                        continue  # nobody answered in time: there is nothing to estimate
                took[rows, position] = seconds
            place = cells(rows, position, took.shape)
            if real is None:
                category = draw_category(truth, true[cells(rows, scale[item], true.shape)], item, uniform[place])
            else:
                category = real[rows, item]
            abilities[:, *place] = batch.answer(rows, item, category)
            if seeded is not None:
                seeded.seeding.given[rows] += 1
            why[place] = np.where(position - begun[rows] < plan.start.length, WHY.index("start"), routed)
    if plan.eligibility.learns:  # where the test ended: the segments on the way there say little of the person
        ended[segments(plan.eligibility.edges, batch.theta[:, pool.places(plan.competencies)])] = True
    scoring = batch if plan is trial.plan else batch.under(trial.plan)
    theta, se = scoring.final()
    step = np.nonzero(np.arange(batch.items.shape[1]) < batch.count.sum(axis=1)[:, None])
    answers = np.stack([people.number[step[0]], step[1], batch.items[step], batch.categories[step]])
    return Block(
        people, theta, se, batch.count, ends, stops, answers, abilities[:, step[0], step[1]], why[step],
        None if clock is None else took[step],
        None if clock is None else clock.spent, held, ended, Steps.none(timed=clock is not None) if seeded is None else Steps.joined(seeded.parts), drawn,
        None if plan.joint is None else np.stack(scoring.alone(), axis=1),
    )  # fmt: skip


@dataclass(slots=True, eq=False)
class _Seeded:
    """The pretest items of a block, and the answers to them so far, in parts."""

    trial: Trial
    people: People
    seeding: Seeding
    uniform: Floats
    parts: list[Steps]

    @classmethod
    def of(cls, trial: Trial, people: People) -> "_Seeded":
        """Before the first item. In a replay of real answers a person is given only items that he or she answered."""
        met = np.zeros((len(people), len(trial.pool)), dtype=bool) if people.seen is None else people.seen.copy()
        if people.answers is not None:
            met |= people.answers < 0
        length = capacity(trial.plan, trial.pool) + trial.plan.most_pretest
        drawn = unscored_uniforms(trial.seed, people.number, length)
        return cls(trial, people, Seeding.of(trial.pool, met), drawn, [Steps.none(timed=trial.times is not None)])

    def give(self, rows: Ints, item: Ints, theta: Floats, se: Floats, seconds: Floats | None) -> None:
        """Sessions `rows`[M], whose ability stands at theta[M], se[M], answer item[M] in seconds[M]."""
        at, true, real = self.seeding.given[rows], self.people.true, self.people.answers
        truth = self.trial.pool.params if self.trial.truth is None else self.trial.truth
        category = draw_category(truth, true[rows, truth.scale[item]], item, self.uniform[rows, at]) if real is None else real[rows, item]
        why = np.full(len(rows), WHY.index(PRETEST), dtype=np.int8)
        self.parts.append(Steps(self.people.number[rows], at, item, category, theta, se, why, seconds))
        self.seeding.given[rows] += 1


@dataclass(slots=True, eq=False)
class _Clock:
    """The time of a block: spent[N, sections], seconds so far; shown[N], items that each person has seen, which address the normal[N, L]."""

    times: ItemTimes
    tau: Floats
    normal: Floats
    spent: Floats
    shown: Ints

    @classmethod
    def of(cls, trial: Trial, people: People) -> "_Clock":
        """Before the first item."""
        n, sections = len(people), len(trial.plan.sections)
        if trial.times is None or people.tau is None:
            raise ValueError("no times to simulate")
        most = capacity(trial.plan, trial.pool) + trial.plan.most_pretest + sections  # each section may cut one item short
        drawn = normals(trial.seed, people.number, most)
        return cls(trial.times, people.tau, drawn, np.zeros((n, sections)), np.zeros(n, dtype=int))

    def answer(self, rows: Ints, item: Ints, section: int, budget_s: float) -> tuple[Floats, NDArray[np.bool_]]:
        """Sessions `rows`[M] on item[M]: the seconds that it takes them [M], and whether that is past the section's budget [M]."""
        seconds = draw_seconds(self.times, self.tau[rows], item, self.normal[rows, self.shown[rows]])
        self.shown[rows] += 1
        spent = self.spent[rows, section] + seconds
        self.spent[rows, section] = np.minimum(spent, budget_s)
        return seconds, spent > budget_s
