"""The syntax tree of a query. `str(node)` writes it as a query that parses to the same tree."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from upproxy.observe.logs.query.units import UNITS

Path = tuple[str | int, ...]
"""A field: names of keys, and places in lists counted from 0. `user.emails[0]` is ("user", "emails", 0)."""

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "contains", "in", "not in"]

EXACT_BELOW = 10**28  # whole numbers below it are integers, beyond it floats

NUMBER = re.compile(r"(-?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+))([A-Za-z]*)")

_ESCAPED = {'"': r"\"", "\\": r"\\", "*": r"\*", "\n": r"\n", "\r": r"\r", "\t": r"\t"}


@dataclass(frozen=True, slots=True)
class Text:
    """A text to compare with. `pieces` is what stands between its wildcards: `207.*` is ("207.", "")."""

    pieces: tuple[str, ...]

    @classmethod
    def of(cls, pieces: Iterable[str]) -> Text:
        """Make one of pieces of which some may be empty, since `**` is the same as `*`."""
        first, *others = pieces
        if not others:
            return cls((first,))
        return cls((first, *filter(None, others[:-1]), others[-1]))

    def matches(self, text: str) -> bool:
        """Whether the text is this one, with anything in place of the wildcards. Takes time linear in its length."""
        first, *between = self.pieces
        if not between:
            return text == first
        last = between.pop()
        end = len(text) - len(last)
        at = len(first)
        if at > end or not text.startswith(first) or not text.endswith(last):
            return False
        for piece in between:
            found = text.find(piece, at, end)
            if found < 0:
                return False
            at = found + len(piece)
        return True

    def __str__(self) -> str:
        return f'"{"*".join("".join(_ESCAPED.get(one, one) for one in piece) for piece in self.pieces)}"'


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it was `written`, with its unit: `1.5s`."""

    written: str

    @property
    def value(self) -> int | float:
        """Return it in milliseconds or bytes where it has a unit; infinity where no float is so large."""
        found = NUMBER.fullmatch(self.written)
        if not found:
            raise ValueError(f"{self.written!r} is no number")
        number, unit = found.groups()
        value = Decimal(number) * (UNITS[unit.lower()] if unit else 1)
        if abs(value) < EXACT_BELOW and value == int(value):
            return int(value)
        return float(value)

    def __str__(self) -> str:
        return self.written


Value = Text | Number


@dataclass(frozen=True, slots=True)
class Comparison:
    """A field against a value; `in` and `not in` have several."""

    path: Path
    operator: Operator
    values: tuple[Value, ...]

    def __str__(self) -> str:
        values = ", ".join(map(str, self.values))
        return f"{dotted(self.path)} {self.operator} {f'({values})' if self.operator in ('in', 'not in') else values}"


@dataclass(frozen=True, slots=True)
class And:
    """All of at least two parts, none of which is an And; of no parts it is the empty query, which keeps every line."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " and ".join(f"({part})" if isinstance(part, Or) else str(part) for part in self.parts)


@dataclass(frozen=True, slots=True)
class Or:
    """Any of at least two parts, none of which is an Or."""

    parts: tuple[Node, ...]

    def __str__(self) -> str:
        return " or ".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Not:
    """All lines that the part does not keep."""

    part: Node

    def __str__(self) -> str:
        return f"not {self.part}" if isinstance(self.part, Comparison) else f"not ({self.part})"


Node = Comparison | And | Or | Not


def all_of(parts: Iterable[Node]) -> Node:
    """Return what keeps the lines that all parts keep."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, And) else (part,))]
    return flat[0] if len(flat) == 1 else And(tuple(flat))


def any_of(parts: Iterable[Node]) -> Node:
    """Return what keeps the lines that at least one of the parts keeps."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, Or) else (part,))]
    return flat[0] if len(flat) == 1 else Or(tuple(flat))


def dotted(path: Path) -> str:
    """Write a field as a query names it: `user.emails[0]`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")
