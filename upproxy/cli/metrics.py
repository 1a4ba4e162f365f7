"""`upproxy metrics`: how a deployed stage does, against the time before, and what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call
from upproxy.cli.since import since as since_option

if TYPE_CHECKING:
    from upproxy.deploy.errors import NotDeployed
    from upproxy.observe.metrics.measuring import Measured
    from upproxy.observe.metrics.span import Span

SINCE = "1d"
_LATE = 600  # seconds of a period in which the lateness of figures can be seen


@click.command()
@since_option(SINCE)
@click.pass_obj
def command(call: Call, *, since: int | None) -> None:
    """Show the figures of a deployed stage against those of the same time before, and what it costs.

    Requests, errors, latency, cold starts, memory and warm instances, each with its course; with several regions for
    each of them. Costs are by AWS's list prices.
    """
    # Not at the top: the help of this command should not wait for boto3.
    import time
    from contextlib import ExitStack

    from upproxy.cli import stage as stages
    from upproxy.cli.metric_sources import source
    from upproxy.cli.metric_tables import document, write
    from upproxy.deploy.errors import NotDeployed
    from upproxy.deploy.together import in_all
    from upproxy.observe import duration
    from upproxy.observe.metrics.measuring import measure
    from upproxy.observe.metrics.span import span

    now = time.time()
    try:
        period = span(since or duration.seconds(SINCE), now)
    except ValueError as error:
        raise UsageError(f"-S: {error}") from None
    stage = stages.opened(call)
    with ExitStack() as running, call.output.progress() as report:

        def measured(region: str) -> Measured | NotDeployed:
            try:
                return measure(stage.session, region, source(stage, region), period, now, running, report)
            except NotDeployed as error:
                return error

        results = in_all(stage.regions, measured)
    found = {region: one for region, one in results.items() if not isinstance(one, NotDeployed)}
    absent = [one for one in results.values() if isinstance(one, NotDeployed)]
    if not found:
        raise absent[0]
    for missing in absent:
        call.output.note(str(missing))
    if call.json:
        call.output.document(document(stage.config, period, found))
    else:
        write(call.output, stage.names.function, period, found)
    for region, one in found.items():
        _tell(call, region, period, one)


def _tell(call: Call, region: str, period: Span, found: Measured) -> None:
    """Tell why figures are missing, or are not the last word."""
    function, log = found.source.function, found.source.log
    if log is None:
        call.output.note(f"{function} has no log in {region}: what is told by it is left out")
    elif not found.log_is_whole:
        call.output.note(f"the log of {function} goes back {log.days} days only: what is told by it is left out")
    if found.figures["all_invocations"].now is None:
        call.output.note(f"{function} has not been invoked in {region} in that time; -S goes further back")
    elif period.seconds <= _LATE:
        call.output.note("figures come a minute or two late: the last of them are not all there yet")
