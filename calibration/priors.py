"""Prior densities of item parameters: what keeps an estimate within reason where answers say little.

Each prior is the density of the quantity it names, on that quantity's own scale (so that "a = lognormal" has its mode at exp(mean - sd^2), and
"log_a = normal" at exp(mean)). Defaults: a ~ lognormal(0, .5), b ~ normal(0, 2), c ~ beta(5, 17), d ~ beta(17, 5), and slopes of nominal items, which
have no a and b of this kind, ~ normal(0, 3).
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from scipy.special import expit

from calibration.curves import ASYMPTOTES
from cat_engine import Fault, Faulty
from cat_engine.irt import DICHOTOMOUS, NOMINAL, Floats

FAMILIES = ("normal", "lognormal", "beta")
QUANTITIES = ("a", "log_a", "b", "intercept", "c", "logit_c", "d", "logit_d", "slope")
COMMON_SLOPE = ("1pl", "pcm", "rsm")  # no slope of an item's own, so no prior on it
ENTRY = re.compile(r"\s*(\w+)\s*=\s*(\w+)\s*:\s*([^,=:\s]+)\s*,\s*([^,=:\s]+)\s*(?:,|$)")


@dataclass(frozen=True, slots=True)
class Prior:
    """normal(mean, sd), lognormal(mean, sd of the logarithm) or beta(alpha, beta)."""

    family: str
    first: float
    second: float

    def log_density(self, v: Floats) -> Floats:
        """Up to a constant, of the shape of v."""
        m, s = self.first, self.second
        if self.family == "normal":
            return -0.5 * ((v - m) / s) ** 2
        if self.family == "lognormal":
            u = np.log(v)
            return -u - 0.5 * ((u - m) / s) ** 2
        return np.asarray((m - 1) * np.log(v) + (s - 1) * np.log1p(-v))

    def slopes(self, v: Floats) -> tuple[Floats, Floats]:
        """The derivative of the log density, and a curvature >= 0 for scoring steps; of the shape of v each."""
        m, s = self.first, self.second
        if self.family == "normal":
            return -(v - m) / s**2, np.full_like(v, 1 / s**2)
        if self.family == "lognormal":
            return (-1 - (np.log(v) - m) / s**2) / v, 1 / (s * v) ** 2
        return (m - 1) / v - (s - 1) / (1 - v), np.maximum((m - 1) / v**2 + (s - 1) / (1 - v) ** 2, 0.0)


DEFAULTS: Mapping[str, Prior] = {
    "a": Prior("lognormal", 0.0, 0.5),
    "b": Prior("normal", 0.0, 2.0),
    "c": Prior("beta", 5.0, 17.0),
    "d": Prior("beta", 17.0, 5.0),
    "slope": Prior("normal", 0.0, 3.0),
}


@dataclass(frozen=True, slots=True)
class Priors:
    """A prior a quantity (out of QUANTITIES; "intercept" is -a b of a dichotomous item). Quantities that are not named have none."""

    by_quantity: Mapping[str, Prior] = field(default_factory=lambda: DEFAULTS)

    @classmethod
    def parse(cls, text: str) -> "Priors":
        """ "default", "none", or as in "a=lognormal:0,.5,b=normal:0,2,c=beta:5,17". Raises Faulty."""
        if text in ("default", "none"):
            return cls(DEFAULTS if text == "default" else {})
        found: dict[str, Prior] = {}
        at = 0
        while not found or at < len(text):
            entry = ENTRY.match(text, at)
            if entry is None:
                raise Faulty([Fault("priors", "", f"'{text[at:]}' cannot be read", "default, none, or as in a=lognormal:0,.5,c=beta:5,17")])
            if entry[1] in found:
                raise Faulty([Fault("priors", entry[1], "stands twice", "one prior a quantity")])
            found[entry[1]] = _prior(*entry.groups())
            at = entry.end()
        return cls(found)

    def log_density(self, model: str, x: Floats) -> Floats:
        """Log prior of items x[n, m], [n]."""
        value = np.zeros(len(x))
        for prior, _, v, _ in self._held(model, x):
            value += prior.log_density(v).sum(axis=1)
        return value

    def slopes(self, model: str, x: Floats) -> tuple[Floats, Floats]:
        """Gradient of the log prior of items x[n, m], and a diagonal curvature, [n, m] each."""
        gradient, curvature = np.zeros_like(x), np.zeros_like(x)
        for prior, at, v, slope in self._held(model, x):
            first, second = prior.slopes(v)
            gradient[:, at] += first * slope
            curvature[:, at] += second * slope**2
        return gradient, curvature

    def _held(self, model: str, x: Floats) -> Iterator[tuple[Prior, slice, Floats, Floats | float]]:
        """Each prior that items x[n, m] have: where its quantity stands in x, what it is, and its derivatives by x there."""
        n_ends = ASYMPTOTES.get(model, 0)
        a, ends = np.exp(x[:, :1]), expit(x[:, x.shape[1] - n_ends :]) if n_ends else x[:, :0]
        steps = slice(1, x.shape[1] - n_ends)
        for name, prior in self.by_quantity.items():
            if model in NOMINAL:
                if name in ("slope", "intercept"):
                    half = x.shape[1] // 2
                    at = slice(0, half) if name == "slope" else slice(half, 2 * half)
                    yield prior, at, x[:, at], 1.0
            elif name in ("a", "log_a") and model not in COMMON_SLOPE:
                yield (prior, slice(0, 1), a, a) if name == "a" else (prior, slice(0, 1), x[:, :1], 1.0)
            elif name == "b":
                yield prior, steps, x[:, steps], 1.0
            elif name == "intercept" and model in DICHOTOMOUS:
                yield prior, slice(0, 2), -a * x[:, 1:2], np.concatenate([-a * x[:, 1:2], -a], axis=1)
            elif name in ("c", "logit_c") and n_ends:
                yield prior, *_end(name, x, ends, 0)
            elif name in ("d", "logit_d") and n_ends == 2:
                yield prior, *_end(name, x, ends, 1)


def _end(name: str, x: Floats, ends: Floats, which: int) -> tuple[slice, Floats, Floats | float]:
    at = x.shape[1] - ends.shape[1] + which
    v = ends[:, which : which + 1]
    if name.startswith("logit"):
        return slice(at, at + 1), x[:, at : at + 1], 1.0
    return slice(at, at + 1), v, v * (1 - v)


def _prior(quantity: str, family: str, first: str, second: str) -> Prior:
    if quantity not in QUANTITIES:
        raise Faulty([Fault("priors", quantity, "is not a quantity with a prior", "one of " + ", ".join(QUANTITIES))])
    if family not in FAMILIES:
        raise Faulty([Fault("priors", quantity, f"'{family}' is not a family", "one of " + ", ".join(FAMILIES))])
    try:
        numbers = float(first), float(second)
    except ValueError:
        numbers = math.nan, math.nan
    if not all(map(math.isfinite, numbers)) or numbers[1] <= 0 or (family == "beta" and numbers[0] <= 0):
        remedy = "both above 0" if family == "beta" else "a mean, and an sd above 0"
        raise Faulty([Fault("priors", quantity, f"{first}, {second} are not parameters of a {family} density", remedy)])
    if (family == "lognormal" and quantity != "a") or (family == "beta" and quantity not in ("c", "d")):
        raise Faulty([Fault("priors", quantity, f"cannot be {family}", "lognormal is for a, beta for c and d")])
    return Prior(family, *numbers)


FLAT = Priors({})
