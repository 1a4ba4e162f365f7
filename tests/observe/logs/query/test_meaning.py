"""Any query and any line: what is kept, what is printed, what CloudWatch is asked, and what is refused."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.observe.logs.events import RECORDED
from tests.observe.logs.query.cloudwatch import READINGS, matches
from upproxy.observe.logs import line
from upproxy.observe.logs.query import QueryError, compile_pattern, explain, parse, predicate
from upproxy.observe.logs.query.tree import And, Comparison, Not, Number, Or, Text, all_of, any_of

# --- any tree ---------------------------------------------------------------------------------------------------------

PATHS = st.sampled_from(
    [
        *((name,) for name in ("level", "stage", "message", "method", "status", "duration", "cold", "type", "init")),
        *(("user", "email"), ("tags", 0), ("a", "b", 1, "c"), ("größe",), ("4xx",), ("header.x-tenant",)),
        *(("request_id",), ("outcome",), ("used",), ("not-found",), ("_aws", "Timestamp")),
    ]
)
WORDS = ["GET", "error", "Error", "production", "2", "20", "207.", "true", "e", "a*b", "C:\\x", "größe", "request", "'"]
SPOKEN = ["", 'say "hi"', "timed out", "RequestId:", "Status", "platform.", " ", "\n", "\t", "\x00", "\ud800"]
PIECES = st.sampled_from([*WORDS, *SPOKEN]) | st.text(max_size=4)
TEXTS = st.lists(PIECES, min_size=1, max_size=4).map(Text.of)
DIGITS = st.integers(0, 3_000).map(str) | st.sampled_from(
    ["0.5", ".5", "1.50", "200.0", "12345678901234567890123", "-1"]
)
NUMBERS = st.builds(lambda digits, unit: Number(digits + unit), DIGITS, st.sampled_from(["", "", "ms", "S", "m", "kb"]))
PLAIN_NUMBERS = DIGITS.map(Number)
EXACT = PIECES.map(lambda piece: Text((piece,)))


def comparisons(path):
    time = path[0] in ("duration", "init", "used", "size")
    numbers = PLAIN_NUMBERS if time else NUMBERS
    values = numbers | TEXTS
    single = st.tuples(st.sampled_from(["=", "!=", "contains"]), values.map(lambda value: (value,)))
    several = st.tuples(st.sampled_from(["in", "not in"]), st.lists(values, min_size=1, max_size=3).map(tuple))
    limits = numbers if time else numbers | EXACT
    ordered = st.tuples(st.sampled_from(["<", "<=", ">", ">="]), limits.map(lambda value: (value,)))
    return (single | several | ordered).map(lambda rest: Comparison(path, *rest))


COMPARISONS = PATHS.flatmap(comparisons)
TREES = st.recursive(
    COMPARISONS,
    lambda parts: (
        st.lists(parts, min_size=2, max_size=3).map(all_of)
        | st.lists(parts, min_size=2, max_size=3).map(any_of)
        | parts.map(Not)
    ),
    max_leaves=8,
)

# --- any line ---------------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-10, 3_000)
    | st.sampled_from([0.5, 1.5, 200.0, 2e22, -0.0, 12345678901234567890123])
    | st.lists(PIECES, max_size=3).map("".join)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["email", "b", "c", "x"]), inner),
    max_leaves=4,
)
KEYS = st.sampled_from(
    [
        *("level", "stage", "message", "method", "status", "duration", "cold", "type", "init", "user", "tags", "a"),
        *("größe", "4xx", "header.x-tenant", "request_id", "outcome", "used", "not-found", "_aws"),
    ]
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=6)
JSON_LINES = st.builds(lambda fields, ascii_: json.dumps(fields, ensure_ascii=ascii_), OBJECTS, st.booleans())
ID = "7b1c2f04-2d3e-4d5b-9a43-6f1f2f3a4b5c"
PLATFORM_LINES = st.sampled_from(
    [
        f"START RequestId: {ID} Version: $LATEST\n",
        f"END RequestId: {ID}\n",
        f"2026-01-31T08:15:00.123Z {ID} Task timed out after 3.00 seconds\n\n",
        f"RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.ExitError\n",
        f"RequestId: {ID} Error: Runtime exited without providing a reason\nRuntime.ExitError\n",
        "INIT_START Runtime Version: python:3.13.v14\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:0",
        "INIT_REPORT Init Duration: 9999.97 ms\tPhase: init\tStatus: timeout\n",
        "INIT_REPORT Init Duration: 120.5 ms\tPhase: init\n",
        "RESTORE_REPORT Restore Duration: 542.71 ms\n",
        f"RequestId: {ID} Process exited before completing request",
        "LOGS\tName: agent\tState: Subscribed\tTypes: [Function]",
        "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
    ]
) | st.builds(
    "\t".join,
    st.tuples(
        st.just(f"REPORT RequestId: {ID}"),
        st.sampled_from(["Duration: 0.5 ms", "Duration: 200 ms", "Duration: 3000.00 ms"]),
        st.just("Memory Size: 256 MB\tMax Memory Used: 40 MB"),
        st.sampled_from(["", "Init Duration: 850.26 ms", "Restore Duration: 542.71 ms"]),
        st.sampled_from(["", "Status: success", "Status: timeout", "Status: error\tError Type: Runtime.ExitError"]),
    ),
)
STARTS = [
    "START ",
    "REPORT RequestId: ",
    "INIT_REPORT ",
    "EXTENSION\t",
    "RequestId: ",
    "x Task timed out after ",
    '{"a"',
]
OTHER_LINES = (
    st.builds(str.__add__, st.sampled_from(STARTS), st.text())
    | st.sampled_from(
        [
            "",
            "{",
            '{"level": "error", "x": NaN}',
            "[1]",
            '"error"',
            "Traceback (most recent call last):",
            "GET error true",
        ]
    )
    | st.lists(PIECES).map(" ".join)
)
MESSAGES = JSON_LINES | PLATFORM_LINES | OTHER_LINES | st.sampled_from([event["message"] for event in RECORDED])
ORIGINS = st.sampled_from([None, {"stage": "production"}, {"stage": "staging", "region": "eu-west-1"}])


def comparisons_of(node):
    if isinstance(node, Comparison):
        return [node]
    return [
        one for part in (node.parts if isinstance(node, And | Or) else (node.part,)) for one in comparisons_of(part)
    ]


def near(value):
    """What is, or just is not, what a query compares with."""
    if isinstance(value, Text):
        spoken = st.sampled_from(["", "z", "*"]).map(lambda between: between.join(value.pieces))
        return spoken | SCALARS | st.sampled_from([f"{value.pieces[0]}z", f"z{value.pieces[-1]}"])
    return (
        st.sampled_from([value.value, value.value + 1, float(value.value), value.written, value.value != 0]) | SCALARS
    )


@st.composite
def trees_and_messages(draw):
    """Draw a query, and as often as not a line that has what it asks for."""
    tree = draw(TREES)
    if draw(st.booleans()):
        return tree, draw(MESSAGES)
    fields = {}
    for comparison in comparisons_of(tree):
        value = draw(near(draw(st.sampled_from(comparison.values))))
        for part in reversed(comparison.path[1:]):
            value = {part: value} if isinstance(part, str) else [None] * part + [value]
        fields[comparison.path[0]] = value
    return tree, json.dumps(fields)


# --- what a tree means, said once more --------------------------------------------------------------------------------


def meant(node, fields):
    """The plainest words for it: no closures, no sets, a regular expression for each wildcard."""
    if isinstance(node, And):
        return all(meant(part, fields) for part in node.parts)
    if isinstance(node, Or):
        return any(meant(part, fields) for part in node.parts)
    if isinstance(node, Not):
        return not meant(node.part, fields)
    value = fields
    for part in node.path:
        try:
            value = value[part] if isinstance(value, list if isinstance(part, int) else dict) else None
        except LookupError:
            value = None
    if value is None or isinstance(value, list | dict):
        return False
    text = value if isinstance(value, str) else json.dumps(value)
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None

    def equal(wanted):
        if isinstance(wanted, Number):
            return (number is not None and number == wanted.value) or text == wanted.written
        return re.fullmatch(".*".join(map(re.escape, wanted.pieces)), text, re.DOTALL) is not None

    first = node.values[0]
    if node.operator in ("=", "in"):
        return any(equal(wanted) for wanted in node.values)
    if node.operator in ("!=", "not in"):
        return not any(equal(wanted) for wanted in node.values)
    if node.operator == "contains":
        return (first.written if isinstance(first, Number) else "*".join(first.pieces)) in text
    if isinstance(first, Number):
        left, right = number, first.value
    else:
        left, right = value if isinstance(value, str) else None, first.pieces[0]
    if left is None:
        return False
    return {"<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right}[node.operator]


@settings(deadline=None, max_examples=120)
@given(trees_and_messages(), ORIGINS)
def test_the_evaluator_keeps_what_the_tree_means(both, origin):
    tree, message = both
    fields = line.read(message, timestamp=0, origin=origin).fields
    assert predicate(tree)(fields) is meant(tree, fields)


@settings(deadline=None, max_examples=200)
@given(trees_and_messages(), ORIGINS)
def test_cloudwatch_never_drops_what_the_query_keeps(both, origin):
    tree, message = both
    if predicate(tree)(line.read(message, timestamp=0, origin=origin).fields):
        patterns = compile_pattern(tree, origin).patterns
        for reading in READINGS:
            assert any(matches(pattern, message, reading) for pattern in patterns), (patterns, reading)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ('a != "x*y"', {"a": "xz"}),
        ('a != "*x*y*"', {"a": "x"}),
        ('a != "x*"', {"a": "y"}),
        ("a != GET", {"a": 5}),
        ("a != GET", {"a": -5}),
        ("a != GET", {"a": True}),
        ("a != 5", {"a": "x"}),
        ("a != 5", {"a": 6}),
        ("a != 5", {"a": False}),
        ("a not in (GET, 5)", {"a": "5x"}),
        ("a = 5", {"a": "5"}),
        ("a = 1kb", {"a": 1024.0}),
        ("a = 5", {"a": 5.0}),
        ('a = "5"', {"a": 5}),
        ("a = 12345678901234567890123", {"a": 12345678901234567890123}),
        ("a != 9007199254740993", {"a": 9007199254740992}),
        ("a > 9007199254740992", {"a": 9007199254740993}),
        ('a = "5*"', {"a": 51}),
        ('a = "*.5"', {"a": 2.5}),
        ("a contains 5", {"a": -15}),
        ('a contains "e+"', {"a": 2e22}),
        ('a contains "ru"', {"a": True}),
        ('a = "f*"', {"a": False}),
        ("a = true", {"a": "true"}),
        ('a = ""', {"a": ""}),
        ('a = "say \\"*\\""', {"a": 'say "hi"'}),
        ('a = "x\\*y"', {"a": "x*y"}),
        ('a contains "*"', {"a": "x*y"}),
        ('a > "m"', {"a": "n"}),
        ("a.b[1] = 2", {"a": {"b": [0, 2]}}),
        ("header.x = 1", {"header.x": 1}),
        ("not a = 1", {"a": [1]}),
        ("not a = 1", {"a": None}),
        ("not (not a = 1)", {"a": 1}),
        ("not (a = 1 or not b = 2)", {"b": 2}),
        ("not (a = 1 and b = 2)", {"a": 1}),
        ("a = 1 or not b = 2", {}),
    ],
)
def test_corners_that_cloudwatch_must_not_drop(query, fields):
    tree, message = parse(query), json.dumps(fields)
    assert predicate(tree)(fields) is meant(tree, fields)
    assert predicate(tree)(fields)
    for reading in READINGS:
        assert any(matches(pattern, message, reading) for pattern in compile_pattern(tree).patterns)


@pytest.mark.parametrize(
    ("query", "fields"),
    [
        ("a = 1", {"a": True}),
        ("a > 0", {"a": True}),
        ("a > 0", {"a": "1"}),
        ('a > "0"', {"a": 1}),
        ("a = 1", {"a": "1.0"}),
        ("a != 1", {}),
        ("a not in (1, 2)", {"a": None}),
        ("a != 1", {"a": [2]}),
        ("a contains b", {"a": ["b"]}),
        ("a[1] = 1", {"a": [1]}),
        ("a.b = 1", {"a.b": 1}),
        ("a.b = 1", {"a": [1]}),
        ("a[0] = 1", {"a": {"0": 1}}),
    ],
)
def test_what_is_not_kept(query, fields):
    tree = parse(query)
    assert predicate(tree)(fields) is meant(tree, fields) is False


@settings(deadline=None, max_examples=120)
@given(TREES)
@example(And(()))
def test_a_printed_tree_parses_to_itself(tree):
    assert parse(str(tree)) == tree
    assert explain(tree)


SCRAPS = [
    *("error", "production", "and", "or", "not", "not in", "in", "contains", "(", ")", ",", "=", "!=", ">=", "&&", "!"),
    *('"a*"', "'b'", '"', "'", "\\", "1", "1.5s", "5q", "-", "*", "/x", "method", "user.email", "a[0]", "[", "]"),
    *("日本", "header.x", " ", "\x00", "\u202e", "9" * 400),
]
SOUP = st.lists(st.sampled_from(SCRAPS)).map(" ".join)


def refusal(text):
    """Return what is wrong with a query; None where it can be read."""
    try:
        tree = parse(text)
    except QueryError as error:
        return error
    assert parse(str(tree)) == tree
    return None


@settings(deadline=None, max_examples=120)
@given(SOUP | st.text() | st.text(alphabet="()!=<>&|\"'*.,[]\\ aor1not", max_size=40))
def test_any_text_is_a_query_or_an_error_that_points_into_it(text):
    if error := refusal(text):
        assert 1 <= error.column <= len(text) + 1
        assert error.hint
        assert str(error).splitlines()[-1].strip() == "^"


@given(st.lists(PIECES, min_size=1, max_size=5), st.text(max_size=8) | st.lists(PIECES).map("".join))
def test_wildcards(pieces, text):
    wanted = re.fullmatch(".*".join(map(re.escape, pieces)), text, re.DOTALL) is not None
    assert Text.of(pieces).matches(text) is wanted


def test_a_text_of_many_wildcards_is_quick():
    """Trying every way to place them would take longer than the test may."""
    assert not Text(("", *["a"] * 200, "b")).matches("a" * 200_000)


@pytest.mark.parametrize("query", ["(" * 30 + "error" + ")" * 30, " or ".join(["not (error)"] * 600), "a=1 " * 2_500])
def test_large_queries_work(query):
    tree = parse(query)
    assert compile_pattern(tree)
    assert predicate(tree)({"level": "info", "a": 1}) in (True, False)


@pytest.mark.parametrize(
    "query", ["(" * 31, "!(" * 5_000, "(" * 10_000, "x " * 5_001, '"' + "\\" * 9_998, "not " * 2_500]
)
def test_hostile_queries_are_refused(query):
    with pytest.raises(QueryError):
        parse(query)
