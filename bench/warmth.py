"""`python -m bench.warmth`: cold starts that users see, without warming, with one ping, and with the warmer.

Real instances of the local fleet, in a time that passes faster; the same bursts of requests for each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import math
import os
import random
import re
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from time import perf_counter
from typing import Any, NamedTuple

from bench.cases import ROOT
from bench.chart import Panel, draw
from bench.driver import WrongReply
from upproxy.config.warm import Warming
from upproxy.local.fleet import Fleet, Scaling
from upproxy.local.instance import LogStream
from upproxy.local.invocation import Buffered
from upproxy.local.schedule import Schedule
from upproxy.local.serve import Options, Project
from upproxy.local.sources import SOURCES, HttpRequest
from upproxy.local.watchdog import Watchdog
from upproxy.observe import prices
from upproxy.observe.metrics.cost import Usage, WarmerUsage, monthly
from upproxy.warmer.warmer import Tick

NAME = "warmth"
APP = os.path.join(ROOT, "sample_app", "flask")
MEMORY = 512  # MB
COUNT = 5  # instances to be warm, and the most requests of a burst
MOST = 4 * COUNT
IDLE = 6 * 60  # seconds that an idle instance is kept; all times are those that pass faster
GAP = 6 * 60  # seconds between bursts, in the mean
RATE = 5 * 60  # seconds between ticks of the warmer
PING_RATE = 4 * 60  # seconds between single pings, Zappa's default
SEED = 1
BURSTS = 12  # of `make bench`
SPEED = 60.0
STRATEGIES = "no warming", "one ping", "warmer"


class Burst(NamedTuple):
    """Requests at once, so many seconds after the ones before."""

    gap: float
    size: int


@dataclass(frozen=True)
class Outcome:
    """What users and the bill saw of a strategy. Times are in ms as they passed, `cold` in 1,000 requests.

    `distinct` is how many instances the worst and the best tick warmed; `warming` is the part of the `monthly` cost
    that is not of requests, in US dollars.
    """

    strategy: str
    requests: int
    cold: float
    p50: float
    p99: float
    ticks: int
    distinct: tuple[int, int]
    monthly: float
    warming: float


def arrivals(bursts: int, seed: int = SEED) -> list[Burst]:
    """Make a Poisson process of bursts; the same for the same seed."""
    chance = random.Random(seed)
    return [Burst(chance.expovariate(1 / GAP), chance.randint(1, COUNT)) for _ in range(bursts)]


class Reports(dict[str, tuple[float, bool]]):
    """Billed ms of every invocation, and whether it waited for a cold start: what Lambda's REPORT lines say."""

    def __call__(self, line: str) -> None:
        if match := re.match(r"REPORT RequestId: (\S+)\t.*Billed Duration: (\d+) ms", line):
            self[match[1]] = float(match[2]), "Init Duration" in line


class Users:
    """Sends bursts, checks every reply and keeps the latencies, in ms."""

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._request = HttpRequest("GET", "/health", [(b"host", b"notes.test")], b"", "127.0.0.1", "", 80, "http")
        self.latencies: dict[str, float] = {}

    async def send(self, burst: Burst) -> None:
        """Send them at once, and wait until all are answered."""
        await asyncio.gather(*(self._send() for _ in range(burst.size)))

    async def _send(self) -> None:
        request_id = str(uuid.uuid4())
        source = SOURCES["http_api"]
        event = json.dumps(source.event(self._request, request_id=request_id, epoch_ms=0)).encode()
        began = perf_counter()
        reply = await self._fleet.invoke(event, timeout=30, request_id=request_id)
        self.latencies[request_id] = (perf_counter() - began) * 1000
        if not isinstance(reply, Buffered) or source.reply(reply.payload).status != 200:
            raise WrongReply(f"{reply}")


async def _ping(fleet: Fleet, speed: float) -> None:
    """Warm as Zappa does: one message, and whichever instance takes it."""
    while True:
        await fleet.invoke(b'{"upproxy": {"warm": {}}}', timeout=30)
        await asyncio.sleep(PING_RATE / speed)


async def measure(strategy: str, bursts: Sequence[Burst], speed: float) -> Outcome:
    """Run a strategy. Raises WrongReply."""
    reports = Reports()
    ticks: list[Tick] = []
    with tempfile.TemporaryDirectory() as folder:
        options = Options(directory=APP, source="http_api", on_demand=True, memory=MEMORY)
        project = Project(options, folder)
        watchdog = Watchdog(folder)
        fleet = Fleet(
            project.function,
            project.explain,
            Scaling(most=MOST, idle_timeout=IDLE / speed),
            folder=folder,
            logs=lambda _: LogStream(platform=reports),
            log=lambda *_, **__: None,
            guard=watchdog,
        )
        users = Users(fleet)
        schedule = Schedule(fleet, timeout=30, on_tick=ticks.append, speed=speed)
        pinging: asyncio.Task[None] | None = None
        try:
            await fleet.start()
            await users.send(Burst(0, 1))  # the instance that came with the code: nobody waited for its start
            (first,) = users.latencies
            users.latencies.clear()
            began = perf_counter()
            if strategy == "warmer":
                await schedule.keep(Warming(COUNT, RATE, None), project.name)
            elif strategy == "one ping":
                pinging = asyncio.create_task(_ping(fleet, speed))
            for burst in bursts:
                await asyncio.sleep(burst.gap / speed)
                await users.send(burst)
            seconds = (perf_counter() - began) * speed
            await schedule.close()
            if pinging is not None and not pinging.cancel():
                pinging.result()  # it has failed
            await asyncio.gather(*(instance.settled.wait() for instance in fleet.instances))
            await asyncio.sleep(0.05)  # REPORT lines come a turn after
        finally:
            if pinging is not None:
                pinging.cancel()
            await schedule.close()
            await fleet.close()
            watchdog.close()
    del reports[first]
    return _outcome(strategy, users.latencies, reports, ticks, seconds)


def _outcome(
    strategy: str, latencies: dict[str, float], reports: Reports, ticks: list[Tick], seconds: float
) -> Outcome:
    if missing := latencies.keys() - reports.keys():
        raise WrongReply(f"{len(missing)} requests have no REPORT line")
    billed = sum(billed for billed, _ in reports.values())
    of_users = Usage(
        seconds=seconds, memory=MEMORY, invocations=len(latencies), billed_ms=sum(reports[one][0] for one in latencies)
    )
    warmer = WarmerUsage(len(ticks), sum(tick.duration_ms for tick in ticks)) if ticks else None
    everything = replace(of_users, invocations=len(reports), billed_ms=billed, warmer=warmer)
    cold = sum(reports[one][1] for one in latencies)
    waited = sorted(latencies.values())
    messages = len(reports) - len(latencies)
    distinct = [tick.distinct for tick in ticks] or [min(messages, 1)]
    return Outcome(
        strategy=strategy,
        requests=len(latencies),
        cold=cold / len(latencies) * 1000,
        p50=percentile(waited, 50),
        p99=percentile(waited, 99),
        ticks=len(ticks) or messages,
        distinct=(min(distinct), max(distinct)),
        monthly=monthly(everything),
        warming=monthly(everything) - monthly(of_users),
    )


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of sorted values that so many percent are not above (nearest rank)."""
    return values[max(0, math.ceil(len(values) * percent / 100) - 1)]


def table(outcomes: Sequence[Outcome]) -> str:
    """Write the outcomes as a Markdown table."""
    lines = [
        "| | requests | cold starts in 1,000 | p50 ms | p99 ms | ticks | warmed a tick | $ a month | of it warming |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for one in outcomes:
        warmed = f"{one.distinct[0]} to {one.distinct[1]}" if one.ticks else "–"
        lines.append(
            f"| {one.strategy} | {one.requests} | {one.cold:.0f} | {one.p50:.0f} | {one.p99:.0f} | {one.ticks or '–'} "
            f"| {warmed} | {one.monthly:.3f} | {one.warming:.3f} |"
        )
    kept = prices.provisioned(COUNT, MEMORY)
    return "\n".join([*lines, "", f"By prices of {prices.REGION}, {prices.DATE}; {COUNT} provisioned: ${kept:.2f}."])


def plot(outcomes: Sequence[Outcome]) -> str:
    """Draw what users see, as SVG."""
    return draw(
        "Cold starts and latency, without warming, with one ping, and with the warmer",
        [one.strategy for one in outcomes],
        [
            Panel("cold starts in 1,000 requests", [o.cold for o in outcomes], [f"{o.cold:.0f}" for o in outcomes]),
            Panel("p99 latency", [o.p99 for o in outcomes], [f"{o.p99:,.0f} ms" for o in outcomes]),
            Panel("cost a month", [o.monthly for o in outcomes], [f"${o.monthly:.2f}" for o in outcomes]),
        ],
    )


def run() -> list[dict[str, Any]]:
    """Measure all strategies, print the table, return it as plain data. Raises WrongReply."""
    outcomes = [asyncio.run(measure(strategy, arrivals(BURSTS), SPEED)) for strategy in STRATEGIES]
    print("", table(outcomes), sep="\n")
    return [asdict(outcome) for outcome in outcomes]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.warmth", description="Compare ways to keep instances warm.")
    parser.add_argument("--bursts", type=int, default=50, help="bursts of requests for each way (default 50)")
    parser.add_argument("--speed", type=float, default=60, help="how many times as fast time passes (default 60)")
    parser.add_argument("--only", choices=STRATEGIES, action="append", help="only this way; may be given again")
    parser.add_argument("--plot", metavar="FILE", help="draw the outcome there, as SVG")
    parser.add_argument("--output", metavar="FILE", help="add the outcome there, as lines of JSON")
    arguments = parser.parse_args()
    bursts = arrivals(arguments.bursts)
    outcomes = []
    for strategy in arguments.only or STRATEGIES:
        outcomes.append(asyncio.run(measure(strategy, bursts, arguments.speed)))
        if arguments.output:
            with open(arguments.output, "a") as file:
                file.write(json.dumps(asdict(outcomes[-1])) + "\n")
    print(table(outcomes))
    if arguments.plot:
        with open(arguments.plot, "w") as file:
            file.write(plot(outcomes))


if __name__ == "__main__":
    main()
