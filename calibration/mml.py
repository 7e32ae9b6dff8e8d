"""Marginal maximum likelihood by EM (Bock & Aitkin, 1981) on sparse responses: one competency at a time.

    E-step   posteriors of ability and expected counts: expectation.py
    M-step   one guarded Fisher-scoring step of sum_kq r_kq log P_k(theta_q) + log prior, all items of one shape at once (Lange, 1995, shows that
             one step is enough); mean and sd of ability in each group from its expected counts
    speed    SQUAREM extrapolation (Varadhan & Roland, 2008), taken back where the objective falls; a first run on every second node in single
             precision, which only supplies starting values to the run that counts

The likelihood of what was administered does not depend on why it was (Rubin, 1976), so routed data need no correction here, unlike in any method
that starts from proportions correct. Fixed items keep their parameters and let mean and sd of ability float: fixed parameter calibration with
weights and items updated in every cycle (MWU-MEM, Kim, 2006).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import DTypeLike, NDArray

from calibration.curves import params_of, unpack
from calibration.expectation import Design, Here, Hold
from calibration.priors import FLAT, Priors
from calibration.state import FIXED_SLOPE, State, shapes_of
from calibration.twins import Twins, tied
from cat_engine import Grid, ItemParams, Row
from cat_engine.irt import Floats, Ints

__all__ = ["FLAT", "MmlFit", "MmlOptions", "Priors", "fit_mml"]

ROUGH_TOLERANCE = 2e-3
ROUGH_CYCLES = 200
LONGEST_LEAP = 30.0
DENSITIES = ("normal", "histogram")
FIPC = ("mwu-mem", "owu-mem", "nwu-mem", "owu-oem", "nwu-oem")


@dataclass(frozen=True, slots=True)
class MmlOptions:
    """How to run.

    tolerance: stop when an EM step changes no parameter by more. density: ability is normal in each group, or has the shape of the expected counts
    ("histogram", Bock & Aitkin, 1981, standardised in the first group unless items are fixed).
    """

    priors: Priors = field(default_factory=Priors)
    grid: Grid = field(default_factory=Grid)
    tolerance: float = 1e-4
    max_cycles: int = 2000
    density: str = "normal"
    fipc: str = "mwu-mem"


@dataclass(frozen=True, slots=True, eq=False)
class MmlFit:
    """The estimate: rows (one an item), the same as `params` on one scale, latent mean[G] and sd[G], and how it went.

    loglik is without the priors. counts[I, K] answers; expected[I, K, Q] posterior-weighted counts, mass[G, Q] those of persons; nodes[Q] and
    weights[G, Q] the latent densities; n_free the number of parameters estimated.
    """

    rows: tuple[Row, ...]
    params: ItemParams
    means: Floats
    sds: Floats
    loglik: float
    n_cycles: int
    converged: bool
    n_free: int
    counts: Ints
    expected: Floats
    mass: Floats
    nodes: Floats
    weights: Floats
    state: State
    design: Design

    @property
    def mean(self) -> float:
        """Mean ability of the first group."""
        return float(self.means[0])

    @property
    def sd(self) -> float:
        """Standard deviation of ability in the first group."""
        return float(self.sds[0])

    def ability(self) -> Floats:
        """Share of all people at each node, from their posteriors, [Q]."""
        return np.asarray(self.mass.sum(axis=0) / self.design.n_persons)

    @property
    def aic(self) -> float:
        """-2 log L + 2 n_free (Akaike, 1974)."""
        return -2 * self.loglik + 2 * self.n_free

    @property
    def bic(self) -> float:
        """-2 log L + n_free log P (Schwarz, 1978)."""
        return float(-2 * self.loglik + self.n_free * np.log(self.design.n_persons))


def fit_mml(
    person: Ints,
    item: Ints,
    category: Ints,
    rows: Sequence[Row],
    options: MmlOptions | None = None,
    fixed: NDArray[np.bool_] | None = None,
    group: Ints | None = None,
    twins: Sequence[Twins] = (),
    hold: Hold = Here,
) -> MmlFit:
    """Calibrate one competency. person[R], item[R], category[R] from 0; `rows` are starting values (and the models); `fixed`[I] items stay, and
    `twins` share what they say.

    group[P] numbers each person's group from 0. Ability is N(0, 1) in the first group and normal with free mean and sd in the others; the first
    group's sd is free too where slopes are given (pcm, rsm), and its mean and sd are where items are fixed. 1pl items share a slope; rsm and mgrm items
    of one number of categories share the distances between their b (Andrich, 1978; Muraki, 1990). `hold` says where the answers are kept and
    worked on. Raises ValueError where the columns do not fit each other, and for a number between groups that is nobody's.
    """
    options = options or MmlOptions()
    for name, value, legal in (("density", options.density, DENSITIES), ("fipc", options.fipc, FIPC)):
        if value not in legal:
            msg = f"{name} '{value}' is not one of {', '.join(legal)}"
            raise ValueError(msg)
    held = np.zeros(len(rows), dtype=bool) if fixed is None else fixed
    if not len(person) or not len(person) == len(item) == len(category) or int(item.max()) >= len(rows) or len(held) != len(rows):
        msg = f"{len(person)} persons, {len(item)} items and {len(category)} categories of answers to {len(rows)} items do not fit"
        raise ValueError(msg)
    groups = np.zeros(int(person.max()) + 1, dtype=int) if group is None else group
    if not np.bincount(groups).all():
        msg = f"nobody is in group {np.bincount(groups).argmin()} of {groups.max() + 1}"
        raise ValueError(msg)
    design = Design.of(person, item, category, groups, len(rows), max(len(row.b) for row in rows) + 1, hold)
    free = np.ones((design.n_groups, 2), dtype=bool)
    free[0] = held.any(), held.any() or any(row.model in FIXED_SLOPE for row in rows)
    state = State(tied(shapes_of(rows, held), twins), np.zeros((design.n_groups, 2)), free)
    nodes = options.grid.nodes()
    if held.any() and options.fipc != "mwu-mem":
        cycles, converged = _variant(state, design, nodes, options, held)
    else:
        cycles, converged, nodes = _rough_then_fine(state, design, nodes, options, not held.any())
    loglik, expected = design.expect(state.table(design, nodes))
    out = list(rows)
    for shape in state.shapes:
        for k, i in enumerate(shape.index):
            if shape.free[k].any():
                out[i] = unpack(shape.model, shape.x[k], rows[i].scale)
    items, mass = np.split(expected, [design.n_items * design.n_cat])
    items = items.reshape(design.n_items, design.n_cat, -1)
    weights = state.densities(nodes)
    means = weights @ nodes
    sds = np.sqrt((weights * (nodes - means[:, None]) ** 2).sum(axis=1))
    if state.histogram is None:
        means, sds = state.latent[:, 0].copy(), np.exp(state.latent[:, 1])
    return MmlFit(
        tuple(out), params_of(out), means, sds, loglik, cycles, converged, state.n_free, design.counts, items, mass, nodes, weights, state, design
    )  # fmt: skip


def _rough_then_fine(state: State, design: Design, nodes: Floats, options: MmlOptions, loose: bool) -> tuple[int, bool, Floats]:
    """A run on every second node in single precision to get near, then the run that counts: (cycles of both, converged, nodes).

    `loose`: no item is fixed, so that a histogram has to be standardised.
    """
    near = max(options.tolerance, ROUGH_TOLERANCE)
    rough, _, _ = _climb(state, design, nodes[::2], options.priors, near, ROUGH_CYCLES, np.float32)
    if options.density == "histogram":
        state.histogram, state.standard = state.densities(nodes), loose
        state.free[:] = False
    cycles, converged, nodes = _climb(state, design, nodes, options.priors, options.tolerance, options.max_cycles)
    return rough + cycles, converged, nodes


def _variant(state: State, design: Design, nodes: Floats, options: MmlOptions, held: NDArray[np.bool_]) -> tuple[int, bool]:
    """Fixed parameter calibration with one update of the density of ability or none, and many EM cycles or one."""
    updates, cycles = options.fipc.split("-")
    unknown = np.repeat(~held, design.n_cat)

    def from_fixed_items() -> Floats:
        table = state.table(design, nodes)
        table[: len(unknown)][unknown] = 0.0
        return design.expect(table)[1]

    if updates == "owu":
        state.maximise_latent(from_fixed_items(), design, nodes)
    state.free[:] = False
    if cycles == "mem":
        return _climb(state, design, nodes, options.priors, options.tolerance, options.max_cycles)[:2]
    expected = from_fixed_items()
    for step in range(1, options.max_cycles + 1):
        before = state.vector()
        state.maximise_items(expected, design, nodes, options.priors)
        if np.max(np.abs(state.vector() - before)) < options.tolerance:
            return step, True
    return options.max_cycles, False


def _climb(
    state: State, design: Design, nodes: Floats, priors: Priors, tolerance: float, max_cycles: int, dtype: DTypeLike = np.float64
) -> tuple[int, bool, Floats]:
    """EM with SQUAREM from `state`, in place, until a step is below the tolerance: (cycles, whether it was reached, nodes).

    dtype: of the E-step. The nodes move where a histogram is standardised: the priors, and the tolerance, are about parameters on that scale.
    """
    path = [state.vector()]
    leap: tuple[float, Floats, Floats] | None = None  # what the objective must reach after an extrapolation, and where to go back to
    for cycle in range(1, max_cycles + 1):
        loglik, expected = design.expect(state.table(design, nodes).astype(dtype))
        objective = loglik + state.log_prior(priors)
        if leap is not None and not objective >= leap[0]:
            _, back, nodes = leap
            state.load(back)
            path, leap = [back], None
            continue
        nodes = state.maximise(expected, design, nodes, priors)
        now = state.vector()
        if np.max(np.abs(now - path[-1])) < tolerance:
            return cycle, True, nodes
        path.append(now)
        if len(path) == 3:
            first, bend = path[1] - path[0], path[2] - 2 * path[1] + path[0]
            length = min(max(1.0, float(np.linalg.norm(first) / max(float(np.linalg.norm(bend)), 1e-300))), LONGEST_LEAP)
            leap = (objective, now, nodes)
            state.load(path[0] + 2 * length * first + length**2 * bend)
            path = [state.vector()]
    if leap is not None:
        _, back, nodes = leap
        state.load(back)  # nobody has yet seen whether the leap was good
    return max_cycles, False, nodes
