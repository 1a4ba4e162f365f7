"""The whole of a stage as one SAM template, for those who want to go on without upproxy.

https://docs.aws.amazon.com/serverless-application-model/latest/developerguide/sam-resource-function.html
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from upproxy.build.target import Target
from upproxy.config import Config
from upproxy.deploy import environment, wanted
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.plan import URL_STATEMENTS
from upproxy.deploy.stack import domain
from upproxy.deploy.stack.facts import Facts, Part, attribute, log_group, reference, resource, substituted
from upproxy.deploy.stack.template import assembled, parts
from upproxy.deploy.wanted import Account, Wanted

_FUNCTION = "App"
_ALIAS = {"Ref": f"{_FUNCTION}.Alias"}  # SAM makes the alias
_ALIAS_ID = f"{_FUNCTION}Alias{ALIAS}"
_LOGS = "AppLogs"
_ROLE = "AppRole"
_URL = "AppUrl"
_ACCOUNT = Account("${AWS::Partition}", "${AWS::AccountId}")
_CERTIFICATE = "CertificateArn"
_ZONE = "HostedZoneId"


def export(config: Config, target: Target, region: str, code: str) -> dict[str, Any]:
    """Return a template that makes the function and all that belongs to it; `code` is the path of the built zip."""
    names = Names(config.name, config.stage)
    what = wanted.of(config, target, _ACCOUNT, ())
    settings = config.settings
    zones = {zone: _camel("Zone", zone) for zone in domain.records_of(config)}
    secrets = {name: _camel("Secret", name) for name in environment.unset(settings, ())}
    for_domain = settings.domain is not None
    facts = Facts(
        region=region,
        alias=_ALIAS,
        certificate=(settings.cert or reference(_CERTIFICATE)) if for_domain else None,
        zone=reference(_ZONE) if for_domain and settings.zone else None,
        zones={zone: reference(name) for zone, name in zones.items()},
    )
    parameters = {name: f"Hosted zone of {zone}" for zone, name in zones.items()}
    if for_domain and settings.cert is None:
        parameters[_CERTIFICATE] = f"Certificate for {settings.domain}, in the region of the stack"
    if facts.zone is not None:
        parameters[_ZONE] = f"Hosted zone that {settings.domain} belongs to"
    function = _function(config, names, what, code, secrets)
    template = assembled([*function, *parts(config, names, facts)], names.tags(settings.lambda_.tags))
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Transform": "AWS::Serverless-2016-10-31",
        "Description": f"{names.function}, exported from upproxy",
        **_parameters(parameters, secrets),
        **template,
    }


def _parameters(described: dict[str, str], secrets: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {name: {"Type": "String", "Description": text} for name, text in described.items()}
    for variable, name in secrets.items():
        found[name] = {"Type": "String", "NoEcho": True, "Description": f"The value of {variable}"}
    return {"Parameters": found} if found else {}


def _function(config: Config, names: Names, what: Wanted, code: str, secrets: dict[str, str]) -> Iterator[Part]:
    """Go through the function, its log, its role and its URL."""
    own = what.function
    vpc = own["VpcConfig"]
    function = resource(
        "Serverless::Function",
        CodeUri=code,
        FunctionName=names.function,
        Description=own["Description"] or None,
        Runtime=own["Runtime"],
        Handler=own["Handler"],
        Architectures=[what.architecture],
        MemorySize=own["MemorySize"],
        Timeout=own["Timeout"],
        EphemeralStorage=own["EphemeralStorage"],
        SnapStart=own["SnapStart"] if config.settings.lambda_.snapstart else None,
        Layers=own["Layers"] or None,
        VpcConfig=vpc if vpc["SubnetIds"] else None,
        Role=attribute(_ROLE, "Arn") if what.policy is not None else config.settings.lambda_.role,
        Environment={
            "Variables": {
                "AWS_LAMBDA_EXEC_WRAPPER": environment.WRAPPER,
                **{variable: reference(name) for variable, name in secrets.items()},
            }
        },
        AutoPublishAlias=ALIAS,
        AutoPublishAliasAllProperties=True,
        ReservedConcurrentExecutions=what.reserved,
        ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": what.provisioned}
        if what.provisioned
        else None,
    )
    yield Part({_LOGS: log_group(config, names.log_group), _FUNCTION: {**function, "DependsOn": [_LOGS]}})
    if what.policy is not None:
        yield Part({_ROLE: _role(config, names, what.policy)})
    if what.url is not None:
        yield _url(what.url)


def _role(config: Config, names: Names, policy: tuple[wanted.Statement, ...]) -> dict[str, Any]:
    version = "2012-10-17"
    trust = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    said = len(config.settings.lambda_.policy)  # come last, and may have variables of IAM in them: ${aws:username}
    ours = policy[: len(policy) - said]
    statements = [*({**one, "Resource": _placed(one["Resource"])} for one in ours), *policy[len(ours) :]]
    return resource(
        "IAM::Role",
        RoleName=names.role,
        AssumeRolePolicyDocument={"Version": version, "Statement": [trust]},
        Policies=[{"PolicyName": "upproxy", "PolicyDocument": {"Version": version, "Statement": statements}}],
    )


def _placed(text: str) -> Any:
    return substituted(text) if "${" in text else text


def _url(settings: Any) -> Part:
    url = resource("Lambda::Url", TargetFunctionArn=reference(_FUNCTION), Qualifier=ALIAS, **settings)
    public = URL_STATEMENTS if settings["AuthType"] == "NONE" else ()
    permissions = {
        f"AppUrlPermission{number}": resource(
            "Lambda::Permission",
            FunctionName=_ALIAS,
            **{name: value for name, value in one.items() if name != "StatementId"},
        )
        for number, one in enumerate(public, 1)
    }
    return Part(
        {_URL: {**url, "DependsOn": [_ALIAS_ID]}, **permissions}, {"FunctionUrl": attribute(_URL, "FunctionUrl")}
    )


def _camel(prefix: str, text: str) -> str:
    return prefix + "".join(word.capitalize() for word in re.findall("[a-zA-Z0-9]+", text))
