"""Text to syntax tree, or the error that AWS calls MalformedQueryException."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from lark import Lark, Token, Tree, UnexpectedInput, UnexpectedToken

from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.insights.tree import (
    And,
    Bin,
    Column,
    Command,
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

LONGEST = 10_000  # characters, as on AWS
MOST = 10_000  # results, as on AWS
_DEEPEST = 50  # conditions inside one another
_KNOWN = "the sandbox knows fields, filter, stats, sort and limit, as docs/sandbox.md lists them"
_PERIOD = re.compile(r"([0-9]+)\s*([a-z]+)", re.IGNORECASE)
_UNITS = {
    ("millisecond", "msec", "ms"): 1, ("second", "sec", "s"): 1_000, ("minute", "min", "m"): 60_000,
    ("hour", "hr", "h"): 3_600_000, ("day", "d"): 86_400_000, ("week", "w"): 604_800_000,
}  # fmt: skip
_MS = {
    name: ms for names, ms in _UNITS.items() for unit in names for name in (unit, f"{unit}s" if len(unit) > 1 else unit)
}
_IGNORE_CASE = "(?i)"


def parse(text: str) -> Query:
    """Return the commands of a query. Raises ApiError."""
    if len(text) > LONGEST:
        raise malformed(f"the query is longer than {LONGEST:,} characters")
    try:
        tree = _parser().parse(text)
    except UnexpectedInput as error:
        ended = isinstance(error, UnexpectedToken) and error.token.type == "$END"
        at = len(text) if ended else (error.pos_in_stream or 0)
        found = "the end" if ended else re.split(r"(?<=\w)\b|(?<=\W)", text[at:], maxsplit=1)[0]
        raise malformed(f"unexpected symbol found {found} at position {at}: {_KNOWN}") from None
    commands = tuple(_command(text, command) for command in tree.children if isinstance(command, Tree))
    shapes = [type(one) for one in commands]
    if shapes.count(Stats) > 1:
        raise malformed("the sandbox knows one stats command in a query")
    if Stats in shapes and Fields in shapes[shapes.index(Stats) :]:
        raise malformed("the sandbox knows no fields command after stats: write what they are called after `as`")
    return commands


def malformed(message: str) -> ApiError:
    """Return the error for a query that AWS, or the sandbox, does not understand."""
    return ApiError("MalformedQueryException", message)


@cache
def _parser() -> Lark:
    return Lark.open_from_package(
        __package__, "grammar.lark", parser="lalr", start="query", maybe_placeholders=False, propagate_positions=True
    )


def _command(text: str, tree: Tree[Any]) -> Command:
    children: list[Any] = tree.children
    match tree.data:
        case "fields":
            return Fields(tuple(_field(one) for one in children))
        case "filter":
            return Filter(_condition(children[0], 0))
        case "stats":
            columns = tuple(_column(text, one) for one in children if one.data == "column")
            return Stats(columns, tuple(_group(text, one) for one in children if one.data == "group"))
        case "sort":
            return Sort(tuple(_key(text, one) for one in children))
    count = children[0]
    if not count.isdecimal() or not 0 < int(count) <= MOST:
        raise malformed(f"limit takes a whole number from 1 to {MOST:,}, and not {count}")
    return Limit(int(count))


def _field(tree: Tree[Any]) -> Field:
    children: list[Any] = tree.children
    name, *alias = map(_name, children)
    return Field(name, *alias or [name])


def _column(text: str, tree: Tree[Any]) -> Column:
    children: list[Any] = tree.children
    call, *alias = children
    function, *given = call.children
    field = _name(given[0]) if given and given[0].type == "NAME" else ""
    percent = float(given[1]) if function.type == "PERCENTILE" else 0.0
    if not 0 <= percent <= 100:
        raise malformed(f"pct takes a number from 0 to 100, and not {given[1]}")
    return Column(function.lower(), field, percent, _name(alias[0]) if alias else _written(text, call))


def _group(text: str, tree: Tree[Any]) -> Field | Bin:
    children: list[Any] = tree.children
    by, *alias = children
    if isinstance(by, Token):
        return _field(tree)
    written = str(by.children[1])
    found = _PERIOD.fullmatch(written)
    period = int(found[1]) * _MS.get(found[2].lower(), 0) if found else 0
    if not period:
        raise malformed(f"bin takes a period such as 30s, 5m or 1h, and not {written}")
    return Bin(period, _name(alias[0]) if alias else _written(text, by))


def _key(text: str, tree: Tree[Any]) -> Key:
    children: list[Any] = tree.children
    by, order = children
    return Key(_name(by) if isinstance(by, Token) else _written(text, by), order.lower() == "desc")


def _condition(tree: Tree[Any], depth: int) -> Condition:
    children: list[Any] = tree.children
    if depth > _DEEPEST:
        raise malformed(f"more than {_DEEPEST} conditions inside one another")
    match tree.data:
        case "any":
            return Or(tuple(_condition(one, depth + 1) for one in children))
        case "all":
            return And(tuple(_condition(one, depth + 1) for one in children))
        case "negation":
            return Not(_condition(children[0], depth + 1))
        case "present":
            return Present(_name(children[0]))
        case "like":
            field, *negated, pattern = children
            like = Like(_name(field), _pattern(pattern))
            return Not(like) if negated else like
    field, operator, value = children
    return Comparison(_name(field), str(operator), float(value) if value.type == "NUMBER" else _text(value))


def _pattern(token: Token) -> re.Pattern[str]:
    if token.type == "TEXT":
        return re.compile(re.escape(_text(token)))
    # AWS takes the flag anywhere, Python at the beginning alone.
    body = token[1:-1].replace("\\/", "/")
    try:
        return re.compile(body.replace(_IGNORE_CASE, ""), re.IGNORECASE if _IGNORE_CASE in body else 0)
    except re.error as error:
        raise malformed(f"{token} is no regular expression: {error}") from None


def _text(token: Token) -> str:
    return re.sub(r"\\(.)", r"\1", token[1:-1], flags=re.DOTALL)


def _name(token: Token) -> str:
    return token.strip("`")


def _written(text: str, tree: Tree[Any]) -> str:
    """Return what a part of the query looks like, which is what its results are called by."""
    return text[tree.meta.start_pos : tree.meta.end_pos]
