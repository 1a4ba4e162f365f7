"""`upproxy deploys`: the releases of a stage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from upproxy.cli.deploy import chosen
from upproxy.cli.frame import Call

if TYPE_CHECKING:
    from upproxy.deploy.history import Release

_MESSAGE = 60  # characters of a commit's message


@click.command()
@click.argument("name", metavar="[STAGE]", required=False)
@click.pass_obj
def command(call: Call, name: str | None) -> None:
    """List the releases of a stage, the newest first, and which of them is live.

    The stage is staging unless another is named.
    """
    from upproxy.aws.functions import Functions
    from upproxy.cli import stage as stages
    from upproxy.deploy import history
    from upproxy.deploy.together import in_all

    output = call.output
    chosen(call, name)
    opened = stages.opened(call)
    found = in_all(opened.regions, lambda region: history.read(Functions(opened.session, region), opened.names))
    rows = [(region, release) for region, one in found.items() for release in reversed(one.releases)]
    if output.as_json:
        output.document([_described(region, release) for region, release in rows])
        return
    columns = ("", "VERSION", "DEPLOYED", "COMMIT", "AUTHOR", "MESSAGE")
    several = len(opened.regions) > 1
    lines = [(*_line(release), *([region] if several else [])) for region, release in rows]
    output.table((*columns, *(["REGION"] if several else [])), lines)


def _line(release: Release) -> tuple[str, ...]:
    commit = release.commit
    marks = {"live": release.live, "previous": release.previous, "rolled back": release.undone}
    mark = next((name for name, fits in marks.items() if fits), "" if release.served else "never live")
    message = commit.message if len(commit.message) <= _MESSAGE else f"{commit.message[: _MESSAGE - 1]}…"
    at = f"{release.at:%Y-%m-%d %H:%M} UTC" if release.at else "–"
    return mark, release.version, at, f"{commit.sha}{'+' if commit.changed else ''}" or "–", commit.author, message


def _described(region: str, release: Release) -> dict[str, Any]:
    commit = release.commit
    return {
        "region": region,
        "version": release.version,
        "live": release.live,
        "previous": release.previous,
        "served": release.served,
        "rolled_back": release.undone,
        "deployed": release.at.isoformat() if release.at else None,
        "commit": commit.sha or None,
        "changed": commit.changed,
        "author": commit.author,
        "message": commit.message,
        "size": release.size,
        "sha256": release.sha256,
    }
