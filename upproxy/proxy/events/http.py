"""What the codecs of HTTP sources share: checks of the request, the frame of a reply."""

from __future__ import annotations

from upproxy.proxy.errors import BadEvent, Forbidden, UpgradeRefused, UpstreamError
from upproxy.proxy.events import payload
from upproxy.proxy.events.codec import Codec
from upproxy.proxy.events.fields import TOKEN, response_fields
from upproxy.proxy.events.target import destinations
from upproxy.proxy.lean import dumps
from upproxy.proxy.messages import Request

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.manifest import EventOptions
    from upproxy.proxy.messages import Headers, Invocation, Response

PRELUDE_LIMIT = 16_384 - 8  # bytes: the JSON and the 8 NUL bytes after it are looked for in the first 16 KB
_METHODS = frozenset(("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"))
_ADDRESS = frozenset("0123456789abcdefABCDEF.:")
_BODILESS = (204, 304)


class HttpCodec(Codec):
    """A source of HTTP requests."""

    def __init__(self, options: EventOptions) -> None:
        super().__init__(options)
        self._triggers = destinations(options.triggers)[0] if options.triggers is not None else None

    def request(
        self,
        method: Any,
        path: str,
        query: str,
        headers: Headers,
        event: dict[str, Any],
        *,
        client: Any,
        prefix: str,
        invocation: Invocation,
    ) -> Request:
        """Put a request together. Raises BadEvent, Forbidden, UpgradeRefused."""
        if not isinstance(method, str) or method not in _METHODS:
            if not isinstance(method, str) or not method or not TOKEN.issuperset(method):
                raise BadEvent(f"the event's method is no token: {method!r:.40}")
            if method == "CONNECT":
                raise UpgradeRefused("the client asked for a tunnel")
        if self._triggers is not None and self._triggers in destinations(path):
            raise Forbidden("an HTTP request to the path of the triggers")
        scheme = headers.get("x-forwarded-proto")
        return Request(
            method,
            path,
            query,
            headers,
            payload.request_body(event),
            invocation=invocation,
            source=self.name,
            client=client if isinstance(client, str) and _ADDRESS.issuperset(client) else "",
            scheme=scheme if scheme in ("http", "https") else "https",
            prefix=prefix,
            context=event["requestContext"],
        )

    def head(self, status: int, fields: list[tuple[str, str]], cookies: list[str]) -> dict[str, Any]:
        """Build the part of a reply that says everything but the body."""
        raise NotImplementedError

    def encode(self, request: Request, response: Response, body: bytes) -> bytes:
        """Build the whole JSON payload of a buffered reply. Content-Length is left to the gateway, which counts."""
        if request.method == "HEAD" or response.status in _BODILESS:
            body = b""
        return payload.reply(self.head(response.status, *response_fields(response.headers)), response.headers, body)

    def prelude(self, response: Response) -> bytes:
        """Build the JSON head of a streamed reply, with the Content-Length that the app announced.

        Raises UpstreamError when the fields do not fit.
        """
        fields, cookies = response_fields(response.headers)
        length = response.headers.get("content-length")
        # A body in memory of another length is that of HEAD, where the gateway would wait for bytes that never come.
        if length and response.status not in _BODILESS and (
            not isinstance(response.body, bytes) or length == str(len(response.body))
        ):  # fmt: skip
            fields.append(("content-length", length))
        head = dumps(self.head(response.status, fields, cookies)).encode()
        if len(head) > PRELUDE_LIMIT:
            raise UpstreamError(
                f"the response's header fields take {len(head)} bytes as JSON, "
                f"where a streamed reply has room for {PRELUDE_LIMIT}"
            )
        return head
