"""English says all that the Indonesian pages and reports say: every text has its translation, with the same placeholders, compiled."""

import ast
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from webtest.norm_words import NORM_WORDS

ROOT = Path(__file__).parents[2]
SPEAKING = (ROOT / "webtest", ROOT / "calibration")
ENGLISH = SPEAKING[0] / "translations" / "en" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
Used = frozenset[tuple[str | tuple[str, ...], str | None]]
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {
    "_": None,
    "_l": None,
    "N_": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


@pytest.fixture(scope="module")
def used() -> Used:
    """Every text of the pages and reports with its context; one with a singular and a plural is a pair."""
    found = (text for folder in SPEAKING for text in extract_from_dir(folder, METHODS, keywords=KEYWORDS))
    return frozenset((message, context) for _file, _line, message, _comments, context in found)


def said(found: Message | None) -> bool:
    """Whether a message has its translation, the plural too where it has one."""
    return found is not None and all(_all(found.string)) and not found.fuzzy


def texts(catalog: Catalog) -> dict[tuple[str, ...], tuple[str, ...]]:
    """(context, singular, plural where there is one) -> the translations."""
    found = {}
    for m in catalog:
        context: str | bytes = m.context or ""
        if m.id:
            found[context.decode() if isinstance(context, bytes) else context, *_all(m.id)] = _all(
                m.string
            )  # read_mo leaves contexts in bytes
    return found


def _all(text: str | Sequence[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


@pytest.fixture(scope="module")
def english() -> Catalog:
    with (ENGLISH / "messages.po").open("rb") as file:
        return read_po(file, locale="en")


def test_every_text_of_the_pages_is_translated(english: Catalog, used: Used) -> None:
    assert len(used) > 300
    missing = sorted(str(text) for text, context in used if not said(english.get(text, context)))
    assert missing == [], "run 'make messages', then fill in the empty translations"


def test_reports_are_among_the_texts(used: Used) -> None:
    pages = {text for text, _context in used}
    assert {"Laporan kalibrasi bank versi {version}", "peluang kategori", "jawabannya terlalu sedikit untuk diestimasi"} <= pages


def marked_in_f_strings(source: str) -> list[str]:
    """Texts marked for translation within an f-string, where the collector does not see them on Python 3.11."""
    strings = (node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.JoinedStr))
    calls = (node for string in strings for node in ast.walk(string) if isinstance(node, ast.Call))
    named = ((call, getattr(call.func, "id", getattr(call.func, "attr", ""))) for call in calls)
    return [ast.unparse(call) for call, name in named if name in KEYWORDS and call.args and isinstance(call.args[0], ast.Constant)]


def test_no_text_hides_in_an_f_string() -> None:
    assert marked_in_f_strings("x = f\"{_('Butir')} {gettext(name)}\"") == ["_('Butir')"]
    files = [path for folder in SPEAKING for path in folder.rglob("*.py")]
    assert {path.name: hidden for path in files if (hidden := marked_in_f_strings(path.read_text(encoding="utf-8")))} == {}


def test_no_translation_is_left_over(english: Catalog, used: Used) -> None:
    assert [m.id for m in english if m.id and (m.id, m.context) not in used] == []


def test_translations_carry_the_same_placeholders(english: Catalog) -> None:
    wrong = [m.id for m in english if m.id and sorted(PLACEHOLDER.findall(str(m.id))) != sorted(PLACEHOLDER.findall(str(m.string)))]
    assert wrong == []


def test_the_compiled_translations_are_those_of_the_source(english: Catalog) -> None:
    with (ENGLISH / "messages.mo").open("rb") as file:
        compiled = read_mo(file)
    assert texts(compiled) == texts(english)


def test_every_text_of_the_rules_that_come_along_can_be_translated() -> None:
    """webtest/norms.toml: its names, recommendations and sources, which no page holds as its own text."""
    rules = tomllib.loads((SPEAKING[0] / "norms.toml").read_text())["norm"]
    wanted = {rule["source"] for rule in rules}
    for rule in rules:
        wanted |= {*rule["body"].get("names", ()), *rule["body"].get("actions", {}).values()}
    assert set(NORM_WORDS) == wanted
