"""The bank as a value: items, parameters, content, identity. Pure; the database is itembank.store, what a test may use of it itembank.bank.pool_of."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace

import numpy as np

from cat_engine import Fault, ItemParams, Pool, Row
from cat_engine.blueprint import Content
from cat_engine.conditions import number
from cat_engine.irt import Floats
from cat_engine.once import once

STATUSES = ("active", "pretest", "held", "retired")  # pretest: given to gather answers, never scored
GIVEN = ("active", "pretest")
LEAST_ALPHA = 0.01  # below, the times of one person on one item spread by a factor of e^100
LONGEST = 20.0  # of log-seconds: fifteen years
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


@dataclass(frozen=True)
class Snapshot:
    """What past use says at the moment a test is made ready, by item id: exposure, the share of people who met it (0 where it is not named);
    control, per segment of ability the probability that it is eligible (1 where it is not named; no segment: the rule has none);
    need, the pretest items that may be given and how many answers each still lacks.
    """

    exposure: Mapping[str, float] = field(default_factory=dict)
    control: tuple[Mapping[str, float], ...] = ()
    need: Mapping[str, int] = field(default_factory=dict)

    def to_json(self) -> str:
        """Canonical JSON, from which `from_json` makes the same snapshot."""
        return canonical({"exposure": dict(self.exposure), "control": [dict(row) for row in self.control], "need": dict(self.need)})

    @classmethod
    def from_json(cls, text: str) -> "Snapshot":
        """Raises ValueError, KeyError or TypeError where the text is not a snapshot."""
        table = json.loads(text)
        return cls(dict(table["exposure"]), tuple(dict(row) for row in table["control"]), dict(table["need"]))


def pool_of(bank: Bank, competencies: Iterable[str], snapshot: Snapshot | None = None) -> Pool:
    """What a test may use: of the competencies asked for the active items, and the pretest items that the snapshot names, in bank order.

    Content for blueprints are the bank's attributes, with COMPETENCY, and SECONDS where it is known how long an item takes; the pool knows
    seconds where they are known of every active item (one in pretest then counts as the mean of the others).
    """
    past = snapshot or Snapshot()
    wanted = tuple(code for code in bank.competencies if code in set(competencies))
    usable = [s == "active" or (s == "pretest" and item_id in past.need) for item_id, s in zip(bank.ids, bank.status, strict=True)]
    keep = [i for i in range(len(bank)) if usable[i] and bank.competency_of(i) in wanted]
    rows = [bank.row(i)._replace(scale=wanted.index(bank.competency_of(i))) for i in keep]
    ids = tuple(bank.ids[i] for i in keep)
    rates: Floats = np.array([past.exposure.get(item_id, 0.0) for item_id in ids], dtype=float)
    control = np.array([[row.get(item_id, 1.0) for item_id in ids] for row in past.control], dtype=float) if past.control else None
    operational = np.array([bank.status[i] == "active" for i in keep], dtype=bool)
    need = np.where(operational, 0, [past.need.get(item_id, 0) for item_id in ids]) if not operational.all() else None
    each = [expected_seconds(bank.attributes[i]) for i in keep]
    seconds = _known(each, operational.tolist())
    return Pool(
        ids, ItemParams.from_rows(rows), wanted, operational, rates, seconds=seconds, control=control,
        content=_content(bank, keep, each, seconds), need=need,
    )  # fmt: skip


def lognormal_time(attributes: Mapping[str, str]) -> tuple[float, float] | None:
    """An item's alpha and beta (log-seconds) of the lognormal model of response times (van der Linden, 2006), from its attributes rt_alpha and
    rt_beta. None where these are no numbers of any item: alpha from .01 to 100, beta within LONGEST of 0.
    """
    alpha, beta = (number(attributes.get(name, "")) for name in ("rt_alpha", "rt_beta"))
    if alpha is None or beta is None or not (LEAST_ALPHA <= alpha <= 1 / LEAST_ALPHA and abs(beta) <= LONGEST):
        return None
    return alpha, beta


def expected_seconds(attributes: Mapping[str, str]) -> float | None:
    """How long a person of average speed takes for an item: exp(beta + 1 / (2 alpha^2)) by its `lognormal_time`, or else its attribute `seconds`.
    None where neither is there as a positive number.
    """
    own = lognormal_time(attributes)
    try:
        found = number(attributes.get("seconds", "")) if own is None else math.exp(own[1] + 1 / (2 * own[0] ** 2))
    except OverflowError:  # of an item whose times hardly tell anything
        return None
    return found if found is not None and math.isfinite(found) and found > 0 else None


def _known(seconds: list[float | None], operational: list[bool]) -> Floats | None:
    known = [s for s in seconds if s is not None]
    if not known or any(s is None for s, scored in zip(seconds, operational, strict=True) if scored):
        return None
    mean = sum(known) / len(known)
    return np.array([mean if s is None else s for s in seconds])


def _content(bank: Bank, keep: list[int], each: list[float | None], seconds: Floats | None) -> Content:
    names = sorted({name for i in keep for name in bank.attributes[i] if name.upper() != "SECONDS"})
    columns = {name: [bank.attributes[i].get(name, "") for i in keep] for name in names}
    columns.setdefault("COMPETENCY", [bank.competency_of(i) for i in keep])
    if any(s is not None for s in each):
        columns["SECONDS"] = ["" if s is None else repr(s) for s in (each if seconds is None else seconds.tolist())]
    return Content.of([bank.ids[i] for i in keep], columns)


def time_faults(bank: Bank, ids: Iterable[str]) -> list[Fault]:
    """Which of some items nobody knows the time of: a fault for each whose cells are no positive numbers, one for all that have none."""
    faults, silent = [], []
    for item_id in ids:
        own = bank.attributes[bank.index[item_id]]
        if expected_seconds(own) is not None:
            continue
        cells = [f"{name} = '{own[name]}'" for name in ("seconds", "rt_alpha", "rt_beta") if name in own]
        if cells:
            faults.append(Fault(f"item {item_id}", "seconds", f"{', '.join(cells)}: no time follows", "rt_alpha and rt_beta, or seconds"))
        else:
            silent.append(item_id)
    if silent:
        named = ", ".join(silent[:5]) + (f" and {len(silent) - 5} more" if len(silent) > 5 else "")
        faults.append(Fault("bank", "rt_alpha, rt_beta", f"are missing for {named}", "columns rt_alpha and rt_beta, or seconds"))
    return faults


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
    """The faults that forbid publishing: an item to be given whose text does not fit its parameters. One without text only cannot be used."""
    found = check_bank(bank, contents)
    return [fault for fault in found if fault.field != "content" and bank.status[bank.index[fault.where]] in GIVEN]
