"""Live test = simulator = audit, whatever the plan: sessions taken through the services on a real database, asked again from their log, and simulated."""

from collections import Counter
from dataclasses import replace

import pytest

from cat_engine import NormalPrior, load_plan
from cat_engine.beginning import START
from cat_engine.content import CONTENT
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.plan import as_table
from cat_engine.priors import PRIOR
from cat_engine.select import SELECTION
from cat_engine.stop import STOP, table_of
from tests.webtest.conftest import HOUR, PLAN, SECOND, T0, open_room
from tests.webtest.mixed import Sat, differences, hurry, mixed_plan, sit_all, sit_wave
from webtest.audit import audit_wave
from webtest.config import House
from webtest.events import Kind
from webtest.founding import invented_roster
from webtest.roster import RosterRow
from webtest.services.results import Results


@pytest.fixture
def hasty(mixed_house: House, monkeypatch: pytest.MonkeyPatch) -> House:
    hurry(monkeypatch)
    return mixed_house


def names_used(plans: int) -> dict[str, set[object]]:
    used: dict[str, set[object]] = {}
    for i in range(plans):
        plan = load_plan(mixed_plan(i))
        table = as_table(plan)
        table.setdefault("interim", {"name": "eap"})
        for key, value in table.items():
            if isinstance(value, dict):
                used.setdefault(key, set()).add(value.get("name", "normal"))
        used.setdefault("stop", set()).update(*(set(table_of(section.stop)) for section in plan.sections))
        used.setdefault("pretest", set()).add(plan.most_pretest > 0)
        used.setdefault("retest", set()).add(plan.retest is not None)
        used.setdefault("joint", set()).add(plan.joint is not None)
    return used


@pytest.mark.parametrize("plans", [19, 50])
def test_the_plans_hold_every_registered_strategy(plans: int) -> None:
    used = names_used(plans)
    assert used["select"] == set(SELECTION.names)
    assert used["exposure"] == set(EXPOSURE.names)
    assert used["prior"] == set(PRIOR.names)
    assert used["interim"] == used["final"] == set(ESTIMATOR.names)
    assert used["start"] | {"adaptive"} == set(START.names)
    assert used["eligibility"] | {"none"} == set(ELIGIBILITY.names)
    assert used["content"] | {"none"} == set(CONTENT.names)
    assert used["stop"] == {*STOP.names, "all"}
    assert used["pretest"] == {True, False}


def everything_agrees(house: House, all_sat: list[Sat]) -> Counter[str]:
    """Audit and simulator find nothing; gives how many items were given for which reason and on which rung."""
    given: Counter[str] = Counter()
    for sat in all_sat:
        shown = [e for t in sat.room.takers for e in house.store.events(t.attempt) if e.kind == Kind.PRESENTED]
        report = audit_wave(house.engine, house.store, sat.room.wave, house.keys)
        assert report.findings == ()
        assert report.decisions == len(shown)
        assert differences(house, sat) == []
        given.update(e.payload["why"] for e in shown)
        given.update(e.payload["rung"] for e in shown)
    return given


def test_mixed_waves_are_the_same_live_simulated_and_audited(hasty: House) -> None:
    given = everything_agrees(hasty, list(sit_all(hasty, 19, 1, 0)))
    assert {"adaptive", "fixed", "start", "pretest", "full"} <= given.keys()


TIMED = """name = "paced"
[content]
name = "shadow"
[pretest]
count = 2
first = 2
last = 4
answers = 20
[[sections]]
code = "kompetensi"
competencies = ["M.01", "M.02"]
min_items = 3
max_items = 3
time_budget_min = 20
blueprint = [{kind = "number", low = 6, high = 6}, {kind = "time", high = 2000}, {kind = "time", condition = "COMPETENCY == 'M.01'", high = HALF, priority = 3}]
[[sections]]
code = "intelektual"
competencies = ["P.01"]
min_items = 4
max_items = 4
time_budget_min = 20
blueprint = [{kind = "number", low = 4, high = 4}, {kind = "time", high = WHOLE}]
"""


def test_rows_of_seconds_are_kept_at_the_same_pace_live_simulated_and_audited(hasty: House) -> None:
    tight, loose = (
        sit_wave(hasty, TIMED.replace("HALF", half).replace("WHOLE", whole), 3, 1, T0 + 2 * HOUR * k, paced=True)
        for k, (half, whole) in enumerate((("50", "70"), ("900", "1200")))
    )
    everything_agrees(hasty, [tight, loose])
    changed = [a.engine.items != b.engine.items for a, b in zip(tight.sessions, loose.sessions, strict=True)]
    assert any(changed)  # the limits decide about items


STARTED = (
    PLAN
    + """
[stop]
se = 0.8
[pretest]
count = 1
first = 1
last = 3
answers = 20
[prior]
person = true
[prior.groups.jpt_pratama]
mean = 0.7
sd = 0.8
[prior.groups.pelaksana]
mean = -0.5
sd = 0.9
"""
)
OWN = NormalPrior(1.1, 0.6)


def mixed_roster() -> list[RosterRow]:
    """Two of one group, one of another, one of none, one with a prior of his or her own in a group, and one in none."""
    levels = ("jpt_pratama", "pelaksana", "pengawas", "jpt_pratama", "pelaksana", "pengawas")
    rows = [replace(row, job_level=level) for row, level in zip(invented_roster(6), levels, strict=True)]
    return [*rows[:4], *(replace(row, prior=OWN) for row in rows[4:])]


def test_people_who_start_at_priors_of_groups_and_their_own_are_the_same_live_simulated_and_audited(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurry(monkeypatch)
    sat = sit_wave(house, STARTED, 6, 1, T0, roster=mixed_roster())
    everything_agrees(house, [sat])
    high, low = NormalPrior(0.7, 0.8), NormalPrior(-0.5, 0.9)
    priors = {session.terms["person"]: session.prior for session in sat.sessions}
    assert Counter(priors.values()) == {high: 2, low: 1, None: 1, OWN: 2}
    kit = house.catalog.kit(sat.room.wave)
    for session in sat.sessions:
        (
            assigned,
            *_,
        ) = house.store.events(session.attempt)
        assert ("prior" in assigned.payload) == (session.prior is not None)
        first = next(e for e in house.store.events(session.attempt) if e.kind == Kind.PRESENTED)
        mean, sd = kit.plan.prior.start if session.prior is None else session.prior.start
        assert (first.payload["theta"], first.payload["se"]) == (pytest.approx(mean, abs=1e-4), pytest.approx(sd, abs=1e-3))


def test_equal_answers_are_equal_results_whatever_the_group(house: House) -> None:
    """Six people of all groups, who meet the same fixed items and answer them alike."""
    plan = (
        STARTED.replace('name = "mfi"', 'name = "sequential"')
        .replace('name = "randomesque"\nk = 5', 'name = "none"')
        .replace("se = 0.8", "")
    )
    room = open_room(house, 6, plan.split("[pretest]")[0] + "[prior]" + plan.split("[prior]")[1], roster=mixed_roster())
    room.under_way(T0)
    for t in room.takers:
        screen = room.screen(t, T0)
        while screen.name != "finished":
            screen = room.begin(t, T0) if screen.name == "ready" else room.answer(t, screen, 1, T0 + SECOND)
    room.close(T0 + HOUR)
    sessions = [house.store.load(t.attempt) for t in room.takers]
    assert len({(session.engine.items, session.engine.categories) for session in sessions}) == 1
    last = [[e.payload for e in house.store.events(t.attempt) if e.kind == Kind.ANSWERED][-1] for t in room.takers]
    assert len({(payload["theta"], payload["se"]) for payload in last}) == 1
    asked = [[e.payload for e in house.store.events(t.attempt) if e.kind == Kind.PRESENTED][-1]["theta"] for t in room.takers]
    assert len(set(asked)) == 4  # what they were asked by differs
    profiles = Results(house.engine, house.store, house.catalog, house.keys).wave(room.wave).profiles
    assert len({tuple((r.code, r.theta, r.se, r.probabilities) for r in (*p.levels, *p.aspects)) for p in profiles}) == 1


@pytest.mark.slow
def test_two_hundred_mixed_sessions_are_the_same_live_simulated_and_audited(hasty: House) -> None:
    sat = list(sit_all(hasty, 50, 4, 3))
    assert sum(len(one.sessions) for one in sat) == 200
    given = everything_agrees(hasty, sat)
    assert min(given[name] for name in ("adaptive", "fixed", "start", "pretest", "full")) > 50
