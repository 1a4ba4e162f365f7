"""The least that an IAM policy has to allow so that a stage can be deployed, looked after and removed again.

A pure function of the configuration, with one statement a kind of resource. What is not configured is not in it.
https://docs.aws.amazon.com/service-authorization/latest/reference/ says which action knows which resources; one that
knows none has to be allowed for `*`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from upproxy.config import Config
from upproxy.config.alerts import taken
from upproxy.config.settings import StageSettings
from upproxy.config.warm import warming
from upproxy.deploy.names import APP_TAG, STAGE_TAG, Names, bucket
from upproxy.deploy.wanted import Account, Statement

MOST = 6_144
"""Characters of a managed policy, without white space (IAM User Guide, "IAM and AWS STS quotas")."""

_FUNCTION = """
    AddPermission CreateAlias CreateFunction DeleteFunction DeleteFunctionConcurrency DeleteFunctionUrlConfig
    DeleteProvisionedConcurrencyConfig GetAlias GetFunction GetFunctionConfiguration GetFunctionUrlConfig GetPolicy
    GetProvisionedConcurrencyConfig InvokeFunction ListTags ListVersionsByFunction PublishVersion RemovePermission
    TagResource UpdateAlias UpdateFunctionCode UpdateFunctionConfiguration"""
_URL = "CreateFunctionUrlConfig UpdateFunctionUrlConfig"
_ROLE = "CreateRole DeleteRole DeleteRolePolicy GetRole GetRolePolicy PutRolePolicy TagRole"
_STACK_ROLE = (
    "ListAttachedRolePolicies ListRolePolicies UntagRole UpdateAssumeRolePolicy UpdateRole UpdateRoleDescription"
)
_LOG_GROUP = """
    CreateLogGroup DeleteLogGroup DeleteRetentionPolicy FilterLogEvents GetQueryResults ListTagsForResource
    PutRetentionPolicy StartLiveTail StartQuery TagResource"""
_LOG_DELIVERY = """
    CreateLogDelivery DeleteLogDelivery DescribeResourcePolicies GetLogDelivery ListLogDeliveries PutResourcePolicy
    UpdateLogDelivery"""
_BUCKET = """
    CreateBucket DeleteBucket GetBucketTagging ListBucket PutBucketPublicAccessBlock PutBucketTagging
    PutEncryptionConfiguration PutLifecycleConfiguration"""
_OBJECT = "AbortMultipartUpload DeleteObject GetObject PutObject"
_PARAMETER = "AddTagsToResource DeleteParameters GetParameter GetParametersByPath ListTagsForResource PutParameter"
_NETWORK = "DescribeSecurityGroups DescribeSubnets DescribeVpcs"
_LEFT_STACK = """
    DeleteChangeSet DeleteStack DescribeStackEvents DescribeStacks GetTemplate ListChangeSets ListStackResources"""
_STACK = "CreateChangeSet DescribeChangeSet DescribeStackResources ExecuteChangeSet TagResource UntagResource"
_GATEWAY = "DELETE GET PATCH POST PUT"
_GATEWAY_DOMAIN = "AddCertificateToDomain RemoveCertificateFromDomain"
_SCHEDULE = "CreateSchedule DeleteSchedule GetSchedule UpdateSchedule"
_ALARM = "DeleteAlarms DescribeAlarms ListTagsForResource PutMetricAlarm SetAlarmState TagResource UntagResource"
_TOPIC = """
    CreateTopic DeleteTopic GetDataProtectionPolicy GetSubscriptionAttributes GetTopicAttributes
    ListSubscriptionsByTopic ListTagsForResource SetSubscriptionAttributes SetTopicAttributes Subscribe TagResource
    Unsubscribe UntagResource"""
_CERTIFICATE = "DescribeCertificate ListTagsForCertificate"
_ZONE = "GetHostedZone ListResourceRecordSets ListTagsForResource"
_RECORDS = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
_CUT = 55  # characters that names of what a stack has begin with, even where they are too long


def statements(config: Config, account: Account, regions: Sequence[str]) -> list[Statement]:
    """Return what the deploys of a stage need in an account, and the commands that look after it and remove it."""
    settings = config.settings
    here = _Place(Names(config.name, config.stage), account, regions)
    found = [*_release(settings, here), *_kept(settings, here), _unscoped(settings)]
    if _has_gateway(settings):
        found += _gateway(settings, here)
    found += _certificates(settings, here)
    if (settings.domain and settings.zone is not False) or settings.dns:
        found += _records(settings, here)
    if warming(settings):
        found.append(_allow("Schedule", {"scheduler": _SCHEDULE}, here.each("scheduler", f"schedule/*/{here.beside}")))
    if settings.alerts:
        alarms = here.each("cloudwatch", f"alarm:{here.names.function}-*")
        found.append(_allow("Alarms", {"cloudwatch": _ALARM}, alarms))
        found.append(_allow("Topics", {"sns": _TOPIC}, here.each("sns", here.beside)))
    return found


def document(allowed: Iterable[Statement]) -> dict[str, Any]:
    """Return statements as a policy."""
    return {"Version": "2012-10-17", "Statement": list(allowed)}


def length(policy: dict[str, Any]) -> int:
    """Return the characters of a policy that IAM counts: all but white space."""
    return len(json.dumps(policy, separators=(",", ":")))


def needs_stack(settings: StageSettings) -> bool:
    """Whether a stage has something that only a CloudFormation stack makes."""
    return bool(_has_gateway(settings) or warming(settings) or settings.alerts or settings.dns)


class _Place:
    """Where a stage is, for the ARNs of what it has."""

    def __init__(self, names: Names, account: Account, regions: Sequence[str]) -> None:
        self.names = names
        self._account = account
        self._regions = regions
        self.beside = f"upproxy-{names.function}-"[:_CUT] + "*"  # what a stack has is called

    def each(self, service: str, *resources: str) -> list[str]:
        """Return ARNs of resources of the account, in each region."""
        partition, number = self._account
        return [f"arn:{partition}:{service}:{region}:{number}:{one}" for region in self._regions for one in resources]

    def shared(self, service: str, *resources: str) -> list[str]:
        """Return ARNs of resources of a region that name no account."""
        partition = self._account.partition
        return [f"arn:{partition}:{service}:{region}::{one}" for region in self._regions for one in resources]

    def role(self, name: str) -> str:
        """Return the ARN of a role."""
        return f"arn:{self._account.partition}:iam::{self._account.number}:role/{name}"

    def sidecar_roles(self, purposes: Sequence[str]) -> list[str]:
        """Return the ARNs of what our small functions assume, which are of each region, as roles are not."""
        names = [f"{purpose}-{region}" for region in self._regions for purpose in purposes]
        return [self.role(self.names.role_of(name)) for name in names]

    def objects(self, path: str) -> list[str]:
        """Return ARNs below the buckets of all regions; those of the buckets themselves for an empty path."""
        names = [bucket(self._account.number, region) for region in self._regions]
        return [f"arn:{self._account.partition}:s3:::{name}{path}" for name in names]

    def unplaced(self, service: str, resource: str) -> str:
        """Return the ARN of what has neither a region nor an account."""
        return f"arn:{self._account.partition}:{service}:::{resource}"


def _release(settings: StageSettings, here: _Place) -> Iterator[Statement]:
    lambda_, names, warms = settings.lambda_, here.names, bool(warming(settings))
    purposes = [*(("warmer", "schedule") if warms else ()), *(("notifier",) if _notifies(settings) else ())]
    functions = [_FUNCTION]
    functions += [_URL] if not _has_gateway(settings) else []
    functions += ["PutFunctionConcurrency"] if lambda_.concurrency is not None or purposes else []
    functions += ["PutProvisionedConcurrencyConfig"] if lambda_.provisioned else []
    functions += ["GetFunctionConcurrency", "UntagResource"] if purposes else []
    resources = [f"function:{names.function}", f"function:{names.function}:*"]
    resources += [f"function:{here.beside}"] if purposes else []
    yield _allow("Functions", {"lambda": " ".join(functions)}, here.each("lambda", *resources))

    sidecars = here.sidecar_roles(purposes)
    if roles := [*([] if lambda_.role else [here.role(names.role)]), *sidecars]:
        yield _allow("Roles", {"iam": f"{_ROLE} {_STACK_ROLE}" if sidecars else _ROLE}, roles)
    services = ["lambda.amazonaws.com", *(["scheduler.amazonaws.com"] if warms else [])]
    passed = [lambda_.role or here.role(names.role), *sidecars]
    yield _allow("PassRoles", {"iam": "PassRole"}, passed, {"StringEquals": {"iam:PassedToService": services}})

    groups = [names.log_group]
    groups += [f"/aws/lambda/{here.beside}"] if purposes else []
    groups += [names.gateway_log_group] if _has_gateway(settings) else []
    # Of the two ARNs that a group has some actions know the one, some the other.
    logs = [f"log-group:{group}{end}" for group in groups for end in ("", ":*")]
    more = " UntagResource" if len(groups) > 1 else ""
    yield _allow("Logs", {"logs": _LOG_GROUP + more}, here.each("logs", *logs))

    if lambda_.layers:
        yield _allow("Layers", {"lambda": "GetLayerVersion"}, lambda_.layers)
    stack = f"{_LEFT_STACK} {_STACK}" if needs_stack(settings) else _LEFT_STACK
    yield _allow("Stack", {"cloudformation": stack}, here.each("cloudformation", f"stack/{names.stack}/*"))


def _kept(settings: StageSettings, here: _Place) -> Iterator[Statement]:
    path = here.names.parameters.rstrip("/")
    yield _allow("Variables", {"ssm": _PARAMETER}, here.each("ssm", f"parameter{path}", f"parameter{path}/*"))
    accelerate = " PutAccelerateConfiguration" if settings.lambda_.accelerate else ""
    yield _allow("Bucket", {"s3": _BUCKET + accelerate}, here.objects(""))
    yield _allow("Artefacts", {"s3": _OBJECT}, here.objects(f"/{here.names.function}/*"))


def _unscoped(settings: StageSettings) -> Statement:
    """Return what knows no resources."""
    actions = {
        "acm": "ListCertificates",
        "cloudwatch": "GetMetricData",
        "lambda": "GetAccountSettings",
        "logs": "DescribeLogGroups StopQuery",
    }
    if _has_gateway(settings):
        actions["logs"] += f" {_LOG_DELIVERY}"
    if warming(settings):
        actions["cloudwatch"] += " GetMetricStatistics"
    if settings.lambda_.vpc.subnets:
        actions["ec2"] = _NETWORK
    if settings.domain or settings.dns:
        actions["route53"] = "ListHostedZones ListHostedZonesByName"
    return _allow("WithoutResource", actions, ["*"])


def _gateway(settings: StageSettings, here: _Place) -> Iterator[Statement]:
    kinds = ["apis" if settings.endpoint == "http_api" else "restapis", *(["domainnames"] if settings.domain else [])]
    # APIs are known by ids that AWS makes up, and what is in one has no tags: nothing tells ours from others.
    paths = [path for kind in [*kinds, "tags"] for path in (f"/{kind}", f"/{kind}/*")]
    actions = f"{_GATEWAY} {_GATEWAY_DOMAIN}" if settings.domain else _GATEWAY
    yield _allow("Gateway", {"apigateway": actions}, here.shared("apigateway", *paths))
    if "restapis" in kinds:  # whose logs a role of the account writes
        yield _allow("GatewayAccount", {"apigateway": "GET"}, here.shared("apigateway", "/account"))
    if settings.domain:  # the first one of an account
        role = here.role("aws-service-role/ops.apigateway.amazonaws.com/*")
        gateway = {"StringEquals": {"iam:AWSServiceName": "ops.apigateway.amazonaws.com"}}
        yield _allow("GatewayRole", {"iam": "CreateServiceLinkedRole"}, [role], gateway)


def _certificates(settings: StageSettings, here: _Place) -> Iterator[Statement]:
    """Return what asks for a certificate, and what finds and deletes those of a stage that once had a domain."""
    tags = {APP_TAG: here.names.app, STAGE_TAG: here.names.stage}
    owned = {"StringEquals": {f"aws:ResourceTag/{name}": value for name, value in tags.items()}}
    certificates = here.each("acm", "certificate/*")
    yield _allow("Certificates", {"acm": _CERTIFICATE}, certificates)
    yield _allow("OwnCertificates", {"acm": "DeleteCertificate"}, certificates, owned)
    if settings.domain and settings.cert is None:
        asked = {"StringEquals": {f"aws:RequestTag/{name}": value for name, value in tags.items()}}
        yield _allow("NewCertificate", {"acm": "RequestCertificate"}, ["*"], asked)
        yield _allow("TagCertificate", {"acm": "AddTagsToCertificate"}, certificates, asked)


def _records(settings: StageSettings, here: _Place) -> Iterator[Statement]:
    names = {pattern for name in (settings.domain, *settings.dns) if name for pattern in (name, f"*.{name}")}
    zones = [here.unplaced("route53", "hostedzone/*")]
    yield _allow("Zones", {"route53": _ZONE}, zones)
    ours = {"ForAllValues:StringLike": {_RECORDS: sorted(names)}}
    yield _allow("Records", {"route53": "ChangeResourceRecordSets"}, zones, ours)
    yield _allow("Changes", {"route53": "GetChange"}, [here.unplaced("route53", "change/*")])


def _notifies(settings: StageSettings) -> bool:
    return any(action.url for action in taken(settings))


def _has_gateway(settings: StageSettings) -> bool:
    return settings.endpoint != "function_url"


def _allow(
    sid: str, actions: Mapping[str, str], resources: Sequence[str], condition: dict[str, Any] | None = None
) -> Statement:
    """Return a statement; `actions` are names by service."""
    statement: Statement = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(f"{service}:{name}" for service, names in actions.items() for name in names.split()),
        "Resource": list(resources),
    }
    return {**statement, "Condition": condition} if condition else statement
