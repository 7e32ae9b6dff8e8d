"""The language of a report: texts are written in Indonesian, and said through the Language that whoever asks for the report hands in.

A text is marked where it stands, `gettext("…")` or `N_("…")`, so that the translators' tools find it; never within an f-string, where Python 3.11 hides it.
"""

import math
from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations


def N_(text: str) -> str:  # noqa: N802 - gettext's own name for it
    """Marks a text that is translated where it is said."""
    return text


@dataclass(frozen=True, slots=True)
class Language:
    """How texts and numbers are said: `code` of HTML's lang, translations of the Indonesian texts, and the signs within numbers."""

    code: str = "id"
    texts: NullTranslations = NullTranslations()  # noqa: RUF009 - it translates nothing, for all alike
    decimal: str = ","
    thousands: str = "."

    def gettext(self, text: str) -> str:
        """An Indonesian text in this language; what is none, an item's name say, stays as it is."""
        return self.texts.gettext(text) if text else ""

    def ngettext(self, one: str, many: str, n: int) -> str:
        """The text for n of something."""
        return self.texts.ngettext(one, many, n)

    def pgettext(self, context: str, text: str) -> str:
        """A text whose translation depends on the context."""
        return self.texts.pgettext(context, text)

    def number(self, value: float, digits: int | None = None) -> str:
        """A number with the language's own signs and a true minus, with `digits` after the decimal sign or as many as it needs; "–" for none."""
        if not math.isfinite(value):
            return "–"
        text = f"{value:,g}" if digits is None else f"{value:,.{digits}f}"
        if text.startswith("-") and not text.strip("-0."):  # a negative zero
            text = text.removeprefix("-")
        return text.translate(_signs(self.thousands, self.decimal))


@cache
def _signs(thousands: str, decimal: str) -> dict[int, int]:
    """What Python's signs within numbers become."""
    return str.maketrans(",.-", f"{thousands}{decimal}−")


INDONESIAN = Language()
