"""Responses as columns, and the CSV files in which they are exchanged."""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cat_engine import Fault, Faulty
from cat_engine.irt import Ints
from cat_engine.timing import rapid_threshold
from itembank.csv_lines import csv_lines

WHY = ("adaptive", "pretest", "fixed", "start")
HIGHEST_CATEGORY = 50  # more is a score or a typing error
MOST_DIGITS = 15  # of a whole number in a cell: more than any time or position has, and a 64-bit integer holds it
OTHER_MARKS = {"semicolons": ";", "tabs": "\t"}  # where a spreadsheet's language has the comma in numbers
HIDDEN = {"\0": "holds a null character", "\ufeff": "holds a byte order mark, which stands only at the start of a file"}
CATEGORIES = {text: k for k in range(HIGHEST_CATEGORY + 1) for text in (str(k), f"{k:02d}")}


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: who, what, in which category (from 0), after how long (ms, -1 unknown), as the how-manieth item (from 0), and why given."""

    person_id: str
    item_id: str
    category: int
    rt_ms: int = -1
    position: int = -1
    why: str = "adaptive"


@dataclass(frozen=True, eq=False)
class ResponseLog:
    """R responses as columns; person[R] and item[R] index person_ids and item_ids. why[R] indexes WHY."""

    person_ids: tuple[str, ...]
    item_ids: tuple[str, ...]
    person: Ints
    item: Ints
    category: Ints
    rt_ms: Ints
    position: Ints
    why: Ints

    def __len__(self) -> int:
        return len(self.person)

    @classmethod
    def of(cls, responses: Iterable[Response], item_ids: Iterable[str] = ()) -> "ResponseLog":
        """From single responses; persons and items in order of first appearance, after `item_ids`, which may have no answers."""
        rows = list(responses)
        return cls.of_columns(
            [r.person_id for r in rows], [r.item_id for r in rows], [r.category for r in rows], [r.rt_ms for r in rows],
            [r.position for r in rows], [r.why for r in rows], item_ids,
        )  # fmt: skip

    @classmethod
    def of_columns(
        cls,
        person: Sequence[str],
        item: Sequence[str],
        category: Sequence[int],
        rt_ms: Sequence[int],
        position: Sequence[int] | Ints,
        why: Sequence[str],
        item_ids: Iterable[str] = (),
    ) -> "ResponseLog":
        """The same from columns, [R] each."""
        persons = {p: i for i, p in enumerate(dict.fromkeys(person))}
        items = {p: i for i, p in enumerate(dict.fromkeys([*item_ids, *item]))}
        reasons = {reason: WHY.index(reason) for reason in set(why)}

        def numbers(names: Sequence[str], of: Mapping[str, int]) -> Ints:
            return np.fromiter(map(of.__getitem__, names), dtype=np.int64, count=len(names))

        return cls(
            tuple(persons), tuple(items), numbers(person, persons), numbers(item, items), np.array(category, dtype=np.int64),
            np.array(rt_ms, dtype=np.int64), np.array(position, dtype=np.int64), numbers(why, reasons),
        )  # fmt: skip

    @classmethod
    def joined(cls, logs: Sequence["ResponseLog"]) -> "ResponseLog":
        """Logs one after another, as one: persons and items in order of first appearance, without those that nothing was answered by or to."""
        columns = (np.concatenate([getattr(log, name) for log in logs]) for name in ("category", "rt_ms", "position", "why"))
        person_ids, person = _renumbered([(log.person_ids, log.person) for log in logs])
        item_ids, item = _renumbered([(log.item_ids, log.item) for log in logs])
        return cls(person_ids, item_ids, person, item, *columns)

    @property
    def routed(self) -> bool:
        """Whether any item was chosen by the person's earlier answers, so that proportions correct mean nothing."""
        return bool((self.why == WHY.index("adaptive")).any())

    def where(self, chosen: NDArray[np.bool_]) -> "ResponseLog":
        """The responses chosen[R], with all persons and items still known."""
        columns = {name: getattr(self, name)[chosen] for name in ("person", "item", "category", "rt_ms", "position", "why")}
        return replace(self, **columns)

    def without_rapid(self) -> "ResponseLog":
        """The responses that were no rapid guesses: those whose time is not known, or at least a tenth of the mean time on the item, or 10 s (NT10; Wise &
        Ma, 2012). Who answers faster than one can read says nothing of the item (effort-moderated scoring; Wise & DeMars, 2006).
        """
        known = self.rt_ms >= 0
        n, total = (np.bincount(self.item[known], weights, len(self.item_ids)) for weights in (None, self.rt_ms[known]))
        least_ms = 1000 * rapid_threshold(total / np.maximum(n, 1) / 1000)
        return self.where(~known | (self.rt_ms >= least_ms[self.item]))

    def matrix(self) -> NDArray[np.int64]:
        """Persons x items, -1 = not administered. For small data only."""
        out = np.full((len(self.person_ids), len(self.item_ids)), -1)
        out[self.person, self.item] = self.category
        return out


def _renumbered(parts: Sequence[tuple[Sequence[str], Ints]]) -> tuple[tuple[str, ...], Ints]:
    """Names and columns that index them, as one: the names that occur, in order of first appearance, and one column that indexes those."""
    place = {name: k for k, name in enumerate(dict.fromkeys(name for names, _ in parts for name in names))}
    numbers = np.concatenate([np.array([place[name] for name in names], dtype=np.int64)[column] for names, column in parts])
    first = np.full(len(place), len(numbers))
    first[numbers[::-1]] = np.arange(len(numbers))[::-1]  # of many writings to one place the last one stays
    order = np.argsort(first, kind="stable")[: np.count_nonzero(first < len(numbers))]
    number = np.empty(len(place), dtype=np.int64)
    number[order] = np.arange(len(order))
    known = tuple(place)
    return tuple(known[k] for k in order.tolist()), number[numbers]


def places(person: Sequence[str]) -> Ints:
    """The how-manieth answer of its person each one is, from 0, [R]; a person's answers stand together, in order."""
    runs = np.array([len(list(own)) for _, own in itertools.groupby(person)], dtype=np.int64)
    return np.asarray(np.arange(len(person)) - np.repeat(np.cumsum(runs) - runs, runs))


def read_responses_csv(
    text: str, known: Sequence[str] | Mapping[str, int] | None = None, *, why: str = "fixed", everybody: bool = False
) -> ResponseLog:
    """Read wide (`person_id` + one column an item; empty = not administered) or long (`person_id,item_id,category[,rt_ms,position,why]`) responses.

    `known` are the item ids of a bank, where there is one; as a mapping, with how many categories each item has. `everybody`: people of a wide file who
    answered nothing are kept. Raises Faulty with every fault by row and column.
    """
    lines = csv_lines(text)
    header = [cell.strip() for cell in lines[0]] if lines else []
    faults = [*_header_faults(header), *_hidden(text)]
    if faults:
        raise Faulty(faults)
    long, person_column = {"item_id", "category"} <= set(header), header.index("person_id")
    faults = [Fault("row 1", name, "the column stands twice") for name in sorted(set(header)) if header.count(name) > 1]
    faults += [Fault("row 1", str(k + 1), "the column has no name") for k, name in enumerate(header) if not name]
    legal = set(known) if known is not None else None
    n_cat = known if isinstance(known, Mapping) else {}
    if not long and legal is not None:
        faults += [Fault("row 1", name, "is not an item of the bank") for name in header if name != "person_id" and name not in legal]
    at: dict[str, int] = (
        {name: header.index(name) for name in ("item_id", "category", "rt_ms", "position", "why") if name in header} if long else {}
    )
    asked = [(k, name) for k, name in enumerate(header) if k != person_column]
    persons: dict[str, int] = {}
    items: dict[str, int] = {} if long else {name: k for k, (_, name) in enumerate(asked)}
    answers: list[tuple[int, int, int, int, int, int]] = []
    seen: dict[tuple[int, int], int] = {}
    for number, cells in enumerate(lines[1:], start=2):
        if not any(map(str.strip, cells)):
            continue
        if len(cells) != len(header):
            faults.append(Fault(f"row {number}", "", f"has {len(cells)} cells, the header {len(header)}"))
            continue
        person_id = cells[person_column].strip()
        if not person_id:
            faults.append(Fault(f"row {number}", "person_id", "is empty"))
        if everybody and not long:
            persons.setdefault(person_id, len(persons))
        if long:
            item_id, cell = cells[at["item_id"]].strip(), cells[at["category"]].strip()
            if not item_id:
                faults.append(Fault(f"row {number}", "item_id", "is empty"))
            elif legal is not None and item_id not in legal:
                faults.append(Fault(f"row {number}", "item_id", f"'{item_id}' is not an item of the bank"))
            entries = [(item_id, cell, "category")]
        else:
            entries = [(name, cell, name) for k, name in asked if (cell := cells[k].strip())]
        for item_id, cell, column in entries:
            person, item = persons.setdefault(person_id, len(persons)), items.setdefault(item_id, len(items))
            first = seen.setdefault((person, item), number)
            if first != number:  # the row, not the person: an id may be a NIP
                what = f"the person has already answered item '{item_id}' in row {first}"
                faults.append(Fault(f"row {number}", column, what, "one answer a person and item"))
            category = CATEGORIES.get(cell, -1)
            if category < 0:
                faults.append(Fault(f"row {number}", column, f"'{cell}' is not a category", "a whole number from 0"))
            elif category >= n_cat.get(item_id, category + 1):
                faults.append(
                    Fault(f"row {number}", column, f"{category} is not a category of '{item_id}'", f"from 0 to {n_cat[item_id] - 1}")
                )
            answers.append((person, item, category, *_besides(number, at, cells, why, faults)))
    if not answers and not (everybody and persons) and not faults:
        faults.append(Fault("file", "", "holds no responses"))
    if faults:
        raise Faulty(faults)
    return ResponseLog(tuple(persons), tuple(items), *np.array(answers, dtype=np.int64).reshape(-1, 6).T.copy())


def _header_faults(header: Sequence[str]) -> Iterator[Fault]:
    """Why a header is of neither shape."""
    shapes = "wide: person_id + one column an item; long: person_id,item_id,category; separated by commas"
    if not any(header):
        yield Fault("file", "", "is empty", shapes)
    elif len(header) == 1 and (mark := next((name for name in OTHER_MARKS if OTHER_MARKS[name] in header[0]), None)):
        yield Fault("row 1", "", f"its columns are separated by {mark}", "save it with commas")
    elif "person_id" not in header:
        yield Fault("row 1", "person_id", "the column is missing", shapes)
    elif len(half := [name for name in ("item_id", "category") if name not in header]) == 1:
        yield Fault("row 1", half[0], "the column is missing", shapes)


def _hidden(text: str) -> Iterator[Fault]:
    """Marks that nobody sees: with one in it an id would be another one."""
    for mark, what in HIDDEN.items():
        if text.find(mark, 1) > 0:
            yield from (
                Fault(f"row {k}", "", what, "save the file anew") for k, line in enumerate(text[1:].splitlines(), start=1) if mark in line
            )


def _besides(number: int, at: Mapping[str, int], cells: Sequence[str], why: str, faults: list[Fault]) -> tuple[int, int, int]:
    """rt_ms, position and why of a row, where the file has such columns and the row has something in them."""
    rt_ms, position = (
        _whole(f"row {number}", name, cells[at[name]].strip(), faults) if name in at else -1 for name in ("rt_ms", "position")
    )
    reason = (cells[at["why"]].strip() or why) if "why" in at else why
    if reason not in WHY:
        faults.append(Fault(f"row {number}", "why", f"'{reason}' is not known", "one of " + ", ".join(WHY)))
        return rt_ms, position, 0
    return rt_ms, position, WHY.index(reason)


def _is_whole(cell: str) -> bool:
    return cell.isascii() and cell.isdigit()


def _whole(where: str, name: str, cell: str, faults: list[Fault]) -> int:
    if not cell:
        return -1
    if not _is_whole(cell) or len(cell) > MOST_DIGITS:
        faults.append(Fault(where, name, f"'{cell[:20]}' is not a whole number", f"at most {MOST_DIGITS} digits"))
        return -1
    return int(cell)
