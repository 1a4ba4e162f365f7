"""What queries come to as trees."""

from __future__ import annotations

import pytest

from upproxy.observe.logs.query import parse
from upproxy.observe.logs.query.tree import And, Comparison, Not, Number, Or, Text


def field(path, operator, *values):
    return Comparison(path if isinstance(path, tuple) else (path,), operator, values)


A, B, C = (field(name, "=", Number("1")) for name in "abc")


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ("", And(())),
        ("  \n ", And(())),
        ("a = 1 b = 1", And((A, B))),
        ("a = 1 and b = 1 c=1", And((A, B, C))),
        ("a = 1 (b = 1 c = 1)", And((A, B, C))),
        ("a = 1 or b = 1 c = 1", Or((A, And((B, C))))),
        ("(a = 1 or b = 1) c = 1", And((Or((A, B)), C))),
        ("not a = 1 b = 1", And((Not(A), B))),
        ("not a = 1 or b = 1", Or((Not(A), B))),
        ("not (a = 1 or b = 1)", Not(Or((A, B)))),
        ("NOT (not a = 1) AND b = 1", And((Not(Not(A)), B))),
        ("!a = 1 && b == 1 || c = 1", Or((And((Not(A), B)), C))),
    ],
)
def test_precedence(query, tree):
    assert parse(query) == tree


@pytest.mark.parametrize(
    ("query", "tree"),
    [
        ('"user login"', field("message", "=", Text(("user login",)))),
        ("'say \"hi\"'", field("message", "=", Text(('say "hi"',)))),
        (r'"a\*b\"\\\n"', field("message", "=", Text(('a*b"\\\n',)))),
        ('"207.*"', field("message", "=", Text(("207.", "")))),
        ('"a**b"', field("message", "=", Text(("a", "b")))),
        ("production", field("stage", "=", Text(("production",)))),
        ("path = /static/*", field("path", "=", Text(("/static/", "")))),
        ("ip=207.*", field("ip", "=", Text(("207.", "")))),
        ("ip = 10.0.0.1", field("ip", "=", Text(("10.0.0.1",)))),
        ("id = 7b1c-99", field("id", "=", Text(("7b1c-99",)))),
        ("at > 2026-01-31", field("at", ">", Text(("2026-01-31",)))),
        ("message = error", field("message", "=", Text(("error",)))),
        ("name = notes", field("name", "=", Text(("notes",)))),
        ("cold = true", field("cold", "=", Text(("true",)))),
        ("duration > 1.5S", field("duration", ">", Number("1.5S"))),
        ("price <= -.5", field("price", "<=", Number("-.5"))),
        ("method in (GET, 'PUT',3)", field("method", "in", Text(("GET",)), Text(("PUT",)), Number("3"))),
        ("method not  in (GET)", field("method", "not in", Text(("GET",)))),
        ("a contains 'b'", field("a", "contains", Text(("b",)))),
        ("user.emails[0].kind = 1", field(("user", "emails", 0, "kind"), "=", Number("1"))),
        ("header.x-tenant = 1", field("header.x-tenant", "=", Number("1"))),
        ("4xx = 1", field("4xx", "=", Number("1"))),
        ("not-found = 1", field("not-found", "=", Number("1"))),
        ("order = 1", field("order", "=", Number("1"))),
    ],
)
def test_conditions(query, tree):
    assert parse(query) == tree


@pytest.mark.parametrize("word", ["warn", "WARN", "Warning"])
def test_levels(word):
    spellings = ("warn", "WARN", "Warn", "warning", "WARNING", "Warning")
    assert parse(word) == field("level", "in", *(Text((one,)) for one in spellings))


@pytest.mark.parametrize(
    ("written", "value"),
    [
        *(("15", 15), ("15ms", 15), ("1.5s", 1_500), ("0.1s", 100), ("2m", 120_000), ("1M", 60_000)),
        *(("1b", 1), ("100kb", 102_400), ("1.5MB", 1_572_864), ("-0.5", -0.5), (".3", 0.3)),
        *(("12345678901234567890", 12_345_678_901_234_567_890), ("9" * 400, float("inf"))),
    ],
)
def test_numbers(written, value):
    assert Number(written).value == value
    assert type(Number(written).value) is type(value)
