"""Live test = simulator = audit, whatever the plan: sessions taken through the services on a real database, asked again from their log, and simulated."""

from collections import Counter

import pytest

from cat_engine import load_plan
from cat_engine.beginning import START
from cat_engine.content import CONTENT
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.plan import as_table
from cat_engine.priors import PRIOR
from cat_engine.select import SELECTION
from cat_engine.stop import STOP, table_of
from tests.webtest.conftest import HOUR, T0
from tests.webtest.mixed import Sat, differences, hurry, mixed_plan, sit_all, sit_wave
from webtest.audit import audit_wave
from webtest.config import House
from webtest.events import Kind


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


@pytest.mark.slow
def test_two_hundred_mixed_sessions_are_the_same_live_simulated_and_audited(hasty: House) -> None:
    sat = list(sit_all(hasty, 50, 4, 3))
    assert sum(len(one.sessions) for one in sat) == 200
    given = everything_agrees(hasty, sat)
    assert min(given[name] for name in ("adaptive", "fixed", "start", "pretest", "full")) > 50
