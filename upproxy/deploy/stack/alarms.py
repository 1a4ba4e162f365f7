"""Alarms of `alerts`, and the topics that tell people.

A further kind of action is a further entry of `_PROTOCOLS`, or of what makes a topic's subscriptions.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from upproxy.config import Config
from upproxy.config.alerts import METRICS, OURS, Action, Alert
from upproxy.config.values import seconds
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.stack.facts import Part, reference, resource

_STATISTICS = {"sum": "Sum", "min": "Minimum", "max": "Maximum", "avg": "Average", "count": "SampleCount"}
_OPERATORS = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
_PROTOCOLS = {"email": "email", "sms": "sms"}


def alarms(config: Config, names: Names) -> Part:
    """Return the alarms, and a topic for each action that one of them takes."""
    settings = config.settings
    taken = {alert.action for alert in settings.alerts}
    actions = {one.name: one for one in settings.actions if one.name in taken and one.type in _PROTOCOLS}
    resources: dict[str, dict[str, Any]] = {}
    for action in actions.values():
        resources |= _topic(action, names)
    for suffix, alert in _distinct(settings.alerts):
        topic = actions.get(alert.action or "")
        resources[f"Alarm{_camel(suffix)}"] = _alarm(config, names, alert, suffix, topic)
    return Part(resources)


def _distinct(alerts: Sequence[Alert]) -> Iterator[tuple[str, Alert]]:
    """Give each alert a name that stays when its threshold or period changes, or when others come and go."""
    seen: Counter[str] = Counter()
    for alert in alerts:
        way = "above" if alert.operator.startswith(">") else "below"
        name = "-".join(filter(None, (alert.namespace, alert.metric, alert.statistic, way)))
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), alert


def _alarm(config: Config, names: Names, alert: Alert, suffix: str, action: Action | None) -> dict[str, Any]:
    metric = METRICS.get(alert.metric) if alert.namespace is None else None
    statistic = _STATISTICS.get(alert.statistic)
    return resource(
        "CloudWatch::Alarm",
        AlarmName=f"{names.function}-{suffix}",
        AlarmDescription=alert.description or None,
        Namespace=metric.namespace if metric else alert.namespace,
        MetricName=metric.name if metric else alert.metric,
        Dimensions=_dimensions(config, names, metric.namespace) if metric else None,
        Statistic=statistic,
        ExtendedStatistic=None if statistic else alert.statistic,
        ComparisonOperator=_OPERATORS[alert.operator],
        Threshold=alert.threshold,
        Period=seconds(alert.period),
        EvaluationPeriods=alert.evaluation_periods,
        TreatMissingData=alert.missing,
        ActionsEnabled=not alert.disable,
        AlarmActions=[reference(_topic_id(action))] if action else None,
    )


def _dimensions(config: Config, names: Names, namespace: str) -> list[dict[str, str]]:
    dimensions = (
        {"App": config.name, "Stage": config.stage}
        if namespace == OURS
        else {"FunctionName": names.function, "Resource": f"{names.function}:{ALIAS}"}
    )
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _topic(action: Action, names: Names) -> dict[str, dict[str, Any]]:
    topic = _topic_id(action)
    return {
        topic: resource("SNS::Topic", TopicName=f"{names.stack}-{action.name}"),
        **{
            f"{topic}To{hashlib.sha256(end.encode()).hexdigest()[:8]}": resource(
                "SNS::Subscription", TopicArn=reference(topic), Protocol=_PROTOCOLS[action.type], Endpoint=end
            )
            for end in dict.fromkeys([*action.emails] if action.type == "email" else [*action.numbers])
        },
    }


def _topic_id(action: Action) -> str:
    digest = hashlib.sha256(action.name.encode()).hexdigest()[:4]  # a-b and a_b are two
    return f"Topic{_camel(action.name)}{digest}"


def _camel(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.findall("[a-zA-Z0-9]+", text))
