"""The access line: one a request."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.log import Log
    from upproxy.proxy.manifest import Manifest
    from upproxy.proxy.messages import Request

# Values of these query keys are credentials often enough that no log should have them.
_SECRET_KEYS = frozenset(
    ("access_token", "api_key", "apikey", "auth", "authorization", "client_secret", "code", "id_token", "jwt", "key",
     "password", "passwd", "pwd", "refresh_token", "secret", "session", "sig", "signature", "token",
     "x-amz-credential", "x-amz-security-token", "x-amz-signature")
)  # fmt: skip


class AccessLog:
    """Writes the line with what Up's users know: method, path, query, ip, status, duration (ms), size (bytes)."""

    def __init__(self, log: Log, manifest: Manifest) -> None:
        self._log = log
        self._stage = manifest.stage
        self._version = manifest.version
        self._disabled = manifest.logs.disable

    def write(self, request: Request, status: int, size: int, seconds: float) -> None:
        """Write the line of a finished request."""
        if self._disabled:
            return
        line = {
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
            line["query"] = redact(request.query)
        if self._version:
            line["version"] = self._version
        self._log.write_lines([line])


def redact(query: str) -> str:
    """Take the values of credentials out of a raw query."""
    pairs = query.split("&")
    for at, pair in enumerate(pairs):
        name, equals, _ = pair.partition("=")
        if equals and name.lower() in _SECRET_KEYS:
            pairs[at] = f"{name}=[redacted]"
    return "&".join(pairs)
