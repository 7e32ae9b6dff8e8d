"""English says all that the Indonesian pages say: every text has its translation, with the same placeholders, compiled."""

import re
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

HERE = Path(__file__).parents[2] / "webtest"
ENGLISH = HERE / "translations" / "en" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {"_": None, "_l": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


@pytest.fixture(scope="module")
def english() -> Catalog:
    with (ENGLISH / "messages.po").open("rb") as file:
        return read_po(file, locale="en")


def test_every_text_of_the_pages_is_translated(english: Catalog) -> None:
    used = {message for _file, _line, message, _comments, _context in extract_from_dir(HERE, METHODS, keywords=KEYWORDS)}
    assert len(used) > 300
    missing = sorted(str(text) for text in used if (found := english.get(text)) is None or not found.string or found.fuzzy)
    assert missing == [], "run 'make messages', then fill in the empty translations"


def test_no_translation_is_left_over(english: Catalog) -> None:
    used = {message for _file, _line, message, _comments, _context in extract_from_dir(HERE, METHODS, keywords=KEYWORDS)}
    assert [m.id for m in english if m.id and m.id not in used] == []


def test_translations_carry_the_same_placeholders(english: Catalog) -> None:
    wrong = [m.id for m in english if m.id and sorted(PLACEHOLDER.findall(str(m.id))) != sorted(PLACEHOLDER.findall(str(m.string)))]
    assert wrong == []


def test_the_compiled_translations_are_those_of_the_source(english: Catalog) -> None:
    with (ENGLISH / "messages.mo").open("rb") as file:
        compiled = read_mo(file)
    assert {m.id: m.string for m in compiled if m.id} == {m.id: m.string for m in english if m.id}
