"""What a query finds in events."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from upproxy.local.sandbox.cloudwatch.samples import percentile
from upproxy.local.sandbox.insights.event import Moment, Row, Value
from upproxy.local.sandbox.insights.parse import MOST
from upproxy.local.sandbox.insights.tree import (
    And,
    Bin,
    Column,
    Comparison,
    Condition,
    Field,
    Fields,
    Filter,
    Key,
    Like,
    Limit,
    Not,
    Or,
    Present,
    Query,
    Sort,
    Stats,
)

_OPERATORS: dict[str, Callable[[float | str, float | str], bool]] = {
    "=": operator.eq, "!=": operator.ne, "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
}  # fmt: skip
_POINTER = Field("@ptr", "@ptr")
_UNASKED = (Field("@timestamp", "@timestamp"), Field("@message", "@message"))


class Found(NamedTuple):
    """Results, each with names and texts, and how many events the conditions have kept."""

    results: list[list[tuple[str, str]]]
    matched: int


def run(query: Query, events: Iterable[Row], limit: int = MOST) -> Found:
    """Run a query over events. Without an order of its own the latest come first; `limit` is the call's."""
    rows: Sequence[Row] = sorted(events, key=lambda row: row["@timestamp"], reverse=True)
    matched = len(rows)
    shown: tuple[Field, ...] = ()
    counted = False
    for command in query:
        match command:
            case Filter(condition):
                rows = [row for row in rows if keeps(condition, row)]
                matched = matched if counted else len(rows)
            case Fields(fields):
                shown += fields
                rows = [{**row, **{one.shown: row[one.name] for one in fields if one.name in row}} for row in rows]
            case Stats():
                rows, counted = _grouped(command, rows), True
                shown = tuple(Field(one.shown, one.shown) for one in (*command.groups, *command.columns))
            case Sort(keys):
                rows = _sorted(keys, rows)
            case Limit(most):
                rows = rows[:most]
    if not counted:
        shown = (*(shown or _UNASKED), _POINTER)
    names = dict.fromkeys(one.shown for one in shown)
    return Found([[(name, text(row[name])) for name in names if name in row] for row in rows[:limit]], matched)


def keeps(condition: Condition, row: Row) -> bool:
    """Whether a condition keeps an event. A field that is not there is like nothing, and compares with nothing."""
    match condition:
        case And(parts):
            return all(keeps(one, row) for one in parts)
        case Or(parts):
            return any(keeps(one, row) for one in parts)
        case Not(part):
            return not keeps(part, row)
        case Present(field):
            return field in row
        case Like(field, pattern):
            return field in row and pattern.search(str(row[field])) is not None
        case Comparison(field, sign, wanted):
            return field in row and _compares(row[field], sign, wanted)


def _compares(value: Value, sign: str, wanted: str | float) -> bool:
    """Compare as numbers what both can be read as such, else as texts."""
    left, right = _number(value), _number(wanted)
    if left is not None and right is not None:
        return _OPERATORS[sign](left, right)
    return _OPERATORS[sign](str(value), text(wanted))


def _grouped(stats: Stats, rows: Sequence[Row]) -> list[Row]:
    groups: dict[tuple[Value | None, ...], list[Row]] = {}
    for row in rows:
        groups.setdefault(tuple(_part(one, row) for one in stats.groups), []).append(row)
    found: list[Row] = []
    for parts, members in groups.items():
        named = {by.shown: part for by, part in zip(stats.groups, parts, strict=True) if part is not None}
        figures = {one.shown: figure for one in stats.columns if (figure := _figure(one, members)) is not None}
        found.append({**named, **figures})
    return found


def _part(by: Field | Bin, row: Row) -> Value | None:
    if isinstance(by, Field):
        return row.get(by.name)
    return Moment(int(row["@timestamp"]) // by.period * by.period)


def _figure(column: Column, rows: Sequence[Row]) -> Value | None:
    """Return a figure of events; None for one of no number at all."""
    if column.function == "count":
        return sum(not column.field or column.field in row for row in rows)
    numbers = [number for row in rows if column.field in row and (number := _number(row[column.field])) is not None]
    if not numbers:
        return None
    match column.function:
        case "sum":
            return sum(numbers)
        case "avg":
            return sum(numbers) / len(numbers)
        case "min":
            return min(numbers)
        case "max":
            return max(numbers)
    return percentile(Counter(numbers), column.percent)


def _sorted(keys: Sequence[Key], rows: Sequence[Row]) -> list[Row]:
    """Sort by the keys, numbers before texts; what does not have one comes last."""
    found = list(rows)
    for key in reversed(keys):
        there = [row for row in found if key.shown in row]
        there.sort(key=lambda row: _rank(row[key.shown]), reverse=key.descending)
        found = [*there, *(row for row in found if key.shown not in row)]
    return found


def _rank(value: Value) -> tuple[bool, float, str]:
    number = _number(value)
    return (False, number, "") if number is not None else (True, 0.0, str(value))


def _number(value: Value) -> float | None:
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def text(value: Value) -> str:
    """Write a value as results have it."""
    if isinstance(value, Moment):
        return datetime.fromtimestamp(value / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
