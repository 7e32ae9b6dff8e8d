"""Monte-Carlo simulation of a plan on a pool: N test-takers stepped together through the very kernels of the live test.

No response times are simulated: a plan's time_s rule never fires here.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cat_engine.batch import Batch, capacity
from cat_engine.eligibility import Finished, Memory, segments
from cat_engine.engine import admit, choose, draw_lots, survey
from cat_engine.families import Floats, Ints
from cat_engine.irt import ItemParams, log_probabilities_of
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool
from cat_engine.randomness import Draws, Picked
from cat_engine.stop import reasons, section_reason

SHEET = 64  # people whose uniform numbers come from one generator
BLOCK = 500  # sessions stepped together: keeps the [N, I] work arrays in cache


@dataclass(frozen=True, slots=True)
class Summary:
    """A simulation in six figures; rmse and bias per competency, in the pool's order."""

    rmse: tuple[float, ...]
    bias: tuple[float, ...]
    mean_length: float
    max_exposure: float
    overlap: float
    unused: float


@dataclass(frozen=True, slots=True, eq=False)
class SimulationResult:
    """What N simulated tests gave. Columns of steps are of equal length R, in order of person and position.

    true[N, S]; theta[N, S], se[N, S], count[N, S] at the end; reasons[N][section]; stops[N][S], why each competency ended ("" where the plan
    does not ask for it); step_person[R], step_position[R] (from 0), step_item[R], step_category[R], step_theta[R], step_se[R] (ability of the
    item's competency after the answer); exposure[I] as a share of N.
    """

    true: Floats
    theta: Floats
    se: Floats
    count: Ints
    reasons: tuple[tuple[str, ...], ...]
    stops: tuple[tuple[str, ...], ...]
    step_person: Ints
    step_position: Ints
    step_item: Ints
    step_category: Ints
    step_theta: Floats
    step_se: Floats
    exposure: Floats

    @property
    def length(self) -> Ints:
        """Items given, per person."""
        return np.asarray(self.count.sum(axis=1))

    @property
    def rmse(self) -> Floats:
        """Root mean square error per competency, [S]."""
        return np.asarray(np.sqrt(((self.theta - self.true) ** 2).mean(axis=0)))

    @property
    def bias(self) -> Floats:
        """Mean error per competency, [S]."""
        return np.asarray((self.theta - self.true).mean(axis=0))

    @property
    def overlap(self) -> float:
        """Mean share of items that two people have in common: sum r^2 / mean length (Chen, Ankenmann & Spray, 2003, in the limit of N)."""
        mean_length = float(self.length.mean())
        return float((self.exposure**2).sum() / mean_length) if mean_length else 0.0

    @property
    def unused(self) -> float:
        """Share of items never given."""
        return float((self.exposure == 0).mean())

    @property
    def summary(self) -> Summary:
        """The figures that a report opens with."""
        return Summary(
            rmse=tuple(self.rmse.tolist()),
            bias=tuple(self.bias.tolist()),
            mean_length=float(self.length.mean()),
            max_exposure=float(self.exposure.max(initial=0.0)),
            overlap=self.overlap,
            unused=self.unused,
        )


def draw_category(params: ItemParams, theta: Floats, item: Ints, uniform: Floats) -> Ints:
    """Answers by the model: session n of ability theta[n] meets item[n]; the inverse of the category distribution at uniform[n]."""
    p = np.exp(log_probabilities_of(params, item, theta))
    # Counted within the item's own categories, so that a cumulative sum of 1 - 1e-16 cannot give a category past the last one.
    category = (uniform[:, None] > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1)
    return np.asarray(np.minimum(category, params.n_cat[item] - 1))


def attempt_seed(seed: int, person: int) -> int:
    """The attempt seed of a simulated person: depends on nothing but the two numbers, so blocks of people can run anywhere."""
    return int(np.random.SeedSequence([seed, person]).generate_state(1, np.uint64)[0] >> np.uint64(11))


def uniforms(seed: int, first: int, n: int, length: int) -> Floats:
    """The uniform numbers behind the answers of people first, first + 1, ...: [n, length]. They come in sheets of SHEET people, so that nobody's
    depend on who else is simulated. The third number keeps them apart from a caller's default_rng(seed), which [seed, 0] would be.
    """
    sheets = range(first // SHEET, (first + n - 1) // SHEET + 1)
    drawn = np.concatenate([np.random.default_rng([seed, sheet, SHEET]).random((SHEET, length)) for sheet in sheets])
    return drawn[first - sheets[0] * SHEET :][:n]


@dataclass(frozen=True, slots=True, eq=False)
class _Seeds(Sequence[int]):
    """The attempt seeds of people first, first + 1, ..., first + n - 1, each worked out when it is asked for: most plans draw nothing."""

    seed: int
    first: int
    n: int
    found: dict[int, int]

    def __len__(self) -> int:
        return self.n

    def __getitem__(self, i: Any) -> Any:
        if i not in self.found:
            self.found[i] = attempt_seed(self.seed, self.first + i)
        return self.found[i]


def simulate(
    plan: TestPlan, pool: Pool, true: ArrayLike, seed: int, truth: ItemParams | None = None, *, answers: Ints | None = None,
    block: int = BLOCK, watch: Callable[[int], None] | None = None,
) -> SimulationResult:  # fmt: skip
    """Give the test of `plan` to N people of true abilities `true`[N, S], answering by `truth` (default: the pool's own parameters).

    With `answers`[N, I] (a category, -1 = never answered) nobody is simulated: real answers are replayed, and a person is given only items that
    he or she answered. The uniform number behind a person's answer at position t is number t of the person's own row of `uniforms`; decisions
    come from the person's attempt seed. So nobody's test depends on who else is simulated, nor on `block`, the number of sessions stepped together.
    `watch` hears after each block how many people are done. Raises ValueError where `true`, `truth` or `answers` does not fit the pool.
    """
    true = np.array(true, dtype=float)
    if true.ndim != 2 or true.shape[1] != len(pool.competencies) or not len(true) or not np.all(np.isfinite(true)):
        msg = f"true abilities of shape {true.shape} are not finite numbers [N, {len(pool.competencies)}], N >= 1"
        raise ValueError(msg)
    truth = pool.params if truth is None else truth
    if not np.array_equal(truth.n_cat, pool.params.n_cat):
        msg = "the true items have other numbers of categories than the pool's"
        raise ValueError(msg)
    if answers is not None and (answers.shape != (len(true), len(pool)) or np.any(answers >= pool.params.n_cat) or np.any(answers < -1)):
        msg = f"answers of shape {answers.shape} are not categories of {len(true)} people and {len(pool)} items"
        raise ValueError(msg)
    if plan.eligibility.learns:  # what one person was given decides what the next may see
        block = 1
    memory = Memory.pinned(plan.eligibility, pool)
    ran: list[_Block] = []
    for at in range(0, len(true), block):
        real = None if answers is None else answers[at : at + block]
        ran.append(_run_block(plan, pool, true[at : at + block], seed, at, truth, real, memory))
        if plan.eligibility.learns:
            plan.eligibility.learn(memory, ran[-1].finished)
        if watch is not None:
            watch(min(at + block, len(true)))
    person, position, item, category = (np.concatenate([part.answers[k] for part in ran]) for k in range(4))
    step_theta, step_se = (np.concatenate([part.abilities[k] for part in ran]) for k in range(2))
    return SimulationResult(
        true=true,
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
        exposure=np.bincount(item, minlength=len(pool)) / len(true),
    )


@dataclass(slots=True, eq=False)
class _Block:
    """One block of people: final theta, se and count [N, S]; answers[4, R] (person, position, item, category) and abilities[2, R] (theta, se), by
    person and position; held[N], whether exposure control was never dropped; visited[K], the segments of ability that were visited;
    lots[N, K, I] of exposure control, where the plan has that.
    """

    theta: Floats
    se: Floats
    count: Ints
    reasons: list[list[str]]
    stops: list[list[str]]
    answers: Ints
    abilities: Floats
    held: NDArray[np.bool_]
    visited: NDArray[np.bool_]
    lots: NDArray[np.bool_] | None

    @property
    def finished(self) -> Finished:
        """The test of a block of one, for the memory of exposure control."""
        if self.lots is None:
            raise ValueError("exposure control that draws no lots has nothing to learn")
        return Finished(self.answers[2], self.visited, self.lots[0], bool(self.held[0]))


def _run_block(
    plan: TestPlan, pool: Pool, true: Floats, seed: int, first: int, truth: ItemParams, real: Ints | None, memory: Memory
) -> _Block:
    n = len(true)
    batch, scale = Batch.begin(plan, pool, n), pool.params.scale
    ends: list[list[str]] = [[] for _ in range(n)]
    stops = [[""] * len(pool.competencies) for _ in range(n)]
    seeds = _Seeds(seed, first, n, {})
    uniform = uniforms(seed, first, n, capacity(plan, pool))
    held, visited = np.ones(n, dtype=bool), np.zeros(len(plan.eligibility.edges) + 1, dtype=bool)
    known = pool.places(plan.competencies)
    drawn = draw_lots(plan, pool, memory, Picked(seeds, np.arange(n)))
    abilities = np.zeros((2, *batch.items.shape))
    for section in plan.sections:
        rows, begun = np.arange(n), batch.count.sum(axis=1)
        while rows.size:
            outlook = survey(pool, section, batch, rows, np.zeros(rows.size))
            eligible = outlook.eligible if real is None else outlook.eligible & (real[rows] >= 0)
            going = eligible.any(axis=1)
            if not going.all():
                kinds, kind = np.unique(outlook.verdict[~going], axis=0, return_inverse=True)
                found = [reasons(section.rules, row) for row in kinds]
                over = [section_reason(each) for each in found]
                for i, k in zip(rows[~going].tolist(), kind.ravel().tolist(), strict=True):
                    ends[i].append(over[k])
                    for s, reason in zip(outlook.scales.tolist(), found[k], strict=True):
                        stops[i][s] = reason
                rows, eligible = rows[going], eligible[going]
            if not rows.size:
                break
            position = batch.count[rows].sum(axis=1)
            admission = admit(plan, batch, rows, eligible, drawn)
            held[rows[admission.dropped]] = False
            if plan.eligibility.learns:
                visited[segments(plan.eligibility.edges, batch.theta[rows][:, known])] = True
            draws = Draws(Picked(seeds, rows), position.tolist())
            item = choose(plan, section, batch, rows, position - begun[rows], admission, draws).item
            category = draw_category(truth, true[rows, scale[item]], item, uniform[rows, position]) if real is None else real[rows, item]
            batch.answer(rows, item, category)
            abilities[:, rows, position] = batch.theta[rows, scale[item]], batch.se[rows, scale[item]]
    theta, se = batch.final()
    step = np.nonzero(np.arange(batch.items.shape[1]) < batch.count.sum(axis=1)[:, None])
    answers = np.stack([step[0] + first, step[1], batch.items[step], batch.categories[step]])
    return _Block(theta, se, batch.count, ends, stops, answers, abilities[:, step[0], step[1]], held, visited, drawn)
