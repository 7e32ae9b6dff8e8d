"""English says all that the Indonesian pages say: every text has its translation, with the same placeholders, compiled."""

import re
from collections.abc import Sequence
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

HERE = Path(__file__).parents[2] / "webtest"
ENGLISH = HERE / "translations" / "en" / "LC_MESSAGES"
PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+\}")
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
KEYWORDS = {
    "_": None,
    "_l": None,
    "gettext": None,
    "lazy_gettext": None,
    "ngettext": (1, 2),
    "pgettext": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


def used() -> set[tuple[str | tuple[str, ...], str | None]]:
    """Every text of the pages with its context; one with a singular and a plural is a pair."""
    found = extract_from_dir(HERE, METHODS, keywords=KEYWORDS)
    return {(message, context) for _file, _line, message, _comments, context in found}


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


def test_every_text_of_the_pages_is_translated(english: Catalog) -> None:
    pages = used()
    assert len(pages) > 300
    missing = sorted(str(text) for text, context in pages if not said(english.get(text, context)))
    assert missing == [], "run 'make messages', then fill in the empty translations"


def test_no_translation_is_left_over(english: Catalog) -> None:
    pages = used()
    assert [m.id for m in english if m.id and (m.id, m.context) not in pages] == []


def test_translations_carry_the_same_placeholders(english: Catalog) -> None:
    wrong = [m.id for m in english if m.id and sorted(PLACEHOLDER.findall(str(m.id))) != sorted(PLACEHOLDER.findall(str(m.string)))]
    assert wrong == []


def test_the_compiled_translations_are_those_of_the_source(english: Catalog) -> None:
    with (ENGLISH / "messages.mo").open("rb") as file:
        compiled = read_mo(file)
    assert texts(compiled) == texts(english)
