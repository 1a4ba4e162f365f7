"""`upproxy stack`: what a stage has in CloudFormation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from upproxy.cli.deploy import chosen
from upproxy.cli.errors import CommandError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from collections.abc import Iterable

    from upproxy.cli.output import Output
    from upproxy.cli.stage import Stage
    from upproxy.deploy.stack.certificate import Entry
    from upproxy.deploy.stack.changes import Change, Changes, Property
    from upproxy.deploy.stack.stack import Seen, Stack

_SIGNS = {"add": ("+", "green"), "change": ("~", "yellow"), "replace": ("!", "red"), "remove": ("-", "red")}
_VALUE = 40  # characters of a value that are shown


@click.group()
def command() -> None:
    """Plan, make, look at and delete what a stage has in CloudFormation.

    That is what rarely changes: gateways, domains, DNS records, the warmer, alarms. `upproxy deploy` brings it up to
    date too. The stage is staging unless another is named.
    """


@command.command("plan")
@click.argument("name", metavar="[STAGE]", required=False)
@click.pass_obj
def _plan(call: Call, name: str | None) -> None:
    """Show what would change, and change nothing.

    A line for each resource: + is added, ~ changed, ! replaced by a new one, - removed.
    """
    output = call.output
    described = []
    for stack in _told(_opened(call, name), output):
        with stack.plan(output.note) as changes:
            described.append(_described(stack, changes))
            if not output.as_json:
                _show(output, stack, changes)
    if output.as_json:
        output.document({"stacks": described})


@command.command("apply")
@click.argument("name", metavar="[STAGE]", required=False)
@click.pass_obj
def _apply(call: Call, name: str | None) -> None:
    """Make the stack what up.yml says.

    A certificate for the domain is requested before; while it is not issued this ends with what is missing, and the
    next run goes on from there. Somebody is asked before anything is replaced or removed.
    """
    output = call.output
    stage = _opened(call, name)
    stacks = _told(stage, output)
    applied = [_described(stack, changes) for stack, changes in apply(output, stacks, show=not output.as_json)]
    seen = {stack: stack.look() for stack in stacks}
    if output.as_json:
        addresses = [{**one, **_addresses(stage, found)} for one, found in zip(applied, seen.values(), strict=True)]
        output.document({"stacks": addresses})
    for found in seen.values():
        _tell_entries(output, found.entries)
        if not output.as_json:
            for address in _addresses(stage, found)["addresses"]:
                output.text(address)


@command.command("status")
@click.argument("name", metavar="[STAGE]", required=False)
@click.pass_obj
def _status(call: Call, name: str | None) -> None:
    """Show what there is, and whether it is still what up.yml says."""
    output = call.output
    stage = _opened(call, name)
    seen = {stack: stack.look() for stack in _stacks(stage)}
    if output.as_json:
        output.document({"stacks": [_status_of(stage, stack, found) for stack, found in seen.items()]})
    for stack, found in seen.items():
        if not output.as_json:
            _show_status(output, stage, stack, found)
        if not found.current:
            output.note(
                f"stale: {stack.names.stack} in {stack.region} is not what up.yml says; run `upproxy stack apply`"
            )
        _tell_entries(output, found.entries)


@command.command("delete")
@click.argument("name", metavar="[STAGE]", required=False)
@click.pass_obj
def _delete(call: Call, name: str | None) -> None:
    """Delete the stage with everything that was made for it: stack, function, role, logs, variables, artefacts.

    Nothing is touched that does not carry the stage's tags. Interrupted, it goes on when it is run again.
    """
    from upproxy.deploy import removal

    output = call.output
    stage = _opened(call, name)
    names, regions = stage.names, ", ".join(stage.regions)
    if not output.confirm(f"Delete {names.function} in {regions}, with its logs and its variables?"):
        raise CommandError("stopped, and nothing was deleted")
    there = removal.look(stage.session, names, stage.regions)
    records: list[Entry] = []
    for stack in _stacks(stage):
        records += stack.delete(output.note)
    others = [region for region in stage.config.settings.regions if region not in stage.regions]
    left = removal.remove(stage.session, names, there, output.note, others=others)
    for one in left:
        output.warn(f"left alone, since it does not carry our tags: {one}")
    for record in dict.fromkeys(records):
        output.note(f"left in DNS, since other certificates for the same domain use it too: {record}")
    if output.as_json:
        output.document({"deleted": names.function, "regions": list(stage.regions), "left": left})
    else:
        output.note(f"{names.function} is deleted")


def apply(output: Output, stacks: Iterable[Stack], *, show: bool) -> list[tuple[Stack, Changes]]:
    """Make stacks what they shall be, and return what that changed; with `show` that is shown as data before.

    Asks before anything is replaced or removed. Raises Pending, DeployError, AwsError, and CommandError for a no.
    """
    from upproxy.deploy.stack.stack import prepare

    listed, applied = list(stacks), []
    prepare(listed, output.note)
    for stack in listed:
        with stack.plan(output.note) as changes:
            if show or changes.destructive:
                _show(output, stack, changes, as_data=show)
            if changes.destructive and not output.confirm(
                f"Replace or remove what is marked so in {stack.names.stack} ({stack.region})?"
            ):
                raise CommandError("stopped; the stack is as it was")
            stack.apply(changes, output.note)
            applied.append((stack, changes))
    return applied


def _opened(call: Call, name: str | None) -> Stage:
    # Not at the top: the help of these commands should not wait for boto3.
    from upproxy.cli import stage as stages

    chosen(call, name)
    return stages.opened(call)


def _stacks(stage: Stage) -> list[Stack]:
    """Return the stacks of all regions."""
    from upproxy.deploy.stack.stack import Stack

    return [
        Stack(stage.session, stage.config, stage.names, region, leads=region == stage.regions[0])
        for region in stage.regions
    ]


def _told(stage: Stage, output: Output) -> list[Stack]:
    """Return the stacks of all regions, and tell what people should know before they are changed."""
    stacks = _stacks(stage)
    if stage.config.endpoint.why:
        output.note(stage.config.endpoint.why)
    for warning in (*stage.config.warnings, *(warning for stack in stacks for warning in stack.warnings)):
        output.warn(warning)
    return stacks


def _show(output: Output, stack: Stack, changes: Changes, *, as_data: bool = True) -> None:
    if not changes:
        output.note(f"nothing to change in {stack.names.stack} ({stack.region})")
        return
    output.note(f"{changes.what} the stack {stack.names.stack} in {stack.region}:")
    width = max((len(one.kind) for one in changes.resources), default=0)
    for one in changes.resources:
        sign, colour = _SIGNS[one.action]
        line = f"{sign} {one.kind:{width}}  {_line(one)}".rstrip()
        if as_data:
            output.text(line, colour)
        else:
            output.note(line)
    if not changes.resources:
        output.note("~ outputs or tags alone")
    if changes.pending:
        output.note("the certificate is not issued yet; `upproxy stack apply` requests it, and says what it waits for")


def _line(change: Change) -> str:
    known = change.physical_id.rpartition("/")[2]
    name = f"{change.logical_id} ({known})" if known and known != change.logical_id else change.logical_id
    maybe = ["may be replaced"] if change.maybe else []
    parts = [*maybe, *map(_property, change.properties)]
    return f"{name}: {', '.join(parts)}" if parts else name


def _property(one: Property) -> str:
    if not one.before and not one.after:
        return one.name
    return f"{one.name} {_short(one.before)} → {_short(one.after)}"


def _short(value: str) -> str:
    flat = " ".join(value.split()) or "–"
    return flat if len(flat) <= _VALUE else f"{flat[: _VALUE - 1]}…"


def _described(stack: Stack, changes: Changes) -> dict[str, Any]:
    return {
        "stack": stack.names.stack,
        "region": stack.region,
        "what": changes.what,
        "destructive": changes.destructive,
        "pending": changes.pending,
        "changes": [
            {
                "action": one.action,
                "type": one.kind,
                "id": one.logical_id,
                "physical_id": one.physical_id or None,
                "maybe": one.maybe,
                "properties": [prop._asdict() for prop in one.properties],
            }
            for one in changes.resources
        ],
    }


def _addresses(stage: Stage, found: Seen) -> dict[str, Any]:
    settings = stage.config.settings
    domain = [f"https://{settings.domain}{settings.path or '/'}"] if settings.domain and found.status else []
    return {"addresses": [*domain, *filter(None, [found.outputs.get("Url")])]}


def _status_of(stage: Stage, stack: Stack, found: Seen) -> dict[str, Any]:
    return {
        "stack": stack.names.stack,
        "region": stack.region,
        "status": found.status or None,
        "current": found.current,
        **_addresses(stage, found),
        "outputs": dict(found.outputs),
        "resources": [
            {
                "type": one["ResourceType"],
                "id": one["LogicalResourceId"],
                "physical_id": one.get("PhysicalResourceId"),
                "status": one["ResourceStatus"],
                "reason": one.get("ResourceStatusReason"),
            }
            for one in found.resources
        ],
        "records": [entry._asdict() for entry in found.entries],
    }


def _show_status(output: Output, stage: Stage, stack: Stack, found: Seen) -> None:
    if not found.status:
        output.note(f"there is no stack {stack.names.stack} in {stack.region}")
        return
    output.note(f"{stack.names.stack} in {stack.region}: {found.status}")
    columns = ("STATUS", "TYPE", "NAME", "")
    output.table(
        columns,
        [
            (
                one["ResourceStatus"],
                one["ResourceType"],
                one.get("PhysicalResourceId") or one["LogicalResourceId"],
                one.get("ResourceStatusReason", ""),
            )
            for one in found.resources
        ],
    )
    for address in _addresses(stage, found)["addresses"]:
        output.text(address)


def _tell_entries(output: Output, entries: Iterable[Entry]) -> None:
    for entry in entries:
        output.note(f"enter this where the DNS of {entry.name} is kept: {entry}")
        if entry.kind == "CNAME" and entry.name.count(".") == 1:
            output.note(
                "at the top of a zone no CNAME is allowed: there it is an ALIAS or ANAME record, if there is one"
            )
