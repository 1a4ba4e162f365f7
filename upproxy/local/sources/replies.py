"""Reading a function's reply: JSON of a source's format into status, header fields and body."""

from __future__ import annotations

import binascii
import json
from collections.abc import Iterable
from typing import Any

from upproxy.local.sources.source import HttpReply, MalformedReply
from upproxy.proxy.events.fields import HOP_BY_HOP, TOKEN

_VERSION1_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"})

_PRELUDE_KEYS = frozenset({"statusCode", "headers", "multiValueHeaders", "cookies"})


def read(payload: bytes) -> Any:
    """Read the payload as JSON. Raises MalformedReply."""
    try:
        return json.loads(payload)
    except ValueError as error:
        raise MalformedReply(f"the function's reply is no JSON: {error}") from None


def read_object(payload: bytes) -> dict[str, Any]:
    """Read the payload as a JSON object. Raises MalformedReply."""
    value = read(payload)
    if not isinstance(value, dict):
        raise MalformedReply(f"the function's reply is no JSON object: {payload[:80]!r}")
    return value


def version1(payload: bytes) -> HttpReply:
    """Read a reply of payload format 1.0, which may have no other keys than its five."""
    reply = read_object(payload)
    _refuse_unknown(reply, _VERSION1_KEYS)
    return HttpReply(_status(reply), _merged(reply), _body(reply))


def version2(payload: bytes) -> HttpReply:
    """Read a reply of payload format 2.0; JSON without `statusCode` is the body of a 200.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
    """
    reply = read(payload)
    if not isinstance(reply, dict) or "statusCode" not in reply:
        text = reply.encode("utf-8", "replace") if isinstance(reply, str) else payload
        return HttpReply(200, [(b"content-type", b"application/json")], text)
    headers = _single(reply.get("headers")) + _named("set-cookie", reply.get("cookies"))
    return HttpReply(_status(reply), headers, _body(reply))


def alb(payload: bytes, *, multi_value: bool) -> HttpReply:
    """Read a reply to a load balancer, which looks only at the map of its own setting."""
    reply = read_object(payload)
    headers = _lists(reply.get("multiValueHeaders")) if multi_value else _single(reply.get("headers"))
    return HttpReply(_status(reply), headers, _body(reply))


def prelude(payload: bytes) -> HttpReply:
    """Read the head of a streamed reply. Its Content-Length stays: it is that of the stream.

    https://docs.aws.amazon.com/lambda/latest/dg/configuration-response-streaming.html
    """
    reply = read_object(payload)
    _refuse_unknown(reply, _PRELUDE_KEYS)
    headers = _merged(reply) + _named("set-cookie", reply.get("cookies"))
    return HttpReply(_status(reply) if "statusCode" in reply else 200, headers)


def finished(reply: HttpReply, default_type: str) -> HttpReply:
    """Drop what only the server may say, and name a Content-Type where there is a body without one."""
    headers = [field for field in reply.headers if field[0].lower() != b"content-length"]
    if reply.body and not any(name.lower() == b"content-type" for name, _ in headers):
        headers.append((b"content-type", default_type.encode()))
    return HttpReply(reply.status, headers, reply.body)


def _refuse_unknown(reply: dict[str, Any], known: frozenset[str]) -> None:
    if unknown := reply.keys() - known:
        raise MalformedReply(f"the function's reply has keys that are not of its format: {', '.join(sorted(unknown))}")


def _status(reply: dict[str, Any]) -> int:
    status = reply.get("statusCode")
    if isinstance(status, str) and len(status) == 3 and status.isascii() and status.isdigit():
        status = int(status)
    if isinstance(status, bool) or not isinstance(status, int) or not 200 <= status <= 599:
        raise MalformedReply(f"statusCode is no HTTP status: {status!r:.40}")
    return status


def _body(reply: dict[str, Any]) -> bytes:
    body = reply.get("body")
    if body is None:
        return b""
    if not isinstance(body, str):
        raise MalformedReply("body is no text")
    if reply.get("isBase64Encoded") is not True:
        return body.encode("utf-8", "replace")
    try:
        return binascii.a2b_base64(body, strict_mode=True)
    except ValueError:
        raise MalformedReply("body is no base64") from None


def _merged(reply: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Merge both maps; a pair that is in both counts once."""
    lists = _lists(reply.get("multiValueHeaders"))
    return [field for field in _single(reply.get("headers")) if field not in lists] + lists


def _single(headers: Any) -> list[tuple[bytes, bytes]]:
    return [field for name, value in _map(headers).items() for field in _named(name, [value])]


def _lists(headers: Any) -> list[tuple[bytes, bytes]]:
    return [field for name, values in _map(headers).items() for field in _named(name, values)]


def _map(headers: Any) -> dict[str, Any]:
    if headers is None:
        return {}
    if not isinstance(headers, dict):
        raise MalformedReply("the headers are no map")
    return headers


def _named(name: str, values: Iterable[Any] | None) -> list[tuple[bytes, bytes]]:
    """Turn a name and its values into fields, without those that concern only the connection."""
    if not name or not TOKEN.issuperset(name):
        raise MalformedReply(f"a header name that is no token: {name[:40]!r}")
    if values is not None and not isinstance(values, list):
        raise MalformedReply(f"the values of {name} are no list")
    if name.lower() in HOP_BY_HOP:
        return []
    return [(name.encode(), _value(name, value)) for value in values or ()]


def _value(name: str, value: Any) -> bytes:
    if isinstance(value, (bool, int, float)):
        value = json.dumps(value)
    if not isinstance(value, str):
        raise MalformedReply(f"the value of {name} is no text")
    if any(end in value for end in "\r\n\0"):
        raise MalformedReply(f"a line break or NUL in the value of {name}")
    return value.encode("utf-8", "replace")
