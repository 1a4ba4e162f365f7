"""Which permissions calls need, recorded while they are made, and whether statements of a policy give them."""

import ast
import fnmatch
import json
import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import boto3
import botocore.session
from cfnlint.schema.manager import PROVIDER_SCHEMA_MANAGER

import upproxy.aws
from upproxy.aws.actions import action_of

ANY = "*"
UNKNOWN = ""
"""A resource that the call does not name, so that only the action is looked at."""


class Need(NamedTuple):
    """A permission: an action on a resource, `*` for an action that knows none, with the keys of its conditions."""

    action: str
    resource: str
    context: tuple[tuple[str, tuple[str, ...]], ...] = ()


# --- Recording


@contextmanager
def recording(account: str) -> Iterator[set[Need]]:
    """Record what every call needs that is made by sessions opened meanwhile in this process."""
    needs: set[Need] = set()
    lock = threading.Lock()
    original = boto3.session.Session

    class Recorded(original):
        def __init__(self, *arguments, **settings):
            super().__init__(*arguments, **settings)
            self.events.register("before-parameter-build.*.*", self._record)

        def _record(self, params, model, context, **_):
            found = list(
                needs_of(model.service_model.service_name, model.name, params, context["client_region"], account)
            )
            with lock:
                needs.update(found)

    boto3.session.Session = Recorded
    try:
        yield needs
    finally:
        boto3.session.Session = original


def needs_of(service: str, operation: str, parameters: Mapping[str, Any], region: str, account: str) -> Iterator[Need]:
    """Go through the permissions that a call needs. Raises KeyError for a service that is not known here."""
    if (service, operation) == ("sts", "GetCallerIdentity"):
        return  # which needs none (STS API Reference)
    tags = parameters.get("Tags") or parameters.get("tags") or {}
    pairs = tags.items() if isinstance(tags, Mapping) else [(tag["Key"], tag["Value"]) for tag in tags]
    context = tuple(sorted((f"aws:RequestTag/{key}", (str(value),)) for key, value in pairs))
    if operation == "ChangeResourceRecordSets":
        records = (change["ResourceRecordSet"]["Name"] for change in parameters["ChangeBatch"]["Changes"])
        names = tuple(name.rstrip(".").lower() for name in records)
        context = (("route53:ChangeResourceRecordSetsNormalizedRecordNames", names),)
    resources = list(RESOURCES[service](operation, parameters, _Arns(region, account)))
    for resource in resources:
        yield Need(action_of(service, operation), resource, context)
        if context and (also := TAGGING.get((service, operation))):
            yield Need(also, resource, context)
    yield from _on_behalf(service, operation, parameters, region, account)


TAGGING = {
    ("lambda", "CreateFunction"): "lambda:TagResource", ("iam", "CreateRole"): "iam:TagRole",
    ("logs", "CreateLogGroup"): "logs:TagResource", ("ssm", "PutParameter"): "ssm:AddTagsToResource",
    ("acm", "RequestCertificate"): "acm:AddTagsToCertificate",
}  # fmt: skip
"""What setting tags while something is made needs, too."""


def _on_behalf(service, operation, parameters, region, account):
    """Go through what a service does with the caller's permissions."""
    if service != "lambda":
        return
    if role := parameters.get("Role"):
        yield Need("iam:PassRole", role, (("iam:PassedToService", ("lambda.amazonaws.com",)),))
    for layer in parameters.get("Layers") or ():
        yield Need("lambda:GetLayerVersion", layer)
    if parameters.get("VpcConfig", {}).get("SubnetIds"):
        for action in ("DescribeSecurityGroups", "DescribeSubnets", "DescribeVpcs"):
            yield Need(f"ec2:{action}", ANY)
    code = {**parameters, **parameters.get("Code", {})}
    if "S3Key" in code:
        yield Need("s3:GetObject", f"arn:aws:s3:::{code['S3Bucket']}/{code['S3Key']}")
    if operation == "GetFunction":  # whose answer has the tags for those alone who may see them
        yield Need("lambda:ListTags", f"arn:aws:lambda:{region}:{account}:function:{parameters['FunctionName']}")


class _Arns(NamedTuple):
    region: str
    account: str

    def of(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.region}:{self.account}:{resource}"


def _lambda(operation, parameters, arns):
    name, qualifier = parameters.get("FunctionName"), parameters.get("Qualifier")
    if name:
        yield arns.of("lambda", f"function:{name}:{qualifier}" if qualifier else f"function:{name}")
    else:
        yield parameters.get("Resource", ANY)


def _iam(operation, parameters, arns):
    yield f"arn:aws:iam::{arns.account}:role/{parameters['RoleName']}"


def _logs(operation, parameters, arns):
    if operation == "GetQueryResults":  # of a query by its id, which does not tell the group that it is of
        yield UNKNOWN
    elif group := parameters.get("logGroupName"):
        yield arns.of("logs", f"log-group:{group}")
    else:
        yield parameters.get("resourceArn", parameters.get("logGroupIdentifier", ANY))


def _s3(operation, parameters, arns):
    bucket, key = f"arn:aws:s3:::{parameters['Bucket']}", parameters.get("Key")
    keys = [entry["Key"] for entry in parameters.get("Delete", {}).get("Objects", [])]
    for one in keys or [key]:
        yield f"{bucket}/{one}" if one else bucket


def _ssm(operation, parameters, arns):
    name = parameters.get("Name") or parameters.get("Path") or parameters.get("ResourceId")
    for one in [name] if name else parameters["Names"]:
        yield arns.of("ssm", f"parameter{one}")


def _cloudformation(operation, parameters, arns):
    name = parameters.get("StackName")
    if not name:  # a change set by its id, which does not tell the stack that it is of
        yield UNKNOWN if "ChangeSetName" in parameters else ANY
    else:
        yield name if name.startswith("arn:") else arns.of("cloudformation", f"stack/{name}/id")


def _acm(operation, parameters, arns):
    yield parameters.get("CertificateArn", ANY)


def _cloudwatch(operation, parameters, arns):
    alarms = parameters.get("AlarmNames") or [name for name in [parameters.get("AlarmName")] if name]
    for name in alarms:
        yield arns.of("cloudwatch", f"alarm:{name}")
    if not alarms:  # metrics know no resources
        yield ANY


def _route53(operation, parameters, arns):
    if zone := parameters.get("HostedZoneId"):
        yield f"arn:aws:route53:::hostedzone/{zone.removeprefix('/hostedzone/')}"
    else:
        yield ANY


def _scheduler(operation, parameters, arns):
    yield arns.of("scheduler", f"schedule/{parameters.get('GroupName', 'default')}/{parameters['Name']}")


def _apigateway(operation, parameters, arns):
    path = {"GetAccount": "/account"}[operation]
    yield f"arn:aws:apigateway:{arns.region}::{path}"


def _sns(operation, parameters, arns):
    yield parameters["TopicArn"]


RESOURCES = {
    "acm": _acm, "apigateway": _apigateway, "cloudformation": _cloudformation, "cloudwatch": _cloudwatch, "iam": _iam,
    "lambda": _lambda, "logs": _logs, "route53": _route53, "s3": _s3, "scheduler": _scheduler, "sns": _sns,
    "ssm": _ssm,
}  # fmt: skip


# --- Comparing


def allowed(statements: Iterable[Mapping[str, Any]], need: Need) -> bool:
    """Whether statements that allow give a permission, as IAM would decide (IAM User Guide, "Policy evaluation logic").

    A condition on a key that is not in the context is not met, but for those with `ForAllValues`.
    """
    return any(
        any(fnmatch.fnmatchcase(need.action.lower(), action.lower()) for action in _listed(statement["Action"]))
        and (need.resource == UNKNOWN or any(_matches(need.resource, one) for one in _listed(statement["Resource"])))
        and _met(statement.get("Condition", {}), dict(need.context))
        for statement in statements
    )


def refused(statements: Iterable[Mapping[str, Any]], needs: Iterable[Need]) -> list[Need]:
    """Return what of these permissions the statements do not give."""
    given = list(statements)
    return sorted(need for need in needs if not allowed(given, need))


def unused(statements: Iterable[Mapping[str, Any]], needs: Iterable[Need]) -> set[str]:
    """Return the actions of statements that nothing needed."""
    used = {need.action.lower() for need in needs}
    return {action for one in statements for action in _listed(one["Action"]) if action.lower() not in used}


def _met(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, tuple[str, ...]]) -> bool:
    for operator, keys in conditions.items():
        for key, wanted in keys.items():
            values = context.get(key, ())
            if not values and not operator.startswith("ForAllValues:"):
                return False
            how = {"StringEquals": str.__eq__, "StringLike": _matches}[operator.rpartition(":")[2]]
            if not all(any(how(value, pattern) for pattern in _listed(wanted)) for value in values):
                return False
    return True


def _matches(text: str, pattern: str) -> bool:
    """Compare as IAM does, where `*` and `?` are all that is special; `*` as a resource is all that there is."""
    words = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(words, text, re.DOTALL) is not None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


# --- What AWS knows


def known_to_iam() -> dict[str, dict[str, Any]]:
    """Return IAM's services, as cfn-lint has them: actions in small letters, and the ARNs of their resources."""
    text = resources.files("cfnlint.data.AdditionalSpecs").joinpath("Policies.json").read_text()
    found: dict[str, dict[str, Any]] = json.loads(text)
    return found


def asked_by(kind: str) -> set[str]:
    """Return what CloudFormation calls for a type of resource, with its caller's permissions, by AWS's own schema."""
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema("us-east-1", kind).schema["handlers"]
    return {action for handler in handlers.values() for action in handler["permissions"]}


# --- What our modules call

SERVICES = {
    "alarms": "cloudwatch", "artefacts": "s3", "certificates": "acm", "functions": "lambda", "gateways": "apigateway",
    "identity": "iam", "insights": "logs", "log_events": "logs", "log_groups": "logs", "metrics": "cloudwatch",
    "parameters": "ssm", "roles": "iam", "schedules": "scheduler", "stacks": "cloudformation", "topics": "sns",
    "zones": "route53",
}  # fmt: skip
CALL_NOTHING = {"__init__", "actions", "errors", "session", "waiting"}


def calls_of_modules() -> Iterator[tuple[str, str]]:
    """Go through the calls of our modules: every text in one that is the name of an operation of its service.

    Raises KeyError for a module whose service is not known here.
    """
    session = botocore.session.get_session()
    for path in sorted(Path(upproxy.aws.__file__).parent.glob("*.py")):
        if path.stem not in CALL_NOTHING:
            service = SERVICES[path.stem]
            operations = set(session.get_service_model(service).operation_names)
            constants = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
            names = operations & {value for value in constants if isinstance(value, str)}
            yield from ((service, name) for name in sorted(names))
