"""What people type wrong, and what they are told: the sentence, the column, the hint."""

from __future__ import annotations

import pytest

from upproxy.cli import errors
from upproxy.observe.logs.query import QueryError, parse


@pytest.mark.parametrize(
    ("query", "column", "message", "hint"),
    [
        ("duration >", 11, "a value is missing after `>`", "Write a number"),
        ("duration > and error", 12, "a value is missing after `>`", "Write a number"),
        ("a contains", 11, "a value is missing after `contains`", "Write a number"),
        ("method in (", 12, "a value is missing after `(`", "Write a number"),
        ("method in ()", 12, "a value is missing after `(`", "Write a number"),
        ("method in (GET,)", 16, "a value is missing after `,`", "Write a number"),
        ('method in "GET"', 11, "a list is missing after `in`", "in parentheses"),
        ('method in ("GET" "PUT")', 18, '`,` or `)` is missing after `"GET"`', "Write lists like this"),
        ("error and", 10, "a condition is missing after `and`", "such as error"),
        ("error or )", 10, "a condition is missing after `or`", "such as error"),
        ("()", 2, "a condition is missing after `(`", "such as error"),
        ("not not error", 5, "a condition is missing after `not`", "such as error"),
        ("or error", 1, "a condition is missing before `or`", "such as error"),
        ("= 200", 1, "a field is missing before `=`", "Write it first"),
        ("(error", 1, "this `(` is never closed", "Add a `)`"),
        ('(a = ")"', 1, "this `(` is never closed", "Add a `)`"),
        ("error)", 6, "this `)` closes nothing", "Remove it"),
        ('message = "user login', 11, "the text that starts here has no end", 'Close it with "'),
        ("it's", 3, "the text that starts here has no end", "Close it with '"),
        ("path ~ x", 6, "`~` makes no sense here", "The operators are"),
        ("path = /a?b=c", 12, "`=` makes no sense here", "in quotes"),
        ("a[x] = 1", 2, "`[x]` makes no sense here", "in quotes"),
        ("error \x00", 7, "`this character` makes no sense here", "in quotes"),
        ('path = "C:\\dir"', 11, "`\\d` stands for nothing", "a backslash itself is \\\\"),
        ("prodution error", 1, "`prodution` is no level and no stage (debug, ", "Did you mean production?"),
        ("404", 1, "`404` is no level and no stage", "status = 404"),
        ("user.admin", 1, "`user.admin` is no level and no stage", 'user.admin = "…"'),
        ("size > 5m", 8, "`size` is a size, and cannot be 5m", "The units are b, kb, mb;"),
        ("duration > 5kb", 12, "`duration` is a time, and cannot be 5kb", "The units are ms, s, m;"),
        ("price > 5q", 9, "`q` is no unit", "The units are ms, s, m, b, kb, mb;"),
        ("duration > fast", 12, "`duration` is a number", "duration > 100ms"),
        ('path > "/a*"', 8, "a text with a `*` cannot be compared by `>`", "Use = for wildcards"),
        ("a = " + "9" * 400, 5, "this number is too large", "in quotes"),
        ("(" * 31 + "error", 31, "more than 30 parentheses inside one another", "three"),
        ("a" * 10_001, 10_001, "it is longer than 10,000 characters", "Ask for less"),
    ],
)
def test_refusals(query, column, message, hint):
    with pytest.raises(QueryError) as raised:
        parse(query)
    error = raised.value
    assert (error.column, error.query) == (column, query)
    assert error.message.startswith(message)
    assert hint in error.hint
    assert str(error).startswith(f"the query cannot be read at column {column}: {message}")


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("error )", "  error )\n        ^"),
        ("日本 = 1 )", "  日本 = 1 )\n           ^"),
        ("'e\u0301' )", "  'e\u0301' )\n      ^"),
        ("a = 1\n\t)", "  a = 1  )\n         ^"),
        (f"a = {'b' * 100} )", f"  …{'b' * 49} )\n   {' ' * 50}^"),
        (f") a = {'b' * 100}", f"  ) a = {'b' * 14}…\n  ^"),
    ],
)
def test_the_caret_stands_below_the_place(query, shown):
    with pytest.raises(QueryError) as raised:
        parse(query)
    assert str(raised.value).split("\n", 1)[1] == shown


def test_stages_are_those_of_the_project():
    assert str(parse("qa error", stages=["qa"])).startswith('stage = "qa" and ')
    with pytest.raises(QueryError, match="is no level and no stage"):
        parse("production", stages=["qa"])


def test_a_wrong_query_is_a_wrong_use_of_the_command_line():
    with pytest.raises(QueryError) as raised:
        parse("error and")
    told = errors.known(raised.value)
    assert told is not None
    assert (told.code, told.status, told.hint) == ("usage", 2, "Write one, such as error or status >= 500.")
