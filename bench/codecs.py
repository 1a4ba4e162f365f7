"""Decoding events and encoding replies alone, without a socket: our codecs, and Mangum's where it is installed."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable

from bench import installed
from bench.cases import CLIENT_FIELDS, COOKIES, ROOT
from bench.figures import WrongAnswer
from bench.rounds import Row, Series, row
from upproxy.local.sources import SOURCES, HttpRequest

NAME = "codec"
EVENTS = "function_url", "http_api", "rest_api", "alb"
STEPS = "decode", "encode"
BATCH = 200  # of each in a round


def measure(rounds: int, progress: Callable[[str], None]) -> list[Row]:
    """Measure all. Raises WrongAnswer."""
    progress(NAME)
    fields = [(name.encode(), value.encode()) for name, value in CLIENT_FIELDS.items()]
    request = HttpRequest(
        "GET", "/small?a=1&b=two%20words", [*fields, (b"cookie", "; ".join(COOKIES).encode())], b"", "203.0.113.7",
        "shop.example.com", 443, "https",
    )  # fmt: skip
    events = {name: SOURCES[name].event(request, request_id="1", epoch_ms=0) for name in EVENTS}
    done = subprocess.run(
        [installed.python(), "-m", "bench.codec_loop", str(rounds), str(BATCH)],
        input=json.dumps(events),
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": ROOT},
    )
    if done.returncode:
        raise WrongAnswer(f"the codecs cannot be measured: {done.stderr}")
    rows = []
    for source, steps in json.loads(done.stdout).items():
        for what, adapters in steps.items():
            series = {name: _series(times) for name, times in adapters.items()}
            floor = next(iter(series.values())).medians
            rows += [row(f"{NAME}/{source}-{what}", name, one, floor) for name, one in series.items()]
    return rows


def _series(times: list[tuple[int, int]]) -> Series:
    series = Series()
    series.medians = [wall / BATCH for wall, _ in times]
    series.elapsed = [wall for wall, _ in times]
    series.cpu = [cpu for _, cpu in times]
    series.cpu_all = sum(series.cpu)
    series.n = BATCH * len(times)
    return series
