"""What the project wants to reach, as data, and what was measured of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Literal, NamedTuple, TypedDict

from bench.candidates import DEFAULT, Direct, EmptyHop, Upproxy, Vendored
from bench.cases import FRAMEWORKS, MIDDLEWARE
from bench.cli import HELP, START
from bench.rivals import Mangum, WebAdapter
from bench.rounds import Row, quartiles

OURS, ADAPTER, MANGUM, DIRECT = Upproxy.name, WebAdapter.name, Mangum.name, Direct.name
FLOOR = (EmptyHop.name, Direct.name)

Field = Literal["median_us", "cpu_us", "per_second", "rss_mb"]


class Goal(NamedTuple):
    """A bound for `field` of a candidate in a case: itself, or `×` or `-` what the `others` have together.

    Both are taken round by round, since the rounds' neighbours met the same machine. `scale` turns the field's unit
    into `unit`. `at_least` makes the bound a lower one. `key` names it in explanations.toml.
    """

    key: str
    text: str
    case: str
    field: Field
    limit: float
    unit: str = "×"
    candidate: str = OURS
    others: tuple[str, ...] = ()
    at_least: bool = False
    scale: float = 1.0


class Verdict(TypedDict):
    """A goal, what was measured, and by how much it is missed: 0 where it is met.

    `measured` is None where something that it needs was not measured. `quartiles` of the rounds say how sure it is:
    wide ones mean that the machine was busy.
    """

    key: str
    goal: str
    at_least: bool
    limit: float
    unit: str
    measured: float | None
    quartiles: tuple[float, float] | None
    missed_by: float


GOALS: Sequence[Goal] = (
    Goal("get-floor", "small GET, latency × (empty hop + direct)", "starlette/get", "median_us", 1.25, others=FLOOR),
    Goal(
        "get-adapter", "small GET, latency × Lambda Web Adapter", "starlette/get", "median_us", 0.85, others=(ADAPTER,)
    ),
    Goal("get-adapter-cpu", "small GET, CPU × Lambda Web Adapter", "starlette/get", "cpu_us", 0.65, others=(ADAPTER,)),
    Goal("get-mangum", "small GET, latency × Mangum in process", "starlette/get", "median_us", 1.05, others=(MANGUM,)),
    Goal("get-mangum-cpu", "small GET, CPU × Mangum in process", "starlette/get", "cpu_us", 0.6, others=(MANGUM,)),
    Goal("memory", "resident memory when idle", "starlette/get", "rss_mb", 11, "MB"),
    Goal(
        "middleware", "the middleware of every stage but production", MIDDLEWARE.name, "median_us", 40, "µs",
        candidate=DEFAULT.name, others=(OURS,),
    ),
    Goal(
        "megabyte-pybase64", "1 MB in and out with pybase64, × direct", "starlette/megabyte", "median_us", 3,
        candidate=Vendored.name, others=(DIRECT,),
    ),
    Goal("megabyte", "1 MB in and out without it, × direct", "starlette/megabyte", "median_us", 4.3, others=(DIRECT,)),
    Goal(
        "first-byte", "first byte of a stream, later than direct", "starlette/first-byte", "median_us", 1, "ms",
        others=(DIRECT,), scale=0.001,
    ),
    Goal(
        "cold-cpu", "our own CPU until the first reply, one core", "starlette/cold-start", "cpu_us", 18, "ms",
        scale=0.001,
    ),
    *(
        Goal(
            f"cold-{name}", f"first reply on two cores × Lambda Web Adapter, {app}", f"{name}/cold-start-2-cores",
            "median_us", 1.0, others=(ADAPTER,),
        )
        for name, app in zip(FRAMEWORKS, ("Starlette", "FastAPI", "Flask", "Django"), strict=True)
    ),
    Goal(
        "artefact", "first reply of the artefact × the usual zip behind Lambda Web Adapter, FastAPI",
        "artefact/cold-start", "median_us", 0.35, others=(ADAPTER,),
    ),
    *(
        goal
        for slots in (16, 64)
        for goal in (
            Goal(
                f"echo-x{slots}", f"echo, {slots} at once, requests/s × Lambda Web Adapter",
                f"starlette/echo-x{slots}", "per_second", 1.1, others=(ADAPTER,), at_least=True,
            ),
            Goal(
                f"echo-x{slots}-cpu", f"echo, {slots} at once, CPU × Lambda Web Adapter",
                f"starlette/echo-x{slots}", "cpu_us", 0.9, others=(ADAPTER,),
            ),
        )
    ),
    Goal(
        "wait-x64", "a handler of 20 ms, 64 at once, requests/s × direct", "starlette/wait-x64", "per_second", 0.85,
        others=(DIRECT,), at_least=True,
    ),
    Goal("help", "`upproxy --help`", HELP, "median_us", 150, "ms", scale=0.001),
    Goal(
        "start", "`upproxy start` to the first response, more than the app's own start", START, "median_us", 300, "ms",
        others=(DIRECT,), scale=0.001,
    ),
)  # fmt: skip


def judge(rows: Sequence[Row]) -> list[Verdict]:
    """Judge what was measured, goal by goal."""
    by = {(row["case"], row["candidate"]): row for row in rows}
    return [_verdict(goal, _values(goal, by)) for goal in GOALS]


def _values(goal: Goal, by: Mapping[tuple[str, str], Row]) -> list[float]:
    """One value a round; none where something was not measured."""
    wanted = [by.get((goal.case, name)) for name in (goal.candidate, *goal.others)]
    rows = [row for row in wanted if row is not None]
    if len(rows) < len(wanted):
        return []
    ours, *others = (_series(row, goal.field) for row in rows)
    if not others:
        return [value * goal.scale for value in ours]
    bases = [sum(values) for values in zip(*others, strict=True)]
    pairs = list(zip(ours, bases, strict=True))
    if goal.unit == "×":
        return [value / base for value, base in pairs]
    return [(value - base) * goal.scale for value, base in pairs]


def _series(row: Row, field: Field) -> list[float]:
    if field == "rss_mb":
        return [] if row["rss_mb"] is None else [row["rss_mb"]]
    return row["rounds"][field]


def _verdict(goal: Goal, values: Sequence[float]) -> Verdict:
    measured = round(median(values), 3) if values else None
    missed = 0.0
    if measured is not None:
        missed = max(0.0, goal.limit - measured if goal.at_least else measured - goal.limit)
    low, high = quartiles(values) if len(values) > 1 else (0.0, 0.0)
    return {
        "key": goal.key,
        "goal": goal.text,
        "at_least": goal.at_least,
        "limit": goal.limit,
        "unit": goal.unit,
        "measured": measured,
        "quartiles": (round(low, 3), round(high, 3)) if len(values) > 1 else None,
        "missed_by": round(missed, 3),
    }
