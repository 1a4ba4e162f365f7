"""docs/benchmarks.md and its plots: what was measured, put into the text of bench/benchmarks.md.

What is written by hand beside a goal is in bench/explanations.toml, by the goal's key: a new run does not lose it.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping, Sequence
from string import Template
from typing import NamedTuple

from bench import cli, codecs, report
from bench.candidates import Direct, EmptyHop, Upproxy, Vendored
from bench.cases import ARTEFACT, COLD, FRAMEWORKS, MIDDLEWARE, ROOT, WARM
from bench.chart import Panel, draw
from bench.figures import Figure
from bench.goals import Verdict
from bench.machine import Machine
from bench.results import Results
from bench.rivals import ApigWsgi, Mangum, MangumLifespan, ServerlessWsgi, WebAdapter
from bench.rounds import NotRun, Row

TEXT = os.path.join(ROOT, "bench", "benchmarks.md")
EXPLANATIONS = os.path.join(ROOT, "bench", "explanations.toml")
DOCUMENT = os.path.join(ROOT, "docs", "benchmarks.md")
PLOTS = "benchmarks"  # the folder, beside the document
UNEXPLAINED = "Not explained yet."
COLOURS = {
    EmptyHop.name: "#b8bec6",
    Direct.name: "#8a929c",
    Upproxy.name: "#2f7d5b",
    Vendored.name: "#6aae8d",
    WebAdapter.name: "#d9822b",
    Mangum.name: "#4a6fa5",
    MangumLifespan.name: "#89a5cf",
    ApigWsgi.name: "#8c5fa8",
    ServerlessWsgi.name: "#b9443c",
}
IN_PROCESS = "in process"  # the adapter of the framework: Mangum or apig-wsgi
HEADS = (
    "candidate",
    "latency, ms",
    "ratio (quartiles)",
    "CPU, ms",
    "with the app",
    "MB",
    "with the app",
    "a second",
    "n",
)

Rows = Mapping[tuple[str, str], Row]


class _Column(NamedTuple):
    """A panel of a plot: the case, what of a row it shows, and how that is written."""

    title: str
    case: str
    value: Callable[[Row], float | None]
    text: str


def write(results: Results) -> None:
    """Write the document and its plots."""
    os.makedirs(os.path.join(os.path.dirname(DOCUMENT), PLOTS), exist_ok=True)
    by = {(row["case"], row["candidate"]): row for row in results["rows"]}
    for name, plot in plots(by).items():
        with open(os.path.join(os.path.dirname(DOCUMENT), PLOTS, f"{name}.svg"), "w") as file:
            file.write(plot)
    with open(EXPLANATIONS, "rb") as file:
        explanations = tomllib.load(file)
    with open(DOCUMENT, "w") as file:
        file.write(text(results, explanations))


def text(results: Results, explanations: Mapping[str, str]) -> str:
    """Return the document. Raises KeyError for an explanation of a goal that there is not."""
    if unknown := explanations.keys() - {verdict["key"] for verdict in results["goals"]}:
        raise KeyError(f"explanations.toml explains what is no goal: {', '.join(sorted(unknown))}")
    rows = results["rows"]
    cold = {cores: [case.name for case in COLD if case.cores == cores] for cores in (1, 2)}
    concurrent = [case.name for case in WARM if case.slots > 1]
    alone = [case.name for case in WARM if case.slots == 1 and case.name != MIDDLEWARE.name]
    with open(TEXT) as file:
        template = Template(file.read())
    return template.substitute(
        machine=_machine(results["machine"]),
        harness=report.self_check(results["harness"]),
        goals=_goals(results["goals"]),
        explanations=_explanations(results["goals"], explanations),
        warm=_tables(rows, alone),
        concurrent=_tables(rows, concurrent),
        cold=_tables(rows, cold[1]),
        cold_two=_tables(rows, cold[2]),
        artefact=_tables(rows, [ARTEFACT.name]),
        middleware=_tables(rows, [MIDDLEWARE.name]),
        codecs=_tables(
            rows, [name for name in dict.fromkeys(row["case"] for row in rows) if name.startswith(f"{codecs.NAME}/")]
        ),
        cli=_tables(rows, [cli.HELP, cli.START]),
        figures=_figures(results),
        not_run=_not_run(results["not_run"]),
    )


def plots(by: Rows) -> dict[str, str]:
    """Return the plots by their names."""
    asgi = [EmptyHop.name, Direct.name, Upproxy.name, WebAdapter.name, Mangum.name, MangumLifespan.name]
    wsgi = [EmptyHop.name, Direct.name, Upproxy.name, WebAdapter.name, ApigWsgi.name, ServerlessWsgi.name]
    large = [Direct.name, Upproxy.name, Vendored.name, WebAdapter.name, Mangum.name]
    several = [Direct.name, Upproxy.name, WebAdapter.name, Mangum.name]
    found = {
        f"get-{app}": _plot(f"A small GET, {app.title()}", names, _request(f"{app}/get"), by)
        for app, names in (("starlette", asgi), ("flask", wsgi))
    }
    found["bodies"] = _plot(
        "Large bodies and streams, Starlette",
        large,
        [
            _Column("1 MB in and out, ms", "starlette/megabyte", lambda row: row["median_us"] / 1000, "{:.1f} ms"),
            _Column("first byte, ms", "starlette/first-byte", lambda row: row["median_us"] / 1000, "{:.2f} ms"),
            _Column(
                "100 MB streamed, MB/s", "starlette/stream-100mb", lambda row: 1e8 / row["median_us"], "{:.0f} MB/s"
            ),
        ],
        by,
    )
    found["concurrent"] = _plot(
        "Several requests at once, Starlette: replies a second",
        several,
        [
            _Column(title, f"starlette/{case}", lambda row: row["per_second"], "{:,.0f}")
            for title, case in (
                ("echo, 16 at once", "echo-x16"),
                ("echo, 64 at once", "echo-x64"),
                ("20 ms, 16 at once", "wait-x16"),
                ("20 ms, 64 at once", "wait-x64"),
            )
        ],
        by,
    )
    starts = [Direct.name, Upproxy.name, WebAdapter.name, IN_PROCESS]
    for cores, suffix in ((1, ""), (2, "-2-cores")):
        found[f"cold-start{suffix}"] = _plot(
            f"From the start of the process to the first reply, {'one core' if cores == 1 else 'two cores'}",
            starts,
            [
                _Column(title, f"{name}/cold-start{suffix}", lambda row: row["median_us"] / 1000, "{:.0f} ms")
                for name, title in zip(FRAMEWORKS, ("Starlette", "FastAPI", "Flask", "Django"), strict=True)
            ],
            by,
        )
    return found


def _request(case: str) -> list[_Column]:
    return [
        _Column("latency, µs", case, lambda row: row["median_us"], "{:.0f}"),
        _Column("CPU a request with the app, µs", case, lambda row: row["cpu_all_us"], "{:.0f}"),
        _Column("memory with the app, MB", case, lambda row: row["rss_all_mb"], "{:.1f}"),
    ]


def _plot(title: str, names: Sequence[str], columns: Sequence[_Column], by: Rows) -> str:
    panels = []
    for column in columns:
        found = [_row(by, column.case, name) for name in names]
        values = [None if row is None else column.value(row) for row in found]
        panels.append(
            Panel(column.title, values, ["" if value is None else column.text.format(value) for value in values])
        )
    return draw(title, names, panels, [COLOURS.get(name, COLOURS[Mangum.name]) for name in names])


def _row(by: Rows, case: str, name: str) -> Row | None:
    if name == IN_PROCESS:
        return by.get((case, Mangum.name)) or by.get((case, ApigWsgi.name))
    return by.get((case, name))


def _machine(machine: Machine) -> str:
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"Measured on {machine['date']}: {machine['cpu']}, {machine['cores']} cores, Linux {machine['kernel']}, "
        f"Python {machine['python']}; {packages}. The load was {machine['load']:g} beforehand."
    )


def _goals(goals: Sequence[Verdict]) -> str:
    lines = [
        (
            verdict["goal"],
            f"{'≥' if verdict['at_least'] else '≤'} {verdict['limit']:g} {verdict['unit']}",
            report.measured(verdict),
            report.outcome(verdict),
        )
        for verdict in goals
    ]
    return _table(("goal", "wanted", "measured", ""), lines)


def _explanations(goals: Sequence[Verdict], explanations: Mapping[str, str]) -> str:
    parts = [
        f"**{verdict['goal']}**: {report.outcome(verdict)}. {explanations.get(verdict['key'], UNEXPLAINED).strip()}"
        for verdict in goals
        if verdict["missed_by"]
    ]
    return "\n\n".join(parts) or "Every goal that was measured is met."


def _tables(rows: Sequence[Row], cases: Sequence[str]) -> str:
    """A table a case; none for a case that was not run."""
    found = {case: [_cells(row) for row in rows if row["case"] == case] for case in cases}
    tables = [f"**{case}**\n\n{_table(HEADS, lines)}" for case, lines in found.items() if lines]
    return "\n\n".join(tables) or "Not measured in this run."


def _cells(row: Row) -> Sequence[str]:
    low, high = row["ratio_spread"]
    return (
        row["candidate"],
        _ms(row["median_us"]),
        f"{row['ratio']:.2f} ({low:.2f}–{high:.2f})",
        _ms(row["cpu_us"]),
        _ms(row["cpu_all_us"]),
        "" if row["rss_mb"] is None else f"{row['rss_mb']:.1f}",
        "" if row["rss_all_mb"] is None else f"{row['rss_all_mb']:.1f}",
        f"{row['per_second']:,.0f}" if row["per_second"] >= 10 else f"{row['per_second']:.1f}",
        f"{row['n']:,}",
    )


def _ms(microseconds: float) -> str:
    ms = microseconds / 1000
    return f"{ms:,.0f}" if ms >= 100 else f"{ms:.1f}" if ms >= 10 else f"{ms:.3f}"


def _figures(results: Results) -> str:
    found = [Figure(**one) for figures in results["figures"].values() for one in figures]
    lines = [
        (
            one.name,
            f"≤ {one.target:g}{one.unit}",
            f"{one.value:.2f}{one.unit}",
            "met" if one.value <= one.target else f"missed, {one.value - one.target:.2f}{one.unit} too much",
        )
        for one in found
    ]
    return _table(("figure", "wanted", "measured", ""), lines) if lines else "Not measured in this run."


def _not_run(not_run: Sequence[NotRun]) -> str:
    reasons: dict[tuple[str, str], list[str]] = {}
    for one in not_run:
        reasons.setdefault((one["candidate"], one["reason"].splitlines()[0]), []).append(one["case"])
    lines = [(name, ", ".join(cases), reason) for (name, reason), cases in reasons.items()]
    return _table(("candidate", "cases", "why"), lines) if lines else "Nothing."


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    cells = [heads, ["---"] * len(heads), *([cell.replace("|", "\\|") for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells)
