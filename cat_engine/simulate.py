"""Monte-Carlo simulation of a plan on a pool: N test-takers stepped together through the very kernels of the live test."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import add_answers, eap
from cat_engine.engine import choose, generator, prior_logpost
from cat_engine.irt import Floats, Ints, ItemParams, log_probabilities
from cat_engine.plan import TestPlan
from cat_engine.pool import Pool

BLOCK = 500  # sessions stepped together: keeps the [N, I, K] work arrays in cache


@dataclass(frozen=True, slots=True, eq=False)
class SimulationResult:
    """What N simulated tests gave. Columns of steps are of equal length R, in order of person and position.

    true[N, S]; theta[N, S], se[N, S], count[N, S] at the end; reasons[N][section]; step_person[R], step_position[R], step_item[R],
    step_category[R], step_theta[R], step_se[R] (ability of the item's competency after the answer); exposure[I] as a share of N.
    """

    true: Floats
    theta: Floats
    se: Floats
    count: Ints
    reasons: tuple[tuple[str, ...], ...]
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


def draw_category(params: ItemParams, theta: Floats, item: Ints, uniform: Floats) -> Ints:
    """Answers by the model: session n of ability theta[n] meets item[n]; the inverse of the category distribution at uniform[n]."""
    distinct, where = np.unique(item, return_inverse=True)
    p = np.exp(log_probabilities(params.take(distinct), theta)[np.arange(len(item)), where])
    return np.asarray((uniform[:, None] > np.cumsum(p, axis=1)[:, :-1]).sum(axis=1))


def attempt_seed(seed: int, person: int) -> int:
    """The attempt seed of a simulated person: depends on nothing but the two numbers, so blocks of people can run anywhere."""
    return int(np.random.SeedSequence([seed, person]).generate_state(1, np.uint64)[0] >> np.uint64(11))


def simulate(plan: TestPlan, pool: Pool, true: Floats, seed: int, truth: ItemParams | None = None) -> SimulationResult:
    """Give the test of `plan` to N people of true abilities `true`[N, S], answering by `truth` (default: the pool's own parameters).

    The answer at each position comes from default_rng([seed, person, position]), the decisions from the person's attempt seed.
    """
    true = np.atleast_2d(np.asarray(true, dtype=float))
    blocks = [_run_block(plan, pool, true[at : at + BLOCK], seed, at, truth or pool.params) for at in range(0, len(true), BLOCK)]
    steps = [np.concatenate([block.steps[k] for block in blocks]) for k in range(6)]
    order = np.lexsort((steps[1], steps[0]))
    person, position, item, category = (steps[k][order].astype(int) for k in range(4))
    return SimulationResult(
        true,
        np.concatenate([block.theta for block in blocks]),
        np.concatenate([block.se for block in blocks]),
        np.concatenate([block.count for block in blocks]),
        tuple(reason for block in blocks for reason in block.reasons),
        person,
        position,
        item,
        category,
        steps[4][order],
        steps[5][order],
        np.bincount(item, minlength=len(pool)) / len(true),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    theta: Floats
    se: Floats
    count: Ints
    reasons: tuple[tuple[str, ...], ...]
    steps: tuple[Floats, ...]


def _run_block(plan: TestPlan, pool: Pool, true: Floats, seed: int, first: int, truth: ItemParams) -> _Block:
    n, scale = len(true), pool.params.scale
    logpost = prior_logpost(plan, pool, n)
    theta, se = eap(logpost, pool.nodes)
    count = np.zeros((n, len(pool.competencies)), dtype=int)
    used: NDArray[np.bool_] = np.zeros((n, len(pool)), dtype=bool)
    position = np.zeros(n, dtype=int)
    seeds = [attempt_seed(seed, first + i) for i in range(n)]
    reasons: list[list[str]] = [[] for _ in range(n)]
    rows: list[Floats] = []
    for section in plan.sections:
        active = np.arange(n)
        while active.size:
            rng = tuple(generator(seeds[i], int(position[i])) for i in active)
            choice = choose(plan, pool, section, theta[active], se[active], count[active], used[active], np.zeros(active.size), rng)
            for i, reason in zip(active, choice.reason, strict=True):
                if reason is not None:
                    reasons[i].append(reason)
            going = choice.item >= 0
            active, item = active[going], choice.item[going]
            if not active.size:
                break
            own = scale[item]
            uniform = np.array([np.random.default_rng([seed, first + int(i), int(position[i])]).random() for i in active])
            category = draw_category(truth, true[active, own], item, uniform)
            part = logpost[active]
            add_answers(part, pool.log_table, scale, item, category)
            logpost[active] = part
            theta[active], se[active] = eap(part, pool.nodes)
            used[active, item] = True
            count[active, own] += 1
            rows.append(np.stack([active + first, position[active], item, category, theta[active, own], se[active, own]]))
            position[active] += 1
    steps = np.concatenate(rows, axis=1) if rows else np.zeros((6, 0))
    return _Block(theta, se, count, tuple(tuple(r) for r in reasons), tuple(steps))
