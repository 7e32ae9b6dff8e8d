"""Prior densities: their gradients, what the default says, and what cannot be read."""

import numpy as np
import pytest
from scipy import stats
from scipy.special import logit

from calibration.curves import pack
from calibration.priors import DEFAULTS, Prior, Priors
from cat_engine import Faulty, Row

ROWS = [
    Row("2pl", 1.3, [0.4]), Row("3pl", 0.8, [-1.1], 0.2), Row("4pl", 1.1, [0.2], 0.1, 0.9), Row("grm", 1.7, [-1.0, 0.2, 1.0]),
    Row("nrm", 1.0, [0.4, -1.2], slopes=[0.8, -0.3]),
]  # fmt: skip
TEXTS = [
    "default",
    "log_a=normal:.1,.4",
    "intercept=normal:0,2",
    "logit_c=normal:-1.4,.5,logit_d=normal:2,1",
    "b=normal:.5,1,a=lognormal:0,.3",
    "slope=normal:.5,1,intercept=normal:0,2",
]


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.model)
def test_gradients_are_the_derivatives_of_the_density(text: str, row: Row) -> None:
    priors, x, h = Priors.parse(text), pack(row)[None], 1e-6
    gradient, curvature = priors.slopes(row.model, x)
    for m in range(x.shape[1]):
        step = h * (np.arange(x.shape[1]) == m)
        slope = (priors.log_density(row.model, x + step) - priors.log_density(row.model, x - step)) / (2 * h)
        assert gradient[0, m] == pytest.approx(slope[0], abs=1e-6)
    assert np.all(curvature >= 0)


def test_values_are_the_densities_of_scipy_up_to_a_constant() -> None:
    def difference(prior: Prior) -> float:
        low, high = prior.log_density(np.array([0.2, 0.45]))
        return float(high - low)

    assert difference(Prior("normal", 0.3, 2)) == pytest.approx(np.diff(stats.norm(0.3, 2).logpdf([0.2, 0.45]))[0])
    assert difference(Prior("lognormal", 0.1, 0.5)) == pytest.approx(np.diff(stats.lognorm(0.5, scale=np.exp(0.1)).logpdf([0.2, 0.45]))[0])
    assert difference(Prior("beta", 5, 17)) == pytest.approx(np.diff(stats.beta(5, 17).logpdf([0.2, 0.45]))[0])


def test_a_text_names_a_prior_a_quantity_and_none_means_none() -> None:
    assert Priors.parse("default").by_quantity == DEFAULTS
    assert Priors.parse("none").by_quantity == {}
    parsed = Priors.parse("a = lognormal:0,.5, c=beta:5,17").by_quantity
    assert parsed == {"a": Prior("lognormal", 0.0, 0.5), "c": Prior("beta", 5.0, 17.0)}
    value = Priors.parse("logit_c=normal:-1.4,.5").log_density("3pl", pack(ROWS[1])[None])
    assert value[0] == pytest.approx(-0.5 * ((logit(0.2) + 1.4) / 0.5) ** 2)


def test_an_item_without_a_slope_of_its_own_has_no_prior_on_it() -> None:
    for model in ("1pl", "pcm", "rsm"):
        assert Priors.parse("a=lognormal:0,.5").log_density(model, pack(Row(model, 2.0, [0.3]))[None])[0] == 0


def test_slopes_and_intercepts_of_nominal_items_have_priors_of_their_own() -> None:
    x = pack(ROWS[-1])[None]
    assert Priors.parse("a=lognormal:0,.5,b=normal:0,2").log_density("nrm", x)[0] == 0
    assert Priors.parse("slope=normal:0,3").log_density("nrm", x)[0] == pytest.approx(-0.5 * (0.8**2 + 0.3**2) / 9)
    assert Priors.parse("intercept=normal:0,3").log_density("nrm", x)[0] == pytest.approx(-0.5 * (0.4**2 + 1.2**2) / 9)
    assert Priors.parse("slope=normal:0,3").log_density("2pl", pack(ROWS[0])[None])[0] == 0


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a", "'a' cannot be read"),
        ("a=lognormal:0,.5;b=normal:0,2", "cannot be read"),
        ("guess=beta:5,17", "guess: is not a quantity with a prior"),
        ("a=gamma:1,2", "'gamma' is not a family"),
        ("b=normal:0,-1", "0, -1 are not parameters of a normal density"),
        ("b=normal:0,nan", "not parameters"),
        ("c=beta:0,17", "not parameters"),
        ("b=lognormal:0,1", "b: cannot be lognormal"),
        ("a=beta:2,2", "a: cannot be beta"),
        ("", "cannot be read"),
        ("a=lognormal:0,.5,a=lognormal:0,1", "a: stands twice"),
    ],
)
def test_what_cannot_be_a_prior_is_refused_with_the_reason(text: str, message: str) -> None:
    with pytest.raises(Faulty, match=message):
        Priors.parse(text)
