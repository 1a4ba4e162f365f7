"""`upproxy warm`: the instances that are kept warm, and warming some now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.config import Config
    from upproxy.deploy.warming import Status
    from upproxy.warmer.warmer import Tick

MOST = 200  # instances, as in up.yml
_TICK = {
    "count": "COUNT", "asked": "ASKED", "WarmDistinct": "ANSWERED", "WarmCold": "COLD", "WarmFailed": "FAILED",
}  # fmt: skip


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Show how instances of a deployed stage are kept warm, or warm some now."""
    if context.invoked_subcommand is None:
        context.invoke(_status)


@command.command("status")
@click.pass_obj
def _status(call: Call) -> None:
    """Show what is configured, the schedule, and what the last ticks have reached."""
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli import stage as stages
    from upproxy.deploy import warming
    from upproxy.deploy.together import in_all

    stage = stages.opened(call)
    found = in_all(stage.regions, lambda region: warming.status(stage.session, region, stage.names))
    if call.json:
        call.output.document(
            {
                "app": stage.config.name,
                "stage": stage.config.stage,
                "configured": _wanted(stage.config),
                "regions": [_described(region, status) for region, status in found.items()],
            }
        )
        return
    for region, status in found.items():
        _tell(call, stage.config, region, status)


@command.command("now")
@click.option(
    "--count", type=click.IntRange(1, MOST), metavar="N", help="How many instances.  [default: warm.count in up.yml]"
)
@click.pass_obj
def _now(call: Call, *, count: int | None) -> int:
    """Warm instances of the live version now, as the warmer does, and say how many answered."""
    from dataclasses import asdict

    from upproxy.cli import stage as stages
    from upproxy.deploy import warming
    from upproxy.deploy.together import in_all

    output = call.output
    stage = stages.opened(call)
    wanted = count or (_wanted(stage.config) or {}).get("count")
    if wanted is None:
        raise UsageError(
            f"up.yml does not say how many instances of {stage.names.stage} are to be warm",
            hint="Give --count, or write `warm: {count: 3}`.",
        )
    with output.progress() as report:
        ticks = in_all(stage.regions, lambda region: warming.now(stage.session, region, stage.names, wanted, report))
    if output.as_json:
        output.document({"regions": [{"region": region, **asdict(tick)} for region, tick in ticks.items()]})
    else:
        for region, tick in ticks.items():
            output.text(f"{region}: {_told(tick)}")
            if tick.reason:
                output.warn(tick.reason)
    return 0 if all(tick.distinct for tick in ticks.values()) else 1


def _wanted(config: Config) -> dict[str, Any] | None:
    """Return what up.yml asks for: how many, every how many seconds, and when; None for nothing."""
    from upproxy.config.warm import warming

    found = warming(config.settings)
    if found is None:
        return None
    return {"count": found.count, "rate": found.rate, "window": config.settings.warm.window if found.window else None}


def _described(region: str, status: Status) -> dict[str, Any]:
    return {
        "region": region,
        "schedules": [vars(one) for one in status.schedules],
        "ticks": [{name: value for name, value in tick.items() if name != "_aws"} for tick in status.ticks],
    }


def _tell(call: Call, config: Config, region: str, status: Status) -> None:
    output = call.output
    wanted = _wanted(config)
    stage = config.stage
    if wanted is not None:
        when = wanted["window"] or "always"
        output.text(f"{region}: {_instances(wanted['count'])} every {wanted['rate'] // 60} minutes, {when}")
    for one in status.schedules:
        output.text(f"{region}: {one.expression} {one.zone}{'' if one.enabled else ', which is disabled'}")
    if wanted is None and not status.schedules:
        output.note(f"nothing of {stage} is kept warm: `warm: {{count: 3}}` in up.yml and a deploy would do it")
    elif wanted is None:
        output.warn(f"up.yml asks for none of it: `upproxy deploy {stage}` takes the schedule away")
    elif not status.schedules:
        output.warn(f"there is no schedule in {region}: `upproxy deploy {stage}` makes it")
    elif not status.ticks:
        output.note("the warmer has written nothing of its ticks in the last three days")
    if status.ticks:
        output.table(("TIME", *_TICK.values(), "REASON"), [_row(tick) for tick in status.ticks])


def _row(tick: Mapping[str, Any]) -> list[str]:
    return [str(tick.get("timestamp", "")), *(str(tick.get(name, "")) for name in _TICK), str(tick.get("reason", ""))]


def _told(tick: Tick) -> str:
    parts = [f"{_instances(tick.distinct)} answered of {tick.target.count}, {tick.cold} of them cold"]
    if tick.failed:
        parts.append(f"{tick.failed} messages failed")
    return "; ".join(parts)


def _instances(count: int) -> str:
    return f"{count} instance{'' if count == 1 else 's'}"
