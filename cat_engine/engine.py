"""Ask and tell: the next decision of a test as a pure function of plan, pool and state.

Kernels are batch-first, over N sessions that stand in the same section; the live `ask` is a batch of one and the simulator a batch of many, so
there is one code path. Randomness is addressed by (seed, position): the same pool, plan, seed and answers give the same items and the same
theta on any machine. A live engine never raises for lack of an item: it ends the section with reason "bank".
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import eap, weights
from cat_engine.irt import Floats, Ints, information_at
from cat_engine.plan import Section, TestPlan
from cat_engine.pool import Pool
from cat_engine.select import Moment
from cat_engine.state import State


@dataclass(frozen=True, slots=True)
class Evidence:
    """Why an item was given: ability and SE of its competency before the answer, the item's information there, how many items were
    eligible, and the rung of the fallback ladder ("full" = every rule held).
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


@dataclass(frozen=True, slots=True)
class Stop:
    """The test is finished, for the reason of its last section."""

    reason: str


Decision = Present | EndSection | Stop


@dataclass(frozen=True, slots=True)
class Estimate:
    """Per competency: theta[S], se[S], n[S] answers, and the posterior mass on the pool's grid, [S, Q]."""

    theta: Floats
    se: Floats
    n: Ints
    posterior: Floats


@dataclass(frozen=True, slots=True)
class Choice:
    """What the kernel decided for N sessions: item[N] (-1 = the section ends) with what it was decided on, and a reason where it ends."""

    item: Ints
    info: Floats
    n_eligible: Ints
    reason: tuple[str | None, ...]


def prior_logpost(plan: TestPlan, pool: Pool, n: int) -> Floats:
    """Log-posteriors of n sessions before any answer, [n, S, Q]."""
    return np.tile(plan.prior.log_density(pool.nodes), (n, len(pool.competencies), 1))


def choose(
    plan: TestPlan,
    pool: Pool,
    section: Section,
    theta: Floats,
    se: Floats,
    count: Ints,
    used: NDArray[np.bool_],
    seconds: Floats,
    rng: tuple[np.random.Generator, ...],
) -> Choice:
    """The kernel: next item or end of section, for N sessions in `section`.

    theta, se, count: [N, S]; used: [N, I]; seconds[N] of answering in this section so far. Ties go to the lowest index on the criterion
    rounded to 1e-12.
    """
    competencies = [pool.competencies.index(code) for code in section.competencies if code in pool.competencies]
    open_ = np.zeros(count.shape, dtype=bool)
    open_[:, competencies] = ~section.stop.finished(se[:, competencies], count[:, competencies], section.min_items, section.max_items)
    eligible = ~used & pool.operational & open_[:, pool.params.scale]
    limit = section.stop.time_s if section.stop.time_s > 0 else np.inf
    out_of_time: NDArray[np.bool_] = np.asarray(seconds >= limit, dtype=bool)
    going = eligible.any(axis=1) & ~out_of_time
    item = np.full(len(count), -1)
    info = np.zeros(len(count))
    if going.any():
        at = np.flatnonzero(going)
        mine = tuple(rng[i] for i in at)
        score = np.round(plan.select.score(Moment(pool.params, theta[at], se[at], mine)), 12)
        item[at] = plan.exposure.choose(np.where(eligible[at], score, -np.inf), mine)
        info[at] = _information_of(pool, item[at], theta[at])
    precise: NDArray[np.bool_] = np.all(se[:, competencies] <= section.stop.se, axis=1, keepdims=False)
    reason = tuple(None if going[i] else _reason(bool(open_[i].any()), bool(out_of_time[i]), bool(precise[i])) for i in range(len(going)))
    return Choice(item, info, eligible.sum(axis=1), reason)


def _information_of(pool: Pool, item: Ints, theta: Floats) -> Floats:
    """Information of each session's own item at its competency's theta, [N]."""
    own = theta[np.arange(len(item)), pool.params.scale[item]]
    distinct, where = np.unique(item, return_inverse=True)
    table = information_at(pool.params.take(distinct), own[:, None])
    return np.asarray(table[np.arange(len(item)), where])


def _reason(unfinished: bool, out_of_time: bool, precise: bool) -> str:
    if out_of_time:
        return "time"
    if unfinished:
        return "bank"
    return "precision" if precise else "length"


def generator(seed: int, position: int) -> np.random.Generator:
    """The randomness of one decision, addressed by attempt seed and number of answers so far."""
    return np.random.default_rng([seed, position])


def _log_posterior(plan: TestPlan, pool: Pool, state: State) -> tuple[Floats, Ints]:
    """One session's log-posteriors [1, S, Q] and answer counts [1, S], added up in the order of answering as the simulator does."""
    logpost = prior_logpost(plan, pool, 1)
    count = np.zeros((1, len(pool.competencies)), dtype=int)
    table, scale = pool.log_table, pool.params.scale
    for item, category in zip(state.items, state.categories, strict=True):
        logpost[0, scale[item]] += table[item, category]
        count[0, scale[item]] += 1
    return logpost, count


def ask(plan: TestPlan, pool: Pool, state: State) -> Decision:
    """The next decision. Pure: asking twice gives the pending item again, with the same evidence."""
    if state.stopped is not None:
        return Stop(state.stopped)
    if state.section >= len(plan.sections):
        return Stop("length")
    logpost, count = _log_posterior(plan, pool, state)
    theta, se = eap(logpost, pool.nodes)
    used = np.zeros((1, len(pool)), dtype=bool)
    used[0, list(state.items)] = True
    seconds = np.array([sum(state.rt_s[state.section_starts[-1] :])])
    rng = (generator(state.seed, state.position),)
    section = plan.sections[state.section]
    choice = choose(plan, pool, section, theta, se, count, used, seconds, rng)
    reason = choice.reason[0]
    if reason is not None:
        return EndSection(state.section, reason)
    item = int(choice.item[0])
    scale = pool.params.scale[item]
    evidence = Evidence(float(theta[0, scale]), float(se[0, scale]), float(choice.info[0]), int(choice.n_eligible[0]), "full")
    return Present(item, state.section, evidence)


def estimate(plan: TestPlan, pool: Pool, state: State) -> Estimate:
    """Ability on every competency from the answers so far."""
    logpost, count = _log_posterior(plan, pool, state)
    theta, se = eap(logpost, pool.nodes)
    return Estimate(theta[0], se[0], count[0], weights(logpost)[0])
