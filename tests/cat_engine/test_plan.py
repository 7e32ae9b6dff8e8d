"""Plans from TOML: every fault at once, with what would be legal; and plans against pools."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cat_engine import Faulty, Grid, ItemParams, NormalPrior, Pool, Row, Section, TestPlan, check, dump_plan, load_plan
from cat_engine.exposure import EXPOSURE, Best, Randomesque
from cat_engine.select import SELECTION, MaximumInformation, RandomItem
from cat_engine.stop import AnsweringTime, PosteriorSD

SMALL = """
name = "small"
[[sections]]
code = "s"
competencies = ["A"]
min_items = 2
max_items = 5
time_budget_min = 10
"""


def faults_of(text: str) -> list[tuple[str, str]]:
    with pytest.raises(Faulty) as refused:
        load_plan(text)
    assert len(str(refused.value).splitlines()) == len(refused.value.faults)
    return [(fault.where, fault.field) for fault in refused.value.faults]


def test_a_small_plan_takes_the_defaults() -> None:
    assert load_plan(SMALL) == TestPlan("small", (Section("s", "s", ("A",), 2, 5, 10.0),), NormalPrior(), MaximumInformation(), Best())


def test_a_full_plan_is_read_as_written(plan_text: str) -> None:
    plan = load_plan(plan_text)
    assert plan.exposure == Randomesque(4)
    assert [section.code for section in plan.sections] == ["graded", "right-wrong"]
    assert plan.competencies == ("A", "B", "C")
    assert plan.sections[0].stop == (PosteriorSD(0.4),)
    assert plan.sections[1].stop == (PosteriorSD(0.55),)


def test_a_section_overrides_single_stop_rules_and_zero_switches_one_off() -> None:
    text = "[stop]\nse = 0.3\ntime_s = 90\n" + SMALL.replace('name = "small"', "") + "[sections.stop]\nse = 0\n"
    assert load_plan('name = "x"\n' + text).sections[0].stop == (AnsweringTime(90.0),)


@pytest.mark.parametrize(
    ("old", "new", "where", "field"),
    [
        ('name = "small"', "", "plan", "name"),
        ('name = "small"', 'name = ""', "plan", "name"),
        ('name = "small"', "name = 3", "plan", "name"),
        ('name = "small"', 'name = "small"\ncolour = "red"', "plan", "colour"),
        ('name = "small"', 'name = "small"\nprior = 3', "plan", "prior"),
        ('name = "small"', 'name = "small"\nprior = {sd = 0}', "prior", "sd"),
        ('name = "small"', 'name = "small"\nprior = {sd = 9}', "prior", "sd"),
        ('name = "small"', 'name = "small"\nprior = {mean = nan}', "prior", "mean"),
        ('name = "small"', 'name = "small"\nprior = {mean = 7}', "prior", "mean"),
        ('name = "small"', 'name = "small"\nprior = {skew = 1}', "prior", "skew"),
        ('name = "small"', 'name = "small"\nselect = {name = "best"}', "select", "name"),
        ('name = "small"', 'name = "small"\nselect = {name = 3}', "select", "name"),
        ('name = "small"', 'name = "small"\nselect = {name = "mfi", k = 3}', "select", "k"),
        ('name = "small"', 'name = "small"\nexposure = {name = "randomesque", k = 0}', "exposure", "k"),
        ('name = "small"', 'name = "small"\nexposure = {name = "randomesque", k = 2.5}', "exposure", "k"),
        ('name = "small"', 'name = "small"\nexposure = {name = "randomesque", k = true}', "exposure", "k"),
        ('name = "small"', 'name = "small"\nexposure = {name = "eligible"}', "exposure", "name"),
        ('name = "small"', 'name = "small"\nstop = {se = -0.3}', "stop", "se"),
        ('name = "small"', 'name = "small"\nstop = {se = inf}', "stop", "se"),
        ('name = "small"', 'name = "small"\nstop = {se = "low"}', "stop", "se"),
        ('name = "small"', 'name = "small"\nstop = {sem = 0.3}', "stop", "sem"),
        ('code = "s"', "", "sections[0]", "code"),
        ('code = "s"', 'code = ""', "sections[0]", "code"),
        ('code = "s"', 'code = "s"\ntime = 3', "sections[0]", "time"),
        ('code = "s"', 'code = "s"\nstop = {sem = 1}', "sections[0].stop", "sem"),
        ('competencies = ["A"]', "", "sections[0]", "competencies"),
        ('competencies = ["A"]', "competencies = []", "sections[0]", "competencies"),
        ('competencies = ["A"]', 'competencies = "A"', "sections[0]", "competencies"),
        ('competencies = ["A"]', 'competencies = ["A", 3]', "sections[0]", "competencies"),
        ('competencies = ["A"]', 'competencies = ["A", ""]', "sections[0]", "competencies"),
        ('competencies = ["A"]', 'competencies = ["A", "A"]', "sections[0]", "competencies"),
        ("min_items = 2", "min_items = 6", "sections[0]", "min_items"),
        ("min_items = 2", "min_items = 0", "sections[0]", "min_items"),
        ("min_items = 2", "min_items = 2.0", "sections[0]", "min_items"),
        ("min_items = 2", "min_items = true", "sections[0]", "min_items"),
        ("max_items = 5", "max_items = -1", "sections[0]", "max_items"),
        ("max_items = 5", "", "sections[0]", "max_items"),
        ("max_items = 5", "max_items = 1000001", "sections[0]", "max_items"),
        ("max_items = 5", f"max_items = 1{'0' * 30}", "plan.sections.0.max_items", ""),
        ("time_budget_min = 10", f"time_budget_min = 1{'0' * 400}", "plan.sections.0.time_budget_min", ""),
        ("time_budget_min = 10", "time_budget_min = 0", "sections[0]", "time_budget_min"),
        ("time_budget_min = 10", "time_budget_min = nan", "sections[0]", "time_budget_min"),
        ("time_budget_min = 10", 'time_budget_min = "10"', "sections[0]", "time_budget_min"),
    ],
)
def test_one_fault_is_named_by_place_and_field(old: str, new: str, where: str, field: str) -> None:
    assert old in SMALL
    assert (where, field) in faults_of(SMALL.replace(old, new))


@pytest.mark.parametrize("sections", ["", "sections = []", "sections = 3", "sections = [1]"])
def test_a_plan_without_sections_is_refused(sections: str) -> None:
    assert faults_of(f'name = "x"\n{sections}')[0][0] in ("plan", "sections[0]")


@pytest.mark.parametrize("text", ["name = ", f"name = {'9' * 5000}", f"name = {'[' * 10_000}"], ids=["empty", "digits", "brackets"])
def test_text_that_is_not_toml_is_refused(text: str) -> None:
    assert faults_of(text) == [("plan", "")]


@pytest.mark.parametrize(
    "table",
    [
        "[stop]\nglr = {cuts = [%s]}", '[start]\nname = "thetas"\nthetas = [%s]', '[eligibility]\nname = "fading"\ncuts = [%s]',
        "[joint]\nmatrix = [[%s]]",
    ],
)  # fmt: skip
def test_a_number_in_a_list_that_no_float_holds_is_named(table: str) -> None:
    assert faults_of(SMALL.replace("[[sections]]", table % ("9" * 30) + "\n[[sections]]"))[0][0].endswith(".0")


@pytest.mark.parametrize("speed", ["-1.0", "1e308"])
@pytest.mark.parametrize("rule", ["progressive", "proportional"])
def test_a_speed_beyond_which_weights_overflow_is_named(rule: str, speed: str) -> None:
    assert faults_of(SMALL.replace("[[sections]]", f'[select]\nname = "{rule}"\nspeed = {speed}\n[[sections]]')) == [("select", "speed")]


def test_all_faults_are_listed_at_once_those_of_a_section_with_a_wrong_type_too() -> None:
    text = """
        colour = "red"
        [prior]
        mean = 9
        sd = 0
        [select]
        name = "best"
        [exposure]
        name = "randomesque"
        k = 0
        [stop]
        se = -1
        sem = 2
        [[sections]]
        code = "s"
        competencies = ["A", "A"]
        min_items = "two"
        max_items = 0
        time_budget_min = -1
        [[sections]]
        code = "s"
        competencies = ["A"]
        min_items = 5
        max_items = 4
        time_budget_min = 10
        [sections.stop]
        se = "low"
    """
    assert set(faults_of(text)) == {
        ("plan", "name"), ("plan", "colour"), ("prior", "mean"), ("prior", "sd"), ("select", "name"), ("exposure", "k"), ("stop", "se"),
        ("stop", "sem"), ("sections[0]", "competencies"), ("sections[0]", "min_items"), ("sections[0]", "max_items"),
        ("sections[0]", "time_budget_min"), ("sections[1]", "code"), ("sections[1]", "competencies"), ("sections[1]", "min_items"),
        ("sections[1].stop", "se"),
    }  # fmt: skip


def test_a_refusal_says_what_would_be_legal() -> None:
    with pytest.raises(Faulty) as refused:
        load_plan(SMALL + '[select]\nname = "best"\n[exposure]\nname = "x"\n[stop]\nsem = 1\n')
    text = str(refused.value)
    for name in (*SELECTION.names, *EXPOSURE.names, "se", "time_s"):
        assert name in text


def test_a_competency_stands_in_one_section_only() -> None:
    assert ("sections[1]", "competencies") in faults_of(SMALL + SMALL.split("\n", 2)[2].replace('"s"', '"t"'))


NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
SECTIONS = st.lists(
    st.tuples(NAMES, st.lists(NAMES, min_size=1, max_size=3), st.integers(1, 9), st.integers(0, 9), st.floats(0.1, 500), st.floats(0, 2)),
    min_size=1,
    max_size=3,
)


@given(NAMES, SECTIONS, st.sampled_from([MaximumInformation(), RandomItem()]), st.sampled_from([Best(), Randomesque(3)]), st.floats(0.1, 5))
def test_a_plan_survives_being_written_and_read(name: str, raw: list, select: object, exposure: object, sd: float) -> None:
    sections = tuple(
        Section(
            f"{i}{code}", code, tuple(f"{i}{k}{c}" for k, c in enumerate(names)), low, low + more, budget, (PosteriorSD(se),) if se else ()
        )
        for i, (code, names, low, more, budget, se) in enumerate(raw)
    )
    plan = TestPlan(name, sections, NormalPrior(0.25, sd), select, exposure)
    assert load_plan(dump_plan(plan)) == plan
    assert load_plan(dump_plan(plan)).digest == plan.digest


def test_the_digest_follows_the_content_not_the_writing() -> None:
    spelled_out = SMALL + '[prior]\nmean = 0\nsd = 1.0\n[select]\nname = "mfi"\n[exposure]\nname = "none"\n'
    assert load_plan(spelled_out).digest == load_plan(SMALL).digest
    for old, new in [("max_items = 5", "max_items = 6"), ('"A"', '"B"'), ("= 10", "= 11"), ('"small"', '"tiny"')]:
        assert load_plan(SMALL.replace(old, new)).digest != load_plan(SMALL).digest
    assert load_plan(SMALL + "[stop]\nse = 0.3\n").digest != load_plan(SMALL).digest


# plan against pool


def test_a_plan_that_fits_its_pool_has_no_faults(plan: TestPlan, mixed_pool: Pool) -> None:
    assert check(plan, mixed_pool) == []


def test_faults_between_plan_and_pool_are_all_named() -> None:
    rows = [
        Row("2pl", 1.0, [0.0], scale=0),
        Row("2pl", 1.0, [0.5], scale=1),
        Row("2pl", 1.0, [1.0], scale=1),
        Row("2pl", 1.0, [1.0], scale=2),
    ]
    operational = np.array([True, True, True, False])
    pool = Pool(("a", "b", "c", "d"), ItemParams.from_rows(rows), ("A", "B", "C"), operational, np.zeros(4), Grid(-2.0, 2.0, 21))
    plan = TestPlan("t", (Section("s", "s", ("A", "B"), 2, 3, 5.0), Section("t", "t", ("C", "X"), 1, 3, 5.0)))
    found = [(fault.where, fault.field, fault.message) for fault in check(plan, pool)]
    assert [one[:2] for one in found] == [
        ("sections[0]", "min_items"),
        ("sections[1]", "competencies"),
        ("sections[1]", "competencies"),
        ("prior", "sd"),
    ]
    for (_, _, message), word in zip(
        found, ("'A' has 1", "'C' has no operational item", "no competency 'X'", "the grid cuts off"), strict=True
    ):
        assert word in message
