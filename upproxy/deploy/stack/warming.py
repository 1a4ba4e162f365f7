"""The warmer: its function, and the schedules that invoke it. docs/warming.md describes it."""

from __future__ import annotations

import json

from upproxy.config import Config
from upproxy.config.warm import Warming
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.stack import schedule
from upproxy.deploy.stack.facts import Facts, Part, arn, attribute, resource, substituted
from upproxy.deploy.stack.sidecar import Statement, allow, role, sidecar
from upproxy.warmer import warmer

_FUNCTION = "Warmer"
_SCHEDULE_ROLE = "WarmerScheduleRole"
_OLDEST = 60  # seconds after which a tick that could not be delivered is of no use


def warmer_of(config: Config, names: Names, facts: Facts, warming: Warming) -> Part:
    """Return what keeps instances warm."""
    target = {"function": names.function, "qualifier": ALIAS, "count": warming.count}
    function = sidecar(
        config,
        names,
        facts,
        warmer,
        description=f"Keeps {warming.count} instances of {names.function} warm",
        timeout=120,
        environment={warmer.TARGETS: json.dumps([target])},
        allowed=statements(names),
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
    invoked_by = role(
        names.role_of(f"schedule-{facts.region}"),
        "scheduler",
        [allow(["lambda:InvokeFunction"], attribute(_FUNCTION, "Arn"))],
        {"StringEquals": {"aws:SourceAccount": substituted("${AWS::AccountId}")}},
    )
    return Part({**function, _SCHEDULE_ROLE: invoked_by, **schedules})


def statements(names: Names) -> list[Statement]:
    """Return what the warmer may do, beside writing its log."""
    return [
        allow(["lambda:InvokeFunction"], arn("lambda", f"function:{names.function}:*")),
        allow(["lambda:GetAlias", "lambda:GetFunctionConcurrency"], arn("lambda", f"function:{names.function}")),
        allow(["lambda:GetAccountSettings", "cloudwatch:GetMetricStatistics"], "*"),
    ]
