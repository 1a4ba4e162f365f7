"""Interleaved rounds: each candidate in turn, again and again, and each round judged by its own floor.

What else the machine does then hits all candidates alike, and goes out of the ratios.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from statistics import median, quantiles
from typing import TypedDict, TypeVar

from bench.candidates import FLOOR, RIVALS, Candidate, DelayedHop, Direct, EmptyHop, Upproxy, WithMiddleware
from bench.cases import CASES, COLD_START, Case

Item = TypeVar("Item")

WARM_UP = 50  # requests before the first round, checked as all are
MIDDLEWARE_CASE = "starlette/get"  # in which the cost of the default middleware is measured
DELAY = DelayedHop.delay  # µs that the harness has to find
TOLERANCE = 0.10  # of the known delay


class Row(TypedDict):
    """One candidate in one case.

    `median_us` is the median over the rounds of each round's median latency; `ratio` the median of the rounds' ratios
    to their floor, and `ratio_spread` the quartiles around it. `cpu_us` is the CPU time of the process under test for
    a request, `rss_mb` and `pss_mb` what it holds in the end, `per_second` the replies in a second, `n` the requests.
    """

    case: str
    candidate: str
    median_us: float
    ratio: float
    ratio_spread: tuple[float, float]
    cpu_us: float
    rss_mb: float
    pss_mb: float
    per_second: float
    n: int


class Series:
    """What the rounds of one candidate have given. Times are ns."""

    def __init__(self) -> None:
        self.medians: list[float] = []
        self.elapsed = 0
        self.cpu = 0
        self.rss = self.pss = 0.0
        self.n = 0


class Check(TypedDict):
    """How the harness measures a delay that it knows, in µs.

    It is judged by the latency. The delay is spent computing until it is over, so the CPU time is the same on a quiet
    machine, and less on one that takes the core away meanwhile.
    """

    delay_us: int
    latency_us: float
    cpu_us: float
    ok: bool


def warm(case: Case, *, rounds: int, count: int) -> list[Row]:
    """Measure every candidate in one case. Raises WrongReply."""
    also = [WithMiddleware] if case.name == MIDDLEWARE_CASE else []
    series = _interleave(case, [*FLOOR, *RIVALS, *also], rounds=rounds, count=count)
    floor = [
        hop + direct for hop, direct in zip(series[EmptyHop.name].medians, series[Direct.name].medians, strict=True)
    ]
    return [_row(case, name, one, floor) for name, one in series.items()]


def cold(*, starts: int) -> list[Row]:
    """Measure the time from a process's start to its first reply, on one core; the floor is the app alone.

    Raises WrongReply.
    """
    series = {Direct.name: Series(), Upproxy.name: Series()}
    for turn in range(starts + 1):
        for kind in _rotated([Direct, Upproxy], turn):
            with kind(COLD_START) as candidate:
                ended = candidate.start().run(1)["ended"]
                cpu = candidate.cpu_ns()
                if turn:  # the first ones read from the disk
                    one = series[candidate.name]
                    one.medians.append(ended - candidate.process.started)
                    one.elapsed += ended - candidate.process.started
                    one.cpu += cpu
                    one.n += 1
                    one.rss, one.pss = candidate.memory()
    floor = series[Direct.name].medians
    return [_row(COLD_START, name, one, floor) for name, one in series.items()]


def check(*, rounds: int, count: int) -> Check:
    """Measure the delay of a candidate that has a known one."""
    case = CASES["starlette/get"]
    series = _interleave(case, [EmptyHop, DelayedHop], rounds=rounds, count=count)
    plain, delayed = series[EmptyHop.name], series[DelayedHop.name]
    latency = median(slow - fast for slow, fast in zip(delayed.medians, plain.medians, strict=True)) / 1000
    cpu = (delayed.cpu / delayed.n - plain.cpu / plain.n) / 1000
    return {
        "delay_us": DELAY,
        "latency_us": round(latency, 1),
        "cpu_us": round(cpu, 1),
        "ok": abs(latency - DELAY) <= TOLERANCE * DELAY,
    }


def _interleave(
    case: Case, kinds: Sequence[Callable[[Case], Candidate]], *, rounds: int, count: int
) -> dict[str, Series]:
    with ExitStack() as stack:
        candidates = [stack.enter_context(kind(case)) for kind in kinds]
        series = {candidate.name: Series() for candidate in candidates}
        for candidate in candidates:
            candidate.start()
        for candidate in candidates:
            candidate.run(min(count, WARM_UP))
        for turn in range(rounds):
            for candidate in _rotated(candidates, turn):
                one = series[candidate.name]
                before = candidate.cpu_ns()
                measured = candidate.run(count)
                one.cpu += candidate.cpu_ns() - before
                one.medians.append(median(measured["latencies"]))
                one.elapsed += measured["ended"] - measured["began"]
                one.n += count
        for candidate in candidates:
            series[candidate.name].rss, series[candidate.name].pss = candidate.memory()
    return series


def _rotated(items: Sequence[Item], turn: int) -> list[Item]:
    """Let another one go first in each round, so that none always follows the same."""
    at = turn % len(items)
    return [*items[at:], *items[:at]]


def _row(case: Case, name: str, series: Series, floor: Sequence[float]) -> Row:
    ratios = [measured / base for measured, base in zip(series.medians, floor, strict=True)]
    low, _, high = quantiles(ratios, n=4, method="inclusive") if len(ratios) > 1 else ratios * 3
    return {
        "case": case.name,
        "candidate": name,
        "median_us": round(median(series.medians) / 1000, 1),
        "ratio": round(median(ratios), 3),
        "ratio_spread": (round(low, 3), round(high, 3)),
        "cpu_us": round(series.cpu / series.n / 1000, 1),
        "rss_mb": round(series.rss, 1),
        "pss_mb": round(series.pss, 1),
        "per_second": round(series.n / (series.elapsed / 1e9), 1),
        "n": series.n,
    }
