"""Strategies by name: a frozen dataclass whose fields are its options, built from a plan's table with every fault named."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, asdict, fields, is_dataclass
from typing import Any, Generic, TypeVar

from cat_engine.faults import Fault, Faulty

WORDS = {
    str: "text",
    int: "a whole number",
    float: "a finite number",
    bool: "true or false",
    list: "a list",
    tuple: "a list",
    dict: "a table",
}


MOST = 1_000_000  # a whole number of a plan beyond this is a typing error


def option_faults(where: str, table: Mapping[str, object], kinds: Mapping[str, type], required: frozenset[str]) -> list[Fault]:
    """Faults of a table against its known keys: unknown and missing keys, wrong types (an int may stand for a float), whole numbers out of range."""
    legal = ", ".join(sorted(kinds)) or "none"
    faults = [Fault(where, key, "is not known here", f"known: {legal}") for key in table if key not in kinds]
    faults += [Fault(where, key, "is missing", WORDS[kinds[key]]) for key in sorted(required - table.keys())]
    for key, kind in kinds.items():
        value = table.get(key)
        if key in table and not fits(value, kind):
            faults.append(Fault(where, key, f"{value!r} is not {WORDS[kind]}"))
        elif kind is int and isinstance(value, int) and abs(value) > MOST:
            faults.append(Fault(where, key, f"{str(value)[:20]} is out of range", f"a whole number up to {MOST}"))
    return faults


def fits(value: object, kind: type) -> bool:
    """Whether a value read from TOML is of a kind; NaN and the infinities are no numbers here."""
    if isinstance(value, bool):
        return kind is bool
    if kind is float:
        return isinstance(value, int | float) and abs(value) <= sys.float_info.max
    return isinstance(value, list | tuple if kind in (list, tuple) else kind)


LATER = {
    "later": True
}  # metadata of a field that was added after plans were written: it stands in a table only where it is not the default


def plain(value: Any) -> dict[str, object]:
    """A dataclass as a table. What was added later is left out at its default, so that the digest of an older plan stays what it was."""
    table: dict[str, object] = asdict(value)
    return {f.name: table[f.name] for f in fields(value) if not (f.metadata.get("later") and getattr(value, f.name) == _default(f))}


def _default(option: Field[Any]) -> object:
    return option.default if option.default_factory is MISSING else option.default_factory()


T = TypeVar("T")


class Registry(Generic[T]):
    """Named strategies of one sort."""

    def __init__(self, sort: str) -> None:
        self.sort = sort
        self._by_name: dict[str, type] = {}

    def register(self, name: str) -> Callable[[type], type]:
        """Class decorator: known in plans as `name`."""

        def keep(cls: type) -> type:
            if not is_dataclass(cls) or name in self._by_name:
                msg = f"{self.sort} '{name}' must be a dataclass with a name of its own"
                raise TypeError(msg)
            self._by_name[name] = cls
            return cls

        return keep

    @property
    def names(self) -> tuple[str, ...]:
        """All names, sorted."""
        return tuple(sorted(self._by_name))

    def options_of(self, name: str) -> tuple[str, ...]:
        """The options of the strategy of that name."""
        return tuple(field.name for field in fields(self._by_name[name]))

    def name_of(self, strategy: T) -> str:
        """The name under which a strategy's class is registered."""
        return next(name for name, cls in self._by_name.items() if type(strategy) is cls)

    def table_of(self, strategy: T) -> dict[str, object]:
        """The plan's table that describes a strategy: `build` gives an equal one back."""
        if not is_dataclass(strategy) or isinstance(strategy, type):
            msg = f"{strategy!r} is not a registered {self.sort}"
            raise TypeError(msg)
        return {"name": self.name_of(strategy), **plain(strategy)}

    def build(self, table: Mapping[str, object], faults: list[Fault]) -> T | None:
        """The strategy that `table` (name and options) describes; None, with what is wrong added to `faults`, where it cannot be."""
        name = table.get("name")
        cls = self._by_name.get(name) if isinstance(name, str) else None
        if cls is None:
            faults.append(Fault(self.sort, "name", f"{name!r} is not known", "one of " + ", ".join(self.names)))
            return None
        options = {key: value for key, value in table.items() if key != "name"}
        own = fields(cls)
        required = frozenset(f.name for f in own if f.default is MISSING and f.default_factory is MISSING)
        found = option_faults(self.sort, options, {f.name: f.type for f in own if isinstance(f.type, type)}, required)
        if not found:
            try:
                made: T = cls(**options)
            except Faulty as error:
                found = list(error.faults)
            else:
                return made
        faults += found
        return None
