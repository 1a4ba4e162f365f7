"""The fields that are found in events."""

import json

import pytest

from upproxy.local import report
from upproxy.local.sandbox.insights.event import FIELDS, Moment, row


def found(message):
    fields = row(message, timestamp=1, ingested=2, group="1:group", stream="stream", pointer="p")
    own = {
        "@ptr": "p",
        "@timestamp": 1,
        "@ingestionTime": 2,
        "@message": message,
        "@logStream": "stream",
        "@log": "1:group",
    }
    assert own.items() <= fields.items()
    assert isinstance(fields["@timestamp"], Moment)
    return {name: value for name, value in fields.items() if name not in own}


def test_lines_of_lambda():
    """Times are in ms, sizes in bytes of a thousand each."""
    line = report.report("r-1", duration_ms=12.34, memory_mb=128, used_mb=40, init_ms=150.5)
    assert found(line) == {
        "@type": "REPORT", "@requestId": "r-1", "@duration": 12.34, "@billedDuration": 163.0, "@initDuration": 150.5,
        "@memorySize": 128e6, "@maxMemoryUsed": 40e6,
    }  # fmt: skip
    assert "@initDuration" not in found(report.report("r-1", duration_ms=1, memory_mb=128, used_mb=40))
    assert found(report.start("r-1", "7")) == {"@type": "START", "@requestId": "r-1"}
    assert found(report.end("r-1")) == {"@type": "END", "@requestId": "r-1"}
    assert found(report.timed_out("r-1", 3)) == {"@requestId": "r-1"}
    assert found(report.init_report(10_000, phase="init", status="timeout")) == {}


def test_members_of_objects_by_their_paths():
    document = {
        "level": "info", "status": 200, "took": 1.5, "cold": True, "warm": False, "none": None, "@odd": "x",
        "user": {"name": "Ada", "mails": ["a@b", {"old": "c@d"}]}, "empty": {}, "a.b": 1,
    }  # fmt: skip
    assert found(json.dumps(document)) == {
        "level": "info", "status": 200, "took": 1.5, "cold": 1, "warm": 0, "@@odd": "x", "user.name": "Ada",
        "user.mails.0": "a@b", "user.mails.1.old": "c@d", "a.b": 1,
    }  # fmt: skip


def test_the_first_object_in_a_line_counts():
    assert found('INFO before {"a": 1} after {"b": 2}') == {"a": 1}


@pytest.mark.parametrize(
    "message", ["", "plain", "a { brace", "[1, 2]", "{'a': 1}", '{"a": ' * 100_000, "REPORT of sales", '"{"']
)
def test_lines_without_fields(message):
    assert found(message) == {}


def test_there_is_an_end_of_fields():
    assert len(found(json.dumps({str(number): number for number in range(FIELDS + 5)}))) == FIELDS


def test_a_line_cannot_say_when_it_came():
    assert found('{"@timestamp": 5}') == {"@@timestamp": 5}
