"""The languages that people read, Indonesian first, and how reports say their texts in each."""

import gettext
from functools import cache
from pathlib import Path

from calibration.language import INDONESIAN, Language

LANGUAGES = ("id", "en")


@cache
def language(code: str) -> Language:
    """The Language of a code of LANGUAGES."""
    if code == INDONESIAN.code:
        return INDONESIAN
    return Language(code, gettext.translation("messages", Path(__file__).parent / "translations", [code], fallback=True), ".", ",")


def reader() -> Language:
    """The Language of whoever reads the page; Indonesian where nobody is reading (no request)."""
    from flask_babel import get_locale  # a command has no reader, and need not wait for the web's packages

    return language(str(get_locale() or INDONESIAN.code))
