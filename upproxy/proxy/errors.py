"""What can go wrong on a request's way; each error knows the HTTP status it becomes."""

from __future__ import annotations

from upproxy.proxy.messages import Headers, Response

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class ProxyError(Exception):
    """The root: `str(error)` is a sentence for the log, `public` what a client may read.

    `fields` are added to the log line.
    """

    status = 500
    public = "Internal Server Error"

    def __init__(self, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.fields = fields

    @property
    def level(self) -> str:
        """The level of its log line: a client's fault is a warning, ours and the app's an error."""
        return "error" if self.status >= 500 else "warn"

    def response(self) -> Response:
        """Build the answer that the client gets, which tells nothing of the inside."""
        headers = Headers([("content-type", "text/plain; charset=utf-8"), ("cache-control", "no-store")])
        if self.status == 503:
            headers.add("retry-after", "1")
        return Response(self.status, headers, f"{self.public}\n".encode())


class BadEvent(ProxyError):
    """The event cannot be an HTTP request: odd types, control characters in a header, body that is no base64."""

    status = 400
    public = "Bad Request"


class Forbidden(ProxyError):
    """A path that HTTP may not reach, such as the one of the triggers; answered as if it were not there."""

    status = 404
    public = "Not Found"


class UpgradeRefused(ProxyError):
    """The client asked to switch protocols, which Lambda's HTTP events cannot carry."""

    status = 501
    public = (
        "WebSocket and other upgrades cannot pass Lambda's HTTP events. "
        "Use server-sent events, or an API Gateway WebSocket API, AWS IoT Core or AppSync Events beside the app."
    )


class UpstreamError(ProxyError):
    """The app did not answer properly."""

    status = 502
    public = "The app did not answer properly"


class UpstreamDied(UpstreamError):
    """The connection to the app ended before its answer did."""


class UpstreamMalformed(UpstreamError):
    """The app's answer is no HTTP/1.1, or its length is ambiguous."""


class UpstreamUnavailable(UpstreamError):
    """The app is starting or restarting and was not ready in time."""

    status = 503
    public = "The app is not ready yet, please try again"


class UpstreamTimeout(UpstreamError):
    """The app did not answer in time."""

    status = 504
    public = "The app did not answer in time"


class ResponseTooLarge(ProxyError):
    """A buffered response that Lambda would refuse: over 6,291,556 bytes of payload."""

    status = 502
    public = "The response is larger than Lambda allows for a buffered reply"


class NotConfigured(ProxyError):
    """An event of a kind that this app is not set up for."""

    status = 400
    public = "Bad Request"


class TriggerFailed(ProxyError):
    """The app answered a trigger event with a status of 400 or more: a failed invocation, so that Lambda retries."""
