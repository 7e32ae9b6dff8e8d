"""Drafts that time has passed by: what a review replaced and what is older than the published bank is never published over it."""

from dataclasses import replace

import pytest
from sqlmodel import Session as SqlSession

from cat_engine import load_plan
from itembank.demo import plan_text
from itembank.store import load_contents, save_version
from tests.webtest.conftest import T0
from tests.webtest.test_review import WHO, a_run, bank_of, refused
from webtest.config import House
from webtest.services.review import Decision, Review
from webtest.services.trials import Trials

pytestmark = pytest.mark.usefixtures("tried_once")


def tried(house: House, version: int) -> Review:
    """A review in which a version has been simulated on the sample plan's aspects of potential."""
    review, plan = Review(house.engine), load_plan(plan_text())
    Trials(house.engine).try_version(version, replace(plan, sections=plan.sections[1:]), actor=WHO, now=T0)
    return review


def imported(house: House, name: str) -> int:
    """A draft with the published bank as its parent that no calibration made."""
    bank = bank_of(house, 1)
    other = replace(bank, attributes=({"from": name}, *bank.attributes[1:]), version=0, parent=1)
    with SqlSession(house.engine.execution_options(write=True)) as sql, sql.begin():
        return save_version(sql, other, load_contents(sql, 1), note=name, actor=WHO, now=T0 + 100)


def test_a_draft_that_decisions_have_replaced_is_not_published_in_place_of_theirs(house: House) -> None:
    run, ids = a_run(house)
    first, review = run.draft_version or 0, Review(house.engine)
    second = review.override(run.id or 0, {ids[2]: Decision("hold", "bocor")}, actor=WHO, now=T0 + 1) or 0
    third = review.override(run.id or 0, {ids[1]: Decision("hold", "bocor juga")}, actor=WHO, now=T0 + 2) or 0
    for left in (first, second):
        with refused("superseded"):
            review.decide(left, "publish", actor=WHO, now=T0 + 3, reason="tetap saja")
    tried(house, third).decide(third, "publish", actor=WHO, now=T0 + 4)
    review.decide(first, "refuse", actor=WHO, now=T0 + 5)  # to clear away
    assert bank_of(house, None).version == third


def test_a_draft_that_decisions_came_back_to_is_published(house: House) -> None:
    run, ids = a_run(house)
    review = tried(house, run.draft_version or 0)
    review.override(run.id or 0, {ids[1]: Decision("adopt", "a")}, actor=WHO, now=T0 + 1)
    assert review.override(run.id or 0, {ids[1]: Decision("keep", "b")}, actor=WHO, now=T0 + 2) == run.draft_version
    review.decide(run.draft_version or 0, "publish", actor=WHO, now=T0 + 3)


def test_a_calibration_on_an_older_bank_does_not_undo_what_was_published_since(house: House) -> None:
    newer = imported(house, "baru")
    run, _ = a_run(house)
    draft = run.draft_version or 0
    assert draft > newer
    review = Review(house.engine)
    review.decide(newer, "publish", actor=WHO, now=T0)
    with refused("outdated"):
        review.decide(draft, "publish", actor=WHO, now=T0, reason="tetap saja")


def test_a_draft_older_than_the_published_version_is_refused_as_no_wave_would_ever_use_it(house: House) -> None:
    older, newer = imported(house, "lama"), imported(house, "baru")
    review = Review(house.engine)
    review.decide(newer, "publish", actor=WHO, now=T0)
    with refused("outdated"):
        review.decide(older, "publish", actor=WHO, now=T0)
    review.decide(older, "refuse", actor=WHO, now=T0)
