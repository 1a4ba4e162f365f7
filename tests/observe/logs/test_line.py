"""Events become lines with fields; what Lambda writes becomes words."""

from __future__ import annotations

import pytest

from tests.observe.logs.events import RECORDED
from tests.observe.logs.events import read as read_recorded
from upproxy.observe.logs import line, platform

ID = "7b1c2f04-2d3e-4d5b-9a43-6f1f2f3a4b5c"


def read(text, **origin):
    return line.read(text, timestamp=1_769_847_300_000, stream="2026/01/31/[$LATEST]0f", origin=origin)


def test_a_json_line_has_its_own_fields():
    text = '{"level": "info", "user": {"email": "ada@example.com"}, "stage": "beta"}\n'
    assert read(text, stage="production", region="eu-west-1") == line.Line(
        timestamp=1_769_847_300_000,
        stream="2026/01/31/[$LATEST]0f",
        text=text,
        fields={"level": "info", "user": {"email": "ada@example.com"}, "stage": "beta", "region": "eu-west-1"},
        own={"level": "info", "user": {"email": "ada@example.com"}, "stage": "beta"},
    )


@pytest.mark.parametrize(
    "text",
    [
        "Traceback (most recent call last):",
        "",
        "[1, 2]",
        '"error"',
        '{"level": "error"',
        '{"level": NaN}',
        '{"a":' + "[" * 200_000 + "}",
        '{"a": ' + "9" * 5_000 + "}",
        "REPORT",
        "REPORT of the year: sales",
        f"REPORT RequestId: {ID}\tDuration: long",
        "START",
        "START here",
        "Task timed out after lunch",
    ],
    ids=lambda text: text[:30],
)
def test_any_other_text_is_a_message(text):
    assert read(f" {text}\n", stage="staging").fields == {"message": text, "stage": "staging"}


@pytest.mark.parametrize(
    ("text", "fields", "words"),
    [
        (
            f"START RequestId: {ID} Version: $LATEST",
            {"type": "platform.start", "level": "info", "request_id": ID},
            "invocation started",
        ),
        (f"END RequestId: {ID}", {"type": "platform.end", "level": "info", "request_id": ID}, "invocation ended"),
        (
            (
                f"REPORT RequestId: {ID}\tDuration: 13.50 ms\tBilled Duration: 564 ms\tMemory Size: 256 MB"
                "\tMax Memory Used: 59 MB\tInit Duration: 550.26 ms\t"
            ),
            {
                "type": "platform.report",
                "level": "info",
                "request_id": ID,
                "invocation": 13.5,
                "billed": 564,
                "memory": 268_435_456,
                "used": 61_865_984,
                "init": 550.26,
                "cold": True,
            },
            "cold start took 550.26 ms, invocation took 13.5 ms, 59 of 256 MB used",
        ),
        (
            (
                f"REPORT RequestId: {ID}\tDuration: 2000.00 ms\tBilled Duration: 2000 ms\tMemory Size: 256 MB"
                "\tMax Memory Used: 256 MB\tStatus: error\tError Type: Runtime.OutOfMemory"
            ),
            {
                "type": "platform.report",
                "level": "error",
                "request_id": ID,
                "invocation": 2000.0,
                "billed": 2000,
                "memory": 268_435_456,
                "used": 268_435_456,
                "outcome": "error",
                "error_type": "Runtime.OutOfMemory",
            },
            "out of memory, invocation took 2000 ms, 256 of 256 MB used",
        ),
        (
            (
                f"REPORT RequestId: {ID}\tDuration: 5.00 ms\tRestore Duration: 542.71 ms\tBilled Restore Duration: 9 ms"
                "\nXRAY TraceId: 1-5e34a614-10bdxmplf1fb44f07bc535a1\tSegmentId: 07f5xmpl2d1f6f85\tSampled: true"
            ),
            {
                "type": "platform.report",
                "level": "info",
                "request_id": ID,
                "invocation": 5.0,
                "restore": 542.71,
                "cold": True,
            },
            "restoring the snapshot took 542.71 ms, invocation took 5 ms",
        ),
        (
            f"REPORT RequestId: {ID}\tDuration: 3000.00 ms\tStatus: timeout",
            {
                "type": "platform.report",
                "level": "error",
                "request_id": ID,
                "invocation": 3000.0,
                "outcome": "timeout",
            },
            "timed out, invocation took 3000 ms",
        ),
        (
            "INIT_REPORT Init Duration: 9999.97 ms\tPhase: init\tStatus: error\tError Type: Runtime.ExitError",
            {
                "type": "platform.initReport",
                "level": "error",
                "init": 9999.97,
                "phase": "init",
                "outcome": "error",
                "error_type": "Runtime.ExitError",
                "cold": True,
            },
            "failed (Runtime.ExitError), cold start took 9999.97 ms",
        ),
        (
            "INIT_START Runtime Version: python:3.13.v14\tRuntime Version ARN: arn:aws:lambda:eu-west-1::runtime:0",
            {"type": "platform.initStart", "level": "info"},
            (
                "initialisation started (Runtime Version: python:3.13.v14 Runtime Version ARN: "
                "arn:aws:lambda:eu-west-1::runtime:0)"
            ),
        ),
        (
            "EXTENSION\tName: agent\tState: Ready\tEvents: [INVOKE, SHUTDOWN]",
            {"type": "platform.extension", "level": "info"},
            "extension (Name: agent State: Ready Events: [INVOKE, SHUTDOWN])",
        ),
        (
            f"2026-01-31T08:15:00.123Z {ID} Task timed out after 3.00 seconds",
            {"type": "platform.timeout", "level": "error", "request_id": ID, "timeout": 3_000.0},
            "timed out after 3 s",
        ),
        (
            f"RequestId: {ID} Error: Task timed out after 0.25 seconds",
            {"type": "platform.timeout", "level": "error", "request_id": ID, "timeout": 250.0},
            "timed out after 0.25 s",
        ),
        (
            f"RequestId: {ID} Error: Runtime exited with error: signal: killed\nRuntime.OutOfMemory",
            {"type": "platform.exit", "level": "error", "request_id": ID, "error_type": "Runtime.OutOfMemory"},
            "out of memory: signal: killed",
        ),
        (
            f"RequestId: {ID} Error: Runtime exited without providing a reason\nRuntime.ExitError",
            {"type": "platform.exit", "level": "error", "request_id": ID, "error_type": "Runtime.ExitError"},
            "the runtime process ended: without providing a reason",
        ),
        (
            f"RequestId: {ID} Process exited before completing request",
            {"type": "platform.exit", "level": "error", "request_id": ID},
            "the runtime process ended: before completing request",
        ),
        (
            "TELEMETRY\tName: agent\tState: Subscribed\tTypes: [Platform]",
            {"type": "platform.telemetrySubscription", "level": "info"},
            "telemetry is subscribed to (Name: agent State: Subscribed Types: [Platform])",
        ),
    ],
)
def test_lines_of_lambda(text, fields, words):
    found = read(f"{text}\n\n", stage="staging")
    assert (found.fields, found.words) == ({"stage": "staging", "message": text.strip(), **fields}, words)


def test_every_recorded_line_of_lambda_is_known():
    texts = [event["message"] for event in RECORDED if not event["message"].startswith("{")]
    assert {text.split(" ")[0] for text in texts} >= {"START", "END", "REPORT", "RequestId:"}
    assert any("Task timed out" in text for text in texts)
    assert all(platform.read(text) for text in texts)


def test_what_is_said_of_a_kind_holds_for_its_lines():
    """Patterns are made of the table of kinds alone, without a line at hand."""
    reports = [
        f"REPORT RequestId: {ID}\tDuration: 1 ms\t{init}\t{status}"
        for init in ("", "Init Duration: 1.5 ms", "Restore Duration: 2.5 ms")
        for status in ("", "Status: success", "Status: timeout", "Status: error\tError Type: Runtime.ExitError")
    ]
    others = [
        "INIT_REPORT Init Duration: 1 ms\tPhase: init\tStatus: timeout",
        "RESTORE_REPORT Restore Duration: 1 ms",
        "RESTORE_START Runtime Version: python:3.13",
        "INIT_START",
        "EXTENSION\tName: agent",
        "LOGS\tName: agent",
        "TELEMETRY\tName: agent",
        f"RequestId: {ID} Process exited before completing request",
    ]
    for text in (*reports, *others, *(read_recorded(event).text for event in RECORDED)):
        reading = platform.read(text)
        assert reading or text.startswith("{")
        if reading:
            assert any(is_of(kind, text, reading.fields) for kind in platform.KINDS), text


def is_of(kind, text, fields):
    return (
        all(marker in text for marker in kind.markers)
        and all(name in kind.fields and kind.fields[name] in (platform.SOME, value) for name, value in fields.items())
        and all(name in fields for name, value in kind.fields.items() if value is not platform.SOME)
    )
