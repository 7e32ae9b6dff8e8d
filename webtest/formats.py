"""Numbers, days and times as the reader's language writes them; Indonesian where nobody is reading (no request)."""

import datetime as dt
from functools import cache

from babel import Locale
from babel.dates import format_date, format_datetime, get_timezone
from babel.numbers import NumberPattern, parse_pattern

from webtest.languages import reader

ZONES = {"WIB": "Asia/Jakarta", "WITA": "Asia/Makassar", "WIT": "Asia/Jayapura"}


def number(value: float, digits: int = 2) -> str:
    """A number with the language's own signs."""
    return _pattern(digits).apply(value, _locale(reader().code))


@cache
def _pattern(digits: int) -> NumberPattern:
    return parse_pattern(f"#,##0.{'0' * digits}" if digits else "#,##0")


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)


def today(at: int, zone: str = "WIB") -> str:
    """The date in a zone at a time (ms UTC), as '2026-11-24': the server's own may still be at the day before."""
    return dt.datetime.fromtimestamp(at / 1000, tz=get_timezone(ZONES[zone])).date().isoformat()


def moment(at: int | None, zone: str = "WIB", form: str = "d MMMM y HH.mm") -> str:
    """A time (ms UTC) with its zone, as people write it: '14.05 WIB' in Indonesian, '14:05 WIB' in English; a dash for None."""
    if at is None:
        return "–"
    language = reader().code
    if language != "id":
        form = form.replace("HH.mm.ss", "HH:mm:ss").replace("HH.mm", "HH:mm")
    when = dt.datetime.fromtimestamp(at / 1000, tz=dt.UTC)
    return f"{format_datetime(when, form, tzinfo=get_timezone(ZONES[zone]), locale=language)} {zone}"


def day(text: str) -> str:
    """'2026-11-24' -> 'Selasa, 24 November 2026'; text that is no date stays as it is."""
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        return text
    return format_date(date, "EEEE, d MMMM y", locale=reader().code)
