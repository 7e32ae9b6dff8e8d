"""Works as a page shows them: several that are waited for together are one bar."""

from collections.abc import Iterable
from dataclasses import dataclass

from flask import Response, get_template_attribute, make_response
from flask_babel import ngettext

from cat_engine import Fault
from webtest.services.searches import CONTROL
from webtest.services.works import Work

STATES = ("failed", "running", "interrupted", "finished")  # what one of several is in counts for all, the first of these


@dataclass(frozen=True, slots=True)
class Shown:
    """kind and state of `Work`; done of total steps, total 0 before the first; seconds left, None where nobody can tell."""

    kind: str

    state: str
    done: int
    total: int
    seconds_left: int | None
    faults: tuple[Fault, ...]

    @property
    def goes_on(self) -> bool:
        """Whether it comes to an end by itself: a search that was interrupted is begun anew by a button, any other work by the server."""
        return self.state == "running" or (self.state == "interrupted" and self.kind != CONTROL)

    @property
    def left(self) -> str:
        """About how long it will take, in words."""
        seconds = self.seconds_left
        if seconds is None:
            return ""
        if seconds < 90:
            return ngettext("kira-kira %(num)s detik lagi", "kira-kira %(num)s detik lagi", max(1, seconds))
        return ngettext("kira-kira %(num)s menit lagi", "kira-kira %(num)s menit lagi", -(-seconds // 60))


def together(works: Iterable[Work | None], kind: str = CONTROL) -> Shown:
    """Works as one; None, a work (of the kind) of which nothing is known any more, counts as interrupted. None at all are finished."""
    found = list(works)
    states = ["interrupted" if work is None else work.state for work in found]
    known = [work for work in found if work is not None]
    lefts = [work.seconds_left for work in known if work.state == "running"]
    seconds = sum(left for left in lefts if left is not None) if None not in lefts else None
    most = max((work.total for work in known), default=0)  # one that waits for its turn does not know yet: as many as the others
    total = sum(work.total or most for work in known)
    faults = tuple(dict.fromkeys(fault for work in known for fault in work.faults))
    shown = known[0].kind if known else kind
    return Shown(shown, min(states, key=STATES.index, default="finished"), sum(work.done for work in known), total, seconds, faults)


def work_part(work: Shown) -> Response:
    """The part of a page that shows a work, and its state in headers for the page's script."""
    response = make_response(str(get_template_attribute("officer/_work.html", "body")(work)))
    response.headers["X-State"], response.headers["X-Goes-On"] = work.state, str(int(work.goes_on))
    return response
