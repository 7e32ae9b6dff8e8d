"""How well answers fit the curves that were estimated from them."""

import numpy as np

from calibration.mml import MmlFit
from cat_engine import ItemParams, probabilities
from cat_engine.irt import Floats


def rmsd(fit: MmlFit) -> Floats:
    """Root mean squared deviation of observed from expected item score, weighted by the ability of those who answered, per scale point
    (as used in PISA; Tijmstra et al., 2020), [I]. Made for routed data: both curves are of the people who met the item.
    """
    params = ItemParams.from_rows([row._replace(scale=0) for row in fit.rows])
    p = np.moveaxis(probabilities(params, fit.nodes), 0, -1)
    k = np.arange(p.shape[1])[None, :, None]
    total = fit.expected.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        observed = np.where(total > 0, (fit.expected * k).sum(axis=1) / total, 0.0)
    gap = (observed - (p * k).sum(axis=1)) / (params.n_cat - 1)[:, None]
    return np.asarray(np.sqrt((total * gap**2).sum(axis=1) / total.sum(axis=1)))
