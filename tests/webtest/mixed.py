"""Test plans that mix every registered strategy with others, and people who sit them through the real services, answering from a table.

The table gives each person one category for every item, so that a simulator told the same table, the same attempt seeds and the same seconds can be
held against what the server did.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pytest

from cat_engine import estimate
from cat_engine.beginning import START
from cat_engine.content import CONTENT
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.families import Floats, Ints
from cat_engine.people import People
from cat_engine.priors import PRIOR
from cat_engine.registry import Registry
from cat_engine.select import SELECTION
from cat_engine.simulate import Trial, run_block
from cat_engine.simulated import Block
from cat_engine.stop import STOP
from cat_engine.timing import ItemTimes
from tests.webtest.conftest import HOUR, MINUTE, SECOND, T0, Room, open_room
from webtest import snapshots, tasks
from webtest.config import House
from webtest.roster import RosterRow
from webtest.session import Session

RT_S = 10  # every answer takes so long, unless a test says otherwise
OPTIONS: Mapping[str, Mapping[str, Mapping[str, object]]] = {
    "select": {"c_rule": {"weights": {"M.01": 2.0, "P.01": 0.0}}},
    "start": {"items": {"items": ["M01-01", "P01-02"]}, "thetas": {"thetas": [-1.0, 1.0]}},
    "eligibility": {
        "fading": {"r_max": 0.6, "cuts": [0.0]}, "overlap": {"r_max": 1.0, "max_overlap": 0.6}, "restricted": {"r_max": 0.7},
        "sympson_hetter": {"r_max": 0.7},
    },
    "content": {"balanced": {"attribute": "COMPETENCY", "targets": {"M.01": 0.4, "M.02": 0.4, "P.01": 0.2}}},
    "exposure": {"randomesque": {"k": 3}},
    "prior": {"uniform": {"low": -4.0, "high": 4.0}, "normal": {"mean": 0.2, "sd": 1.1}},
}  # fmt: skip
RULES: Mapping[str, object] = {
    "classify_ci": {"cuts": [0.0], "alpha": 0.3}, "glr": {"cuts": [0.0], "delta": 0.5}, "min_info": 0.2, "pser": {"se": 0.6}, "se": 0.7,
    "sprt": {"cuts": [0.0], "delta": 0.5}, "theta_change": 0.2, "time_s": 45, "variance": 0.5,
}  # fmt: skip
ROWS = """
[[sections.blueprint]]
kind = "number"
low = {n}
high = {n}
[[sections.blueprint]]
kind = "number"
condition = "COMPETENCY == '{code}' & level >= 2"
low = 1
high = {n}
[[sections.blueprint]]
kind = "sum"
condition = "SECONDS"
low = 0
high = 400
"""


def _table(sort: str, name: str, registry: Registry) -> str:  # type: ignore[type-arg]
    options = {**({"k": 3} if (sort, name) == ("exposure", "randomesque") else {}), **OPTIONS.get(sort, {}).get(name, {})}
    assert name in registry.names
    return f"[{sort}]\nname = {json.dumps(name)}\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in options.items())


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}" = {_toml(one)}' for key, one in value.items()) + "}"
    return json.dumps(value)


def mixed_plan(i: int, more: int = 0) -> str:
    """Plan i as TOML: the i-th strategy of every sort, each sort in a step of its own, so that any 19 or more in a row hold all of them;
    `more` items a competency than the shortest test.
    """
    select = SELECTION.names[i % len(SELECTION.names)]
    content, joint = CONTENT.names[(i // 2) % len(CONTENT.names)], i % 3 == 1
    prior = "normal" if joint else PRIOR.names[i % len(PRIOR.names)]
    rule = STOP.names[i % len(STOP.names)]
    parts = [
        f'name = "mixed {i}"', _table("select", select, SELECTION), _table("content", content, CONTENT), _table("prior", prior, PRIOR),
        _table("exposure", EXPOSURE.names[(i // 3) % len(EXPOSURE.names)], EXPOSURE),
        _table("eligibility", ELIGIBILITY.names[(i + i // 5) % len(ELIGIBILITY.names)], ELIGIBILITY),
        _table("interim", ESTIMATOR.names[i % len(ESTIMATOR.names)], ESTIMATOR),
        _table("final", ESTIMATOR.names[(i // 2 + 3) % len(ESTIMATOR.names)], ESTIMATOR),
        _table("start", START.names[(i + i // 4) % len(START.names)], START),
    ]  # fmt: skip
    parts += ["[prior.groups.jpt_pratama]\nmean = 0.7\nsd = 0.8\n[prior.groups.pelaksana]\nmean = -0.5\nsd = 0.9"] if (i // 3) % 2 else []
    parts += ["[joint]\ncorrelation = 0.5"] if joint else []
    parts += ["[pretest]\ncount = 2\nfirst = 1\nlast = 4\nanswers = 20"] if i % 2 else []
    parts += ["[retest]\nexclude = true"] if i % 5 == 3 else []
    parts += [f"[stop]\n{rule} = {_toml(RULES[rule])}" if i % 7 else "[stop]\nall = {se = 0.9, theta_change = 0.5}"]
    rows = content not in ("none", "balanced")
    for code, competencies, low, high in (("kompetensi", ["M.01", "M.02"], 2, 2 + more), ("intelektual", ["P.01"], 3, 3 + more)):
        parts.append(
            f'[[sections]]\ncode = "{code}"\ncompetencies = {json.dumps(competencies)}\nmin_items = {low}\nmax_items = {high}\ntime_budget_min = 20'
        )
        parts += [ROWS.format(n=high * len(competencies), code=competencies[0])] if rows else []
    return "\n".join(parts)


@dataclass(frozen=True)
class Sat:
    """A closed wave, its people's sessions, and the table of their answers, [N, I] in the terms of the wave's pool; how long each item takes, seconds[I],
    and how many times as long each person, slowness[N].
    """

    room: Room
    sessions: tuple[Session, ...]
    answers: Ints
    seconds: Floats
    slowness: Floats


def sit_wave(
    house: House, text: str, people: int, seed: int, now: int, *, paced: bool = False, roster: Sequence[RosterRow] | None = None
) -> Sat:
    """Make, open, sit and close a wave of `people`: everything goes through the services. `paced`: items take about what the pool expects, and people
    are slower and faster; else every answer takes RT_S.
    """
    room = open_room(house, people, text, name=f"Uji {seed}", now=now, roster=roster)
    kit = house.catalog.kit(room.wave)
    rng = np.random.default_rng(seed)
    answers = rng.integers(0, 1000, (people, len(kit.pool))) % kit.pool.params.n_cat
    seconds, slowness = np.full(len(kit.pool), float(RT_S)), np.ones(people)
    if paced:
        assert kit.pool.seconds is not None
        seconds, slowness = (
            np.maximum(np.round(kit.pool.seconds * rng.uniform(0.6, 1.5, len(kit.pool))), 2),
            2.0 ** (np.arange(people) % 3 - 1),
        )
    for t in room.takers:
        room.enter(t, now)
    room.start(now + MINUTE)
    for n, t in enumerate(room.takers):
        at = now + 2 * MINUTE
        screen = room.begin(t, at)
        while screen.name != "finished":
            if screen.name == "ready":
                screen = room.begin(t, at)
                continue
            assert screen.content is not None
            item = kit.pool.index[screen.content.item_id]
            wanted = int(answers[n, item])
            at += round(seconds[item] * slowness[n] * SECOND)
            screen = room.answer(t, screen, screen.content.categories.index(wanted), at)
    room.close(now + HOUR)
    return Sat(room, tuple(house.store.load(t.attempt) for t in room.takers), answers, seconds, slowness)


def hurry(patch: pytest.MonkeyPatch) -> None:
    """Simulations before a wave are made with few people: nothing here depends on how many."""
    for module, name, fewer in ((tasks, "TRIED", 2), (snapshots, "PEOPLE", 10), (snapshots, "CYCLES", 2)):
        patch.setattr(module, name, fewer)


def sit_all(house: House, plans: int, people: int, more: int) -> Iterator[Sat]:
    """Plan after plan, a wave each."""
    return (sit_wave(house, mixed_plan(i, more), people, i, T0 + 2 * HOUR * i) for i in range(plans))


def simulated(house: House, sat: Sat) -> Block:
    """The same people in the simulator, stepped together; the snapshot of a wave does not learn from person to person."""
    kit, people, items = house.catalog.kit(sat.room.wave), len(sat.sessions), sat.answers.shape[1]
    times = ItemTimes(np.full(items, 1e9), np.log(sat.seconds))  # a spread too small to see
    seen = np.zeros(sat.answers.shape, dtype=bool)
    for n, session in enumerate(sat.sessions):
        seen[n, list(session.engine.seen)] = True
    seeds = tuple(session.engine.seed for session in sat.sessions)
    true = np.zeros((people, len(kit.pool.competencies)))
    priors = tuple(session.prior for session in sat.sessions)
    sitting = People(true, -np.log(sat.slowness), sat.answers, seeds=seeds, seen=seen, priors=priors)
    return run_block(Trial(kit.plan, kit.pool, 0, times=times), sitting)


def differences(house: House, sat: Sat) -> list[str]:
    """In what live sessions and simulator differ: items of both kinds with their places, ends of sections, abilities and SEs to the bit."""
    kit = house.catalog.kit(sat.room.wave)
    out, ran = [], simulated(house, sat)
    for n, session in enumerate(sat.sessions):
        state = session.engine
        scored, extra = (table[1:, table[0] == n].T.tolist() for table in (ran.answers, ran.pretest))
        live = list(zip(state.items, state.categories, strict=True))
        new = [at for at, item in enumerate(state.items) if not kit.pool.operational[item]]
        found = estimate(kit.plan, kit.pool, state)
        pairs = {
            "items": ([pair for at, pair in enumerate(live) if at not in new], [(item, category) for _, item, category in scored]),
            "pretest": ([(at, *live[at]) for at in new], [tuple(row) for row in extra]),
            "ends": (list(state.ended), ran.reasons[n]),
            "theta": (found.theta.tolist(), ran.theta[n].tolist()),
            "se": (found.se.tolist(), ran.se[n].tolist()),
        }
        out += [f"{kit.plan.name}: {what}: live {a}, simulated {b}" for what, (a, b) in pairs.items() if a != b]
    return out
