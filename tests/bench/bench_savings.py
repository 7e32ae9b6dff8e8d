"""How much shorter an adaptive test is: items and minutes until every competency is measured with a reliability of .80 and .85.

On the nine situational competencies of the sample bank, 1,000 people whose abilities correlate .6 answer the whole bank once; each design then takes
its answers from those. So all designs see the same people, and the level of a test is held against the level that the whole bank gives.

    fixed        one form for all: per competency the items of most information for this population, the same number in each
    independent  adaptive, every competency by itself
    joint        adaptive, the nine taken together with correlation .6

Adaptive tests keep exposure control (no item to more than half of the people, and one of the three best at random) and content control (job levels in
the shares that the bank has). Reliability is 1 - mean SE^2 on N(0, 1), the lowest of the nine. Minutes are read off the texts: 180 words a minute,
and 20 s to decide.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files

import numpy as np

from cat_engine import Pool, information, load_plan, simulate
from cat_engine.ability import eap
from cat_engine.irt import Floats, Ints
from cat_engine.population import Population
from cat_engine.simulate import draw_category
from itembank.bank import ItemContent, pool_of
from itembank.demo import load_demo

PEOPLE, SEED = 1000, 7
WORDS_A_MINUTE, TO_DECIDE_S = 180, 20
TARGETS = (0.80, 0.85)
COMPETENCIES = ("M.01", "M.02", "M.03", "M.04", "M.05", "M.06", "M.07", "M.08", "S.01")
JOINT = "[joint]\ncorrelation = 0.6\n"
PLAN = """
name = "savings"
{joint}
[exposure]
name = "randomesque"
k = 3
[eligibility]
name = "fading"
r_max = 0.5
[content]
name = "balanced"
attribute = "job_level"
targets = {{{targets}}}
[stop]
se = {se}
[[sections]]
code = "kompetensi"
title = "Kompetensi"
competencies = [{competencies}]
min_items = 3
max_items = 24
time_budget_min = 600
"""


@dataclass(frozen=True)
class World:
    """The pool, seconds[I] of its items, true abilities [N, S], answers[N, I] to the whole bank, and the level[N, S] that these give."""

    pool: Pool
    seconds: Floats
    true: Floats
    answers: Ints
    level: Ints

    @classmethod
    def make(cls) -> "World":
        """The sample bank and people who answer all of it."""
        bank, contents = load_demo()
        pool = pool_of(bank, COMPETENCIES)
        true = Population().abilities(PEOPLE, len(COMPETENCIES), SEED)
        rng = np.random.default_rng(SEED)
        n_items = len(pool)
        answers = np.stack(
            [draw_category(pool.params, true[:, pool.params.scale[i]], np.full(PEOPLE, i), rng.random(PEOPLE)) for i in range(n_items)],
            axis=1,
        )
        seconds = np.array([reading_seconds(contents[item]) for item in pool.ids])
        return cls(pool, seconds, true, answers, levels(form_scores(pool, answers, np.arange(n_items))[0]))


def reading_seconds(content: ItemContent) -> float:
    """What an item takes, by its number of words."""
    words = len(" ".join([content.scenario, content.question, *(option.text for option in content.options)]).split())
    return 60 * words / WORDS_A_MINUTE + TO_DECIDE_S


def levels(theta: Floats) -> Ints:
    """The level in which an estimate lies, 1-5, by the cuts that the results use."""
    norms = tomllib.loads((files("webtest") / "norms.toml").read_text(encoding="utf-8"))["norm"]
    [cuts] = [norm["body"]["cuts"] for norm in norms if norm["kind"] == "levels"]
    return np.asarray(np.searchsorted(cuts, theta, side="right") + 1)


def form_scores(pool: Pool, answers: Ints, form: Ints) -> tuple[Floats, Floats]:
    """EAP and SE [N, S] of everybody on the items `form`, every competency by itself."""
    found = []
    for s in range(len(pool.competencies)):
        mine = form[pool.params.scale[form] == s]
        logpost = -0.5 * pool.nodes**2 + sum(pool.log_table[i][answers[:, i]] for i in mine)
        found.append(eap(np.asarray(logpost), pool.nodes))
    return np.stack([theta for theta, _ in found], axis=1), np.stack([se for _, se in found], axis=1)


@dataclass(frozen=True)
class Outcome:
    """What a design took and gave: items and minutes a person, the lowest reliability, and the shares of levels that are those of the whole bank,
    and that are at most one away; the highest exposure.
    """

    items: float
    minutes: float
    reliability: float
    same_level: float
    near_level: float
    exposure: float


def outcome(world: World, theta: Floats, se: Floats, given: Floats) -> Outcome:
    """given[N, I]: 1 where a person answered an item."""
    away = np.abs(levels(theta) - world.level)
    return Outcome(
        float(given.sum(axis=1).mean()), float((given @ world.seconds).mean() / 60), float((1 - (se**2).mean(axis=0)).min()),
        float((away == 0).mean()), float((away <= 1).mean()), float(given.mean(axis=0).max()),
    )  # fmt: skip


def fixed(world: World, target: float) -> Outcome:
    """The shortest form, of as many items in every competency, that reaches the target."""
    nodes = world.pool.nodes
    weight = np.exp(-0.5 * nodes**2)
    worth = information(world.pool.params, nodes).T @ weight / weight.sum()
    for n in range(1, 25):
        own = [np.flatnonzero(world.pool.params.scale == s) for s in range(len(COMPETENCIES))]
        form = np.concatenate([mine[np.argsort(-worth[mine], kind="stable")[:n]] for mine in own])
        theta, se = form_scores(world.pool, world.answers, form)
        given = np.zeros((PEOPLE, len(world.pool)))
        given[:, form] = 1
        found = outcome(world, theta, se, given)
        if found.reliability >= target:
            break
    return found


def adaptive(world: World, target: float, joint: str) -> Outcome:
    """Stop each competency at the SE that the target asks for."""
    bank_levels = world.pool.content.attributes["job_level"] if world.pool.content is not None else ()
    shares: Mapping[str, float] = {name: float(np.mean([v == name for v in bank_levels])) for name in sorted(set(bank_levels))}
    plan = load_plan(
        PLAN.format(
            joint=joint, se=np.sqrt(1 - target), targets=", ".join(f"{name} = {share}" for name, share in shares.items()),
            competencies=", ".join(f'"{name}"' for name in COMPETENCIES),
        )
    )  # fmt: skip
    result = simulate(plan, world.pool, world.true, SEED, answers=world.answers)
    given = np.zeros((PEOPLE, len(world.pool)))
    given[result.step_person, result.step_item] = 1
    return outcome(world, result.theta, result.se, given)


def run() -> list[tuple[str, float, str]]:
    """Every figure of every design."""
    world, lines = World.make(), []
    for target in TARGETS:
        for name, found in (
            ("fixed", fixed(world, target)),
            ("independent", adaptive(world, target, "")),
            ("joint", adaptive(world, target, JOINT)),
        ):
            for figure, value, unit in (
                ("items", found.items, ""), ("minutes", found.minutes, "min"), ("lowest reliability", found.reliability, ""),
                ("level of the whole bank", 100 * found.same_level, "%"), ("at most one level away", 100 * found.near_level, "%"),
                ("highest exposure", 100 * found.exposure, "%"),
            ):  # fmt: skip
                lines.append((f"reliability {target:.2f}, {name}: {figure}", value, unit))
    return lines
