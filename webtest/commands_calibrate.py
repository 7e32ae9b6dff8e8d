"""`cact calibrate`: of a file of answers, or of the answers of an installation's closed waves; `cact link`: two sets of parameters on one scale."""

import json
import os
import re
import resource
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np
from rich.markup import escape

from calibration.drift import LARGEST_Z, purified_link, robust_z
from calibration.estimate import Demands
from calibration.expectation import Hold
from calibration.files import read_groups_csv, read_ids, read_items_csv, read_models_csv, write_estimates_csv, write_items_csv
from calibration.flags import ADVICE, SENTENCES
from calibration.linking import METHODS, link, transform
from calibration.mml import DENSITIES, FIPC, MmlOptions, Priors
from calibration.pipeline import MODES, CalibrationOptions, recovery
from calibration.proposal_files import pairs_figures, proposal_csv, proposal_json
from calibration.report import html_file_report
from calibration.responses import ResponseLog
from calibration.standalone import FileCalibration, Specification, calibrate_answers
from calibration.uncertainty import METHODS as SE_METHODS
from calibration.verdicts import ItemVerdict
from cat_engine import MODELS, Fault, Faulty
from cat_engine.irt import Ints
from itembank.exchange import read_bank_csv
from webtest.cluster import holder
from webtest.console import (
    EXIT_NOT_SOUND,
    actor,
    check_target,
    check_targets,
    data_option,
    guarded,
    language_option,
    now_ms,
    opened,
    out,
    put,
    read_as,
    read_text,
    write_file,
    write_files,
)
from webtest.languages import language
from webtest.response_files import ALL_WAVES, named_waves, read_labelled

if TYPE_CHECKING:
    from webtest.config import House
    from webtest.services.psychometrics import Psychometrics

FILE = click.Path(path_type=Path)
ALIASES = {"rasch": "pcm"}  # a slope of 1
KIB_PER_MB = 1024
TOLERANCE_OF_A_FILE = 1e-5  # log-likelihoods and parameters to the fourth and third decimal, as other software prints them
FEWEST_IN_GROUP = 10  # of fewer people a mean and sd of ability say nothing, and no item would have a standard error
LONG_NUMBER = re.compile(r"-?\d+\.\d{4,}")
FILE_ONLY = ("model", "competency", "model_file", "anchors", "groups")
WAVES_ONLY = ("waves", *MODES, "girth", "publish", "truth_file")


def attach(main: click.Group) -> None:
    """Add this module's commands."""
    main.add_command(calibrate)
    main.add_command(link_files)


@click.command()
@click.argument("answers", type=FILE, required=False)
@click.option(
    "--model",
    type=click.Choice([*MODELS, *ALIASES]),
    default="2pl",
    show_default=True,
    help="Model of the items that --model-file does not name.",
)
@click.option("--competency", help="The items to take, where answers in Parquet name the competency of each.")
@click.option("--model-file", type=FILE, help="item_id,model[,a,b1,…]: the model of single items, and where to start from.")
@click.option("--anchors", type=FILE, help="item_id,model,a,b1,…,c,d: items that keep these parameters and give the scale.")
@click.option("--fipc", type=click.Choice(FIPC), default=FIPC[0], show_default=True, help="How fixed items are used (Kim, 2006).")
@click.option("--groups", help="CSV person_id,group, or a column of answers in Parquet: groups with a mean and sd of ability of their own.")
@click.option("--density", type=click.Choice(DENSITIES), default=DENSITIES[0], show_default=True, help="Shape of ability in each group.")
@click.option("--priors", default="default", show_default=True, help="default, none, or as in a=lognormal:0,.5,b=normal:0,2,c=beta:5,17.")
@click.option("--se", type=click.Choice(SE_METHODS), default="oakes", show_default=True, help="Standard errors.")
@click.option(
    "--tol",
    type=click.FloatRange(1e-10, 0.1),
    help="Largest change of a parameter at the end. [default: 1e-5 of a file, 1e-4 of waves or with a histogram]",
)
@click.option("--scheduler", metavar="tcp://HOST:PORT", help="Dask cluster on which the work is done.")
@click.option("--min-n", type=click.IntRange(1), help="Answers that an item needs. [default: 30 of a file, 100 of waves]")
@click.option("--max-se", type=click.FloatRange(0.01), default=0.35, show_default=True, help="Largest SE of b that is not flagged.")
@click.option("--out", "out_file", type=FILE, help="Write the estimates as CSV; of waves the whole proposal.")
@click.option("--json", "json_file", type=FILE, help="Write the figures of the fit as JSON; of waves the whole proposal.")
@data_option
@click.option("--waves", help="Closed waves, separated by commas. [default: all closed waves]")
@click.option("--free", is_flag=True, help="All items free, then linked to the bank's scale. [default]")
@click.option("--anchored", is_flag=True, help="Calibrated items fixed.")
@click.option("--online", is_flag=True, help="Only items in pretest are estimated, all others fixed.")
@click.option("--girth", is_flag=True, help="Ask girth for a second opinion.")
@click.option(
    "--truth", "truth_file", type=FILE, help="A bank CSV by which the answers were made (of a rehearsal): how near the estimates came."
)
@click.option("--publish", is_flag=True, help="Publish the draft, after printing what changes.")
@click.option("--report", "report_file", type=FILE, help="Write the report as HTML.")
@language_option
@click.pass_context
@guarded
def calibrate(ctx: click.Context, answers: Path | None, **options: Any) -> None:
    """Estimate item parameters by marginal maximum likelihood.

    With ANSWERS (CSV: person_id and one column an item, or person_id,item_id,category; Parquet: the latter; or a folder that 'cact responses export'
    made): of those, for --out.

    \b
        cact calibrate R.csv --model 2pl --out P.csv --json F.json

    Without ANSWERS: of the closed waves of the installation in --data. A draft version of the bank is made of the items that meet the demands.

    \b
        cact calibrate --data cact-data --waves G1,G2 --report laporan.html --publish

    An item that cannot be estimated is named with the reason and gets no number. Files that exist are overwritten, whole or not at all.
    """
    given = {name for name in options if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE}
    wrong = given.intersection(WAVES_ONLY if answers else FILE_ONLY)
    flags = {parameter.name: parameter.opts[0] for parameter in ctx.command.params}
    use = "a file of answers" if answers else "closed waves"
    faults = [Fault(flags[name], "", f"does not go with {use}", "see 'cact calibrate --help'") for name in sorted(wrong)]
    modes = [mode for mode in MODES if options[mode]]
    if len(modes) > 1:
        faults.append(Fault(", ".join(flags[mode] for mode in modes), "", "do not go together", "choose one"))
    if answers and not options["out_file"]:
        faults.append(Fault("--out", "", "is missing", "name the file for the estimates"))
    if faults:
        raise Faulty(faults)
    check_targets({"--out": options["out_file"], "--json": options["json_file"], "--report": options["report_file"]})
    if options["density"] == "histogram" and options["fipc"] != FIPC[0]:
        raise Faulty(
            [Fault("--density", "histogram", f"does not go with --fipc {options['fipc']}", f"--fipc {FIPC[0]} updates the density")]
        )
    if "fipc" in given and (options["anchors"] is None if answers else modes in ([], ["free"])):
        remedy = "name them with --anchors" if answers else "--anchored or --online fixes some"
        raise Faulty([Fault("--fipc", options["fipc"], "says how fixed items are used, and there are none", remedy)])
    tolerance = options["tol"] or (TOLERANCE_OF_A_FILE if answers and options["density"] == "normal" else MmlOptions().tolerance)
    mml = MmlOptions(priors=Priors.parse(options["priors"]), tolerance=tolerance, density=options["density"], fipc=options["fipc"])
    with holder(options["scheduler"]) as hold:
        if answers:
            _calibrate_file(answers, mml, options, hold)
        else:
            _calibrate_waves(modes[0] if modes else "free", mml, options, hold)


def _calibrate_file(answers: Path, mml: MmlOptions, options: Mapping[str, Any], hold: Hold) -> None:
    log, group, names = _grouped(answers, options["groups"], options["competency"])
    small = [name for name, n in zip(names, np.bincount(group), strict=True) if n < FEWEST_IN_GROUP] if group is not None else []
    if small:
        remedy = "put its people into another group"
        raise Faulty(
            [Fault("--groups", name, f"has fewer than {FEWEST_IN_GROUP} people, too few for a mean and sd", remedy) for name in small]
        )
    models, start = read_as(options["model_file"], read_models_csv) if options["model_file"] else ({}, {})
    anchors = read_as(options["anchors"], read_items_csv) if options["anchors"] else {}
    what = Specification(ALIASES.get(options["model"], options["model"]), models, start, anchors)
    demands = Demands(options["min_n"] or 30, options["max_se"], options["se"], mml)
    found = calibrate_answers(log, what, demands, group, hold)
    contents = {options["out_file"]: write_estimates_csv(found.verdicts).encode()}
    if options["json_file"] is not None:
        contents[options["json_file"]] = (json.dumps(_figures(found, names, options["model"]), indent=1) + "\n").encode()
    if options["report_file"] is not None:
        contents[options["report_file"]] = html_file_report(
            found, max_se=options["max_se"], language=language(options["language"])
        ).encode()
    write_files(contents, force=True)
    if found.run is None:
        anchored = all(verdict.flags == ("anchor",) for verdict in found.verdicts)
        out.print("Nothing was left to estimate: every item is an anchor." if anchored else "No item could be estimated:")
    else:
        fit = found.run.fit
        out.print(
            f"{fit.design.n_persons} people, {int(fit.counts.sum())} answers; log-likelihood {fit.loglik:.4f} after {fit.n_cycles} cycles"
            f"{'' if fit.converged else ', [red]not converged[/]'}; {found.seconds:.2f} s"
        )
    _print_flags(found.verdicts)


def _grouped(answers: Path, groups: str | None, competency: str | None) -> tuple[ResponseLog, Ints | None, tuple[str, ...]]:
    """The answers, the group of each person, and the groups' names; `groups` names a file, or a column of the answers."""
    is_file = groups is not None and Path(groups).exists()
    log, label = read_labelled(answers, None if is_file else groups, competency=competency, one_scale=True)
    if groups is None:
        return log, None, ("all",)
    if is_file:
        return log, *read_as(Path(groups), lambda text: read_groups_csv(text, log.person_ids))
    numbers = {name: k for k, name in enumerate(dict.fromkeys(label))}
    return log, np.array([numbers[name] for name in label], dtype=np.int64), tuple(numbers)


def _figures(found: FileCalibration, names: tuple[str, ...], model: str) -> dict[str, Any]:
    """What --json holds."""
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_PER_MB
    figures: dict[str, Any] = {"model": model, "seconds": round(found.seconds, 4), "peak_mb": round(peak_mb, 1)}
    figures["items"] = {v.item_id: list(v.flags) for v in found.verdicts if v.flags}
    if found.run is None:
        return {**figures, "loglik": None, "n_cycles": 0, "converged": False, "latent": {}, "aic": None, "bic": None, "n_free": 0}
    fit, errors = found.run.fit, found.run.errors
    present = [names[g] for g in found.run.groups.tolist()]
    spread = zip(present, fit.means.tolist(), fit.sds.tolist(), errors.mean.tolist(), errors.sd.tolist(), strict=True)
    latent: dict[str, dict[str, Any]] = {
        name: {"mean": mean, "sd": sd, "se_mean": _or_none(se_mean), "se_sd": _or_none(se_sd)} for name, mean, sd, se_mean, se_sd in spread
    }
    if fit.state.histogram is not None:
        for group, weights in zip(latent.values(), fit.weights.tolist(), strict=True):
            group |= {"nodes": fit.nodes.tolist(), "weights": weights}
    return {
        **figures, "loglik": fit.loglik, "n_cycles": fit.n_cycles, "converged": fit.converged, "latent": latent, "aic": fit.aic, "bic": fit.bic,
        "n_free": fit.n_free, "n_persons": fit.design.n_persons, "n_answers": int(fit.counts.sum()),
        "pairs": None if found.pairs is None else pairs_figures(found.pairs),
    }  # fmt: skip


def _or_none(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _print_flags(verdicts: Sequence[ItemVerdict]) -> None:
    flagged = [v for v in verdicts if v.flags and v.flags != ("anchor",)]
    out.print(f"{len(verdicts) - len(flagged)} of {len(verdicts)} items without a flag")
    for v in flagged:
        partners = f", with {', '.join(v.partners)}" if v.partners else ""
        out.print(escape(f"  {v.item_id}: {', '.join(v.flags)} (n = {v.n}{partners})"))
    english = language("en")
    for flag in dict.fromkeys(flag for v in flagged for flag in v.flags if flag in ADVICE):
        out.print(escape(f"{flag}: {english.gettext(SENTENCES[flag])}; {ADVICE[flag]}"))


def _calibrate_waves(mode: str, mml: MmlOptions, options: Mapping[str, Any], hold: Hold) -> None:
    from webtest.services.psychometrics import Psychometrics  # with the database, which answers in a file do without
    from webtest.services.wavelist import wave_faults

    named, faults = named_waves(options["waves"], ALL_WAVES)
    with opened(options["data"]) as house:
        faults += wave_faults(house.engine, named)
        if faults:
            raise Faulty(faults)
        service = Psychometrics(house.engine, house.store)
        waves = list(dict.fromkeys(named)) or [wave.id for wave in service.closed_waves()]
        chosen = CalibrationOptions(
            mode,
            frozenset(),
            options["min_n"] or 100,
            options["max_se"],
            options["girth"],
            options["se"],
            mml,
        )
        truth = read_as(options["truth_file"], read_bank_csv) if options["truth_file"] else None
        run_id, proposal = service.calibrate(waves, chosen, actor=actor(), now=now_ms(), truth=truth, hold=hold)
        run = service.run(run_id)
        words = language(options["language"])
        contents = {
            options["out_file"]: lambda: proposal_csv(proposal, words),
            options["json_file"]: lambda: proposal_json(proposal, words),
            options["report_file"]: lambda: service.report(run_id, options["language"]),
        }
        write_files({path: text().encode() for path, text in contents.items() if path is not None}, force=True)
        summary = json.loads(run.summary)
        out.print(
            f"Run {run_id}: {summary['answers']} answers of {len(waves)} waves on bank version {run.base_version}, {proposal.seconds:.2f} s; "
            f"{summary['adopt']} items take new parameters, {summary['keep']} keep the old, {summary['reject']} are to be held"
        )
        _print_flags(proposal.verdicts)
        if truth is not None:
            near = recovery(proposal, {item_id: truth.row(i) for i, item_id in enumerate(truth.ids)})
            out.print(
                f"Against the truth, {near.n_items} items: RMSE of b {near.rmse_b:.3f} (r {near.r_b:.3f}), of a {near.rmse_a:.3f} (r {near.r_a:.3f})"
            )
        if run.draft_version is None:
            out.print("No item meets the demands: no draft was made.")
            sys.exit(0)
        _print_changes(service, run.draft_version)
        if options["publish"]:
            _publish(house, run.draft_version)
        else:
            out.print(f"Version {run.draft_version} is a draft; 'cact bank publish {run.draft_version}' publishes it.")


def _print_changes(service: "Psychometrics", version: int) -> None:
    changes = service.changes(version)
    out.print(f"Version {version} changes {len({change.item_id for change in changes})} items:")
    for change in changes:
        out.print(escape(f"  {change.item_id} {change.field}: {_short(change.old)} -> {_short(change.new)}"))


def _short(value: str) -> str:
    """Its numbers with three digits after the point at most: a person reads this, files have them all."""
    return LONG_NUMBER.sub(lambda found: f"{float(found[0]):.3f}", value)


def _publish(house: "House", version: int) -> None:
    from webtest.commands_bank import trial_text
    from webtest.search_bar import found_or_with_bar
    from webtest.services.review import Review
    from webtest.services.trials import Trials

    trials = Trials(house.engine, found_or_with_bar(house.searches))
    tried = trials.try_version(version, trials.plan(version), actor=actor(), now=now_ms())
    out.print(trial_text(tried))
    if not tried.after.holds:
        out.print(f"Not published: a limit is missed. 'cact bank publish {version} --reason TEXT' publishes it all the same.")
        sys.exit(EXIT_NOT_SOUND)
    Review(house.engine).decide(version, "publish", actor=actor(), now=now_ms())
    out.print(f"Version {version} is published in {house.folder}.")


def _common(told: str | None, new: Collection[str], old: Collection[str]) -> list[str]:
    """The common items: those told, in a file or by themselves, or all that both have. Raises Faulty for what is neither file nor ids."""
    if told is None:
        return [item_id for item_id in new if item_id in old]
    if os.path.exists(told):  # Path.exists raises where many ids are longer than a file's name may be
        return read_ids(read_text(Path(told)))
    ids = [item_id.strip() for item_id in told.split(",") if item_id.strip()]
    if not any(item_id in new or item_id in old for item_id in ids):
        raise Faulty([Fault("--common", "", "is neither a file nor ids of items", "a file with an id a line, or ids separated by commas")])
    return ids


@click.command("link")
@click.option("--new", "new_file", type=FILE, required=True, help="Parameters to move: item_id,model,a,b1,…,c,d.")
@click.option("--old", "old_file", type=FILE, required=True, help="Parameters on the scale to move to.")
@click.option(
    "--common",
    metavar="IDS",
    help="Common items: a file with an id a line, or ids separated by commas. [default: all that both files have]",
)
@click.option(
    "--method", type=click.Choice(METHODS), default="sl", show_default=True, help="mean/mean, mean/sigma, Haebara, Stocking-Lord."
)
@click.option("--purify", is_flag=True, help="Leave out common items whose b moved by more than 2.7 robust sds, until they settle.")
@click.option("--out", "out_file", type=FILE, help="Write the moved parameters as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON for a program.")
@guarded
def link_files(new_file: Path, old_file: Path, common: str | None, method: str, purify: bool, out_file: Path | None, as_json: bool) -> None:
    """Link two calibrations by their common items: constants A and B with theta_old = A theta_new + B."""
    if out_file is not None:
        check_target(out_file, force=True)
    new, old = read_as(new_file, read_items_csv), read_as(old_file, read_items_csv)
    shared = _common(common, new, old)
    faults = [
        Fault(str(path), item_id, "is a common item and is missing", "leave it out of the common items")
        for path, rows in ((new_file, new), (old_file, old))
        for item_id in shared
        if item_id not in rows
    ]
    if faults:
        raise Faulty(faults)
    mine, theirs = [new[item_id] for item_id in shared], [old[item_id] for item_id in shared]
    (slope, intercept), kept = purified_link(mine, theirs, method) if purify else (link(mine, theirs, method), len(shared))
    if out_file is not None:
        write_file(
            out_file, write_items_csv({item_id: transform(row, slope, intercept) for item_id, row in new.items()}).encode(), force=True
        )
    z = robust_z([transform(row, slope, intercept) for row in mine], theirs)
    drift = {item_id: round(float(value), 2) for item_id, value in zip(shared, z, strict=True) if abs(value) > LARGEST_Z}
    figures = {"method": method, "A": slope, "B": intercept, "common": len(shared), "used": kept, "moved": len(new), "drift": drift}
    lines = [
        f"A = {slope:.6f}, B = {intercept:.6f} ({method}, {len(shared)} common items{f', {len(shared) - kept} left out' if purify else ''})"
    ]
    lines += [escape(f"  {item_id} may have drifted: robust z of b {value}") for item_id, value in drift.items()]
    put(figures, as_json, "\n".join(lines))
