"""Results of closed waves, and the log of a wave for whoever checks it."""

import json
from typing import Any

from flask import Blueprint, Response, flash, render_template, request, url_for
from flask_babel import gettext as _

from webtest.accounts import Right
from webtest.figures import level_heads, level_strip, talent_map
from webtest.languages import reader
from webtest.refusal import Refused
from webtest.request import house, needs, now_ms, officer, see_other
from webtest.roster import read_performance
from webtest.services.results import Results, log_lines
from webtest.services.wavelist import list_waves
from webtest.tables import as_csv, as_xlsx
from webtest.views.files import XLSX, attached
from webtest.views.resulttable import Wanted, by_job_level, chosen, unsure, valid_until

pages = Blueprint("results", __name__, url_prefix="/petugas/hasil")


def _results() -> Results:
    return Results(house().engine, house().store, house().catalog, house().keys)


@pages.get("")
@needs(Right.SEE_RESULTS)
def index() -> Any:
    return render_template("officer/results_index.html", waves=[w for w in list_waves(house().engine) if w.wave.closed_at is not None])


@pages.get("/<wave_id>")
@needs(Right.SEE_RESULTS)
def wave(wave_id: str) -> Any:
    view = _results().wave(wave_id)
    wanted = Wanted.of(request.args)
    shown = chosen(view, wanted)
    figure = talent_map(view, shown, lambda p: url_for("results.person", wave_id=wave_id, attempt=p.attempt))
    return render_template(
        "officer/results.html", view=view, shown=shown, wanted=wanted, map=figure, groups=by_job_level(view), unsure=unsure
    )


@pages.get("/<wave_id>/<attempt>")
@needs(Right.SEE_RESULTS)
def person(wave_id: str, attempt: str) -> Any:
    view = _results().wave(wave_id)
    found = next((p for p in view.profiles if p.attempt == attempt), None)
    if found is None:
        raise Refused("unknown")
    cuts = view.norms.level_cuts
    strips = [(result, level_strip(result, cuts)) for result in (*found.levels, *found.aspects)]
    return render_template(
        "officer/profile.html",
        view=view,
        p=found,
        strips=strips,
        heads=level_heads(cuts),
        until=valid_until(view.wave.day),
        unsure=unsure(found),
    )


@pages.post("/<wave_id>/kinerja")
@needs(Right.RELEASE)
def performance(wave_id: str) -> Any:
    upload = request.files.get("values")
    rows = read_performance(upload.read() if upload else b"", (upload.filename or "") if upload else "")
    count, unknown = _results().load_performance(wave_id, rows, actor=officer().actor, now=now_ms())
    flash(_("Nilai kinerja %(n)s peserta disimpan.", n=count), "success")
    if unknown:
        flash(_("%(n)s baris bukan peserta gelombang ini dan dilewati.", n=unknown), "warning")
    return see_other("results.wave", wave_id=wave_id)


@pages.post("/<wave_id>/rilis")
@needs(Right.RELEASE)
def release(wave_id: str) -> Any:
    _results().release(wave_id, actor=officer().actor, now=now_ms())
    flash(_("Hasil dirilis."), "success")
    return see_other("results.wave", wave_id=wave_id)


@pages.get("/<wave_id>/ekspor.<kind>")
@needs(Right.SEE_RESULTS)
def export(wave_id: str, kind: str) -> Any:
    table = _results().table(wave_id, reader())
    if kind == "xlsx":
        return attached(as_xlsx(table), f"hasil-{wave_id}.xlsx", XLSX)
    if kind == "csv":
        return attached(as_csv(table).encode("utf-8-sig"), f"hasil-{wave_id}.csv", "text/csv; charset=utf-8")
    raise Refused("unknown")


@pages.get("/<wave_id>/catatan.jsonl")
@needs(Right.SEE_RESULTS)
def log(wave_id: str) -> Any:
    lines = log_lines(house().engine, house().store, wave_id)
    return Response((json.dumps(line, ensure_ascii=False) + "\n" for line in lines), mimetype="application/jsonl")
