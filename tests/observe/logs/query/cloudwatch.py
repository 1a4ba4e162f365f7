"""What CloudWatch does with a filter pattern, written after its documentation and nothing else.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntax.html and the pages below it: words in
any text (`"a" "b"` all, `?"a" ?"b"` any), conditions on JSON (`{ $.a.b[0] = "x*" && ($.n > 5 || $.f IS TRUE) }`), with
wildcards at the ends of a text only. What they leave open is a `Reading`; a pattern has to be wide enough in each.
"""

from __future__ import annotations

import itertools
import json
import math
import re
from typing import NamedTuple

LONGEST = 1_024


class Reading(NamedTuple):
    texts_meet_numbers: bool  # whether "4*" can match 404
    texts_meet_booleans: bool
    numbers_meet_texts: bool  # whether 404 can match "404"
    absent_differs: bool  # whether != holds for a field that is not there
    exact: bool  # whether integers keep all their digits, or as many as a double has


READINGS = [Reading(*choice) for choice in itertools.product((False, True), repeat=len(Reading._fields))]

TOKEN = re.compile(
    r"""\s*(?:(?P<selector>\$(?:\.[A-Za-z0-9_-]+|\[[0-9]+\])+)
    |(?P<state>IS\ TRUE|IS\ FALSE|IS\ NULL|NOT\ EXISTS)(?=[\s)])
    |(?P<operator>!=|<=|>=|=|<|>)|(?P<join>&&|\|\|)|(?P<bracket>[(){}])
    |(?P<text>"[^"\\\x00-\x1f]+")|(?P<number>[+-]?[0-9]+(?:\.[0-9]+)?(?:e[+-]?[0-9]+)?)(?=[\s)])
    |(?P<star>\*)(?=[\s)]))""",
    re.VERBOSE,
)


def matches(pattern: str, message: str, reading: Reading) -> bool:
    assert len(pattern) <= LONGEST
    if not pattern:
        return True
    if pattern.startswith("{"):
        return json_matches(pattern, message, reading)
    if pattern.startswith("?"):
        words = re.fullmatch(r'\?"([^"\\]+)"((?: \?"[^"\\]+")*)', pattern)
        assert words, pattern
        return any(word in message for word in re.findall(r'\?"([^"]+)"', pattern))
    assert re.fullmatch(r'"[^"\\]+"( "[^"\\]+")*', pattern), pattern
    return all(word in message for word in re.findall(r'"([^"]+)"', pattern))


def json_matches(pattern: str, message: str, reading: Reading) -> bool:
    condition = Parser(pattern).parse()
    try:
        document = json.loads(message, parse_constant=refuse)
    except ValueError:
        return False
    return isinstance(document, dict) and holds(condition, document, reading)


def refuse(constant):
    raise ValueError(constant)


class Parser:
    """`{ or }`, or = and ("||" and)*, and = one ("&&" one)*."""

    def __init__(self, pattern: str) -> None:
        assert pattern.startswith("{ ")
        assert pattern.endswith(" }")
        self.tokens = []
        at = 0
        while at < len(pattern):
            found = TOKEN.match(pattern, at)
            assert found, f"no pattern from {at}: {pattern}"
            self.tokens.append((found.lastgroup, found[found.lastgroup]))
            at = found.end()

    def parse(self):
        self.take("{")
        condition = self.alternatives()
        self.take("}")
        assert not self.tokens
        return condition

    def take(self, wanted=None):
        kind, value = self.tokens.pop(0)
        assert wanted in (None, value, kind), f"{value} where {wanted} belongs"
        return value

    def next(self):
        return self.tokens[0][1] if self.tokens else ""

    def alternatives(self):
        parts = [self.conjunction()]
        while self.next() == "||":
            self.take()
            parts.append(self.conjunction())
        return ("or", parts)

    def conjunction(self):
        parts = [self.one()]
        while self.next() == "&&":
            self.take()
            parts.append(self.one())
        return ("and", parts)

    def one(self):
        if self.next() == "(":
            self.take()
            condition = self.alternatives()
            self.take(")")
            return condition
        selector = re.findall(r"\.([^.\[]+)|\[([0-9]+)\]", self.take("selector"))
        path = [int(place) if place else name for name, place in selector]
        if self.tokens[0][0] == "state":
            return ("state", path, self.take())
        operator = self.take("operator")
        kind, value = self.tokens.pop(0)
        assert kind in ("text", "number", "star"), value
        assert kind == "number" or operator in ("=", "!="), "texts have no order"
        return (kind, path, operator, value.strip('"') if kind == "text" else value)


ABSENT = object()


def select(document, path):
    for part in path:
        if isinstance(part, int):
            if not isinstance(document, list) or part >= len(document):
                return ABSENT
        elif not isinstance(document, dict) or part not in document:
            return ABSENT
        document = document[part]
    return document


def holds(condition, document, reading: Reading) -> bool:
    kind = condition[0]
    if kind in ("or", "and"):
        results = [holds(part, document, reading) for part in condition[1]]
        return any(results) if kind == "or" else all(results)
    value = select(document, condition[1])
    if kind == "state":
        wanted = {"IS TRUE": True, "IS FALSE": False, "IS NULL": None, "NOT EXISTS": ABSENT}[condition[2]]
        return value is wanted
    _, _, operator, wanted = condition
    if value is ABSENT:
        return operator == "!=" and reading.absent_differs
    if value is None or isinstance(value, dict | list):
        return False
    if kind == "number":
        return compare_numbers(operator, value, wanted, reading)
    return compare_texts(operator, value, wanted, kind, reading)


def compare_numbers(operator, value, wanted, reading):
    if isinstance(value, bool):
        return False
    if isinstance(value, str):
        if not reading.numbers_meet_texts or not re.fullmatch(r"-?[0-9]{1,9}(\.[0-9]{1,9})?", value):
            return False
        value = float(value)
    wanted = float(wanted) if "." in wanted or "e" in wanted else int(wanted)
    if not reading.exact:
        value, wanted = double(value), double(wanted)
    return {
        "=": value == wanted,
        "!=": value != wanted,
        "<": value < wanted,
        "<=": value <= wanted,
        ">": value > wanted,
        ">=": value >= wanted,
    }[operator]


def double(number):
    try:
        return float(number)
    except OverflowError:
        return math.copysign(math.inf, number)


def compare_texts(operator, value, wanted, kind, reading):
    if isinstance(value, bool):
        if not reading.texts_meet_booleans:
            return False
        value = "true" if value else "false"
    elif not isinstance(value, str):
        # `{ $.latency = * }` finds numbers: that one is documented.
        if kind != "star" and not reading.texts_meet_numbers:
            return False
        value = json.dumps(value)
    start, end = wanted.startswith("*"), wanted.endswith("*")
    if wanted == "*":
        equal = True
    elif start and end:
        equal = wanted[1:-1] in value
    elif start:
        equal = value.endswith(wanted[1:])
    elif end:
        equal = value.startswith(wanted[:-1])
    else:
        equal = value == wanted
    return equal if operator == "=" else not equal
