"""What pages say and in which order: codes and faults in words, the board's order, a person's timeline, an item's shift. Without a browser."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from flask import Flask
from flask_babel import Babel

from cat_engine import Fault, Faulty, Row
from itembank.demo import load_demo
from webtest.events import GENESIS, Break, Entry, Kind, chain
from webtest.job_levels import JOB_LEVELS
from webtest.kept_answers import differing
from webtest.models import Wave
from webtest.monitor import Board, Line
from webtest.roster import read_performance, read_roster
from webtest.services.acts import REASONS
from webtest.session import Phase
from webtest.views import words
from webtest.views.actions import open_to
from webtest.views.banktable import Choice, chosen, shifts
from webtest.views.boardview import Look, view_of
from webtest.views.faultwords import say_fault
from webtest.views.resulttable import valid_until
from webtest.views.timeline import timeline


@pytest.fixture(autouse=True)
def indonesian() -> Iterator[None]:
    app = Flask(__name__)
    Babel(app, default_locale="id")
    with app.test_request_context():
        yield


def test_every_code_that_a_page_may_show_has_words() -> None:
    assert set(words.JOB_LEVELS) == set(JOB_LEVELS)
    assert set(words.REASONS) == set(REASONS)
    assert set(words.PHASES) == {phase.value for phase in Phase}
    bank, contents = load_demo()
    assert set(bank.competencies) <= set(words.COMPETENCIES)
    assert set(words.MEANINGS) == set(words.COMPETENCIES)
    assert {content.kind for content in contents.values()} <= set(words.KINDS)
    assert words.job_level("jpt_pratama") == "JPT Pratama"
    assert words.reason("technical.network") == "Gangguan teknis: Jaringan"


@pytest.mark.parametrize(("share", "said"), [(0.0, "0"), (0.001, "<1"), (0.5, "50"), (0.999, ">99"), (1.0, "100")])
def test_a_probability_never_reads_as_certain_unless_it_is(share: float, said: str) -> None:
    assert words.percent(share) == f"{said}\u00a0%"  # a space that does not break the line


FILES = [
    (read_roster, "nip,nama,jenjang,unit,ruang\n1,,Kepala,,\n198504122008121001,A,Pengawas,U,R\n198504122008121001,B,Pengawas,U,R\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang\n198513122008121001,A,Pengawas,U,R\n190004122008121001,A,Pengawas,U,R\n198504122008123001,A,Pengawas,U,R\n"),
    (read_roster, "nip,nama\n1,A\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang\n198504122008121001," + "A" * 201 + ",Pengawas,U,R\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang,prior_mean,prior_sd\n198504122008121001,A,Pengawas,U,R,9,0\n198504122008121002,A,Pengawas,U,R,x,\n198504122008121003,A,Pengawas,U,R,3,2\n"),
    (read_roster, "nip,nama,name,jenjang,unit,ruang\n198504122008121001,A,B,Pengawas,U,R\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang\n198504122008121000,A,Pengawas,U,R\n198504122008121001,A,Pengawas,U,R,S\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang\n198504122008121000,A,Pengawas,U,R\n"),
    (read_roster, "nip,nama,jenjang,unit,ruang\n198504122008121001,A\a,Pengawas,U,R\n"),
    (read_roster, 'nip,nama,jenjang,unit,ruang\n198504122008121001,"A"B,Pengawas,U,R\n'),
    (read_performance, "nip,kinerja\n198504122008121001,seratus\n"),
]  # fmt: skip


@pytest.mark.parametrize(("read", "text"), FILES)
def test_every_fault_of_a_file_is_said_in_indonesian(read, text: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(Faulty) as caught:
        read(text.encode(), "a.csv")
    for fault in caught.value.faults:
        said = say_fault(fault)
        assert said.message != fault.message, fault
        assert said.remedy
        assert not said.where.startswith("row")


LOGS = [
    Break("W1-A", 3, "its hash is another").fault,
    differing("W1"),
    Fault("wave W1", "", "what it was pinned to is not in the database any more, so that nothing can be learned from it", "cact audit W1"),
]


@pytest.mark.parametrize("fault", LOGS)
def test_a_log_that_cannot_be_used_is_said_in_indonesian(fault: Fault) -> None:
    said = say_fault(fault)
    assert f"{said.where} {said.field}".strip() in ("catatan peristiwa 3 dari W1-A", "gelombang W1")
    assert said.message not in (fault.message, "")
    assert said.remedy.startswith("periksa dengan 'cact audit'")


def line(seat: int, alert: str = "", phase: str = "running", room: str = "A") -> Line:
    return Line(f"A{room}{seat}", f"N{seat}", "1" * 18, room, seat, phase, True, 1, 1, 1000, 1, 1, alert, "")


def board(*lines: Line) -> Board:
    wave = Wave(
        id="W", name="W", agency="", place="", day="", seed=0, plan="", plan_digest="", bank_version=1, pool_digest="", roster_digest="", created_by="", created_at=0
    )  # fmt: skip
    return Board(wave, 0, lines, ("A", "B"))


def test_whoever_needs_attention_comes_first_and_others_keep_their_seats() -> None:
    seen = board(line(1), line(2, "silent"), line(3), line(4, "move"), line(5, "time_up"), line(6, phase="paused"), line(1, room="B"))
    assert [x.seat for x in view_of(seen, Look(room="A")).lines] == [5, 4, 2, 1, 3, 6]
    assert [x.seat for x in view_of(seen, Look(room="A", seats=True)).lines] == [1, 2, 3, 4, 5, 6]
    only = view_of(seen, Look.of({"tampil": "perhatian", "ruang": "A"}))
    assert [x.seat for x in only.lines] == [5, 4, 2]
    assert (only.counts[""], only.counts["perhatian"], only.counts["paused"], only.expected) == (6, 3, 1, 6)


def test_an_unknown_state_in_the_url_means_everybody() -> None:
    assert Look.of({"tampil": "<script>"}) == Look()
    assert Look("A", "paused", True).query(tampil="") == "?ruang=A&lihat=denah"


def test_a_timeline_folds_answers_and_tells_none_of_them() -> None:
    answer = {"presented_seq": 1, "item_id": "M01-01", "choice": 3, "category": 2, "rt_ms": 1000, "key": "k", "theta": 1.25, "se": 0.5}
    shown = {"item": 0, "item_id": "M01-01", "section": 0}
    entries = [
        Entry(Kind.ASSIGNED, {"room": "A", "seat": 2}), Entry(Kind.PRESENTED, shown), Entry(Kind.ANSWERED, answer), Entry(Kind.PRESENTED, shown),
        Entry(Kind.PAUSED, {"code": "technical.network", "reason": "Kabel"}), Entry(Kind.RESUMED, {}), Entry(Kind.ANSWERED, answer),
        Entry(Kind.PRESENTED, shown), Entry(Kind.ANSWERED, answer), Entry(Kind.FINISHED, {"reason": "length"}),
    ]  # fmt: skip
    events = [event for k, entry in enumerate(entries) for event in chain("A1", k, GENESIS, 1000 * k, "user:1", [entry])]
    said = timeline(events, lambda _actor: "Siti")
    assert [m.what for m in said] == [
        "Tes berakhir: banyak soal tercapai", "Soal 2–3 dijawab", "Dilanjutkan", "Dijeda", "Soal 1 dijawab", "Didaftarkan: A, meja 2",
    ]  # fmt: skip
    assert said[3].why == "Gangguan teknis: Jaringan. Kabel"
    told = " ".join(f"{m.what} {m.why}" for m in said)
    assert "M01" not in told
    assert "1.25" not in told


def test_only_another_officer_is_offered_to_confirm_a_voiding() -> None:
    def codes(**facts: object) -> set[str]:
        given = {"wave": "closed", "has_device": True, "void_requested_by": None, "actor": "user:1", **facts}
        return {action.code for action in open_to("finished", **given)}  # type: ignore[arg-type]

    assert codes() == {"void"}
    assert codes(void_requested_by="user:1") == set()
    assert codes(void_requested_by="user:2") == {"confirm_void"}
    assert codes(wave="released") == set()


def test_a_versions_changes_are_listed_by_item_with_the_largest_move_first() -> None:
    bank, _ = load_demo()
    old = replace(bank, version=1)
    rows = {item: old.row(old.index[item]) for item in old.ids[:3]}
    moved: dict[str, Row] = {
        item: row._replace(b=[b + move for b in row.b]) for (item, row), move in zip(rows.items(), (0.1, -0.9, 0.4), strict=True)
    }
    found = shifts(old, old.with_params(moved))
    assert [shift.item_id for shift in found] == [old.ids[1], old.ids[2], old.ids[0]]
    assert [shift.large for shift in found] == [True, False, False]


def test_a_nominal_item_moves_by_the_place_where_its_outermost_categories_cross() -> None:
    bank, _ = load_demo()
    item = bank.ids[0]
    old = bank.with_params({item: Row("nrm", 1.0, [0.2, -0.5, 0.1, -0.8], slopes=[0.5, 1.2, 0.9, 2.0])})
    moved = old.with_params({item: Row("nrm", 1.0, [0.2, -0.5, 0.1, -2.0], slopes=[0.5, 1.2, 0.9, 2.0])})
    assert [(shift.item_id, round(shift.move, 9)) for shift in shifts(replace(old, version=1), moved)] == [(item, 0.6)]


def test_items_are_found_by_code_text_and_competency() -> None:
    bank, contents = load_demo()
    mine = chosen(bank, contents, {}, Choice(competency="P.01"))
    assert {bank.competency_of(i) for i in mine} == {"P.01"}
    word = contents["M01-01"].scenario.split(".")[0].lower()
    assert bank.index["M01-01"] in chosen(bank, contents, {}, Choice(word=word))
    assert chosen(bank, contents, {}, Choice(word="tidak ada butir seperti ini")) == []


def test_a_result_of_a_leap_day_holds_until_the_end_of_february() -> None:
    assert valid_until("2026-11-24") == "2029-11-24"
    assert valid_until("2028-02-29") == "2031-02-28"
    assert valid_until("besok") == ""
