import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from upproxy.local.console import Console, harmless


def shown(line, *, readable=True, coloured=False, source="stdout"):
    stream = io.StringIO()
    Console(stream, readable=readable, coloured=coloured).line(source, line)
    return stream.getvalue()


def entry(**fields):
    line = {"timestamp": "2026-01-31T08:15:00.123456Z", "level": "info", "message": "hello", **fields}
    return json.dumps(line).encode()


def test_an_access_line_reads_like_a_request():
    text = shown(
        entry(
            message="request", method="GET", path="/a", query="b=1", status=200, duration=1.25, size=10, ip="::1",
            request_id="x", stage="development",
        )
    )  # fmt: skip
    assert "GET /a?b=1 200 in 1.25 ms" in text
    assert "size=10" in text
    assert "development" not in text


def test_in_a_pipe_every_line_is_json_with_all_its_fields():
    assert json.loads(shown(entry(a=[1], request_id="x"), readable=False)) == json.loads(entry(a=[1], request_id="x"))
    plain = json.loads(shown(b"Traceback", readable=False, source="stderr"))
    assert (plain["level"], plain["message"]) == ("error", "Traceback")
    assert plain["timestamp"].endswith("Z")


@pytest.mark.parametrize(
    "line", [b"{", b"{}", b'{"level": 1}', b"[1]", b'{"a": NaN} x', b"\xff\xfe", b"{" * 100_000 + b"}"]
)
@pytest.mark.parametrize("readable", [True, False])
def test_what_is_no_log_line_is_shown_as_text(line, readable):
    text = shown(line, readable=readable)
    assert text.count("\n") == 1
    if not readable:
        assert json.loads(text)["level"] == "info"


def test_what_lambda_itself_logs_is_as_it_is_in_a_pipe_and_readable_in_a_terminal():
    line = "REPORT RequestId: x\tDuration: 1.00 ms\t"
    pipe, terminal = io.StringIO(), io.StringIO()
    Console(pipe, readable=False, coloured=False).platform(line)
    Console(terminal, readable=True, coloured=False).platform(line)
    assert pipe.getvalue() == f"{line}\n"
    assert "REPORT RequestId: x  Duration: 1.00 ms" in terminal.getvalue()
    assert "\t" not in terminal.getvalue()


def test_an_empty_line_is_not_shown():
    assert shown(b"") == shown(b"\r") == ""


def test_levels_and_tracebacks():
    text = shown(entry(level="fatal", exception="Traceback\n  File x\nValueError: \x1b[2J"))
    assert "critical" in text
    assert "  File x\n" in text
    assert "\x1b" not in text


@given(
    st.dictionaries(
        st.text(max_size=20),
        st.recursive(st.text() | st.integers() | st.none(), lambda inner: st.lists(inner, max_size=3)),
        max_size=4,
    ),
    st.text(),
)
def test_nothing_that_an_app_logs_can_steer_a_terminal(fields, message):
    exempt = {key: value for key, value in fields.items() if key not in ("exception", "stack")}
    text = shown(json.dumps({**exempt, "level": "info", "message": message}).encode())
    assert text.count("\n") == 1
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 or c in "\u2028\u202e\u2066" for c in text[:-1] if c != "\t")


@given(st.binary())
def test_nor_anything_that_it_prints(line):
    text = shown(line.replace(b"\n", b""))
    assert not any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in text[:-1] if c != "\t")


def test_colours_are_taken_out_and_the_rest_made_visible():
    assert harmless("\x1b[31mred\x1b[0m \x1b]0;title\x07 \x9b2J a\tb \u202e") == (
        "red \\x1b]0;title\\x07 \\x9b2J a\tb \\u202e"
    )


def test_a_terminal_gets_colour_and_a_closed_stream_no_error():
    assert "\x1b[" in shown(entry(), coloured=True)
    stream = io.StringIO()
    console = Console(stream, readable=True, coloured=False)
    stream.close()
    console.log("info", "to nobody")
