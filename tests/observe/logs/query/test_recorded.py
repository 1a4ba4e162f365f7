"""The queries of Up's users against what apps and Lambda really wrote.

selected.json has the lines of each query by their ids. They were found by reading the recorded lines, never by this
package; a new recording (tests/observe/logs/record.py) needs them found again.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.observe.logs.events import RECORDED, read
from tests.observe.logs.query.cloudwatch import READINGS, matches
from upproxy.observe.logs.query import compile_pattern, parse, predicate

SELECTED = json.loads((Path(__file__).parent / "selected.json").read_text())

UPS = [
    "error",
    "warn or error",
    "production error",
    "production (warn or error)",
    '(production or staging) (warn or error) method = "GET"',
    'message = "user login" method = "GET"',
    '"user login" method = "GET"',
    'message contains "login"',
    'method != "GET"',
    'method in ("POST", "PUT", "DELETE")',
    "status >= 200 status < 300",
    "status = 200 duration > 1.5s",
    "duration > 15",
    "size > 100kb",
    'path = "/static/*"',
    'ip = "207.*"',
    'user.email = "*@example.com"',
    "not info",
    "cold = true init > 800ms",
]


def test_the_set_is_large_and_has_the_queries_of_ups_users():
    assert len(RECORDED) >= 200
    assert len({event["id"] for event in RECORDED}) == len(RECORDED)
    assert set(UPS) <= SELECTED.keys()
    assert all(SELECTED[query] for query in UPS)


@pytest.mark.parametrize("query", SELECTED)
def test_a_query_selects_exactly_the_right_lines(query):
    keeps = predicate(parse(query))
    assert [event["id"] for event in RECORDED if keeps(read(event).fields)] == SELECTED[query].split()


@pytest.mark.parametrize("query", SELECTED)
def test_cloudwatch_is_asked_for_all_of_them(query):
    wanted = set(SELECTED[query].split())
    asked = {stage: compile_pattern(parse(query), {"stage": stage}) for stage in ("production", "staging")}
    for event in RECORDED:
        if event["id"] in wanted:
            patterns = asked[event["stage"]].patterns
            for reading in READINGS:
                assert any(matches(pattern, event["message"], reading) for pattern in patterns), (reading, event)


@pytest.mark.parametrize(
    ("query", "patterns"),
    [
        (
            "error",
            (
                '{ ($.level = "error" || $.level = "ERROR" || $.level = "Error") }',
                '?"Status:" ?"INIT_REPORT" ?"RESTORE_REPORT" ?"Task timed out" ?"Runtime exited" ?"Process exited"',
            ),
        ),
        ("production method = GET", ('{ $.method = "GET" }',)),
        ("staging method = GET", ('{ $.stage = "staging" && $.method = "GET" }',)),
        ('"user login" method = "GET"', ('{ $.message = "user login" && $.method = "GET" }',)),
        ('message contains "login"', ('{ $.message = "*login*" }', '"login"')),
        ("status = 200 duration > 1.5s", ('{ ($.status = 200 || $.status = "200") && $.duration > 1500 }',)),
        ('path = "/a/*/b"', ('{ $.path = "/a/*" }',)),
        (
            "cold = true init > 800ms",
            (
                '{ ($.cold = "true" || $.cold IS TRUE) && $.init > 800 }',
                '?"Init Duration:" ?"Restore Duration:" ?"Status:" ?"INIT_REPORT" ?"RESTORE_REPORT"',
            ),
        ),
        ("used > 1mb", ("{ $.used > 1048576 }", '?"REPORT RequestId:" ?"INIT_REPORT" ?"RESTORE_REPORT"')),
        ('"*timed out*"', ('{ $.message = "*timed out*" }', '"timed out"')),
        ("type = platform.timeout", ('{ $.type = "platform.timeout" }', '"Task timed out"')),
        ("not info", ("",)),
        ("production", ("",)),
        ("", ("",)),
        ("status = 200 not path = /health", ('{ ($.status = 200 || $.status = "200") }',)),
        ("not (status != 200 or not method = GET) duration > 1", ('{ $.method = "GET" && $.duration > 1 }',)),
        ('name = "\\*\\""', ("{ $.name = * }",)),
        ("größe > 1", ("",)),
        ('path > "/m"', ("{ $.path = * }",)),
    ],
)
def test_patterns_are_as_narrow_as_they_can_be(query, patterns):
    """In the log group of a production stage."""
    assert compile_pattern(parse(query), {"stage": "production"}).patterns == patterns


def test_a_pattern_is_never_too_long():
    ids = ", ".join(f'"{number:032}"' for number in range(100))
    long = compile_pattern(parse(f"status >= 500 request_id in ({ids})"))
    assert long.patterns == ("{ $.status >= 500 }",)
    assert "at most 1,024 characters" in long.local[0][1]
    assert compile_pattern(parse(f"request_id in ({ids})")).patterns == ("",)
