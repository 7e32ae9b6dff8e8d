"""RDIF and CATSIB written a second time from their publications, in plain Python, and what they promise: their level, and their power.

RDIF: Lim, Choe & Han (2022), J. Educ. Meas. 59, equations for 0/1 items, with P the probability of the right answer and Q = 1 - P:
    RDIF_R = mean_F (u - P) - mean_R (u - P)                        mean 0,                          variance  sum_g sum_i P Q / n_g^2
    RDIF_S = mean_F (u - P)^2 - mean_R (u - P)^2                    mean mean_F PQ - mean_R PQ,      variance  sum_g sum_i (1 - 2P)^2 P Q / n_g^2
                                                                                                     covariance  sum_g sum_i (1 - 2P) P Q / n_g^2
    RDIF_RS = (the two less their means) Sigma^-1 (the same)'       chi-square, 2 df
CATSIB: Nandakumar & Roussos (2004), J. Educ. Behav. Stat. 29: the regression of true on estimated ability in each group, intervals of equal width between the
lowest and the highest of the corrected estimates, weights by the number of both groups in an interval.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.catsib import catsib
from calibration.dif_prediction import predicted
from calibration.dif_residual import residual_dif
from cat_engine import Row


def two_sided(z: float) -> float:
    return math.erfc(abs(z) / math.sqrt(2))


def rdif(answers: list[tuple[int, float, bool]]) -> dict[str, float]:
    """Of one 0/1 item: answers (u, P, focal)."""
    sums = {}
    for group in (False, True):
        own = [(u, p) for u, p, focal in answers if focal is group]
        n = len(own)
        sums[group] = {
            "raw": sum(u - p for u, p in own) / n, "squared": sum((u - p) ** 2 for u, p in own) / n, "expected": sum(p * (1 - p) for _, p in own) / n,
            "var_r": sum(p * (1 - p) for _, p in own) / n**2, "var_s": sum((1 - 2 * p) ** 2 * p * (1 - p) for _, p in own) / n**2,
            "cov": sum((1 - 2 * p) * p * (1 - p) for _, p in own) / n**2,
        }  # fmt: skip
    reference, focal = sums[False], sums[True]
    r, s = focal["raw"] - reference["raw"], focal["squared"] - reference["squared"]
    var_r, var_s, cov = (focal[name] + reference[name] for name in ("var_r", "var_s", "cov"))
    away = s - (focal["expected"] - reference["expected"])
    determinant = var_r * var_s - cov * cov
    rs = (r * (var_s * r - cov * away) + away * (var_r * away - cov * r)) / determinant
    z_r, z_s = r / math.sqrt(var_r), away / math.sqrt(var_s)
    return {"r": r, "s": s, "z_r": z_r, "z_s": z_s, "rs": rs, "p_r": two_sided(z_r), "p_s": two_sided(z_s), "p_rs": math.exp(-rs / 2)}


def sib(answers: list[tuple[float, float, bool]]) -> dict[str, float] | None:
    """Of one item: answers (score, corrected ability, focal); None where intervals are too thin."""
    low, high = (end(theta for _, theta, _ in answers) for end in (min, max))
    total = {group: sum(focal is group for _, _, focal in answers) for group in (False, True)}
    if min(total.values()) < 3:
        return None
    for n_intervals in range(80, 9, -1):
        cells: list[dict[bool, list[float]]] = [{False: [], True: []} for _ in range(n_intervals)]
        for score, theta, focal in answers:
            cells[min(int((theta - low) / (high - low) * n_intervals), n_intervals - 1)][focal].append(score)
        kept = [cell for cell in cells if min(len(cell[False]), len(cell[True])) >= 3]
        if all(sum(len(cell[group]) for cell in kept) >= 0.925 * total[group] for group in (False, True)):
            break
    if not kept:
        return None
    everybody = sum(len(cell[False]) + len(cell[True]) for cell in kept)
    beta = variance = 0.0
    for cell in kept:
        weight = (len(cell[False]) + len(cell[True])) / everybody
        mean = {group: sum(own) / len(own) for group, own in cell.items()}
        beta += weight * (mean[True] - mean[False])
        for group, own in cell.items():
            variance += weight**2 * sum((x - mean[group]) ** 2 for x in own) / (len(own) - 1) / len(own)
    p = two_sided(beta / math.sqrt(variance)) if variance else 0.0 if beta else float("nan")
    return {"beta": beta, "se": math.sqrt(variance), "p": p}


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(1, 3), st.integers(30, 250))
def test_residual_statistics_are_those_of_the_publication(seed: int, n_items: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    item, focal, p = rng.integers(0, n_items, n), rng.random(n) < rng.uniform(0.3, 0.7), rng.uniform(0.03, 0.97, n)
    u = (rng.random(n) < p).astype(int)
    found = residual_dif(item, u, np.stack([1 - p, p], axis=1), focal, n_items)
    for i in range(n_items):
        mine = item == i
        if min(focal[mine].sum(), (~focal[mine]).sum()) < 2:
            continue
        wanted = rdif(list(zip(u[mine].tolist(), p[mine].tolist(), focal[mine].tolist(), strict=True)))
        assert {name: float(getattr(found, name)[i]) for name in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 100_000), st.integers(10, 900), st.integers(1, 3))
def test_catsib_is_that_of_the_publication(seed: int, n: int, highest: int) -> None:
    rng = np.random.default_rng(seed)
    focal = rng.random(n) < rng.uniform(0.2, 0.8)
    theta = rng.normal(size=n) - 0.4 * focal
    score = np.minimum(rng.binomial(highest, 1 / (1 + np.exp(-theta)), n), highest)
    item = rng.integers(0, 2, n)
    found = catsib(item, score, theta, focal, 2)
    for i in (0, 1):
        mine = item == i
        wanted = sib(list(zip(score[mine].tolist(), theta[mine].tolist(), focal[mine].tolist(), strict=True))) if mine.any() else None
        if wanted is None:
            assert np.isnan(found.beta[i])
        else:
            assert {name: float(getattr(found, name)[i]) for name in wanted} == pytest.approx(wanted, rel=1e-9, abs=1e-12, nan_ok=True)


FAIR, HARDER, DULLER = Row("2pl", 1.3, [0.0]), Row("2pl", 1.3, [0.8]), Row("2pl", 0.4, [0.0])


def form(draw: Callable[..., Any], seed: int, unfair: list[Row], n: int) -> tuple[Any, Any, list[Row]]:
    """Complete answers of twice n people, the focal half one sd lower, to twenty 2PL items and to some that are FAIR in the reference and `unfair` in the focal
    group; who is focal; the rows of the reference.
    """
    rng = np.random.default_rng(seed)
    rows = [Row("2pl", float(a), [float(b)]) for a, b in zip(rng.lognormal(0.1, 0.25, 20), rng.normal(-0.3, 1, 20), strict=True)]
    reference, focal = ([*rows, *more] for more in ([FAIR] * len(unfair), unfair))
    parts = [
        draw(own, rng.normal(mean, 1, n), 2 * seed + k).category.reshape(n, -1)
        for k, (own, mean) in enumerate(((reference, 0.0), (focal, -1.0)))
    ]
    return np.concatenate(parts), np.repeat([False, True], n), reference


def by_answers(scores: Any, focal: Any, rows: list[Row]) -> tuple[Any, Any]:
    """RDIF and CATSIB of all items, matched by the twenty fair ones."""
    person, item = np.nonzero(scores >= 0)
    x, inside = scores[person, item], focal[person]
    guess = predicted(person, item, x, rows, focal, np.arange(len(rows)) < 20)
    return residual_dif(item, x, guess.p, inside, len(rows)), catsib(item, x, guess.theta, inside, len(rows))


def test_the_level_is_kept_between_groups_one_sd_apart_and_what_is_unfair_is_found(draw: Callable[..., Any]) -> None:
    """25 samples of twice 400 people. Of 500 fair items .05 are flagged within three standard errors of that share (.029); S is made for what discriminates
    otherwise, R and CATSIB for what is harder, RS for both.
    """
    flagged: dict[str, list[Any]] = {name: [] for name in ("r", "s", "rs", "catsib")}
    for seed in range(25):
        residual, own = by_answers(*form(draw, 700 + seed, [HARDER, DULLER], 400))
        for name, p in (("r", residual.p_r), ("s", residual.p_s), ("rs", residual.p_rs), ("catsib", own.p)):
            flagged[name].append(p < 0.05)
    level = {name: float(np.mean([p[:20] for p in own])) for name, own in flagged.items()}
    assert all(abs(share - 0.05) < 0.029 for share in level.values()), level
    harder, duller = ({name: float(np.mean([p[i] for p in own])) for name, own in flagged.items()} for i in (20, 21))
    assert min(harder["r"], harder["rs"], harder["catsib"]) > 0.9, harder
    assert min(duller["s"], duller["rs"]) > 0.9, duller
    assert duller["catsib"] < duller["s"] - 0.3, duller


@pytest.mark.parametrize("other", [FAIR, HARDER], ids=["fair", "harder"])
def test_beta_is_that_by_the_regression_correction_of_the_publication(draw: Callable[..., Any], other: Row) -> None:
    """An item that is given beside a form, to twice 4,000 people. Abilities by maximum likelihood, drawn to their group's mean by their reliability, make nearly
    the beta that expected abilities make (within its standard error, .012); uncorrected they would be off by four of them in favour of the abler group.
    """
    scores, focal, rows = form(draw, 811, [other], 4000)
    a, b = np.array([row.a for row in rows[:20]]), np.array([row.b[0] for row in rows[:20]])
    nodes = np.linspace(-4, 4, 801)
    p = 1 / (1 + np.exp(-a * (nodes[:, None] - b)))
    best = (scores[:, :20] @ np.log(p).T + (1 - scores[:, :20]) @ np.log1p(-p).T).argmax(axis=1)
    estimated, error = nodes[best], 1 / (a**2 * p * (1 - p)).sum(axis=1)[best]
    corrected = np.empty(len(estimated))
    for group in (False, True):
        own = estimated[focal == group]
        corrected[focal == group] = own.mean() + (1 - error[focal == group].mean() / own.var()) * (own - own.mean())
    theirs, raw = (sib(list(zip(scores[:, 20].tolist(), theta.tolist(), focal.tolist(), strict=True))) for theta in (corrected, estimated))
    assert theirs is not None
    assert raw is not None
    ours = by_answers(scores, focal, rows)[1]
    assert float(ours.beta[20]) == pytest.approx(theirs["beta"], abs=0.012)
    assert float(ours.se[20]) == pytest.approx(theirs["se"], rel=0.1)
    assert raw["beta"] < ours.beta[20] - 0.03
