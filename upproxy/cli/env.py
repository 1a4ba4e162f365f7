"""`upproxy env`: the secret variables of a stage."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from upproxy.cli.errors import CommandError, UsageError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.cli.stage import Stage
    from upproxy.deploy.environment import Variable, Variables

_COVERED = (
    "the app never sees {0}: `environment` in up.yml gives it another value; `{0}: ${{{0}}}` would give it this one"
)


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """Keep the app's secret variables, encrypted, by stage.

    They are in SSM's Parameter Store, and come to the app with the next deploy. The stage is staging unless -s names
    another. What is no secret goes under `environment` in up.yml.
    """
    if context.invoked_subcommand is None:
        context.invoke(_list)


@command.command("ls")
@click.pass_obj
def _list(call: Call) -> None:
    """List the variables, without their values."""
    stage = _opened(call)
    found = {each.region: each.listed() for each in _variables(stage)}
    rows = [(variable, region) for region, variables in found.items() for variable in variables]
    if call.json:
        listed = [
            {"name": one.name, "region": region, "version": one.version, "modified": one.modified.isoformat()}
            for one, region in rows
        ]
        call.output.document({"app": stage.config.name, "stage": stage.config.stage, "variables": listed})
    elif rows:
        rows.sort(key=lambda row: row[0].name)
        call.output.table(
            ("NAME", "VERSION", "CHANGED", "REGION"),
            [(one.name, str(one.version), f"{one.modified:%Y-%m-%d %H:%M} UTC", region) for one, region in rows],
        )
    else:
        call.output.note(f"{stage.names.function} has no secret variables; `upproxy env add NAME` adds one")
    _warn(call, stage, found)


# Unknown options too are refused without being repeated: who writes a value here may write one that begins with a dash.
@command.command("add", context_settings={"ignore_unknown_options": True})
@click.argument("words", metavar="NAME", nargs=-1, type=click.UNPROCESSED)
@click.pass_obj
def _add(call: Call, words: tuple[str, ...]) -> None:
    """Add a variable, or give it a new value.

    In a terminal the value is asked for and not shown; otherwise it is what is piped in, without a newline at its end.
    It is never an argument, which other users of the machine could see. The deployed app has it after the next deploy.
    """
    if not words:
        raise UsageError("the name of the variable is missing", hint="Such as `upproxy env add DATABASE_URL`.")
    name = words[0].partition("=")[0]
    if len(words) > 1 or name != words[0]:
        raise UsageError(
            "only the name of one variable is taken here, and never its value",
            hint="Others could see it in the list of processes, and your shell keeps it. Nothing was stored. "
            "Type it when you are asked for it, or pipe it in: `upproxy env add NAME < file`.",
        )

    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.deploy.environment import check_name, covered, of_alerts

    output = call.output
    check_name(name)
    stage = _opened(call)
    everywhere = _variables(stage)
    value = _text(name, output.secret(f"value of {name}"))
    for variables in everywhere:
        variables.check({name: value})
    tags = stage.config.settings.lambda_.tags
    added = [{"name": name, "region": each.region, "version": each.add(name, value, tags)} for each in everywhere]
    if output.as_json:
        output.document({"app": stage.config.name, "stage": stage.config.stage, "variables": added})
    for one in added:
        output.note(f"kept {name} of {stage.names.function} in {one['region']}: version {one['version']}")
    if name in of_alerts(stage.config.settings):
        output.note("alerts go there from now on; the app does not have it")
    else:
        output.note(f"the app has it after `upproxy deploy {stage.config.stage}`")
    for covering in covered(stage.config.settings, [name]):
        output.warn(_COVERED.format(covering))


@command.command("get")
@click.argument("name")
@click.pass_obj
def _get(call: Call, name: str) -> None:
    """Print the value of a variable."""
    stage = _opened(call)
    variables = _variables(stage)[0]
    found = variables.find(name)
    if found is None:
        raise _missing(stage, [name])
    _shown(call)
    if call.json:
        call.output.document({"name": name, "value": found.value, "version": found.version})
    else:
        call.output.text(found.value)


@command.command("rm")
@click.argument("names", metavar="NAME...", nargs=-1, required=True)
@click.pass_obj
def _remove(call: Call, names: tuple[str, ...]) -> None:
    """Remove variables, with all their versions. The deployed app has them until the next deploy."""
    stage = _opened(call)
    everywhere = _variables(stage)
    there = {one.name for each in everywhere for one in each.listed()}
    if missing := [name for name in names if name not in there]:
        raise _missing(stage, missing)
    for variables in everywhere:
        variables.remove(names)
    if call.json:
        call.output.document({"app": stage.config.name, "stage": stage.config.stage, "removed": list(names)})
    call.output.note(
        f"removed {', '.join(names)} of {stage.names.function} in {', '.join(stage.regions)}; "
        f"the app has {'it' if len(names) == 1 else 'them'} until `upproxy deploy {stage.config.stage}`"
    )


@command.command("export")
@click.pass_obj
def _export(call: Call) -> None:
    """Print all variables with their values, for a shell or a .env file.

    Such as `eval "$(upproxy env export)"` before `upproxy start`, which gives the app the shell's variables.
    """
    from upproxy.deploy import dotenv

    values = {one.name: one.value for one in _variables(_opened(call))[0].values()}
    _shown(call)
    if call.json:
        call.output.document(values)
    else:
        call.output.text(dotenv.write(values))


def _opened(call: Call) -> Stage:
    # Not at the top: the help of this command should not wait for boto3.
    from upproxy.cli import stage

    return stage.opened(call)


def _variables(stage: Stage) -> list[Variables]:
    from upproxy.deploy.environment import Variables

    return [Variables(stage.session, region, stage.names) for region in stage.regions]


def _text(name: str, value: bytes) -> str:
    """Return a value without the newline that `echo` and editors put at its end. Raises UsageError."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise UsageError(f"the value of {name} is no UTF-8", hint="Encode it, such as in base64.") from None
    return text.removesuffix("\n").removesuffix("\r")


def _shown(call: Call) -> None:
    if sys.stdout.isatty():
        call.output.warn("secret values are on this screen now; clear it, and its scrollback, when you are done")


def _missing(stage: Stage, names: list[str]) -> CommandError:
    return CommandError(
        f"{stage.names.function} has no variable {' or '.join(names)} in {', '.join(stage.regions)}",
        hint=f"`upproxy env ls -s {stage.config.stage}` lists those that there are.",
    )


def _warn(call: Call, stage: Stage, found: dict[str, list[Variable]]) -> None:
    """Tell of variables that are wanted and not there, and of those that are there and of no use."""
    from upproxy.deploy.environment import covered, unset, untold

    settings = stage.config.settings
    wanted = {variable.name for variables in found.values() for variable in variables}
    for name in covered(settings, wanted):
        call.output.warn(_COVERED.format(name))
    for region, variables in found.items():
        names = {variable.name for variable in variables}
        for name in unset(settings, names):
            call.output.warn(f"up.yml refers to ${{{name}}}, which is not set in {region}: the app would not start")
        for name in untold(settings, names):
            call.output.warn(
                f"`actions` refer to ${{{name}}}, which is not set in {region}: alarms would tell nobody there"
            )
        for name in sorted(wanted - names - {*unset(settings, names), *untold(settings, names)}):
            call.output.warn(f"{name} is not set in {region}, but in other regions")
