"""Pretest items: how many answers each still needs, from people of which ability, and whether it is ready.

An answer of a person at theta to an item with parameters x adds M(theta) = sum_k P_k s_k s_k' to the information I about x, s_k the score of
category k; what it teaches is log det(I + M(theta)) - log det I (Bayesian D-optimality: van der Linden & Ren, 2015, eq. 9). I holds the priors and
the answers so far, at the current parameters, which for a new item are the provisional ones. Items are estimated on the scale of the operational
ones, which stay fixed (MWU-MEM, Kim, 2006).
"""

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np

from calibration.curves import curves, pack
from calibration.flags import SENTENCES, told
from calibration.language import INDONESIAN, Language
from calibration.mml import MmlOptions
from calibration.pipeline import CalibrationOptions, calibrate
from calibration.priors import Priors
from calibration.responses import ResponseLog
from calibration.verdicts import REJECTING, ItemVerdict
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import Floats
from itembank.bank import Bank

FARTHEST_THETA = 4.0
NEAR_BEST = 0.8  # of the most that an answer can teach


@dataclass(frozen=True, slots=True)
class PretestDemands:
    """min_n: answers before an item is judged; max_se: largest SE of any b with which it may become operational; most_n: answers after which an
    item that is still not ready is given up.
    """

    min_n: int = 100
    max_se: float = 0.35
    most_n: int = 1000
    mml: MmlOptions = field(default_factory=MmlOptions)


@dataclass(frozen=True, slots=True)
class PretestItem:
    """n answers so far, the largest SE of a b (NaN: no estimate), answers still wanted, the ability low..high at which an answer teaches at least
    80 % of what it can, what the answer of one such person teaches (gain, in log det), and the verdict: "promote", "keep" (in the pretest) or
    "reject", with its reason in a sentence.
    """

    item_id: str
    competency: str
    n: int
    se_b: float
    wanted: int
    low: float
    high: float
    gain: float
    verdict: str
    why: str


def pretest_design(
    log: ResponseLog,
    bank: Bank,
    pretest: Collection[str],
    demands: PretestDemands | None = None,
    language: Language = INDONESIAN,
) -> tuple[PretestItem, ...]:
    """The state and the needs of the items `pretest` of `bank`, those that teach most first; reasons in a language.

    Raises Faulty for ids that the bank does not have, for a bank without operational items, and as `calibrate`.
    """
    demands = demands or PretestDemands()
    faults = [Fault("pretest", item_id, "is not an item of the bank") for item_id in sorted(set(pretest) - bank.index.keys())]
    if not pretest:
        faults.append(Fault("pretest", "", "there are no pretest items", "name them, or mark them in the bank"))
    anchors = frozenset(bank.ids) - set(pretest)
    if not anchors:
        faults.append(Fault("pretest", "", "no item is left that gives the scale", "name fewer"))
    if faults:
        raise Faulty(faults)
    options = CalibrationOptions("anchored", anchors, demands.min_n, demands.max_se, mml=demands.mml)
    proposal = calibrate(log, bank, options)
    met: dict[str, Floats] = {}
    nodes = demands.mml.grid.nodes()
    for scale in proposal.scales:
        met |= dict(zip(scale.items, scale.fit.expected.sum(axis=1), strict=True))
    found = [
        _item(v, met.get(v.item_id, np.zeros(len(nodes))), nodes, demands, language) for v in proposal.verdicts if v.item_id in pretest
    ]
    return tuple(sorted(found, key=lambda item: (item.verdict != "keep", -item.gain)))


def gain(row: Row, met: Floats, nodes: Floats, priors: Priors) -> Floats:
    """What one more answer at each node teaches about an item, log det, [Q]; met[Q]: people who answered it, by ability."""
    x = pack(row)[None]
    log_p, score = curves(row.model, x, nodes)
    half = score[0] * np.sqrt(np.exp(log_p[0]))[None]
    information = np.einsum("mkq,nkq->qmn", half, half)
    curvature = priors.slopes(row.model, x)[1][0]
    known = np.tensordot(met, information, axes=1) + np.diag(curvature + 1e-8)
    return np.asarray(np.linalg.slogdet(known + information)[1] - np.linalg.slogdet(known)[1])


def _item(v: ItemVerdict, met: Floats, nodes: Floats, demands: PretestDemands, language: Language) -> PretestItem:
    row = v.new or v.shape
    inside = np.abs(nodes) <= FARTHEST_THETA
    teaches = gain(row, met, nodes, demands.mml.priors)[inside]
    near = nodes[inside][teaches >= NEAR_BEST * teaches.max()]
    se = v.se_largest if v.new is not None else float("nan")
    verdict, why = _verdict(v, se, demands, language)
    needed = demands.min_n if not np.isfinite(se) else max(demands.min_n, int(np.ceil(v.n * (se / demands.max_se) ** 2)))
    wanted = max(0, min(needed, demands.most_n) - v.n) if verdict == "keep" else 0
    return PretestItem(v.item_id, v.competency, v.n, se, wanted, float(near[0]), float(near[-1]), float(teaches.max()), verdict, why)


def _verdict(v: ItemVerdict, se: float, demands: PretestDemands, language: Language) -> tuple[str, str]:
    _, n = language.gettext, language.number(v.n)
    reasons = "; ".join(told(v.flags, v.partners, SENTENCES, language))
    if v.new is not None and not v.flags:
        return "promote", _("cukup teliti (n = {n}, SE b terbesar {se}) dan cocok dengan model").format(n=n, se=language.number(se, 2))
    if v.new is not None and set(v.flags) & set(REJECTING):
        return "reject", reasons
    if v.n >= demands.most_n:
        return "reject", _("{reasons}, setelah {n} jawaban").format(reasons=reasons, n=n)
    return "keep", reasons
