"""The contract of a source, and what all of them have in common."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any

ACCOUNT = "123456789012"  # the one of AWS's own examples
LAMBDA_PAYLOAD = 6_291_556  # bytes of JSON that a synchronous invocation takes, and as many that it returns

_TEXT_TYPES = ("application/json", "application/javascript", "application/xml")


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request as it is on the wire.

    `target` is the raw request target (`/a%20b?x=1`). `client` is the peer's address; `host`, `port` and `scheme` are
    those of the public side.
    """

    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    client: str
    host: str
    port: int
    scheme: str


@dataclass(frozen=True, slots=True)
class HttpReply:
    """A response. Of a buffered one the Content-Length is left to the server that sends it."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""


class MalformedReply(Exception):
    """The function's reply is not what the source expects; `str(error)` is what its log would say."""


class Source:
    """One source of events.

    `max_request` are the bytes of a request's body, and `max_reply` those of a reply's JSON, that it takes. Of a body
    that is sent as base64 less fits, since an event holds at most 6,291,556 bytes.
    """

    name: str
    streams = False
    max_request: int
    max_reply: int
    timeout: float | None = None  # seconds that it waits for a buffered reply, where it does not wait for the function
    tenants = False  # whether it can name a tenant to a function with tenant isolation
    default_type: str  # the Content-Type of a reply that has a body and names none

    # status -> what is really sent, status and body; for any other status the pattern with its number and phrase
    refusals: Mapping[int, tuple[int, str]] = {}
    refusal_pattern = '{{"message":"{phrase}"}}'
    refusal_type = b"application/json"

    def event(self, request: HttpRequest, *, request_id: str, epoch_ms: int) -> dict[str, Any]:
        """Build the event that the function is invoked with."""
        raise NotImplementedError

    def reply(self, payload: bytes) -> HttpReply:
        """Turn the function's reply into the response. Raises MalformedReply; answer `refusal(502)` then."""
        raise NotImplementedError

    def head(self, prelude: bytes) -> HttpReply:
        """Turn the head of a streamed reply into a response without a body. Raises MalformedReply."""
        raise MalformedReply(f"{self.name} takes no streamed replies: {prelude[:80]!r}")

    def refusal(self, status: int) -> HttpReply:
        """Build the source's own answer: 413 too large, 429 throttled, 502 a failed function, 504 none in time.

        Its status is the one that AWS really sends, which differs for some sources.
        """
        sent, body = self.refusals.get(status, (status, ""))
        body = body or self.refusal_pattern.format(status=status, phrase=HTTPStatus(status).phrase)
        return HttpReply(sent, [(b"content-type", self.refusal_type)], body.encode())


def split_target(target: str) -> tuple[str, str]:
    """Split a request target into its raw path and query; the absolute form loses scheme and host."""
    if not target.startswith("/") and "://" in target:
        rest = target.partition("://")[2]
        start = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        target = rest[start:]
        if not target.startswith("/"):
            target = f"/{target}"
    path, _, query = target.partition("?")
    return path or "/", query


def fields(
    request: HttpRequest, *, request_id: str, epoch_ms: int, dropped: frozenset[str] = frozenset()
) -> list[tuple[str, str]]:
    """Return the header fields for the event: the client's, then those that every source sets.

    X-Forwarded-For goes on from what the client sent, the other X-Forwarded fields do not. Bytes that are no UTF-8
    cannot be in the JSON and become U+FFFD. A body that came in chunks gets its Content-Length.
    """
    kept: list[tuple[str, str]] = []
    addresses: list[str] = []
    names = set()
    for name, value in request.headers:
        key, text = name.decode("latin-1"), value.decode("utf-8", "replace")
        lower = key.lower()
        names.add(lower)
        if lower == "x-forwarded-for":
            addresses.append(text)
        elif lower not in dropped and lower not in ("transfer-encoding", "x-forwarded-proto", "x-forwarded-port"):
            kept.append((key, text))
    if "transfer-encoding" in names and "content-length" not in names:
        kept.append(("content-length", str(len(request.body))))
    if "x-amzn-trace-id" not in names:
        digits = f"{request_id.replace('-', ''):0<24.24}"
        kept.append(("x-amzn-trace-id", f"Root=1-{epoch_ms // 1000:08x}-{digits}"))
    kept.append(("x-forwarded-for", ", ".join([*addresses, request.client])))
    kept.append(("x-forwarded-port", str(request.port)))
    kept.append(("x-forwarded-proto", request.scheme))
    return kept


def header(request: HttpRequest, name: str) -> str:
    """Return the last value of a header field, or an empty text."""
    key = name.encode()
    return next((value.decode("latin-1") for sent, value in reversed(request.headers) if sent.lower() == key), "")


def listed(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Gather the values of each name."""
    lists: dict[str, list[str]] = {}
    for name, value in pairs:
        lists.setdefault(name, []).append(value)
    return lists


def body(request: HttpRequest) -> tuple[str, bool]:
    """Return a request's body for the event, and whether it is base64.

    By its Content-Type: `text/*`, JSON, JavaScript and XML are text unless they have a Content-Encoding. What sources
    do with such a body that is no UTF-8 is not documented; here it is base64.
    """
    media_type = header(request, "content-type").partition(";")[0].strip().lower()
    if (media_type.startswith("text/") or media_type in _TEXT_TYPES) and not header(request, "content-encoding"):
        try:
            return request.body.decode(), False
        except UnicodeDecodeError:
            pass
    return b64encode(request.body).decode(), bool(request.body)


def request_time(epoch_ms: int) -> str:
    """Write a moment as in the Common Log Format: `12/Mar/2020:19:03:58 +0000`."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[moment.month - 1]
    return f"{moment:%d}/{month}/{moment:%Y:%H:%M:%S} +0000"
