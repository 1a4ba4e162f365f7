"""`upproxy rollback`: an earlier release goes live again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from upproxy.cli.deploy import chosen
from upproxy.cli.errors import Unhealthy
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.cli.stage import Stage
    from upproxy.deploy.history import History, Release


@click.command()
@click.argument("release", required=False)
@click.pass_obj
def command(call: Call, release: str | None) -> None:
    """Let an earlier release go live: the one before, or that of a version, commit or tag.

    Nothing is built or uploaded. It is asked for its health afterwards. The stage is staging unless -s names another.
    """
    from upproxy.aws.functions import Functions
    from upproxy.cli import stage as stages
    from upproxy.deploy import commit, gate, history, steps, wanted
    from upproxy.deploy.errors import Unhealthy as NotHealthy
    from upproxy.deploy.together import in_all

    output = call.output
    chosen(call, None)
    stage = stages.opened(call)
    name = stage.names.function
    functions = {region: Functions(stage.session, region) for region in stage.regions}
    histories = in_all(stage.regions, lambda region: history.read(functions[region], stage.names))
    sha = commit.resolve(stage.config.directory, release) if release else None
    targets = {region: _target(found, release, sha) for region, found in histories.items()}
    health = wanted.health_of(stage.config)
    where = {region: f" in {region}" if len(stage.regions) > 1 else "" for region in stage.regions}
    failures = []
    moving = [region for region in stage.regions if not targets[region].live]

    def move(region: str) -> None:
        functions[region].ready(name, targets[region].version, output.note)
        steps.move(functions[region], name, histories[region].alias, targets[region].version)
        output.note(f"{targets[region].title} is live again{where[region]}")

    for region in stage.regions:
        if region not in moving:
            output.note(f"nothing to do{where[region]}: {targets[region].title} is live")
    in_all(moving, move)
    for region in moving:
        try:
            seen = gate.check(functions[region], name, targets[region].version, health, output.note)
            output.note(f"it answered with {seen.status} in {seen.duration_ms:.0f} ms")
        except NotHealthy as error:
            failures.append(error)
    if output.as_json:
        output.document(_described(stage, targets, histories))
    if failures:
        raise Unhealthy(f"{failures[0]}; it is live all the same", failures[0].hint)


def _target(found: History, reference: str | None, sha: str | None) -> Release:
    from upproxy.deploy.errors import NotDeployed

    if reference is not None:
        return found.find(reference, sha)
    if found.previous is None:
        raise NotDeployed(
            f"there is nothing to roll back to: no release was live before version {found.live}",
            "`upproxy deploys` lists what there is; `upproxy rollback VERSION` takes any of it.",
        )
    return found.previous


def _described(stage: Stage, targets: dict[str, Release], histories: dict[str, History]) -> dict[str, object]:
    return {
        "app": stage.config.name,
        "stage": stage.config.stage,
        "regions": [
            {"region": region, "version": targets[region].version, "was": histories[region].live}
            for region in stage.regions
        ],
    }
