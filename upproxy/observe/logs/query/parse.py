"""Text to syntax tree, or an error that points at the place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from functools import cache
from math import isinf
from typing import Any, cast

from lark import Lark, Token, Tree, UnexpectedCharacters, UnexpectedInput, UnexpectedToken
from lark.lark import PostLex

from upproxy.observe.logs.levels import LEVELS, level_of, spellings
from upproxy.observe.logs.query.errors import QueryError
from upproxy.observe.logs.query.tree import (
    NUMBER,
    And,
    Comparison,
    Node,
    Not,
    Number,
    Operator,
    Path,
    Text,
    all_of,
    any_of,
    dotted,
)
from upproxy.observe.logs.query.units import MEASURES, TIMES, UNITS

STAGES = ("development", "staging", "production")

LONGEST = 10_000  # characters
DEEPEST = 30  # parentheses inside one another

_OPERATORS = "=, !=, <, <=, >, >=, in, contains"
_VALUES = {"NUMBER", "BARE", "TEXT"}
_FLAT = "header."  # keys of lines with a dot in them: what `logs.fields: [header.x-tenant]` adds
_PART = re.compile(r"\[([0-9]+)\]|([^.\[]+)")
_PIECE = re.compile(r"\\(.)|(\*)|([^\\*]+)", re.DOTALL)
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "'": "'", "\\": "\\", "*": "*"}


def parse(query: str, stages: Collection[str] = STAGES) -> Node:
    """Return the syntax tree of a query; of an empty one, what keeps every line. Raises QueryError.

    A bare word is a level or one of `stages`, the names that the project's stages have.
    """
    if len(query) > LONGEST:
        raise QueryError(f"it is longer than {LONGEST:,} characters", query, LONGEST, "Ask for less at once.")
    try:
        tree = _parser().parse(query)
    except _TooDeep as error:
        position = cast(int, error.args[0])
        raise QueryError(
            f"more than {DEEPEST} parentheses inside one another", query, position, "Few queries need three."
        ) from None
    except UnexpectedInput as error:
        raise _explained(query, error) from None
    return _Builder(query, stages).node(tree)


class _TooDeep(Exception):
    """There are too many parentheses inside one another, from a position on."""


class _Depth(PostLex):
    """Counts parentheses on their way to the parser, so that whatever walks the tree may be recursive."""

    always_accept = ()

    def process(self, stream: Iterator[Token]) -> Iterator[Token]:
        depth = 0
        for token in stream:
            depth += (token.type == "LPAR") - (token.type == "RPAR")
            if depth > DEEPEST:
                raise _TooDeep(token.start_pos)
            yield token


@cache
def _parser() -> Lark:
    return Lark.open_from_package(
        __package__, "grammar.lark", parser="lalr", start="query", postlex=_Depth(), maybe_placeholders=False
    )


class _Builder:
    """Makes the syntax tree of lark's, which is as deep as the query's parentheses."""

    def __init__(self, query: str, stages: Collection[str]) -> None:
        self._query = query
        self._stages = stages

    def node(self, tree: Tree[Any]) -> Node:
        children: list[Any] = tree.children
        match tree.data:
            case "query":
                return self.node(children[0]) if children else And(())
            case "all":
                return all_of(map(self.node, children))
            case "any":
                return any_of(map(self.node, children))
            case "negation":
                return Not(self.node(children[0]))
            case "message":
                return Comparison(("message",), "=", (self._text(children[0]),))
            case "word":
                return self._word(children[0])
        return self._comparison(*children)

    def _word(self, word: Token) -> Node:
        if level := level_of(word):
            return Comparison(("level",), "in", tuple(Text((one,)) for one in spellings(level)))
        if word in self._stages:
            return Comparison(("stage",), "=", (Text((str(word),)),))
        known = [*LEVELS, *self._stages]
        hint = f'For a field write {word} = "…", for a message "{word}".'
        if word.isdecimal():
            hint = f"For a status write status = {word}."
        elif close := get_close_matches(word.lower(), known, n=1):
            hint = f"Did you mean {close[0]}? {hint}"
        raise self._error(f"`{word}` is no level and no stage ({', '.join(known)})", word, hint)

    def _comparison(self, field: Token, operator: Token, *values: Token) -> Comparison:
        name = " ".join(operator.lower().split()).replace("==", "=")
        path = _path(field)
        units = MEASURES.get(dotted(path))
        found = []
        for token in values:
            value = self._number(token, field, units) if token.type == "NUMBER" else self._text(token)
            if name in ("<", "<=", ">", ">=") and isinstance(value, Text):
                if len(value.pieces) > 1:
                    raise self._error(
                        f"a text with a `*` cannot be compared by `{name}`", token, "Use = for wildcards."
                    )
                if units:
                    raise self._error(f"`{field}` is a number", token, f"Write {field} {name} 100{next(iter(units))}.")
            found.append(value)
        return Comparison(path, cast(Operator, name), tuple(found))

    def _number(self, token: Token, field: Token, units: Any) -> Number:
        number = Number(str(token))
        found = NUMBER.fullmatch(number.written)
        unit = found[2].lower() if found else ""
        if unit and unit not in (units or UNITS):
            known = f"`{field}` is a {'time' if units is TIMES else 'size'}" if units else f"`{unit}` is no unit"
            hint = f'The units are {", ".join(units or UNITS)}; a text is written in quotes: "{token}".'
            raise self._error(f"{known}, and cannot be {token}" if units else known, token, hint)
        if isinf(number.value):
            raise self._error("this number is too large", token, f'A text is written in quotes: "{str(token)[:20]}".')
        return number

    def _text(self, token: Token) -> Text:
        quoted = token.type == "TEXT"
        pieces, start = [""], (token.start_pos or 0) + quoted
        for found in _PIECE.finditer(token[1:-1] if quoted else token):
            escaped, wildcard, plain = found.groups()
            if wildcard:
                pieces.append("")
            elif escaped is None:
                pieces[-1] += plain
            elif escaped in _ESCAPES:
                pieces[-1] += _ESCAPES[escaped]
            else:
                hint = r"Known are \" \\ \* \n \r \t; a backslash itself is \\."
                raise QueryError(f"`\\{escaped}` stands for nothing", self._query, start + found.start(), hint)
        return Text.of(pieces)

    def _error(self, message: str, token: Token, hint: str) -> QueryError:
        return QueryError(message, self._query, token.start_pos or 0, hint)


def _path(field: str) -> Path:
    if field.startswith(_FLAT):
        return (str(field),)
    return tuple(int(place) if place else name for place, name in _PART.findall(field))


def _explained(query: str, error: UnexpectedInput) -> QueryError:
    """Say what lark found out in the words of the language."""
    if isinstance(error, UnexpectedToken):
        ended = error.token.type == "$END"
        position = len(query.rstrip()) if ended else (error.token.start_pos or 0)
        found = str(error.token)
        expected = set(error.accepts or error.expected)
    else:
        ended = False
        position = error.pos_in_stream or 0
        found = query[position]
        expected = set(error.allowed or ()) if isinstance(error, UnexpectedCharacters) else set()
    before = re.search(r'("[^"]*"|\'[^\']*\'|[\w.*/-]+|[=!<>&|]+|\S)\s*$', query[:position])
    last = before[1] if before else ""
    complete = "_AND" in expected or expected == {"$END"}  # what stands before the place could be a whole query

    def told(message: str, hint: str, at: int = position) -> QueryError:
        return QueryError(message, query, at, hint)

    if found in ('"', "'"):
        return told("the text that starts here has no end", f"Close it with {found}, or write \\{found} for one in it.")
    if expected & _VALUES == _VALUES and (ended or found in ("(", ")", ",") or found[0].isalpha()):
        return told(f"a value is missing after `{last}`", 'Write a number, a word or a "text".')
    if expected == {"LPAR"}:
        return told(f"a list is missing after `{last}`", 'Write it in parentheses: method in ("POST", "PUT").')
    if expected == {"COMMA", "RPAR"}:
        return told(f"`,` or `)` is missing after `{last}`", 'Write lists like this: method in ("POST", "PUT").')
    if ended and (opened := _last_open(query)) >= 0:
        return told("this `(` is never closed", "Add a `)`.", opened)
    if found == ")" and complete:
        return told("this `)` closes nothing", "Remove it, or open a `(` before.")
    if (
        not complete
        and "FIELD" in expected
        and (ended or found == ")" or not found.isprintable() or found[0].isalpha())
    ):
        where = f"after `{last}`" if last else f"before `{found}`"
        return told(f"a condition is missing {where}", "Write one, such as error or status >= 500.")
    if not complete and "FIELD" in expected and found[0] in "=!<>":
        return told(f"a field is missing before `{found}`", "Write it first: status >= 500.")
    shown = found if found.isprintable() else "this character"
    return told(f"`{shown}` makes no sense here", f"The operators are {_OPERATORS}; texts are written in quotes.")


def _last_open(query: str) -> int:
    """Return where the last parenthesis is that is not closed, outside of texts; -1 where all are."""
    opened = []
    for found in re.finditer(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'|[()]', query, re.DOTALL):
        if found[0] == "(":
            opened.append(found.start())
        elif found[0] == ")" and opened:
            opened.pop()
    return opened[-1] if opened else -1
