"""`cact personfit`: who answered unlike the model; `cact security`: items that got out, answers in common, items known beforehand."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click
import numpy as np
from rich.markup import escape

from calibration.files import cells_by_row, read_ids
from calibration.personfit import met
from calibration.personfit_answers import Scorer, Sittings
from calibration.personfit_run import FLAGS, LEAST_EFFORT, PersonFit, Simulated, flag_counts, person_fit
from calibration.personfit_times import ItemSpeeds, population
from calibration.security import People
from calibration.security_files import read_options_csv, read_people_csv
from calibration.security_items import Leak, by_window, foretell, watch
from calibration.security_pairs import rooms, similar_pairs
from calibration.security_people import standing_out
from calibration.security_preknowledge import preknowledge
from cat_engine import Fault, Faulty, Pool, TestPlan, load_plan
from cat_engine.estimators import ESTIMATOR
from itembank.bank import Bank
from webtest.commands_engine import bank_of, bank_option, folder_option
from webtest.console import check_target, err, guarded, json_option, opened, put, put_table, read_as, read_text, write_file, write_files
from webtest.csv_table import csv_table, figure
from webtest.engine_inputs import pool_for, to_number
from webtest.response_files import PARQUET, named_waves, read_responses
from webtest.search_bar import control_with_bar

FILE = click.Path(path_type=Path)
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)
PERSON_COLUMNS = (
    "person_id", "n", "theta", "se", "lz", "lz_star", "p_lz", "infit", "outfit", "cusum", "p_cusum", "time_chi2", "time_df", "p_time", "fast",
    "speed", "p_speed", "effort", "flags",
)  # fmt: skip
ITEM_COLUMNS = ("item_id", "n", "observed", "expected", "z", "time_ratio", "peak", "since", "alarm", "p", "p_adjusted")
WINDOW_COLUMNS = ("item_id", "window", "n", "observed", "expected", "z", "time_z")
PAIR_COLUMNS = ("person_1", "person_2", "room", "common", "same", "expected", "omega", "p", "p_adjusted")
OUT_COLUMNS = (
    "person_id", "theta", "speed", "foretold", "z_speed", "p_speed", "partner", "common", "same", "omega", "p_similar", "p", "p_adjusted",
)  # fmt: skip
KNOWN_COLUMNS = ("person_id", "met", "shift", "z_answers", "speed_gain", "z_times", "z", "p", "p_adjusted")

security = click.Group(
    "security", help="Test security: items that got out, answers in common, items known beforehand, people who stand out."
)


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(personfit)
    main.add_command(security)


@dataclass(frozen=True, slots=True, eq=False)
class Handed:
    """What a command works on: a scorer (EAP) of the people, the bank, whether the answers were routed, and, where known, the option of each answer of the log, the
    people's rooms and times, the plan.
    """

    scorer: Scorer
    bank: Bank
    routed: bool
    option: tuple[str, ...] | None
    people: People | None
    plan: str | None

    @property
    def sittings(self) -> Sittings:
        """The answers."""
        return self.scorer.sittings

    def people_of(self, file: Path | None, needed: Sequence[str] = ()) -> People | None:
        """The people of a file, else those of the waves, else None."""
        return self.people if file is None else read_as(file, lambda text: read_people_csv(text, self.sittings.person_ids, needed))


def answers_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Answers of a file (--responses, with --bank or --data) or of closed waves (--waves, with --data), --mean and --sd, as a Handed; --out is checked first."""

    @bank_option
    @folder_option
    @click.option(
        "--responses",
        "answers",
        type=FILE,
        help="Answers: CSV (rt_ms, position and option are used where they are), Parquet, or an exported folder.",
    )
    @click.option("--waves", help="Closed waves of the installation, separated by commas, instead of a file.")
    @click.option("--mean", type=float, default=0.0, show_default=True, help="Mean of ability.")
    @click.option("--sd", type=click.FloatRange(0.01), default=1.0, show_default=True, help="Standard deviation of ability.")
    @click.option("--out", "out_file", type=FILE, required=True, help="CSV to write.")
    @json_option
    @guarded
    @wraps(function)
    def run(
        bank_file: Path | None, data: Path | None, answers: Path | None, waves: str | None, mean: float, sd: float, out_file: Path,
        **options: Any,
    ) -> None:  # fmt: skip
        check_target(out_file, force=True)
        if (answers is None) == (waves is None) or (waves is not None and data is None):
            remedy = "--responses FILE, or --waves with the --data FOLDER of their installation"
            raise Faulty([Fault("--responses", "", "name answers, once", remedy)])
        bank = bank_of(bank_file, data)
        if answers is not None:
            log, people, plan = read_responses(answers, bank.ids), None, None
            option = None if answers.is_dir() or answers.suffix.lower() in PARQUET else read_as(answers, read_options_csv)
        else:
            from webtest.services.wavelist import wave_faults
            from webtest.wave_answers import wave_answers  # with the database, which answers in a file do without

            named, faults = named_waves(waves, "name closed waves, separated by commas")
            with opened(data or Path()) as house:
                faults += wave_faults(house.engine, named)
                if faults:
                    raise Faulty(faults)
                found = wave_answers(house, named)
            log, option, people, plan = found.log, found.option, found.people, found.plan
        scorer = Scorer.of(Sittings.of(log, bank), "eap", mean, sd)
        function(Handed(scorer, bank, log.routed, option, people, plan), out_file=out_file, **options)

    return run


def level_option(default: float) -> Callable[..., Any]:
    """--level."""
    return click.option("--level", type=SHARE, default=default, show_default=True, help="Largest p at which something is named.")


replicates_option = click.option(
    "--replicates", type=click.IntRange(0, 100_000), default=200, show_default=True, help="Simulated answers to every item of a person."
)
seed_option = click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of simulated answers.")
times_option = click.option("--times/--no-times", default=True, show_default=True, help="Whether response times count.")


def item_speeds(sittings: Sittings, bank: Bank) -> ItemSpeeds:
    """Time parameters of the bank's items: its columns rt_alpha and rt_beta, else estimated from the times; unknown where there are too few of them, which is said.

    Raises Faulty naming items whose columns hold something else.
    """
    cells = [(row.get("rt_alpha", ""), row.get("rt_beta", "")) for row in bank.attributes]
    if any(alpha or beta for alpha, beta in cells):
        alpha, beta = (np.array([to_number(cell[k]) for cell in cells]) for k in (0, 1))
        wrong = [i for i, cell in enumerate(cells) if any(cell) and not (0 < alpha[i] < math.inf and math.isfinite(beta[i]))]
        if wrong:
            raise Faulty(
                Fault(f"item {bank.ids[i]}", "rt_alpha, rt_beta", "are no parameters of times", "both numbers, rt_alpha above 0")
                for i in wrong
            )
        return ItemSpeeds(alpha, beta)
    if np.isnan(sittings.seconds).all():
        return ItemSpeeds.unknown(len(bank))
    try:
        return ItemSpeeds.calibrated(sittings)
    except Faulty as few:
        err.print(f"response times are left out: {few.faults[0].message}")
        return ItemSpeeds.unknown(len(bank))


def read_thresholds(text: str, bank: Bank) -> dict[int, float]:
    """`item_id,seconds`: the threshold of rapid guesses of some items, by index. Raises Faulty with every fault."""
    found: dict[int, float] = {}
    faults = []
    for where, cells in cells_by_row(text, ("item_id", "seconds")):
        item, seconds = bank.index.get(cells["item_id"]), to_number(cells["seconds"])
        if item is None:
            faults.append(Fault(where, "item_id", f"'{cells['item_id']}' is not an item of the bank"))
        elif item in found:
            faults.append(Fault(where, "item_id", f"'{cells['item_id']}' stands in an earlier row already"))
        if not 0 < seconds < math.inf:
            faults.append(Fault(where, "seconds", f"'{cells['seconds']}' is not a number of seconds", "above 0"))
        if item is not None:
            found[item] = seconds
    if faults:
        raise Faulty(faults)
    return found


@click.command()
@answers_options
@click.option("--method", type=click.Choice(ESTIMATOR.names), default="eap", show_default=True, help="Estimator of ability.")
@click.option("--plan", "plan_file", type=FILE, help="Test plan, TOML: p-values from simulated sitters of this adaptive test.")
@replicates_option
@seed_option
@click.option(
    "--thresholds",
    type=FILE,
    help="item_id,seconds: below, an answer is a rapid guess. [default: a tenth of the item's mean time, at most 10 s]",
)
@level_option(0.01)
def personfit(
    handed: Handed, out_file: Path, method: str, plan_file: Path | None, replicates: int, seed: int, thresholds: Path | None, level: float,
    as_json: bool,
) -> None:  # fmt: skip
    """How well each person's answers and times fit the model: lz, lz*, infit, outfit, CUSUM, times, effort. A list to look into, never a verdict.

    p_lz and p_cusum are simulated, at EAP abilities: with --plan on the adaptive test itself, else on each person's own items; --replicates 0 leaves
    lz* to the normal distribution. Of a bank with rt_alpha and rt_beta those are used, else they are estimated from the times.
    """
    scorer, bank = handed.scorer, handed.bank
    test = _test(handed.plan if plan_file is None else read_text(plan_file), bank)
    items = item_speeds(scorer.sittings, bank)
    threshold_s = items.thresholds()
    if thresholds is not None:
        for item, seconds in read_as(thresholds, lambda text: read_thresholds(text, bank)).items():
            threshold_s[item] = seconds
    own = Scorer.of(scorer.sittings, method, scorer.prior.mean, scorer.prior.sd)
    found = person_fit(own, items, threshold_s, Simulated(replicates, seed, test))
    flags = found.flags(level)
    write_file(out_file, csv_table(PERSON_COLUMNS, _person_rows(scorer.sittings, found, flags)), force=True)
    counts = flag_counts(flags)
    words = {
        "pattern": "improbable patterns (lz*)", "run": "runs better or worse than the rest (CUSUM)", "times": "times unlike the model's",
        "quick": "quicker than nearly everybody", "effort": f"effort below {LEAST_EFFORT:g}",
    }  # fmt: skip
    lines = [f"{len(flags)} people, {counts['any']} to look into at level {level:g}:"]
    lines += [f"  {counts[name]:>6} {words[name]}" for name in FLAGS]
    if handed.routed and test is None:
        err.print("Note: these are answers of an adaptive test; only with its --plan do p_lz and p_cusum keep their level.")
    put({"people": len(flags), "level": level, "flagged": counts}, as_json, escape("\n".join([*lines, f"written to {out_file}"])))


def _test(plan_text: str | None, bank: Bank) -> tuple[TestPlan, Pool] | None:
    if plan_text is None:
        return None
    plan = load_plan(plan_text)
    return plan, pool_for(bank, plan, control=control_with_bar)


def _person_rows(sittings: Sittings, found: PersonFit, flags: Sequence[tuple[str, ...]]) -> list[dict[str, Any]]:
    columns = {name: getattr(found, name).tolist() for name in PERSON_COLUMNS[1:-1]}
    return [
        {"person_id": person_id, **{name: whole(values[p]) for name, values in columns.items()}, "flags": ";".join(flags[p])}
        for p, person_id in enumerate(sittings.person_ids)
    ]


@security.command("items")
@answers_options
@click.option(
    "--people",
    "people_file",
    type=FILE,
    help="person_id and wave or time (ISO 8601): the order in which people sat. [default: that of the answers]",
)
@click.option("--share", type=SHARE, default=Leak().share, show_default=True, help="Share of people who know a leaked item, as looked for.")
@click.option("--solve", type=SHARE, default=Leak().solve, show_default=True, help="Their probability of its highest category.")
@click.option("--haste", type=SHARE, default=Leak().haste, show_default=True, help="Their time as a share of the usual.")
@times_option
@replicates_option
@seed_option
@click.option("--windows", "windows_file", type=FILE, help="Write each item in each wave (or day) as CSV.")
@level_option(0.05)
def items_command(
    handed: Handed, out_file: Path, people_file: Path | None, share: float, solve: float, haste: float, times: bool, replicates: int, seed: int,
    windows_file: Path | None, level: float, as_json: bool,
) -> None:  # fmt: skip
    """Items that may have got out: solved more often, and more quickly, than the people's earlier answers foretell, from some time on.

    Sequential: a likelihood-ratio CUSUM in order of time. --level is the chance that a run over the whole bank raises any false alarm.
    """
    if windows_file is not None:
        check_target(windows_file, force=True)
    if replicates < 1 / level - 1:
        raise Faulty(
            [Fault("--replicates", "", f"{replicates} are too few for a level of {level:g}", f"at least {math.ceil(1 / level) - 1}")]
        )
    scorer, bank, sittings = handed.scorer, handed.bank, handed.sittings
    people = handed.people_of(people_file) or People.unknown(sittings.n_persons)
    speeds = item_speeds(sittings, bank) if times else ItemSpeeds.unknown(len(bank))
    told = foretell(scorer, speeds, population(sittings, speeds))
    watched = watch(sittings, told, people, Leak(share, solve, haste), level, replicates, seed)
    table = [_row(bank, asdict(one)) for one in sorted(watched, key=lambda one: (one.p_adjusted, one.p, -one.peak))]
    contents = {out_file: csv_table(ITEM_COLUMNS, table)}
    if windows_file is not None:
        contents[windows_file] = csv_table(WINDOW_COLUMNS, [_row(bank, asdict(one)) for one in by_window(sittings, told, people)])
    write_files(contents, force=True)
    named = table if as_json else [row for row in table if row["p_adjusted"] <= level]
    put_table(named, as_json, ITEM_COLUMNS, f"none of {len(table)} items stands out at level {level:g}")


def _row(bank: Bank, values: dict[str, Any]) -> dict[str, Any]:
    return {"item_id": bank.ids[values.pop("item")], **{name: significant(value) for name, value in values.items()}}


@security.command("pairs")
@answers_options
@click.option(
    "--people", "people_file", type=FILE, help="person_id,room: only people of a room are compared. [default: everybody with everybody]"
)
@level_option(0.05)
def pairs_command(
    handed: Handed, out_file: Path, people_file: Path | None, level: float, as_json: bool
) -> None:  # fmt: skip
    """Pairs of people who agree on more answers than their abilities explain: omega, with an exact p, adjusted over all pairs compared (Holm).

    Where the answers have a column `option`, agreeing on the same wrong option counts, else agreeing on the category. --level is the chance that any
    honest pair is named.
    """
    sittings, people = handed.sittings, handed.people_of(people_file, ("room",))
    room = None if people is None else people.room
    pairs, compared = similar_pairs(rooms(handed.scorer, room, _chosen(handed)))
    table = [
        {
            "person_1": sittings.person_ids[pair.copier], "person_2": sittings.person_ids[pair.source], "room": room[pair.copier] if room else None,
            **{name: significant(value) for name, value in asdict(pair).items() if name in PAIR_COLUMNS},
        }
        for pair in pairs
    ]  # fmt: skip
    write_file(out_file, csv_table(PAIR_COLUMNS, table), force=True)
    named = [row for row in table if row["p_adjusted"] <= level]
    put_table(named, as_json, PAIR_COLUMNS, f"none of {compared} pairs stands out at level {level:g}")


@security.command("people")
@answers_options
@click.option(
    "--people", "people_file", type=FILE, help="person_id,room: only people of a room are compared. [default: everybody with everybody]"
)
@times_option
@level_option(0.05)
def people_command(
    handed: Handed, out_file: Path, people_file: Path | None, times: bool, level: float, as_json: bool
) -> None:  # fmt: skip
    """People who are quicker than others of their ability, or agree with somebody more than abilities explain, with nothing suspected beforehand.

    p is that of the smaller of p_speed and p_similar, p_adjusted over all people (Holm). --level is the chance that any honest person is named.
    """
    sittings, bank, people = handed.sittings, handed.bank, handed.people_of(people_file, ("room",))
    speeds = item_speeds(sittings, bank) if times else ItemSpeeds.unknown(len(bank))
    theta = handed.scorer.score(sittings.category)[0]
    found = standing_out(sittings, theta, speeds, rooms(handed.scorer, None if people is None else people.room, _chosen(handed)))
    columns = {name: getattr(found, name).tolist() for name in OUT_COLUMNS[1:]}
    columns["partner"] = [sittings.person_ids[k] if k >= 0 else None for k in columns["partner"]]
    _put_people(sittings.person_ids, OUT_COLUMNS, columns, out_file, level, as_json)


def _put_people(
    person_ids: Sequence[str], names: Sequence[str], columns: Mapping[str, Sequence[Any]], out_file: Path, level: float, as_json: bool
) -> None:  # fmt: skip
    """All people in the file; on the screen those whose adjusted p is at most the level."""
    table = [
        {"person_id": person_id, **{name: significant(values[p]) for name, values in columns.items()}}
        for p, person_id in enumerate(person_ids)
    ]
    write_file(out_file, csv_table(names, table), force=True)
    named = sorted((row for row in table if row["p_adjusted"] is not None and row["p_adjusted"] <= level), key=lambda row: row["p"])
    put_table(named, as_json, names, f"none of {len(table)} people stands out at level {level:g}")


def _chosen(handed: Handed) -> list[str] | None:
    """The option of each answer, in order of the sittings, where they are known."""
    return None if handed.option is None else [handed.option[row] for row in handed.sittings.row.tolist()]


@security.command("preknowledge")
@answers_options
@click.option("--suspected", type=FILE, required=True, help="Ids of the suspected items, one a line.")
@times_option
@level_option(0.05)
def preknowledge_command(
    handed: Handed, out_file: Path, suspected: Path, times: bool, level: float, as_json: bool
) -> None:  # fmt: skip
    """People who are better, and quicker, on the suspected items than on the others.

    shift is the difference of ability in points of theta, speed_gain that of speed in log-seconds. --level is the chance that any honest person is named.
    """
    ids, bank, sittings = read_ids(read_text(suspected)), handed.bank, handed.sittings
    faults = [Fault(str(suspected), item_id, "is not an item of the bank") for item_id in ids if item_id not in bank.index]
    if faults:
        raise Faulty(faults)
    marked = np.isin(np.arange(len(bank)), [bank.index[item_id] for item_id in ids])
    if not marked[sittings.item].any() or marked[sittings.item].all():
        raise Faulty([Fault(str(suspected), "", "the answers do not hold both suspected and other items")])
    at = met(sittings, sittings.category, handed.scorer.score(sittings.category)[0])
    found = preknowledge(sittings, at, item_speeds(sittings, bank) if times else ItemSpeeds.unknown(len(bank)), marked)
    columns = {name: getattr(found, name).tolist() for name in KNOWN_COLUMNS[1:]}
    _put_people(sittings.person_ids, KNOWN_COLUMNS, columns, out_file, level, as_json)


def whole(value: Any) -> Any:
    """A number to its last digit; None where there is none."""
    return figure(value) if isinstance(value, float) else value


def significant(value: Any) -> Any:
    """A number as a table shows it: five significant digits; None where there is none."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if math.isfinite(value) else None
    return value
