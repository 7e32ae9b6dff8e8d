"""What the board's reader asked to see: a room, a state, an order. Pure; the figures come from webtest.monitor."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from webtest.monitor import Board, Line

# code in the URL -> phases; "" is everybody, "perhatian" whoever needs attention
FILTERS: Mapping[str, tuple[str, ...]] = {
    "": (),
    "perhatian": (),
    "absent": ("absent",),
    "entering": ("entering",),
    "waiting": ("waiting",),
    "ready": ("ready",),
    "running": ("running", "grace", "time_up"),
    "paused": ("paused",),
    "finished": ("finished", "voided"),
}
URGENCY = {"time_up": 0, "move": 1, "silent": 2}


@dataclass(frozen=True, slots=True)
class Look:
    """The reader's choice, as it stands in the URL."""

    room: str = ""
    only: str = ""
    seats: bool = False

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Look":
        """From a query or a form; an unknown state means everybody."""
        only = values.get("tampil", "")
        return cls(values.get("ruang", ""), only if only in FILTERS else "", values.get("lihat") == "denah")

    def query(self, **changed: str) -> str:
        """The query string of this choice with some of it changed."""
        now = {"ruang": self.room, "tampil": self.only, "lihat": "denah" if self.seats else "", **changed}
        return "?" + urlencode({name: value for name, value in now.items() if value})


@dataclass(frozen=True, slots=True)
class View:
    """The lines to show, most urgent first (by seat in the seat map), and how many there are of each state in the room."""

    lines: tuple[Line, ...]
    counts: Mapping[str, int]
    present: int
    expected: int


def wanted(line: Line, only: str) -> bool:
    """Whether a line belongs under a filter."""
    if only == "perhatian":
        return bool(line.alert)
    return not FILTERS[only] or line.phase in FILTERS[only]


def view_of(board: Board, look: Look) -> View:
    """Lines and counts for a choice. Whoever needs attention comes first, then by room and seat."""
    room = [line for line in board.lines if not look.room or line.room == look.room]
    counts = {only: sum(wanted(line, only) for line in room) for only in FILTERS}
    shown = [line for line in room if wanted(line, look.only)]
    if not look.seats:
        shown.sort(key=lambda line: URGENCY.get(line.alert, len(URGENCY)))
    return View(tuple(shown), counts, sum(line.present is True for line in room), len(room))
