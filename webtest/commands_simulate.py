"""`cact simulate`: test plans tried out on people who are drawn, given, or have answered already; one plan, or several side by side."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from calibration.language import Language
from cat_engine import Fault, Faulty, NormalPrior, Pool, TestPlan, load_plan
from cat_engine.batch import scored
from cat_engine.irt import Floats, Ints
from cat_engine.people import People
from cat_engine.population import Population
from cat_engine.priors import WIDEST, UniformPrior
from cat_engine.rates import limit_of
from cat_engine.simulate import Mapper, Trial
from cat_engine.timing import Speeds
from itembank.bank import Bank, expected_seconds, pool_of, time_faults
from webtest.commands_engine import bank_of, bank_option, folder_option, grid_option
from webtest.console import err, guarded, json_option, language_option, named, put, read_text
from webtest.engine_inputs import Given, parse_grid, parse_prior, pool_for, read_answers, read_correlations, read_thetas
from webtest.item_times import times_for
from webtest.languages import language as language_of
from webtest.rate_trial import listed
from webtest.search_bar import control_with_bar
from webtest.simulation_cluster import spread
from webtest.simulation_comparison import write_comparison
from webtest.simulation_files import STEPS, Design, run
from webtest.simulation_plots import COLOURS
from webtest.simulation_report import Simulated
from webtest.whole_files import new_folder_fault, whole

LARGEST_N = 1_000_000
LARGEST_SPREAD = 3.0  # sd of log-speeds


def attach(main: click.Group) -> None:
    """Add this module's command."""
    main.add_command(simulate_command)


@dataclass(frozen=True, slots=True)
class Asked:
    """The options about people and how they are run, as they were given."""

    n: int | None
    seed: int | None
    theta_file: Path | None
    response_file: Path | None
    correlation: float | None
    correlation_file: Path | None
    abilities: str | None
    speed_sd: float
    speed_correlation: float
    grid_text: str

    def faults(self) -> list[Fault]:
        """What is wrong with them."""
        sources = (("--n", self.n), ("--thetas", self.theta_file), ("--responses", self.response_file))
        named = [name for name, value in sources if value is not None]
        faults = []
        if len(named) != 1:
            shown = " and ".join(named) + " are too many" if named else "nobody takes the test"
            faults.append(Fault("simulate", "", shown, "one of --n with --seed, --thetas, --responses"))
        if self.n is not None and not 1 <= self.n <= LARGEST_N:
            faults.append(Fault("--n", "", f"{self.n} is not a number of people", f"from 1 to {LARGEST_N}"))
        if self.seed is None and self.n is not None:
            faults.append(Fault("--seed", "", "is missing", "any whole number from 0; the same seed gives the same simulation"))
        if self.seed is not None and self.seed < 0:
            faults.append(Fault("--seed", "", f"{self.seed} is negative", "a whole number from 0"))
        if self.correlation is not None and self.correlation_file is not None:
            faults.append(Fault("--correlation", f"{self.correlation:g}", "and --correlations are too many", "one of the two"))
        if self.correlation is not None and not 0 <= self.correlation <= 1:
            faults.append(Fault("--correlation", "", f"{self.correlation:g} is out of range", "from 0 to 1"))
        if not 0 < self.speed_sd <= LARGEST_SPREAD:
            faults.append(
                Fault("--speed-sd", "", f"{self.speed_sd:g} is out of range", f"above 0, at most {LARGEST_SPREAD:g}; 0.3 is usual")
            )
        if not -1 <= self.speed_correlation <= 1:
            faults.append(Fault("--speed-correlation", "", f"{self.speed_correlation:g} is out of range", "from -1 to 1"))
        if self.n is None:
            faults += [
                Fault(option, str(given), "is for people who are drawn", "together with --n")
                for option, given in (("--correlations", self.correlation_file), ("--abilities", self.abilities))
                if given is not None
            ]
        return faults

    def population(self, competencies: Sequence[str]) -> Population:
        """The people who are drawn. Raises Faulty."""
        faults: list[Fault] = []
        scale = NormalPrior() if self.abilities is None else parse_prior(self.abilities, faults, "--abilities")
        if not isinstance(scale, NormalPrior | UniformPrior):
            faults.append(Fault("--abilities", "", f"'{self.abilities}' cannot be drawn from", "normal:0,1 or uniform:-4,4"))
        elif max(map(abs, scale.support)) > WIDEST:
            low, high = scale.support
            why = f"mean - 3 sd and mean + 3 sd within {WIDEST:g}: farther from the items nearly every answer is certain and tells nothing"
            faults.append(Fault("--abilities", "", f"'{self.abilities}' draws people from {low:g} to {high:g}", why))
        matrix = None if self.correlation_file is None else read_correlations(read_text(self.correlation_file), competencies, faults)
        if faults or not isinstance(scale, NormalPrior | UniformPrior):
            raise Faulty(faults)
        try:
            rho = Population.correlation if self.correlation is None else self.correlation
            return Population(rho, matrix, scale, Speeds(0.0, self.speed_sd), self.speed_correlation)
        except ValueError as error:
            raise Faulty([Fault("--correlations", str(self.correlation_file), str(error))]) from error


@click.command("simulate")
@bank_option
@folder_option
@click.option(
    "--plan", "plan_files", type=click.Path(path_type=Path), required=True, multiple=True,
    help="Test plan, TOML; several are tried out on the same people and compared.",
)  # fmt: skip
@click.option("--n", type=int, help="Draw this many people; needs --seed.")
@click.option("--seed", type=int, help="Seed of people, answers and decisions; only --n must have one, 0 without.")
@click.option(
    "--thetas",
    "theta_file",
    type=click.Path(path_type=Path),
    help="CSV person_id,theta (or one column a competency); group or prior_mean,prior_sd say where a test starts.",
)
@click.option("--responses", "response_file", type=click.Path(path_type=Path), help="CSV of real answers, replayed in adaptive order.")
@click.option("--abilities", help="Distribution of the abilities drawn: normal:MEAN,SD (default normal:0,1) or uniform:LOW,HIGH.")
@click.option("--correlation", "--rho", type=float, help="Between the competencies of the people drawn by --n (default 0.6).")
@click.option(
    "--correlations", "correlation_file", type=click.Path(path_type=Path),
    help="CSV competency,A,B,...: the whole matrix, instead of --correlation.",
)  # fmt: skip
@click.option("--speed-sd", default=0.3, show_default=True, help="Spread of people's log-speeds, where the bank has response times.")
@click.option("--speed-correlation", default=0.0, show_default=True, help="Of speed with ability.")
@grid_option
@click.option("--workers", type=click.IntRange(1, 64), default=1, show_default=True, help="Processes of this machine to simulate on.")
@click.option("--scheduler", help="Address of a Dask cluster to simulate on: tcp://HOST:8786.")
@click.option("--steps", type=click.Choice(STEPS), default="csv", show_default=True, help="How every single answer is written.")
@click.option("--out", "out_folder", type=click.Path(path_type=Path), required=True, help="New folder for the results.")
@language_option
@json_option
@guarded
def simulate_command(
    bank_file: Path | None, data: Path | None, plan_files: tuple[Path, ...], n: int | None, seed: int | None, theta_file: Path | None,
    response_file: Path | None, abilities: str | None, correlation: float | None, correlation_file: Path | None, speed_sd: float,
    speed_correlation: float, grid_text: str, workers: int, scheduler: str | None, steps: str, out_folder: Path, language: str, as_json: bool,
) -> None:  # fmt: skip
    """Give the test of a plan to simulated people, or replay real answers; write steps, people, items, summary and report."""
    asked = Asked(n, seed, theta_file, response_file, correlation, correlation_file, abilities, speed_sd, speed_correlation, grid_text)
    faults = asked.faults() + new_folder_fault(out_folder) + _name_faults(plan_files)
    if workers > 1 and scheduler is not None:
        faults.append(Fault("--workers", str(workers), "and --scheduler are too many", "one of the two"))
    if faults:
        raise Faulty(faults)
    designs = _designs(asked, plan_files, bank_file, data)
    _note_starts(designs)
    if workers > 1 or scheduler is not None:
        _spread_faults(designs, "--workers" if scheduler is None else "--scheduler")
    with spread(workers, scheduler) as mapper, whole(out_folder) as part:
        runs = _run_all(designs, part, steps, mapper, language_of(language))
        rows = write_comparison(runs, part, language_of(language)) if len(runs) > 1 else []
    put(
        rows or runs[0].figures, as_json,
        escape("\n".join([*(line for done in runs for line in _lines(done, named=len(runs) > 1)), f"written to {out_folder}"])),
    )  # fmt: skip


def _name_faults(plan_files: Sequence[Path]) -> list[Fault]:
    names = [path.stem for path in plan_files]
    twice = sorted({name for name in names if names.count(name) > 1})
    faults = [Fault("--plan", name, "is the name of several plan files; each gets a folder of its own", "rename one") for name in twice]
    if len(names) > len(COLOURS):
        faults.append(Fault("--plan", "", f"{len(names)} plans are too many to compare", f"at most {len(COLOURS)}"))
    return faults


def _time_faults(bank: Bank, pools: Sequence[Pool]) -> list[Fault]:
    """Cells of active items that look like times and are none, for which time would stand still in the whole test. Where some items have no cells at
    all that is not wrong, and said only.
    """
    asked = {
        item_id for pool in pools if pool.seconds is None for item_id, scored in zip(pool.ids, pool.operational, strict=True) if scored
    }
    found = time_faults(bank, (item_id for item_id in bank.ids if item_id in asked))
    wrong = [fault for fault in found if fault.where != "bank"]
    if found and not wrong and any(expected_seconds(bank.attributes[bank.index[item_id]]) for item_id in asked):
        err.print(escape(f"note: answers take no time: {found[0]}"))
    return wrong


def _note_starts(designs: Sequence[Design]) -> None:
    """Says where a plan's priors of groups and persons were not tried out, as nobody has any."""
    for design in designs:
        if design.trial.plan.starts and not any(design.people.priors or ()):
            err.print(escape(
                f"note: {design.name}: everybody starts at [prior], as nobody has a group or a prior of his or her own; a file of --thetas can name "
                "them, in the columns group, or prior_mean and prior_sd"
            ))  # fmt: skip


@contextmanager
def _gathered(faults: list[Fault], place: str) -> Iterator[None]:
    """What is found wrong inside joins `faults`, with `place` before where it stands."""
    try:
        yield
    except Faulty as error:
        faults += [replace(fault, where=place + fault.where) for fault in error.faults]


def _designs(asked: Asked, plan_files: Sequence[Path], bank_file: Path | None, data: Path | None) -> list[Design]:
    """One design a plan, all for the same people. Raises Faulty with the faults of every plan."""
    faults: list[Fault] = []
    grid = parse_grid(asked.grid_text, faults)
    named_after = {path: f"{path.name}: " if len(plan_files) > 1 else "" for path in plan_files}
    read: list[tuple[Path, TestPlan]] = []
    for path in plan_files:
        with _gathered(faults, named_after[path]):
            read.append((path, load_plan(read_text(path))))
    if faults:  # the competency of a bank file without that column is the plans'
        raise Faulty(faults)
    bank = bank_of(bank_file, data, [plan for _, plan in read])
    plans: list[tuple[str, TestPlan, Pool]] = []
    for path, plan in read:
        with _gathered(faults, named_after[path]):
            plans.append((path.stem, plan, pool_for(bank, plan, grid, control=control_with_bar)))
    faults += _time_faults(bank, [pool for _, _, pool in plans])
    if faults:
        raise Faulty(faults)
    wanted = {name for _, plan, _ in plans for name in plan.competencies}
    competencies = tuple(name for name in bank.competencies if name in wanted)
    population = asked.population(competencies)
    if asked.response_file is not None:
        everything = plans[0][2] if len(plans) == 1 else pool_of(bank, competencies)
        person_ids, answers = read_answers(asked.response_file, everything, bank)
        return [_replayed(asked, name, plan, pool, bank, population, person_ids, answers, everything) for name, plan, pool in plans]
    given: Given | None = None
    if asked.theta_file is not None:
        with named(asked.theta_file):
            given = read_thetas(read_text(asked.theta_file), competencies, grid, started=any(plan.starts for _, plan, _ in plans))
        truth, person_ids, true = "given", given.person_ids, given.true
    else:
        count = asked.n or 0
        truth, person_ids, true = (
            "drawn",
            tuple(map(str, range(1, count + 1))),
            population.abilities(count, len(competencies), asked.seed or 0),
        )
    tau = population.tau(true, asked.seed or 0)
    designs = []
    for name, plan, pool in plans:
        own = true[:, [competencies.index(c) for c in pool.competencies]]
        times = times_for(bank, pool)
        trial = Trial(plan, pool, asked.seed or 0, times=times)
        priors = None if given is None or not plan.starts else tuple(map(plan.starts.of, given.groups, given.own))
        people = People(own, None if times is None else tau, priors=priors)
        designs.append(Design(name, trial, people, person_ids, truth, population.speeds))
    return designs


def _replayed(
    asked: Asked, name: str, plan: TestPlan, pool: Pool, bank: Bank, population: Population, person_ids: tuple[str, ...], answers: Ints,
    everything: Pool,
) -> Design:  # fmt: skip
    own = answers[:, [everything.index[item_id] for item_id in pool.ids]]
    true, times = full_estimates(plan, pool, own), times_for(bank, pool)
    tau = None if times is None else population.tau(true, asked.seed or 0)
    trial = Trial(plan, pool, asked.seed or 0, times=times)
    return Design(name, trial, People(true, tau, own), person_ids, "all responses", population.speeds)


def full_estimates(plan: TestPlan, pool: Pool, answers: Ints) -> Floats:
    """What all of a person's answers say, [N, S]: in a replay of real answers nobody knows the truth, and this stands for it."""
    return np.concatenate([batch.theta for batch in scored(plan, pool, answers)])


def _spread_faults(designs: Sequence[Design], option: str) -> None:
    """Raises Faulty where a plan cannot be spread over processes or a cluster."""
    faults = [
        Fault(
            option, design.name, "the plan's exposure control learns from person to person, who must sit one after the other",
            f"simulate it without {option}, or with an eligibility rule that is found beforehand (sympson_hetter, overlap)",
        )
        for design in designs
        if design.trial.plan.eligibility.learns
    ]  # fmt: skip
    if faults:
        raise Faulty(faults)


def _run_all(designs: Sequence[Design], part: Path, steps: str, mapper: Mapper, language: Language) -> list[Simulated]:
    """Each design, in `part` itself where there is one, else in a folder of its own."""
    runs = []
    with _bar() as bar:
        for design in designs:
            folder = part if len(designs) == 1 else part / design.name
            folder.mkdir(exist_ok=True)
            task = bar.add_task("simulating" if len(designs) == 1 else design.name, total=len(design.people))
            runs.append(
                run(
                    design, folder, steps=steps, mapper=mapper, watch=lambda done, task=task: bar.update(task, completed=done),
                    language=language,
                )
            )  # fmt: skip
    return runs


@contextmanager
def _bar() -> Iterator[Progress]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total} people"), TimeElapsedColumn(), TimeRemainingColumn())  # fmt: skip
    with Progress(*columns, console=err, disable=not err.is_terminal) as bar:
        yield bar


def _lines(done: Simulated, *, named: bool) -> list[str]:
    f: dict[str, Any] = dict(done.figures)
    lines = [
        f"{f['people']} people, {f['mean_length']:.1f} items on average; RMSE {f['rmse']:.3f}, bias {f['bias']:+.3f}, "
        f"reliability {f['reliability']:.3f}",
        f"highest exposure {f['max_exposure']:.0%}, overlap {f['overlap']:.3f}, unused {f['unused']:.0%}; {f['seconds']:.2f} s",
    ]
    if f["above_r_max"]:
        lines.append(f"r_max = {limit_of(done.tally.trial.plan.eligibility):g} is NOT kept; {listed(f['above_r_max'])}")
    if f["mean_minutes"] is not None:
        lines.append(f"{f['mean_minutes']:.1f} minutes on average, {f['out_of_time']:.1%} ran out of time")
    missed = [c["figure"] for c in f["acceptance"] if not c["holds"]]
    if f["acceptance"]:
        lines.append("acceptance limits missed: " + ", ".join(missed) if missed else "all acceptance limits are kept")
    return [f"{done.name}:", *lines] if named else lines
