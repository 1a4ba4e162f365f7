"""What is printed: a table of the rows, and the goals beside what was measured."""

from __future__ import annotations

from collections.abc import Sequence

from bench.goals import Verdict
from bench.rounds import Check, Row

HEADS = (
    "case",
    "candidate",
    "median µs",
    "× floor",
    "quartiles",
    "CPU µs",
    "with app",
    "RSS MB",
    "PSS MB",
    "replies/s",
    "n",
)


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
                f"{row['cpu_all_us']:,.1f}",
                "" if row["rss_mb"] is None else f"{row['rss_mb']:.1f}",
                "" if row["pss_mb"] is None else f"{row['pss_mb']:.1f}",
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


def judgement(verdict: Verdict) -> str:
    """One line for people."""
    bound = f"{'at least' if verdict['at_least'] else 'at most'} {verdict['limit']:g} {verdict['unit']} wanted"
    return f"{verdict['goal']}: {measured(verdict)}, {bound}: {outcome(verdict)}"


def measured(verdict: Verdict) -> str:
    """What it came to, with the quartiles of the rounds."""
    if verdict["measured"] is None:
        return "not measured"
    spread = " (quartiles {:g} to {:g})".format(*verdict["quartiles"]) if verdict["quartiles"] else ""
    return f"{verdict['measured']:g} {verdict['unit']}{spread}"


def outcome(verdict: Verdict) -> str:
    """Whether it is met, else by how much not."""
    if verdict["measured"] is None:
        return "not judged"
    missed = f"{verdict['missed_by']:g} {verdict['unit']} too {'little' if verdict['at_least'] else 'much'}"
    return f"missed, {missed}" if verdict["missed_by"] else "met"


def self_check(check: Check) -> str:
    """Say how well the harness measures what it knows."""
    outcome = "within 10 %" if check["ok"] else "NOT within 10 %"
    return (
        f"the harness: a delay of {check['delay_us']} µs was measured as {check['latency_us']:g} µs, {outcome} "
        f"({check['cpu_us']:g} µs of CPU)"
    )
