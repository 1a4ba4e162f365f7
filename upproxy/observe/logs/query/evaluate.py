"""What a query means: whether it keeps a line with these fields."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import isfinite
from operator import ge, gt, le, lt
from typing import Any, Final

from upproxy.observe.logs.query.tree import And, Comparison, Node, Not, Number, Operator, Or, Path, Text, Value

Fields = Mapping[str, Any]
Predicate = Callable[[Fields], bool]
Scalar = str | bool | int | float

_ORDERS: Final[Mapping[str, Callable[[Any, Any], bool]]] = {"<": lt, "<=": le, ">": gt, ">=": ge}


def predicate(node: Node) -> Predicate:
    """Return what tests the fields of a line; everything that depends on the query alone is done once."""
    match node:
        case Comparison(path, operator, values):
            return _comparison(path, meaning(operator, values))
        case And(parts):
            return _all(tuple(map(predicate, parts)))
        case Or(parts):
            return _any(tuple(map(predicate, parts)))
        case Not(part):
            test = predicate(part)
            return lambda fields: not test(fields)


def look_up(fields: Fields, path: Path) -> Scalar | None:
    """Return the value of a field; None where there is none, or null, a list or an object."""
    value: Any = fields
    for part in path:
        if isinstance(part, str) and isinstance(value, Mapping):
            value = value.get(part)
        elif isinstance(part, int) and isinstance(value, list) and part < len(value):
            value = value[part]
        else:
            return None
    return value if isinstance(value, str | bool | int | float) else None


def meaning(operator: Operator, values: tuple[Value, ...]) -> Callable[[Scalar], bool]:
    """Return what tests a value that is there; on a field that is not there, every comparison is false."""
    match operator:
        case "=" | "in":
            return _equality(values)
        case "!=" | "not in":
            equal = _equality(values)
            return lambda value: not equal(value)
        case "contains":
            part = _literal(values[0])
            return lambda value: part in text_of(value)
    return _order(_ORDERS[operator], values[0])


def text_of(value: Scalar) -> str:
    """Return a value as JSON writes it, a text without its quotes; "" for a number that JSON cannot write."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, int) or isfinite(value) else ""


def _comparison(path: Path, test: Callable[[Scalar], bool]) -> Predicate:
    def compare(fields: Fields) -> bool:
        value = look_up(fields, path)
        return value is not None and test(value)

    return compare


def _all(tests: tuple[Predicate, ...]) -> Predicate:
    def every(fields: Fields) -> bool:
        for test in tests:  # noqa: SIM110  a generator takes twice as long
            if not test(fields):
                return False
        return True

    return every


def _any(tests: tuple[Predicate, ...]) -> Predicate:
    def some(fields: Fields) -> bool:
        for test in tests:  # noqa: SIM110
            if test(fields):
                return True
        return False

    return some


def _equality(values: tuple[Value, ...]) -> Callable[[Scalar], bool]:
    """Texts are compared with how the value is written, numbers with numbers by value as well."""
    numbers = frozenset(value.value for value in values if isinstance(value, Number))
    wildcards = tuple(value for value in values if isinstance(value, Text) and len(value.pieces) > 1)
    texts = frozenset(_literal(value) for value in values if value not in wildcards)

    def equal(value: Scalar) -> bool:
        if not isinstance(value, str | bool) and value in numbers:
            return True
        text = text_of(value)
        return text in texts or any(one.matches(text) for one in wildcards)

    return equal


def _order(compare: Callable[[Any, Any], bool], value: Value) -> Callable[[Scalar], bool]:
    """Numbers are in order with numbers, texts with texts by code points, never one with the other."""
    if isinstance(value, Number):
        limit = value.value
        return lambda other: not isinstance(other, str | bool) and compare(other, limit)
    text = _literal(value)
    return lambda other: isinstance(other, str) and compare(other, text)


def _literal(value: Value) -> str:
    """Return the characters to look for; a `*` is one of them."""
    return value.written if isinstance(value, Number) else "*".join(value.pieces)
