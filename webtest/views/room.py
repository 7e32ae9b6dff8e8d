"""The room: waves, roster, PIN cards, board, actions, minutes."""

import csv
import io
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from flask import Blueprint, flash, make_response, render_template, request
from flask_babel import force_locale, ngettext
from flask_babel import gettext as _

from cat_engine import Fault, Faulty
from itembank.demo import plan_text
from webtest.accounts import Right
from webtest.formats import ZONES, today
from webtest.languages import LANGUAGES, reader
from webtest.minutes import minutes_of, minutes_pdf
from webtest.refusal import Refused
from webtest.request import house, needs, now_ms, officer, see_other, wants_fragment
from webtest.roster import RosterRow, read_roster
from webtest.services.acts import REASONS, Outcome
from webtest.services.preflights import PREFLIGHT
from webtest.services.searches import CONTROL
from webtest.services.wavelist import list_waves
from webtest.services.waves import NewWave
from webtest.start_cells import PRIOR_COLUMNS, prior_cells
from webtest.views.actions import ACTIONS, Meant, meant_by, open_to
from webtest.views.boardview import Look, view_of
from webtest.views.timeline import timeline
from webtest.views.words import PHASES, REASON_GROUPS, say
from webtest.views.working import Shown, together, work_part

pages = Blueprint("room", __name__, url_prefix="/petugas")
LARGEST_CARRIED = 1_000_000


@pages.get("/gelombang")
@needs(Right.SEE_WAVES)
def waves() -> Any:
    lines = list_waves(house().engine)
    drafts = [line.wave.id for line in lines if line.wave.status == "draft"]
    return render_template("officer/waves.html", waves=lines, works=dict(zip(drafts, house().works.states(PREFLIGHT, drafts), strict=True)))


@pages.get("/gelombang/baru")
@needs(Right.MAKE_WAVES)
def new_wave() -> Any:
    return render_template("officer/new_wave.html", form={"day": today(now_ms()), "zone": "WIB"}, zones=ZONES)


@pages.post("/gelombang/baru")
@needs(Right.MAKE_WAVES)
def create_wave() -> Any:
    form = {name: request.form.get(name, "").strip() for name in ("name", "agency", "place", "day", "zone")}
    new = NewWave(form["name"], form["agency"], form["place"], form["day"], form["zone"] if form["zone"] in ZONES else "WIB")
    faults, rows = house().waves.faults(new), []
    try:
        rows = read_roster(*_upload())
    except Faulty as error:
        faults += error.faults
    if faults or request.form.get("action") != "create":
        return _checked(form, rows, faults)
    try:
        wave_id = house().waves.create(new, rows, plan_text(), actor=officer().actor, now=now_ms(), control=house().searches.control)
    except Faulty as error:
        return _checked(form, rows, error.faults)
    house().preflights.begin(wave_id, actor=officer().actor)
    flash(_("Gelombang dibuat dengan %(n)s peserta. Gelombang dapat dibuka sesudah rencana tesnya selesai dicoba.", n=len(rows)), "success")
    return see_other("room.board", wave_id=wave_id)


def _checked(form: Mapping[str, str], rows: Sequence[RosterRow], faults: Sequence[Fault]) -> Any:
    """The form again: everything that is wrong with it and with the roster; a roster that can be read (`rows`) comes along and need not be chosen again."""
    rooms = Counter(row.room for row in rows)
    page = render_template(
        "officer/new_wave.html", form=form, zones=ZONES, rows=rows, rooms=rooms, carried=_carried(rows) if rows else "", faults=faults
    )
    return page, 422 if faults else 200


def _upload() -> tuple[bytes, str]:
    """The roster: the file chosen now, else the one that was checked a moment ago and came back in the form."""
    upload = request.files.get("roster")
    if upload and upload.filename:
        return upload.read(), upload.filename
    return request.form.get("carried", "").encode(), "daftar-peserta.csv"


def _carried(rows: Sequence[RosterRow]) -> str:
    """A checked roster as CSV for the form, so that nobody has to choose the file twice; "" where it would be too large for a form."""
    text = io.StringIO()
    csv.writer(text).writerows(
        [
            ["nip", "name", "job_level", "unit", "room", *PRIOR_COLUMNS],
            *((r.nip, r.name, r.job_level, r.unit, r.room, *prior_cells(r.prior)) for r in rows),
        ]
    )
    return text.getvalue() if len(text.getvalue()) < LARGEST_CARRIED else ""


@pages.get("/gelombang/<wave_id>")
@needs(Right.SEE_WAVES)
def board(wave_id: str) -> Any:
    shown = _board(wave_id, Look.of(request.args), fresh=True)
    work = _work(wave_id) if shown["wave"].status == "draft" else None
    newer = house().waves.newer_bank(wave_id) if work is not None and work.state == "failed" else None
    return render_template("officer/board.html", **shown, work=work, newer=newer)


@pages.get("/gelombang/<wave_id>/papan")
@needs(Right.SEE_WAVES)
def board_rows(wave_id: str) -> Any:
    """The table alone, for the page's script; with an ETag, so that quiet rooms cost nothing."""
    look = Look.of(request.args)
    values = _board(wave_id, look)
    response = make_response(render_template("officer/_board.html", **values))
    response.set_etag(f"{wave_id}-{values['board'].at}-{look.query()}")
    return response.make_conditional(request)


def _work(wave_id: str) -> Shown | None:
    """What must be over before a wave can be opened: the search for its control parameters, then the simulation of its plan. None where nothing was begun
    and it waits for nothing: it begins when the wave is opened.
    """
    works = house().works.progress(PREFLIGHT, CONTROL, wave_id)
    if not works and house().waves.needs(wave_id) is None:
        return None
    return together(works or [None], PREFLIGHT)


@pages.get("/gelombang/<wave_id>/persiapan")
@needs(Right.SEE_WAVES)
def preflight(wave_id: str) -> Any:
    """How that stands, for the page's script."""
    return work_part(_work(wave_id) or together([], PREFLIGHT))


@pages.post("/gelombang/<wave_id>/persiapan")
@needs(Right.RUN_ROOM)
def preflight_again(wave_id: str) -> Any:
    """Begin it anew; what runs stays as it is."""
    house().preflights.begin(wave_id, actor=officer().actor)
    return see_other("room.board", wave_id=wave_id)


@pages.post("/gelombang/<wave_id>/perbarui")
@needs(Right.MAKE_WAVES)
def renew(wave_id: str) -> Any:
    """Change a wave that could not be opened to the newest bank."""
    house().waves.renew(wave_id, now=now_ms(), control=house().searches.control)
    house().preflights.begin(wave_id, actor=officer().actor)
    flash(_("Gelombang ini sekarang memakai bank soal terbaru. Gelombang dapat dibuka sesudah rencana tesnya selesai dicoba."), "success")
    return see_other("room.board", wave_id=wave_id)


@pages.get("/gelombang/<wave_id>/hapus")
@needs(Right.MAKE_WAVES)
def ask_discard(wave_id: str) -> Any:
    """What follows from discarding a wave. Nothing is changed here."""
    board = house().monitor.board(wave_id, now_ms(), fresh=True)
    if board.wave.status != "draft":
        raise Refused("wave_not_draft")
    return render_template("officer/discard.html", wave=board.wave, board=board)


@pages.post("/gelombang/<wave_id>/hapus")
@needs(Right.MAKE_WAVES)
def discard(wave_id: str) -> Any:
    name = house().monitor.board(wave_id, now_ms()).wave.name
    house().waves.discard(wave_id, actor=officer().actor, now=now_ms())
    house().works.forget(PREFLIGHT, wave_id)
    flash(_("Gelombang “%(n)s” dihapus.", n=name), "success")
    return see_other("room.waves")


def _board(wave_id: str, look: Look, *, fresh: bool = False) -> dict[str, Any]:
    view = house().monitor.board(wave_id, now_ms(), fresh=fresh)
    return {"board": view, "wave": view.wave, "look": look, "view": view_of(view, look), "actions": ACTIONS}


@pages.get("/gelombang/<wave_id>/peserta/<attempt>")
@needs(Right.SEE_WAVES)
def person(wave_id: str, attempt: str) -> Any:
    """One person: facts, events, and what may be done now. A part of a page for the board's script, which shows it beside the table."""
    board = house().monitor.board(wave_id, now_ms(), fresh=True)
    line = next((line for line in board.lines if line.attempt == attempt), None)
    if line is None:
        raise Refused("unknown")
    session = house().store.load(attempt)
    names = {f"user:{account.id}": account.name for account in house().accounts.all()}
    moments = timeline(house().store.events(attempt), lambda actor: names.get(actor, _("petugas")))
    asked_by = session.void_requested["actor"] if session.void_requested else None
    may_now = open_to(
        line.phase, wave=board.wave.status, has_device=session.device is not None, void_requested_by=asked_by, actor=officer().actor
    )
    page = "officer/_person.html" if wants_fragment() else "officer/person.html"
    return render_template(page, board=board, wave=board.wave, line=line, moments=moments, may_now=may_now, session=session)


@pages.post("/gelombang/<wave_id>/konfirmasi")
@needs(Right.RUN_ROOM)
def ask(wave_id: str) -> Any:
    """Before an action: what it does, to whom, and the reason asked for. Nothing is changed here."""
    action = ACTIONS.get(request.form.get("action", ""))
    if action is None:
        raise Refused("not_now")
    look = Look.of(request.form)
    board = house().monitor.board(wave_id, now_ms(), fresh=True)
    meant = Meant() if action.on_wave else meant_by(action, board, look, set(request.form.getlist("attempt")))
    groups: dict[str, list[str]] = {}
    for code in REASONS:
        groups.setdefault(say(code.split(".")[0], REASON_GROUPS), []).append(code)
    to = {"pin": "room.pins", "close": "room.close_wave"}.get(action.code, "room.act")
    return render_template(
        "officer/confirm.html", wave=board.wave, board=board, action=action, meant=meant, look=look, groups=groups, to=to
    )


@pages.get("/gelombang/<wave_id>/konfirmasi")
@pages.get("/gelombang/<wave_id>/pin")
@needs(Right.RUN_ROOM)
def back_to_board(wave_id: str) -> Any:
    """Pages that answer a form: whoever comes back to one (by a refusal, or by the language switch) finds the board."""
    return see_other("room.board", wave_id=wave_id)


@pages.post("/gelombang/<wave_id>/buka")
@needs(Right.RUN_ROOM)
def open_wave(wave_id: str) -> Any:
    actor, parts = officer().actor, house()
    parts.waves.open(wave_id, actor=actor, now=now_ms(), control=parts.searches.control, simulated=parts.preflights.simulated_for(actor))
    flash(_("Gelombang dibuka. Daftar peserta dibekukan."), "success")
    return see_other("room.board", wave_id=wave_id)


@pages.post("/gelombang/<wave_id>/pin")
@needs(Right.RUN_ROOM)
def pins(wave_id: str) -> Any:
    """The cards, which only the answer to this form holds. Sent once more, the same form issues nothing; one that does not say what the officer saw
    knows of no PIN, and replaces none.
    """
    chosen, newest = _chosen(wave_id), request.form.get("newest_pin", 0, type=int)
    cards = house().waves.issue_pins(wave_id, chosen, actor=officer().actor, now=now_ms(), newest=newest)
    view = house().monitor.board(wave_id, now_ms())
    return render_template("officer/cards.html", cards=cards, wave=view.wave, left_out=len(set(chosen)) - len(cards))


@pages.post("/gelombang/<wave_id>/tindakan")
@needs(Right.RUN_ROOM)
def act(wave_id: str) -> Any:
    chosen, form = _chosen(wave_id), request.form
    code, reason = form.get("code", ""), form.get("reason", "")
    who = {"actor": officer().actor, "now": now_ms()}
    match form.get("action"):
        case "start":
            outcomes = house().waves.start(wave_id, chosen, **who)
        case "pause":
            outcomes = house().waves.pause(wave_id, chosen, code, reason, **who)
        case "resume":
            outcomes = house().waves.resume(wave_id, chosen, **who)
        case "extend":
            outcomes = house().waves.extend(wave_id, chosen, form.get("minutes", 0, type=int), code, reason, **who)
        case "release":
            outcomes = house().waves.release_device(wave_id, chosen, reason, **who)
        case "finish":
            outcomes = house().waves.finish(wave_id, chosen, code, reason, **who)
        case "void":  # never for "all who are shown"
            outcomes = house().waves.request_void(wave_id, form.getlist("attempt"), code, reason, **who)
        case "confirm_void":
            outcomes = house().waves.confirm_void(wave_id, form.getlist("attempt"), **who)
            if all(outcome.code == "same_person" for outcome in outcomes):
                raise Refused("same_person")
        case "present" | "absent" as mark:
            outcomes = house().waves.attend(wave_id, chosen, mark == "present", **who)
        case "note":
            house().waves.note(wave_id, code, reason, **who)
            flash(_("Catatan kejadian disimpan."), "success")
            return see_other("room.board", wave_id=wave_id, ruang=form.get("ruang", ""))
        case _:
            raise Refused("not_now")
    _say(wave_id, outcomes)
    return see_other("room.board", wave_id=wave_id, ruang=form.get("ruang", ""))


MOST_NAMED = 12


def _say(wave_id: str, outcomes: list[Outcome]) -> None:
    """How many were done, and by name who was left out and where they stand (the first dozen: a message travels in a cookie)."""
    done = sum(o.done for o in outcomes)
    flash(ngettext("Berhasil untuk %(num)s peserta.", "Berhasil untuk %(num)s peserta.", done), "success" if done else "warning")
    left = {o.attempt for o in outcomes if not o.done}
    if left:
        lines = [line for line in house().monitor.board(wave_id, now_ms(), fresh=True).lines if line.attempt in left]
        named = [f"{line.name[:40]} ({say(line.phase, PHASES)})" for line in lines[:MOST_NAMED]]
        more = _(" dan %(n)s lagi", n=len(lines) - MOST_NAMED) if len(lines) > MOST_NAMED else ""
        text = ngettext(
            "Dilewati %(num)s peserta karena tahapnya tidak sesuai: %(names)s.",
            "Dilewati %(num)s peserta karena tahapnya tidak sesuai: %(names)s.",
            len(left),
            names=", ".join(named) + more,
        )
        flash(text, "warning")


def _chosen(wave_id: str) -> list[str]:
    """The people ticked; with none ticked, everybody who is shown (in the room and state chosen, or in the wave)."""
    ticked = request.form.getlist("attempt")
    if ticked:
        return ticked
    return [line.attempt for line in view_of(house().monitor.board(wave_id, now_ms(), fresh=True), Look.of(request.form)).lines]


@pages.post("/gelombang/<wave_id>/tutup")
@needs(Right.RUN_ROOM)
def close_wave(wave_id: str) -> Any:
    house().waves.close(wave_id, actor=officer().actor, now=now_ms())
    flash(_("Gelombang ditutup, dan catatannya disegel."), "success")
    return see_other("room.minutes", wave_id=wave_id)


@pages.get("/gelombang/<wave_id>/berita-acara")
@needs(Right.SEE_WAVES)
def minutes(wave_id: str) -> Any:
    return render_template("officer/minutes.html", m=minutes_of(house(), wave_id, now_ms()))


@pages.get("/gelombang/<wave_id>/berita-acara.pdf")
@needs(Right.SEE_WAVES)
def minutes_file(wave_id: str) -> Any:
    """The minutes in the reader's language, or with ?bahasa=id in Indonesian, which is the one to be signed."""
    wanted = request.args.get("bahasa")
    with force_locale(wanted if wanted in LANGUAGES else reader().code):
        response = make_response(minutes_pdf(minutes_of(house(), wave_id, now_ms())))
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="berita-acara-{wave_id}.pdf"'
    return response
