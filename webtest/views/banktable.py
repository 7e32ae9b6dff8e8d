"""The bank as a table: which items a reader asked for, in which order, and what a version changes, largest shift first. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from cat_engine import Row
from itembank.bank import Bank, ItemContent, diff
from webtest.services.psychometrics import Use

ORDERS = ("kode", "paparan", "level")
LARGE = 0.5  # a shift of mean b, in units of theta, that a reader should look at
NO_USE = Use(0, 0.0)


@dataclass(frozen=True, slots=True)
class Choice:
    """The reader's filters, as they stand in the URL."""

    competency: str = ""
    status: str = ""
    calibration: str = ""
    word: str = ""
    order: str = "kode"

    @classmethod
    def of(cls, values: Mapping[str, str]) -> "Choice":
        """From a query; an unknown order is the order of codes."""
        order = values.get("urut", "kode")
        word = " ".join(values.get("cari", "").lower().split())
        return cls(
            values.get("kompetensi", ""), values.get("status", ""), values.get("parameter", ""), word, order if order in ORDERS else "kode"
        )

    def query(self, **changed: str) -> str:
        """The query string of this choice with some of it changed."""
        now = {
            "kompetensi": self.competency, "status": self.status, "parameter": self.calibration, "cari": self.word, "urut": self.order, **changed,
        }  # fmt: skip
        return "?" + urlencode({name: value for name, value in now.items() if value})


def chosen(bank: Bank, contents: Mapping[str, ItemContent], use: Mapping[str, Use], choice: Choice) -> list[int]:
    """Positions of the items that fit, in the order asked for."""

    def fits(i: int) -> bool:
        content = contents.get(bank.ids[i])
        text = f"{bank.ids[i]} {content.scenario} {content.question}".lower() if content else bank.ids[i].lower()
        return (
            choice.competency in ("", bank.competency_of(i))
            and choice.status in ("", bank.status[i])
            and choice.calibration in ("", bank.calibration[i])
            and choice.word in text
        )

    found = [i for i in range(len(bank)) if fits(i)]
    if choice.order == "paparan":
        found.sort(key=lambda i: -use.get(bank.ids[i], NO_USE).exposure)
    elif choice.order == "level":
        found.sort(key=lambda i: contents[bank.ids[i]].level if bank.ids[i] in contents else 0)
    return found


@dataclass(frozen=True, slots=True)
class Shift:
    """What a version changes of one item: parameters before and after (None: the item is new, or gone), the move of mean b, and other fields."""

    item_id: str
    competency: str
    old: Row | None
    new: Row | None
    move: float
    other: tuple[str, ...]

    @property
    def large(self) -> bool:
        """Whether a reader should look at it before publishing."""
        return abs(self.move) >= LARGE or self.old is None or self.new is None


def shifts(old: Bank, new: Bank) -> list[Shift]:
    """One line a changed item, the largest move first."""
    fields: dict[str, list[str]] = {}
    for change in diff(old, new):
        fields.setdefault(change.item_id, []).append(change.field)
    lines = []
    for item_id, names in fields.items():
        before = old.row(old.index[item_id]) if item_id in old.index else None
        after = new.row(new.index[item_id]) if item_id in new.index else None
        bank = new if after else old
        move = float(new.params.middle[new.index[item_id]] - old.params.middle[old.index[item_id]]) if before and after else 0.0
        other = tuple(name for name in names if name in ("status", "content", "model", "item"))
        lines.append(Shift(item_id, bank.competency_of(bank.index[item_id]), before, after, move, other))
    return sorted(lines, key=lambda line: (-abs(line.move), line.item_id))
