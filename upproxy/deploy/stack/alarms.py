"""Alarms of `alerts`, the topics that tell people, and the notifier. docs/alerts.md describes them.

Addresses and numbers are subscribed to a topic, and so is the notifier, for those whom SNS cannot tell by itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from upproxy.config import Config
from upproxy.config.alerts import METRICS, OURS, Action, Alert, in_words, taken, topic, variable, wanted
from upproxy.config.values import seconds
from upproxy.deploy.names import ALIAS, Names
from upproxy.deploy.stack.facts import Facts, Part, arn, attribute, reference, resource
from upproxy.deploy.stack.sidecar import Statement, allow, sidecar
from upproxy.notifier import notifier

_STATISTICS = {"sum": "Sum", "min": "Minimum", "max": "Maximum", "avg": "Average", "count": "SampleCount"}
_OPERATORS = {
    ">": "GreaterThanThreshold",
    ">=": "GreaterThanOrEqualToThreshold",
    "<": "LessThanThreshold",
    "<=": "LessThanOrEqualToThreshold",
}
_NOTIFIER = "Notifier"
_NEWS = {"$or": [{"NewStateValue": ["ALARM"]}, {"OldStateValue": ["ALARM"]}]}
"""Of an alarm's messages, all but that a new one, of which nothing was known, is fine."""


def alarms(config: Config, names: Names, facts: Facts) -> Part:
    """Return the alarms, a topic for each action that one of them takes, and the notifier where such an action is."""
    actions = taken(config.settings)
    resources: dict[str, dict[str, Any]] = {}
    if told := [action for action in actions if action.url]:
        resources |= _notifier(config, names, facts, told)
    for action in actions:
        resources |= _topic(action, names)
    for suffix, alert in _distinct(wanted(config.settings)):
        resources[f"Alarm{_camel(suffix)}"] = _alarm(config, names, alert, suffix)
    return Part(resources)


def _distinct(alerts: Sequence[Alert]) -> Iterator[tuple[str, Alert]]:
    """Give each alert a name that stays when its threshold or period changes, or when others come and go."""
    seen: Counter[str] = Counter()
    for alert in alerts:
        way = "above" if alert.operator.startswith(">") else "below"
        name = "-".join(filter(None, (alert.namespace, alert.metric, alert.statistic, way)))
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name}-{seen[name]}"), alert


def _alarm(config: Config, names: Names, alert: Alert, suffix: str) -> dict[str, Any]:
    metric = METRICS.get(alert.metric) if alert.namespace is None else None
    statistic = _STATISTICS.get(alert.statistic)
    topics = [reference(_topic_id(name)) for name in alert.action or ()] or None
    return resource(
        "CloudWatch::Alarm",
        AlarmName=f"{names.function}-{suffix}",
        AlarmDescription=f"{alert.description}: {in_words(alert)}" if alert.description else in_words(alert),
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
        AlarmActions=topics,
        OKActions=topics,
    )


def _dimensions(config: Config, names: Names, namespace: str) -> list[dict[str, str]]:
    dimensions = (
        {"App": config.name, "Stage": config.stage}
        if namespace == OURS
        else {"FunctionName": names.function, "Resource": f"{names.function}:{ALIAS}"}
    )
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def _topic(action: Action, names: Names) -> dict[str, dict[str, Any]]:
    this = _topic_id(action.name)
    found = {this: resource("SNS::Topic", TopicName=topic_name(action, names))}
    if action.url:
        found[f"{this}ToNotifier"] = _subscription(this, "lambda", attribute(_NOTIFIER, "Arn"))
        found[f"{this}Permission"] = resource(
            "Lambda::Permission",
            FunctionName=attribute(_NOTIFIER, "Arn"),
            Action="lambda:InvokeFunction",
            Principal="sns.amazonaws.com",
            SourceArn=reference(this),
        )
    for end in dict.fromkeys((*action.emails, *action.numbers) if not action.url else ()):
        found[f"{this}To{hashlib.sha256(end.encode()).hexdigest()[:8]}"] = _subscription(this, action.type, end)
    return found


def _subscription(topic_id: str, protocol: str, end: Any) -> dict[str, Any]:
    return resource(
        "SNS::Subscription",
        TopicArn=reference(topic_id),
        Protocol=protocol,
        Endpoint=end,
        FilterPolicy=_NEWS,
        FilterPolicyScope="MessageBody",
    )


def _notifier(config: Config, names: Names, facts: Facts, actions: Sequence[Action]) -> dict[str, dict[str, Any]]:
    told = {
        topic_name(action, names): {
            "name": action.name,
            "type": action.type,
            "parameter": _parameter(action, names),
            **({"channel": action.channel} if action.channel else {}),
        }
        for action in actions
    }
    return sidecar(
        config,
        names,
        facts,
        notifier,
        description=f"Tells of alarms of {names.function}",
        timeout=60,
        environment={
            notifier.CONFIGURATION: json.dumps({"app": names.app, "stage": names.stage, "actions": told}),
        },
        allowed=statements(names, actions),
    )


def statements(names: Names, actions: Sequence[Action]) -> list[Statement]:
    """Return what the notifier may do, beside writing its log: read the addresses of actions.

    They are encrypted with the account's own key for SSM, which whoever may read a parameter may use.
    """
    parameters = sorted({_parameter(action, names) for action in actions})
    return [allow(["ssm:GetParameter"], [arn("ssm", f"parameter{one}") for one in parameters])]


def topic_name(action: Action, names: Names) -> str:
    """Return the name of an action's topic."""
    return f"{names.stack}-{topic(action.name)}"


def _parameter(action: Action, names: Names) -> str:
    return names.parameters + variable(action.url or "")


def _topic_id(action: str) -> str:
    digest = hashlib.sha256(action.encode()).hexdigest()[:4]  # a-b and a_b are two
    return f"Topic{_camel(action)}{digest}"


def _camel(text: str) -> str:
    return "".join(word[:1].upper() + word[1:] for word in re.findall("[a-zA-Z0-9]+", text))
