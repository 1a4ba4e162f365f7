"""`upproxy alerts`: the alarms of a deployed stage, and a test of whom they tell."""

from __future__ import annotations

import difflib
import shlex
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from upproxy.cli.errors import CommandError, UsageError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from upproxy.cli.stage import Stage
    from upproxy.config.alerts import Action
    from upproxy.observe.alarms import Alarm, Seen, Subscriber


class _Told(NamedTuple):
    """Somebody whom an action tells: an address, a number, or the variable that has one. Some are not `ready`."""

    to: str
    ready: bool


class _Region(NamedTuple):
    """A region: its alarms, and by the ARNs of topics, the names of actions and whom each tells."""

    name: str
    seen: Seen
    actions: dict[str, str]
    told: dict[str, tuple[_Told, ...]]


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the alarms of a deployed stage, with their states and whom they tell, or test them."""
    if context.invoked_subcommand is None:
        context.invoke(_list)


@command.command("ls")
@click.pass_obj
def _list(call: Call) -> None:
    """List the alarms: the state of each, since when, when it is raised, and whom it tells."""
    stage = _opened(call)
    regions = _looked(stage)
    if call.json:
        described = [_described(stage, region) for region in regions]
        call.output.document({"app": stage.config.name, "stage": stage.config.stage, "regions": described})
        return
    for region in regions:
        _show(call, stage, region)


@command.command("test")
@click.argument("names", metavar="[ALERT|ACTION]...", nargs=-1)
@click.pass_obj
def _test(call: Call, names: tuple[str, ...]) -> None:
    """Raise alarms for a moment, so that those whom they tell are told.

    CloudWatch puts each back by itself, and so tells that it is over, too. By default as few alarms as tell everybody;
    or the alerts, or the actions, that are named.
    """
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.notifier.notifier import TEST
    from upproxy.observe import alarms

    output = call.output
    stage = _opened(call)
    regions = _looked(stage)
    chosen = {region.name: _chosen(stage, region, names) for region in regions}
    reason = f"{TEST}, sent by {stage.session.identity['Arn']} with `upproxy alerts test`: nothing is wrong."
    sent = []
    for region in regions:
        alarms.ring(stage.session, region.name, chosen[region.name], reason)
        for alarm in chosen[region.name]:
            actions = [_action(region, topic) for topic in alarm.topics]
            sent.append({"region": region.name, "alarm": alarm.name, "actions": actions})
            if not output.as_json:
                output.text(f"{region.name}: {_short(stage, alarm)} was raised, and tells {_told(actions)}")
        _warn(call, stage, region)
    if output.as_json:
        output.document({"app": stage.config.name, "stage": stage.config.stage, "sent": sent})
    output.note("CloudWatch puts them back by itself, and those who were told are told that it is over")


def _opened(call: Call) -> Stage:
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli import stage

    return stage.opened(call)


def _looked(stage: Stage) -> list[_Region]:
    """Look at all regions of a stage. Raises AwsError."""
    from upproxy.config.alerts import topic
    from upproxy.deploy.environment import Variables
    from upproxy.deploy.together import in_all
    from upproxy.observe import alarms

    names = stage.names
    known = {f"{names.stack}-{topic(action.name)}": action for action in stage.config.settings.actions}

    def look(region: str) -> _Region:
        seen = alarms.seen(stage.session, region, names.stack)
        actions = {arn: known.get(arn.rpartition(":")[2]) for arn in seen.topics}
        variables: set[str] = set()
        if any(action is not None and action.url for action in actions.values()):
            variables = {one.name for one in Variables(stage.session, region, names).listed()}
        return _Region(
            region,
            seen,
            {arn: action.name if action else arn.rpartition(":")[2] for arn, action in actions.items()},
            {arn: tuple(_whom(action, seen.topics[arn], variables)) for arn, action in actions.items()},
        )

    return list(in_all(stage.regions, look).values())


def _whom(action: Action | None, subscribers: Sequence[Subscriber], variables: set[str]) -> Iterator[_Told]:
    """Go through those whom an action tells, or shall tell; `variables` are those that are set."""
    from upproxy.config.alerts import variable

    if action is not None and action.url:
        yield _Told(action.url, variable(action.url) in variables)
        return
    confirmed = {one.endpoint: one.confirmed for one in subscribers}
    for to in dict.fromkeys((*(one.endpoint for one in subscribers), *(action.emails if action else ()))):
        yield _Told(to, confirmed.get(to, False))


def _chosen(stage: Stage, region: _Region, names: Sequence[str]) -> list[Alarm]:
    """Return the alarms to raise. Raises CommandError where there are none, and UsageError for unknown names."""
    from upproxy.observe.alarms import can_be_tested, covering

    if not region.seen.alarms:
        raise CommandError(f"{stage.names.function} has no alarms in {region.name}", _next_step(stage))
    if not region.seen.topics:
        raise CommandError(
            f"the alarms of {stage.names.function} in {region.name} tell nobody",
            f"Name somebody in `actions` of up.yml, and run `upproxy deploy {stage.config.stage}`.",
        )
    alarms = {name: alarm for alarm in region.seen.alarms for name in (alarm.name, _short(stage, alarm))}
    topics = {name: arn for arn, name in region.actions.items()}
    for name in names:
        if name not in alarms and name not in topics:
            known = [*(_short(stage, alarm) for alarm in region.seen.alarms), *topics]
            near = difflib.get_close_matches(name, known, 1)
            hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(known)}."
            raise UsageError(f"there is no alert or action {name} in {region.name}", hint=hint)
    wanted = [topics[name] for name in names if name in topics] if names else list(region.seen.topics)
    found = list(dict.fromkeys(alarms[name] for name in names if name in alarms))
    for alarm in found:
        if not can_be_tested(alarm):
            raise CommandError(f"{_short(stage, alarm)} cannot be tested in {region.name}: {_why_not(alarm)}")
    found += [alarm for alarm in covering(region.seen.alarms, wanted) if alarm not in found]
    reached = {topic for alarm in found for topic in alarm.topics}
    if missed := [region.actions[arn] for arn in wanted if arn not in reached]:
        raise CommandError(
            f"no alarm in {region.name} can be raised to tell {_told(missed)}",
            "Those that would are raised already, or disabled: `upproxy alerts` shows them.",
        )
    return found


def _why_not(alarm: Alarm) -> str:
    if not alarm.enabled:
        return "it is disabled"
    return "it tells nobody" if not alarm.topics else f"it is raised already, since {_moment(alarm)}"


def _show(call: Call, stage: Stage, region: _Region) -> None:
    output = call.output
    if not region.seen.alarms:
        output.note(f"{stage.names.function} has no alarms in {region.name}. {_next_step(stage)}")
        return
    several = [region.name] if len(stage.regions) > 1 else []
    rows = [
        (
            *several,
            _short(stage, alarm),
            alarm.state,
            _moment(alarm),
            _told([_action(region, topic) for topic in alarm.topics]) if alarm.enabled else "nobody: disabled",
            alarm.description,
        )
        for alarm in region.seen.alarms
    ]
    output.table((*(["REGION"] if several else []), "ALERT", "STATE", "SINCE", "TELLS", "WHEN"), rows)
    for arn, name in region.actions.items():
        people = (one.to if one.ready else f"{one.to} (not yet)" for one in region.told[arn])
        output.text(f"{name}: {', '.join(people) or 'nobody'}")
    _warn(call, stage, region)


def _warn(call: Call, stage: Stage, region: _Region) -> None:
    """Tell of those who are not told, and how to change that."""
    for arn, people in region.told.items():
        for one in people:
            if one.ready:
                continue
            if one.to.startswith("${"):
                name, where = one.to[2:-1], f"-s {stage.config.stage}"
                call.output.warn(f"{one.to} is not set in {region.name}: `upproxy env add {name} {where}`")
                continue
            again = f"--region {region.name} --topic-arn {arn} --protocol email --notification-endpoint"
            call.output.warn(
                f"{one.to} is told nothing before the link is opened that an email from AWS has. "
                f"For another one: aws sns subscribe {again} {shlex.quote(one.to)}"
            )


def _described(stage: Stage, region: _Region) -> dict[str, Any]:
    return {
        "region": region.name,
        "alarms": [
            {
                "name": alarm.name,
                "alert": _short(stage, alarm),
                "state": alarm.state,
                "since": alarm.since.isoformat(),
                "reason": alarm.reason,
                "when": alarm.description,
                "enabled": alarm.enabled,
                "actions": [_action(region, topic) for topic in alarm.topics],
            }
            for alarm in region.seen.alarms
        ],
        "actions": [
            {"name": name, "tells": [one._asdict() for one in region.told[arn]]} for arn, name in region.actions.items()
        ],
    }


def _next_step(stage: Stage) -> str:
    if stage.config.settings.alerts:
        return f"`upproxy deploy {stage.config.stage}` makes them."
    return "Write `alerts: true` and `actions` into up.yml, then deploy."


def _action(region: _Region, topic: str) -> str:
    return region.actions.get(topic, topic)


def _told(names: Sequence[str]) -> str:
    return ", ".join(names) or "nobody"


def _short(stage: Stage, alarm: Alarm) -> str:
    return alarm.name.removeprefix(f"{stage.names.function}-")


def _moment(alarm: Alarm) -> str:
    return f"{alarm.since:%Y-%m-%d %H:%M} UTC"
