"""Queries as text."""

import re

import pytest

from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.insights import tree
from upproxy.local.sandbox.insights.parse import parse


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("fields @timestamp, user.name as name, `a-b`",
         tree.Fields((tree.Field("@timestamp", "@timestamp"), tree.Field("user.name", "name"),
                      tree.Field("a-b", "a-b")))),
        ('filter @type = "REPORT"', tree.Filter(tree.Comparison("@type", "=", "REPORT"))),
        ("filter (status >= 500)", tree.Filter(tree.Comparison("status", ">=", 500.0))),
        ("filter x != -1.5", tree.Filter(tree.Comparison("x", "!=", -1.5))),
        ("filter a like 'b.c'", tree.Filter(tree.Like("a", re.compile("b\\.c")))),
        ("FILTER a =~ /(?i)b[xy]c\\/d/", tree.Filter(tree.Like("a", re.compile("b[xy]c/d", re.IGNORECASE)))),
        ("filter a not like /b/", tree.Filter(tree.Not(tree.Like("a", re.compile("b"))))),
        ("filter not ispresent(a.b)", tree.Filter(tree.Not(tree.Present("a.b")))),
        ("filter a = 1 or b = 2 and not c = 3",
         tree.Filter(tree.Or((tree.Comparison("a", "=", 1.0), tree.And((tree.Comparison("b", "=", 2.0),
                     tree.Not(tree.Comparison("c", "=", 3.0)))))))),
        ("stats count(*), count( a ) as n, PCT(@duration, 99.9) by bin(5m), level as l",
         tree.Stats((tree.Column("count", "", 0.0, "count(*)"), tree.Column("count", "a", 0.0, "n"),
                     tree.Column("pct", "@duration", 99.9, "PCT(@duration, 99.9)")),
                    (tree.Bin(300_000, "bin(5m)"), tree.Field("level", "l")))),
        ("stats sum(a), avg(a), min(a), max(a) by bin(30 seconds) as t",
         tree.Stats(tuple(tree.Column(name, "a", 0.0, f"{name}(a)") for name in ("sum", "avg", "min", "max")),
                    (tree.Bin(30_000, "t"),))),
        ("sort count(*) desc, bin(1h) asc, name ASC",
         tree.Sort((tree.Key("count(*)", True), tree.Key("bin(1h)", False), tree.Key("name", False)))),
        ("limit 20", tree.Limit(20)),
        ("fields count, limits, byte, order", tree.Fields(tuple(tree.Field(one, one) for one in
                                                          ("count", "limits", "byte", "order")))),
    ],
)  # fmt: skip
def test_commands(text, command):
    assert parse(text) == (command,)


def test_commands_follow_one_another():
    query = parse("fields a\n| filter a like /x|y/ | stats count(*) as n by a\n| sort n desc | limit 5")
    assert [type(one).__name__ for one in query] == ["Fields", "Filter", "Stats", "Sort", "Limit"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "unexpected symbol found the end at position 0"),
        ('fields a | parse @message "x"', "unexpected symbol found parse at position 11"),
        ("display a", "unexpected symbol found display at position 0"),
        ("filter a in [1]", "unexpected symbol found in at position 9"),
        ("filter a = b", "unexpected symbol found b at position 11"),
        ("filter @message like", "unexpected symbol found the end at position 20"),
        ("filter (a = 1", "unexpected symbol found the end"),
        ("fields a + b", "unexpected symbol found + at position 9"),
        ("stats stddev(a)", "unexpected symbol found stddev at position 6"),
        ("stats max(a / 2)", "unexpected symbol found / at position 12"),
        ("stats count(*) by bin(5x)", "bin takes a period such as 30s, 5m or 1h, and not 5x"),
        ("sort a", "unexpected symbol found the end"),
        ("stats count(*) by bin(0m)", "and not 0m"),
        ("stats pct(a, 101)", "pct takes a number from 0 to 100, and not 101"),
        ("limit 0", "limit takes a whole number from 1 to 10,000, and not 0"),
        ("limit 10001", "and not 10001"),
        ("limit 1.5", "and not 1.5"),
        ("filter a like /(/", "/(/ is no regular expression: "),
        ("stats count(*) | stats count(*)", "one stats command"),
        ("stats count(*) | fields a", "no fields command after stats"),
        ("filter " + "not " * 60 + "a = 1", "more than 50 conditions inside one another"),
        ("fields " + "a" * 10_000, "longer than 10,000 characters"),
    ],
)
def test_what_is_not_understood(text, message):
    with pytest.raises(ApiError) as error:
        parse(text)
    assert error.value.code == "MalformedQueryException"
    assert message in str(error.value)


def test_the_known_commands_are_named():
    with pytest.raises(ApiError, match="the sandbox knows fields, filter, stats, sort and limit"):
        parse("dedup a")


def test_many_parentheses_are_no_trouble():
    assert parse("filter " + "(" * 4_000 + "a = 1" + ")" * 4_000) == (tree.Filter(tree.Comparison("a", "=", 1.0)),)
