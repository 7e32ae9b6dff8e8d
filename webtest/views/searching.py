"""Searches for control parameters as a page shows them: several that are waited for together are one bar."""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Response, get_template_attribute, make_response
from flask_babel import ngettext

from cat_engine import Fault
from webtest.services.searches import Search

STATES = ("failed", "running", "interrupted", "finished")  # what one of several is in counts for all, the first of these


@dataclass(frozen=True, slots=True)
class Shown:
    """state of `Search`; done of total simulations, total 0 before the first; seconds left, None where nobody can tell."""

    state: str
    done: int
    total: int
    seconds_left: int | None
    faults: tuple[Fault, ...]

    @property
    def left(self) -> str:
        """About how long it will take, in words."""
        seconds = self.seconds_left
        if seconds is None:
            return ""
        if seconds < 90:
            return ngettext("kira-kira %(num)s detik lagi", "kira-kira %(num)s detik lagi", max(1, seconds))
        return ngettext("kira-kira %(num)s menit lagi", "kira-kira %(num)s menit lagi", -(-seconds // 60))


def together(searches: Iterable[Search | None]) -> Shown:
    """Searches as one; None, a search of which nothing is known any more, counts as interrupted. None at all are finished."""
    found = list(searches)
    states = ["interrupted" if search is None else search.state for search in found]
    known = [search for search in found if search is not None]
    lefts = [search.seconds_left for search in known if search.state == "running"]
    seconds = sum(left for left in lefts if left is not None) if None not in lefts else None
    total = sum(search.total for search in known) if all(search.total for search in known) else 0
    faults = tuple(dict.fromkeys(fault for search in known for fault in search.faults))
    return Shown(min(states, key=STATES.index, default="finished"), sum(search.done for search in known), total, seconds, faults)


def search_part(search: Shown) -> Response:
    """The part of a page that shows a search, and its state in a header for the page's script."""
    response = make_response(str(get_template_attribute("officer/_search.html", "body")(search)))
    response.headers["X-State"] = search.state
    return response
