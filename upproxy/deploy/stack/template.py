"""The CloudFormation template of a stage: a pure function of its configuration and of a few facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from upproxy.config import Config
from upproxy.config.warm import warming
from upproxy.deploy.names import Names
from upproxy.deploy.stack import alarms, domain, gateway
from upproxy.deploy.stack import warming as warmers
from upproxy.deploy.stack.facts import Facts, Part

_MAPS = frozenset((
    "AWS::ApiGatewayV2::Api", "AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::Stage",
    "AWS::Serverless::Function",
))  # fmt: skip
_LISTS = frozenset((
    "AWS::ApiGateway::RestApi", "AWS::ApiGateway::Stage", "AWS::CloudWatch::Alarm", "AWS::IAM::Role",
    "AWS::Lambda::Function", "AWS::Logs::LogGroup", "AWS::SNS::Topic",
))  # fmt: skip


def template(config: Config, names: Names, facts: Facts) -> dict[str, Any] | None:
    """Return the template in a region; None where the configuration asks for nothing that belongs into one."""
    found = assembled(parts(config, names, facts), names.tags(config.settings.lambda_.tags))
    if not found["Resources"]:
        return None
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"{names.function}: what upproxy keeps in a stack",
        **found,
    }


def parts(config: Config, names: Names, facts: Facts) -> Iterator[Part]:
    """Go through the parts that the configuration asks for."""
    settings = config.settings
    if config.endpoint.kind == "http_api":
        yield gateway.http_api(config, names, facts)
    elif config.endpoint.kind == "rest_api":
        yield gateway.rest_api(config, names, facts)
    if settings.domain is not None:
        yield domain.domain(config, facts)
    yield domain.records(config, facts)
    if (wanted := warming(settings)) is not None:
        yield warmers.warmer_of(config, names, facts, wanted)
    yield alarms.alarms(config, names, facts)


def assembled(found: Iterable[Part], tags: Mapping[str, str]) -> dict[str, Any]:
    """Return the resources of all parts, with tags on those that take them, and their outputs."""
    resources: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    for part in found:
        resources |= {name: _tagged(one, tags) for name, one in part.resources.items()}
        outputs |= {name: {"Value": value} for name, value in part.outputs.items()}
    return {"Resources": resources, **({"Outputs": outputs} if outputs else {})}


def _tagged(resource: dict[str, Any], tags: Mapping[str, str]) -> dict[str, Any]:
    """Put tags on a resource that takes them, in the shape that it takes."""
    kind = resource["Type"]
    if kind in _MAPS:
        value: Any = dict(tags)
    elif kind in _LISTS:
        value = [{"Key": key, "Value": one} for key, one in tags.items()]
    else:
        return resource
    return {**resource, "Properties": {**resource["Properties"], "Tags": value}}
