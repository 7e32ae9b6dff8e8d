"""One calibration run: answers and a bank in, a proposal out, with a verdict and its reason for every item."""

import time
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from calibration.curves import lost_b, params_of
from calibration.dif_run import DifFinding, Grouping, run_dif
from calibration.drift import FEWEST_TO_TELL, Mask, drifted_anchor, drifts, purified
from calibration.estimate import Demands, Run, estimate, renumbered
from calibration.expectation import Here, Hold
from calibration.girth_adapter import second_opinion
from calibration.linking import constants, middles, transform
from calibration.mml import FIPC, MmlOptions
from calibration.pair_residuals import PairFindings, pair_findings
from calibration.responses import ResponseLog
from calibration.screening import answer_faults
from calibration.state import FIXED_SLOPE
from calibration.verdicts import ItemVerdict, ScaleRun, unestimated, with_partners
from cat_engine import Fault, Faulty, ItemParams, Row
from cat_engine.irt import Floats, Ints
from itembank.bank import GIVEN, Bank

MODES = ("free", "anchored", "online")


@dataclass(frozen=True, slots=True)
class CalibrationOptions:
    """What a psychometrician decides beforehand.

    mode "free": every item with enough answers is estimated, N(0, 1) a competency, then put on the bank's scale by Stocking-Lord over the items that did
    not move; calibrated items of the bank that did are flagged.
    mode "anchored": `anchors` (default: the bank's calibrated items, but for those in pretest) keep their parameters, the rest is estimated on their scale; anchors that no
    longer fit them are released, the farthest first, and flagged, where ability is estimated with the items (mml.fipc "mwu-mem").
    mode "online": the bank's active items keep their parameters whatever they are, and only those in pretest are estimated, on their scale; mml.fipc says how
    ("nwu-oem": one EM cycle, Wainer & Mislevy, 1990; "nwu-mem": many, Ban et al., 2001). Answers to items that are held or retired are left out.
    min_n: answers an item needs; max_se: the largest SE of any b at which new parameters are adopted, made as `se` says ("oakes" or "xpd": without
    errors nothing could be adopted); girth: ask it for a second opinion.
    """

    mode: str = "free"
    anchors: frozenset[str] = frozenset()
    min_n: int = 100
    max_se: float = 0.35
    girth: bool = False
    se: str = "oakes"
    mml: MmlOptions = field(default_factory=MmlOptions)


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """The outcome of a run: a verdict an item, a record and the dependence of items a competency, and what was left out."""

    verdicts: tuple[ItemVerdict, ...]
    scales: tuple[ScaleRun, ...]
    options: CalibrationOptions
    base_version: int
    dropped: Mapping[str, int]
    seconds: float
    dif: tuple[DifFinding, ...] = ()
    pairs: tuple[PairFindings, ...] = ()

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


def calibrate(
    log: ResponseLog,
    bank: Bank,
    options: CalibrationOptions | None = None,
    groups: Mapping[str, Sequence[str]] | None = None,
    hold: Hold = Here,
) -> Proposal:
    """Calibrate every competency of `bank` that `log` has answers for; `hold` as in fit_mml. groups: grouping (sex, unit, ...) -> the group of each of
    log.person_ids, "" = unknown; items are then tested for functioning differently (dif_run.py).

    Raises Faulty naming unknown items, categories that an item does not have, second answers of a person to an item, and unknown options.
    """
    options = options or CalibrationOptions()
    faults = list(_faults(log, bank, options))
    if faults:
        raise Faulty(faults)
    began = time.perf_counter()
    item = np.array([bank.index[item_id] for item_id in log.item_ids])[log.item]
    asked = np.array([options.mode != "online" or status in GIVEN for status in bank.status], dtype=bool)
    scale = np.where(asked, bank.params.scale, -1).astype(np.int32)
    scale_of = scale[item]
    groupings = [Grouping.of(name, names) for name, names in (groups or {}).items()]
    verdicts: list[ItemVerdict] = []
    scales: list[ScaleRun] = []
    dif: list[DifFinding] = []
    pairs: list[PairFindings] = []
    for s, competency in enumerate(bank.competencies):
        items, mine = np.flatnonzero(scale == s), np.flatnonzero(scale_of == s)
        if not len(items):
            continue
        answers = _Answers(log.person[mine], item[mine], log.category[mine]).to(items)
        found, run = _calibrate_scale(answers, bank, options, competency, items, hold)
        if run is not None and groupings:
            findings = _dif(answers.to(np.searchsorted(items, [bank.index[item_id] for item_id in run.items])), run, groupings)
            shifted = {f.item_id for f in findings if f.flagged}
            found = [replace(v, flags=(*v.flags, "dif")) if v.item_id in shifted and v.new is not None else v for v in found]
            dif += findings
        if run is not None:
            pairs.append(pair_findings(run.fit, run.items, competency))
            found = with_partners(found, pairs[-1])
        verdicts += found
        scales += [run] if run else []
    return Proposal(tuple(verdicts), tuple(scales), options, bank.version, {}, time.perf_counter() - began, tuple(dif), tuple(pairs))


@dataclass(frozen=True, slots=True, eq=False)
class _Answers:
    """person[R], item[R], category[R]."""

    person: Ints
    item: Ints
    category: Ints

    def to(self, items: Ints) -> "_Answers":
        """Those to `items`, which are numbered as they stand there."""
        place = np.full(1 + max(self.item.max(initial=0), items.max()), -1)
        place[items] = np.arange(len(items))
        item = place[self.item]
        mine = item >= 0
        return _Answers(self.person, item, self.category) if mine.all() else _Answers(self.person[mine], item[mine], self.category[mine])


def _dif(answers: _Answers, run: ScaleRun, groupings: Iterable[Grouping]) -> tuple[DifFinding, ...]:
    who, person = renumbered(answers.person)
    return run_dif(person, answers.item, answers.category, run.fit.params, run.items, [grouping.among(who) for grouping in groupings])


def _faults(log: ResponseLog, bank: Bank, options: CalibrationOptions) -> Iterator[Fault]:
    if options.mode not in MODES:
        yield Fault("options", "mode", f"'{options.mode}' is not known", "one of " + ", ".join(MODES))
    if options.se not in ("oakes", "xpd"):
        yield Fault("options", "se", f"'{options.se}' gives no standard errors, and without them no item can be adopted", "oakes or xpd")
    for item_id in sorted(options.anchors - bank.index.keys()):
        yield Fault("options", "anchors", f"'{item_id}' is not an item of the bank")
    if options.mode == "online" and "pretest" not in bank.status:
        yield Fault("options", "mode", "there is no item in pretest to be estimated", "mark them in the bank, or choose another mode")
    yield from answer_faults(log, bank)


def _calibrate_scale(
    answers: _Answers, bank: Bank, options: CalibrationOptions, competency: str, items: Ints, hold: Hold
) -> tuple[list[ItemVerdict], ScaleRun | None]:
    person, item, category = answers.person, answers.item, answers.category
    old = [bank.row(int(i)) for i in items]
    ids = [bank.ids[i] for i in items]
    fixed = np.array([_is_anchor(bank, options, int(i)) for i in items])
    anchorless = options.mode != "free" and not fixed[np.unique(item)].any()
    demands = Demands(2**62 if anchorless else options.min_n, options.max_se, options.se, options.mml)
    found = estimate(person, item, category, old, demands, fixed, hold=hold)
    released: set[int] = set()
    # By an ability that was not estimated, people unlike it leave every fixed curve: that tells of them, not of the anchors.
    watched = options.mode != "online" and options.mml.fipc == FIPC[0]
    while watched and found.run is not None and (moved := drifted_anchor(found.run, fixed, options.min_n)) is not None:
        fixed[moved] = False
        released.add(moved)
        found = estimate(person, item, category, old, demands, fixed, hold=hold)
    run = found.run
    if run is None:
        flags = [("no_anchor",) if anchorless and f[0] == "few" else f for f in found.flags]
        return [unestimated(*parts, competency) for parts in zip(ids, old, found.counts, flags, strict=True)], None
    before, estimated = params_of([old[i] for i in run.used]), ~fixed[run.used]
    known = estimated & np.array([bank.calibration[items[i]] == "calibrated" for i in run.used])
    free, told = not fixed.any(), bool(known.sum() >= FEWEST_TO_TELL)
    common = known if told else estimated  # made-up parameters say nothing of the scale where there are others
    (slope, intercept), steady = _link(run.fit.params, before, common) if free else ((1.0, 0.0), estimated)
    rows = [transform(row, slope, intercept) for row in run.fit.rows]
    errors = [run.errors.moved(k, row, slope, intercept) for k, row in enumerate(run.fit.rows)]
    names = tuple(ids[i] for i in run.used)
    girth_b, girth_r = _girth(run, person, item, category) if options.girth else (np.full(len(run.used), np.nan), float("nan"))
    scale = ScaleRun.of(run.fit, competency, names, slope, intercept, girth_r)
    middle_errors = [
        float("nan") if se_slopes else float("inf") if lost_b(row) else sum(se_b) / len(se_b)
        for (_, se_b, se_slopes), row in zip(errors, run.fit.rows, strict=True)
    ]
    moves = drifts(params_of(rows), before, middle_errors, scale.mean, scale.sd, steady)
    where = {int(i): k for k, i in enumerate(run.used)}
    verdicts = []
    for i in range(len(items)):
        k = where.get(i)
        if k is None or fixed[i]:
            verdicts.append(unestimated(ids[i], old[i], found.counts[i], found.flags[i], competency))
            continue
        se_a, se_b, se_slopes = errors[k]
        drifted = i in released or (free and told and bool(known[k]) and bool(moves[k].beyond))
        verdicts.append(
            ItemVerdict(
                ids[i], competency, old[i], rows[k], se_a, se_b, float(run.errors.c[k]), int(found.counts[i].sum()), tuple(found.counts[i].tolist()),
                float(run.rmsd[k]), slope * float(girth_b[k]) + intercept, (*found.flags[i], *["drift"] * drifted), old[i], se_slopes,
                float(run.errors.d[k]), drift=moves[k],
            )
        )  # fmt: skip
    return verdicts, scale


def _is_anchor(bank: Bank, options: CalibrationOptions, i: int) -> bool:
    if options.mode == "free":
        return False
    if options.mode == "online":
        return bank.status[i] != "pretest"
    return bank.ids[i] in options.anchors if options.anchors else bank.calibration[i] == "calibrated" and bank.status[i] != "pretest"


def _link(new: ItemParams, old: ItemParams, common: Mask) -> tuple[tuple[float, float], Mask]:
    """Stocking-Lord over the items `common`[I], without those that moved, and which were left, [I].

    Partial credit items with a given slope carry the unit of the scale themselves: only their mean moves.
    """

    def shift(mine: ItemParams, theirs: ItemParams) -> tuple[float, float]:
        return 1.0, float(np.mean(theirs.middle - mine.middle))

    those = np.flatnonzero(common)
    found, kept = purified(new.take(those), old.take(those), shift if set(new.model) <= set(FIXED_SLOPE) else constants)
    steady = np.zeros_like(common)
    steady[those[kept]] = True
    return found, steady


def _girth(run: Run, person: Ints, item: Ints, category: Ints) -> tuple[Floats, float]:
    """girth's mean step difficulty of each item used, and its correlation with ours; NaN where girth cannot take the data."""
    kept = np.isin(item, run.used)
    who, person = renumbered(person[kept])
    unknown = np.full(len(person), -1)
    persons, names = (tuple(map(str, range(n))) for n in (len(who), len(run.used)))
    log = ResponseLog(persons, names, person, np.searchsorted(run.used, item[kept]), category[kept], unknown, unknown, 0 * unknown)
    try:
        _, b = second_opinion(log)
    except Faulty:
        return np.full(len(run.used), np.nan), float("nan")
    return b, _correlation(middles(run.fit.rows), b)


@dataclass(frozen=True, slots=True)
class Recovery:
    """How near estimates came to known true parameters, over the items estimated: RMSE and correlation, of a nominal item of its overall a and middle."""

    n_items: int
    rmse_a: float
    r_a: float
    rmse_b: float
    r_b: float


def recovery(proposal: Proposal, truth: Mapping[str, Row], *, adopted_only: bool = False) -> Recovery:
    """Compare a proposal with the truth that generated the answers."""
    pairs = [
        (v.new, truth[v.item_id])
        for v in proposal.verdicts
        if v.new is not None and v.item_id in truth and (v.verdict == "adopt" or not adopted_only)
    ]
    if len(pairs) < 2:
        return Recovery(len(pairs), *(float("nan"),) * 4)
    both = [params_of(rows) for rows in zip(*pairs, strict=True)]
    a = np.stack([params.discrimination for params in both], axis=1)
    b = np.array(
        [
            (x, y)
            for (new, true), places in zip(pairs, np.stack([params.middle for params in both], axis=1).tolist(), strict=True)
            for x, y in ([places] if new.slopes or true.slopes else zip(new.b, true.b, strict=True))
        ]
    )

    def rmse(x: Floats) -> float:
        return float(np.sqrt(np.mean((x[:, 0] - x[:, 1]) ** 2)))

    return Recovery(len(a), rmse(a), _correlation(*a.T), rmse(b), _correlation(*b.T))


def _correlation(x: Floats, y: Floats) -> float:
    """Product-moment correlation; NaN where one of the two does not vary."""
    return float(np.corrcoef(x, y)[0, 1]) if np.ptp(x) > 0 and np.ptp(y) > 0 else float("nan")
