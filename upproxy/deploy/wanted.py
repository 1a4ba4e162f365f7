"""What there shall be on AWS: a pure function of the configuration and of what was built."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from upproxy.build.target import Target
from upproxy.config import Config
from upproxy.deploy import environment
from upproxy.deploy.environment import Variable
from upproxy.deploy.names import Names

_HANDLER = "upproxy.proxy.runtime.handler.handler"  # not called: the wrapper takes the runtime's place
_NETWORK_INTERFACES = (
    "ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface",
    "ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses",
)  # fmt: skip

Statement = dict[str, Any]


class Account(NamedTuple):
    """An account: its partition, such as `aws`, and its number."""

    partition: str
    number: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """What a release has to answer: `statuses` are numbers, or hundreds such as `2xx`; `timeout` is in seconds."""

    path: str
    timeout: float
    statuses: tuple[int | str, ...]

    def accepts(self, status: int) -> bool:
        """Whether a status is among those."""
        return status in self.statuses or f"{status // 100}xx" in self.statuses


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A stage as it shall be in every region.

    `function` is its configuration under the names of Lambda's API, but for `variables`, among which are secrets;
    `fingerprint` is of all of it.
    `policy` is that of our own role, None where `lambda.role` names one that exists. `retention` is in days, None for
    ever; `reserved` None for none. `url` has the settings of the Function URL, None for no URL. `warm` instances are
    thawed before traffic comes.
    """

    names: Names
    function: Mapping[str, Any]
    variables: Mapping[str, str] = field(repr=False)
    fingerprint: str
    architecture: str
    policy: tuple[Statement, ...] | None
    tags: Mapping[str, str]
    retention: int | None
    reserved: int | None
    provisioned: int
    url: Mapping[str, str] | None
    health: Health
    warm: int
    accelerate: bool

    @property
    def secrets(self) -> list[str]:
        """The values of the stage's own variables, which nobody may see."""
        return [value for name, value in self.variables.items() if name not in environment.OURS]


def of(config: Config, target: Target, account: Account, secrets: Sequence[Variable]) -> Wanted:
    """Return what a configuration asks for in an account. `secrets` are the stage's variables, with their values.

    Those that only alerts need are left out. Raises VariableError for those that Lambda does not take.
    """
    settings = config.settings
    secrets = environment.of_app(settings, secrets)
    lambda_ = settings.lambda_
    names = Names(config.name, config.stage)
    function: dict[str, Any] = {
        "FunctionName": names.function,
        "Role": lambda_.role or f"arn:{account.partition}:iam::{account.number}:role/{names.role}",
        "Runtime": f"python{target.python}",
        "Handler": _HANDLER,
        "Description": settings.description[:256],
        "Timeout": lambda_.timeout,
        "MemorySize": lambda_.memory,
        "VpcConfig": {
            "SubnetIds": sorted(lambda_.vpc.subnets),
            "SecurityGroupIds": sorted(lambda_.vpc.security_groups),
        },
        "Layers": list(lambda_.layers),
        "EphemeralStorage": {"Size": lambda_.ephemeral_storage},
        "SnapStart": {"ApplyOn": "PublishedVersions" if lambda_.snapstart else "None"},
    }
    fingerprint = _fingerprint(function, lambda_.architecture, environment.fingerprint(secrets))
    return Wanted(
        names=names,
        function=function,
        variables=environment.of_function(secrets, fingerprint),
        fingerprint=fingerprint,
        architecture=lambda_.architecture,
        policy=None if lambda_.role else _policy(config, names, account),
        tags=names.tags(lambda_.tags),
        retention=None if lambda_.log_retention == "forever" else lambda_.log_retention,
        reserved=lambda_.concurrency,
        provisioned=lambda_.provisioned,
        url=_url(lambda_.url_auth) if not config.endpoint.is_gateway else None,
        health=health_of(config),
        warm=settings.warm.count,
        accelerate=lambda_.accelerate,
    )  # fmt: skip


def health_of(config: Config) -> Health:
    """Return what a release of a stage has to answer."""
    health = config.settings.health
    return Health(path=health.path, timeout=health.timeout, statuses=tuple(health.status))


def _fingerprint(function: Mapping[str, Any], architecture: str, secrets: Sequence[tuple[str, int, str]]) -> str:
    document = json.dumps([function, architecture, secrets], sort_keys=True)
    return hashlib.sha256(document.encode()).hexdigest()


def _url(auth: str) -> dict[str, str]:
    return {"AuthType": "AWS_IAM" if auth == "iam" else "NONE", "InvokeMode": "RESPONSE_STREAM"}


def _policy(config: Config, names: Names, account: Account) -> tuple[Statement, ...]:
    """Return what the role may do: write to its log group, which it must not create, and what up.yml adds.

    A line that is written late would otherwise bring a log group back that has just been deleted.
    """
    logs = {
        "Effect": "Allow",
        "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": f"arn:{account.partition}:logs:*:{account.number}:log-group:{names.log_group}:*",
    }
    # These calls know no resource (Lambda Developer Guide, "Giving Lambda functions access to resources in a VPC").
    network = {"Effect": "Allow", "Action": list(_NETWORK_INTERFACES), "Resource": "*"}
    in_vpc = [network] if config.settings.lambda_.vpc.subnets else []
    return (logs, *in_vpc, *config.settings.lambda_.policy)
