"""A published fit reproduced: the Czech Matura exam in mathematics of 2019, 15,702 students, whose scores and SEs are part of the data set."""

import csv
import gzip
from pathlib import Path

import numpy as np

from calibration.curves import starting_rows
from calibration.fit import expected_a_posteriori
from calibration.mml import MmlOptions, Priors, fit_mml


def test_scores_and_errors_of_the_czech_matura_are_those_published(shared: Path) -> None:
    """IRTscore and IRTscoreSE of ShinyItemAnalysis' CZmatura are EAP of a 2PL/GPCM fit to its 30 items b1..b26, of which multiple-choice items are
    scored 0 and 2: their empty category is no category. Agreement is within .002, 1/150 of an SE: what EM runs to different tolerances differ by.
    """
    with gzip.open(shared / "data" / "czmatura.csv.gz", "rt", newline="") as file:
        people = list(csv.DictReader(file))
    items = [name for name in people[0] if name[0] == "b" and name[1:].replace(".", "").isdigit()]
    raw = np.array([[int(row[name]) for name in items] for row in people])
    matrix = np.stack([np.unique(column, return_inverse=True)[1] for column in raw.T], axis=1)
    counts = [np.bincount(column).tolist() for column in matrix.T]
    person, item = np.nonzero(matrix >= 0)
    start = [starting_rows("2pl" if len(own) == 2 else "gpcm", [own])[0] for own in counts]
    category = matrix[person, item]
    fit = fit_mml(person, item, category, start, MmlOptions(priors=Priors.parse("none"), tolerance=1e-5))
    assert fit.converged
    theta, se = expected_a_posteriori(person, item, category, fit.rows)
    np.testing.assert_allclose(theta, [float(row["IRTscore"]) for row in people], atol=0.002)
    np.testing.assert_allclose(se, [float(row["IRTscoreSE"]) for row in people], atol=0.0005)
