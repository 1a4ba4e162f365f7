"""What travels through the proxy: a request, a response, their headers, and the invocation that brought them."""

from __future__ import annotations

TYPE_CHECKING = False  # mypy understands this name; importing typing would cost 12 ms of cold start
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Protocol

    class Stream(Protocol):
        """A body that is not in memory: chunks of bytes, and a way to give it up early."""

        def __aiter__(self) -> Stream: ...
        async def __anext__(self) -> bytes: ...
        def close(self) -> None:
            """Release what feeds the stream; may be called more than once, and after the end."""

    Body = bytes | Stream


class Headers:
    """Header fields in their order, repeats kept.

    Names are lower case. Values are text whose code points are the bytes on the wire (latin-1), as in WSGI.
    """

    __slots__ = ("items",)

    def __init__(self, items: Iterable[tuple[str, str]] = ()) -> None:
        self.items: list[tuple[str, str]] = list(items)

    def get(self, name: str, default: str = "") -> str:
        """Return the first value of a field (lower-case name), or the default."""
        for key, value in self.items:
            if key == name:
                return value
        return default

    def get_all(self, name: str) -> list[str]:
        """Return every value of a field, in order."""
        return [value for key, value in self.items if key == name]

    def add(self, name: str, value: str) -> None:
        """Append a field, beside others of its name."""
        self.items.append((name, value))

    def set(self, name: str, value: str) -> None:
        """Put one field in place of all of its name."""
        self.remove(name)
        self.items.append((name, value))

    def remove(self, *names: str) -> None:
        """Drop every field of these names."""
        self.items = [item for item in self.items if item[0] not in names]

    def __contains__(self, name: object) -> bool:
        return any(key == name for key, _ in self.items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items)

    def __len__(self) -> int:
        return len(self.items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self.items == other.items

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        return f"Headers({self.items!r})"


class Invocation:
    """One turn of the Lambda function: what the Runtime API says beside the event.

    `deadline` is a `time.monotonic()` moment in seconds. Texts are empty where Lambda sent nothing. `request_id` is
    what the logs and the app know the request by: Lambda's own, which `aws_request_id` stays, or a trusted one.
    `thawed_ms` is how long the app was frozen since its last request, 0 where it was not.
    """

    __slots__ = (
        "arn", "aws_request_id", "client_context", "cognito_identity", "deadline", "deadline_ms", "invocation_id",
        "request_id", "tenant_id", "thawed_ms", "trace_id",
    )  # fmt: skip

    def __init__(
        self,
        request_id: str,
        *,
        deadline: float,
        deadline_ms: int = 0,
        arn: str = "",
        trace_id: str = "",
        client_context: str = "",
        cognito_identity: str = "",
        tenant_id: str = "",
        invocation_id: str = "",
    ) -> None:
        self.request_id = self.aws_request_id = request_id
        self.deadline = deadline
        self.deadline_ms = deadline_ms
        self.arn = arn
        self.trace_id = trace_id
        self.client_context = client_context
        self.cognito_identity = cognito_identity
        self.tenant_id = tenant_id
        self.invocation_id = invocation_id
        self.thawed_ms = 0


class Request:
    """An HTTP request as the client sent it, as far as the event source kept it.

    `path` (always starts with `/`) and `query` (without `?`) are raw: still percent-encoded ASCII. `prefix` is the
    part of the public path that was cut from `path`. `client` is the address that the source itself saw. `context` is
    the event's `requestContext`, None for a trigger. `headers` hold no hop-by-hop, trust or underscore names.
    """

    __slots__ = (
        "body", "client", "context", "headers", "invocation", "method", "path", "prefix", "query", "scheme", "source",
        "upstream_seconds",
    )  # fmt: skip
    upstream_seconds: float  # how long the app took to answer; only where the access line says so

    def __init__(
        self,
        method: str,
        path: str,
        query: str,
        headers: Headers,
        body: bytes,
        *,
        invocation: Invocation,
        source: str,
        client: str = "",
        scheme: str = "https",
        prefix: str = "",
        context: dict[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.invocation = invocation
        self.source = source
        self.client = client
        self.scheme = scheme
        self.prefix = prefix
        self.context = context


class Response:
    """An HTTP response. `body` is the bytes themselves or a stream of them, which whoever holds it has to close."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: Headers, body: Body = b"") -> None:
        self.status = status
        self.headers = headers
        self.body = body
