"""Header fields on their way in and out: which are dropped, and how their text relates to the bytes on the wire.

An event's JSON holds what the client sent, read as UTF-8; `Headers` hold the bytes themselves, as latin-1.
"""

from __future__ import annotations

from upproxy.proxy.errors import BadEvent, UpgradeRefused
from upproxy.proxy.messages import Headers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

TOKEN = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")  # RFC 9110 5.6.2

# RFC 9110 section 7.6.1. Proxy-Authorization and Proxy-Authenticate are not among them: section 11.7 lets them through
# an intermediary that did not ask for them, and here only the app can have asked.
HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade")
)

_DROPPED = HOP_BY_HOP | {
    "content-length",  # follows from the body
    "expect", "http2-settings",  # spoken between the client and the gateway
    "sec-websocket-key",  # marks a handshake also where the gateway has dropped Connection and Upgrade
    "proxy",  # what CGI makes of it, HTTP_PROXY, sends the app's own requests elsewhere (CVE-2016-5385)
    # What the app trusts because the proxy or the gateway alone sets it.
    "x-amzn-request-context", "x-amzn-lambda-context", "x-amz-tenant-id",
    "x-context", "x-stage", "x-request-id",
    "forwarded", "x-forwarded-host", "x-forwarded-prefix", "x-forwarded-server", "x-forwarded-scheme",
    "x-forwarded-ssl", "x-original-url", "x-rewrite-url", "x-real-ip",
}  # fmt: skip
_DROPPED_PREFIXES = ("x-auth-", "x-up-")

# Set by the gateway, or needed for any request: a client may not take them away by naming them in Connection.
_LASTING = frozenset(("host", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-port", "x-amzn-trace-id"))

_NOT_RETURNED = HOP_BY_HOP | {"content-length"}

_CACHED_NAMES = 1_024
_CACHED_LENGTH = 64
_names: dict[str, str | None] = {}  # as sent -> lower case, or None for those that are dropped


def _judge(name: str) -> str | None:
    """Decide on a name that is not in the cache."""
    if not name or not TOKEN.issuperset(name):
        raise BadEvent(f"a header name that is no token: {name[:40]!r}")
    lower: str | None = name.lower()
    # WSGI and CGI fold - and _ into one, so that X_Auth_User would become X-Auth-User.
    if lower in _DROPPED or name.lower().startswith(_DROPPED_PREFIXES) or "_" in name:
        lower = None
    if len(name) <= _CACHED_LENGTH:
        if len(_names) >= _CACHED_NAMES:  # somebody makes names up; those in real use are back at once
            _names.clear()
        _names[name] = lower
    return lower


def request_headers(fields: Any, cookies: Any = None) -> Headers:
    """Clean the header map of an event; its values are texts or lists of texts.

    `cookies` is the event's own list of them, which stands for the Cookie header. Raises BadEvent for what no HTTP
    request can carry, UpgradeRefused for the start of a WebSocket or another protocol.
    """
    if fields is None:
        fields = {}
    elif not isinstance(fields, dict):
        raise BadEvent("the event's headers are no map")
    given = fields.items()
    if not _may_be_sent(fields.values()):
        given = [(name, text) for name, value in given for text in wire_texts(value)]
    kept: list[tuple[str, str]] = []
    dropped: list[tuple[str, str]] = []
    given_cookies: list[str] = []
    for name, value in given:
        try:
            lower = _names[name]
        except KeyError:
            lower = _judge(name)
        if lower is None:
            dropped.append((name.lower(), value))
        elif lower == "cookie":
            given_cookies.append(value)
        else:
            kept.append((lower, value))
    if dropped and (named := _named_in_connection(dropped)):
        kept = [item for item in kept if item[0] not in named]
        if "cookie" in named:
            given_cookies = []
    if cookies:
        given_cookies = wire_texts(cookies) or given_cookies
    if given_cookies:
        kept.append(("cookie", "; ".join(given_cookies)))
    return Headers(kept)


def _may_be_sent(values: Iterable[Any]) -> bool:
    """Whether all are texts that can stand on the wire as they are: nearly always so, and found out at once."""
    try:
        text = "".join(values)
    except TypeError:
        return False
    return text.isascii() and "\r" not in text and "\n" not in text and "\0" not in text


def wire_texts(value: Any) -> list[str]:
    """Turn a value of an event's map, or a list of them, into texts whose code points are bytes. Raises BadEvent.

    A null is no value; numbers and booleans, which only a hand-written event has, are written as JSON writes them.
    """
    values = value if isinstance(value, list) else [value]
    return values if _may_be_sent(values) else [_wire_text(one) for one in values if one is not None]


def _wire_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if not isinstance(value, str):
        raise BadEvent("a header value that is no text")
    if "\r" in value or "\n" in value or "\0" in value:
        raise BadEvent("a header value with a line break or NUL")
    return value if value.isascii() else utf8(value).decode("latin-1")


def utf8(text: str) -> bytes:
    """Encode a text of the event. Raises BadEvent for half of a surrogate pair."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise BadEvent("half of a surrogate pair in the event") from None


def _named_in_connection(dropped: list[tuple[str, str]]) -> set[str]:
    """Return the fields that Connection names; refuse to switch protocols (RFC 9110 sections 7.6.1 and 7.8)."""
    named: set[str] = set()
    protocols: set[str] = set()
    for name, value in dropped:
        if name == "sec-websocket-key":
            raise UpgradeRefused("the client asked for a WebSocket")
        if name == "connection":
            named.update(_members(value))
        elif name == "upgrade":
            protocols.update(_members(value))
    if "upgrade" in named and protocols - {"h2c"}:
        raise UpgradeRefused(f"the client asked to switch to {', '.join(sorted(protocols))[:80]}")
    return named - _LASTING


def _members(value: str) -> list[str]:
    """Split a comma-separated list into its members, in lower case."""
    return [member.strip(" \t").lower() for member in value.split(",")]


def response_fields(headers: Headers) -> tuple[list[tuple[str, str]], list[str]]:
    """Return the fields that a reply may carry and, apart, the values of its Set-Cookie fields, as text for JSON."""
    fields: list[tuple[str, str]] = []
    cookies: list[str] = []
    named: list[str] = []
    for name, value in headers.items:
        if name in _NOT_RETURNED:
            if name == "connection":
                named += _members(value)
            continue
        if not value.isascii():
            value = _json_text(value)
        if name == "set-cookie":
            cookies.append(value)
        else:
            fields.append((name, value))
    if named:
        fields = [field for field in fields if field[0] not in named]
    return fields, cookies


def _json_text(value: str) -> str:
    """Read the bytes as the UTF-8 that the gateway will write again; what is no UTF-8 stays latin-1."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def joined(fields: list[tuple[str, str]]) -> dict[str, str]:
    """Put fields into a map of one value a name; repeats are joined as RFC 9110 section 5.3 allows."""
    values: dict[str, str] = {}
    for name, value in fields:
        values[name] = f"{values[name]}, {value}" if name in values else value
    return values


def listed(fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, list[str]]:
    """Put fields and cookies into a map of lists."""
    values: dict[str, list[str]] = {}
    for name, value in fields:
        if name in values:
            values[name].append(value)
        else:
            values[name] = [value]
    if cookies:
        values["set-cookie"] = cookies
    return values
