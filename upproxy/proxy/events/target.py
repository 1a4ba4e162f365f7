"""The request target (RFC 9112 section 3.2): path, query and prefix as raw ASCII that can stand in a request line."""

from __future__ import annotations

from upproxy.proxy.errors import BadEvent
from upproxy.proxy.events.fields import utf8

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_UNRESERVED = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
_PATH = frozenset(_UNRESERVED + "!$&'()*+,;=:@/")  # pchar and / (RFC 3986 section 3.3), without %
_HEX = frozenset("0123456789abcdefABCDEF")
_VISIBLE = "".join(map(chr, range(0x21, 0x7F)))
_ENDS_OF_PATHS = "?#\0"  # for those that look for them once a path is decoded


def _escapes(passed: str | frozenset[str]) -> dict[int, str]:
    """Build a table for `str.translate`: every byte that is not passed becomes its percent-encoding."""
    return {byte: f"%{byte:02X}" for byte in range(256) if chr(byte) not in passed}


_DECODED_PATH = _escapes(_PATH)
_RAW_PATH = _escapes(_VISIBLE.replace("#", "").replace("?", ""))
_RAW_QUERY = _escapes(_VISIBLE.replace("#", ""))
_RAW_QUERY_PART = _escapes(_VISIBLE.replace("#", "").replace("&", ""))
_RAW_QUERY_NAME = _escapes(_VISIBLE.replace("#", "").replace("&", "").replace("=", ""))
_FORM = _escapes(_UNRESERVED) | {0x20: "+"}


def _translate(text: str, table: dict[int, str]) -> str:
    return utf8(text).decode("latin-1").translate(table)


def raw_path(path: Any) -> str:
    """Take a path that is still percent-encoded; only what would break the request line is encoded now."""
    if not path:
        return "/"
    if not isinstance(path, str):
        raise BadEvent("the event's path is no text")
    if not path.isascii() or not path.isprintable() or " " in path or "#" in path or "?" in path:
        path = _translate(path, _RAW_PATH)
    return path if path[0] == "/" else f"/{path}"


def decoded_path(path: Any) -> str:
    """Take a path that the gateway has decoded; whatever cannot stand in one, % included, is encoded again."""
    if not path:
        return "/"
    if not isinstance(path, str):
        raise BadEvent("the event's path is no text")
    if not _PATH.issuperset(path):
        path = _translate(path, _DECODED_PATH)
    return path if path[0] == "/" else f"/{path}"


def raw_query(query: Any) -> str:
    """Take a query that is still percent-encoded; only what would break the request line is encoded now."""
    if not query:
        return ""
    if not isinstance(query, str):
        raise BadEvent("the event's query is no text")
    if query.isascii() and query.isprintable() and " " not in query and "#" not in query:
        return query
    return _translate(query, _RAW_QUERY)


def query_of_decoded(parameters: Any) -> str:
    """Build a query from a map of decoded names to values or lists of values, as a form would be encoded."""
    return "&".join(
        [f"{_translate(name, _FORM)}={_translate(value, _FORM)}" for name, value in _parameters(parameters)]
    )


def query_of_raw(parameters: Any) -> str:
    """Build a query from a map of names to values or lists of values, both still percent-encoded."""
    return "&".join(
        [
            f"{_translate(name, _RAW_QUERY_NAME)}={_translate(value, _RAW_QUERY_PART)}"
            for name, value in _parameters(parameters)
        ]
    )


def _parameters(parameters: Any) -> list[tuple[str, str]]:
    if not parameters:
        return []
    if not isinstance(parameters, dict):
        raise BadEvent("the event's query is no map")
    pairs = []
    for name, values in parameters.items():
        for value in values if isinstance(values, list) else [values]:
            if isinstance(value, (dict, list)):
                raise BadEvent("a query value that is no text")
            pairs.append((name, value if isinstance(value, str) else "" if value is None else repr(value)))
    return pairs


def cut(path: str, prefix: str) -> str | None:
    """Return the path without a prefix (such as `/prod`), or None where it does not begin with whole segments of it."""
    if not prefix or not path.startswith(prefix):
        return None
    rest = path[len(prefix) :]
    if not rest:
        return "/"
    return rest if rest[0] == "/" else None


def destinations(path: str) -> list[list[str]]:
    """Return the segments of every path that some server or framework may take this one for.

    They differ in how often they decode, whether they look at case, empty segments, dot segments, backslashes,
    parameters, and an encoded `?`, `#` or NUL, and whether a leading `//` begins a host name. For comparing only, never
    for forwarding.
    """
    text = path
    for _ in range(4):
        decoded = unquote(text)
        if decoded == text:
            break
        text = decoded
    found = [_segments(text)]
    start = text
    for end in _ENDS_OF_PATHS:
        start = start.partition(end)[0]
    if start != text:
        found.append(_segments(start))
    if text[1:2] in ("/", "\\"):
        found += [segments[1:] for segments in found]
    return found


def _segments(path: str) -> list[str]:
    segments: list[str] = []
    for part in path.lower().replace("\\", "/").split("/"):
        for end in f";{_ENDS_OF_PATHS}":
            part = part.partition(end)[0]
        segment = part.strip()
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    return segments


def unquote(text: str) -> str:
    """Decode percent-encodings; bytes that are no UTF-8 are replaced."""
    first, *rest = text.split("%")
    if not rest:
        return text
    decoded = [first.encode()]
    for part in rest:
        if _HEX.issuperset(part[:2]) and len(part) >= 2:
            decoded += bytes((int(part[:2], 16),)), part[2:].encode()
        else:
            decoded += b"%", part.encode()
    return b"".join(decoded).decode("utf-8", "replace")
