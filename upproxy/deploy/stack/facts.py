"""What a template is made of: what no configuration says, its parts, and references between them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, NamedTuple

from upproxy.config import Config
from upproxy.deploy.names import ALIAS, Names


@dataclass(frozen=True)
class Facts:
    """What is known of a region.

    `alias` is the ARN of the alias that requests go to. `certificate` is the ARN for the stage's domain and `zone` the
    id of the hosted zone that its records go to, None where there is none in the account; `zones` has the ids for `dns`
    by name. All of these may be references instead. `leads` says that this is the first of the stage's regions, which
    has what there is only one of. `gateway_logs` says that REST APIs of the account may write logs.
    """

    region: str
    alias: Any
    certificate: Any = None
    zone: Any = None
    zones: Mapping[str, Any] = field(default_factory=dict)
    leads: bool = True
    gateway_logs: bool = True


class Part(NamedTuple):
    """Resources and outputs of a template by their logical ids."""

    resources: Mapping[str, dict[str, Any]]
    outputs: Mapping[str, Any] = MappingProxyType({})


def resource(kind: str, **properties: Any) -> dict[str, Any]:
    """Return a resource by its type, without `AWS::`; properties that are None are left out."""
    return {
        "Type": f"AWS::{kind}",
        "Properties": {name: value for name, value in properties.items() if value is not None},
    }


def attribute(logical_id: str, name: str) -> dict[str, list[str]]:
    """Refer to an attribute of a resource."""
    return {"Fn::GetAtt": [logical_id, name]}


def reference(logical_id: str) -> dict[str, str]:
    """Refer to a resource."""
    return {"Ref": logical_id}


def arn(service: str, rest: str, *, region: str = "${AWS::Region}") -> dict[str, Any]:
    """Return the ARN of something in the stack's own account."""
    return substituted(f"arn:${{AWS::Partition}}:{service}:{region}:${{AWS::AccountId}}:{rest}")


def alias_of(names: Names) -> dict[str, Any]:
    """Return the ARN of the alias that requests go to."""
    return arn("lambda", f"function:{names.function}:{ALIAS}")


def log_group(config: Config, name: str) -> dict[str, Any]:
    """Return a log group that keeps lines as long as the app's own."""
    return resource("Logs::LogGroup", LogGroupName=name, RetentionInDays=config.settings.lambda_.log_retention)


def substituted(text: str, **values: Any) -> dict[str, Any]:
    """Put values, beside those that CloudFormation knows, in the place of `${NAME}`."""
    return {"Fn::Sub": [text, values] if values else text}
