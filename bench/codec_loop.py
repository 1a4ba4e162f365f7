"""Decodes events and encodes replies, again and again: run as a script by the interpreter that has the rivals.

    python -m bench.codec_loop ROUNDS BATCH

From the event's JSON to the request that the app is given, and from its response to the reply's JSON. Reads events by
their sources, as JSON, and writes `{source: {what: {adapter: [[wall ns, CPU ns] of each round]}}}`.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from bench.apps import answers

FIELDS = [("content-type", "application/json"), ("x-bench", answers.FIELDS["x-bench"]), ("set-cookie", answers.COOKIE)]


class Way(NamedTuple):
    """How an adapter decodes an event's JSON, and encodes the reply to it."""

    decode: Callable[[], object]
    encode: Callable[[], bytes]


def _upproxy(payload: bytes) -> Way:
    from upproxy.proxy.events.detection import Codecs
    from upproxy.proxy.lean import loads
    from upproxy.proxy.manifest import EventOptions
    from upproxy.proxy.messages import Headers, Invocation, Response

    codecs = Codecs(EventOptions())
    invocation = Invocation("1", deadline=time.monotonic() + 3600)

    def decode() -> Any:
        event = loads(payload)
        return codecs.codec_for(event).decode(event, invocation)

    request = decode()
    codec = codecs.codec_for(loads(payload))
    return Way(decode, lambda: codec.encode(request, Response(200, Headers(FIELDS)), answers.SMALL))


def _mangum(payload: bytes) -> Way:
    from mangum import Mangum

    adapter = Mangum(lambda: None)

    def decode() -> Any:
        handler = adapter.infer(json.loads(payload), None)
        return handler.scope, handler.body

    handler = adapter.infer(json.loads(payload), None)
    headers = [[name.encode(), value.encode()] for name, value in FIELDS]
    return Way(
        decode,
        lambda: json.dumps(handler({"status": 200, "headers": [*headers], "body": answers.SMALL})).encode(),
    )


def _time(step: Callable[[], object], count: int) -> tuple[int, int]:
    cpu, began = time.process_time_ns(), time.perf_counter_ns()
    for _ in range(count):
        step()
    return time.perf_counter_ns() - began, time.process_time_ns() - cpu


def main() -> None:
    rounds, batch = int(sys.argv[1]), int(sys.argv[2])
    adapters = {"upproxy": _upproxy}
    if importlib.util.find_spec("mangum"):
        adapters["Mangum"] = _mangum
    found: dict[str, Any] = {}
    for source, event in json.load(sys.stdin).items():
        payload = json.dumps(event, separators=(",", ":")).encode()
        ways = {name: adapter(payload) for name, adapter in adapters.items()}
        found[source] = {what: {name: [] for name in ways} for what in Way._fields}
        for turn in range(rounds + 1):
            for what, series in found[source].items():
                for name, way in ways.items():
                    times = _time(getattr(way, what), batch)
                    if turn:  # in the first everything is new
                        series[name].append(times)
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
