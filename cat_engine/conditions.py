"""Conditions over the attributes of items, as a content person writes them: CONTENT == 1 & !is.na(FACIT), TYPE %in% c("MC", "CR").

Grammar: comparisons ATTRIBUTE ==, !=, <, <=, >, >= value; ATTRIBUTE %in% c(value, ...); is.na(ATTRIBUTE); !, &, | and parentheses, in R's order of
precedence. Names do not mind case. Values compare as numbers where both are; a missing value ("", "NA") satisfies no comparison.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
TOKEN = re.compile(r"""\s*(?:(%in%|==|!=|<=|>=|[<>!&|(),])|"([^"]*)"|'([^']*)'|([A-Za-z_.][\w.]*)|(-?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?))""")
MISSING = ("", "NA")
DEEPEST = 50  # parentheses inside each other: far beyond any that a person reads


class ConditionError(ValueError):
    """A condition that cannot be read, or names an attribute that is not there."""


def missing(value: str) -> bool:
    """Whether a cell holds no value."""
    return value.strip() in MISSING


def number(value: str) -> float | None:
    """A cell as a number, which may be infinite; None where it is none."""
    try:
        found = float(value)
    except ValueError:
        return None
    return None if math.isnan(found) else found


def attribute(attributes: Mapping[str, Sequence[str]], name: str) -> Sequence[str]:
    """A column by its name, whatever its case. Raises ConditionError where there is none."""
    for known, values in attributes.items():
        if known.upper() == name.upper():
            return values
    msg = f"there is no attribute '{name}' (there are: {', '.join(sorted(attributes)) or 'none'})"
    raise ConditionError(msg)


def evaluate(text: str, attributes: Mapping[str, Sequence[str]], count: int) -> Bools:
    """Where the condition holds, [count]; everywhere for an empty one. Raises ConditionError."""
    if not text.strip():
        return np.ones(count, dtype=bool)
    reader = _Reader(_tokens(text), text, attributes, count)
    found = reader.either()
    if reader.peek():
        reader.fail()
    return found


def _tokens(text: str) -> list[tuple[str, str]]:
    """(kind, text) of each token: "op", "text", "name", "number"."""
    out, at = [], 0
    while at < len(text.rstrip()):
        match = TOKEN.match(text, at)
        if match is None:
            msg = f"'{text[at:].strip()}' cannot be read in the condition '{text}'"
            raise ConditionError(msg)
        kind = ("op", "text", "text", "name", "number")[(match.lastindex or 1) - 1]
        out.append((kind, match.group(match.lastindex or 1)))
        at = match.end()
    return out


class _Reader:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: list[tuple[str, str]], text: str, attributes: Mapping[str, Sequence[str]], count: int) -> None:
        self._tokens, self._text, self._attributes, self._count, self._at, self._depth = tokens, text, attributes, count, 0, 0

    def peek(self) -> str:
        """The next token's text, "" at the end."""
        return self._tokens[self._at][1] if self._at < len(self._tokens) else ""

    def fail(self) -> None:
        """Refuse what stands here."""
        msg = f"'{self.peek() or 'the end'}' is not expected in the condition '{self._text}'"
        raise ConditionError(msg)

    def _take(self, *kinds: str) -> tuple[str, str]:
        if self._at >= len(self._tokens) or self._tokens[self._at][0] not in kinds:
            self.fail()
        self._at += 1
        return self._tokens[self._at - 1]

    def _accept(self, operator: str) -> bool:
        here = self._at < len(self._tokens) and self._tokens[self._at] == ("op", operator)
        self._at += here
        return here

    def _expect(self, operator: str) -> None:
        if not self._accept(operator):
            self.fail()

    def either(self) -> Bools:
        """a | b."""
        found = self._both()
        while self._accept("|"):
            found = found | self._both()
        return found

    def _both(self) -> Bools:
        found = self._single()
        while self._accept("&"):
            found = found & self._single()
        return found

    def _deeper(self, read: Callable[[], Bools]) -> Bools:
        """What `read` finds one level further in."""
        if self._depth == DEEPEST:
            msg = f"more than {DEEPEST} parentheses and ! stand inside each other in the condition '{self._text[:40]}…'"
            raise ConditionError(msg)
        self._depth += 1
        found = read()
        self._depth -= 1
        return found

    def _single(self) -> Bools:
        if self._accept("!"):
            return ~self._deeper(self._single)
        if self._accept("("):
            found = self._deeper(self.either)
            self._expect(")")
            return found
        _, name = self._take("name")
        if name == "is.na":
            self._expect("(")
            values = attribute(self._attributes, self._take("name")[1])
            self._expect(")")
            return np.array([missing(v) for v in values], dtype=bool).reshape(self._count)
        values = attribute(self._attributes, name)
        _, operator = self._take("op")
        if operator == "%in%":
            wanted = self._list()
        elif operator in ("==", "!=", "<", "<=", ">", ">="):
            wanted = [self._take("text", "name", "number")[1]]
        else:
            self._at -= 1
            self.fail()
        holds = {value: not missing(value) and _compare(value, operator, wanted) for value in set(values)}  # each value once
        return np.array([holds[value] for value in values], dtype=bool).reshape(self._count)

    def _list(self) -> list[str]:
        if self._take("name")[1] != "c":
            self._at -= 1
            self.fail()
        self._expect("(")
        values = [self._take("text", "name", "number")[1]]
        while self._accept(","):
            values.append(self._take("text", "name", "number")[1])
        self._expect(")")
        return values


def _compare(value: str, operator: str, wanted: Sequence[str]) -> bool:
    if operator in ("==", "%in%") and value in wanted:
        return True
    a = number(value)
    for text in wanted:
        b = None if a is None else number(text)
        difference = (a > b) - (a < b) if a is not None and b is not None else (value > text) - (value < text)
        if _HOLDS[operator](difference):
            return True
    return False


_HOLDS: Mapping[str, Callable[[int], bool]] = {
    "==": lambda difference: difference == 0,
    "%in%": lambda difference: difference == 0,
    "!=": lambda difference: difference != 0,
    "<": lambda difference: difference < 0,
    "<=": lambda difference: difference <= 0,
    ">": lambda difference: difference > 0,
    ">=": lambda difference: difference >= 0,
}
