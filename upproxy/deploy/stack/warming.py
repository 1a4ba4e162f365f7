"""The warmer: its function, its log, its role, and the schedules that invoke it. docs/warming.md describes it."""

from __future__ import annotations

import inspect
import json
from typing import Any

from upproxy.config import Config
from upproxy.config.warm import Warming
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.stack import schedule
from upproxy.deploy.stack.facts import Facts, Part, arn, attribute, log_group, resource, substituted
from upproxy.warmer import warmer

RUNTIME = "python3.13"
_FUNCTION = "Warmer"
_LOGS = "WarmerLogs"
_ROLE = "WarmerRole"
_SCHEDULE_ROLE = "WarmerScheduleRole"
_OLDEST = 60  # seconds after which a tick that could not be delivered is of no use


def warmer_of(config: Config, names: Names, facts: Facts, warming: Warming) -> Part:
    """Return what keeps instances warm."""
    name = names.beside("warmer")
    target = {"function": names.function, "qualifier": ALIAS, "count": warming.count}
    function = resource(
        "Lambda::Function",
        FunctionName=name,
        Description=f"Keeps {warming.count} instances of {names.function} warm",
        Runtime=RUNTIME,
        Handler="index.handler",  # the name that CloudFormation gives to code which is in the template
        Code={"ZipFile": inspect.getsource(warmer)},
        MemorySize=128,
        Timeout=120,
        Role=attribute(_ROLE, "Arn"),
        Environment={"Variables": {warmer.TARGETS: json.dumps([target])}},
    )
    schedules = {
        f"WarmerSchedule{number}": resource(
            "Scheduler::Schedule",
            Name=names.beside("warm", str(number)),
            ScheduleExpression=one.text,
            ScheduleExpressionTimezone=one.zone,
            FlexibleTimeWindow={"Mode": "OFF"},
            Target={
                "Arn": attribute(_FUNCTION, "Arn"),
                "RoleArn": attribute(_SCHEDULE_ROLE, "Arn"),
                "RetryPolicy": {"MaximumRetryAttempts": 0, "MaximumEventAgeInSeconds": _OLDEST},
            },
        )
        for number, one in enumerate(schedule.expressions(warming), 1)
    }
    return Part(
        {
            _LOGS: log_group(config, f"/aws/lambda/{name}"),
            _ROLE: _role(names.role_of(f"warmer-{facts.region}"), "lambda", [*_logging(), *statements(names)]),
            _FUNCTION: {**function, "DependsOn": [_LOGS]},
            _SCHEDULE_ROLE: _role(
                names.role_of(f"schedule-{facts.region}"),
                "scheduler",
                [_allowed(["lambda:InvokeFunction"], attribute(_FUNCTION, "Arn"))],
                {"StringEquals": {"aws:SourceAccount": substituted("${AWS::AccountId}")}},
            ),
            **schedules,
        }
    )


def statements(names: Names) -> list[dict[str, Any]]:
    """Return what the warmer may do, beside writing its log."""
    return [
        _allowed(["lambda:InvokeFunction"], arn("lambda", f"function:{names.function}:*")),
        _allowed(["lambda:GetAlias", "lambda:GetFunctionConcurrency"], arn("lambda", f"function:{names.function}")),
        _allowed(["lambda:GetAccountSettings", "cloudwatch:GetMetricStatistics"], "*"),
    ]


def _logging() -> list[dict[str, Any]]:
    """Allow to write to the log group, not to create it: a late line would bring a deleted one back."""
    return [_allowed(["logs:CreateLogStream", "logs:PutLogEvents"], attribute(_LOGS, "Arn"))]


def _allowed(actions: list[str], on: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions, "Resource": on}


def _role(name: str, service: str, allowed: list[dict[str, Any]], condition: Any = None) -> dict[str, Any]:
    """Return a role. Roles are global, so that those of several regions need names of their own."""
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": f"{service}.amazonaws.com"},
        "Action": "sts:AssumeRole",
        **({"Condition": condition} if condition else {}),
    }
    version = "2012-10-17"
    return resource(
        "IAM::Role",
        RoleName=name,
        AssumeRolePolicyDocument={"Version": version, "Statement": [trust]},
        Policies=[{"PolicyName": "upproxy", "PolicyDocument": {"Version": version, "Statement": allowed}}],
    )
