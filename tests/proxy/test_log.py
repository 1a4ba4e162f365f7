"""The log's lines against what structlog's JSONRenderer writes."""

from __future__ import annotations

import json
import os
import re
import threading
from datetime import UTC, datetime

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.proxy.scripting import LIMIT
from upproxy.proxy import log as log_module
from upproxy.proxy.log import Log

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
RESERVED = {"self", "event", "message", "level", "timestamp", "exc_info", "stack_info", "stack"}
texts = st.text(st.characters(exclude_categories=()), max_size=30)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3) | st.tuples(inner),
    max_leaves=6,
) | st.sampled_from([{1}, b"bytes", 1 + 2j, object, ValueError("x"), datetime(2026, 1, 31, tzinfo=UTC)])
fields_ = st.dictionaries(texts.filter(lambda name: name not in RESERVED), values, max_size=5)


@pytest.fixture
def pipe():
    reader, writer = os.pipe()
    ends = {reader, writer}
    yield reader, writer, ends
    for end in ends:
        os.close(end)


def by_structlog(level: str, message: str, fields: dict[str, object]) -> str:
    """What structlog writes with the processors that the documentation of the line names."""
    lines: list[str] = []

    class Writer:
        def msg(self, line: str) -> None:
            lines.append(line)

        debug = info = warning = error = critical = msg

    logger = structlog.wrap_logger(
        Writer(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.BoundLogger,
    )
    getattr(logger, level)(message, **fields)
    return lines[0]


@given(level=st.sampled_from(["debug", "info", "error"]), message=texts, fields=fields_)
@settings(max_examples=150, deadline=None)
def test_a_line_is_what_structlog_writes(level, message, fields):
    expected = json.loads(by_structlog(level, message, fields))
    reader, writer = os.pipe()
    try:
        Log(writer).write(level, message, **fields)
        line = os.read(reader, 1 << 20)
    finally:
        os.close(reader)
        os.close(writer)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    written = json.loads(line)
    assert list(written)[:3] == ["timestamp", "level", "message"]
    for timestamp in (written.pop("timestamp"), expected.pop("timestamp")):
        assert TIMESTAMP.fullmatch(timestamp)
    assert written == expected


def test_lines_with_all_their_fields_go_out_as_they_are(pipe):
    reader, writer, _ = pipe
    lines = [{"timestamp": "2026-01-31T08:15:00.123456Z", "level": "info", "message": "é\ud800"}, {"a": 1}]
    Log(writer).write_lines(lines)
    assert [json.loads(line) for line in os.read(reader, 1 << 16).splitlines()] == lines


def test_the_clock_goes_on_and_is_the_wall_clock(pipe):
    log = Log(pipe[1])
    before = datetime.now(UTC)
    stamps = [log.timestamp() for _ in range(2_000)]
    after = datetime.now(UTC)
    assert stamps == sorted(stamps)
    moments = [datetime.fromisoformat(stamp) for stamp in stamps]
    assert all(before.timestamp() - 1e-5 <= moment.timestamp() <= after.timestamp() for moment in moments)


@pytest.mark.parametrize("now", [0.0, 1.999999999, 951782400.5, 1769847300.0000005, 4102444799.9999995])
def test_moments_that_are_hard_to_round(pipe, monkeypatch, now):
    monkeypatch.setattr(log_module.time, "time", lambda: now)
    stamp = Log(pipe[1]).timestamp()
    assert TIMESTAMP.fullmatch(stamp)
    assert abs(datetime.fromisoformat(stamp).timestamp() - now) < 2e-6


def test_a_full_pipe_that_does_not_block_is_waited_for(pipe):
    reader, writer, _ = pipe
    os.set_blocking(writer, False)
    lines = [{"message": "x" * 1_000, "number": number} for number in range(1_000)]
    data = bytearray()

    def read():
        while len(data.splitlines()) < len(lines) or not data.endswith(b"\n"):
            data.extend(os.read(reader, 4_096))

    thread = threading.Thread(target=read)
    thread.start()
    Log(writer).write_lines(lines)
    thread.join(LIMIT)
    assert [json.loads(line) for line in data.splitlines()] == lines


def test_a_full_pipe_that_nobody_reads_does_not_hold_us(pipe, monkeypatch):
    monkeypatch.setattr(log_module, "PATIENCE", 10)
    _, writer, _ = pipe
    os.set_blocking(writer, False)
    Log(writer).write_lines([{"message": "x" * 1_000_000}])
    Log(writer).write("info", "more")


def test_a_line_that_was_cut_off_takes_none_with_it(pipe, monkeypatch):
    monkeypatch.setattr(log_module, "PATIENCE", 10)
    reader, writer, _ = pipe
    os.set_blocking(writer, False)
    log = Log(writer)
    log.write_lines([{"message": "x" * 1_000_000}])
    os.read(reader, 1 << 20)
    log.write("info", "one")
    log.write("info", "two")
    rest, *lines = os.read(reader, 1 << 16).splitlines()
    assert rest == b""
    assert [json.loads(line)["message"] for line in lines] == ["one", "two"]


def test_a_pipe_that_nobody_holds_any_more(pipe):
    reader, writer, ends = pipe
    os.close(reader)
    ends.remove(reader)
    Log(writer).write("info", "to nobody")


def test_no_descriptor_at_all():
    reader, writer = os.pipe()
    os.close(reader)
    os.close(writer)
    Log(writer).write("info", "to nobody")
