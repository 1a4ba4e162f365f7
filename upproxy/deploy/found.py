"""What there is on AWS: all of it asked for at once, nothing changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from upproxy.aws.functions import Functions
from upproxy.aws.log_groups import LogGroups
from upproxy.aws.roles import Roles
from upproxy.deploy.errors import NotOurs
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.together import at_once

Document = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Found:
    """A stage in a region, in the shapes of AWS's APIs; None for what is not there.

    `function` is what was changed last, `live` the configuration of the version that is live.
    """

    function: Document | None = field(default=None, repr=False)  # which have the values of variables
    alias: Document | None = None
    live: Document | None = field(default=None, repr=False)
    url: Document | None = None
    statements: Sequence[Document] = ()
    provisioned: int = 0
    log_group: Document | None = None
    log_group_is_ours: bool = True


@dataclass(frozen=True)
class FoundRole:
    """The role, and the statements of the policy that we wrote into it."""

    role: Document | None
    statements: Sequence[Document] = ()


def look(names: Names, functions: Functions, log_groups: LogGroups) -> Found:
    """Ask for everything of a stage in a region. Raises NotOurs, and AwsError."""
    function, alias, live, url, statements, provisioned, log_group = at_once(
        lambda: functions.find(names.function),
        lambda: functions.alias(names.function, ALIAS),
        lambda: functions.configuration(names.function, ALIAS),
        lambda: functions.url(names.function, ALIAS),
        lambda: functions.statements(names.function, ALIAS),
        lambda: functions.provisioned(names.function, ALIAS),
        lambda: log_groups.find(names.log_group),
    )
    if function is not None and not names.own(function.get("Tags", {})):
        raise _not_ours("the function", names.function)
    ours = log_group is None or names.own(log_groups.tags(log_group["arn"]))
    return Found(
        function=function, alias=alias, live=live, url=url, statements=statements, provisioned=provisioned,
        log_group=log_group, log_group_is_ours=ours,
    )  # fmt: skip


def look_for_role(names: Names, roles: Roles) -> FoundRole:
    """Ask for the stage's role. Raises NotOurs, and AwsError."""
    role = roles.find(names.role)
    if role is None:
        return FoundRole(None)
    if not names.own(role.get("Tags", [])):
        raise _not_ours("the role", names.role)
    return FoundRole(role, roles.statements(names.role))


def _not_ours(what: str, name: str) -> NotOurs:
    return NotOurs(
        f"{what} {name} exists and is not one of upproxy's: it does not have our tags",
        "It is left as it is. Choose another `name` in up.yml, or remove it yourself.",
    )
