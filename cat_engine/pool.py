"""What one wave may use: the items, frozen, with the tables that make a decision fast (made on first use, once for each pool)."""

import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cat_engine.ability import Grid, powers
from cat_engine.assembly import Assembly
from cat_engine.blueprint import BlueprintRow, Content
from cat_engine.families import Floats, Ints
from cat_engine.irt import ItemParams, information, item_terms, log_probabilities
from cat_engine.once import once
from cat_engine.priors import Prior
from cat_engine.roots import root_between
from cat_engine.shortlist import Ranking

LEAST_TO_RANK = 64
PEAK_REACH = 12.0
PEAK_NODES = 241


@dataclass(frozen=True, eq=False)
class Pool:
    """Items by index: ids[I]; params (scale indexes `competencies`); operational[I]; exposure[I], a pinned snapshot of past rates in [0, 1];
    seconds[I], the expected response time of a person of average speed, exp(beta + 1 / (2 alpha^2)), where it is known; control[K, I], the pinned
    probability that an item is eligible, by segment of ability, for eligibility rules that have one;
    content, what the items are about, for blueprints; need[I], how many answers each pretest item still needs, 0 for every other item: an item that
    needs some is not operational.

    Raises ValueError where the parts do not fit together.
    """

    ids: tuple[str, ...]
    params: ItemParams
    competencies: tuple[str, ...]
    operational: NDArray[np.bool_]
    exposure: Floats
    grid: Grid = field(default_factory=Grid)
    seconds: Floats | None = None
    control: Floats | None = None
    content: Content | None = None
    need: Ints | None = None

    def __post_init__(self) -> None:
        if len(self.ids) != len(self.params) or len(set(self.ids)) != len(self.ids):
            msg = "a pool needs one distinct id an item"
            raise ValueError(msg)
        if len(self.params) and int(self.params.scale.max()) >= len(self.competencies):
            msg = "an item's scale points past the competencies"
            raise ValueError(msg)
        if len(set(self.competencies)) != len(self.competencies):
            msg = "a competency stands twice"
            raise ValueError(msg)
        for name, kind in (("operational", bool), ("exposure", float)):
            column = np.array(getattr(self, name), dtype=kind)
            if column.shape != (len(self.ids),):
                msg = f"{name} needs one value an item"
                raise ValueError(msg)
            column.setflags(write=False)
            object.__setattr__(self, name, column)
        if not np.all((self.exposure >= 0) & (self.exposure <= 1)):
            msg = "an exposure rate is not in [0, 1]"
            raise ValueError(msg)

        if self.seconds is not None:
            seconds = np.array(self.seconds, dtype=float)
            if seconds.shape != (len(self.ids),) or not np.all(np.isfinite(seconds) & (seconds > 0)):
                msg = "seconds needs one positive number an item"
                raise ValueError(msg)
            seconds.setflags(write=False)
            object.__setattr__(self, "seconds", seconds)

        if self.control is not None:
            control = np.array(self.control, dtype=float)
            if control.ndim != 2 or control.shape[1] != len(self.ids) or not np.all((control >= 0) & (control <= 1)):
                msg = "control needs one probability an item and segment"
                raise ValueError(msg)
            control.setflags(write=False)
            object.__setattr__(self, "control", control)

        if self.need is not None:
            need = np.array(self.need, dtype=int)
            if need.shape != (len(self.ids),) or np.any(need < 0) or np.any(self.operational & (need > 0)):
                msg = "need must be one number an item, from 0, and 0 for operational items"
                raise ValueError(msg)
            need.setflags(write=False)
            object.__setattr__(self, "need", need)

    @classmethod
    def of(cls, ids: tuple[str, ...], params: ItemParams, competencies: tuple[str, ...]) -> "Pool":
        """A pool in which every item is operational and none has been exposed."""
        return cls(ids, params, competencies, np.ones(len(ids), dtype=bool), np.zeros(len(ids)))

    def __len__(self) -> int:
        return len(self.ids)

    @once
    def nodes(self) -> Floats:
        """The grid's nodes, [Q]."""
        return self.grid.nodes()

    @once
    def powers(self) -> Floats:
        """Their powers, [3, Q], as `eap` wants them."""
        return powers(self.nodes)

    @once
    def log_table(self) -> Floats:
        """log P at the nodes, [I, K, Q]: made once, added up ever after."""
        return np.ascontiguousarray(np.moveaxis(log_probabilities(self.params, self.nodes), 0, -1))

    def log_rows(self, prior: Prior) -> Floats:
        """The same for adding up, a row a category, [I K + 2, Q]: the last row but one adds nothing, the last is `prior_logpost`. Read only."""
        found = self._log_rows.get(prior)
        if found is None:
            found = np.concatenate([self.log_table.reshape(-1, self.grid.n), np.zeros((1, self.grid.n)), self.prior_logpost(prior)[None]])
            found.setflags(write=False)
            self._log_rows[prior] = found
        return found

    @once
    def _log_rows(self) -> dict[Prior, Floats]:
        return {}

    @once
    def row_of(self) -> tuple[tuple[int, ...], ...]:
        """Where the categories of each item stand in it: row_of[i][k]."""
        most = self.params.b.shape[1] + 1
        return tuple(tuple(range(i * most, i * most + n)) for i, n in enumerate(self.n_cat))

    @once
    def finite_log_table(self) -> Floats:
        """log P at the nodes with 0 in the padding, [I, K, Q]."""
        return np.where(np.isfinite(self.log_table), self.log_table, 0.0)

    @once
    def p_table(self) -> Floats:
        """P at the nodes, [I, K, Q], 0 padded."""
        return np.exp(self.log_table)

    @once
    def middle(self) -> Floats:
        """Where each item lies: ItemParams.middle, [I]."""
        return self.params.middle

    @once
    def peak(self) -> Floats:
        """Where the information of each item is highest, [I]: the root of its slope around the highest of many nodes."""
        nodes = np.linspace(-PEAK_REACH, PEAK_REACH, PEAK_NODES)
        highest = np.clip(np.argmax(information(self.params, nodes), axis=0), 1, PEAK_NODES - 2)

        def slope(theta: Floats, rows: Ints) -> Floats:
            return item_terms(self.params.take(rows), theta)[2]

        return root_between(slope, nodes[highest - 1], nodes[highest + 1])

    @once
    def ranking(self) -> Ranking | None:
        """The lists by which the most informative item is found quickly; None for a small pool, or one of items that it does not suit."""
        if len(self) < LEAST_TO_RANK:
            return None
        return Ranking.of(self.params, [at for at, _ in self.scales], self.peak, self.grid.low, self.grid.high)

    def prior_logpost(self, prior: Prior) -> Floats:
        """Log-posterior before any answer, [Q]: the prior's log-density plus the logarithm of the grid's weights. Read only."""
        found = self._priors.get(prior)
        if found is None:
            found = np.asarray(prior.log_density(self.nodes) + self.grid.log_weights())
            found.setflags(write=False)
            self._priors[prior] = found
        return found

    @once
    def _priors(self) -> dict[Prior, Floats]:
        return {}

    @once
    def info_table(self) -> Floats:
        """Information at the nodes, [I, Q]."""
        return np.ascontiguousarray(information(self.params, self.nodes).T)

    @once
    def derivative_table(self) -> tuple[Floats, Floats, Floats, Floats]:
        """irt.item_terms at the nodes: [I, K, Q], then three of [I, Q]."""
        first, *sums = item_terms(self.params, self.nodes[:, None])
        one, two, three = (np.ascontiguousarray(values.T) for values in sums)
        return np.ascontiguousarray(np.moveaxis(first, 0, -1)), one, two, three

    @once
    def scales(self) -> tuple[tuple[Ints, ItemParams], ...]:
        """Per competency: the indices of its items, and their parameters."""
        found = [np.flatnonzero(self.params.scale == s) for s in range(len(self.competencies))]
        return tuple((at, self.params.take(at)) for at in found)

    def assembly(self, rows: tuple[BlueprintRow, ...]) -> Assembly:
        """The blueprint compiled for this pool, once. Raises ConditionError where a row speaks of what the pool does not have."""
        if rows not in self._assemblies:
            self._assemblies[rows] = Assembly.of(rows, self.content or Content.of(self.ids, {}), len(self), self.seconds)
        return self._assemblies[rows]

    @once
    def _assemblies(self) -> dict[tuple[BlueprintRow, ...], Assembly]:
        return {}

    @once
    def index(self) -> dict[str, int]:
        """Item id -> index."""
        return {item_id: i for i, item_id in enumerate(self.ids)}

    @once
    def scale_of(self) -> tuple[int, ...]:
        """The competency of each item, likewise."""
        return tuple(self.params.scale.tolist())

    @once
    def n_cat(self) -> tuple[int, ...]:
        """The number of categories of each item, for reading one at a time."""
        return tuple(self.params.n_cat.tolist())

    def places(self, names: tuple[str, ...]) -> Ints:
        """The indices of those of the competencies `names` that the pool knows. Read only."""
        if names not in self._places:
            found = np.array([self.competencies.index(name) for name in names if name in self.competencies], dtype=int)
            found.setflags(write=False)
            self._places[names] = found
        return self._places[names]

    @once
    def _places(self) -> dict[tuple[str, ...], Ints]:
        return {}

    @once
    def digest(self) -> str:
        """SHA-256 over everything that a decision depends on."""
        p = self.params
        b = [[float(v) for v in p.steps(i)] for i in range(len(p))]
        content: list[object] = [self.ids, p.model, p.a.tolist(), b, p.c.tolist(), p.d.tolist(), p.scale.tolist()]
        content += [self.competencies, self.operational.tolist(), self.exposure.tolist()]
        content += [self.grid.low, self.grid.high, self.grid.n]
        if p.slopes.size:  # what was added later counts only where it is there: older digests stay
            content += [{"slopes": [p.slopes_of(i).tolist() for i in range(len(p))]}]
        if self.seconds is not None:
            content += [{"seconds": self.seconds.tolist()}]
        if self.control is not None:
            content += [{"control": self.control.tolist()}]
        if self.content is not None:
            content += [{"content": [dict(self.content.attributes), self.content.stimulus, dict(self.content.stimulus_attributes or {})]}]
        if self.need is not None:
            content += [{"need": self.need.tolist()}]
        return hashlib.sha256(json.dumps(content, separators=(",", ":")).encode()).hexdigest()
