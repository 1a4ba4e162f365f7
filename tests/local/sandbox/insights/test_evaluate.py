"""What queries find, also against a plain reading of them."""

import json
import math
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upproxy.local.sandbox.insights.evaluate import run
from upproxy.local.sandbox.insights.event import row
from upproxy.local.sandbox.insights.parse import parse

MINUTE = 60_000
START = 1_767_225_600_000  # 2026-01-01 00:00:00


def rows(documents, step=MINUTE):
    return [
        row(
            json.dumps(one), timestamp=START + number * step, ingested=START, group="g", stream="s", pointer=str(number)
        )
        for number, one in enumerate(documents)
    ]


def found(query, documents, **more):
    return [dict(one) for one in run(parse(query), rows(documents), **more).results]


REQUESTS = [
    {"path": "/", "status": 200, "took": 10}, {"path": "/a", "status": 404, "took": 1.5},
    {"path": "/a", "status": 500, "took": 30, "error": "Boom"}, {"path": "/", "status": "200"}, {"path": "/b"},
]  # fmt: skip


def test_without_fields_moment_and_message_are_shown_latest_first():
    first, *_, last = found("limit 5", REQUESTS)
    assert first == {"@timestamp": "2026-01-01 00:04:00.000", "@message": '{"path": "/b"}', "@ptr": "4"}
    assert last["@timestamp"] == "2026-01-01 00:00:00.000"


def test_fields_and_their_names():
    assert found("fields path as p, took | filter p = '/a' | sort took asc", REQUESTS) == [
        {"p": "/a", "took": "1.5", "@ptr": "1"}, {"p": "/a", "took": "30", "@ptr": "2"},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("status = 200", "03"), ("status != 200", "12"), ("status >= 404", "12"), ("status < 404", "03"),
        ('status = "200"', "03"), ("path = '/a'", "12"), ("path > '/'", "124"), ("took <= 10", "01"),
        ("error like /oo/", "2"), ("error like 'o'", "2"), ("error like /(?i)boom$/", "2"), ("error like /boom/", ""),
        ("status like /4/", "1"), ("path not like 'a'", "034"), ("error not like 'x'", "01234"),
        ("ispresent(took)", "012"), ("not ispresent(status)", "4"), ("none = 1", ""), ("none != 1", ""),
        ("not none = 1", "01234"), ("status = 200 and took = 10 or path = '/b'", "04"),
        ("(status = 200 or status = 500) and took > 5", "02"), ('path = "/" and not (took = 10)', "3"),
    ],
)  # fmt: skip
def test_conditions(condition, kept):
    assert "".join(sorted(one["@ptr"] for one in found(f"fields path | filter {condition}", REQUESTS))) == kept


def test_figures():
    query = "stats count(*), count(took) as n, sum(took), avg(took), min(took), max(took), pct(took, 50), sum(error)"
    assert found(query, REQUESTS) == [
        {
            "count(*)": "5", "n": "3", "sum(took)": "41.5", "avg(took)": repr(41.5 / 3), "min(took)": "1.5",
            "max(took)": "30", "pct(took, 50)": "10",
        }
    ]  # fmt: skip
    assert found(f"filter path = 'none' | {query}", REQUESTS) == []


def test_groups_and_what_comes_after_them():
    assert found("stats count(*) as n by path | sort n desc, path asc", REQUESTS) == [
        {"path": "/", "n": "2"}, {"path": "/a", "n": "2"}, {"path": "/b", "n": "1"},
    ]  # fmt: skip
    assert found("stats count(*) as n by bin(2m) | filter n > 1 | sort bin(2m) asc | limit 2", REQUESTS) == [
        {"bin(2m)": "2026-01-01 00:00:00.000", "n": "2"}, {"bin(2m)": "2026-01-01 00:02:00.000", "n": "2"},
    ]  # fmt: skip
    assert found("stats max(took) as m by status, path | filter ispresent(m) | sort m desc | limit 1", REQUESTS) == [
        {"status": "500", "path": "/a", "m": "30"}
    ]


def test_numbers_before_texts_and_nothing_last():
    documents = [{"v": "b"}, {"v": 10}, {"w": 1}, {"v": "9"}, {"v": "a"}]
    assert [one.get("v") for one in found("fields v | sort v asc", documents)] == ["9", "10", "a", "b", None]
    assert [one.get("v") for one in found("fields v | sort v desc", documents)] == ["b", "a", "10", "9", None]


def test_how_many_are_told():
    answer = run(parse("fields path | filter status = 200 | limit 1"), rows(REQUESTS))
    assert (len(answer.results), answer.matched) == (1, 2)
    assert run(parse("filter status = 200 | stats count(*) as n | filter n = 1"), rows(REQUESTS)) == ([], 2)
    assert len(found("fields path", REQUESTS, limit=3)) == 3


NUMBERS = st.one_of(st.integers(-5, 5), st.floats(-5, 5).map(lambda one: round(one, 2)))
DOCUMENTS = st.lists(
    st.fixed_dictionaries({}, optional={"a": NUMBERS, "b": NUMBERS, "kind": st.sampled_from("xyz")}), max_size=30
)
SIGNS = {
    "=": lambda one, other: one == other, "!=": lambda one, other: one != other, "<": lambda one, other: one < other,
    "<=": lambda one, other: one <= other, ">": lambda one, other: one > other, ">=": lambda one, other: one >= other,
}  # fmt: skip


@st.composite
def conditions(draw, depth=2):
    """Draw a condition as a text and as what it means."""
    shape = draw(st.sampled_from(["compare", "present", "like", *(["not", "and", "or"] if depth else [])]))
    if shape == "not":
        text, keeps = draw(conditions(depth - 1))
        return f"not ({text})", lambda one: not keeps(one)
    if shape in ("and", "or"):
        parts = draw(st.lists(conditions(depth - 1), min_size=2, max_size=3))
        joined = f" {shape} ".join(f"({text})" for text, _ in parts)
        judge = all if shape == "and" else any
        return joined, lambda one: judge(keeps(one) for _, keeps in parts)
    if shape == "present":
        field = draw(st.sampled_from(["a", "b", "kind"]))
        return f"ispresent({field})", lambda one: field in one
    if shape == "like":
        return "kind like /[xy]/", lambda one: one.get("kind") in ("x", "y")
    field, sign, value = draw(st.sampled_from("ab")), draw(st.sampled_from(list(SIGNS))), draw(NUMBERS)
    return f"{field} {sign} {value}", lambda one: field in one and SIGNS[sign](one[field], value)


@given(DOCUMENTS, conditions())
def test_conditions_as_read_plainly(documents, condition):
    text, keeps = condition
    expected = [str(number) for number, one in reversed([*enumerate(documents)]) if keeps(one)]
    assert [one["@ptr"] for one in found(f"fields kind | filter {text}", documents)] == expected


@given(DOCUMENTS, st.integers(0, 100))
def test_figures_as_read_plainly(documents, percent):
    figures = f"count(*) as n, count(a) as there, sum(a) as s, avg(a) as m, pct(a, {percent}) as p"
    query = f"stats {figures} by kind, bin(7m) as t"
    groups = {}
    for number, one in enumerate(documents):
        groups.setdefault((one.get("kind"), (START + number * MINUTE) // (7 * MINUTE)), []).append(one)
    expected = []
    for members in groups.values():
        values = sorted(one["a"] for one in members if "a" in one)
        figures = {"n": len(members), "there": len(values)}
        if values:
            rank = max(1, math.ceil(len(values) * percent / 100))
            figures |= {"s": math.fsum(values), "m": statistics.fmean(values), "p": values[rank - 1]}
        expected.append({name: pytest.approx(value, abs=1e-9) for name, value in figures.items()})
    answer = [
        {name: float(value) for name, value in one.items() if name not in ("kind", "t")}
        for one in found(query, documents)
    ]
    assert len(answer) == len(expected)
    for one in expected:
        assert any(one == other for other in answer)
