"""`alerts` and `actions`: alarms on metrics, whom they tell, and what does not fit together in them."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

from pydantic import Field

from upproxy.config.derive import Strict
from upproxy.config.values import ACTION, EMAIL, NUMBER, Duration, seconds

if TYPE_CHECKING:
    from upproxy.config.errors import Path
    from upproxy.config.settings import Settings, StageSettings


class Metric(NamedTuple):
    """A metric as CloudWatch names it; those of the namespace `upproxy` are what `logs.metrics` writes."""

    namespace: str
    name: str


OURS = "upproxy"
METRICS = {
    "http.count": Metric(OURS, "Requests"),
    "http.latency": Metric(OURS, "Latency"),
    "http.4xx": Metric(OURS, "4xx"),
    "http.5xx": Metric(OURS, "5xx"),
    "http.cold": Metric(OURS, "ColdStarts"),
    "lambda.count": Metric("AWS/Lambda", "Invocations"),
    "lambda.duration": Metric("AWS/Lambda", "Duration"),
    "lambda.errors": Metric("AWS/Lambda", "Errors"),
    "lambda.throttles": Metric("AWS/Lambda", "Throttles"),
    "lambda.concurrency": Metric("AWS/Lambda", "ConcurrentExecutions"),
}
"""Metrics that alerts name without a namespace. Latency and duration are in ms."""

_DAYS = {False: 1, True: 7}  # that CloudWatch looks back, by whether periods are of hours
_WANTED = {"email": "emails", "sms": "numbers", "slack": "url"}


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
    action: str | None = None
    """The name of the action to take."""
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
    type: Literal["email", "sms", "slack"]
    """How."""
    emails: list[Annotated[str, Field(pattern=EMAIL)]] = []
    """Addresses, for email."""
    numbers: list[Annotated[str, Field(pattern=NUMBER)]] = []
    """Telephone numbers, for sms."""
    url: str | None = None
    """The webhook, for slack."""
    channel: str | None = None
    """The channel, for slack."""
    gifs: bool = False
    """Add a picture, for slack."""


def metrics_needed(settings: Settings) -> bool:
    """Whether an alert is on a metric that the access log writes only with `logs.metrics`."""
    return any(_is_ours(alert) for alert in settings.alerts)


def conflicts(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Go through what does not fit together: paths, each with what was expected."""
    names: list[str] = []
    for at, action in enumerate(settings.actions):
        if action.name in names:
            yield ("actions", at, "name"), f"expected another name; {action.name} is an action already"
        names.append(action.name)
        wanted = _WANTED[action.type]
        if not getattr(action, wanted):
            yield ("actions", at, "type"), f"expected `{wanted}` beside it, which {action.type} needs"
    for at, alert in enumerate(settings.alerts):
        yield from ((("alerts", at, *path), said) for path, said in _conflicts(alert, names))
    said = settings.model_dump(include={"logs"}, exclude_unset=True).get("logs", {})
    if said.get("metrics") is False and metrics_needed(settings):
        yield ("logs", "metrics"), "expected true, since alerts on http metrics are about them"


def _conflicts(alert: Alert, actions: list[str]) -> Iterator[tuple[Path, str]]:
    if alert.action is not None and alert.action not in actions:
        near = difflib.get_close_matches(alert.action, actions, 1) or actions
        known = f"such as {near[0]}" if near else "of which there are none"
        yield ("action",), f"expected the name of one of `actions`, {known}"
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
    silent = {action.name for action in settings.actions if action.type == "slack"}
    for name in sorted({alert.action for alert in settings.alerts if alert.action in silent and not alert.disable}):
        yield f"alerts tell {name} nothing yet: actions of type slack are not part of this version"


def _is_ours(alert: Alert) -> bool:
    return alert.namespace is None and alert.metric in METRICS and METRICS[alert.metric].namespace == OURS
