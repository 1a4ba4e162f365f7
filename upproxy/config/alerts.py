"""`alerts` and `actions`: alarms on metrics, whom they tell, and what does not fit together in them.

`wanted` says what they come to: `alerts: true` stands for some that we have chosen, and an alert without `action` takes
all actions.
"""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import AfterValidator, Field, WithJsonSchema

from upproxy.config.derive import Strict
from upproxy.config.values import ACTION, EMAIL, NUMBER, REFERENCE, Duration, Texts, seconds, wrong

if TYPE_CHECKING:
    from upproxy.config.errors import Path
    from upproxy.config.settings import Settings, StageSettings


class Metric(NamedTuple):
    """A metric as CloudWatch names it; those of the namespace `upproxy` are what `logs.metrics` writes.

    `unit` is empty for numbers. One that `is_of_requests` is 1 for each request that it counts and 0 for the others, so
    that its average is a share.
    """

    namespace: str
    name: str
    unit: str = ""
    is_of_requests: bool = False


OURS = "upproxy"
METRICS = {
    "http.count": Metric(OURS, "Requests"),
    "http.latency": Metric(OURS, "Latency", "ms"),
    "http.4xx": Metric(OURS, "4xx", is_of_requests=True),
    "http.5xx": Metric(OURS, "5xx", is_of_requests=True),
    "http.cold": Metric(OURS, "ColdStarts", is_of_requests=True),
    "lambda.count": Metric("AWS/Lambda", "Invocations"),
    "lambda.duration": Metric("AWS/Lambda", "Duration", "ms"),
    "lambda.errors": Metric("AWS/Lambda", "Errors"),
    "lambda.throttles": Metric("AWS/Lambda", "Throttles"),
    "lambda.concurrency": Metric("AWS/Lambda", "ConcurrentExecutions"),
}
"""Metrics that alerts name without a namespace."""

MOST_ACTIONS = 5
"""That CloudWatch lets an alarm take (PutMetricAlarm)."""
_DAYS = {False: 1, True: 7}  # that CloudWatch looks back, by whether periods are of hours
_NEEDED = {"email": "emails", "sms": "numbers", "slack": "url", "webhook": "url"}


def _secret(url: str) -> str:
    if not re.fullmatch(REFERENCE, url):
        raise wrong(
            "expected a reference such as ${ALERTS_URL}, never the address itself, which is a secret: "
            "`upproxy env add ALERTS_URL` keeps it"
        )
    return url


class Alert(Strict):
    """An alarm on a metric."""

    metric: str
    """The metric's name, such as `http.latency`."""
    statistic: Literal["sum", "min", "max", "avg", "count", "p50", "p90", "p95", "p99"]
    """How its values are put together."""
    threshold: float
    """The value that it is compared with."""
    operator: Literal[">", ">=", "<", "<="] = ">"
    """How it is compared."""
    period: Duration = "1m"
    """The time that values are put together over."""
    evaluation_periods: Annotated[int, Field(ge=1)] = 1
    """How many periods in a row."""
    missing: Literal["breaching", "notBreaching", "ignore", "missing"] = "notBreaching"
    """What a period without values counts as."""
    action: Texts | None = None
    """The name of the action to take, or a list of them; absent for all of `actions`."""
    namespace: str | None = None
    """CloudWatch's namespace, for a metric of your own."""
    description: str = ""
    """What to tell people."""
    disable: bool = False
    """Keep the alarm silent."""


class Action(Strict):
    """Whom an alarm tells."""

    name: Annotated[str, Field(pattern=ACTION)]
    """The name that alerts refer to."""
    type: Literal["email", "sms", "slack", "webhook"]
    """How."""
    emails: list[Annotated[str, Field(pattern=EMAIL)]] = []
    """Addresses, for email."""
    numbers: list[Annotated[str, Field(pattern=NUMBER)]] = []
    """Telephone numbers, for sms."""
    url: Annotated[str, AfterValidator(_secret), WithJsonSchema({"type": "string", "pattern": REFERENCE})] | None = None
    """The variable that has the address, such as `${SLACK_URL}`, for slack and webhook."""
    channel: str | None = None
    """The channel, for slack, where the webhook lets it be chosen."""
    gifs: bool = False
    """Up's key for pictures; does nothing."""


def wanted(settings: Settings) -> list[Alert]:
    """Return the alerts that there shall be, each with the list of the actions that it takes."""
    alerts = settings.alerts
    if isinstance(alerts, bool):
        alerts = _defaults(settings.proxy.timeout) if alerts else []
    every = [action.name for action in settings.actions]
    return [
        alert.model_copy(update={"action": every if alert.action is None else list(dict.fromkeys(alert.action))})
        for alert in alerts
    ]


def _defaults(timeout: float) -> list[Alert]:
    """Return what `alerts: true` stands for, where the app has `timeout` seconds for a request.

    Each is about what lasts, so that a single failed request of a small app wakes nobody: shares and times have to be
    high twice in a row, what loses requests has to happen three times.
    """
    return [
        Alert(
            description="The app answers with errors",
            metric="http.5xx",
            statistic="avg",
            threshold=0.05,
            period="5m",
            evaluation_periods=2,
        ),
        Alert(
            description="The app is slow: requests take half the time after which they are ended",
            metric="http.latency",
            statistic="p95",
            threshold=timeout * 1000 / 2,
            period="5m",
            evaluation_periods=2,
        ),
        Alert(
            description="Requests are lost: the function crashes, or takes longer than it may",
            metric="lambda.errors",
            statistic="sum",
            operator=">=",
            threshold=3,
            period="5m",
        ),
        Alert(
            description="Requests are turned away: no concurrency is left",
            metric="lambda.throttles",
            statistic="sum",
            operator=">=",
            threshold=3,
            period="5m",
        ),
    ]


def taken(settings: Settings) -> list[Action]:
    """Return the actions that an alert takes."""
    names = {name for alert in wanted(settings) for name in alert.action or ()}
    return [action for action in settings.actions if action.name in names]


def topic(action: str) -> str:
    """Return what the name of an action's topic ends with: SNS takes no dots, which Up's names of actions have."""
    return action.replace(".", "-")


def variables(actions: Iterable[Action]) -> set[str]:
    """Return the names of the variables that have the addresses of actions."""
    return {variable(action.url) for action in actions if action.url}


def variable(url: str) -> str:
    """Return the name of the variable that an address is in: `${NAME}`."""
    return url[2:-1]


def in_words(alert: Alert) -> str:
    """Say when an alert is raised, such as `p95 of http.latency > 1500 ms in 5m, 2 times in a row`."""
    metric = _metric(alert)
    if metric is not None and metric.is_of_requests and alert.statistic == "avg":
        what, limit = alert.metric, f"{alert.threshold * 100:g} % of requests"
    else:
        what, limit = f"{alert.statistic} of {alert.metric}", f"{alert.threshold:g}"
        limit = f"{limit} {metric.unit}" if metric is not None and metric.unit and alert.statistic != "count" else limit
    often = f", {alert.evaluation_periods} times in a row" if alert.evaluation_periods > 1 else ""
    return f"{what} {alert.operator} {limit} in {alert.period}{often}"


def metrics_needed(settings: Settings) -> bool:
    """Whether an alert is on a metric that the access log writes only with `logs.metrics`."""
    return any(metric is not None and metric.namespace == OURS for metric in map(_metric, wanted(settings)))


def conflicts(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Go through what does not fit together: paths, each with what was expected."""
    topics: dict[str, str] = {}
    for at, action in enumerate(settings.actions):
        if (known := topics.get(topic(action.name))) is not None:
            yield ("actions", at, "name"), f"expected another name; {known} is an action already"
        topics[topic(action.name)] = action.name
        needed = _NEEDED[action.type]
        if not getattr(action, needed):
            yield ("actions", at, "type"), f"expected `{needed}` beside it, which {action.type} needs"
        for other in sorted({*_NEEDED.values()} - {needed}):
            if getattr(action, other):
                yield ("actions", at, other), f"expected an action of its own, since {action.type} takes `{needed}`"
    every = [action.name for action in settings.actions]
    for at, alert in enumerate(wanted(settings)):
        for path, said in _conflicts(alert, every):
            yield ("alerts",) if isinstance(settings.alerts, bool) else ("alerts", at, *path), said
    said = settings.model_dump(include={"logs"}, exclude_unset=True).get("logs", {})
    if said.get("metrics") is False and metrics_needed(settings):
        yield ("logs", "metrics"), "expected true, since alerts on http metrics are about them"


def _conflicts(alert: Alert, actions: list[str]) -> Iterator[tuple[Path, str]]:
    for name in alert.action or ():
        if name not in actions:
            near = difflib.get_close_matches(name, actions, 1) or actions
            known = f"such as {near[0]}" if near else "of which there are none"
            yield ("action",), f"expected the name of one of `actions`, {known}"
    if len(alert.action or ()) > MOST_ACTIONS:
        yield ("action",), f"expected {MOST_ACTIONS} of the `actions` at most, which is what CloudWatch takes"
    if alert.namespace is None and alert.metric not in METRICS:
        near = difflib.get_close_matches(alert.metric, METRICS, 1) or list(METRICS)
        known = " or ".join(near) if len(near) == 1 else f"one of {', '.join(near)}"
        yield ("metric",), f"expected {known}, or the `namespace` of a metric of your own"
    period = seconds(alert.period)
    days = _DAYS[period >= seconds("1h")]
    if period % 60:
        yield ("period",), "expected whole minutes"
    elif period * alert.evaluation_periods > days * seconds("1d"):
        path = ("evaluation_periods",) if alert.evaluation_periods > 1 else ("period",)
        most = "7 days" if days > 1 else "a day, or 7 with a period of hours"
        yield path, f"expected all periods together to be {most} at most, since CloudWatch looks no further back"


def warnings(settings: StageSettings) -> Iterator[str]:
    """Go through sentences about what is allowed and does less than it says."""
    if not settings.actions and not all(alert.disable for alert in wanted(settings)):
        yield "nobody is told of alerts, since up.yml has no `actions`"
    if any(action.gifs for action in settings.actions):
        yield "`gifs` does nothing: messages to Slack have no pictures here"


def _metric(alert: Alert) -> Metric | None:
    """Return the metric of an alert that names no namespace."""
    return METRICS.get(alert.metric) if alert.namespace is None else None
