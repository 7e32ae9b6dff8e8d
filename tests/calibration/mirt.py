"""The fits of mirt 1.45.1 that several tests compare with: their models, and parameters as rows."""

from typing import Any

from cat_engine import Row
from tests.calibration.conftest import read_golden

MODELS = {
    "LSAT7_1PL": "1pl", "LSAT7_2PL": "2pl", "LSAT7_2PL_apriors": "2pl", "LSAT7_3PL": "3pl", "LSAT7_Rasch": "pcm", "Science_Rasch": "pcm",
    "Science_gpcm": "gpcm", "Science_graded": "grm", "Science_nominal": "nrm", "VerbAgg_2PL": "2pl", "VerbAgg_Rasch": "pcm", "VerbAgg_graded": "grm",
    "VerbAgg_rsm": "rsm", "sim3PL": "3pl", "simGPCM": "gpcm", "simGRM": "grm",
}  # fmt: skip


def fit_of(name: str) -> Any:
    """A fit as in the file; "fipc" is the one with fixed items."""
    return read_golden("mirt_fipc.json") if name == "fipc" else read_golden("mirt_fits.json")["fits"][name]


def rows_of(name: str) -> list[Row]:
    """The items of a fit."""
    model, rows = MODELS.get(name, "2pl"), []
    for own in fit_of(name)["items"].values():
        b = own["b"] if isinstance(own["b"], list) else [own["b"]]
        rows.append(Row(model, own.get("a", 1.0), b, own.get("c", 0.0), slopes=own.get("slopes", ())))
    return rows
