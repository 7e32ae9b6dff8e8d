"""Marginal maximum likelihood: recovery on routed data, invariances, groups, shapes of ability, ties, bounds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit

from calibration.curves import A_BOUNDS, starting_rows
from calibration.estimate import Demands, estimate
from calibration.mml import FIPC, FLAT, MmlOptions, Priors, fit_mml
from calibration.responses import ResponseLog
from cat_engine import Row
from itembank.bank import Bank

Draw = Callable[..., Any]


def rows_2pl(n: int, seed: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    return [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.25, n), rng.normal(0, 1, n), strict=True)]


def test_parameters_are_recovered_from_adaptively_routed_answers(routed: tuple[Bank, ResponseLog]) -> None:
    bank, log = routed
    counts = [np.bincount(log.category[log.item == i], minlength=2).tolist() for i in range(len(bank))]
    fit = fit_mml(log.person, log.item, log.category, starting_rows("2pl", counts), MmlOptions())
    enough = np.array([sum(own) >= 300 for own in counts])
    assert enough.sum() >= 40
    a, b = (np.array([getattr(fit.rows[i], name) for i in range(len(bank))]).reshape(len(bank)) for name in ("a", "b"))
    error_a, error_b = a - bank.params.a, b - bank.params.b[:, 0]
    assert np.sqrt((error_b[enough] ** 2).mean()) < 0.15
    assert np.sqrt((error_a[enough] ** 2).mean()) < 0.2
    assert np.corrcoef(b[enough], bank.params.b[enough, 0])[0, 1] > 0.99
    # What starts from proportions correct cannot see difficulty here: routing holds them near a half.
    proportion = np.array([own[1] / max(1, sum(own)) for own in counts])
    assert abs(np.corrcoef(-proportion[enough], bank.params.b[enough, 0])[0, 1]) < 0.7


@pytest.mark.parametrize(
    ("row", "largest"),
    [
        (Row("1pl", 1.3, [0.0]), 0.1),
        (Row("2pl", 1.3, [0.0]), 0.12),
        (Row("3pl", 1.5, [0.0], 0.2), 0.35),
        (Row("4pl", 1.8, [0.0], 0.15, 0.92), 0.4),
        (Row("grm", 1.2, [-1.0, 0.0, 1.0]), 0.12),
        (Row("gpcm", 1.0, [-0.7, 0.1, 0.9]), 0.15),
        (Row("pcm", 1.0, [-0.7, 0.1, 0.9]), 0.12),
        (Row("mgrm", 1.2, [-1.0, 0.0, 1.0]), 0.08),
        (Row("rsm", 1.0, [-0.7, 0.1, 0.9]), 0.08),
        (Row("nrm", 1.0, [0.6, 0.3], slopes=[-0.8, 1.4]), 0.15),
    ],
    ids=lambda value: value.model if isinstance(value, Row) else "",
)
def test_every_model_recovers_the_items_that_made_the_answers(draw: Draw, row: Row, largest: float) -> None:
    shifts = np.linspace(-1.2, 1.2, 12)
    rows = [row._replace(b=[b + shift for b in row.b]) for shift in shifts]
    fit = draw(rows, np.random.default_rng(8).normal(size=4000), 9).fit(row.model, "default", 1e-4)
    assert fit.converged
    gaps = np.array([b - true for own, mine in zip(fit.rows, rows, strict=True) for b, true in zip(own.b, mine.b, strict=True)])
    assert np.sqrt((gaps**2).mean()) < largest
    if row.model == "1pl":
        assert len({own.a for own in fit.rows}) == 1
    if row.model in ("pcm", "rsm"):
        assert {own.a for own in fit.rows} == {1.0}
        assert fit.sd == pytest.approx(1.0, abs=0.06)
    if row.model == "nrm":
        turned = 1 if fit.rows[0].slopes[1] > 0 else -1  # nothing in nominal answers says which end of ability is the high one
        errors = [np.subtract(np.multiply(turned, own.slopes), row.slopes) for own in fit.rows]
        assert np.sqrt(np.mean(np.square(errors))) < 0.15


def test_formats_are_mixed_in_one_run(draw: Draw) -> None:
    rows = [*rows_2pl(6, 1), *(Row("grm", 1.3, [-0.8 + s, 0.4 + s]) for s in (-0.5, 0, 0.5)), Row("gpcm", 0.9, [-0.5, 0.1, 0.8])]
    data = draw(rows, np.random.default_rng(2).normal(size=3000), 3)
    start = [starting_rows(row.model, [own])[0] for row, own in zip(rows, data.counts, strict=True)]
    fit = fit_mml(data.person, data.item, data.category, start)
    assert [row.model for row in fit.rows] == [row.model for row in rows]
    gaps = [b - true for own, mine in zip(fit.rows, rows, strict=True) for b, true in zip(own.b, mine.b, strict=True)]
    assert np.sqrt(np.mean(np.square(gaps))) < 0.12


def test_a_person_and_item_order_changes_nothing(draw: Draw) -> None:
    data = draw(rows_2pl(8, 5), np.random.default_rng(6).normal(size=500), 7)
    fit = data.fit("2pl")
    rng = np.random.default_rng(0)
    people, items, answers = rng.permutation(500), rng.permutation(8), rng.permutation(len(data.person))
    start = starting_rows("2pl", [data.counts[i] for i in np.argsort(items)])
    other = fit_mml(
        people[data.person][answers], items[data.item][answers], data.category[answers], start, MmlOptions(priors=FLAT, tolerance=1e-6)
    )
    assert other.loglik == pytest.approx(fit.loglik, abs=1e-6)
    np.testing.assert_allclose([other.rows[items[i]].b[0] for i in range(8)], [row.b[0] for row in fit.rows], atol=1e-4)


def test_the_start_does_not_decide_where_it_ends(draw: Draw) -> None:
    data = draw(rows_2pl(10, 15), np.random.default_rng(16).normal(size=1500), 17)
    near, far = (
        fit_mml(data.person, data.item, data.category, [Row("2pl", a, [b])] * 10, MmlOptions(priors=FLAT, tolerance=1e-7))
        for a, b in ((1.0, 0.0), (3.0, 2.0))
    )
    assert near.loglik == pytest.approx(far.loglik, abs=1e-5)
    np.testing.assert_allclose([row.b[0] for row in near.rows], [row.b[0] for row in far.rows], atol=1e-3)


def test_more_cycles_never_end_lower_than_a_plain_em_step_would(draw: Draw) -> None:
    data = draw([Row("3pl", 1.4, [b], 0.2) for b in np.linspace(-1, 1, 8)], np.random.default_rng(21).normal(size=600), 22)
    start = starting_rows("3pl", data.counts)
    reached = [
        fit_mml(data.person, data.item, data.category, start, MmlOptions(priors=FLAT, tolerance=1e-9, max_cycles=n)).loglik
        for n in (1, 10, 40, 160)
    ]
    assert reached == sorted(reached)


def test_a_run_that_is_cut_short_says_so(draw: Draw) -> None:
    fit = draw(rows_2pl(6, 3), np.random.default_rng(3).normal(size=300), 4).fit("2pl", tolerance=1e-12, max_cycles=4)
    assert not fit.converged


def test_groups_get_their_own_mean_and_sd(draw: Draw) -> None:
    rng = np.random.default_rng(31)
    group = np.repeat([0, 1, 2], 1500)
    theta = np.array([0.0, 0.6, -0.5])[group] + np.array([1.0, 1.3, 0.8])[group] * rng.normal(size=4500)
    data = draw(rows_2pl(25, 32), theta, 33)
    fit = fit_mml(data.person, data.item, data.category, starting_rows("2pl", data.counts), MmlOptions(priors=FLAT), group=group)
    assert (fit.means[0], fit.sds[0]) == (0.0, 1.0)
    np.testing.assert_allclose(fit.means, [0, 0.6, -0.5], atol=0.12)
    np.testing.assert_allclose(fit.sds, [1, 1.3, 0.8], atol=0.12)


def test_an_empirical_histogram_follows_a_skewed_ability_and_is_standardised(draw: Draw) -> None:
    rng = np.random.default_rng(41)
    theta = np.where(rng.random(4000) < 0.8, rng.normal(-0.5, 0.5, 4000), rng.normal(2.0, 0.5, 4000))
    rows = [Row("2pl", 1.8, [b]) for b in np.linspace(-2, 3, 25)]
    data = draw(rows, theta, 42)
    normal, shaped = (data.fit("2pl", tolerance=1e-3, density=density) for density in ("normal", "histogram"))
    assert shaped.loglik > normal.loglik + 20
    assert [shaped.mean, shaped.sd] == pytest.approx([0, 1], abs=1e-9)
    assert shaped.weights[0] @ shaped.nodes**3 > 0.5
    scale = theta.std()
    error = [
        np.std([own.b[0] * scale + theta.mean() - true.b[0] for own, true in zip(fit.rows, rows, strict=True)]) for fit in (normal, shaped)
    ]
    assert error[1] < error[0]


def test_rating_scale_items_share_their_step_distances(draw: Draw) -> None:
    rows = [Row("pcm", 1.0, [location - 0.7, location + 0.2, location + 0.5]) for location in (-0.8, 0.0, 0.6, 1.0)]
    fit = draw(rows, np.random.default_rng(51).normal(size=3000), 52).fit("rsm")
    distances = np.array([np.diff(row.b) for row in fit.rows])
    np.testing.assert_allclose(distances, np.broadcast_to(distances[0], distances.shape), atol=1e-9)
    np.testing.assert_allclose(distances[0], [0.9, 0.3], atol=0.15)
    assert fit.n_free == 4 + 2 + 1


def test_modified_graded_items_share_their_distances_and_keep_their_slopes(draw: Draw) -> None:
    rows = [Row("mgrm", a, [b - 0.9, b + 0.2, b + 0.7]) for a, b in ((0.8, -0.8), (1.2, 0.0), (1.5, 0.6), (2.0, 1.0))]
    data = draw(rows, np.random.default_rng(53).normal(size=3000), 54)
    fit, free = data.fit("mgrm"), data.fit("grm")
    distances = np.array([np.diff(row.b) for row in fit.rows])
    np.testing.assert_allclose(distances, np.broadcast_to(distances[0], distances.shape), atol=1e-9)
    np.testing.assert_allclose(distances[0], [1.1, 0.5], atol=0.1)
    np.testing.assert_allclose([row.a for row in fit.rows], [row.a for row in rows], atol=0.2)
    assert fit.n_free == 4 + 2 + 4
    assert fit.converged
    # The graded model has 6 parameters more: where the common distances are true, twice the gain is a chi-square of 6 (99.9 % below 22.5).
    assert 0 < 2 * (free.loglik - fit.loglik) < 22.5


def test_the_modified_graded_estimate_is_the_maximum_that_a_general_optimiser_finds(draw: Draw) -> None:
    rows = [Row("mgrm", a, [b - 0.7, b + 0.7]) for a, b in ((0.8, -0.6), (1.6, 0.1), (1.2, 0.8))]
    data = draw(rows, np.random.default_rng(57).normal(size=1500), 58)
    fit = data.fit("mgrm")
    nodes = np.linspace(-6, 6, 61)
    weights = np.exp(-0.5 * nodes**2) / np.exp(-0.5 * nodes**2).sum()
    patterns, times = np.unique(data.category.reshape(-1, 3), axis=0, return_counts=True)

    def minus_loglik(x: np.ndarray) -> float:  # a[3], b[3], half the distance; written out from Muraki (1990)
        joint = np.tile(weights, (len(patterns), 1))
        for i in range(3):
            reached = [np.ones(61), *(expit(x[i] * (nodes - x[3 + i] - sign * x[6])) for sign in (-1, 1)), np.zeros(61)]
            joint *= np.array([reached[k] - reached[k + 1] for k in range(3)])[patterns[:, i]]
        return float(-times @ np.log(joint.sum(axis=1)))

    found = minimize(minus_loglik, [1, 1, 1, 0, 0, 0, 1], method="BFGS", options={"gtol": 1e-4})
    assert fit.loglik == pytest.approx(-found.fun, abs=1e-5)
    wanted = [(a, b - found.x[6], b + found.x[6]) for a, b in zip(found.x[:3], found.x[3:6], strict=True)]
    np.testing.assert_allclose([(row.a, *row.b) for row in fit.rows], wanted, atol=1e-3)


def test_partial_credit_is_within_the_nominal_model_and_categories_out_of_order_are_not_within_it(draw: Draw) -> None:
    rng = np.random.default_rng(55)
    ordered = [Row("gpcm", 1.1, [b - 0.6, b + 0.6]) for b in np.linspace(-1, 1, 6)]
    swapped = [Row("nrm", 1.0, [0.4, 0.2], slopes=[1.8, 0.7])] * 3  # of the able most choose category 1
    data = draw([*ordered, *swapped], rng.normal(size=2000), 56)
    nominal, credit = data.fit("nrm"), data.fit("gpcm")
    assert nominal.n_free == 9 * 4
    assert nominal.loglik > credit.loglik + 50
    for own, true in zip(nominal.rows[:6], ordered, strict=True):  # equal steps of slope, by 3 standard errors
        assert own.slopes[1] == pytest.approx(2 * own.slopes[0], abs=0.6)
        assert -own.b[1] / own.slopes[1] == pytest.approx(np.mean(true.b), abs=0.15)
    for own in nominal.rows[6:]:
        np.testing.assert_allclose(own.slopes, [1.8, 0.7], atol=0.4)


def test_fixed_items_keep_their_parameters_and_free_the_scale(draw: Draw) -> None:
    rows = rows_2pl(20, 61)
    data = draw(rows, np.random.default_rng(62).normal(0.7, 1.3, 3000), 63)
    fixed = np.arange(20) < 12
    start = [row if held else Row("2pl", 1.0, [0.0]) for row, held in zip(rows, fixed, strict=True)]
    fit = fit_mml(data.person, data.item, data.category, start, MmlOptions(priors=FLAT), fixed)
    assert fit.rows[:12] == tuple(rows[:12])
    assert [fit.mean, fit.sd] == pytest.approx([0.7, 1.3], abs=0.08)
    np.testing.assert_allclose([row.b[0] for row in fit.rows[12:]], [row.b[0] for row in rows[12:]], atol=0.2)


def test_an_item_that_everybody_solves_stops_at_its_bound_without_a_warning(draw: Draw) -> None:
    data = draw([*rows_2pl(6, 71), Row("2pl", 1.0, [-30.0])], np.random.default_rng(72).normal(size=400), 73)
    fit = fit_mml(data.person, data.item, data.category, [Row("2pl", 1.0, [0.0])] * 7, MmlOptions(priors=FLAT, max_cycles=300))
    assert fit.rows[6].b[0] < -4 or fit.rows[6].a <= A_BOUNDS[0] * 1.01
    assert np.isfinite(fit.loglik)


def test_columns_that_do_not_fit_and_unknown_densities_are_refused() -> None:
    one = np.zeros(1, dtype=int)
    with pytest.raises(ValueError, match="do not fit"):
        fit_mml(one, one + 1, one, [Row("2pl", 1.0, [0.0])])
    with pytest.raises(ValueError, match="do not fit"):
        fit_mml(one[:0], one[:0], one[:0], [Row("2pl", 1.0, [0.0])])
    with pytest.raises(ValueError, match="nobody is in group 1 of 3"):
        fit_mml(np.arange(4), np.zeros(4, dtype=int), np.arange(4) % 2, [Row("2pl", 1.0, [0.0])], group=np.array([0, 0, 2, 2]))
    with pytest.raises(ValueError, match="'beta' is not one of normal, histogram"):
        fit_mml(one, one, one, [Row("2pl", 1.0, [0.0])], MmlOptions(density="beta"))


def test_priors_pull_an_item_with_few_answers_and_leave_one_with_many(draw: Draw) -> None:
    data = draw(rows_2pl(10, 81), np.random.default_rng(82).normal(size=2000), 83)
    rare = (data.item != 9) | (data.person < 25)
    fits = [
        fit_mml(
            data.person[rare], data.item[rare], data.category[rare], [Row("2pl", 1.0, [0.0])] * 10, MmlOptions(priors=Priors.parse(text))
        )
        for text in ("none", "a=lognormal:0,.1")
    ]
    moved = [abs(fits[0].rows[i].a - fits[1].rows[i].a) for i in (0, 9)]
    assert abs(fits[1].rows[9].a - 1) < 0.1
    assert moved[0] < 0.2


@pytest.mark.slow
@pytest.mark.parametrize(("mean", "sd"), [(0.0, 1.0), (0.5, 1.2), (1.0, 1.4)])
def test_of_the_variants_of_fixed_parameter_calibration_only_many_updates_recover_every_group(draw: Draw, mean: float, sd: float) -> None:
    """40 anchors, 20 new items, 2,000 people (the design of Kim, 2006): mean errors of a and b, of MWU-MEM over 100 samples, of the others over 20."""
    errors: dict[str, list[tuple[float, float]]] = {variant: [] for variant in FIPC}
    latent = []
    for seed in range(100):
        rng = np.random.default_rng(1000 + seed)
        rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0, 0.3, 60), rng.normal(size=60), strict=True)]
        data = draw(rows, rng.normal(mean, sd, 2000), seed)
        fixed = np.arange(60) < 40
        start = [row if held else Row("2pl", 1.0, [0.0]) for row, held in zip(rows, fixed, strict=True)]
        for variant, found in errors.items():
            if seed >= 20 and variant != "mwu-mem":
                continue
            fit = fit_mml(data.person, data.item, data.category, start, MmlOptions(priors=FLAT, fipc=variant), fixed)
            gaps = [(own.a - true.a, own.b[0] - true.b[0]) for own, true in zip(fit.rows[40:], rows[40:], strict=True)]
            found.append(tuple(np.mean(gaps, axis=0)))
            if variant == "mwu-mem":
                latent.append((fit.mean, fit.sd))
    mean_errors = {variant: np.mean(found, axis=0) for variant, found in errors.items()}
    assert np.all(np.abs(mean_errors["mwu-mem"]) < 0.02), mean_errors
    np.testing.assert_allclose(np.mean(latent, axis=0), [mean, sd], atol=0.03)
    # One cycle on the posteriors of the anchors, which are wider than those of all items, draws slopes down; an old density draws b towards it.
    assert mean_errors["nwu-oem"][0] < -0.02
    if mean == 1.0:
        assert mean_errors["nwu-oem"][1] < -0.1
        assert mean_errors["nwu-mem"][0] > 0.05


def test_an_asymptote_that_ran_into_its_bound_is_flagged() -> None:
    rng = np.random.default_rng(3)
    theta, b = rng.normal(size=1500), np.linspace(-1.5, 1.5, 8)
    right = rng.random((1500, 8)) < expit(1.5 * (theta[:, None] - b))  # nobody guesses
    person, item = (at.ravel() for at in np.indices(right.shape))
    demands = Demands(max_se=9.0, mml=MmlOptions(FLAT), se="none")
    rows = [Row("3pl", 1.0, [0.0], 0.2)] * 8
    found = estimate(person, item, right.ravel().astype(int), rows, demands, np.zeros(8, dtype=bool))
    assert found.run is not None
    lowest = np.array([row.c for row in found.run.fit.rows]) < 1.1e-4
    assert lowest.any()
    assert not lowest.all()
    assert [("at_bound" in flags) for flags in found.flags] == lowest.tolist()
