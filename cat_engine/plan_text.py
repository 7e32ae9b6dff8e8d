"""Test plans as TOML text: read with every fault named, and written back.

name = "Profil kompetensi"
[prior]                          # mean, sd; default 0, 1; or name = "uniform" (low, high) or "jeffreys"; person = true: persons' own priors count
[prior.groups.jpt_pratama]       # mean, sd: the prior at which people of a group start
[interim]                        # name = "eap" (default) or another estimator: ability while items are chosen
[start]                          # name = "adaptive" (default) or another rule for the first items of a section
[eligibility]                    # name = "none" (default) or another rule of who may see which item
[joint]                          # correlation = 0.6, or matrix: the competencies are taken together
[final]                          # the estimator of the score; default: the interim one
[select]                         # name = "mfi" (default) or another registered rule, with its options
[exposure]                       # name = "none" (default) or another registered rule, with its options
[stop]                           # registered rules as keys: se = 0.42, sprt = {cuts = [0.5]}; all = {...}: rules that must fire at once;
                                 # a section's [sections.stop] overrides single keys
[content]                        # name = "none" (default) or another way to keep the sections' blueprints
[pretest]                        # count, first, last, answers: new items among the others; a section's [sections.pretest] overrides single keys
[retest]                         # exclude = true, months = 24: what a person met in an earlier test is not given again
[acceptance]                     # max_rmse = 0.45, max_exposure = 0.3 ...: what a simulation on a bank must keep, see acceptance.py
[[sections]]                     # code, competencies, min_items, max_items, time_budget_min; title and stop may be left out
[[sections.blueprint]]           # kind, what, condition, low, high, row_id, priority: see blueprint.py
"""

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields

from cat_engine.acceptance import Acceptance
from cat_engine.beginning import START
from cat_engine.blueprint import KINDS, LEVELS, PRIORITY, WHATS, BlueprintRow
from cat_engine.content import CONTENT
from cat_engine.eligibility import ELIGIBILITY
from cat_engine.estimators import ESTIMATOR
from cat_engine.exposure import EXPOSURE
from cat_engine.faults import Fault, Faulty
from cat_engine.joint import Joint
from cat_engine.plan import Section, TestPlan, as_table
from cat_engine.pretest import Pretest
from cat_engine.priors import MEAN_RANGE, PRIOR, SD_RANGE, NormalPrior, Prior, StartPriors
from cat_engine.registry import fits, option_faults
from cat_engine.retest import Retest
from cat_engine.select import SELECTION
from cat_engine.select.variance import Weighted, weight_faults
from cat_engine.stop import StopRule, build_rules

TOP = {
    "name": str, "prior": dict, "select": dict, "exposure": dict, "interim": dict, "final": dict, "start": dict,
    "eligibility": dict, "joint": dict, "content": dict, "acceptance": dict, "stop": dict, "pretest": dict, "retest": dict, "sections": list,
}  # fmt: skip
SECTION = {
    "code": str,
    "title": str,
    "competencies": list,
    "min_items": int,
    "max_items": int,
    "time_budget_min": float,
    "stop": dict,
    "blueprint": list,
    "pretest": dict,
}
STARTS = {"groups": dict, "person": bool}
PRETEST = {"count": int, "first": int, "last": int, "answers": int}
LARGEST = 2**53
ROW = {"row_id": str, "kind": str, "what": str, "condition": str, "low": float, "high": float, "priority": int}


def load_plan(text: str) -> TestPlan:
    """Read a plan from TOML text. Raises Faulty with *all* faults, each with the legal values."""
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # also numbers of thousands of digits, and lists in lists without end
        raise Faulty([Fault("plan", "", f"is not TOML: {error}")]) from None
    if huge := _huge("plan", table):
        raise Faulty(huge)
    faults = option_faults("plan", table, TOP, frozenset({"name", "sections"}))
    if table.get("name") == "":
        faults.append(Fault("plan", "name", "is empty"))
    starts = _starts(_table(table, "prior"), faults)
    prior = _prior({key: value for key, value in _table(table, "prior").items() if key not in STARTS}, faults)
    select = SELECTION.build({"name": "mfi", **_table(table, "select")}, faults)
    exposure = EXPOSURE.build({"name": "none", **_table(table, "exposure")}, faults)
    interim = ESTIMATOR.build({"name": "eap", **_table(table, "interim")}, faults)
    final = ESTIMATOR.build({"name": "eap", **_table(table, "final")}, faults) if "final" in table else None
    start = START.build({"name": "adaptive", **_table(table, "start")}, faults)
    eligibility = ELIGIBILITY.build({"name": "none", **_table(table, "eligibility")}, faults)
    base = _table(table, "stop")
    build_rules("stop", base, faults)
    seeded = _table(table, "pretest") if "pretest" in table else None
    _pretest("pretest", seeded, faults)
    sections = _sections(table.get("sections"), base, seeded, faults)
    whole = isinstance(table.get("sections"), list) and len(sections) == len(table["sections"])  # else competencies may be missing
    if isinstance(select, Weighted) and whole:
        faults += weight_faults(select.weights, tuple(name for section in sections for name in section.competencies))
    content = CONTENT.build({"name": "none", **_table(table, "content")}, faults)
    joint = _joint(table, sections, prior, faults)
    acceptance = _acceptance(_table(table, "acceptance"), faults)
    retest = _retest(_table(table, "retest"), faults) if "retest" in table else None
    if faults or select is None or exposure is None or interim is None or start is None or eligibility is None or content is None:
        raise Faulty(faults)
    name = str(table["name"])
    return TestPlan(name, sections, prior, select, exposure, interim, final, start, eligibility, joint, content, acceptance, retest, starts)


def _huge(where: str, value: object) -> list[Fault]:
    """Whole numbers anywhere in a plan that no float holds to the digit."""
    if isinstance(value, int) and abs(value) > LARGEST:
        return [Fault(where, "", f"{str(value)[:20]}… is out of range", "a number of fewer digits")]
    parts = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, list) else ()
    return [fault for key, part in parts for fault in _huge(f"{where}.{key}", part)]


def _table(table: Mapping[str, object], key: str) -> dict[str, object]:
    value = table.get(key, {})
    return dict(value) if isinstance(value, Mapping) else {}


def _prior(table: Mapping[str, object], faults: list[Fault]) -> Prior:
    if table.get("name", "normal") != "normal":
        return PRIOR.build(table, faults) or NormalPrior()
    return _normal("prior", {key: value for key, value in table.items() if key != "name"}, faults, STARTS)


def _normal(where: str, table: Mapping[str, object], faults: list[Fault], elsewhere: Mapping[str, type] = {}) -> NormalPrior:
    """From mean and sd; keys read `elsewhere` are legal too."""
    faults += option_faults(where, table, {"mean": float, "sd": float, **elsewhere}, frozenset())
    return normal_prior(where, _number(table, "mean", 0.0), _number(table, "sd", 1.0), faults) or NormalPrior()


def normal_prior(where: str, mean: float, sd: float, faults: list[Fault], names: tuple[str, str] = ("mean", "sd")) -> NormalPrior | None:
    """A normal prior of numbers that somebody wrote; None, with what is wrong added to `faults`, where they are out of range. `names`: of the two."""
    found = []
    if not abs(mean) <= MEAN_RANGE:
        found.append(Fault(where, names[0], f"{mean:g} is no mean of a prior", f"from {-MEAN_RANGE:g} to {MEAN_RANGE:g}"))
    if not 0 < sd <= SD_RANGE:
        found.append(Fault(where, names[1], f"{sd:g} is no standard deviation of a prior", f"above 0, at most {SD_RANGE:g}"))
    faults += found
    return None if found else NormalPrior(mean, sd)


def _starts(table: Mapping[str, object], faults: list[Fault]) -> StartPriors:
    found = option_faults("prior", {key: table[key] for key in table if key in STARTS}, STARTS, frozenset())
    groups: dict[str, NormalPrior] = {}
    for name, own in _table(table, "groups").items():
        where = f"prior.groups.{name}"
        if isinstance(own, Mapping) and own.get("name", "normal") == "normal":
            groups[name] = _normal(where, {key: value for key, value in own.items() if key != "name"}, found)
        else:
            message = f"'{own['name']}' is no prior to start at" if isinstance(own, Mapping) else f"{own!r} is not a table"
            found.append(Fault(where, "name", message, "a normal one: mean and sd"))
    faults += found
    return StartPriors(tuple(sorted(groups.items())), table.get("person") is True)


def _joint(table: Mapping[str, object], sections: Sequence[Section], prior: Prior, faults: list[Fault]) -> Joint | None:
    if not isinstance(table.get("joint"), Mapping):
        return None
    own = _table(table, "joint")
    found = option_faults("joint", own, {"correlation": float, "matrix": tuple}, frozenset())
    if not own:
        found.append(Fault("joint", "correlation", "is missing", "a number from 0 below 1, or a matrix"))
    if len(own) == 2:
        found.append(Fault("joint", "matrix", "stands beside correlation", "one of the two"))
    if not isinstance(prior, NormalPrior):
        found.append(Fault("joint", "", "needs a normal prior", "[prior] with mean and sd"))
    count = sum(len(section.competencies) for section in sections)
    matrix = own.get("matrix")
    if isinstance(matrix, list) and sections and len(matrix) != count:
        found.append(Fault("joint", "matrix", f"has {len(matrix)} rows, and the plan {count} competencies", "a row a competency"))
    faults += found
    if found:
        return None
    try:
        return Joint(_number(own, "correlation", 0.0), tuple(matrix) if isinstance(matrix, list) else ())
    except Faulty as error:
        faults += error.faults
        return None


def _acceptance(table: Mapping[str, object], faults: list[Fault]) -> Acceptance:
    found = option_faults("acceptance", table, {f.name: float for f in fields(Acceptance)}, frozenset())
    faults += found
    if found:
        return Acceptance()
    try:
        return Acceptance(**{name: _number(table, name, 0.0) for name in table})
    except Faulty as error:
        faults += error.faults
        return Acceptance()


def _number(table: Mapping[str, object], key: str, default: float) -> float:
    """A number, or the default where there is none or something else, which option_faults has then named."""
    value = table.get(key, default)
    return float(value) if isinstance(value, int | float) and fits(value, float) else default


def _sections(
    tables: object, base: Mapping[str, object], seeded: Mapping[str, object] | None, faults: list[Fault]
) -> tuple[Section, ...]:  # fmt: skip
    if not isinstance(tables, list):
        return ()  # missing or of another type: named already
    if not tables:
        faults.append(Fault("plan", "sections", "is empty", "at least one [[sections]]"))
    sections: list[Section] = []
    homes: dict[str, str] = {}
    codes: set[str] = set()
    for i, table in enumerate(tables):
        where = f"sections[{i}]"
        if not isinstance(table, dict):
            faults.append(Fault(where, "", f"{table!r} is not a table"))
            continue
        found = option_faults(where, table, SECTION, frozenset(SECTION) - {"stop", "title", "blueprint", "pretest"})
        found += _code_faults(where, table.get("code"), codes)
        found += _competency_faults(where, table.get("competencies"), homes)
        found += _range_faults(where, table)
        rows = _blueprint(where, table.get("blueprint", []), 60 * _number(table, "time_budget_min", 0.0), found)
        rules = _rules(where, base, _table(table, "stop"), found)
        own = {**(seeded or {}), **_table(table, "pretest")} if seeded is not None or "pretest" in table else None
        pretest = _pretest(f"{where}.pretest", own, found if "pretest" in table else [])
        faults += found
        if not found:
            sections.append(_section(table, rules, rows, pretest))
    return tuple(sections)


def _section(
    table: Mapping[str, object], rules: tuple[StopRule, ...], rows: tuple[BlueprintRow, ...], pretest: Pretest | None
) -> Section:  # fmt: skip
    names = table["competencies"]
    return Section(
        code=str(table["code"]),
        title=str(table.get("title", table["code"])),
        competencies=tuple(names) if isinstance(names, list) else (),
        min_items=int(_number(table, "min_items", 0)),
        max_items=int(_number(table, "max_items", 0)),
        time_budget_min=_number(table, "time_budget_min", 0),
        stop=rules,
        blueprint=rows,
        pretest=pretest,
    )


def _blueprint(where: str, tables: object, budget_s: float, faults: list[Fault]) -> tuple[BlueprintRow, ...]:
    rows: list[BlueprintRow] = []
    for k, table in enumerate(tables if isinstance(tables, list) else []):
        place = f"{where}.blueprint[{k}]"
        if not isinstance(table, dict):
            faults.append(Fault(place, "", f"{table!r} is not a table"))
            continue
        found = option_faults(place, table, ROW, frozenset({"kind"}))
        for key, legal in (("kind", KINDS), ("what", WHATS)):
            value = table.get(key, legal[0])
            if isinstance(value, str) and value not in legal:
                found.append(Fault(place, key, f"'{value}' is not known", "one of " + ", ".join(legal)))
        low, high = _number(table, "low", 0.0), _number(table, "high", budget_s if table.get("kind") == "time" else 0.0)
        level = table.get("priority", PRIORITY)
        if isinstance(level, int) and str(level) not in LEVELS:
            found.append(Fault(place, "priority", f"{level} is not a priority", "1 to 9, the lowest gives way first"))
        if low > high:
            found.append(Fault(place, "low", f"{low:g} is more than high = {high:g}", "low <= high"))
        faults += found
        if not found:
            name, what = str(table.get("row_id", f"row {k + 1}")), str(table.get("what", "item"))
            rows.append(
                BlueprintRow(
                    name, str(table["kind"]), what, str(table.get("condition", "")), low, high, int(_number(table, "priority", PRIORITY))
                )
            )
    return tuple(rows)


def _pretest(where: str, table: Mapping[str, object] | None, faults: list[Fault]) -> Pretest | None:
    """The pretest table, None where there is none or it asks for no item."""
    if table is None:
        return None
    found = option_faults(where, table, PRETEST, frozenset())
    if not found:
        try:
            made = Pretest(**{key: value for key, value in table.items() if isinstance(value, int)})
        except Faulty as error:
            found = [Fault(where, fault.field, fault.message, fault.remedy) for fault in error.faults]
        else:
            return made if made.count else None
    faults += found
    return None


def _retest(table: Mapping[str, object], faults: list[Fault]) -> Retest | None:
    found = option_faults("retest", table, {"exclude": bool, "months": int}, frozenset())
    months = table.get("months", 0)
    if not found and isinstance(months, int):
        try:
            return Retest(months) if table.get("exclude", True) else None
        except Faulty as error:
            found = list(error.faults)
    faults += found
    return None


def _rules(where: str, base: Mapping[str, object], own: Mapping[str, object], faults: list[Fault]) -> tuple[StopRule, ...]:
    build_rules(f"{where}.stop", own, faults)
    named_already: list[Fault] = []
    return build_rules(where, {**base, **own}, named_already)


def _code_faults(where: str, code: object, codes: set[str]) -> list[Fault]:
    if not isinstance(code, str):
        return []
    if not code:
        return [Fault(where, "code", "is empty")]
    if code in codes:
        return [Fault(where, "code", f"'{code}' is used twice", "a code of its own for each section")]
    codes.add(code)
    return []


def _competency_faults(where: str, names: object, homes: dict[str, str]) -> list[Fault]:
    """`homes`: where each competency already stands; those of this section are added."""
    if not isinstance(names, list):
        return []
    faults = [] if names else [Fault(where, "competencies", "is empty", "at least one competency code")]
    for name in names:
        if not isinstance(name, str) or not name:
            faults.append(Fault(where, "competencies", f"{name!r} is not a competency code", "text"))
        elif name in homes:
            faults.append(Fault(where, "competencies", f"'{name}' already stands in {homes[name]}", "each competency once in a plan"))
        else:
            homes[name] = where
    return faults


def _range_faults(where: str, table: Mapping[str, object]) -> list[Fault]:
    faults = []
    low, high, budget = (table.get(key) for key in ("min_items", "max_items", "time_budget_min"))
    if isinstance(low, int) and fits(low, int) and low < 1:
        faults.append(Fault(where, "min_items", f"{low} is less than 1", "a whole number from 1"))
    if isinstance(high, int) and fits(high, int) and high < 1:
        faults.append(Fault(where, "max_items", f"{high} is less than 1", "a whole number from 1"))
    if isinstance(low, int) and isinstance(high, int) and fits(low, int) and fits(high, int) and low > high:
        faults.append(Fault(where, "min_items", f"{low} is more than max_items = {high}", "min_items <= max_items"))
    if isinstance(budget, int | float) and fits(budget, float) and budget <= 0:
        faults.append(Fault(where, "time_budget_min", f"{budget} is not a positive number of minutes", "above 0"))
    return faults


def dump_plan(plan: TestPlan) -> str:
    """The plan as TOML text: load_plan(dump_plan(plan)) == plan."""
    table = as_table(plan)
    lines = [f"name = {_value(plan.name)}"]
    for key in ("prior", "select", "exposure", "interim", "final", "start", "eligibility", "joint", "content", "retest", "acceptance"):
        if key not in table:
            continue
        lines += ["", f"[{key}]", *_pairs(_table(table, key))]
    sections = table["sections"]
    for section in sections if isinstance(sections, list) else []:
        stop, rows, pretest = section.pop("stop"), section.pop("blueprint", []), section.pop("pretest", {})
        lines += ["", "[[sections]]", *_pairs(section)]
        if stop:
            lines += ["[sections.stop]", *_pairs(stop)]
        if pretest:
            lines += ["[sections.pretest]", *_pairs(pretest)]
        for row in rows:
            lines += ["[[sections.blueprint]]", *_pairs(row)]
    return "\n".join(lines) + "\n"


def _pairs(table: Mapping[str, object]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items()]


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _value(key)


def _value(value: object) -> str:
    """A TOML value. TOML's basic strings take JSON's escapes, and forbid one character that JSON does not escape."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(_pairs(value)) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
