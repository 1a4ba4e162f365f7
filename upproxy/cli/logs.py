"""`upproxy logs`: what deployed stages, and Lambda about them, have written."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import click

from upproxy.cli.frame import Call
from upproxy.cli.since import since as since_option

if TYPE_CHECKING:
    from upproxy.cli.log_groups import Place
    from upproxy.observe.logs.line import Line
    from upproxy.observe.logs.paragraphs import Shown
    from upproxy.observe.logs.query.tree import Node
    from upproxy.observe.logs.tail import Group

SINCE = "1d"
SINCE_FOLLOWED = "1m"


@click.command()
@click.argument("query", default="")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@since_option(f"{SINCE}, with -f {SINCE_FOLLOWED}")
@click.option("-e", "--expand", is_flag=True, help="Write each field in a line of its own.")
@click.option(
    "--explain", is_flag=True, help="Say what the query means and what CloudWatch would be asked; ask nothing."
)
@click.pass_obj
def command(call: Call, query: str, *, follow: bool, since: int | None, expand: bool, explain: bool) -> None:
    """Print the log of a deployed stage, or the lines of it that a query keeps, the earliest first.

    A query is a condition or several, such as 'error', 'status >= 500 duration > 1.5s' or 'production (warn or error)',
    which looks into production. Lambda's own lines are left out, but for cold starts, failures, and queries about them;
    -v shows them too. With --json every line is a JSON object.
    """
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli.log_groups import places
    from upproxy.observe import duration
    from upproxy.observe.logs import live, tail

    node, found = places(call, query)
    if explain:
        _explain(call, node, found)
        return
    groups = [place.group(node) for place in found]
    also = [name for name in ("stage", "region") if len({place.origin[name] for place in found}) > 1]
    back = since or duration.seconds(SINCE_FOLLOWED if follow else SINCE)
    if follow:
        refused = call.output.note if call.verbose else lambda _: None
        with live.LiveTail(groups, refused) as tailed:
            portions = tail.follow(groups, back, call.output.note, tailed.pause)
            _show(call, _kept(call, node, portions, also), also, expanded=expand)
        return
    missing: list[Group] = []
    shown = _show(call, _kept(call, node, tail.read(groups, back, missing.append), also), also, expanded=expand)
    _tell_missing(call, [place for place, group in zip(found, groups, strict=True) if group in missing], found)
    if not shown:
        said = "no line that the query keeps" if query.strip() else "nothing"
        functions = " and ".join(dict.fromkeys(place.stage.names.function for place in found))
        call.output.note(f"{functions} has written {said} in that time; -S goes further back")


def _explain(call: Call, node: Node, found: Iterable[Place]) -> None:
    """Write what a query means, once for all places where that is the same."""
    from upproxy.observe.logs.query import compile_pattern, explain

    if call.json:
        patterns = [(place.origin, compile_pattern(node, place.origin)) for place in found]
        asked = [
            {**origin, "patterns": one.patterns, "local": [list(each) for each in one.local]}
            for origin, one in patterns
        ]
        call.output.document({"query": str(node), "groups": asked})
        return
    places: dict[str, list[str]] = {}
    for place in found:
        places.setdefault(explain(node, place.origin), []).append(" in ".join(place.origin.values()))
    for text, where in places.items():
        call.output.text(f"{', '.join(where)}:\n{text}" if len(places) > 1 else text)


def _kept(call: Call, node: Node, portions: Iterable[list[Line]], also: Collection[str]) -> Iterator[list[Shown]]:
    """Go through the entries of the lines that a query keeps."""
    from upproxy.observe.logs.entry import asked_for, entry
    from upproxy.observe.logs.query import names, predicate

    keeps = predicate(node)
    everything = call.verbose or asked_for(names(node))
    for lines in portions:
        kept: list[Shown] = [
            (line.timestamp, line.stream, shown)
            for line in lines
            if keeps(line.fields) and (shown := entry(line, everything=everything, also=also)) is not None
        ]
        if kept or not lines:  # an empty portion is the end of a look
            yield kept


def _show(call: Call, portions: Iterable[list[Shown]], also: Collection[str], *, expanded: bool) -> int:
    from upproxy.cli.log_lines import write_json, write_readable

    if call.json:
        return write_json(call.output, portions)
    return write_readable(call.output, portions, also, expanded=expanded)


def _tell_missing(call: Call, missing: list[Place], found: list[Place]) -> None:
    """Tell where nothing is deployed. Raises NotDeployed for nowhere at all."""
    from upproxy.deploy import live

    absent = [live.missing(place.stage.names, place.region) for place in missing]
    if len(absent) == len(found):
        raise absent[0]
    for error in absent:
        call.output.note(str(error))
