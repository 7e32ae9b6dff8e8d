"""What earlier waves say to a new one is counted right, pinned to it, and asked again by the audit; and waves made before there was a snapshot go on."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sqlalchemy import text
from sqlmodel import Session as SqlSession
from sqlmodel import select

from calibration.mml import MmlOptions
from calibration.pipeline import CalibrationOptions
from calibration.responses import WHY
from cat_engine import Faulty, NormalPrior, check, load_plan
from cat_engine.people import People
from cat_engine.simulate import Trial, run_block
from itembank.bank import Snapshot, pool_of
from itembank.store import decide, load_bank, load_contents, save_version
from tests.conftest import PASSWORD, Place
from tests.webtest.conftest import HOUR, MINUTE, OFFICER, PLAN, T0, Room, finished_room, open_room
from tests.webtest.mixed import differences, sit_wave
from tests.webtest.mixedbank import NEW
from tests.webtest.site import Browser, app_of
from webtest import snapshots, tasks
from webtest.audit import audit_wave
from webtest.cli import main
from webtest.config import House, open_house
from webtest.events import Kind
from webtest.founding import invented_roster
from webtest.models import Wave
from webtest.services import waves
from webtest.services.psychometrics import Psychometrics
from webtest.services.waves import NewWave
from webtest.wavefile import wave_lines

DAY = 24 * HOUR
SHORT = """
name = "pendek"
{tables}
[[sections]]
code = "s"
competencies = ["M.01", "P.01"]
min_items = 3
max_items = 3
time_budget_min = 20
"""


def short(tables: str = "") -> str:
    return SHORT.format(tables=tables)


@pytest.fixture
def new_items(mixed_house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    """An installation whose bank has items in pretest and times."""
    monkeypatch.setattr(tasks, "TRIED", 5)
    return mixed_house


def row(house: House, wave: str) -> Wave:
    with SqlSession(house.engine, expire_on_commit=False) as sql:
        return sql.get_one(Wave, wave)


def snapshot(house: House, wave: str) -> Snapshot:
    return Snapshot.from_json(row(house, wave).snapshot or "")


def sound(house: House, wave: str) -> None:
    assert audit_wave(house.engine, house.store, wave, house.keys).findings == ()


def given(house: House, room: Room) -> list[list[str]]:
    """The ids of the items of each person of a room, in order."""
    return [[e.payload["item_id"] for e in house.store.events(t.attempt) if e.kind == Kind.PRESENTED] for t in room.takers]


# what cannot be served


def test_a_plan_that_the_bank_cannot_serve_is_refused_with_every_fault(lite: Place) -> None:
    house = lite.open()
    plan = short('[select]\nname = "mfi_per_time"\n[start]\nname = "items"\nitems = ["tidak-ada"]')
    with pytest.raises(Faulty) as caught:
        house.waves.create(NewWave(" ", "a", "b", "2026-11-24"), invented_roster(1), plan, actor=OFFICER, now=T0)
    named = [(fault.where, fault.field) for fault in caught.value.faults]
    assert named == [("wave", "name"), ("select", "name"), ("start", "items"), ("bank", "rt_alpha, rt_beta")]
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(Wave)).all() == []
    house.close()


def test_the_simulation_of_the_page_refuses_it_too(lite: Place) -> None:
    house = lite.open()
    with pytest.raises(Faulty, match="how long its items take"):
        Psychometrics(house.engine, house.store).simulate([short('[select]\nname = "mfi_per_time"')], 10, 1)
    house.close()


# exposure and eligibility


def test_exposure_of_closed_waves_is_pinned_where_the_plan_asks(new_items: House) -> None:
    house = new_items
    first = sit_wave(house, short('[exposure]\nname = "randomesque"\nk = 4'), 5, 1, T0)
    counts = np.unique([item for own in given(house, first.room) for item in own], return_counts=True)
    open_room(house, 1, short(), now=T0 + 2 * HOUR)  # an open wave does not count yet
    second = open_room(house, 1, short('[eligibility]\nname = "restricted"\nr_max = 0.5'), now=T0 + 3 * HOUR)
    assert snapshot(house, second.wave).exposure == {item: n / 5 for item, n in zip(*(c.tolist() for c in counts), strict=True)}
    kit = house.catalog.kit(second.wave)
    assert kit.pool.exposure[kit.pool.index[counts[0][0]]] == counts[1][0] / 5
    third = open_room(house, 1, short(), now=T0 + 4 * HOUR)
    assert snapshot(house, third.wave) == Snapshot()


def test_a_voided_attempt_is_not_learned_from(new_items: House) -> None:
    house = new_items
    first = sit_wave(house, short('[exposure]\nname = "randomesque"\nk = 4'), 2, 1, T0)
    for act, officer in (
        (house.waves.request_void, OFFICER),
        (lambda *a, actor, now: house.waves.confirm_void(*a[:2], actor=actor, now=now), "user:2"),
    ):
        act(first.room.wave, [first.room.ids[0]], "other", "x", actor=officer, now=T0 + HOUR)
    second = open_room(house, 1, short('[eligibility]\nname = "restricted"\nr_max = 0.5'), now=T0 + 3 * HOUR)
    assert set(snapshot(house, second.wave).exposure) == set(given(house, first.room)[1])


def test_fading_counts_of_past_waves_are_the_formula_of_the_rule(new_items: House) -> None:
    """One segment, nobody controlled before: n = f, everybody eligible for everything, so P = r_max / (alpha / n) where that is below 1."""
    house = new_items
    first = sit_wave(house, short('[exposure]\nname = "randomesque"\nk = 4'), 6, 1, T0)
    people = [set(own) for own in given(house, first.room)]
    order = sorted(range(6), key=lambda n: (first.sessions[n].finished_at or 0, first.sessions[n].attempt))
    weight = {n: 0.9 ** (5 - at) for at, n in enumerate(order)}
    second = open_room(house, 1, short('[eligibility]\nname = "fading"\nr_max = 0.4\nfade = 0.9'), now=T0 + 3 * HOUR)
    [control] = snapshot(house, second.wave).control
    total = sum(weight.values())
    for item in set().union(*people):
        rate = sum(weight[n] for n in range(6) if item in people[n]) / total
        assert control.get(item, 1.0) == pytest.approx(min(1.0, 0.4 / rate), abs=1e-12)
    assert set(control) <= set().union(*people)


def test_segments_of_tests_that_began_at_priors_are_those_that_the_simulator_visits(new_items: House) -> None:
    house = new_items
    rule = '[eligibility]\nname = "fading"\nr_max = 0.6\ncuts = [-0.6, 0.4, 1.2]\n'
    priors = "[prior]\nperson = true\n[prior.groups.jpt_pratama]\nmean = 1.4\nsd = 0.5\n"
    roster = [replace(row, prior=prior) for row, prior in zip(invented_roster(4), (None, NormalPrior(-1.5, 0.6), None, None), strict=True)]
    sat = sit_wave(house, short(rule + priors), 4, 1, T0, roster=roster)
    kit = house.catalog.kit(sat.room.wave)
    found = list(house.waves._past._finished(kit.plan, kit.pool))
    own = []
    for n, session in enumerate(sat.sessions):
        people = People(
            np.zeros((1, len(kit.pool.competencies))), None, sat.answers[n : n + 1], seeds=(session.engine.seed,), priors=(session.prior,)
        )
        own.append(run_block(Trial(kit.plan, kit.pool, 0), people).ended.tolist())
    assert sorted(finished.ended.tolist() for finished in found) == sorted(own)
    assert len({tuple(row) for row in own}) > 1


def test_segments_that_a_past_test_ended_in_are_those_of_its_abilities(new_items: House) -> None:
    house = new_items
    cuts = '[eligibility]\nname = "fading"\nr_max = 0.4\ncuts = [0.3]\nfade = 1.0'
    first = sit_wave(house, short('[exposure]\nname = "randomesque"\nk = 4'), 6, 1, T0)
    kit = house.catalog.kit(first.room.wave)
    people = [{kit.pool.index[item] for item in own} for own in given(house, first.room)]
    high = []
    for t in first.room.takers:
        theta = dict.fromkeys(("M.01", "P.01"), 0.0)
        for event in house.store.events(t.attempt):  # the interim estimates of this plan are its final ones, and the log has them all
            if event.kind == Kind.ANSWERED:
                theta[event.payload["item_id"][:3].replace("M01", "M.01").replace("P01", "P.01")] = event.payload["theta"]
        high.append(max(theta.values()) >= 0.3)
    assert 0 < sum(high) < 6
    second = open_room(house, 1, short(cuts), now=T0 + 3 * HOUR)
    control = snapshot(house, second.wave).control
    for item in set().union(*people):
        rate = sum(item in people[n] for n in range(6) if high[n]) / sum(high)
        expected = 1.0 if rate == 0 else min(1.0, 0.4 / rate)
        assert control[1].get(kit.pool.ids[item], 1.0) == pytest.approx(expected, abs=1e-12)


def test_sympson_hetter_parameters_are_found_once_and_pinned(new_items: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = new_items
    monkeypatch.setattr(snapshots, "PEOPLE", 60)
    monkeypatch.setattr(snapshots, "CYCLES", 3)
    plan = short('[eligibility]\nname = "sympson_hetter"\nr_max = 0.5\n[pretest]\ncount = 1\nfirst = 2\nlast = 4')
    first = sit_wave(house, plan, 2, 1, T0)
    [control] = snapshot(house, first.room.wave).control
    assert min(control.values()) < 0.75
    assert not set(control) & set(NEW)
    with SqlSession(house.engine) as sql:
        assert snapshots.control_of(load_plan(plan), load_bank(sql)) == (control,)  # whoever finds them finds the same
    monkeypatch.setattr(snapshots, "found_beforehand", lambda *_, **__: pytest.fail("found again"))
    second = sit_wave(house, plan, 2, 2, T0 + 3 * HOUR)
    assert snapshot(house, second.room.wave).control == (control,)
    for sat in (first, second):
        sound(house, sat.room.wave)


def test_parameters_that_limit_overlap_are_found_once_and_pinned(new_items: House, monkeypatch: pytest.MonkeyPatch) -> None:
    house = new_items
    monkeypatch.setattr(snapshots, "PEOPLE", 60)
    monkeypatch.setattr(snapshots, "CYCLES", 4)
    plan = short('[eligibility]\nname = "overlap"\nr_max = 0.9\nmax_overlap = 0.4')
    first = sit_wave(house, plan, 3, 1, T0)
    [control] = snapshot(house, first.room.wave).control
    assert min(control.values()) < 0.9
    kit = house.catalog.kit(first.room.wave)
    assert kit.pool.control is not None
    assert kit.pool.control[0].tolist() == [control.get(item_id, 1.0) for item_id in kit.pool.ids]
    assert differences(house, first) == []
    monkeypatch.setattr(snapshots, "found_beforehand", lambda *_, **__: pytest.fail("found again"))
    second = sit_wave(house, plan, 2, 2, T0 + 3 * HOUR)
    assert snapshot(house, second.room.wave).control == (control,)
    for sat in (first, second):
        sound(house, sat.room.wave)


@pytest.mark.parametrize(("limits", "said"), [
    ("r_max = 0.9\nmax_overlap = 0.01", "in common if all items are used alike"),
    ("r_max = 0.9\nmax_overlap = 0.2", "the smallest overlap of two tests in simulations was 0."),
])  # fmt: skip
def test_a_bank_that_cannot_keep_the_limits_of_overlap_makes_no_wave(
    new_items: House, monkeypatch: pytest.MonkeyPatch, limits: str, said: str
) -> None:
    house = new_items
    monkeypatch.setattr(snapshots, "PEOPLE", 60)
    monkeypatch.setattr(snapshots, "CYCLES", 1)
    with pytest.raises(Faulty, match=said) as refused:
        open_room(house, 1, short(f'[eligibility]\nname = "overlap"\n{limits}'))
    assert {(fault.where, fault.field) for fault in refused.value.faults} == {("eligibility", "max_overlap")}
    with SqlSession(house.engine) as sql:
        assert sql.exec(select(Wave)).all() == []


# pretest items


def test_answers_to_pretest_items_lower_what_later_waves_need(new_items: House) -> None:
    house = new_items
    plan = short("[pretest]\ncount = 2\nfirst = 1\nlast = 3\nanswers = 4")
    mine = {item for item in NEW if item.startswith(("M01", "P01"))}
    first = sit_wave(house, plan, 3, 1, T0)
    assert snapshot(house, first.room.wave).need == dict.fromkeys(mine, 4)
    seen = [item for own in given(house, first.room) for item in own if item in mine]
    assert len(seen) == 6
    second = open_room(house, 1, plan, now=T0 + 3 * HOUR)
    assert snapshot(house, second.wave).need == {item: 4 - seen.count(item) for item in mine if seen.count(item) < 4}


def test_answers_to_another_text_do_not_count(new_items: House) -> None:
    house = new_items
    plan = short("[pretest]\ncount = 2\nfirst = 1\nlast = 3\nanswers = 4")
    first = sit_wave(house, plan, 3, 1, T0)
    changed = next(item for own in given(house, first.room) for item in own if item in NEW)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        bank, contents = load_bank(sql), load_contents(sql, 2)
        contents[changed] = replace(contents[changed], rationale="Alasan lain.")
        digests = tuple(contents[i].digest for i in bank.ids)
        decide(
            sql,
            save_version(sql, replace(bank, content_digests=digests, parent=2), contents, note="", actor=OFFICER, now=T0),
            "published",
            actor=OFFICER,
            now=T0,
        )
    second = open_room(house, 1, plan, now=T0 + 3 * HOUR)
    assert snapshot(house, second.wave).need[changed] == 4


def test_pretest_items_of_closed_waves_are_brought_up_to_date_by_the_page_and_by_the_command(
    new_items: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OEM and MEM: only they are estimated, on the scale of all other items, which stay."""
    house = new_items
    wave = sit_wave(house, short("[pretest]\ncount = 3\nfirst = 1\nlast = 3"), 30, 1, T0).room.wave
    service = Psychometrics(house.engine, house.store)
    options = CalibrationOptions("online", min_n=20, max_se=9, mml=MmlOptions(fipc="nwu-oem"))
    _, proposal = service.calibrate([wave], options, actor=OFFICER, now=T0 + DAY)
    estimated = {v.item_id for v in proposal.verdicts if v.new is not None}
    assert estimated
    assert estimated <= set(NEW)
    assert {v.flags for v in proposal.verdicts if v.item_id not in NEW} == {("anchor",)}
    page = Browser(app_of(house)).officer("psikometrisi", PASSWORD)
    assert 'value="oem"' in page.get("/petugas/bank/kalibrasi").text
    for mode, said in (("oem", "NWU-OEM"), ("mem", "NWU-MEM")):
        done = page.post("/petugas/bank/kalibrasi", {"wave": wave, "mode": mode})
        assert done.status_code == 303
        report = page.get(f"{done.headers['Location']}/laporan").text
        assert f"hanya butir uji coba, butir lain tetap ({said})" in report
    monkeypatch.setenv("DATABASE_URL", house.engine.url.render_as_string(hide_password=False))
    words = (
        "calibrate",
        "--data",
        str(house.folder),
        "--online",
        "--fipc",
        "nwu-oem",
        "--min-n",
        "20",
        "--max-se",
        "9",
        "--json",
        str(tmp_path / "P.json"),
    )
    told = CliRunner().invoke(main, words)
    assert told.exit_code == 0, told.output
    items = json.loads((tmp_path / "P.json").read_text())
    assert (items["mode"], items["fipc"]) == ("online", "nwu-oem")
    assert {item["item_id"] for item in items["items"] if item["new"] is not None} == estimated


def test_pretest_items_that_have_enough_answers_are_given_no_more(new_items: House) -> None:
    house = new_items
    plan = short("[pretest]\ncount = 2\nfirst = 1\nlast = 2\nanswers = 1")
    sit_wave(house, plan, 3, 1, T0)
    later = sit_wave(house, plan, 1, 2, T0 + 3 * HOUR)
    assert snapshot(house, later.room.wave).need == {}
    assert len(given(house, later.room)[0]) == 6
    sound(house, later.room.wave)


def test_the_person_is_told_nothing_of_pretest_items(new_items: House) -> None:
    house = new_items
    room = open_room(house, 1, short("[pretest]\ncount = 2\nfirst = 1\nlast = 3"))
    [t] = room.takers
    room.enter(t, T0)
    room.start(T0)
    screen, numbers, progress = room.begin(t, T0), [], []
    while screen.name == "item":
        numbers.append(screen.number)
        progress.append(screen.progress)
        assert "pretest" not in repr(replace(screen, content=None))
        screen = room.answer(t, screen, 0, T0 + len(numbers) * MINUTE)
    assert numbers == list(range(1, 9))  # 6 that count and 2 that do not, numbered as one
    np.testing.assert_allclose(progress, np.arange(8) / 8)


def test_answers_say_why_their_items_were_given(new_items: House) -> None:
    house = new_items
    sat = sit_wave(house, short('[pretest]\ncount = 2\nfirst = 1\nlast = 3\n[start]\nname = "random"\ncount = 1'), 2, 1, T0)
    log, _ = Psychometrics(house.engine, house.store).responses([sat.room.wave])
    by_why = {name: {log.item_ids[i] for i in log.item[log.why == k]} for k, name in enumerate(WHY)}
    assert by_why["pretest"] <= set(NEW)
    assert len(log) == 16
    assert [int(np.count_nonzero(log.why == k)) for k in range(len(WHY))] == [10, 4, 0, 2]
    assert not by_why["adaptive"] & set(NEW)


def test_pretest_answers_change_no_result(new_items: House) -> None:
    house = new_items
    with_them = sit_wave(house, short("[pretest]\ncount = 2\nfirst = 1\nlast = 3"), 1, 3, T0)
    session = with_them.sessions[0]
    kit = house.catalog.kit(with_them.room.wave)
    thetas = [e.payload for e in house.store.events(session.attempt) if e.kind == Kind.ANSWERED and e.payload["item_id"] in NEW]
    assert len(thetas) == 2
    counted = [i for i in session.engine.items if kit.pool.operational[i]]
    assert len(counted) == 6
    sound(house, with_them.room.wave)


# items met before


def test_items_of_an_earlier_wave_do_not_come_again(new_items: House) -> None:
    house = new_items
    first = sit_wave(house, short(), 2, 1, T0)
    second = sit_wave(house, short("[retest]\nexclude = true"), 2, 2, T0 + 3 * HOUR)
    third = sit_wave(house, short("[retest]\nmonths = 1"), 2, 3, T0 + 45 * DAY)
    before, after, later = given(house, first.room), given(house, second.room), given(house, third.room)
    for n in range(2):
        assert not set(before[n]) & set(after[n])
        assert set(later[n]) & set(before[n])  # both earlier waves are too long ago
    kit = house.catalog.kit(second.room.wave)
    [admitted] = [e for e in house.store.events(second.room.ids[0]) if e.kind == Kind.ADMITTED]
    assert [kit.pool.ids[i] for i in admitted.payload["seen"]] == sorted(before[0], key=kit.pool.index.__getitem__)
    assert {json.dumps(e.payload) for e in house.store.events(third.room.ids[0]) if e.kind == Kind.ADMITTED} == {"{}"}
    for sat in (first, second, third):
        sound(house, sat.room.wave)


def test_an_item_that_was_on_the_screen_when_an_earlier_test_ended_was_met(new_items: House) -> None:
    house = new_items
    first = open_room(house, 1, short())
    screen = first.under_way(T0)[0]
    first.close(T0 + HOUR)
    assert screen.content is not None
    second = open_room(house, 1, short("[retest]\nexclude = true"), now=T0 + 2 * HOUR)
    shown = second.under_way(T0 + 2 * HOUR)[0].content
    assert shown is not None
    assert shown.item_id != screen.content.item_id


def test_where_everything_was_met_before_items_come_again_and_the_log_says_so(new_items: House) -> None:
    house = new_items
    long = short().replace("max_items = 3", "max_items = 22").replace("min_items = 3", "min_items = 14")
    sit_wave(house, long, 1, 1, T0)
    second = sit_wave(house, long.replace('name = "pendek"', 'name = "pendek"\n[retest]\nexclude = true'), 1, 2, T0 + 3 * HOUR)
    rungs = [e.payload["rung"] for e in house.store.events(second.room.ids[0]) if e.kind == Kind.PRESENTED]
    assert "full" in rungs
    assert "retest" in rungs
    assert len(second.sessions[0].engine.items) == len(set(second.sessions[0].engine.items))
    sound(house, second.room.wave)


# pinned


def test_the_exported_wave_holds_what_it_was_pinned_to(new_items: House) -> None:
    house = new_items
    sat = sit_wave(house, short("[pretest]\ncount = 2\nfirst = 1\nlast = 3"), 1, 1, T0)
    header = next(wave_lines(house.engine, house.store, sat.room.wave))["wave"]
    with SqlSession(house.engine) as sql:
        bank = load_bank(sql, header["bank_version"])
    plan = load_plan(header["plan"])
    pool = pool_of(bank, plan.competencies, Snapshot.from_json(header["snapshot"]))
    assert (plan.digest, pool.digest) == (header["plan_digest"], header["pool_digest"])
    assert check(plan, pool) == []


@pytest.mark.parametrize(
    "changed", ['{"control":[],"exposure":{},"need":{}}', '{"control":[],"exposure":{"M01-01":2.0},"need":{}}', "[]", "{", ""]
)
def test_a_changed_snapshot_is_found(new_items: House, changed: str) -> None:
    house = new_items
    sat = sit_wave(house, short("[pretest]\ncount = 2\nfirst = 1\nlast = 3"), 1, 1, T0)
    with house.engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE wave SET snapshot = :s"), {"s": changed})
    findings = audit_wave(house.engine, house.store, sat.room.wave, house.keys).findings
    assert [finding.what.split(":")[0] for finding in findings] == ["plan or bank is not the one pinned"]
    again = open_house(house.folder)
    with pytest.raises(Faulty, match="nothing can be learned"):
        open_room(again, 1, short('[eligibility]\nname = "restricted"'), now=T0 + 3 * HOUR)
    again.close()


def test_a_wave_that_was_made_before_snapshots_goes_on(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    """As an older version made it: a pool of parameters alone, and nothing in the column."""
    monkeypatch.setattr(waves, "pool_of", lambda bank, codes, _: replace(pool_of(bank, codes), seconds=None, content=None))
    wave = house.waves.create(NewWave("Lama", "a", "b", "2026-11-24"), invented_roster(1), PLAN, actor=OFFICER, now=T0)
    with house.engine.execution_options(write=True).begin() as connection:
        connection.execute(text("UPDATE wave SET snapshot = NULL"))
    kit = house.catalog.kit(wave)
    assert (kit.pool.content, kit.pool.seconds) == (None, None)
    sound(house, wave)


def test_waves_of_now_are_pinned_on_both_databases(house: House) -> None:
    room = finished_room(house, 1)
    assert snapshot(house, room.wave) == Snapshot()
    assert house.catalog.kit(room.wave).pool.content is not None
    sound(house, room.wave)
