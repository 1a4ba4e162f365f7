"""What CloudWatch is asked: filter patterns that match at least every line that a query keeps.

CloudWatch's language is the smaller one, and it has two that do not mix: conditions on JSON, and words in any text. So
a query becomes at most two patterns, and what any of them matches is then tested by `predicate`. Wherever the
documentation leaves open what a pattern matches, the one that matches in every reading is taken.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from upproxy.observe.logs.platform import KINDS, SOME
from upproxy.observe.logs.query.evaluate import meaning, text_of
from upproxy.observe.logs.query.tree import And, Comparison, Node, Not, Number, Or, Path, Text, Value

LONGEST = 1_024  # characters of a pattern (FilterLogEvents, StartLiveTail)
EVERYTHING = ""

_NAME = re.compile(r"[A-Za-z0-9_-]+")
_NUMBER = re.compile(r"-?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?")
# Whether CloudWatch keeps more of a number than a double does is not documented: these it keeps either way.
_MOST_DIGITS = 15
_MOST = 2**53
_OF_NUMBERS = frozenset("0123456789+-.e")
# A pattern has wildcards at its ends only, and no documented way to write these in a text.
_UNSPEAKABLE = re.compile(r'["\\*\x00-\x1f\x7f\ud800-\udfff]')


@dataclass(frozen=True, slots=True)
class Pattern:
    """`patterns` has one or two; a line is wanted if any matches. `local` is what they leave out: condition, reason."""

    patterns: tuple[str, ...]
    local: tuple[tuple[str, str], ...]


def compile_pattern(node: Node, origin: Mapping[str, str] | None = None) -> Pattern:
    """Return what CloudWatch is to be asked for a query. `origin` as for lines: what is known of the log group."""
    origin = origin or {}
    compiler = _Compiler(origin)
    condition = compiler.condition(node)
    words = _words(node, origin)
    local = compiler.local
    if condition and words is None:
        local = [*local, (str(node), "lines that are no JSON can be meant as well")]
    if not condition or words is None:
        return Pattern((EVERYTHING,), tuple(local))
    return Pattern((f"{{ {condition} }}", *([words] if words else [])), tuple(local))


# --- lines that are no JSON -------------------------------------------------------------------------------------------


def _words(node: Node, origin: Mapping[str, str]) -> str | None:
    """Return the pattern for lines that are no JSON: "" where the query keeps none of them, None for any text."""
    words = _needed(node, {**origin, "message": SOME})
    if words is None:
        return None
    chosen = dict.fromkeys(words)
    for kind in KINDS:
        words = _needed(node, {**origin, **kind.fields, "message": SOME})
        chosen.update(dict.fromkeys((kind.markers[-1],) if words is None else words))
    for kind in KINDS:  # what the words of all reports find, those of cold starts need not
        if any(marker in chosen for marker in kind.markers[:-1]):
            chosen.pop(kind.markers[-1], None)
    if len(chosen) == 1:
        return f'"{next(iter(chosen))}"'
    pattern = " ".join(f'?"{word}"' for word in chosen)
    return pattern if len(pattern) <= LONGEST else None


def _needed(node: Node, fields: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Return words of which a text with these fields must have at least one to be kept; None where it need not."""
    if _verdict(node, fields) is False:
        return ()
    match node:
        case Comparison(("message",), "=" | "in" | "contains" as operator, values):
            longest = tuple(_longest(value, whole=operator == "contains") for value in values)
            return longest if all(longest) else None
        case And(parts):
            found = [words for part in parts if (words := _needed(part, fields)) is not None]
            return min(found, key=len) if found else None
        case Or(parts):
            alternatives = [_needed(part, fields) for part in parts]
            return None if None in alternatives else tuple(word for words in alternatives for word in words or ())
    return None


def _longest(value: Value, *, whole: bool) -> str:
    """Return the longest part of a value that can be a word of a pattern."""
    pieces = (value.written,) if isinstance(value, Number) else ("*".join(value.pieces),) if whole else value.pieces
    return max((part for piece in pieces for part in _UNSPEAKABLE.split(piece.strip())), key=len)


def _verdict(node: Node, fields: Mapping[str, Any]) -> bool | None:
    """Say whether a query keeps lines with these fields; None where that depends on the line."""
    match node:
        case Comparison(path, operator, values):
            value = fields.get(str(path[0])) if len(path) == 1 else None
            return None if value is SOME else value is not None and meaning(operator, values)(value)
        case Not(part):
            verdict = _verdict(part, fields)
            return None if verdict is None else not verdict
    verdicts = [_verdict(part, fields) for part in node.parts]
    decisive = isinstance(node, Or)
    return decisive if decisive in verdicts else None if None in verdicts else not decisive


# --- lines that are JSON ----------------------------------------------------------------------------------------------


class _Compiler:
    """Makes conditions on JSON, as lists of alternatives. None stands for what every line fulfils."""

    def __init__(self, origin: Mapping[str, str]) -> None:
        self._origin = origin
        self.local: list[tuple[str, str]] = []

    def condition(self, node: Node) -> str:
        """Return the condition of a whole query, of as many of its parts as there is room for; "" for none."""
        taken: list[str] = []
        for part in node.parts if isinstance(node, And) else (node,):
            alternatives = self._alternatives(part, kept=True)
            if alternatives is None:
                continue
            longer = list(dict.fromkeys([*taken, _any(alternatives)]))
            if len(f"{{ {' && '.join(longer)} }}") > LONGEST:
                self.local.append((str(part), f"a pattern has at most {LONGEST:,} characters"))
            else:
                taken = longer
        return " && ".join(taken)

    def _alternatives(self, node: Node, *, kept: bool) -> list[str] | None:
        """Return what lines fulfil that a node keeps, or does not keep."""
        match node:
            case Not(part):
                return self._alternatives(part, kept=not kept)
            case Comparison():
                if kept:
                    return self._comparison(node)
                self.local.append((str(Not(node)), "CloudWatch cannot ask for lines without a field, or with another"))
                return None
        parts = [self._alternatives(part, kept=kept) for part in node.parts]
        known = [part for part in parts if part is not None]
        if isinstance(node, And) is kept:
            return _all(known)
        return [one for part in known for one in part] if len(known) == len(parts) else None

    def _comparison(self, node: Comparison) -> list[str] | None:
        path, operator, values = node.path, node.operator, node.values
        known = self._origin.get(str(path[0])) if len(path) == 1 else None
        if known is not None and meaning(operator, values)(known):
            return None  # it holds for all lines of the log group, but for those that say otherwise
        selector = _selector(path)
        if not selector:
            self.local.append((str(node), "CloudWatch cannot spell the name of the field"))
            return None
        match operator:
            case "=" | "in":
                return [one for value in values for one in self._equal(node, selector, value)]
            case "!=" | "not in":
                return _all([self._different(node, selector, value) for value in values])
            case "contains":
                value = values[0]
                part = value.written if isinstance(value, Number) else "*".join(value.pieces)
                return self._equal(node, selector, Text(("", part, "") if part else ("", "")))
        limit = values[0]
        if isinstance(limit, Text):
            self.local.append((str(node), "CloudWatch has no order of texts"))
            return [f"{selector} = *"]
        return [f"{selector} {operator} {_decimal(limit)}"] if self._is_kept(node, limit) else _numbers(selector)

    def _equal(self, node: Comparison, selector: str, value: Value) -> list[str]:
        if isinstance(value, Number):
            number = [f"{selector} = {_decimal(value)}"] if self._is_kept(node, value) else _numbers(selector)
            return [*number, f'{selector} = "{value.written}"']
        alternatives = [f"{selector} = {self._text(node, value)[0]}"]
        # Whether a text of a pattern is compared with numbers is not documented, so they are named too.
        if len(value.pieces) == 1 and _NUMBER.fullmatch(value.pieces[0]):
            alternatives.append(f"{selector} = {value.pieces[0]}")
        elif len(value.pieces) > 1 and _OF_NUMBERS.issuperset("".join(value.pieces)):
            alternatives += _numbers(selector)
        return alternatives + [f"{selector} IS {word.upper()}" for word in ("true", "false") if value.matches(word)]

    def _different(self, node: Comparison, selector: str, value: Value) -> list[str]:
        booleans = [f"{selector} IS TRUE", f"{selector} IS FALSE"]
        if isinstance(value, Number):
            number = [f"{selector} != {_decimal(value)}"] if self._is_kept(node, value) else _numbers(selector)
            return [*number, f'{selector} != "{value.written}"', *booleans]
        text, exact = self._text(node, value)
        return [f"{selector} != {text}" if exact else f"{selector} = *", *_numbers(selector), *booleans]

    def _is_kept(self, node: Comparison, value: Number) -> bool:
        """Whether CloudWatch can tell a number from its neighbours."""
        kept = abs(value.value) <= _MOST and len(Decimal(text_of(value.value)).as_tuple().digits) <= _MOST_DIGITS
        if not kept:
            self.local.append((str(node), "CloudWatch may round a number of so many digits"))
        return kept

    def _text(self, node: Comparison, value: Text) -> tuple[str, bool]:
        text, exact = _text(value)
        if not exact:
            self.local.append((str(node), "a pattern has wildcards only at the ends of a text, and no quotes in it"))
        return text, exact


def _any(alternatives: list[str]) -> str:
    unique = list(dict.fromkeys(alternatives))
    return unique[0] if len(unique) == 1 else f"({' || '.join(unique)})"


def _all(parts: list[list[str]]) -> list[str] | None:
    unique = list(dict.fromkeys(map(_any, parts)))
    if len(unique) < 2:
        return parts[0] if unique else None
    return [f"({' && '.join(unique)})"]


def _numbers(selector: str) -> list[str]:
    """Any number."""
    return [f"{selector} < 0", f"{selector} >= 0"]


def _selector(path: Path) -> str:
    """Return how a pattern names a field; "" where it cannot."""
    if not all(isinstance(part, int) or _NAME.fullmatch(part) for part in path):
        return ""
    return "$" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)


def _decimal(value: Number) -> str:
    """Return a number without exponent."""
    return format(Decimal(text_of(value.value)), "f")


def _text(value: Text) -> tuple[str, bool]:
    """Return a text of a pattern that matches all that a text of a query does, and whether it matches nothing else."""
    pieces = value.pieces
    if pieces == ("",):
        return "*", False
    if len(pieces) == 1 and not _UNSPEAKABLE.search(pieces[0]):
        return f'"{pieces[0]}"', True
    speakable = [_UNSPEAKABLE.split(piece) for piece in pieces]
    first, last = speakable[0][0], speakable[-1][-1]
    exact = len(pieces) < 4 and all(len(split) == 1 for split in speakable)
    if first:
        return f'"{first}*"', exact and pieces[1:] == ("",)
    if last:
        return f'"*{last}"', exact and len(pieces) == 2
    longest = max((part for split in speakable for part in split), key=len)
    return (f'"*{longest}*"', exact and len(pieces) == 3) if longest else ("*", exact and len(pieces) == 2)
