"""`cact plan check`, `cact information`, `cact score`, `cact next`: plans and banks looked at before anyone sits a test."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape

from cat_engine import (
    Fault,
    Faulty,
    Grid,
    TestPlan,
    information,
    load_plan,
    probabilities,
)
from cat_engine.batch import Batch, scored
from cat_engine.estimators import ESTIMATOR, Estimator, ExpectedAPosteriori
from cat_engine.priors import Prior
from cat_engine.randomness import Draws
from cat_engine.registry import MOST
from cat_engine.section_time import SectionAdvice, section_advice
from cat_engine.select import SELECTION, Moment
from cat_engine.select.timed import InformationPerTime
from cat_engine.timing import Speeds
from itembank.bank import Bank, pool_of, time_faults
from itembank.exchange import on_logistic_metric
from webtest.console import check_target, guarded, json_option, named, opened, put, read_text
from webtest.engine_inputs import (
    FARTHEST,
    abilities,
    parse_grid,
    parse_prior,
    parse_scaling,
    parse_strategy,
    pool_for,
    read_answers,
    read_bank,
    read_given,
)
from webtest.item_times import times_for
from webtest.rate_trial import rate_trial
from webtest.search_bar import control_with_bar
from webtest.snapshots import group_faults
from webtest.whole_files import whole_file, write_csv

LARGEST_N = 1_000_000


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    for command in (plan, information_command, score_command, next_command):
        main.add_command(command)


bank_option = click.option("--bank", "bank_file", type=click.Path(path_type=Path), help="Parameter CSV of a bank.")
grid_option = click.option("--grid", "grid_text", default="-6,6,61", show_default=True, help="Quadrature: from, to, number of nodes.")
metric_option = click.option("--D", "scaling", default=1.0, show_default=True, help="The metric of the bank's a: 1, or 1.7 or 1.702.")
folder_option = click.option("--data", "data", type=click.Path(path_type=Path), help="Installation whose newest published bank is meant.")


def bank_of(bank_file: Path | None, data: Path | None, plans: Sequence[TestPlan] | None = None) -> Bank:
    """The bank that --bank or --data names, exactly one of them, for these plans. Raises Faulty."""
    if (bank_file is None) == (data is None):
        raise Faulty([Fault("--bank", "", "name one bank", "--bank FILE.csv, or --data FOLDER of an installation")])
    if data is None:
        return read_bank(bank_file or Path(), plans)
    with opened(data) as house:
        return house.newest_bank()


@click.group()
def plan() -> None:
    """Test plans."""


@plan.command("check")
@click.argument("plan_file", metavar="PLAN", type=click.Path(path_type=Path))
@bank_option
@folder_option
@json_option
@guarded
def plan_check(plan_file: Path, bank_file: Path | None, data: Path | None, as_json: bool) -> None:
    """Name every fault of PLAN with what would be legal; with a bank, whether the plan fits it too."""
    plan = load_plan(read_text(plan_file))
    if bank_file is None and data is None and (faults := group_faults(plan)):  # else among those of the plan on the bank
        raise Faulty(faults)
    found: dict[str, Any] = {"plan": plan.name, "digest": plan.digest, "sections": len(plan.sections), "competencies": plan.competencies}
    text = f"'{plan.name}' is in order: {len(plan.sections)} sections, {len(plan.competencies)} competencies, digest {plan.digest[:12]}"
    if bank_file is not None or data is not None:
        bank = bank_of(bank_file, data, [plan])
        pool = pool_for(bank, plan, control=control_with_bar)
        new = 0 if pool.need is None else int(np.count_nonzero(pool.need))
        found |= {"items": len(pool) - new, "pretest_items": new, "pool_digest": pool.digest}
        text += f"; it fits the bank's {len(pool) - new} items" + (f" and {new} in pretest" if plan.most_pretest else "")
        rates = rate_trial(plan, pool)
        if rates is not None:
            found["exposure"] = asdict(rates)
            text += "\n" + escape(rates.words)
        times = times_for(bank, pool)
        if times is not None:
            advice = section_advice(plan, pool, times, Speeds())
            found["time"] = [
                {"section": one.section.code, "budget_min": one.budget_s / 60, "expected_min": one.mean_s / 60, "advised_min": one.advice.limit_s / 60,
                 "longest_min": one.advice.longest_s / 60}
                for one in advice
            ]  # fmt: skip
            text += "".join(f"\n{escape(_time_words(one))}" for one in advice)
    put(found, as_json, text)


def _time_words(one: SectionAdvice) -> str:
    advice = f"{one.advice.limit_s / 60:.1f} to {one.advice.longest_s / 60:.1f} minutes let slow people finish"
    verdict = "too short for them" if one.tight else "enough"
    return f"section {one.section.code}: {one.mean_s / 60:.1f} minutes expected at full length, {advice}; the plan allows {one.budget_s / 60:g}: {verdict}"


@click.command("information")
@click.option("--bank", "bank_file", type=click.Path(path_type=Path), required=True, help="Parameter CSV of a bank.")
@click.option("--theta", "theta_text", required=True, help="Abilities, separated by commas: --theta=-2,0,2")
@metric_option
@click.option("--out", "out_file", type=click.Path(path_type=Path), required=True, help="CSV to write: item_id,theta,p0..,info.")
@guarded
def information_command(bank_file: Path, theta_text: str, scaling: float, out_file: Path) -> None:
    """Category probabilities and Fisher information of every item of a bank at given abilities."""
    check_target(out_file, force=True)
    theta = abilities(theta_text, "--theta")
    faults: list[Fault] = []
    bank = on_logistic_metric(read_bank(bank_file), parse_scaling(scaling, faults))
    if faults:
        raise Faulty(faults)
    p, info = probabilities(bank.params, theta), information(bank.params, theta)
    rows = (
        (bank.ids[i], float(t), *(p[k, i].tolist()[: bank.params.n_cat[i]] + [""] * (p.shape[2] - bank.params.n_cat[i])), float(info[k, i]))
        for i in range(len(bank))
        for k, t in enumerate(theta)
    )
    with whole_file(out_file) as part:
        write_csv(part, ("item_id", "theta", *(f"p{k}" for k in range(p.shape[2])), "info"), rows)


@click.command("score")
@click.option("--bank", "bank_file", type=click.Path(path_type=Path), required=True, help="Parameter CSV of a bank.")
@click.option("--responses", "response_file", type=click.Path(path_type=Path), required=True, help="CSV of answers, wide or long.")
@click.option(
    "--method", default="eap", show_default=True, help="One of " + ", ".join(ESTIMATOR.names) + "; options as in mle:low=-6,high=6."
)
@click.option("--prior", "prior_text", default="normal:0,1", show_default=True, help="normal:MEAN,SD, uniform:LOW,HIGH or jeffreys.")
@grid_option
@metric_option
@click.option("--out", "out_file", type=click.Path(path_type=Path), required=True, help="CSV to write: person_id,theta,se,n.")
@guarded
def score_command(
    bank_file: Path, response_file: Path, method: str, prior_text: str, grid_text: str, scaling: float, out_file: Path
) -> None:
    """Ability of every person from the answers in a file; one row a person, and a competency column where the bank has several.

    A person of a wide file who answered nothing stands where the prior is, with n = 0.
    """
    check_target(out_file, force=True)
    estimator, prior, grid, bank, faults = _scoring(bank_file, method, prior_text, grid_text, scaling)
    if faults:
        raise Faulty(faults)
    pool = replace(pool_of(bank, bank.competencies), grid=grid)
    person_ids, answers = read_answers(response_file, pool, bank, everybody=True)
    several = len(pool.competencies) > 1
    plan = TestPlan("score", (), prior, interim=estimator)
    rows: list[tuple[object, ...]] = []
    found = [(batch.theta, batch.se, batch.count) for batch in scored(plan, pool, answers)]
    theta, se, count = (np.concatenate(parts).tolist() for parts in zip(*found, strict=True))
    for person_id, *own in zip(person_ids, theta, se, count, strict=True):
        for name, *figures in zip(pool.competencies, *own, strict=True):
            rows.append((person_id, *((name,) if several else ()), *figures))
    with whole_file(out_file) as part:
        write_csv(part, ("person_id", *(("competency",) if several else ()), "theta", "se", "n"), rows)


def _scoring(
    bank_file: Path, method: str, prior_text: str, grid_text: str, scaling: float
) -> tuple[Estimator, Prior, Grid, Bank, list[Fault]]:
    """The parts of a scoring run, and everything that is wrong with them."""
    faults: list[Fault] = []
    estimator = ESTIMATOR.build(parse_strategy(method, "--method", faults), faults) or ExpectedAPosteriori()
    prior, grid, scaling = parse_prior(prior_text, faults), parse_grid(grid_text, faults), parse_scaling(scaling, faults)
    if not grid.low <= prior.start[0] <= grid.high:
        faults.append(Fault("--prior", "", f"'{prior_text}' has its centre outside the grid", "a --grid around it"))
    return estimator, prior, grid, on_logistic_metric(read_bank(bank_file), scaling), faults


@click.command("next")
@click.option("--bank", "bank_file", type=click.Path(path_type=Path), required=True, help="Parameter CSV of a bank.")
@click.option(
    "--administered", "given_file", type=click.Path(path_type=Path), required=True, help="CSV item_id,category, in order of answering."
)
@click.option(
    "--criterion", default="mfi", show_default=True, help="One of " + ", ".join(SELECTION.names) + "; options as in mepv:predictive=false."
)
@click.option("--method", default="eap", show_default=True, help="Estimator of the interim ability.")
@click.option("--theta", "theta", type=float, help="Look from this ability instead of the interim one.")
@click.option("--prior", "prior_text", default="normal:0,1", show_default=True, help="normal:MEAN,SD, uniform:LOW,HIGH or jeffreys.")
@grid_option
@metric_option
@click.option("--planned", default=20, show_default=True, help="Length of the test, for criteria that depend on it.")
@click.option("--seed", default=0, show_default=True, help="Seed, for criteria that draw.")
@click.option("--out", "out_file", type=click.Path(path_type=Path), required=True, help="CSV to write: item_id,criterion,eligible,chosen.")
@guarded
def next_command(
    bank_file: Path, given_file: Path, criterion: str, method: str, theta: float | None, prior_text: str, grid_text: str, scaling: float,
    planned: int, seed: int, out_file: Path,
) -> None:  # fmt: skip
    """What a selection rule thinks of every item of a bank after given answers, and the item that it would give."""
    check_target(out_file, force=True)
    estimator, prior, grid, bank, faults = _scoring(bank_file, method, prior_text, grid_text, scaling)
    rule = SELECTION.build(parse_strategy(criterion, "--criterion", faults), faults)
    if theta is not None and not abs(theta) <= FARTHEST:
        faults.append(Fault("--theta", "", f"{theta:g} is no ability", f"from -{FARTHEST:g} to {FARTHEST:g}"))
    if not 1 <= planned <= MOST or seed < 0:
        faults.append(Fault("--planned, --seed", "", f"{planned}, {seed} are out of range", f"from 1 to {MOST}, from 0"))
    if faults or rule is None:
        raise Faulty(faults)
    pool = replace(pool_of(bank, bank.competencies), grid=grid)
    if isinstance(rule, InformationPerTime) and pool.seconds is None:
        raise Faulty(time_faults(bank, pool.ids))
    with named(given_file):
        items, answers = read_given(read_text(given_file), pool)
    batch = Batch.replay(TestPlan("next", (), prior, interim=estimator), pool, items, answers)
    if theta is not None:
        batch.theta[:] = theta
    left = batch.free
    now = Moment(batch, np.zeros(1, dtype=int), left, np.array([len(items)]), planned, Draws((seed,), (len(items),)))
    score = rule.score(now)
    best = int(np.argmax(np.where(left, np.round(score, 12), -np.inf)[0])) if left.any() else -1
    value = (score * rule.unit(now)[:, None])[0].tolist()
    with whole_file(out_file) as part:
        rows = ((item_id, value[i], int(left[0, i]), int(i == best)) for i, item_id in enumerate(pool.ids))
        write_csv(part, ("item_id", "criterion", "eligible", "chosen"), rows)
