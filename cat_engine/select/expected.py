"""One step ahead: what the posterior is expected to be after each answer to each item."""

from dataclasses import dataclass

import numpy as np

from cat_engine.estimators import ExpectedAPosteriori, Given
from cat_engine.families import Floats
from cat_engine.faults import Fault, Faulty
from cat_engine.irt import derivatives_at, information_at
from cat_engine.select.base import SELECTION, Larger, Moment, Smaller


def _moments(moment: Moment) -> tuple[Floats, Floats, Floats]:
    """After answer k to item i: its predictive probability, the posterior mean and variance, each [N, I, K]; 0 where there is no category k."""
    log_posterior = moment.log_posterior()
    weight = np.exp(log_posterior - log_posterior.max(axis=-1, keepdims=True))
    weight /= weight.sum(axis=-1, keepdims=True)
    centre = (weight * moment.pool.nodes).sum(axis=-1)
    away = moment.pool.nodes - centre[..., None]  # from the mean, so that nothing cancels
    mass, first, second = (moment.integrate(moment.pool.p_table, weight * away**k) for k in range(3))
    possible = np.where(mass > 0, mass, 1.0)
    mean = first / possible
    return mass, centre[:, moment.params.scale, None] + mean, second / possible - mean**2


@SELECTION.register("mepv")
@dataclass(frozen=True, slots=True)
class ExpectedVariance(Smaller):
    """Minimum expected posterior variance: sum_k P(k) Var(theta | answers, k) (van der Linden, 1998, eq. 13).

    P(k) is the posterior predictive probability, or with predictive = false the probability at the interim theta (as catR has it).
    """

    predictive: bool = True

    def score(self, moment: Moment) -> Floats:
        """Minus the expected variance; with several competencies plus what it is now, so that the largest gain is the best."""
        mass, _, variance = _moments(moment)
        p = mass if self.predictive else moment.probabilities()
        expected = (p * variance).sum(axis=-1)
        if len(moment.pool.competencies) == 1:
            return np.asarray(-expected)
        return np.asarray((moment.se**2)[:, moment.params.scale] - expected)


@SELECTION.register("mei")
@dataclass(frozen=True, slots=True)
class ExpectedInformation(Larger):
    """Maximum expected information: sum_k P_k(theta) J_i(theta_k), theta_k the interim estimate after answer k (van der Linden, 1998, eq. 11).

    J is the observed information of the item, -(log P_k)'' at theta_k, or with info = "fisher" its expected information.
    """

    info: str = "observed"

    def __post_init__(self) -> None:
        if self.info not in ("observed", "fisher"):
            raise Faulty([Fault("select", "info", f"'{self.info}' is not known", "observed or fisher")])

    def score(self, moment: Moment) -> Floats:
        """The expected information; with several competencies times the variance of the item's own."""
        theta = self._after(moment)
        p = moment.probabilities()
        gain = np.zeros(p.shape)
        for k in range(p.shape[-1]):
            if self.info == "fisher":
                gain[..., k] = information_at(moment.params, theta[..., k])
            else:
                gain[..., k] = -derivatives_at(moment.params, theta[..., k])[1][..., k]
        expected = (p * gain).sum(axis=-1)
        if len(moment.pool.competencies) == 1:
            return np.asarray(expected)
        return np.asarray(expected * (moment.se**2)[:, moment.params.scale])

    def _after(self, moment: Moment) -> Floats:
        """theta_k, [N, I, K]."""
        method = moment.batch.plan.interim
        if isinstance(method, ExpectedAPosteriori) or moment.batch.sigma is not None:  # a joint posterior has no estimator of its own
            return _moments(moment)[1]
        out = np.zeros((len(moment.rows), len(moment.pool), moment.pool.log_table.shape[1]))
        for s, (at, params) in enumerate(moment.pool.scales):
            item = np.repeat(at, params.n_cat)
            category = np.concatenate([np.arange(n) for n in params.n_cat.tolist()]) if len(at) else np.zeros(0, dtype=int)
            for n, row in enumerate(moment.rows.tolist()):
                so_far = moment.batch.given(np.array([row]), s)
                out[n, item, category] = method.estimate(_one_more(so_far, item, category))[0]
        return out


def _one_more(so_far: Given, item: np.ndarray, category: np.ndarray) -> Given:
    """The answers of one session, continued by each of several single answers: a session for each."""
    many, length = len(item), len(so_far.item) + 1
    items, categories = np.empty((many, length), dtype=int), np.empty((many, length), dtype=int)
    items[:, :-1], categories[:, :-1] = so_far.item, so_far.category
    items[:, -1], categories[:, -1] = item, category
    logpost = so_far.logpost + so_far.pool.log_table[item, category]
    return Given(so_far.pool, so_far.prior, logpost, np.repeat(np.arange(many), length), items.ravel(), categories.ravel())
