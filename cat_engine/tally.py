"""Running sums over the people of a simulation: every figure of a report out of memory that does not grow with the number of people.

Notation: N people, S competencies, I items, K bins of true ability, L levels of reliability. A tally hears of blocks in the order of people, so
that the same people give the same sums, to the bit, wherever the blocks were run.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from cat_engine.batch import capacity
from cat_engine.families import Floats, Ints
from cat_engine.plan import Section
from cat_engine.simulate import Trial
from cat_engine.simulated import Block
from cat_engine.stop import TIME, AllOf, StopRule

LEVELS = (0.7, 0.8, 0.9)  # reliabilities that people are said to reach: .7 for research, .9 for decisions about persons (Nunnally, 1978)
SLICES = 200  # of a section's budget, in which its times are counted


def cuts_of(section: Section) -> tuple[float, ...]:
    """The cuts between classes that the section's stopping rules decide about, ascending; () where it does not classify."""

    def own(rule: StopRule) -> tuple[float, ...]:
        return tuple(cut for part in rule.rules for cut in own(part)) if isinstance(rule, AllOf) else tuple(getattr(rule, "cuts", ()))

    return tuple(sorted({float(cut) for rule in section.stop for cut in own(rule)}))


@dataclass(slots=True, eq=False)
class ByAbility:
    """Sums over people by bins of their true ability, [S, K] each: edges[S, K - 1] part the bins, a theta on an edge belongs to the upper one.

    n, the people; true, theta, se and items, with the squares and the product that variances and correlations need; error = theta - true.
    """

    edges: Floats
    n: Floats
    true: Floats
    true2: Floats
    theta: Floats
    theta2: Floats
    product: Floats
    error: Floats
    error2: Floats
    se: Floats
    se2: Floats
    items: Floats

    @classmethod
    def of(cls, edges: Floats) -> "ByAbility":
        """Nobody yet."""
        return cls(edges, *(np.zeros((len(edges), edges.shape[1] + 1)) for _ in range(11)))

    def add(self, true: Floats, theta: Floats, se: Floats, count: Ints) -> None:
        """More people, [N, S] each."""
        error = theta - true
        for s, edges in enumerate(self.edges):
            t, e, h, d = true[:, s], theta[:, s], se[:, s], error[:, s]
            place = np.searchsorted(edges, t, side="right")
            for total, values in (
                (self.n, None), (self.true, t), (self.true2, t * t), (self.theta, e), (self.theta2, e * e), (self.product, t * e),
                (self.error, d), (self.error2, d * d), (self.se, h), (self.se2, h * h), (self.items, count[:, s]),
            ):  # fmt: skip
                total[s] += np.bincount(place, values, len(edges) + 1)

    def mean(self, total: Floats) -> Floats:
        """A sum per person of its bin, [S, K]; NaN in an empty bin."""
        return np.asarray(np.divide(total, self.n, out=np.full(total.shape, np.nan), where=self.n > 0))

    @property
    def bias(self) -> Floats:
        """Mean error, [S, K]."""
        return self.mean(self.error)

    @property
    def rmse(self) -> Floats:
        """Root mean square error, [S, K]."""
        return np.asarray(np.sqrt(self.mean(self.error2)))

    @property
    def mean_se(self) -> Floats:
        """Mean standard error, [S, K]."""
        return self.mean(self.se)

    @property
    def whole(self) -> "ByAbility":
        """All bins as one."""
        names = ("n", "true", "true2", "theta", "theta2", "product", "error", "error2", "se", "se2", "items")
        return ByAbility(self.edges[:, :0], *(getattr(self, name).sum(axis=1, keepdims=True) for name in names))


@dataclass(slots=True, eq=False)
class Reached:
    """How soon people reach se[S, L], the standard errors of the LEVELS of reliability: n[S, L] people who did, and sums over them of the items
    on that competency and of the seconds since the test began.
    """

    se: Floats
    n: Ints
    items: Floats
    seconds: Floats

    @classmethod
    def of(cls, prior_sd: float, scales: int) -> "Reached":
        """Nobody yet. Reliability r is reached where the error variance is (1 - r) of the prior's."""
        se = np.tile(np.sqrt(1 - np.array(LEVELS)) * prior_sd, (scales, 1))
        return cls(se, np.zeros(se.shape, dtype=int), np.zeros(se.shape), np.zeros(se.shape))

    def add(self, block: Block, scale: Ints) -> None:
        """More people; scale[I], the competency of each item."""
        if not block.answers.shape[1]:
            return
        person, own = block.answers[0] - block.people.first, scale[block.answers[2]]
        order = np.argsort(person * len(self.se) + own, kind="stable")
        key, se = (person * len(self.se) + own)[order], block.abilities[1][order]
        starts = np.flatnonzero(np.diff(key, prepend=-1))
        rank = np.arange(len(key)) - np.repeat(starts, np.diff(starts, append=len(key)))
        group = own[order][starts]
        elapsed = None if block.step_seconds is None else _elapsed(block.step_seconds, person)[order]
        for level in range(len(LEVELS)):
            first = np.minimum.reduceat(np.where(se <= self.se[own[order], level], rank, len(key)), starts)
            there = first < len(key)
            self.n[:, level] += np.bincount(group[there], minlength=len(self.n))
            self.items[:, level] += np.bincount(group[there], first[there] + 1, len(self.n))
            if elapsed is not None:
                self.seconds[:, level] += np.bincount(group[there], elapsed[(starts + first)[there]], len(self.n))


def _elapsed(seconds: Floats, person: Ints) -> Floats:
    """Seconds of answering since the person's test began, at the end of each step, [R]; steps by person and position."""
    running = np.cumsum(seconds)
    starts = np.flatnonzero(np.diff(person, prepend=-1))
    before = np.where(starts > 0, running[starts - 1], 0.0)
    return np.asarray(running - np.repeat(before, np.diff(starts, append=len(person))))


@dataclass(slots=True, eq=False)
class SectionTime:
    """Seconds that people spend in a section: their sum, how many lay in each of SLICES slices of the budget, and how many ran out of time."""

    budget_s: float
    total: float = 0.0
    slices: Ints = field(default_factory=lambda: np.zeros(SLICES, dtype=int))
    late: int = 0

    def add(self, seconds: Floats, late: int) -> None:
        """More people, seconds[N]."""
        self.total += float(seconds.sum())
        place = np.minimum(np.floor(seconds / self.budget_s * SLICES).astype(int), SLICES - 1)
        self.slices += np.bincount(place, minlength=SLICES)
        self.late += late

    def percentile(self, share: float) -> float:
        """The seconds within which a share of people is done: the upper end of a slice of the budget."""
        return float(np.searchsorted(np.cumsum(self.slices), share * self.slices.sum()) + 1) / SLICES * self.budget_s


@dataclass(slots=True, eq=False)
class Tally:
    """The sums over a simulation of `trial`: people so far; given[I]; lengths[most + 1], how many tests had each length; deciles and (half units of)
    grid, by true ability; reached; confusion, for each competency with cuts, [class of true, class of theta]; stops, how often each competency (by
    index) ended for each reason; times of the sections, where answers take time, and late, people who ran out of time somewhere.
    """

    trial: Trial
    given: Ints
    lengths: Ints
    deciles: ByAbility
    grid: ByAbility
    reached: Reached
    confusion: dict[int, Ints]
    cuts: dict[int, tuple[float, ...]]
    times: tuple[SectionTime, ...]
    stops: Counter[tuple[int, str]] = field(default_factory=Counter)
    people: int = 0
    late: int = 0

    @classmethod
    def of(cls, trial: Trial, true: Floats, grid: Floats) -> "Tally":
        """Nobody yet. true[N, S], of all who will come: their deciles are the bins; grid[K - 1], the edges of the other bins."""
        plan, pool = trial.plan, trial.pool
        scales = len(pool.competencies)
        deciles = np.quantile(true, np.arange(1, 10) / 10, axis=0).T
        found = {pool.competencies.index(name): cuts_of(section) for section in plan.sections for name in section.competencies}
        cuts = {s: own for s, own in sorted(found.items()) if own}
        return cls(
            trial, np.zeros(len(pool), dtype=int), np.zeros(capacity(plan, pool) + 1, dtype=int), ByAbility.of(deciles),
            ByAbility.of(np.tile(grid, (scales, 1))), Reached.of(plan.prior.start[1], scales),
            {s: np.zeros((len(own) + 1, len(own) + 1), dtype=int) for s, own in cuts.items()}, cuts,
            () if trial.times is None else tuple(SectionTime(60 * section.time_budget_min) for section in plan.sections),
        )  # fmt: skip

    def add(self, block: Block) -> None:
        """The next block of people."""
        true = block.people.true
        self.people += len(true)
        self.given += np.bincount(block.answers[2], minlength=len(self.given))
        self.lengths += np.bincount(block.count.sum(axis=1), minlength=len(self.lengths))
        self.deciles.add(true, block.theta, block.se, block.count)
        self.grid.add(true, block.theta, block.se, block.count)
        self.reached.add(block, self.trial.pool.params.scale)
        for s, cuts in self.cuts.items():
            np.add.at(self.confusion[s], (np.searchsorted(cuts, true[:, s], "right"), np.searchsorted(cuts, block.theta[:, s], "right")), 1)
        for s, column in enumerate(zip(*block.stops, strict=True)):
            for reason, n in Counter(column).items():
                self.stops[s, reason] += n
        if block.seconds is not None:
            late = np.array([[reason == TIME for reason in found] for found in block.reasons])
            self.late += int(late.any(axis=1).sum())
            for k, section in enumerate(self.times):
                section.add(block.seconds[:, k], int(late[:, k].sum()))

    @property
    def exposure(self) -> Floats:
        """The share of people who were given each item, [I]."""
        return np.asarray(self.given / max(self.people, 1))

    @property
    def mean_length(self) -> float:
        """Items a person."""
        return float(self.lengths @ np.arange(len(self.lengths))) / max(self.people, 1)

    @property
    def overlap(self) -> float:
        """Mean share of items that two people have in common: sum r^2 / mean length (Chen, Ankenmann & Spray, 2003, in the limit of N)."""
        return float((self.exposure**2).sum() / self.mean_length) if self.mean_length else 0.0

    @property
    def unused(self) -> float:
        """Share of the items that may be given to be scored that nobody was given; 0 where there are none."""
        scored = self.trial.pool.operational
        return float((self.given[scored] == 0).mean()) if scored.any() else 0.0

    @property
    def reliability(self) -> Floats:
        """1 - mean SE^2 / variance of the prior, per competency, [S] (Green et al., 1984: the marginal reliability of the posterior)."""
        whole = self.deciles.whole
        return np.asarray(1 - whole.mean(whole.se2)[:, 0] / self.trial.plan.prior.start[1] ** 2)

    @property
    def squared_correlation(self) -> Floats:
        """Squared correlation of estimates with the truth, per competency, [S]; NaN where either does not vary."""
        w = self.deciles.whole
        n = w.n[:, 0]
        with np.errstate(invalid="ignore", divide="ignore"):
            covariance, true, theta = (
                (product - a * b / n) / n
                for product, a, b in (
                    (w.product[:, 0], w.true[:, 0], w.theta[:, 0]),
                    (w.true2[:, 0], w.true[:, 0], w.true[:, 0]),
                    (w.theta2[:, 0], w.theta[:, 0], w.theta[:, 0]),
                )
            )
            found = np.where((true > 1e-12) & (theta > 1e-12), covariance**2 / (true * theta), np.nan)
        return np.asarray(found)

    @property
    def worst(self) -> dict[str, float]:
        """acceptance.FIGURES -> the worst value over competencies or items; reliability here against the variance of true ability, as in trial.worst."""
        whole = self.deciles.whole
        variance = whole.mean(whole.true2)[:, 0] - whole.mean(whole.true)[:, 0] ** 2
        return {
            "rmse": float(whole.rmse.max()),
            "bias": float(np.abs(whole.bias).max()),
            "reliability": float((1 - whole.mean(whole.se2)[:, 0] / np.maximum(variance, 1e-12)).min()),
            "items": self.mean_length,
            "exposure": float(self.exposure.max(initial=0.0)),
            "overlap": self.overlap,
        }

    @property
    def accuracy(self) -> dict[int, float]:
        """Share of people whose estimate falls in the class of their true ability, for each competency with cuts."""
        return {s: float(np.trace(table)) / max(self.people, 1) for s, table in self.confusion.items()}

    @property
    def mean_minutes(self) -> float | None:
        """Minutes a person, all sections; None where answers take no time."""
        return sum(section.total for section in self.times) / 60 / max(self.people, 1) if self.times else None

    @property
    def out_of_time(self) -> float | None:
        """Share of people who ran out of time in some section; None where answers take no time."""
        return self.late / max(self.people, 1) if self.times else None
