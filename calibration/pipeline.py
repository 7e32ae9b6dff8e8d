"""One calibration run: answers and a bank in, a proposal out, with a verdict and its reason for every item."""

import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from calibration.girth_adapter import second_opinion
from calibration.linking import link, transform
from calibration.mml import MmlFit, MmlOptions, fit_mml
from calibration.responses import ResponseLog
from cat_engine import Faulty, ItemParams, Row, probabilities
from cat_engine.irt import Floats
from itembank.bank import Bank

MODES = ("free", "anchored")


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What a psychometrician decides beforehand.

    mode "free": every item with enough answers is estimated, N(0, 1) a competency, then put on the bank's scale by Stocking-Lord.
    mode "anchored": `anchors` (default: the bank's calibrated items) keep their parameters, the rest is estimated on their scale.
    min_n: answers an item needs; max_se: the largest SE of any b at which new parameters are adopted; girth: ask it for a second opinion.
    """

    mode: str = "free"
    anchors: frozenset[str] = frozenset()
    min_n: int = 100
    max_se: float = 0.35
    girth: bool = False
    mml: MmlOptions = field(default_factory=MmlOptions)


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """What is proposed for one item.

    verdict: "adopt" (take the new parameters), "keep" (the old stay), "reject" (the item itself should go). `flags` are stable codes, `why` says
    it in a sentence. new is None where nothing could be estimated. SEs on the bank's scale.
    """

    item_id: str
    competency: str
    old: Row
    new: Row | None
    se_a: float
    se_b: tuple[float, ...]
    se_c: float
    n: int
    counts: tuple[int, ...]
    rmsd: float
    girth_b: float
    flags: tuple[str, ...]
    verdict: str
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class ScaleRun:
    """How the run went for one competency: persons, answers, latent mean and sd, linking constants, log-likelihood, convergence."""

    competency: str
    n_persons: int
    n_answers: int
    mean: float
    sd: float
    slope: float
    intercept: float
    loglik: float
    n_cycles: int
    converged: bool
    girth_correlation: float
    fit: MmlFit
    items: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The outcome of a run: a verdict an item, a record a competency, and what was left out."""

    verdicts: tuple[ItemVerdict, ...]
    scales: tuple[ScaleRun, ...]
    options: CalibrationOptions
    base_version: int
    dropped: Mapping[str, int]
    seconds: float

    def adopted(self) -> dict[str, Row]:
        """Item id -> new parameters, of the items whose verdict is "adopt"."""
        return {v.item_id: v.new for v in self.verdicts if v.verdict == "adopt" and v.new is not None}

    def apply(self, bank: Bank, accept: Collection[str] | None = None) -> Bank:
        """The bank with the adopted items' new parameters (`accept` overrides which); not yet saved, its parent is `bank`.

        Raises ValueError for an item without an estimate.
        """
        rows = {v.item_id: v.new for v in self.verdicts if v.new is not None}
        wanted = self.adopted().keys() if accept is None else accept
        missing = sorted(set(wanted) - rows.keys())
        if missing:
            msg = f"no estimate to accept for {', '.join(missing)}"
            raise ValueError(msg)
        return bank.with_params({item_id: rows[item_id]._replace(scale=int(bank.params.scale[bank.index[item_id]])) for item_id in wanted})


SENTENCES = {
    "no_answers": "nobody has answered the item",
    "few": "too few answers to estimate it",
    "one_category": "all answers fell into one category",
    "empty_category": "a category was never chosen, so its threshold cannot be estimated",
    "uncertain": "the standard error is larger than allowed",
    "low_a": "it hardly tells able from less able people",
    "at_bound": "an estimate ran into its bound",
    "misfit": "observed answers depart from the model's curve",
    "anchor": "it is an anchor and keeps its parameters",
}


def calibrate(log: ResponseLog, bank: Bank, options: CalibrationOptions | None = None) -> Proposal:
    """Calibrate every competency of `bank` that `log` has answers for. Raises ValueError for unknown items, options or no answers."""
    options = options or CalibrationOptions()
    if options.mode not in MODES:
        msg = f"mode '{options.mode}' is not one of {', '.join(MODES)}"
        raise ValueError(msg)
    unknown = [item_id for item_id in (*log.item_ids, *options.anchors) if item_id not in bank.index]
    if unknown or not len(log):
        msg = f"not in the bank: {', '.join(unknown[:10])}" if unknown else "there are no answers"
        raise ValueError(msg)
    began = time.perf_counter()
    to_bank = np.array([bank.index[item_id] for item_id in log.item_ids])
    bank_item = to_bank[log.item]
    too_high = log.category >= bank.params.n_cat[bank_item]
    if too_high.any():
        first = int(np.flatnonzero(too_high)[0])
        msg = f"item {bank.ids[bank_item[first]]} has no category {log.category[first]}"
        raise ValueError(msg)
    verdicts: list[ItemVerdict] = []
    scales: list[ScaleRun] = []
    for s, competency in enumerate(bank.competencies):
        mine = bank.params.scale[bank_item] == s
        items = [i for i in range(len(bank)) if int(bank.params.scale[i]) == s]
        found, run = _calibrate_scale(log, bank, options, competency, items, bank_item, mine)
        verdicts += found
        scales += [run] if run else []
    return Proposal(tuple(verdicts), tuple(scales), options, bank.version, {}, time.perf_counter() - began)


def _calibrate_scale(
    log: ResponseLog,
    bank: Bank,
    options: CalibrationOptions,
    competency: str,
    items: list[int],
    bank_item: NDArray[np.int64],
    mine: NDArray[np.bool_],
) -> tuple[list[ItemVerdict], ScaleRun | None]:
    counts = {i: np.bincount(log.category[mine & (bank_item == i)], minlength=int(bank.params.n_cat[i])) for i in items}
    anchors = _anchors(bank, options, items)
    screened = {i: _screen(counts[i], options.min_n) for i in items}
    used = [i for i in items if counts[i].sum() and (i in anchors or screened[i] is None)]
    if not any(i not in anchors for i in used) or (options.mode == "anchored" and not any(i in anchors for i in used)):
        return [_unestimated(bank, i, counts[i], "anchor" if i in anchors else screened[i] or "few") for i in items], None
    place = {i: k for k, i in enumerate(used)}
    rows = mine & np.isin(bank_item, used)
    person_codes, person = np.unique(log.person[rows], return_inverse=True)
    item = np.array([place[int(i)] for i in bank_item[rows]])
    fixed = np.array([i in anchors for i in used])
    fit = fit_mml(person, item, log.category[rows], [bank.row(i) for i in used], options.mml, fixed)
    old = [bank.row(i) for i in used]
    slope, intercept = (1.0, 0.0) if fixed.any() else _link(fit.rows, old)
    new = [transform(row, slope, intercept) for row in fit.rows]
    rmsd = _rmsd(fit)
    girth_b, girth_r = _girth(log, bank, used, rows, bank_item, fit) if options.girth else (np.full(len(used), np.nan), float("nan"))
    verdicts = []
    for i in items:
        if i in anchors or i not in place:
            verdicts.append(_unestimated(bank, i, counts[i], "anchor" if i in anchors else screened[i] or "few"))
            continue
        k = place[i]
        verdicts.append(_verdict(bank, options, i, new[k], fit, k, slope, counts[i], float(rmsd[k]), float(girth_b[k])))
    run = ScaleRun(
        competency, len(person_codes), int(rows.sum()), slope * fit.mean + intercept, slope * fit.sd, slope, intercept, fit.loglik, fit.n_cycles,
        fit.converged, girth_r, fit, tuple(bank.ids[i] for i in used),
    )  # fmt: skip
    return verdicts, run


def _anchors(bank: Bank, options: CalibrationOptions, items: list[int]) -> set[int]:
    if options.mode == "free":
        return set()
    if options.anchors:
        return {i for i in items if bank.ids[i] in options.anchors}
    return {i for i in items if bank.calibration[i] == "calibrated"}


def _screen(counts: NDArray[np.int64], min_n: int) -> str | None:
    """Why an item cannot be estimated, or None."""
    if counts.sum() == 0:
        return "no_answers"
    if counts.sum() < min_n:
        return "few"
    if np.count_nonzero(counts) == 1:
        return "one_category"
    return "empty_category" if (counts == 0).any() else None


def _link(new: tuple[Row, ...], old: list[Row]) -> tuple[float, float]:
    """Stocking-Lord over all estimated items; items whose b moved by more than 2.5 robust SDs are left out of a second pass."""
    if len(new) < 2:
        return 1.0, 0.0
    slope, intercept = link(new, old)
    shift = np.array([np.mean(transform(row, slope, intercept).b) - np.mean(before.b) for row, before in zip(new, old, strict=True)])
    spread = 1.4826 * float(np.median(np.abs(shift - np.median(shift))))
    keep = np.flatnonzero(np.abs(shift - np.median(shift)) <= 2.5 * spread + 1e-9)
    if 5 <= len(keep) < len(new):
        return link([new[k] for k in keep], [old[k] for k in keep])
    return slope, intercept


def _rmsd(fit: MmlFit) -> Floats:
    """Root mean squared deviation of observed from expected item score, weighted by the ability of those who answered, per scale point
    (as used in PISA; Tijmstra et al., 2020), [I].
    """
    params = ItemParams.from_rows([row._replace(scale=0) for row in fit.rows])
    p = np.moveaxis(probabilities(params, fit.nodes), 0, -1)
    k = np.arange(p.shape[1])[None, :, None]
    total = fit.expected.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where(total > 0, (fit.expected * k).sum(axis=1) / total, 0.0)
    gap = (observed - (p * k).sum(axis=1)) / (params.n_cat - 1)[:, None]
    return np.asarray(np.sqrt((total * gap**2).sum(axis=1) / total.sum(axis=1)))


def _girth(
    log: ResponseLog, bank: Bank, used: list[int], rows: NDArray[np.bool_], bank_item: NDArray[np.int64], fit: MmlFit
) -> tuple[Floats, float]:
    """girth's mean step difficulty of each item, and its correlation with ours; NaN where girth cannot take the data."""
    place = {i: k for k, i in enumerate(used)}
    persons, person = np.unique(log.person[rows], return_inverse=True)
    item = np.array([place[int(i)] for i in bank_item[rows]])
    ones = np.ones(len(item), dtype=np.int64)
    part = ResponseLog(
        tuple(str(p) for p in persons), tuple(bank.ids[i] for i in used), person, item, log.category[rows], -ones, -ones, 0 * ones
    )
    try:
        _, b = second_opinion(part)
    except Faulty:
        return np.full(len(used), np.nan), float("nan")
    ours = np.array([np.mean(row.b) for row in fit.rows])
    return b, float(np.corrcoef(ours, b)[0, 1])


def _unestimated(bank: Bank, i: int, counts: NDArray[np.int64], flag: str) -> ItemVerdict:
    nan = float("nan")
    row = bank.row(i)
    why = f"The old parameters stay: {SENTENCES[flag]} (n = {int(counts.sum())})."
    return ItemVerdict(
        bank.ids[i], bank.competency_of(i), row, None, nan, (nan,) * len(row.b), nan, int(counts.sum()), tuple(counts.tolist()), nan, nan, (flag,),
        "keep", why,
    )  # fmt: skip


def _verdict(
    bank: Bank,
    options: CalibrationOptions,
    i: int,
    new: Row,
    fit: MmlFit,
    k: int,
    slope: float,
    counts: NDArray[np.int64],
    rmsd: float,
    girth_b: float,
) -> ItemVerdict:
    se_a = float(fit.se_a[k]) / slope
    se_b = tuple(float(v) * slope for v in fit.se_b[k][: len(new.b)])
    flags = []
    if max(se_b) > options.max_se or (np.isfinite(se_a) and se_a > options.max_se * max(new.a, 1.0)):
        flags.append("uncertain")
    if new.a < 0.35:
        flags.append("low_a")
    if max(abs(b) for b in new.b) > 5.5 or new.a > 5:
        flags.append("at_bound")
    if rmsd > 0.1:
        flags.append("misfit")
    verdict = "reject" if "low_a" in flags or "misfit" in flags else "keep" if flags else "adopt"
    reasons = "; ".join(SENTENCES[flag] for flag in flags)
    n = int(counts.sum())
    sentences = {
        "adopt": f"The new parameters are precise enough (n = {n}, largest SE of b {max(se_b):.2f}) and fit.",
        "keep": f"The old parameters stay: {reasons} (n = {n}).",
        "reject": f"The item should be held and reviewed: {reasons} (n = {n}).",
    }
    return ItemVerdict(
        bank.ids[i], bank.competency_of(i), bank.row(i), new, se_a, se_b, float(fit.se_c[k]), n, tuple(counts.tolist()), rmsd, girth_b,
        tuple(flags), verdict, sentences[verdict],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Recovery:
    """How near estimates came to known true parameters, over the items estimated: RMSE and correlation."""

    n_items: int
    rmse_a: float
    r_a: float
    rmse_b: float
    r_b: float


def recovery(proposal: Proposal, truth: Mapping[str, Row], *, adopted_only: bool = False) -> Recovery:
    """Compare a proposal with the truth that generated the answers."""
    pairs = [(v.new, truth[v.item_id]) for v in proposal.verdicts if v.new is not None and (v.verdict == "adopt" or not adopted_only)]
    a = np.array([(new.a, true.a) for new, true in pairs])
    b = np.array([(x, y) for new, true in pairs for x, y in zip(new.b, true.b, strict=True)])
    if len(a) < 2:
        return Recovery(len(a), *(float("nan"),) * 4)

    def rmse(x: Floats) -> float:
        return float(np.sqrt(np.mean((x[:, 0] - x[:, 1]) ** 2)))

    return Recovery(len(a), rmse(a), float(np.corrcoef(a.T)[0, 1]), rmse(b), float(np.corrcoef(b.T)[0, 1]))
