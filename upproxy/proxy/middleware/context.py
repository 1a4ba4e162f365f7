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
    """The same for all of them: the log, the loop, the stage, and the app's folder."""

    __slots__ = ("directory", "log", "loop", "stage")

    def __init__(self, *, log: Log, loop: Loop, stage: str, directory: str) -> None:
        self.log = log
        self.loop = loop
        self.stage = stage
        self.directory = directory
