"""What every event source's codec has: decode an event to a request, encode a response to a payload."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from upproxy.proxy.manifest import EventOptions
    from upproxy.proxy.messages import Invocation, Request, Response


class Codec:
    """One source of events. Holds its options and nothing of a request: one codec serves many at once."""

    name: str
    streams = False  # whether this source can take a streamed reply at all

    def __init__(self, options: EventOptions) -> None:
        self.options = options

    @staticmethod
    def matches(event: dict[str, Any], context: dict[str, Any]) -> bool:
        """Whether the event, whose `requestContext` is given too, comes from this source."""
        raise NotImplementedError

    def decode(self, event: dict[str, Any], invocation: Invocation) -> Request:
        """Turn an event that matches into the request that the client sent. Raises BadEvent."""
        raise NotImplementedError

    def encode(self, request: Request, response: Response, body: bytes) -> bytes:
        """Build the whole JSON payload of a buffered reply."""
        raise NotImplementedError

    def prelude(self, response: Response) -> bytes:
        """Build the JSON head of a streamed reply, without the 8 NUL bytes that end it."""
        raise NotImplementedError
