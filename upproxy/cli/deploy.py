"""`upproxy deploy`: build, release, check, and let it go live."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from upproxy.cli.build import STAGE, building, run_hook
from upproxy.cli.errors import CommandError, UsageError
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from upproxy.build.target import Target
    from upproxy.cli.output import Output
    from upproxy.cli.stage import Stage
    from upproxy.config import Config
    from upproxy.deploy.code import Code
    from upproxy.deploy.commit import Commit
    from upproxy.deploy.release import Deploy, Outcome
    from upproxy.deploy.stack.stack import Stack

_PUBLIC = "the {what} of {function} is public: everybody who knows or guesses the address can call it"


@click.command()
@click.argument("name", metavar="[STAGE]", required=False)
@click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")
@click.option("--allow-sdist", is_flag=True, help="Build packages that have no wheel, if they are Python alone.")
@click.pass_obj
def command(call: Call, name: str | None, *, dry_run: bool, allow_sdist: bool) -> None:
    """Deploy the app to a stage, staging by default.

    A new release gets traffic when it has answered the health check; until then, and if it does not, the one that is
    live stays so. What has not changed is not deployed again. The address goes to stdout.
    """
    from upproxy.cli import stage as stages
    from upproxy.deploy import commit
    from upproxy.deploy.code import Code

    stage = chosen(call, name)
    opened = stages.opened(call)
    _ = opened.session.account  # so that missing credentials are told before the build
    with building(call, stage, {"allow_sdist": allow_sdist}) as built:
        opened = opened._replace(config=built.config)
        code = Code.of(opened.names.function, built.artefact.members)
        release(call, opened, built.artefact.target, code, commit.current(opened.config.directory), dry_run=dry_run)


def chosen(call: Call, stage: str | None) -> str:
    """Return the stage that is meant, staging by default, and keep it in the call. Raises UsageError for two."""
    if stage and call.stage and stage != call.stage:
        raise UsageError(f"two stages are named: {stage} and {call.stage}")
    call.stage = stage or call.stage or STAGE
    return call.stage


def release(call: Call, stage: Stage, target: Target, code: Code, commit: Commit, *, dry_run: bool = False) -> None:
    """Bring code to a stage, and tell of it. Raises AwsError, DeployError and VariableError."""
    from upproxy.cli.stack import apply
    from upproxy.deploy import address, wanted
    from upproxy.deploy.environment import Variables, unset, untold
    from upproxy.deploy.release import Deploy
    from upproxy.deploy.stack.stack import Stack
    from upproxy.deploy.together import in_all

    output, session, names = call.output, stage.session, stage.names
    began = time.monotonic()
    account = wanted.Account(session.partition, session.account)
    secrets = in_all(stage.regions, lambda region: Variables(session, region, names).values())
    by_region = {region: wanted.of(stage.config, target, account, secrets[region]) for region in stage.regions}

    stacks = [Stack(session, stage.config, names, region, leads=region == stage.regions[0]) for region in stage.regions]
    with output.progress() as report:
        deploy = Deploy(session, by_region, code, commit, report)
        deploy.look()
        seen = {stack: stack.look() for stack in stacks}
    stale = [stack for stack, found in seen.items() if not found.current]
    changed = bool(deploy.changes or stale)
    if dry_run:
        _show(output, deploy.changes, stale)
        return
    there = {one.name for one in next(iter(secrets.values()))}
    for name in (*unset(stage.config.settings, there), *untold(stage.config.settings, there)):
        output.warn(
            f"up.yml refers to ${{{name}}}, which is no variable of the stage: `upproxy env add {name}` makes it"
        )
    if changed:
        gateway = stage.config.endpoint.is_gateway and not all(found.status for found in seen.values())
        _ask(output, deploy, stage.config, gateway=gateway)
        run_hook(output, stage.config, "predeploy")
    try:
        with output.progress() as report:
            deploy.report = report
            deploy.prepare()
            deploy.switch()
        apply(output, stale, show=False)
        with output.progress() as report:
            deploy.report = report
            outcomes = deploy.retire()
    except KeyboardInterrupt:
        output.warn("interrupted: run it again, and it goes on; `upproxy deploys` says what is live")
        raise
    if changed:
        run_hook(output, stage.config, "postdeploy")
    if stage.config.endpoint.is_gateway:
        outcomes = [replace(one, url=address.of(session, one.region, names, stage.config)) for one in outcomes]
    _tell(output, stage, outcomes, changed=changed, seconds=time.monotonic() - began)


def _ask(output: Output, deploy: Deploy, config: Config, *, gateway: bool) -> None:
    """Ask what somebody has to know before; `gateway` says that one is made.

    Raises CommandError for a no, and UsageError where nobody can answer.
    """
    if deploy.opens or (gateway and config.settings.lambda_.url_auth == "none"):
        what = "gateway" if gateway else "Function URL"
        sentence = _PUBLIC.format(what=what, function=f"{config.name}-{config.stage}")
        if output.interactive:
            _confirm(output, f"{sentence}. Go on?")
        else:
            output.warn(f"{sentence}; `lambda: {{url_auth: iam}}` or `auth` in up.yml would keep others out")
    for question in deploy.questions:
        _confirm(output, question)


def _confirm(output: Output, question: str) -> None:
    if not output.confirm(question):
        raise CommandError("stopped, and nothing was changed")


def _show(output: Output, steps: Mapping[str, Sequence[str]], stale: Sequence[Stack]) -> None:
    changes = {region or "global": list(lines) for region, lines in steps.items()}
    for stack in stale:
        changes.setdefault(stack.region, []).append("bring the stack up to date (`upproxy stack plan` says more)")
    if output.as_json:
        output.document({"changes": changes})
        return
    if not changes:
        output.note("nothing to do: what is live is what would be deployed")
    for region, lines in changes.items():
        for line in lines:
            output.text(f"{region}: {line}")


def _tell(output: Output, stage: Stage, outcomes: Sequence[Outcome], *, changed: bool, seconds: float) -> None:
    for one in outcomes:
        where = f" in {one.region}" if len(outcomes) > 1 else ""
        if one.released:
            output.note(f"version {one.version} is live{where}: {_seen(one)}; {seconds:.1f} s")
        elif changed:
            output.note(f"version {one.version} stays live{where}, what belongs to it has changed; {seconds:.1f} s")
        else:
            output.note(f"nothing to do{where}: version {one.version} is live and the same")
    if output.as_json:
        output.document(_described(stage, outcomes, seconds))
        return
    for url in filter(None, (one.url for one in outcomes)):
        output.text(url)


def _seen(outcome: Outcome) -> str:
    healthy = outcome.healthy
    if healthy is None:
        return "not checked"
    parts = [f"it answered with {healthy.status} in {healthy.duration_ms:.0f} ms"]
    if healthy.init_ms is not None:
        parts.append(f"started in {healthy.init_ms:.0f} ms")
    if healthy.memory is not None:
        parts.append(f"used {healthy.memory} MB")
    if outcome.warmed:
        parts.append(f"has {outcome.warmed} warm {'instance' if outcome.warmed == 1 else 'instances'}")
    return ", ".join(parts)


def _described(stage: Stage, outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    return {
        "app": stage.config.name,
        "stage": stage.config.stage,
        "seconds": round(seconds, 2),
        "regions": [
            {
                "region": one.region,
                "version": one.version,
                "url": one.url or None,
                "released": one.released,
                "health": one.healthy._asdict() if one.healthy else None,
                "warmed": one.warmed,
            }
            for one in outcomes
        ],
    }
