"""Blueprints, shadow tests and content methods: TestDesign's optima, catR's balanced tests, and rules that hold on every test."""

import csv
import itertools
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cat_engine import (
    Answered,
    Faulty,
    Grid,
    ItemParams,
    Pool,
    Present,
    Presented,
    Row,
    Section,
    TestPlan,
    ask,
    check,
    dump_plan,
    information,
    load_plan,
    simulate,
    start,
    tell,
)
from cat_engine.ability import eap
from cat_engine.assembly import Assembly
from cat_engine.batch import Batch
from cat_engine.beginning import GivenItems
from cat_engine.blueprint import BlueprintRow, Content, read_rows, row_faults
from cat_engine.conditions import ConditionError, evaluate
from cat_engine.content import Balanced, PriorityIndex, ShadowTest, Unbalanced, WeightedDeviation
from cat_engine.eligibility import Restricted
from cat_engine.people import attempt_seed

ATTRIBUTES = {"TYPE": ("MC", "CR", "MC", "NA", "MC"), "DOK": ("1", "2", "3", "", "10"), "ID": ("a", "b", "c", "d", "e")}


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("", "11111"),
        ('TYPE == "MC"', "10101"),
        ("type == MC", "10101"),
        ("TYPE != 'MC'", "01000"),
        ("DOK >= 2", "01101"),
        ("DOK < 10", "11100"),
        ('ID %in% c("a", "e")', "10001"),
        ("DOK %in% c(1, 3)", "10100"),
        ("is.na(DOK)", "00010"),
        ("!is.na(TYPE) & DOK > 1", "01101"),
        ('TYPE == "CR" | DOK == 3 & TYPE == "MC"', "01100"),
        ('(TYPE == "CR" | DOK == 3) & !(DOK == 2)', "00100"),
    ],
)
def test_conditions_choose_items(condition: str, expected: str) -> None:
    assert evaluate(condition, ATTRIBUTES, 5).tolist() == [c == "1" for c in expected]


@pytest.mark.parametrize(
    "condition",
    [
        "LEVEL == 1",
        "DOK",
        "DOK ==",
        "DOK == 1 &",
        "(DOK == 1",
        "DOK %in% (1, 2)",
        "DOK %in% c(1",
        "DOK == 1 TYPE",
        "DOK $ 1",
        "is.na DOK",
        "== 1",
    ],
)
def test_a_condition_that_cannot_be_read_is_refused(condition: str) -> None:
    with pytest.raises(ConditionError):
        evaluate(condition, ATTRIBUTES, 5)


# assembly


def rows_of(*rows: tuple) -> tuple[BlueprintRow, ...]:
    return tuple(BlueprintRow(f"C{k}", *row) for k, row in enumerate(rows, start=1))


def content_of(n: int, **attributes: list) -> Content:
    return Content.of([f"i{k}" for k in range(n)], {name: [str(v) for v in values] for name, values in attributes.items()})


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10_000))
def test_the_optimum_is_that_of_trying_every_test(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, length = 10, 4
    area, words = rng.integers(0, 3, n).tolist(), rng.integers(5, 30, n).tolist()
    rows = rows_of(
        ("number", "item", "", length, length),
        ("number", "item", "AREA == 0", 1, 2),
        ("number", "item", "AREA", 0, 2),
        ("sum", "item", "WORDS, AREA != 2", 10, 50),
        ("enemy", "item", 'ID %in% c("i0", "i1", "i2")'),
        ("allornone", "item", 'ID %in% c("i3", "i4")'),
        ("exclude", "item", 'ID == "i9"'),
    )
    assembly = Assembly.of(rows, content_of(n, AREA=area, WORDS=words), n)
    score = rng.uniform(0.1, 2.0, n)

    def legal(test: tuple[int, ...]) -> bool:
        areas = [area[i] for i in test]
        total = sum(words[i] for i in test if area[i] != 2)
        counts = [areas.count(k) for k in set(area)]
        return (
            1 <= areas.count(0) <= 2 and max(counts) <= 2 and 10 <= total <= 50 and len({0, 1, 2} & set(test)) <= 1
            and len({3, 4} & set(test)) != 1 and 9 not in test
        )  # fmt: skip

    possible = [test for test in itertools.combinations(range(n), length) if legal(test)]
    found = assembly.solve(score, np.ones(n, dtype=bool))
    if not possible:
        assert found is None
    else:
        best = max(score[list(test)].sum() for test in possible)
        assert found is not None
        assert legal(tuple(np.flatnonzero(found).tolist()))
        assert score[found].sum() == pytest.approx(best, rel=1e-9)


def test_stimuli_come_whole_and_bring_their_items() -> None:
    stimulus = ["s1"] * 5 + ["s2"] * 5 + ["s3"] * 5 + ["NA"] * 3
    stimuli = {"s1": {"KIND": "text"}, "s2": {"KIND": "graph"}, "s3": {"KIND": "text"}}
    content = Content.of([f"i{k}" for k in range(18)], {"STID": stimulus}, stimuli)
    rows = rows_of(
        ("number", "item", "", 7, 7), ("number", "stimulus", "", 2, 2), ("number", "item", "Per Stimulus", 3, 4),
        ("number", "stimulus", 'KIND == "text"', 1, 1),
    )  # fmt: skip
    score = np.random.default_rng(1).uniform(size=18)
    found = Assembly.of(rows, content, 18).solve(score, np.ones(18, dtype=bool))
    assert found is not None
    per = [int(found[5 * g : 5 * g + 5].sum()) for g in range(3)]
    assert sorted(per) in ([0, 3, 3], [0, 3, 4])
    assert per[1] > 0
    assert found.sum() == 7


def test_relaxing_misses_bounds_by_as_little_as_possible() -> None:
    content = content_of(6, AREA=[0, 0, 1, 1, 1, 1])
    rows = rows_of(("number", "item", "", 4, 4), ("number", "item", "AREA == 0", 3, 3))
    assembly = Assembly.of(rows, content, 6)
    assert assembly.solve(np.ones(6), np.ones(6, dtype=bool)) is None
    found = assembly.solve(np.ones(6), np.ones(6, dtype=bool), relax=True)
    assert found is not None
    assert found[:2].all()
    assert found.sum() == 4


@pytest.fixture(scope="module")
def fatigue(shared: Path) -> tuple[Pool, tuple[BlueprintRow, ...]]:
    def table(name: str) -> list[dict[str, str]]:
        with (shared / "golden" / f"h_shadow_fatigue_{name}.csv").open(newline="") as file:
            return list(csv.DictReader(file))

    items, about = table("pool"), table("attributes")
    rows = [Row("grm", float(i["X1"]), [float(i[f"X{k}"]) for k in range(2, 6) if i[f"X{k}"] not in ("", "NA")]) for i in items]
    ids = tuple(i["id"] for i in items)
    content = Content.of(ids, {name: [row[name] for row in about] for name in about[0]})
    n = len(ids)
    pool = Pool(ids, ItemParams.from_rows(rows), ("A",), np.ones(n, bool), np.zeros(n), Grid(-4.0, 4.0, 81), content=content)
    return pool, read_rows(table("constraints"))


def test_static_optima_are_those_of_testdesign(fatigue: tuple, golden: Callable[[str], Any]) -> None:
    pool, rows = fatigue
    assert len(rows) == 111
    for case in golden("testdesign_shadow.json")["static_optimum"]:
        info = information(pool.params, case["theta"])[0]
        found = pool.assembly(rows).solve(info, pool.operational)
        assert info[found].sum() == pytest.approx(case["total_info"], rel=1e-6)


def test_shadow_tests_run_as_in_testdesign(fatigue: tuple, golden: Callable[[str], Any]) -> None:
    pool, rows = fatigue
    plan = TestPlan("golden", (Section("s", "s", ("A",), 12, 12, 1.0, (), rows),), content=ShadowTest())
    assert check(plan, pool) == []
    for examinee in golden("testdesign_shadow.json")["examinees"]:
        state = start(0)
        for k, (item, category) in enumerate(zip(examinee["administered"], examinee["resp"], strict=True)):
            info = information(pool.params, examinee["interim_theta"][k - 1] if k else 0.0)[0]
            found = pool.assembly(rows).solve(info, pool.operational, state.items)
            assert info[found].sum() == pytest.approx(examinee["shadow_total_info"][k], rel=1e-6)
            decision = ask(plan, pool, state)
            assert isinstance(decision, Present)
            assert decision.evidence.rung == "full"
            assert decision.item == item - 1
            state = tell(tell(state, Presented(decision.item)), Answered(category, 1.0))
            batch = Batch.replay(plan, pool, state.items, state.categories)
            # TestDesign gives the two end nodes of its grid full weight; the trapezoid rule, which is ours, gives them half
            assert [batch.theta[0, 0], batch.se[0, 0]] == pytest.approx([examinee["interim_theta"][k], examinee["interim_se"][k]], abs=5e-4)
            full = batch.log_posterior(np.array([0]), 0) - pool.grid.log_weights()
            found_so = np.concatenate(eap(full, pool.nodes))
            np.testing.assert_allclose(found_so, [examinee["interim_theta"][k], examinee["interim_se"][k]], atol=1e-9)
        assert ask(plan, pool, state).reason == "length"


# methods


@cache
def bank(n: int = 60, seed: int = 3) -> Pool:
    rng = np.random.default_rng(seed)
    rows = [Row("2pl", float(rng.uniform(0.8, 1.8)), [float(rng.normal())]) for _ in range(n)]
    content = content_of(n, AREA=[k % 3 for k in range(n)], LEVEL=[1 + k % 2 for k in range(n)])
    return replace(Pool.of(tuple(f"i{k}" for k in range(n)), ItemParams.from_rows(rows), ("A",)), content=content)


BLUEPRINT = rows_of(
    ("number", "item", "", 9, 9),
    ("number", "item", "AREA == 0", 4, 5),
    ("number", "item", "AREA == 1", 2, 3),
    ("number", "item", "AREA == 2", 2, 3),
)


def plan_of(content: object, rows: tuple = BLUEPRINT, **options: object) -> TestPlan:
    return TestPlan("t", (Section("s", "s", ("A",), 9, 9, 1.0, (), rows),), content=content, **options)


@pytest.mark.parametrize("method", [ShadowTest(), PriorityIndex(), WeightedDeviation(2.0)])
def test_every_test_keeps_the_blueprint(method: object) -> None:
    result = simulate(plan_of(method), bank(), np.random.default_rng(1).normal(size=(15, 1)), seed=1)
    areas = np.array([k % 3 for k in range(60)])[result.step_item].reshape(15, 9)
    for test in areas:
        counts = np.bincount(test, minlength=3)
        assert 4 <= counts[0] <= 5
        assert counts[1:].min() >= 2
        assert counts[1:].max() <= 3


def worth(method: object, row: tuple[np.ndarray, float, float], item: int, given: list[int]) -> float:
    """What one bounded row makes of an item: of mpi the share of its upper bound that is left, of weighted deviations what the projected test misses."""
    member, low, high = row
    filled = member[given].sum()
    if isinstance(method, PriorityIndex):
        return float((high - filled) / high if member[item] else 1.0)
    left = np.setdiff1d(np.arange(len(member)), given)
    projected = filled + member[item] + (8 - len(given)) * member[left].mean()
    return float(max(low - projected, 0) + max(projected - high, 0))


@pytest.mark.parametrize("method", [PriorityIndex(), WeightedDeviation(1.0), WeightedDeviation(0.1)])
def test_the_item_given_is_the_best_when_its_rows_are_counted_by_hand(sit: Callable, method: PriorityIndex | WeightedDeviation) -> None:
    pool, area, level = bank(), np.array([k % 3 for k in range(60)]), np.array([1 + k % 2 for k in range(60)])
    plan = plan_of(method, (*BLUEPRINT, *rows_of(("number", "item", "LEVEL == 2", 2, 4))))
    rows = [(area == 0, 4, 5), (area == 1, 2, 3), (area == 2, 2, 3), (level == 2, 2, 4)]
    for seed in range(4):
        state, _ = sit(plan, pool, seed, lambda position, _, seed=seed: (position * (seed + 1)) // 2 % 2)
        for n, item in enumerate(state.items):
            given, free = list(state.items[:n]), np.setdiff1d(np.arange(60), state.items[:n])
            info = information(pool.params, Batch.replay(plan, pool, given, state.categories[:n]).theta[0])[0]
            if isinstance(method, PriorityIndex):
                missing = [low - member[given].sum() for member, low, _ in rows]
                if 9 - n <= sum(m for m in missing if m > 0):  # what is left must fill lower bounds
                    free = np.array([i for i in free if any(m > 0 and row[0][i] for m, row in zip(missing, rows, strict=True))])
                values = [info[i] * np.prod([worth(method, row, i, given) for row in rows]) for i in free]
            else:
                values = [info[i] / info[free].max() - method.weight * sum(worth(method, row, i, given) for row in rows) for i in free]
            assert values[free.tolist().index(item)] == pytest.approx(max(values), abs=1e-10)


@pytest.mark.parametrize("method", [ShadowTest(), PriorityIndex(), WeightedDeviation(), Balanced("AREA", {"0": 0.5, "1": 0.25, "2": 0.25})])
def test_live_and_simulator_balance_alike(sit: Callable, method: object) -> None:
    pool, plan = bank(), plan_of(method, () if isinstance(method, Balanced) else BLUEPRINT)
    result = simulate(plan, pool, np.zeros((3, 1)), seed=4)
    for person in range(3):
        mine = result.step_person == person
        answers = result.step_category[mine].tolist()
        state, decisions = sit(plan, pool, attempt_seed(4, person), lambda position, _, answers=answers: answers[position])
        assert list(state.items) == result.step_item[mine].tolist()
        assert {d.evidence.rung for d in decisions} == {"full"}


def test_an_order_row_gives_items_in_ascending_rank() -> None:
    rows = (*BLUEPRINT, BlueprintRow("C5", "order", "item", "LEVEL"))
    result = simulate(plan_of(ShadowTest(), rows), bank(), np.zeros((4, 1)), seed=1)
    levels = np.array([1 + k % 2 for k in range(60)])[result.step_item].reshape(4, 9)
    assert np.all(np.diff(levels, axis=1) >= 0)


def test_a_shadow_test_costs_little_information() -> None:
    true = np.random.default_rng(1).normal(size=(60, 1))
    free = simulate(plan_of(Unbalanced(), ()), bank(), true, seed=1)
    kept = simulate(plan_of(ShadowTest()), bank(), true, seed=1)
    assert kept.se.mean() < 1.1 * free.se.mean()


def test_control_that_makes_the_blueprint_impossible_is_dropped_before_the_blueprint_is() -> None:
    pool = bank()
    seen = np.where(np.array([k % 3 for k in range(60)]) == 0, 0.9, 0.0)  # every item of area 0 was seen by too many
    decision = ask(plan_of(ShadowTest(), eligibility=Restricted(0.5)), replace(pool, exposure=seen), start(1))
    assert isinstance(decision, Present)
    assert decision.evidence.rung == "eligibility"


def test_a_blueprint_that_has_become_impossible_is_missed_by_as_little_as_possible() -> None:
    pool = bank()
    areas = np.array([k % 3 for k in range(60)])
    pool = replace(pool, operational=(areas != 0) | (np.arange(60) < 6))  # two items of area 0 are left, four are asked for
    decision = ask(plan_of(ShadowTest()), pool, start(1))
    assert isinstance(decision, Present)
    assert decision.evidence.rung == "relaxed"
    assert [fault.field for fault in check(plan_of(ShadowTest()), pool)] == ["blueprint"]


def test_a_section_that_was_begun_elsewhere_still_ends_with_its_length(sit: Callable) -> None:
    state, decisions = sit(plan_of(ShadowTest()), bank(), 1, lambda *_: 1)
    assert len(state.items) == 9
    assert decisions[-2].reason == "length"


def test_a_start_rule_that_names_items_of_another_section_leaves_the_choice_to_the_blueprint() -> None:
    """All items that are left score 0 then, and those that are not may score anything."""
    rows = [Row("2pl", 1.0 + 0.01 * i, [0.0], scale=i // 20) for i in range(40)]
    pool = Pool.of(tuple(f"i{i}" for i in range(40)), ItemParams.from_rows(rows), ("A", "B"))
    pool = replace(pool, content=Content.of(pool.ids, {"AREA": [str(i % 2) for i in range(40)]}))
    row = (BlueprintRow("n", "number", "item", "", 4, 4), BlueprintRow("a", "number", "item", "AREA == 1", 3, 4))
    sections = (Section("s", "s", ("A",), 4, 4, 9.0, (), row), Section("t", "t", ("B",), 4, 4, 9.0, (), row))
    result = simulate(
        TestPlan("t", sections, content=WeightedDeviation(), start=GivenItems(("i39", "i38"))), pool, np.zeros((2, 2)), seed=1
    )
    assert result.step_item[4] == 39
    assert all(item % 2 for item in result.step_item[:3].tolist())


def test_balanced_tests_are_those_of_catr(golden: Callable[[str], Any]) -> None:
    """15 people of 30 items. catR draws among groups that are equally wanted, so its draw is taken; the groups, and the item inside, are exact."""
    reference = golden("catr_content.json")
    rows = [Row("4pl", a, [b], c, d) for a, b, c, d in reference["items"]]
    n = len(rows)
    content = Content.of([str(k) for k in range(n)], {"GROUP": [reference["names"][g] for g in reference["groups"]]})
    pool = Pool(
        tuple(map(str, range(n))), ItemParams.from_rows(rows), ("A",), np.ones(n, bool), np.zeros(n), Grid(-4.0, 4.0, 33), content=content
    )
    method = Balanced("GROUP", dict(zip(reference["names"], reference["props"], strict=True)))
    group = method.groups(pool)
    assert len(reference["examinees"]) == 15
    for examinee in reference["examinees"]:
        items = [item - 1 for item in examinee["items"]]
        batch = Batch.begin(TestPlan("t", (Section("s", "s", ("A",), 1, 30, 1.0),)), pool, 1)
        for k, (item, answer) in enumerate(zip(items, examinee["x"], strict=True)):
            free = batch.free[0].copy()
            if k:
                counts = np.bincount(group[items[:k]], minlength=len(method.targets)).astype(float)
                wanted = [g in examinee["eligible"][k - 1] for g in "01234"]
                assert method.wanted(counts).tolist() == wanted
                free &= group == group[item]
                np.testing.assert_allclose(
                    [batch.theta[0, 0], batch.se[0, 0]], [examinee["theta"][k - 1], examinee["se"][k - 1]], atol=1e-12
                )
            assert np.argmax(np.where(free, np.round(batch.info[0], 12), -np.inf)) == item
            batch.answer(np.array([0]), np.array([item]), np.array([int(answer)]))
        np.testing.assert_allclose([batch.theta[0, 0], batch.se[0, 0]], [examinee["theta"][-1], examinee["se"][-1]], atol=1e-12)


# text


TABLE = [{"CONSTRAINT_ID": "C1", "TYPE": "Number", "WHAT": "Item", "CONDITION": "", "LB": "30", "UB": "30", "ONOFF": ""}]


def test_constraint_tables_are_read() -> None:
    off = {**TABLE[0], "ONOFF": "OFF"}
    enemy = {**TABLE[0], "CONSTRAINT_ID": "C2", "TYPE": "ENEMY", "WHAT": "Passage", "CONDITION": "A == 1", "LB": "NA", "UB": "NA"}
    assert read_rows([TABLE[0], off, enemy]) == (
        BlueprintRow("C1", "number", "item", "", 30.0, 30.0), BlueprintRow("C2", "enemy", "stimulus", "A == 1"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"TYPE": "Count"}, "TYPE"), ({"WHAT": "Person"}, "WHAT"), ({"LB": "few"}, "LB"), ({"UB": "20"}, "LB"),
        ({"TYPE": "Enemy", "CONDITION": ""}, "CONDITION"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_named(change: dict, field: str) -> None:
    with pytest.raises(Faulty) as refused:
        read_rows([{**TABLE[0], **change}])
    assert (refused.value.faults[0].where, refused.value.faults[0].field) == ("row 2", field)


def test_two_rows_of_one_name_are_refused_as_a_conflict_is_told_by_names() -> None:
    with pytest.raises(Faulty) as refused:
        read_rows([TABLE[0], {**TABLE[0], "LB": "20"}])
    assert [(fault.where, fault.field) for fault in refused.value.faults] == [("row 3", "CONSTRAINT_ID")]


def test_a_table_without_a_column_is_refused() -> None:
    with pytest.raises(Faulty, match="LB"):
        read_rows([{key: value for key, value in TABLE[0].items() if key != "LB"}])


def test_rows_that_speak_of_what_is_not_there_are_named() -> None:
    rows = rows_of(
        ("number", "item", "COLOUR == 1", 1, 2), ("sum", "item", "AREA", 1, 2), ("order", "item", "SIZE"), ("enemy", "item", "((AREA")
    )
    found = row_faults(rows, content_of(3, AREA=["x", "1", "2"]), 3)
    assert [fault.where for fault in found] == ["C1", "C2", "C3", "C4"]


def test_a_blueprint_in_a_plan_survives_being_written_and_read(plan_text: str) -> None:
    text = plan_text.replace("[exposure]", '[content]\nname = "shadow"\n[exposure]', 1)
    text += '[[sections.blueprint]]\nkind = "number"\nlow = 5\nhigh = 9\n[[sections.blueprint]]\nrow_id = "E"\nkind = "enemy"\ncondition = "A == \\"x\\""\n'
    plan = load_plan(text)
    assert plan.sections[1].blueprint == (
        BlueprintRow("row 1", "number", "item", "", 5.0, 9.0),
        BlueprintRow("E", "enemy", "item", 'A == "x"'),
    )
    assert load_plan(dump_plan(plan)) == plan
    balanced = load_plan(
        plan_text.replace("[exposure]", '[content]\nname = "balanced"\nattribute = "A"\ntargets = {"x y" = 0.5, z = 0.5}\n[exposure]')
    )
    assert load_plan(dump_plan(balanced)) == balanced


@pytest.mark.parametrize(
    ("rows", "content", "field"),
    [
        ('kind = "count"', "shadow", "kind"),
        ('kind = "number"\nlow = 3\nhigh = 2', "shadow", "low"),
        ('kind = "number"\nwhat = "page"', "shadow", "what"),
        ('kind = "number"\nmin = 3', "shadow", "min"),
        ('kind = "number"', "shade", "name"),
    ],
)
def test_a_blueprint_that_cannot_be_is_named(plan_text: str, rows: str, content: str, field: str) -> None:
    text = plan_text.replace("[exposure]", f'[content]\nname = "{content}"\n[exposure]', 1) + f"[[sections.blueprint]]\n{rows}\n"
    with pytest.raises(Faulty) as refused:
        load_plan(text)
    assert field in [fault.field for fault in refused.value.faults]


@pytest.mark.parametrize(
    "table", ['name = "balanced"', 'name = "balanced"\nattribute = "A"\ntargets = {a = 0.5}', 'name = "weighted_deviation"\nweight = -1.0']
)
def test_a_method_that_cannot_be_is_refused(plan_text: str, table: str) -> None:
    with pytest.raises(Faulty):
        load_plan(plan_text.replace("[exposure]", f"[content]\n{table}\n[exposure]", 1))


def test_plan_and_pool_are_checked_for_content() -> None:
    pool = bank()
    assert [f.field for f in check(plan_of(ShadowTest(), ()), pool)] == ["blueprint"]
    assert [f.field for f in check(plan_of(Unbalanced()), pool)] == ["name"]
    assert [f.field for f in check(plan_of(Balanced("SIZE", {"1": 1.0}), ()), pool)] == ["attribute"]
    assert [f.field for f in check(plan_of(Balanced("AREA", {"0": 0.5, "7": 0.5}), ()), pool)] == ["targets"]
    assert [f.where for f in check(plan_of(ShadowTest(), rows_of(("number", "item", "SIZE == 1", 1, 1))), pool)] == [
        "sections[0].blueprint"
    ]


def test_content_is_part_of_the_pools_digest() -> None:
    pool = bank()
    assert len({pool.digest, replace(pool, content=None).digest, replace(pool, content=content_of(60, AREA=[1] * 60)).digest}) == 3
