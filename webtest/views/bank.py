"""The psychometrician's pages: bank, item, simulation, calibration, versions."""

import json
from collections.abc import Iterable
from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext as _
from markupsafe import Markup

from calibration.mml import FIPC, MmlOptions
from calibration.pipeline import CalibrationOptions
from calibration.sorting import POLICY_HASH
from cat_engine import Faulty
from itembank.demo import plan_text
from itembank.models import BankVersion
from webtest.accounts import Right
from webtest.figures import comparison_figures, item_figure, simulation_figures, small_information
from webtest.languages import reader
from webtest.refusal import Refused
from webtest.request import house, needs, now_ms, officer, see_other
from webtest.services.origins import origins
from webtest.services.psychometrics import Psychometrics
from webtest.services.review import Decision, Review
from webtest.services.searches import CONTROL
from webtest.services.trials import TRIAL
from webtest.services.works import Waiting, Work
from webtest.views.banktable import Choice, chosen, shifts
from webtest.views.estimates import estimates_csv, estimates_json
from webtest.views.simulated import ENOUGH, MOST_PLANS, PEOPLE, SEEDS, Asked, by_competency, measures, section_minutes, targets
from webtest.views.words import competency
from webtest.views.working import together, work_part

pages = Blueprint("bank", __name__, url_prefix="/petugas/bank")
MOST_SEARCHES = 4
MODES = {  # of the form for calibrations: what is estimated, and how fixed items are used
    "free": ("free", FIPC[0]), "anchored": ("anchored", FIPC[0]), "online": ("online", FIPC[0]), "oem": ("online", "nwu-oem"),
    "mem": ("online", "nwu-mem"),
}  # fmt: skip


def _service() -> Psychometrics:
    return Psychometrics(house().engine, house().store, house().searches.control)


def _names() -> dict[str, str]:
    return {f"user:{account.id}": account.name for account in house().accounts.all()}


def _review() -> Review:
    return Review(house().engine)


@pages.get("/butir")
@needs(Right.SEE_BANK)
def items() -> Any:
    bank, contents = _service().bank(request.args.get("versi", type=int))
    choice, use = Choice.of(request.args), _service().use()
    shown = chosen(bank, contents, use, choice)
    return render_template(
        "officer/items.html", bank=bank, contents=contents, shown=shown, use=use, choice=choice, curves=small_information(bank.params)
    )


@pages.get("/butir/<item_id>")
@needs(Right.SEE_BANK)
def item(item_id: str) -> Any:
    bank, contents = _service().bank(request.args.get("versi", type=int))
    if item_id not in bank.index:
        raise Refused("unknown")
    i = bank.index[item_id]
    history = []
    for version in _service().versions():
        other, _contents = _service().bank(version.version)
        if item_id in other.index:
            history.append((version, other.row(other.index[item_id]), other.calibration[other.index[item_id]]))
    mates = [other for j, other in enumerate(bank.ids) if bank.competency_of(j) == bank.competency_of(i)]
    at = mates.index(item_id)
    return render_template(
        "officer/item.html", bank=bank, i=i, content=contents.get(item_id), row=bank.row(i), figure=item_figure(bank.row(i)), history=history,
        use=_service().use().get(item_id), before=mates[at - 1] if at else None, after=mates[at + 1] if at + 1 < len(mates) else None,
    )  # fmt: skip


@pages.get("/simulasi")
@needs(Right.SEE_BANK)
def simulation() -> Any:
    return _simulation(Asked((plan_text(),)))


def _simulation(asked: Asked, **found: Any) -> str:
    return render_template("officer/simulation.html", asked=asked, most=MOST_PLANS, people=PEOPLE, seeds=SEEDS, **found)


@pages.post("/simulasi")
@needs(Right.SEE_BANK)
def simulate() -> Any:
    asked = Asked.of(request.form)
    try:
        n, seed = asked.numbers()
        bank, trials = _service().simulate(asked.texts, n, seed)
    except Faulty as error:
        return _simulation(asked, faults=error.faults), 422
    except Waiting as error:
        return _simulation(asked, search=together(error.works), source=_source(error.works)), 202
    rows = [targets(tried.plan, tried.pool, tried.result) for tried in trials]
    first = trials[0]
    if len(trials) == 1:
        aim = next((r.aim for r in rows[0] if r.aim is not None), None)
        figures = simulation_figures(first.result, lambda s: competency(first.pool.competencies[s]), aim)
    else:
        figures = comparison_figures([(tried.pool.competencies, tried.result) for tried in trials], competency)
    return _simulation(
        asked, trials=trials, rows=rows, measures=measures(trials), competencies=by_competency(rows), enough=ENOUGH, figures=figures,
        minutes=[section_minutes(tried) for tried in trials], version=bank.version, provisional=bank.provisional,
    )  # fmt: skip


def _source(works: Iterable[Work]) -> str:
    """Where the page's script hears how searches stand."""
    return url_for("bank.search", d=[work.subject for work in works])


@pages.get("/pencarian")
@needs(Right.SEE_BANK)
def search() -> Any:
    return work_part(together(house().searches.at(request.args.getlist("d")[:MOST_SEARCHES])))


@pages.get("/kalibrasi")
@needs(Right.CALIBRATE)
def calibration() -> Any:
    runs = [(run, json.loads(run.summary)) for run in _service().runs()]
    return render_template("officer/calibration.html", waves=_service().closed_waves(), runs=runs)


@pages.post("/kalibrasi")
@needs(Right.CALIBRATE)
def calibrate() -> Any:
    waves = request.form.getlist("wave")
    if not waves:
        raise Refused("no_wave")
    chosen_mode = request.form.get("mode", "free")
    if chosen_mode not in MODES:
        raise Refused("unknown")
    mode, fipc = MODES[chosen_mode]
    options = CalibrationOptions(mode, girth=request.form.get("girth") == "1", mml=MmlOptions(fipc=fipc))
    run_id, _proposal = _service().calibrate(waves, options, actor=officer().actor, now=now_ms())
    if _service().run(run_id).draft_version is None:  # the page itself says why there is no draft
        flash(_("Kalibrasi selesai. Tidak ada rancangan versi; laporannya menyebut alasan setiap butir."), "warning")
    else:
        flash(_("Kalibrasi selesai. Baca laporannya, lalu terbitkan atau tolak rancangan versinya."), "success")
    return see_other("bank.calibration_run", run_id=run_id)


@pages.get("/kalibrasi/<int:run_id>")
@needs(Right.CALIBRATE)
def calibration_run(run_id: int) -> Any:
    run = _service().run(run_id)
    drafts = {version.version: version for version in _service().versions()}
    waves = {wave.id: wave.name for wave in _service().closed_waves()}
    names = [waves.get(wave, wave) for wave in json.loads(run.waves)]
    review = _review()
    draft = drafts.get(run.draft_version or 0)
    return render_template(
        "officer/calibration_run.html", run=run, summary=json.loads(run.summary), draft=draft, waves=names, estimates=review.estimates(run),
        decisions=review.decisions(run_id), names=_names(), **(_trial(draft.version) if draft else {}),
    )  # fmt: skip


@pages.post("/kalibrasi/<int:run_id>/putusan")
@needs(Right.CALIBRATE)
def override(run_id: int) -> Any:
    form = request.form
    wanted = {  # what the page showed (tadi) and nobody changed on it may have been decided elsewhere since
        item: Decision(form[f"putusan-{item}"], form.get("reason", ""))
        for item in form.getlist("butir")
        if f"putusan-{item}" in form and form[f"putusan-{item}"] != form.get(f"tadi-{item}")
    }
    _review().override(run_id, wanted, actor=officer().actor, now=now_ms())
    if wanted:
        flash(_("Putusan disimpan; rancangan versi disusun ulang."), "success")
    else:
        flash(_("Tidak ada putusan yang diubah."), "warning")
    return see_other("bank.calibration_run", run_id=run_id)


@pages.get("/kalibrasi/<int:run_id>/butir.<kind>")
@needs(Right.CALIBRATE)
def estimates(run_id: int, kind: str) -> Any:
    """The estimates of a run for a program: butir.csv or butir.json."""
    if kind not in ("csv", "json"):
        raise Refused("unknown")
    found = _review().estimates(_service().run(run_id), reader())
    body = estimates_csv(found) if kind == "csv" else estimates_json(found)
    response = Response(body, mimetype="text/csv" if kind == "csv" else "application/json")
    response.headers["Content-Disposition"] = f"attachment; filename=kalibrasi-{run_id}.{kind}"
    return response


@pages.get("/kalibrasi/<int:run_id>/laporan")
@needs(Right.CALIBRATE)
def report(run_id: int) -> Any:
    """The report as it was made, in the reader's language, with the way back to its run; its own style sheet and the script that sorts its tables are inside,
    so it gets a policy of its own.
    """
    back = Markup('<nav aria-label="{0}"><a href="{1}">{0}</a></nav>').format(
        _("Hasil kalibrasi"), url_for("bank.calibration_run", run_id=run_id)
    )
    made = _service().report(run_id, reader().code).replace("<body>", f"<body>{back}", 1)
    response = Response(made, mimetype="text/html")
    response.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src '{POLICY_HASH}'; sandbox allow-scripts; frame-ancestors 'self'"
    )
    return response


@pages.get("/versi")
@needs(Right.SEE_BANK)
def versions() -> Any:
    return render_template("officer/versions.html", versions=_service().versions(), made_of=origins(house().engine))


@pages.get("/versi/<int:version>")
@needs(Right.SEE_BANK)
def version(version: int) -> Any:
    found = _known(version)
    bank = _service().bank(version)[0]
    parent = _service().bank(bank.parent)[0] if bank.parent else None
    return render_template(
        "officer/version.html", version=found, bank=bank, shifts=shifts(parent, bank) if parent else [], verdict=_review().verdict(version), names=_names(),
        made_of=origins(house().engine), **_trial(version),
    )  # fmt: skip


def _known(version: int) -> BankVersion:
    found = next((v for v in _service().versions() if v.version == version), None)
    if found is None:
        raise Refused("unknown")
    return found


def _trial(version: int) -> dict[str, Any]:
    """What a page shows of a version's trials: the latest one, and the one that is asked for (`asked`), as far as it is (`work`)."""
    tried, asked = house().trials.latest(version), house().works.state(TRIAL, str(version))
    if asked is not None and (asked.state == "finished" or (tried is not None and tried.at > asked.asked_at)):
        asked = None
    work = None if asked is None else together(house().works.progress(TRIAL, CONTROL, str(version)), TRIAL)
    return {"tried": tried, "asked": asked, "work": work}


@pages.get("/versi/<int:version>/coba")
@needs(Right.SEE_BANK)
def trial(version: int) -> Any:
    """How the trial of a version stands, for the page's script."""
    _known(version)
    return work_part(together(house().works.progress(TRIAL, CONTROL, str(version)), TRIAL))


@pages.post("/versi/<int:version>/coba")
@needs(Right.CALIBRATE)
def try_version(version: int) -> Any:
    house().trials.begin(version, house().works, actor=officer().actor)
    return see_other("bank.version", version=version)


@pages.post("/versi/<int:version>/putuskan")
@needs(Right.CALIBRATE)
def decide(version: int) -> Any:
    verdict = "publish" if request.form.get("verdict") == "publish" else "refuse"
    _review().decide(version, verdict, actor=officer().actor, now=now_ms(), reason=request.form.get("reason", ""))
    flash(_("Versi %(v)s diterbitkan.", v=version) if verdict == "publish" else _("Versi %(v)s ditolak.", v=version), "success")
    return see_other("bank.versions")
