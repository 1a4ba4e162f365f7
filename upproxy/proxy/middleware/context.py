"""What a middleware has beside its options."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from typing import Any

    from upproxy.proxy.log import Log
    from upproxy.proxy.messages import Request, Response
    from upproxy.proxy.waiting import Loop

    Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class Context:
    """The same for all of them: the log, the loop, the stage, and the app's folder.

    `streams` are the sources of events whose replies are streamed; those of all others are buffered, and their
    payload, base64 included, is `payload_limit` bytes at most.
    """

    __slots__ = ("directory", "log", "loop", "payload_limit", "stage", "streams")

    def __init__(
        self,
        *,
        log: Log,
        loop: Loop,
        stage: str,
        directory: str,
        streams: frozenset[str] = frozenset(),
        payload_limit: int = 6_291_556,
    ) -> None:
        self.log = log
        self.loop = loop
        self.stage = stage
        self.directory = directory
        self.streams = streams
        self.payload_limit = payload_limit
