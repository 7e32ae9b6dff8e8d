"""The bank as a value: items, parameters, content, identity. Pure; the database is itembank.store."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace

import numpy as np

from cat_engine import Fault, ItemParams, Pool, Row
from cat_engine.irt import Floats
from cat_engine.once import once

STATUSES = ("active", "held", "retired")
CALIBRATIONS = ("provisional", "calibrated")


def canonical(value: object) -> str:
    """JSON with sorted keys and no spaces: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


@dataclass(frozen=True, slots=True)
class Option:
    """An answer option and the score that experts gave it."""

    text: str
    score: int


@dataclass(frozen=True)
class ItemContent:
    """What an item says. `rationale` is for reviewers and never reaches a test-taker, nor do the scores."""

    item_id: str
    competency: str
    job_level: str
    level: int
    kind: str
    scenario: str
    question: str
    options: tuple[Option, ...]
    rationale: str
    table: tuple[tuple[str, ...], ...] = ()
    table_caption: str = ""

    @once
    def digest(self) -> str:
        """SHA-256 of the content's canonical JSON."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()

    @once
    def categories(self) -> tuple[int, ...]:
        """Per option, the category it is scored in: the rank of its score among the item's distinct scores, from 0."""
        rank = {score: k for k, score in enumerate(sorted({option.score for option in self.options}))}
        return tuple(rank[option.score] for option in self.options)

    @property
    def n_cat(self) -> int:
        """Number of categories: of distinct scores."""
        return max(self.categories) + 1

    @classmethod
    def from_table(cls, table: Mapping[str, object]) -> "ItemContent":
        """From the JSON form (asdict)."""
        values = dict(table)
        options, rows = values.pop("options"), values.pop("table", [])
        if not isinstance(options, list | tuple) or not isinstance(rows, list | tuple):
            msg = f"the content of {values.get('item_id')} has no list of options"
            raise TypeError(msg)
        return cls(
            options=tuple(Option(str(o["text"]), int(o["score"])) for o in options),
            table=tuple(tuple(str(cell) for cell in row) for row in rows),
            **values,  # type: ignore[arg-type]
        )


@dataclass(frozen=True, eq=False)
class Bank:
    """An immutable set of items. Columns are of length I; `params.scale` indexes `competencies`; version 0 = not yet saved."""

    ids: tuple[str, ...]
    params: ItemParams
    competencies: tuple[str, ...]
    status: tuple[str, ...]
    calibration: tuple[str, ...]
    content_digests: tuple[str | None, ...]
    attributes: tuple[Mapping[str, str], ...]
    version: int = 0
    parent: int | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @once
    def index(self) -> dict[str, int]:
        """Item id -> position."""
        return {item_id: i for i, item_id in enumerate(self.ids)}

    def competency_of(self, i: int) -> str:
        """The competency that item i measures."""
        return self.competencies[int(self.params.scale[i])]

    @property
    def provisional(self) -> bool:
        """Whether any active item still has parameters that no answer has confirmed."""
        return any(c == "provisional" and s == "active" for c, s in zip(self.calibration, self.status, strict=True))

    @once
    def digest(self) -> str:
        """SHA-256 over items, parameters, standing and content; the metric (D = 1) is part of it."""
        p = self.params
        items = [
            [
                self.ids[i], self.competency_of(i), p.model[i], float(p.a[i]), [float(v) for v in p.steps(i)], float(p.c[i]), float(p.d[i]),
                self.status[i], self.calibration[i], self.content_digests[i], dict(self.attributes[i]),
                *([p.slopes_of(i).tolist()] if len(p.slopes_of(i)) else []),
            ]
            for i in range(len(self))
        ]  # fmt: skip
        return hashlib.sha256(canonical({"D": 1, "competencies": self.competencies, "items": items}).encode()).hexdigest()

    def with_params(self, rows: Mapping[str, Row], calibration: str = "calibrated") -> "Bank":
        """The bank with new parameters for the items named; the rest stays. The result has this bank as its parent."""
        old = [self.row(i) for i in range(len(self))]
        new = [rows.get(item_id, old[i]) for i, item_id in enumerate(self.ids)]
        marks = tuple(calibration if item_id in rows else self.calibration[i] for i, item_id in enumerate(self.ids))
        return replace(self, params=ItemParams.from_rows(new), calibration=marks, version=0, parent=self.version or None)

    def row(self, i: int) -> Row:
        """Item i's parameters as a row."""
        p = self.params
        b = [float(v) for v in p.steps(i)]
        return Row(p.model[i], float(p.a[i]), b, float(p.c[i]), float(p.d[i]), int(p.scale[i]), p.slopes_of(i).tolist() or ())


def pool_of(bank: Bank, competencies: Iterable[str], exposure: Mapping[str, float] | None = None) -> Pool:
    """The pool of a wave: the active items of the competencies asked for, in bank order, with a pinned exposure snapshot."""
    wanted = tuple(code for code in bank.competencies if code in set(competencies))
    keep = [i for i in range(len(bank)) if bank.status[i] == "active" and bank.competency_of(i) in wanted]
    rows = [bank.row(i)._replace(scale=wanted.index(bank.competency_of(i))) for i in keep]
    ids = tuple(bank.ids[i] for i in keep)
    rates: Floats = np.array([(exposure or {}).get(item_id, 0.0) for item_id in ids], dtype=float)
    return Pool(ids, ItemParams.from_rows(rows), wanted, np.ones(len(ids), dtype=bool), rates)


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between two banks."""

    item_id: str
    field: str
    old: str
    new: str


def diff(old: Bank, new: Bank) -> list[Change]:
    """What publishing `new` over `old` would change, item by item. Empty exactly where the items are the same, whatever their order."""
    changes = [Change(item_id, "item", "present", "absent") for item_id in old.ids if item_id not in new.index]
    for i, item_id in enumerate(new.ids):
        if item_id not in old.index:
            changes.append(Change(item_id, "item", "absent", "present"))
            continue
        j = old.index[item_id]
        pairs = [
            ("competency", old.competency_of(j), new.competency_of(i)),
            ("model", old.params.model[j], new.params.model[i]),
            *((name, getattr(old.params, name)[j], getattr(new.params, name)[i]) for name in ("a", "c", "d")),
            ("b", [float(v) for v in old.params.steps(j)], [float(v) for v in new.params.steps(i)]),
            ("slopes", old.params.slopes_of(j).tolist(), new.params.slopes_of(i).tolist()),
            ("status", old.status[j], new.status[i]),
            ("calibration", old.calibration[j], new.calibration[i]),
            ("content", old.content_digests[j], new.content_digests[i]),
            ("attributes", dict(old.attributes[j]), dict(new.attributes[i])),
        ]
        changes += [Change(item_id, name, str(before), str(after)) for name, before, after in pairs if before != after]
    return changes


def check_bank(bank: Bank, contents: Mapping[str, ItemContent]) -> list[Fault]:
    """Faults between a bank and its content: items without text, keys that do not fit the categories, another competency."""
    faults = []
    for i, item_id in enumerate(bank.ids):
        content = contents.get(item_id)
        if content is None:
            faults.append(Fault(item_id, "content", "the item has no text", "import its content, or retire it"))
            continue
        n_cat = int(bank.params.n_cat[i])
        if content.n_cat != n_cat:
            faults.append(Fault(item_id, "options", f"the key has {content.n_cat} distinct scores, the model {n_cat} categories"))
        if content.competency != bank.competency_of(i):
            faults.append(Fault(item_id, "competency", f"is {content.competency} in the text and {bank.competency_of(i)} in the bank"))
    return faults


def key_faults(bank: Bank, contents: Mapping[str, ItemContent]) -> list[Fault]:
    """The faults that forbid publishing: an active item whose text does not fit its parameters. An item without text only cannot be used."""
    found = check_bank(bank, contents)
    return [fault for fault in found if fault.field != "content" and bank.status[bank.index[fault.where]] == "active"]
