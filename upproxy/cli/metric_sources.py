"""What of a stage there is to measure in a region: its live version, what takes its requests, its log, its warmer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.aws.stacks import Stacks
from upproxy.cli.stage import Stage
from upproxy.deploy import live
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.stack.gateway import HTTP_API, REST_API
from upproxy.deploy.together import at_once
from upproxy.observe.metrics.source import Log, Source


def source(stage: Stage, region: str) -> Source:
    """Ask for what there is, which up.yml need not say yet. Raises NotDeployed, and AwsError."""
    names = stage.names
    configuration, resources, group = at_once(
        lambda: live.configuration(Functions(stage.session, region), names),
        lambda: Stacks(stage.session, region).resources(names.stack),
        lambda: LogGroups(stage.session, region).find(names.log_group),
    )
    made = {one["LogicalResourceId"]: one.get("PhysicalResourceId", "") for one in resources}
    endpoint, api = _endpoint(made, names)
    warmer = names.beside("warmer")
    return Source(
        function=names.function,
        alias=ALIAS,
        memory=configuration["MemorySize"],
        architecture=configuration["Architectures"][0],
        endpoint=endpoint,
        api=api,
        log=_log(names, group),
        gateway_log=names.gateway_log_group,
        warmer=warmer if warmer in made.values() else None,
    )


def _endpoint(made: Mapping[str, str], names: Names) -> tuple[str, dict[str, str]]:
    """Return what takes the requests, and how CloudWatch knows it."""
    if HTTP_API in made:
        return "http_api", {"ApiId": made[HTTP_API]}
    if REST_API in made:
        return "rest_api", {"ApiName": names.function, "Stage": ALIAS}
    return "function_url", {}


def _log(names: Names, group: Mapping[str, Any] | None) -> Log | None:
    if group is None:
        return None
    return Log(group=names.log_group, created=group["creationTime"] / 1000, days=group.get("retentionInDays"))
