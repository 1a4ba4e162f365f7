"""Bodies in the JSON of events and replies: base64 or text, and a way around reading and writing megabytes as JSON."""

from __future__ import annotations

import binascii
import posix

from upproxy.proxy.errors import BadEvent
from upproxy.proxy.events.fields import utf8
from upproxy.proxy.lean import dumps, dumps_text, loads

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.messages import Headers

_LARGE = 65_536  # bytes from which on the vectorised pybase64 is worth its import, and a body is worth being cut out
_BODY = b'"body":"'  # as AWS writes it
_MARK = posix.urandom(16).hex()  # stands for a body that was cut out, and is in no event
_CACHED_TYPES = 256

_pybase64: Any = None  # the module, or False when it is not installed
_text_types: dict[str, bool] = {}  # Content-Type -> whether bytes of it may be sent as JSON text

_TEXT = frozenset(
    ("json", "xml", "javascript", "x-javascript", "ecmascript", "yaml", "x-yaml", "x-ndjson", "x-www-form-urlencoded")
)
_TEXT_SUFFIXES = ("+json", "+xml", "+yaml")  # RFC 6838 section 4.2.8; +xml is svg too
_CHARSETS = frozenset(("utf-8", "utf8", "us-ascii", "ascii"))


def _vectorised() -> Any:
    global _pybase64
    if _pybase64 is None:
        from upproxy.proxy import vendor

        vendor.look_into(vendor.FOLDER)
        try:
            import pybase64  # type: ignore[import-not-found, unused-ignore]
        except ImportError:
            _pybase64 = False
        else:
            _pybase64 = pybase64
    return _pybase64


def read_event(data: bytes) -> Any:
    """Read an event's JSON. Raises JSONError.

    A large body in base64 is cut out first, and put in place as it is: the JSON scanner would look at each of its
    characters, of which none needs it. What is no base64 in it, control characters too, is found when it is decoded.
    """
    start, end = _large_body(data) if len(data) > _LARGE else (0, 0)
    if end and data.find(b"\\", start, end) < 0:
        event = loads(b"%b%b%b" % (data[:start], _MARK.encode(), data[end:]))
        # Otherwise the body was another object's, or is a text.
        if isinstance(event, dict) and event.get("body") == _MARK and event.get("isBase64Encoded") is True:
            try:
                event["body"] = str(memoryview(data)[start:end], "ascii")
            except UnicodeDecodeError:
                pass
            else:
                return event
    return loads(data)


def _large_body(data: bytes) -> tuple[int, int]:
    """Find the first large text under a key `body`: where it starts and ends, or 0 and 0."""
    end = 0
    while (key := data.find(_BODY, end)) >= 0:
        start = key + len(_BODY)
        end = data.find(b'"', start)
        if end < 0:
            break
        if end - start > _LARGE:
            return start, end
    return 0, 0


def request_body(event: dict[str, Any]) -> bytes:
    """Return the bytes of an event's body. Raises BadEvent when it is no text, or no base64 where it should be."""
    body = event.get("body")
    if not body and (body is None or body == ""):
        return b""
    if not isinstance(body, str):
        raise BadEvent("the event's body is no text")
    if event.get("isBase64Encoded") is not True:
        return utf8(body)
    try:
        if len(body) > _LARGE and (fast := _vectorised()):
            decoded: bytes = fast.b64decode(body, validate=True)
            return decoded
        return binascii.a2b_base64(body, strict_mode=True)
    except ValueError:
        raise BadEvent("the event's body is no base64") from None


def reply(head: dict[str, Any], headers: Headers, body: bytes) -> bytes:
    """Build a reply's JSON: `head`, then the body as text or, where the headers or the bytes ask for it, as base64.

    Base64 is put in place as bytes: encoding megabytes of it as JSON would cost more than all the rest.
    """
    start = dumps(head)[:-1]
    if _may_be_text(headers):
        try:
            text = body.decode()
        except UnicodeDecodeError:
            pass
        else:
            return f'{start},"isBase64Encoded":false,"body":{dumps_text(text)}}}'.encode()
    if len(body) > _LARGE and (fast := _vectorised()):
        encoded = fast.b64encode(body)
    else:
        encoded = binascii.b2a_base64(body, newline=False)
    return b'%b,"isBase64Encoded":true,"body":"%b"}' % (start.encode(), encoded)


def _may_be_text(headers: Headers) -> bool:
    """Whether the gateway would send the same bytes again if they came to it as text.

    It writes UTF-8 whatever the declared charset, and a coded body is no text at all. Without a Content-Type the bytes
    alone decide.
    """
    media_type = ""
    for name, value in headers.items:
        if name == "content-type":
            media_type = value
        elif name == "content-encoding" and value.strip().lower() not in ("", "identity"):
            return False
    known = _text_types.get(media_type)
    if known is None:
        known = _is_text_type(media_type)
        if len(media_type) <= _CACHED_TYPES:
            if len(_text_types) >= _CACHED_TYPES:
                _text_types.clear()
            _text_types[media_type] = known
    return known


def _is_text_type(value: str) -> bool:
    media_type, *parameters = value.lower().split(";")
    main, _, sub = media_type.strip().partition("/")
    if value and main != "text" and sub not in _TEXT and not sub.endswith(_TEXT_SUFFIXES):
        return False
    for parameter in parameters:
        name, _, charset = parameter.partition("=")
        if name.strip() == "charset" and charset.strip(" \t\"'") not in _CHARSETS:
            return False
    return True
