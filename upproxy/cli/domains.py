"""`upproxy domains`: the domains of all stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click

from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

    from upproxy.cli.stage import Stage

_LEADS = {
    "here": "leads to the gateway",
    "elsewhere": "leads elsewhere",
    "nowhere": "is not known to DNS",
    "": "there is no gateway yet",
}


class _Domain(NamedTuple):
    """A domain in a region; `certificate` is ACM's status, `target` what it has to lead to; empty for none."""

    domain: str
    stage: str
    region: str
    certificate: str
    target: str


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the domains of all stages, and check what they lead to."""
    if context.invoked_subcommand is None:
        context.invoke(_list)


@command.command("ls")
@click.pass_obj
def _list(call: Call) -> None:
    """List the domains with their certificates, and the gateways that they have to lead to."""
    output = call.output
    domains = list(_domains(call))
    if output.as_json:
        output.document([one._asdict() for one in domains])
    elif domains:
        output.table(
            ("DOMAIN", "STAGE", "REGION", "CERTIFICATE", "LEADS TO"),
            [(one.domain, one.stage, one.region, _certificate(one), one.target or "–") for one in domains],
        )
    else:
        _none(call)


@command.command("check")
@click.pass_obj
def _check(call: Call) -> int:
    """Look up each domain in DNS, and end with 1 unless all of them lead to their gateways.

    It is what this machine's resolver knows: a change takes as long to arrive as the old record may be cached.
    """
    from upproxy.deploy.stack.resolution import leads

    output = call.output
    checked = [(one, leads(one.domain, one.target) if one.target else "") for one in _domains(call)]
    if output.as_json:
        output.document([{**one._asdict(), "leads": found or None} for one, found in checked])
    for one, found in checked:
        if not output.as_json:
            said = f"{one.domain} ({one.stage}, {one.region}): {_LEADS[found]}; certificate {_certificate(one)}"
            output.text(said, "green" if found == "here" else "red")
        if found in ("elsewhere", "nowhere"):
            output.note(f"{one.domain} has to lead to {one.target}")
    if not checked and not output.as_json:
        _none(call)
    # One that is answered by several regions leads to any of them.
    fine = {one.domain for one, found in checked if found == "here"}
    return 0 if all(one.domain in fine for one, _ in checked) else 1


def _domains(call: Call) -> Iterator[_Domain]:
    # Not at the top: the help of these commands should not wait for boto3.
    from upproxy.deploy.stack.stack import Stack

    for stage in _stages(call):
        for region in stage.regions:
            stack = Stack(stage.session, stage.config, stage.names, region, leads=region == stage.regions[0])
            target = stack.outputs().get("DomainTarget", "")
            domain = stage.config.settings.domain or ""
            yield _Domain(domain, stage.config.stage, region, stack.certificate_status(), target)


def _stages(call: Call) -> Iterator[Stage]:
    """Go through the stages that have a domain."""
    from dataclasses import replace

    from upproxy import config
    from upproxy.cli import stage as stages
    from upproxy.config.stages import names

    first = config.load(call.directory)
    for name in [call.stage] if call.stage else names(first.document):
        if config.load(call.directory, name).settings.domain is not None:
            yield stages.opened(replace(call, stage=name))


def _certificate(one: _Domain) -> str:
    return one.certificate.lower().replace("_", " ") or "none"


def _none(call: Call) -> None:
    call.output.note("no stage has a domain; `stages: {production: {domain: shop.example}}` in up.yml gives it one")
