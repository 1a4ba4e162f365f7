"""The access line: one a request; and on demand one of metrics, in CloudWatch's embedded metric format.

What is not asked for costs nothing: which fields a line has is settled when the process starts.
"""

from __future__ import annotations

from binascii import crc32
from time import monotonic, time

from upproxy.proxy.events.target import unquote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from upproxy.proxy.log import Log
    from upproxy.proxy.manifest import Manifest
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.middleware.context import Handler
    from upproxy.proxy.runtime.instance import Instance

FIELDS = ("instance", "upstream", "request_size", "user_agent", "referer", "host", "source")
"""What a line may have beside the fields that it always has, and beside `header.<name>` for any request header."""

REDACTED = "[redacted]"

# Values of these query keys and header fields are credentials often enough that no log should have them.
SECRETS = frozenset(
    ("access_token", "api-key", "api_key", "apikey", "auth", "authorization", "client_secret", "code", "cookie",
     "credential", "credentials", "id_token", "jwt", "key", "passwd", "password", "proxy-authorization", "pwd",
     "refresh_token", "secret", "session", "session_id", "sessionid", "sid", "sig", "signature", "token",
     "x-amz-credential", "x-amz-security-token", "x-amz-signature", "x-api-key")
)  # fmt: skip
# reset_token, x-goog-api-key, x-forwarded-authorization
_SECRET_ENDS = ("token", "password", "secret", "api_key", "api-key", "signature", "credential", "authorization")

_DIRECTIVES = [
    {
        "Namespace": "upproxy",
        "Dimensions": [["App", "Stage"]],
        "Metrics": [
            {"Name": "Requests", "Unit": "Count"},
            {"Name": "4xx", "Unit": "Count"},
            {"Name": "5xx", "Unit": "Count"},
            {"Name": "Latency", "Unit": "Milliseconds"},
            {"Name": "ColdStarts", "Unit": "Count"},
        ],
    }
]


class Redaction:
    """Takes credentials out of what is logged. `names` are secret beside those that always are."""

    def __init__(self, names: list[str]) -> None:
        self._names = SECRETS.union(name.lower() for name in names)

    def hides(self, name: str) -> bool:
        """Whether the value under this query key or in this header field is not to be logged.

        A key counts as the app reads it, and in brackets too: `t%6Fken`, `token[]` and `user[password]` are secret.
        """
        name = name.lower()
        if "%" in name or "+" in name:
            name = unquote(name.replace("+", " ")).strip().lower()
        return self._is_secret(name) or ("[" in name and any(map(self._is_secret, name.replace("]", "").split("["))))

    def _is_secret(self, name: str) -> bool:
        return name in self._names or name.endswith(_SECRET_ENDS)

    def query(self, query: str) -> str:
        """Take the values of credentials out of a raw query."""
        return "&".join([self._pair(pair) for pair in query.split("&")])

    def _pair(self, pair: str) -> str:
        """Take the value out of `name=value`; some apps read `;` in it as another `&`."""
        start = 0
        for piece in pair.split(";"):
            name, equals, _ = piece.partition("=")
            if equals and self.hides(name):
                return f"{pair[:start]}{name}={REDACTED}"
            start += len(piece) + 1
        return pair

    def address(self, url: str) -> str:
        """Take credentials out of an address, and what has no place in a Referer (RFC 9110 section 10.1.3)."""
        base, mark, query = url.partition("#")[0].partition("?")
        scheme, separator, rest = base.partition("://")
        authority, slash, path = rest.partition("/")
        base = f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}"
        return f"{base}?{self.query(query)}" if mark else base


class AccessLog:
    """Writes the line with what Up's users know: method, path, query, ip, status, duration (ms), size (bytes).

    `write(request, status, size, seconds)` writes what there is to write of a finished request.
    """

    def __init__(self, log: Log, manifest: Manifest, instance: Instance) -> None:
        options = manifest.logs
        self._log = log
        self._instance = instance
        self._stage = manifest.stage
        self._version = manifest.version
        self._redaction = Redaction(options.redact)
        self._redacted = self._redaction.query
        # Where the request has another id, Lambda's own is needed to find the lines of the platform.
        fields = [*options.fields, *(("aws_request_id",) if options.request_id is not None else ())]
        self._getters = [(field, self._getter(field)) for field in fields]
        self._times_upstream = "upstream" in options.fields
        self._disabled = options.disable
        self._share = options.sample
        self._below = int(options.sample * 2**32)
        self._dimensions = {"App": manifest.name, "Stage": manifest.stage} if options.metrics else None
        self.write: Callable[[Request, int, int, float], None] = self._write
        if options.disable and not options.metrics:
            self.write = _write_nothing
        elif fields or options.metrics or options.sample < 1:
            self.write = self._write_as_asked

    def timed(self, upstream: Handler) -> Handler:
        """Put a clock around the app where the line says how long it took to answer; a stream up to its head."""
        if not self._times_upstream:
            return upstream

        async def handle(request: Request) -> Response:
            started = monotonic()
            try:
                return await upstream(request)
            finally:
                request.upstream_seconds = monotonic() - started

        return handle

    def _write(self, request: Request, status: int, size: int, seconds: float) -> None:
        self._log.write_lines([self._line(request, status, size, seconds)])

    def _line(self, request: Request, status: int, size: int, seconds: float) -> dict[str, Any]:
        line: dict[str, Any] = {
            "timestamp": self._log.timestamp(),
            "level": "error" if status >= 500 else "warn" if status >= 400 else "info",
            "message": "request",
            "request_id": request.invocation.request_id,
            "method": request.method,
            "path": request.path,
            "ip": request.client,
            "status": status,
            "duration": round(seconds * 1000, 2),
            "size": size,
            "stage": self._stage,
        }
        if request.query:
            line["query"] = self._redacted(request.query)
        if self._version:
            line["version"] = self._version
        if self._instance.turns == 1:
            line["cold"] = True
        return line

    def _write_as_asked(self, request: Request, status: int, size: int, seconds: float) -> None:
        lines = []
        sampled = self._share < 1 and 200 <= status < 300
        # By the id, so that all that is sampled by it, here or elsewhere, is of the same requests.
        if not self._disabled and not (sampled and crc32(request.invocation.request_id.encode()) >= self._below):
            line = self._line(request, status, size, seconds)
            for field, get in self._getters:
                value = get(request)
                if value not in ("", None):
                    line[field] = value
            if sampled:
                line["sample"] = self._share
            lines.append(line)
        if self._dimensions is not None:
            lines.append(self._metrics(self._dimensions, status, seconds))
        if lines:
            self._log.write_lines(lines)

    def _metrics(self, dimensions: dict[str, str], status: int, seconds: float) -> dict[str, Any]:
        """Build the line that CloudWatch makes metrics of (Embedded Metric Format Specification)."""
        return {
            "timestamp": self._log.timestamp(),
            "level": "info",
            "message": "metrics",
            "_aws": {"Timestamp": int(time() * 1000), "CloudWatchMetrics": _DIRECTIVES},
            **dimensions,
            "Requests": 1,
            "4xx": int(400 <= status < 500),
            "5xx": int(status >= 500),
            "Latency": round(seconds * 1000, 2),
            "ColdStarts": int(self._instance.turns == 1),
        }

    def _getter(self, field: str) -> Callable[[Request], Any]:
        match field:
            case "instance":
                return lambda _: self._instance.id
            case "aws_request_id":
                return lambda request: request.invocation.aws_request_id
            case "upstream":
                return _upstream_ms
            case "request_size":
                return lambda request: len(request.body)
            case "source":
                return lambda request: request.source
        name = field.removeprefix("header.").replace("_", "-")
        if self._redaction.hides(name):
            return lambda request: REDACTED if name in request.headers else ""
        if name == "referer":
            return lambda request: ", ".join(map(self._redaction.address, request.headers.get_all(name)))
        return lambda request: ", ".join(request.headers.get_all(name))


def _upstream_ms(request: Request) -> float | None:
    """Return the app's share of the time; None where it was not asked."""
    seconds: float | None = getattr(request, "upstream_seconds", None)
    return None if seconds is None else round(seconds * 1000, 2)


def _write_nothing(_request: Request, _status: int, _size: int, _seconds: float) -> None:
    pass
