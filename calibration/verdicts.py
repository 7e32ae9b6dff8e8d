"""What a calibration run proposes for an item, and why."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from calibration.drift import Drift
from calibration.flags import SENTENCES, told
from calibration.language import INDONESIAN, N_, Language
from calibration.mml import MmlFit
from calibration.pair_residuals import PairFindings
from cat_engine import Row
from cat_engine.irt import Ints

REJECTING = ("low_a", "misfit", "dif")
VERDICTS = {
    "adopt": N_("Parameter baru cukup teliti (n = {n}, SE b terbesar {se}) dan cocok dengan model."),
    "keep": N_("Parameter lama tetap dipakai: {reasons} (n = {n})."),
    "reject": N_("Butir sebaiknya ditahan dan ditelaah: {reasons} (n = {n})."),
}


@dataclass(frozen=True, slots=True)
class ItemVerdict:
    """The old and new parameters of an item on the bank's scale, with SEs, and flags (stable codes, of flags.FLAGS).

    old is None where there is no bank, new where nothing could be estimated; shape is a row of the item's model and number of steps. rmsd: misfit per scale point. girth_b: the second opinion's mean difficulty on the bank's scale, NaN
    where there is none. se_slopes: of a nominal item, which has no SE of a. partners: the items with which it is flagged as dependent. drift: how far it
    is from the old parameters.
    """

    item_id: str
    competency: str
    old: Row | None
    new: Row | None
    se_a: float
    se_b: tuple[float, ...]
    se_c: float
    n: int
    counts: tuple[int, ...]
    rmsd: float
    girth_b: float
    flags: tuple[str, ...]
    shape: Row
    se_slopes: tuple[float, ...] = ()
    se_d: float = float("nan")
    partners: tuple[str, ...] = ()
    drift: Drift | None = None

    @property
    def verdict(self) -> str:
        """ "adopt" (take the new parameters), "keep" (the old stay) or "reject" (the item itself should be held and reviewed)."""
        if not self.flags:
            return "adopt"
        return "reject" if self.new is not None and set(self.flags) & set(REJECTING) else "keep"

    @property
    def se_largest(self) -> float:
        """The largest SE of a b; NaN where none has any."""
        return _largest(self.se_b)

    @property
    def se_steepness(self) -> float:
        """The SE of the slope; of a nominal item the largest of its slopes; NaN where none has any."""
        return _largest(self.se_slopes or (self.se_a,))

    @property
    def se_middle(self) -> float:
        """SE of the mean b, as the mean over its steps; NaN of a nominal item, whose place is a ratio of differences."""
        return float("nan") if self.se_slopes else sum(self.se_b) / len(self.se_b)

    def why(self, language: Language = INDONESIAN) -> str:
        """The verdict in a sentence."""
        return verdict_sentence(self.verdict, self.flags, self.n, self.se_largest, language, self.partners)


def _largest(errors: Sequence[float]) -> float:
    return max((se for se in errors if not np.isnan(se)), default=float("nan"))


def verdict_sentence(
    verdict: str, flags: Sequence[str], n: int, se_b: float, language: Language = INDONESIAN, partners: Sequence[str] = ()
) -> str:
    """A verdict and its reasons; n answers, the largest SE of b, and the items with which it is flagged as dependent."""
    reasons = "; ".join(told(flags, partners, SENTENCES, language))
    return language.gettext(VERDICTS[verdict]).format(reasons=reasons, n=language.number(n), se=language.number(se_b, 2))


def with_partners(verdicts: Iterable[ItemVerdict], found: PairFindings) -> list[ItemVerdict]:
    """The verdicts with the local dependence that was found: an item names its partners, and an estimate made as if there were none is flagged."""
    partners = found.partners()
    return [
        replace(v, partners=partners[v.item_id], flags=v.flags if v.new is None else (*v.flags, "dependent"))
        if v.item_id in partners
        else v
        for v in verdicts
    ]


def unestimated(item_id: str, old: Row, counts: Ints, flags: tuple[str, ...], competency: str) -> ItemVerdict:
    """The verdict on an item without an estimate: named and flagged, never given a number."""
    nan = float(np.nan)
    return ItemVerdict(
        item_id, competency, old, None, nan, (nan,) * len(old.b), nan, int(counts.sum()), tuple(counts.tolist()), nan, nan, flags, old
    )


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

    @classmethod
    def of(
        cls, fit: MmlFit, competency: str, items: tuple[str, ...], slope: float = 1.0, intercept: float = 0.0, girth_r: float = float("nan")
    ) -> "ScaleRun":
        """The record of a fit whose scale is moved by slope and intercept."""
        return cls(
            competency, fit.design.n_persons, int(fit.counts.sum()), slope * fit.mean + intercept, slope * fit.sd, slope, intercept, fit.loglik,
            fit.n_cycles, fit.converged, girth_r, fit, items,
        )  # fmt: skip
