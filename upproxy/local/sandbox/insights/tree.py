"""The syntax tree of a query: its commands in order."""

from __future__ import annotations

import re
from typing import NamedTuple


class Field(NamedTuple):
    """A field, and what it is called in the results."""

    name: str
    shown: str


class Bin(NamedTuple):
    """The moment of an event, rounded down to a period in ms."""

    period: int
    shown: str


class Column(NamedTuple):
    """A figure of many events: `count`, `sum`, `avg`, `min`, `max` or `pct` of a field; count may be of all."""

    function: str
    field: str
    percent: float
    shown: str


class Comparison(NamedTuple):
    """A field against a value."""

    field: str
    operator: str
    value: str | float


class Like(NamedTuple):
    """A field in which a text or a pattern is found."""

    field: str
    pattern: re.Pattern[str]


class Present(NamedTuple):
    """A field that there is."""

    field: str


class Not(NamedTuple):
    """What a condition does not keep."""

    part: Condition


class And(NamedTuple):
    """What all conditions keep."""

    parts: tuple[Condition, ...]


class Or(NamedTuple):
    """What one of the conditions keeps."""

    parts: tuple[Condition, ...]


Condition = Comparison | Like | Present | Not | And | Or


class Fields(NamedTuple):
    """What is shown of each event."""

    fields: tuple[Field, ...]


class Filter(NamedTuple):
    """Which events are kept."""

    condition: Condition


class Stats(NamedTuple):
    """Figures of the events, of each group of them where there are groups."""

    columns: tuple[Column, ...]
    groups: tuple[Field | Bin, ...]


class Key(NamedTuple):
    """What is sorted by."""

    shown: str
    descending: bool


class Sort(NamedTuple):
    """The order, by several keys."""

    keys: tuple[Key, ...]


class Limit(NamedTuple):
    """How many there are at most."""

    most: int


Command = Fields | Filter | Stats | Sort | Limit
Query = tuple[Command, ...]
