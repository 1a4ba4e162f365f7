"""`upproxy logs`: what a deployed app, and Lambda about it, have written."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click

from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.aws.log_events import Event
    from upproxy.cli.output import Output

SINCE = "1d"
SINCE_FOLLOWED = "1m"
_HIDDEN = ("stage", "version")  # of the one stage that was asked for


def _duration(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    from upproxy.observe.logs import duration

    try:
        return None if value is None else duration.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None


@click.command()
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option(
    "-S",
    "--since",
    metavar="DURATION",
    callback=_duration,
    help=f"From how long ago, such as 90s, 1h30m or 2d.  [default: {SINCE}, with -f {SINCE_FOLLOWED}]",
)
@click.pass_obj
def command(call: Call, *, follow: bool, since: int | None) -> None:
    """Print the log of a deployed stage, the earliest line first.

    Lambda's own lines are left out, but for cold starts and failures; -v shows them too. With --json every line is a
    JSON object.
    """
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.aws.errors import NotFound
    from upproxy.aws.log_events import LogEvents
    from upproxy.cli import stage
    from upproxy.deploy import live
    from upproxy.observe.logs import duration, tail

    opened = stage.opened(call)
    region = opened.region(call)
    group = opened.names.log_group
    source = LogEvents(opened.session, region)
    back = since or duration.seconds(SINCE_FOLLOWED if follow else SINCE)
    if follow:
        _show(call, tail.follow(source, group, back, call.output.note))
    try:
        shown = _show(call, tail.read(source, group, back))
    except NotFound:
        raise live.missing(opened.names, region) from None
    if not shown:
        call.output.note(f"{opened.names.function} has written nothing in that time; -S goes further back")


def _show(call: Call, portions: Iterable[list[Event]]) -> int:
    """Print events, each portion at once, so that an interruption cuts no line off; return how many lines it were."""
    from upproxy.observe.logs.entry import entry

    shown = 0
    write = _json if call.json else _readable
    for events in portions:
        lines = [found for event in events if (found := entry(event, everything=call.verbose)) is not None]
        if lines:
            write(call.output, lines)
            shown += len(lines)
    return shown


def _json(output: Output, lines: list[dict[str, object]]) -> None:
    output.text("\n".join(map(json.dumps, lines)))


def _readable(output: Output, lines: list[dict[str, object]]) -> None:
    from upproxy.local.console import Console
    from upproxy.observe.logs.entry import brief

    text = io.StringIO()
    console = Console(text, readable=True, coloured=output.coloured(), hidden=_HIDDEN)
    for line in lines:
        console.entry(brief(line))
    output.text(text.getvalue().encode("utf-8", "backslashreplace").decode())
