"""The room: waves, roster, PIN cards, board, actions, minutes."""

import datetime as dt
from typing import Any

from flask import Blueprint, flash, make_response, render_template, request
from flask_babel import gettext as _

from cat_engine import Faulty
from itembank.demo import plan_text
from webtest.accounts import Right
from webtest.app import ZONES, house, needs, now_ms, officer, see_other
from webtest.minutes import minutes_of, minutes_pdf
from webtest.refusal import Refused
from webtest.roster import read_roster
from webtest.services.wavelist import list_waves
from webtest.services.waves import REASONS, NewWave, Outcome

pages = Blueprint("room", __name__, url_prefix="/petugas")


@pages.get("/gelombang")
@needs(Right.SEE_WAVES)
def waves() -> Any:
    return render_template("officer/waves.html", waves=list_waves(house().engine))


@pages.get("/gelombang/baru")
@needs(Right.MAKE_WAVES)
def new_wave() -> Any:
    return render_template("officer/new_wave.html", form={"day": dt.date.today().isoformat(), "zone": "WIB"}, zones=ZONES)


@pages.post("/gelombang/baru")
@needs(Right.MAKE_WAVES)
def create_wave() -> Any:
    form = {name: request.form.get(name, "").strip() for name in ("name", "agency", "place", "day", "zone")}
    upload = request.files.get("roster")
    try:
        rows = read_roster(upload.read() if upload else b"", (upload.filename or "") if upload else "")
        if request.form.get("action") != "create":
            rooms: dict[str, int] = {}
            for row in rows:
                rooms[row.room] = rooms.get(row.room, 0) + 1
            return render_template("officer/new_wave.html", form=form, zones=ZONES, rows=rows, rooms=rooms)
        zone = form["zone"] if form["zone"] in ZONES else "WIB"
        new = NewWave(form["name"], form["agency"], form["place"], form["day"], zone)
        wave_id = house().waves.create(new, rows, plan_text(), actor=officer().actor, now=now_ms())
    except Faulty as error:
        return render_template("officer/new_wave.html", form=form, zones=ZONES, faults=error.faults), 422
    flash(_("Gelombang dibuat dengan %(n)s peserta. Periksa, lalu buka gelombang.", n=len(rows)), "success")
    return see_other("room.board", wave_id=wave_id)


@pages.get("/gelombang/<wave_id>")
@needs(Right.SEE_WAVES)
def board(wave_id: str) -> Any:
    view = house().monitor.board(wave_id, now_ms(), fresh=True)
    room = request.args.get("ruang", "")
    return render_template("officer/board.html", board=view, wave=view.wave, room=room, reasons=REASONS)


@pages.get("/gelombang/<wave_id>/papan")
@needs(Right.SEE_WAVES)
def board_rows(wave_id: str) -> Any:
    """The table alone, for the page's script; with an ETag, so that quiet rooms cost nothing."""
    view = house().monitor.board(wave_id, now_ms())
    response = make_response(render_template("officer/_board.html", board=view, wave=view.wave, room=request.args.get("ruang", "")))
    response.set_etag(f"{wave_id}-{view.at}-{request.args.get('ruang', '')}")
    return response.make_conditional(request)


@pages.post("/gelombang/<wave_id>/buka")
@needs(Right.RUN_ROOM)
def open_wave(wave_id: str) -> Any:
    house().waves.open(wave_id, actor=officer().actor, now=now_ms())
    flash(_("Gelombang dibuka. Daftar peserta dibekukan."), "success")
    return see_other("room.board", wave_id=wave_id)


@pages.post("/gelombang/<wave_id>/pin")
@needs(Right.RUN_ROOM)
def pins(wave_id: str) -> Any:
    cards = house().waves.issue_pins(wave_id, _chosen(wave_id), actor=officer().actor, now=now_ms())
    view = house().monitor.board(wave_id, now_ms())
    return render_template("officer/cards.html", cards=cards, wave=view.wave)


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
    _say(outcomes)
    return see_other("room.board", wave_id=wave_id, ruang=form.get("ruang", ""))


def _say(outcomes: list[Outcome]) -> None:
    done = sum(o.done for o in outcomes)
    flash(_("Berhasil untuk %(n)s peserta.", n=done), "success" if done else "warning")
    left = len(outcomes) - done
    if left:
        flash(_("Dilewati untuk %(n)s peserta: tahapnya tidak sesuai dengan tindakan ini.", n=left), "warning")


def _chosen(wave_id: str) -> list[str]:
    """The people ticked; with none ticked, everybody in the room shown (or in the wave)."""
    ticked = request.form.getlist("attempt")
    if ticked:
        return ticked
    room = request.form.get("ruang", "")
    return [line.attempt for line in house().monitor.board(wave_id, now_ms(), fresh=True).lines if not room or line.room == room]


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
    response = make_response(minutes_pdf(minutes_of(house(), wave_id, now_ms())))
    response.headers["Content-Type"] = "application/pdf"
    response.headers["Content-Disposition"] = f'inline; filename="berita-acara-{wave_id}.pdf"'
    return response
