"""What functions write, on its way to CloudWatch Logs: the one place that every line passes.

A line is kept where its log group exists; there is none, as on AWS, for a function whose role may not create one.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Any

from upproxy.local.instance import Ended, LogStream
from upproxy.local.sandbox.cloudwatch.ingestion import Ingestion

TAIL = 4096  # bytes of a log that an invocation can be asked to return

Backend = Callable[[str], Any]
"""Returns moto's state of CloudWatch Logs in a region."""


class Logs:
    """Writes log streams. `console` is called with each line too, for whoever looks on."""

    def __init__(self, backend: Backend, ingestion: Ingestion, console: Callable[[str, str], None]) -> None:
        self._backend = backend
        self._ingestion = ingestion
        self._console = console

    def stream(
        self,
        region: str,
        function: str,
        group: str,
        name: str,
        on_ended: Callable[[Ended], None],
        on_report: Callable[[str, str], None],
    ) -> LogStream:
        """Open the log stream of an instance, in the log group of its function.

        `on_ended` is called with what each invocation came to, `on_report` with the request id of each that has been
        reported, and with its log.
        """
        kept: deque[str] = deque(maxlen=TAIL)  # a line has a byte at least

        def write(line: str) -> None:
            kept.append(line)
            self._put(region, group, name, line)
            self._console(function, line)

        def on_line(source: str, line: bytes) -> None:  # noqa: ARG001
            write(line.decode("utf-8", "replace"))

        def on_platform(line: str) -> None:
            write(line)
            if line.startswith("REPORT RequestId: "):
                request_id = line.split("\t", 1)[0].removeprefix("REPORT RequestId: ")
                tail = "".join(f"{one}\n" for one in kept).encode()[-TAIL:]
                on_report(request_id, tail.decode("utf-8", "ignore"))
                kept.clear()

        return LogStream(on_line, on_platform, on_ended)

    def _put(self, region: str, group: str, stream: str, line: str) -> None:
        found = self._backend(region).groups.get(group)
        if found is None:
            return
        if stream not in found.streams:
            found.create_log_stream(stream)
        message = line or " "
        found.put_log_events(stream, [{"timestamp": int(time.time() * 1000), "message": message}])
        self._ingestion.take(region, group, message)
