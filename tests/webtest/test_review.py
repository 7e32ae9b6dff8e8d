"""The review of a calibration: decided otherwise with a reason, tried, published; all of it kept, on both databases."""

import csv
import io
import json
from dataclasses import replace

import pytest
from sqlalchemy.exc import DatabaseError
from sqlmodel import Session as SqlSession
from sqlmodel import select, text

from calibration.pipeline import CalibrationOptions, Proposal
from calibration.verdicts import ItemVerdict
from cat_engine import Faulty, Row, load_plan
from itembank.bank import Bank
from itembank.demo import plan_text
from itembank.store import load_bank, load_contents, save_version
from tests.webtest.audit.forging import last_answer, tampering
from tests.webtest.conftest import T0, Room
from webtest.config import House
from webtest.events import canonical
from webtest.models import CalibrationDecision, CalibrationDraft, CalibrationRun, KeptAnswers
from webtest.refusal import Refused
from webtest.services.review import Decision, Review, as_json
from webtest.services.trials import Trials
from webtest.views.estimates import estimates_csv, estimates_json

WHO = "user:3"
pytestmark = pytest.mark.usefixtures("tried_once")


def verdict_of(bank: Bank, i: int, flags: tuple[str, ...], *, shift: float = 0.3) -> ItemVerdict:
    old, nan = bank.row(i), float("nan")
    new = None if "few" in flags else old._replace(b=[b + shift for b in old.b])
    se = (nan,) * len(old.b) if new is None else (0.2,) * len(old.b)
    return ItemVerdict(bank.ids[i], bank.competency_of(i), old, new, 0.1, se, nan, 200, (50,) * (len(old.b) + 1), 0.02, nan, flags, old)


def a_run(house: House) -> tuple[CalibrationRun, list[str]]:
    """A run on version 1 that adopts the first item, keeps the second (too uncertain) and could not estimate the third."""
    with SqlSession(house.engine.execution_options(write=True), expire_on_commit=False) as sql, sql.begin():
        bank = load_bank(sql)
        verdicts = tuple(verdict_of(bank, i, flags) for i, flags in enumerate(((), ("uncertain",), ("few",))))
        proposal = Proposal(verdicts, (), CalibrationOptions(), bank.version, {}, 0.1)
        draft = save_version(sql, proposal.apply(bank), load_contents(sql, bank.version), note="", actor=WHO, now=T0)
        run = CalibrationRun(
            at=T0,
            actor=WHO,
            waves=json.dumps(["W1"]),
            base_version=bank.version,
            draft_version=draft,
            summary=json.dumps({"adopt": 1, "keep": 1, "reject": 1, "answers": 600, "dropped": {}, "seconds": 0.1}),
            estimates=as_json(proposal),
        )
        sql.add(run)
        sql.flush()
        sql.add(CalibrationDraft(run_id=run.id or 0, version=draft))
    return run, [v.item_id for v in verdicts]


def bank_of(house: House, version: int | None) -> Bank:
    with SqlSession(house.engine) as sql:
        return load_bank(sql, version)


def refused(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, match=f"^{code}$")


def test_the_estimates_of_a_run_are_kept_with_it(house: House) -> None:
    run, ids = a_run(house)
    found = Review(house.engine).estimates(run)
    assert [(e.item_id, e.proposed) for e in found] == list(zip(ids, ("adopt", "keep", "keep"), strict=True))
    assert found[2].new is None
    assert found[0].new == bank_of(house, run.draft_version).row(0)._replace(scale=found[0].new.scale if found[0].new else 0)
    rows = list(csv.DictReader(io.StringIO(estimates_csv(found))))
    assert [row["item_id"] for row in rows] == ids
    assert [row["old_b1"] for row in rows] == [str(bank_of(house, 1).row(i).b[0]) for i in range(3)]
    assert (rows[0]["se_a"], rows[0]["rmsd"], rows[0]["why"]) == ("0.1", "0.02", found[0].why)
    assert (rows[2]["a"], rows[2]["b1"], rows[2]["se_b1"]) == ("", "", "")  # no number for what could not be estimated
    assert [e["verdict"] for e in json.loads(estimates_json(found))] == ["adopt", "keep", "keep"]


def test_estimates_of_nominal_items_keep_their_slopes(house: House) -> None:
    nan, row = float("nan"), Row("nrm", 1.0, [0.25, 1.5], slopes=[0.75, -1.5])
    right = Row("2pl", 1.2, [0.5])
    plain = ItemVerdict("P", "A", None, right, 0.1, (0.1,), nan, 200, (100, 100), 0.01, nan, (), right)
    nominal = ItemVerdict("N", "A", None, row, nan, (0.1, 0.1), nan, 200, (50,) * 3, 0.01, nan, (), row, (0.1, 0.1))
    kept = as_json(Proposal((plain, nominal), (), CalibrationOptions(), 1, {}, 0.1))
    run = CalibrationRun(at=T0, actor=WHO, waves="[]", base_version=1, report="", summary="{}", estimates=kept)
    found = Review(house.engine).estimates(run)
    assert found[1].new == row
    plain_row, nominal_row = csv.DictReader(io.StringIO(estimates_csv(found)))
    names = ("model", "a", "a1", "a2", "b1", "b2")
    assert [plain_row[name] for name in names] == ["2pl", "1.2", "", "", "0.5", ""]
    assert [nominal_row[name] for name in names] == ["nrm", "", "0.75", "-1.5", "0.25", "1.5"]


def test_estimates_of_a_run_of_before_everything_was_kept_have_what_there_is(house: House) -> None:
    run, ids = a_run(house)
    kept = [{name: value for name, value in item.items() if name != "facts"} for item in json.loads(run.estimates)]
    found = Review(house.engine).estimates(
        CalibrationRun(at=T0, actor=WHO, waves="[]", base_version=1, summary="{}", estimates=json.dumps(kept))
    )
    rows = list(csv.DictReader(io.StringIO(estimates_csv(found))))
    assert [(row["item_id"], row["verdict"]) for row in rows] == list(zip(ids, ("adopt", "keep", "keep"), strict=True))
    assert rows[0]["rmsd"] == ""


def test_other_decisions_make_another_draft_and_are_kept_with_their_reason(house: House) -> None:
    run, ids = a_run(house)
    review = Review(house.engine)
    assert run.id is not None
    wanted = {
        ids[0]: Decision("keep", "lama lebih masuk akal"),
        ids[1]: Decision("adopt", "cukup teliti"),
        ids[2]: Decision("hold", "bocor"),
    }
    draft = review.override(run.id, wanted, actor=WHO, now=T0 + 1)
    assert draft not in (None, run.draft_version)
    base, new = bank_of(house, 1), bank_of(house, draft)
    assert new.row(0) == base.row(0)
    assert [float(b) for b in new.row(1).b] == pytest.approx([b + 0.3 for b in base.row(1).b])
    assert (new.status[2], base.status[2]) == ("held", "active")
    kept = review.decisions(run.id)
    assert {item: (d.decision, d.reason, d.actor, d.at) for item, d in kept.items()} == {
        item: (d.decision, d.reason, WHO, T0 + 1) for item, d in wanted.items()
    }


def test_back_to_what_was_proposed_is_the_first_draft_again_and_both_decisions_stay(house: House) -> None:
    run, ids = a_run(house)
    review = Review(house.engine)
    assert run.id is not None
    other = review.override(run.id, {ids[1]: Decision("adopt", "a")}, actor=WHO, now=T0)
    assert review.override(run.id, {ids[1]: Decision("adopt", "")}, actor=WHO, now=T0) == other  # nothing new, so no reason is needed
    assert review.override(run.id, {ids[1]: Decision("keep", "b")}, actor=WHO, now=T0) == run.draft_version
    with SqlSession(house.engine) as sql:
        assert [d.reason for d in sql.exec(select(CalibrationDecision).order_by(CalibrationDecision.n)).all()] == ["a", "b"]  # type: ignore[arg-type]


def test_to_keep_everything_leaves_no_draft(house: House) -> None:
    run, ids = a_run(house)
    assert run.id is not None
    assert Review(house.engine).override(run.id, {ids[0]: Decision("keep", "x")}, actor=WHO, now=T0) is None


def test_decisions_that_cannot_be_are_refused_and_nothing_is_kept(house: House) -> None:
    run, ids = a_run(house)
    review = Review(house.engine)
    assert run.id is not None
    for wanted, code in (
        ({ids[1]: Decision("adopt", " ")}, "reason_missing"),
        ({ids[2]: Decision("adopt", "x")}, "no_estimate"),
        ({ids[1]: Decision("adopt", "x"), "zz": Decision("keep", "x")}, "unknown"),
        ({ids[1]: Decision("burn", "x")}, "unknown"),
    ):
        with refused(code):
            review.override(run.id, wanted, actor=WHO, now=T0)
    with refused("unknown"):
        review.override(999, {}, actor=WHO, now=T0)
    assert review.decisions(run.id) == {}


def test_a_draft_of_a_calibration_is_tried_before_it_is_published(house: House) -> None:
    run, _ = a_run(house)
    review, draft = Review(house.engine), run.draft_version or 0
    with refused("untried"):
        review.decide(draft, "publish", actor=WHO, now=T0)
    plan = load_plan(plan_text())
    tried = Trials(house.engine).try_version(draft, replace(plan, sections=plan.sections[1:]), actor=WHO, now=T0)
    assert {c.figure for c in tried.after.checks} == {"rmse", "bias", "reliability", "items"}
    assert Trials(house.engine).latest(draft) == tried
    review.decide(draft, "publish", actor=WHO, now=T0 + 5)
    found = review.verdict(draft)
    assert found is not None
    assert (found.verdict, found.actor, found.at) == ("published", WHO, T0 + 5)
    assert bank_of(house, None).version == draft
    with refused("not_draft"):
        review.override(run.id or 0, {"M01-01": Decision("hold", "x")}, actor=WHO, now=T0)


def test_a_draft_that_misses_a_limit_is_published_for_a_reason_only(house: House) -> None:
    run, _ = a_run(house)
    review, draft = Review(house.engine), run.draft_version or 0
    plan = load_plan(plan_text().replace("max_items = 100\n", "max_items = 3\n", 1))
    assert not Trials(house.engine).try_version(draft, replace(plan, sections=plan.sections[1:]), actor=WHO, now=T0).after.holds
    with refused("limits_missed"):
        review.decide(draft, "publish", actor=WHO, now=T0, reason=" ")
    review.decide(draft, "publish", actor=WHO, now=T0, reason="Batas sedang ditinjau")
    verdict = review.verdict(draft)
    assert verdict is not None
    assert verdict.reason == "Batas sedang ditinjau"


@pytest.mark.parametrize("number", [999, 2**31, 10**20])
def test_a_version_or_run_that_is_none_is_unknown(house: House, number: int) -> None:
    review = Review(house.engine)
    for act in (
        lambda: review.decide(number, "publish", actor=WHO, now=T0),
        lambda: Trials(house.engine).try_version(number, load_plan(plan_text()), actor=WHO, now=T0),
        lambda: review.override(number, {}, actor=WHO, now=T0),
    ):
        with refused("unknown"):
            act()


def test_a_draft_may_be_refused_without_a_trial(house: House) -> None:
    run, _ = a_run(house)
    Review(house.engine).decide(run.draft_version or 0, "refuse", actor=WHO, now=T0)
    with refused("not_draft"):
        Review(house.engine).decide(run.draft_version or 0, "publish", actor=WHO, now=T0)


def test_the_database_refuses_to_change_what_was_decided(house: House) -> None:
    run, ids = a_run(house)
    review, draft = Review(house.engine), run.draft_version or 0
    assert run.id is not None
    review.override(run.id, {ids[1]: Decision("hold", "x")}, actor=WHO, now=T0)
    plan = load_plan(plan_text())
    Trials(house.engine).try_version(draft, replace(plan, sections=plan.sections[1:]), actor=WHO, now=T0)
    review.decide(draft, "refuse", actor=WHO, now=T0)
    tables = ("calibration_decision", "version_trial", "version_verdict")
    for statement in (f"{act} {table}{what}" for table in tables for act, what in (("UPDATE", " SET actor = 'y'"), ("DELETE FROM", ""))):
        with SqlSession(house.engine.execution_options(write=True)) as sql, pytest.raises(DatabaseError, match="append-only"):
            sql.exec(text(statement))  # type: ignore[call-overload]


def test_nothing_is_published_from_answers_whose_log_does_not_hold(finished: Room) -> None:
    room, house = finished, finished.house
    run, _ = a_run(house)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        sql.get_one(CalibrationRun, run.id).waves = json.dumps([room.wave])
    review, draft = Review(house.engine), run.draft_version or 0
    plan = load_plan(plan_text())
    Trials(house.engine).try_version(draft, replace(plan, sections=plan.sections[1:]), actor=WHO, now=T0)
    event = last_answer(room)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        row = sql.get_one(KeptAnswers, room.wave)
        kept, row.content = row.content, b""
    with pytest.raises(Faulty, match=f"wave {room.wave}: the answers that are kept of it are not those of its log"):
        review.decide(draft, "publish", actor=WHO, now=T0)
    with tampering(house) as sql:
        sql.execute(text("UPDATE kept_answers SET content = :c"), {"c": kept})
        changed = canonical({**event.payload, "category": 1 - min(event.payload["category"], 1)})
        sql.execute(
            text("UPDATE session_event SET payload = :p WHERE attempt = :a AND seq = :s"),
            {"p": changed, "a": event.attempt, "s": event.seq},
        )
    with pytest.raises(Faulty, match=f"event {event.seq} of {event.attempt}: does not hold"):
        review.decide(draft, "publish", actor=WHO, now=T0)
    assert bank_of(house, None).version == 1
    review.decide(draft, "refuse", actor=WHO, now=T0)
