"""What is printed: a table of the rows, and the targets beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypedDict

from bench.candidates import Direct, EmptyHop, Upproxy, WithMiddleware
from bench.cases import COLD_START
from bench.rounds import MIDDLEWARE_CASE, Check, Row

HEADS = "case", "candidate", "median µs", "× floor", "quartiles", "CPU µs", "RSS MB", "PSS MB", "replies/s", "n"


class Verdict(TypedDict):
    """A target, what was measured, and by how much it is missed: 0 where it is met.

    `quartiles` say how sure the figure is, where it comes from rounds: wide ones mean that the machine was busy.
    """

    target: str
    measured: float
    quartiles: tuple[float, float] | None
    limit: float
    unit: str
    missed_by: float


class _Target(NamedTuple):
    text: str
    measured: float
    limit: float
    unit: str
    quartiles: tuple[float, float] | None = None


def table(rows: Sequence[Row]) -> str:
    """The rows in columns, a blank line between cases."""
    lines = [HEADS]
    for row in rows:
        low, high = row["ratio_spread"]
        lines.append(
            (
                row["case"],
                row["candidate"],
                f"{row['median_us']:,.1f}",
                f"{row['ratio']:.3f}",
                f"{low:.3f}-{high:.3f}",
                f"{row['cpu_us']:,.1f}",
                f"{row['rss_mb']:.1f}",
                f"{row['pss_mb']:.1f}",
                f"{row['per_second']:,.1f}",
                f"{row['n']:,}",
            )
        )
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADS))]
    text = []
    case = HEADS[0]
    for line in lines:
        if line[0] != case:
            case = line[0]
            text.append("")
        cells = [
            cell.ljust(width) if at < 2 else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(line, widths, strict=True))
        ]
        text.append("  ".join(cells).rstrip())
    return "\n".join(text)


def verdicts(rows: Sequence[Row]) -> list[Verdict]:
    """Judge what was measured by the project's targets; those whose cases were not run are left out."""
    by = {(row["case"], row["candidate"]): row for row in rows}
    targets = []
    for app in ("starlette", "flask"):
        if row := by.get((f"{app}/get", Upproxy.name)):
            targets.append(
                _Target(f"a small GET, {app}, × (empty hop + direct)", row["ratio"], 1.35, "×", row["ratio_spread"])
            )
            targets.append(_Target(f"resident memory when idle, {app}", row["rss_mb"], 16, "MB"))
    if more := by.get((MIDDLEWARE_CASE, WithMiddleware.name)):
        less, hop, direct = (by[MIDDLEWARE_CASE, name] for name in (Upproxy.name, EmptyHop.name, Direct.name))
        cost = (more["ratio"] - less["ratio"]) * (hop["median_us"] + direct["median_us"])
        targets.append(_Target("the default middleware", cost, 40, "µs"))
    ours = by.get((COLD_START.name, Upproxy.name))
    alone = by.get((COLD_START.name, Direct.name))
    if ours and alone:
        # By the ratios, which are of neighbouring starts: medians of all would be of different moments.
        later, low, high = ((ratio - 1) * alone["median_us"] / 1000 for ratio in (ours["ratio"], *ours["ratio_spread"]))
        targets.append(_Target("first response later than without us, one core", later, 40, "ms", (low, high)))
    return [
        {
            "target": target.text,
            "measured": round(target.measured, 3),
            "quartiles": target.quartiles and (round(target.quartiles[0], 3), round(target.quartiles[1], 3)),
            "limit": target.limit,
            "unit": target.unit,
            "missed_by": round(max(0.0, target.measured - target.limit), 3),
        }
        for target in targets
    ]


def judgement(verdict: Verdict) -> str:
    """One line for people."""
    unit = verdict["unit"]
    missed = verdict["missed_by"]
    measured = f"{verdict['measured']:g} {unit}"
    if verdict["quartiles"]:
        measured += " (quartiles {:g} to {:g})".format(*verdict["quartiles"])
    outcome = f"not met: {missed:g} {unit} too much" if missed else "met"
    return f"{verdict['target']}: {measured}, at most {verdict['limit']:g} {unit} wanted: {outcome}"


def self_check(check: Check) -> str:
    """Say how well the harness measures what it knows."""
    outcome = "within 10 %" if check["ok"] else "NOT within 10 %"
    return (
        f"the harness: a delay of {check['delay_us']} µs was measured as {check['latency_us']:g} µs, {outcome} "
        f"({check['cpu_us']:g} µs of CPU)"
    )
