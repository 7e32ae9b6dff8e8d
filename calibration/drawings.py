"""The pictures of a calibration report: drawn once, for whatever languages they are shown in."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from calibration.curves import params_of
from calibration.dif_run import DifFinding
from calibration.plots import Picture, ability, difficulty_scatter, error_by_answers, group_shifts, information_curves, item_curves, shifts
from calibration.verdicts import ItemVerdict, ScaleRun


@dataclass(frozen=True, slots=True)
class ScaleDrawings:
    """Of a competency: its items that were `estimated`, by id, with the curves of each; what is shown of it as a whole."""

    estimated: tuple[ItemVerdict, ...]
    curves: tuple[Picture, ...]
    whole: tuple[Picture, ...]


@dataclass(frozen=True, slots=True)
class Drawings:
    """Of all items; of each group of people that items were tested for, with its findings; of each competency."""

    overview: tuple[Picture, ...]
    groups: tuple[tuple[tuple[DifFinding, ...], Picture], ...]
    scales: tuple[ScaleDrawings, ...]

    @classmethod
    def of(cls, verdicts: Sequence[ItemVerdict], scales: Iterable[ScaleRun], dif: Sequence[DifFinding], max_se: float) -> "Drawings":
        """Of what a run found."""
        linked = any(v.old is not None and v.new is not None for v in verdicts)
        overview = [*([difficulty_scatter(verdicts), shifts(verdicts)] if linked else []), error_by_answers(verdicts, max_se)]
        groups: dict[tuple[str, str], list[DifFinding]] = {}
        for found in dif:
            groups.setdefault((found.grouping, found.group), []).append(found)
        return cls(
            tuple(overview),
            tuple((tuple(own), group_shifts(own)) for own in groups.values()),
            tuple(_scale(run, verdicts) for run in scales),
        )


def _scale(run: ScaleRun, verdicts: Sequence[ItemVerdict]) -> ScaleDrawings:
    estimated = sorted((v for v in verdicts if v.competency == run.competency and v.new is not None), key=lambda v: v.item_id)
    old, new = (params_of(row for row in rows if row is not None) for rows in ([v.old for v in estimated], [v.new for v in estimated]))
    whole = [ability(run), *([information_curves(old, new)] if estimated else [])]
    return ScaleDrawings(tuple(estimated), tuple(item_curves(estimated, run, old, new)), tuple(whole))
