"""Which log groups a query is about: those of the stages that it names, in all their regions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

from upproxy import config
from upproxy.aws.log_events import LogEvents
from upproxy.cli import stage as stages
from upproxy.cli.build import STAGE
from upproxy.cli.errors import UsageError
from upproxy.cli.frame import Call
from upproxy.cli.stage import Stage
from upproxy.config.stages import names as known_stages
from upproxy.observe.logs.query import compile_pattern, may_keep, names, parse
from upproxy.observe.logs.query.tree import Node
from upproxy.observe.logs.tail import Group

_LOCAL = "development"  # what it writes is on the screen of `upproxy start`


class Place(NamedTuple):
    """A stage in a region."""

    stage: Stage
    region: str

    @property
    def origin(self) -> Mapping[str, str]:
        """What all lines of its log group have in common."""
        return {"stage": self.stage.names.stage, "region": self.region}

    def group(self, node: Node) -> Group:
        """Return its log group, and what a query asks of it."""
        source = LogEvents(self.stage.session, self.region)
        return Group(source, self.stage.names.log_group, self.origin, compile_pattern(node, self.origin).patterns)


def places(call: Call, query: str) -> tuple[Node, list[Place]]:
    """Return a query, and where the lines that it keeps can be.

    That is the stage of -s; else those that the query names; else staging. Raises QueryError, ConfigError, UsageError
    for a query that leaves no place, and AwsError.
    """
    known = known_stages(config.load(call.directory, call.stage or STAGE).document)
    node = parse(query, known)
    if call.stage or "stage" not in names(node):
        looked_at = [call.stage or STAGE]
    else:
        looked_at = [name for name in known if name != _LOCAL and may_keep(node, {"stage": name})]
    found = [
        Place(stage, region)
        for stage in (stages.opened(replace(call, stage=name)) for name in looked_at)
        for region in stage.regions
    ]
    found = [place for place in found if may_keep(node, place.origin)]
    if not found:
        if call.stage:
            hint = "A query that names stages needs no -s."
            raise UsageError(f"the query keeps no line of the stage {call.stage}", hint=hint)
        on_aws = ", ".join(name for name in known if name != _LOCAL)
        hint = f"The stages are {on_aws}; `regions` in up.yml has the regions."
        raise UsageError("the query keeps no line of a stage that is on AWS", hint=hint)
    return node, found
