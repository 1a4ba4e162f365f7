"""Events that are no HTTP requests, and what becomes of the app's answer."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.proxy.events.decoding import codec_for, decode
from upproxy.proxy.errors import BadEvent, NotConfigured, TriggerFailed
from upproxy.proxy.messages import Headers, Invocation, Response

EVENT = {"Records": [{"eventSource": "aws:sqs", "body": "h\u00e9 \ud800"}]}


def answer(body: bytes, status: int = 200) -> bytes:
    codec = codec_for(EVENT, triggers="/events")
    return codec.encode(decode(EVENT, triggers="/events"), Response(status, Headers(), body), body)


def test_the_event_is_posted_as_it_is() -> None:
    request = decode(EVENT, triggers="/events")
    assert json.loads(request.body) == EVENT
    assert request.body.isascii()  # half a surrogate pair is no UTF-8, but JSON can write it


@pytest.mark.parametrize("body", [b'{"batchItemFailures": [ ]}', b"[1.0, 1e5]", b' "x"\n', b"null", b"0"])
def test_json_is_the_result_byte_for_byte(body: bytes) -> None:
    assert answer(body) == body


@pytest.mark.parametrize(
    ("body", "result"),
    [(b"", None), (b" \r\n", None), (b"done", "done"), ("h\u00e9".encode(), "hé"), (b"{}{}", "{}{}"), (b"NaN", "NaN"),
     (b"\xff", "\ufffd")],
)  # fmt: skip
def test_other_answers(body: bytes, result: Any) -> None:
    assert json.loads(answer(body)) == result


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_failure(status: int) -> None:
    with pytest.raises(TriggerFailed, match=f"status {status}: no such") as failed:
        answer(b"no such queue" + b"x" * 1_000, status)
    assert failed.value.fields["status"] == status
    assert len(failed.value.fields["body"]) == 500


def test_not_configured() -> None:
    with pytest.raises(NotConfigured, match=r"aws:sqs.*up\.yml"):
        codec_for(EVENT)


@pytest.mark.parametrize(("configured", "path"), [("/a b", "/a%20b"), ("events", "/events"), ("/", "/"), ("", "/")])
def test_the_path(configured: str, path: str) -> None:
    assert decode({}, triggers=configured).path == path


def test_an_event_that_cannot_be_written() -> None:
    codec = codec_for({}, triggers="/events")
    with pytest.raises(BadEvent):
        codec.decode({"a": float("inf")}, Invocation("r-1", deadline=1.0))
