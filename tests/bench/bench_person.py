"""Person fit and test security: how often honest people, pairs and items are flagged, how often cheats are, and what a real exam's flagged people look like.

python -m tests.bench person       (the exam: CACT_SHARED names a folder with data/credential_form1_full.csv.gz)
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from calibration.personfit import met, pattern_fit
from calibration.personfit_simulated import null_of_test, p_by_own_items, statistics
from calibration.personfit_times import ItemSpeeds, time_fit
from calibration.responses import ResponseLog
from calibration.security import People
from calibration.security_items import Leak, foretell, watch
from calibration.security_pairs import rooms, similar_pairs
from calibration.security_preknowledge import preknowledge
from cat_engine.irt import Floats
from cat_engine.timing import Speeds
from itembank.bank import Bank
from tests.calibration.exam import Exam, figures
from tests.calibration.sitters import adaptive, adaptive_plan, bank_of_rows, form, items, known, scorer_of, timed, times_of

Line = tuple[str, float, str]
N, ROOM, LEVEL = 2000, 40, 0.05
FORMS = (("2pl", 40), ("3pl", 40), ("grm", 20), ("gpcm", 20))
ROUTED = (("2pl", 300, 1, 30), ("3pl", 300, 1, 30), ("gpcm", 120, 5, 8))  # items in all, competencies, items each


def run() -> list[Line]:
    """Every figure, in the order of docs/security.md."""
    return [*nulls(), *power(), *leaks(), *copying(), *real()]


def nulls() -> Iterator[Line]:
    """Where nobody cheats."""
    rng = np.random.default_rng(1)
    for model, n in FORMS:
        bank = bank_of_rows(items(model, n, 2))
        log = timed(form(bank, rng.normal(size=(N, 1)), 3), times_of(bank, 4), 5)
        name = f"null, form of {n} {model}"
        for method in ("eap", "wle"):
            yield f"{name}: lz* normal, {method}", _lz_star(log, bank, method), ""
        p = [p_by_own_items(replace(scorer_of(log, bank), sittings=part), 199, 1) for part in scorer_of(log, bank).sittings.blocks()]
        yield f"{name}: lz* own items", _rate(np.concatenate([one.lz_star for one in p])), ""
        yield f"{name}: CUSUM own items", _rate(np.concatenate([one.cusum for one in p])), ""
        yield from _security(name, log, bank)
    for model, n, scales, each in ROUTED:
        bank = bank_of_rows(items(model, n, 6, scales))
        log = timed(adaptive(bank, rng.normal(size=(N, scales)), each, 7), times_of(bank, 4), 5)
        name = f"null, adaptive, {each * scales} {model}"
        scorer = scorer_of(log, bank)
        own = statistics(scorer, scorer.sittings.category)
        p_test = null_of_test(scorer, *adaptive_plan(bank, each), 8).p(*own)
        yield f"{name}: lz* normal, eap", _lz_star(log, bank, "eap"), ""
        p_own = [p_by_own_items(replace(scorer, sittings=part), 99, 1) for part in scorer.sittings.blocks()]
        yield f"{name}: lz* own items", _rate(np.concatenate([one.lz_star for one in p_own])), ""
        yield f"{name}: CUSUM own items", _rate(np.concatenate([one.cusum for one in p_own])), ""
        yield f"{name}: lz* own test", _rate(p_test.lz_star), ""
        yield f"{name}: CUSUM own test", _rate(p_test.cusum), ""
        yield from _security(name, log, bank)


def _rate(p: Floats) -> float:
    return float((p[~np.isnan(p)] <= LEVEL + 1e-9).mean())


def _lz_star(log: ResponseLog, bank: Bank, method: str) -> float:
    scorer = scorer_of(log, bank, method)
    return _rate(pattern_fit(scorer.sittings, met(scorer.sittings, scorer.sittings.category, scorer.score(scorer.sittings.category)[0])).p)


def _security(name: str, log: ResponseLog, bank: Bank) -> Iterator[Line]:
    scorer, times = scorer_of(log, bank), times_of(bank, 4)
    sittings, speeds = scorer.sittings, ItemSpeeds(times.alpha, times.beta)
    yield f"{name}: times", _rate(time_fit(sittings, speeds, speeds.thresholds()).p), ""
    found = list(rooms(scorer, [f"r{k // ROOM}" for k in range(N)]))
    blocks = [room.agreement(slice(None)) for room in found]
    omega = np.concatenate([b.omega[(b.common >= 10) & ~np.eye(len(b.omega), dtype=bool)] for b in blocks])
    yield f"{name}: omega above 1.645", float((omega > 1.645).mean()), ""
    yield f"{name}: pairs named", float(sum(pair.p_adjusted <= LEVEL for pair in similar_pairs(found)[0])), ""
    told = foretell(scorer, speeds, Speeds(0.0, 0.25))
    watched = watch(sittings, told, People(("",) * N, ("",) * N, np.arange(N)), Leak())
    yield f"{name}: item CUSUM, single items", _rate(np.array([one.p for one in watched])), ""
    yield f"{name}: items named", float(sum(one.p_adjusted <= LEVEL for one in watched)), ""
    at = met(sittings, sittings.category, scorer.score(sittings.category)[0])
    pre = preknowledge(sittings, at, speeds, np.random.default_rng(9).random(len(bank)) < 0.3)
    yield f"{name}: preknowledge", _rate(pre.p), ""
    yield f"{name}: people named for preknowledge", float((pre.p_adjusted <= LEVEL).sum()), ""


def power() -> Iterator[Line]:
    """One person in ten knew 30 % of a form of 40 2PL items (solved with .95, in half the time), or gave up after half of it."""
    bank = bank_of_rows(items("2pl", 40, 10))
    log = timed(form(bank, np.random.default_rng(11).normal(size=(1000, 1)), 12), times_of(bank, 4), 13)
    who, which = np.arange(1000) < 100, np.random.default_rng(14).random(40) < 0.3
    gives_up = who[log.person] & (log.item >= 20)
    guesses = np.where(gives_up, np.random.default_rng(15).random(len(log)) < 0.25, log.category)
    quits = replace(log, category=guesses, rt_ms=np.where(gives_up, 2000, log.rt_ms))
    for name, changed in (("knew 30 %", known(log, bank, who, which, 16)), ("gave up half-way", quits)):
        scorer, times = scorer_of(changed, bank), times_of(bank, 4)
        sittings, speeds = scorer.sittings, ItemSpeeds(times.alpha, times.beta)
        simulated = [p_by_own_items(replace(scorer, sittings=part), 199, 1) for part in sittings.blocks()]
        fit = time_fit(sittings, speeds, speeds.thresholds())
        at = met(sittings, sittings.category, scorer.score(sittings.category)[0])
        pre = preknowledge(sittings, at, speeds, which)
        tests = {
            "lz*": np.concatenate([one.lz_star for one in simulated]), "CUSUM": np.concatenate([one.cusum for one in simulated]), "times": fit.p,
            "preknowledge, answers": preknowledge(sittings, at, ItemSpeeds.unknown(40), which).p, "preknowledge, both": pre.p,
            "preknowledge, named (Holm)": pre.p_adjusted, "effort below .9": np.where(fit.effort < 0.9, 0.0, 1.0),
        }  # fmt: skip
        for test, p in tests.items():
            yield f"power, {name}: {test}", _rate(p[who]), ""


def leaks() -> Iterator[Line]:
    """Six of the twelve items most used of an adaptive test get out after half of 2,000 people; a share of the rest knows them."""
    bank = bank_of_rows(items("gpcm", 60, 17))
    times = times_of(bank, 4)
    log = timed(adaptive(bank, np.random.default_rng(18).normal(size=(N, 1)), 12, 19), times, 20)
    out = np.isin(np.arange(60), np.argsort(-np.bincount(log.item, minlength=60))[:12:2])
    for share in (0.1, 0.2, 0.4):
        late = (np.arange(N) >= N // 2) & (np.random.default_rng(21).random(N) < share)
        scorer = scorer_of(known(log, bank, late, out, 22), bank)
        told = foretell(scorer, ItemSpeeds(times.alpha, times.beta), Speeds(0.0, 0.25))
        people = People(("",) * N, tuple(str(k) for k in range(N)), np.arange(N))
        watched = watch(scorer.sittings, told, people, Leak())
        hits = [one for one in watched if out[one.item] and one.p_adjusted <= LEVEL]
        yield f"leak known to {share:.0%}: of {out.sum()} items found", float(len(hits)), ""
        yield f"leak known to {share:.0%}: others named", float(sum(one.p_adjusted <= LEVEL for one in watched) - len(hits)), ""
        if hits:
            yield f"leak known to {share:.0%}: people later, median", float(np.median([int(one.alarm) - N // 2 for one in hits])), ""


def copying() -> Iterator[Line]:
    """In each of 25 rooms of 40, one person copies a share of a neighbour's answers."""
    for model, n in (("2pl", 40), ("gpcm", 40), ("gpcm", 86)):
        bank = bank_of_rows(items(model, n, 23))
        log = form(bank, np.random.default_rng(24).normal(size=(1000, 1)), 25)
        for share in (0.25, 0.5):
            matrix = log.matrix()
            rng = np.random.default_rng(26)
            for room in range(25):
                at = rng.permutation(n)[: int(share * n)]
                matrix[40 * room, at] = matrix[40 * room + 1, at]
            pairs, _ = similar_pairs(rooms(scorer_of(replace(log, category=matrix.ravel()), bank), [f"r{k // 40}" for k in range(1000)]))
            named = {frozenset((pair.copier, pair.source)) for pair in pairs if pair.p_adjusted <= LEVEL}
            hits = sum(frozenset((40 * room, 40 * room + 1)) in named for room in range(25))
            yield f"copying {share:.0%} of {n} {model}: share of copiers named", hits / 25, ""
            yield f"copying {share:.0%} of {n} {model}: honest pairs named", float(len(named) - hits), ""


def real() -> Iterator[Line]:
    """The licensing exam."""
    folder = Path(os.environ.get("CACT_SHARED", "../shared")) / "data"
    if not (folder / "credential_form1_full.csv.gz").exists():
        return
    found = figures(Exam.read(folder))
    for name, (area, sensitivity) in found["roc"].items():
        yield f"exam: {name}, AUC", area, ""
        yield f"exam: {name}, sensitivity at 5 %", sensitivity, ""
    for name, (five, one) in found["rates"].items():
        yield f"exam: {name}, honest people at .05", five, ""
        yield f"exam: {name}, honest people at .01", one, ""
    for name in ("named pairs", "named people", "of them flagged"):
        yield f"exam: {name}", float(found[name]), ""
