"""Interleaved rounds: each candidate in turn, again and again, and each round judged by its own floor.

What else the machine does then hits all candidates alike, and goes out of the ratios.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from statistics import median, quantiles
from typing import NamedTuple, TypedDict, TypeVar

from bench.candidates import OWN, Candidate, DelayedHop, Direct, EmptyHop
from bench.cases import CASES, Case
from bench.driver import WrongReply
from bench.processes import BOTH, cpu_ns, memory, together
from bench.rivals import RIVALS

Item = TypeVar("Item")

WARM_UP = 50  # requests before the first round, checked as all are
DELAY = DelayedHop.delay  # µs that the harness has to find
TOLERANCE = 0.10  # of the known delay


class Rounds(TypedDict):
    """What each round has given: the median latency and the CPU time of a request in µs, the replies in a second."""

    median_us: list[float]
    cpu_us: list[float]
    per_second: list[float]


class Row(TypedDict):
    """One candidate in one case.

    `median_us` is the median over the rounds of each round's median latency; `ratio` the median of the rounds' ratios
    to their floor, and `ratio_spread` the quartiles around it. `cpu_us` is the CPU time of the process under test for
    a request, `cpu_all_us` that of the app's process with it. `rss_mb` and `pss_mb` are what the process under test
    holds in the end, `rss_all_mb` what all hold, with what they share counted once, where that was looked at;
    `per_second` the replies in a second, `n` the requests.
    """

    case: str
    candidate: str
    median_us: float
    ratio: float
    ratio_spread: tuple[float, float]
    cpu_us: float
    cpu_all_us: float
    rss_mb: float | None
    pss_mb: float | None
    rss_all_mb: float | None
    per_second: float
    n: int
    rounds: Rounds


class NotRun(TypedDict):
    """A candidate that was not measured in a case, and why."""

    case: str
    candidate: str
    reason: str


class Outcome(NamedTuple):
    """Of one case. Candidates are in `rows` or in `not_run`."""

    rows: list[Row]
    not_run: list[NotRun]


class Series:
    """What the rounds of one candidate have given. Times are ns."""

    def __init__(self) -> None:
        self.medians: list[float] = []
        self.elapsed: list[int] = []
        self.cpu: list[int] = []
        self.cpu_all = 0
        self.rss: float | None = None
        self.pss: float | None = None
        self.rss_all: float | None = None
        self.n = 0

    def run(self, candidate: Candidate, count: int) -> None:
        """Measure a round. Raises WrongReply."""
        tested, everything = candidate.tested(), candidate.everything()
        all_before, before = cpu_ns(everything), cpu_ns(tested)
        measured = candidate.run(count)
        self.cpu.append(cpu_ns(tested) - before)
        self.cpu_all += cpu_ns(everything) - all_before
        self.medians.append(median(measured["latencies"]))
        self.elapsed.append(measured["ended"] - measured["began"])
        self.n += count

    def start(self, candidate: Candidate) -> None:
        """Measure a start, until its first reply. Raises WrongReply."""
        candidate.start()
        ended = candidate.run(1)["ended"]
        self.cpu.append(cpu_ns(candidate.tested()))
        self.cpu_all += cpu_ns(candidate.everything())
        self.medians.append(ended - candidate.process.started)
        self.elapsed.append(ended - candidate.process.started)
        self.n += 1
        self.look(candidate)

    def look(self, candidate: Candidate) -> None:
        """See what its processes hold."""
        self.rss, self.pss = memory(candidate.tested())
        self.rss_all = together(candidate.everything())


class Check(TypedDict):
    """How the harness measures a delay that it knows, in µs.

    It is judged by the latency. The delay is spent computing until it is over, so the CPU time is the same on a quiet
    machine, and less on one that takes the core away meanwhile.
    """

    delay_us: int
    latency_us: float
    cpu_us: float
    ok: bool


def candidates(case: Case) -> list[type[Candidate]]:
    """Say who is measured in a case."""
    return [kind for kind in (*OWN, *RIVALS) if kind.serves(case)]


def measure(case: Case, *, rounds: int, count: int, missing: Mapping[str, str]) -> Outcome:
    """Measure every candidate in one case. `missing` is what they might need and is not there, with the reason.

    Raises WrongReply for one of our own; a rival's is the reason why it is left out.
    """
    if case.cores > len(BOTH):
        return Outcome([], [{"case": case.name, "candidate": "all", "reason": "this machine has one core"}])
    not_run: list[NotRun] = []
    kinds = []
    for kind in candidates(case):
        if kind.needs in missing:
            not_run.append({"case": case.name, "candidate": kind.name, "reason": missing[kind.needs]})
        else:
            kinds.append(kind)
    failed: dict[str, str] = {}
    if case.is_cold:
        series = _starts(case, kinds, failed, starts=rounds)
    else:
        series = _interleave(case, kinds, failed, rounds=rounds, count=count)
    not_run += [{"case": case.name, "candidate": name, "reason": reason} for name, reason in failed.items()]
    floors = [Direct.name] if case.is_cold else [EmptyHop.name, Direct.name]
    bases = [series[name].medians for name in floors if name in series] or [next(iter(series.values())).medians]
    floor = [sum(each) for each in zip(*bases, strict=True)]
    return Outcome([row(case.name, name, one, floor) for name, one in series.items()], not_run)


def check(*, rounds: int, count: int) -> Check:
    """Measure the delay of a candidate that has a known one."""
    series = _interleave(CASES["starlette/get"], [EmptyHop, DelayedHop], {}, rounds=rounds, count=count)
    plain, delayed = series[EmptyHop.name], series[DelayedHop.name]
    latency = median(slow - fast for slow, fast in zip(delayed.medians, plain.medians, strict=True)) / 1000
    cpu = (sum(delayed.cpu) / delayed.n - sum(plain.cpu) / plain.n) / 1000
    return {
        "delay_us": DELAY,
        "latency_us": round(latency, 1),
        "cpu_us": round(cpu, 1),
        "ok": abs(latency - DELAY) <= TOLERANCE * DELAY,
    }


def _interleave(
    case: Case, kinds: Sequence[type[Candidate]], failed: dict[str, str], *, rounds: int, count: int
) -> dict[str, Series]:
    with ExitStack() as stack:
        running = [stack.enter_context(kind(case)) for kind in kinds]
        for candidate in running:
            candidate.start()
        series = {candidate.name: Series() for candidate in running}

        def run(candidate: Candidate, count: int, one: Series) -> None:
            try:
                one.run(candidate, count)
            except (WrongReply, OSError) as error:  # where its process is gone, so is what /proc says of it
                if not candidate.is_rival:
                    raise
                failed[candidate.name] = _reason(error, candidate.name, case)
                running.remove(candidate)
                del series[candidate.name]

        for candidate in [*running]:
            run(candidate, min(count, WARM_UP), Series())
        for turn in range(rounds):
            for candidate in _rotated(running, turn):
                run(candidate, count, series[candidate.name])
        for candidate in running:
            series[candidate.name].look(candidate)
    return series


def _starts(case: Case, kinds: Sequence[type[Candidate]], failed: dict[str, str], *, starts: int) -> dict[str, Series]:
    running = [*kinds]
    series = {kind.name: Series() for kind in kinds}
    for turn in range(starts + 1):
        for kind in _rotated(running, turn):
            one = series[kind.name] if turn else Series()  # the first ones read from the disk
            try:
                with kind(case) as candidate:
                    one.start(candidate)
            except (WrongReply, OSError) as error:
                if not kind.is_rival:
                    raise
                failed[kind.name] = _reason(error, kind.name, case)
                running.remove(kind)
                del series[kind.name]
    return series


def _reason(error: Exception, name: str, case: Case) -> str:
    return str(error).removeprefix(f"{name}, {case.name}: ")


def _rotated(items: Sequence[Item], turn: int) -> list[Item]:
    """Let another one go first in each round, so that none always follows the same."""
    at = turn % len(items) if items else 0
    return [*items[at:], *items[:at]]


def row(case: str, candidate: str, series: Series, floor: Sequence[float]) -> Row:
    """Sum the rounds up; `floor` are the ns that each is compared with."""
    ratios = [measured / base for measured, base in zip(series.medians, floor, strict=True)]
    low, high = quartiles(ratios)
    count = series.n / len(series.medians)
    return {
        "case": case,
        "candidate": candidate,
        "median_us": round(median(series.medians) / 1000, 1),
        "ratio": round(median(ratios), 3),
        "ratio_spread": (round(low, 3), round(high, 3)),
        "cpu_us": round(sum(series.cpu) / series.n / 1000, 1),
        "cpu_all_us": round(series.cpu_all / series.n / 1000, 1),
        "rss_mb": series.rss and round(series.rss, 1),
        "pss_mb": series.pss and round(series.pss, 1),
        "rss_all_mb": series.rss_all and round(series.rss_all, 1),
        "per_second": round(series.n / (sum(series.elapsed) / 1e9), 1),
        "n": series.n,
        "rounds": {
            "median_us": [round(value / 1000, 1) for value in series.medians],
            "cpu_us": [round(value / count / 1000, 1) for value in series.cpu],
            "per_second": [round(count / (value / 1e9), 1) for value in series.elapsed],
        },
    }


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    """Return the first and the third; of a single value itself."""
    if len(values) < 2:
        return values[0], values[0]
    low, _, high = quantiles(values, n=4, method="inclusive")
    return low, high
