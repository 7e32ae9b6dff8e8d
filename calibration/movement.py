"""Movement of a bank's items: new answers estimated afresh, put on the bank's scale, and compared with the parameters that the bank holds."""

from dataclasses import dataclass

import numpy as np

from calibration.linking import middles
from calibration.pipeline import CalibrationOptions, Proposal, calibrate
from calibration.responses import ResponseLog
from calibration.verdicts import ItemVerdict
from cat_engine import Fault, Faulty, Row
from cat_engine.irt import Floats, Ints
from itembank.bank import Bank

SLACK = 0.5  # of a CUSUM of standard normal deviations: made to find shifts of one
LARGEST_CUSUM = 4.0  # with that slack a false alarm in some 170 periods, either way (Montgomery, 2009, table 9.3)


@dataclass(frozen=True, slots=True)
class Movement:
    """How an item moved since the bank's parameters: n new answers; the mean b of the bank and of the new estimate, its SE (mean over steps; NaN of a
    nominal item, whose place is ItemParams.middle, and so are its sums);

    robust_z, d2: of the shift among the competency's items (drift.Drift).
    easier, harder: the highest cumulative sum of standardised shifts over the periods (Veerkamp & Glas, 2000), NaN without periods.
    flags: which of "robust_z", "d2", "cusum" passed its bound; not_estimated: why there is no new estimate.
    """

    item_id: str
    competency: str
    n: int
    old_b: float
    new_b: float
    se_b: float
    robust_z: float
    d2: float
    easier: float
    harder: float
    flags: tuple[str, ...]
    not_estimated: tuple[str, ...] = ()


def movements(log: ResponseLog, bank: Bank, options: CalibrationOptions | None = None, period: Ints | None = None) -> tuple[Movement, ...]:
    """The movement of each item of `bank` whose competency `log` has answers for; period[P] numbers the period of each person, in order of time.

    Every item is estimated free, then linked by Stocking-Lord with items that moved left out (pipeline). Raises Faulty as `calibrate`.
    """
    options = options or CalibrationOptions()
    if options.mode != "free":
        raise Faulty([Fault("options", "mode", "must be free: an anchor cannot be seen to move", "free")])
    proposal = calibrate(log, bank, options)
    sums = {} if period is None else _cumulative_sums(log, bank, options, period)
    found: list[Movement] = []
    nan = float("nan")
    for scale in proposal.scales:
        own = [v for v in proposal.verdicts if v.competency == scale.competency and v.n > 0]
        for v in own:
            if v.drift is None or v.old is None:
                continue
            before = float(middles([v.old])[0])
            easier, harder = sums.get(v.item_id, (nan, nan))
            flags = (*v.drift.beyond, *["cusum"] * (max(easier, harder) > LARGEST_CUSUM))
            found.append(
                Movement(
                    v.item_id, v.competency, v.n, before, before + v.drift.shift, v.se_middle, v.drift.robust_z, v.drift.d2, easier, harder, flags
                )
            )  # fmt: skip
    estimated = {m.item_id for m in found}
    found += [
        Movement(v.item_id, v.competency, v.n, float(middles([v.old])[0]) if v.old else nan, *(nan,) * 6, (), v.flags)
        for v in proposal.verdicts
        if v.n > 0 and v.item_id not in estimated
    ]
    return tuple(found)


def _cumulative_sums(log: ResponseLog, bank: Bank, options: CalibrationOptions, period: Ints) -> dict[str, tuple[float, float]]:
    """Per item the highest sums toward easier and toward harder; a period in which the item cannot be estimated leaves them as they are."""
    now: dict[str, Floats] = {}
    highest: dict[str, Floats] = {}
    for t in range(int(period.max()) + 1):
        part = log.where(period[log.person] == t)
        if not len(part):
            continue
        for item_id, z in _standardised(calibrate(part, bank, options)).items():
            now[item_id] = np.maximum(0.0, now.get(item_id, np.zeros(2)) + np.array([-z, z]) - SLACK)
            highest[item_id] = np.maximum(highest.get(item_id, np.zeros(2)), now[item_id])
    return {item_id: (float(top[0]), float(top[1])) for item_id, top in highest.items()}


def _standardised(proposal: Proposal) -> dict[str, float]:
    def z(v: ItemVerdict, new: Row, old: Row) -> float:
        before, after = middles([old, new]).tolist()
        return float((after - before) / v.se_middle)

    found = {v.item_id: z(v, v.new, v.old) for v in proposal.verdicts if v.new is not None and v.old is not None}
    return {item_id: value for item_id, value in found.items() if np.isfinite(value)}
