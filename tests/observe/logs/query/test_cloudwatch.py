"""The reference that the patterns are held against, held against AWS's own examples."""

from __future__ import annotations

import json

import pytest

from tests.observe.logs.query.cloudwatch import READINGS, matches

DOCUMENT = json.dumps(
    {
        "eventType": "UpdateTrail",
        "sourceIPAddress": "111.111.111.111",
        "arrayKey": ["value", "another value"],
        "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
        "SomeObject": None,
        "ThisFlag": True,
        "latency": 501,
    }
)
PEOPLE = json.dumps(
    {
        "user": {"id": 1, "email": "John.Stiles@example.com"},
        "users": [{"id": 2, "email": "John.Doe@example.com"}, {"id": 3, "email": "Jane.Doe@example.com"}],
        "actions": ["GET", "PUT", "DELETE"],
        "coordinates": [[0, 1, 2], [4, 5, 6], [7, 8, 9]],
    }
)


@pytest.mark.parametrize(
    ("pattern", "message", "expected"),
    [
        ('{ $.eventType = "UpdateTrail" }', DOCUMENT, True),
        ('{ $.eventType = "Update*" }', DOCUMENT, True),
        ('{ $.eventType = "*Trail" }', DOCUMENT, True),
        ('{ $.eventType = "Up*ail" }', DOCUMENT, False),
        ('{ $.sourceIPAddress != "123.123.*" }', DOCUMENT, True),
        ('{ $.arrayKey[0] = "value" }', DOCUMENT, True),
        ("{ $.objectList[1].id = 2 }", DOCUMENT, True),
        ("{ $.SomeObject IS NULL }", DOCUMENT, True),
        ("{ $.SomeOtherObject NOT EXISTS }", DOCUMENT, True),
        ("{ $.ThisFlag IS TRUE }", DOCUMENT, True),
        ("{ $.latency >= 500 }", DOCUMENT, True),
        ("{ $.latency = * }", DOCUMENT, True),
        ('{ ($.user.id = 1) && ($.users[0].email = "John.Doe@example.com") }', PEOPLE, True),
        ('{ ($.user.id = 2 && $.users[0].email = "nonmatch") || $.actions[2] = "GET" }', PEOPLE, False),
        (
            '{ $.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = 7 && $.actions[2] = "nomatch" }',
            PEOPLE,
            True,
        ),
        (
            '{ ($.user.email = "John.Stiles@example.com" || $.coordinates[0][1] = 7) && $.actions[2] = "nomatch" }',
            PEOPLE,
            False,
        ),
        ("{ $.users = 1 }", '{"users": [1, 2, 3]}', False),
        ("{ $.users != 1 }", '{"users": [1, 2, 3]}', False),
        ('"ERROR"', "Exiting with ERRORCODE: -1", True),
        ('"ERROR" "Exception"', "[ERROR] Caught IllegalArgumentException", True),
        ('"ERROR" "WARN"', "ERROR message", False),
        ('?"ERROR" ?"WARN"', "WARN message", True),
        ('"error"', "ERROR message", False),
        ("", "anything", True),
    ],
)
def test_documented_examples(pattern, message, expected):
    assert {matches(pattern, message, reading) for reading in READINGS} == {expected}
