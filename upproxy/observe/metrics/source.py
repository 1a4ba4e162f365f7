"""What of a stage is measured, and by which metrics of CloudWatch.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html,
https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html,
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html and
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html name them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from upproxy.aws.metrics import Metric

_LAMBDA, _GATEWAY, _LOGS, _OURS = "AWS/Lambda", "AWS/ApiGateway", "AWS/Logs", "upproxy"

Dimensions = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Log:
    """A log group. `created` is in seconds since 1970, `days` how long lines are kept, None for ever."""

    group: str
    created: float
    days: int | None

    def has(self, moment: float, now: float) -> bool:
        """Whether all is still there that was written from a moment on."""
        return self.days is None or moment >= now - self.days * 86_400


@dataclass(frozen=True, kw_only=True)
class Source:
    """A stage in a region. Function and alias are names, `memory` is in MB, as AWS has it.

    `endpoint` is what takes the requests: function_url, http_api with its id or rest_api with its name and stage in
    `api`, by the names of CloudWatch's dimensions. `warmer` is a function's name, None where there is none.
    """

    function: str
    alias: str
    memory: int
    architecture: str
    endpoint: str
    api: Dimensions
    log: Log | None
    gateway_log: str
    warmer: str | None


class _Http(NamedTuple):
    """How the metrics of requests are called."""

    namespace: str
    requests: str
    client_errors: str
    server_errors: str
    latency: str


_HTTP = {
    "function_url": _Http(_LAMBDA, "UrlRequestCount", "Url4xxCount", "Url5xxCount", "UrlRequestLatency"),
    "http_api": _Http(_GATEWAY, "Count", "4xx", "5xx", "Latency"),
    "rest_api": _Http(_GATEWAY, "Count", "4XXError", "5XXError", "Latency"),
}


def metrics(source: Source) -> dict[str, Metric]:
    """Return the metrics of a stage, by the names that the figures have.

    What its alias was invoked for is requests alone: the warmer, the check of a release and one-off commands invoke
    versions, so that they count in the `all_` figures of the function only.
    """
    http = _HTTP[source.endpoint]
    whole = {"FunctionName": source.function}
    live = {**whole, "Resource": f"{source.function}:{source.alias}"}
    # A function has one URL, and only what came by it is in these: the function's own name is dimension enough.
    asked = source.api or whole
    found = {
        "requests": _metric(http.namespace, http.requests, asked, "Sum"),
        "http_4xx": _metric(http.namespace, http.client_errors, asked, "Sum"),
        "http_5xx": _metric(http.namespace, http.server_errors, asked, "Sum"),
        **{
            f"latency_{percentile}_ms": _metric(http.namespace, http.latency, asked, percentile)
            for percentile in ("p50", "p90", "p99")
        },
        "invocations": _metric(_LAMBDA, "Invocations", live, "Sum"),
        "errors": _metric(_LAMBDA, "Errors", live, "Sum"),
        "throttles": _metric(_LAMBDA, "Throttles", live, "Sum"),
        "duration_mean_ms": _metric(_LAMBDA, "Duration", live, "Average"),
        "duration_ms": _metric(_LAMBDA, "Duration", live, "Sum"),
        "concurrency_max": _metric(_LAMBDA, "ConcurrentExecutions", live, "Maximum"),
        "all_invocations": _metric(_LAMBDA, "Invocations", whole, "Sum"),
        "all_duration_ms": _metric(_LAMBDA, "Duration", whole, "Sum"),
        "warmed_mean": _metric(_OURS, "WarmDistinct", {"Function": source.function}, "Average"),
        "warmed_cold": _metric(_OURS, "WarmCold", {"Function": source.function}, "Sum"),
    }
    groups = {"log_bytes": source.log.group if source.log else None}
    if source.endpoint != "function_url":
        groups["gateway_log_bytes"] = source.gateway_log
    if source.warmer is not None:
        warmer = {"FunctionName": source.warmer}
        groups["warmer_log_bytes"] = f"/aws/lambda/{source.warmer}"
        found["warmer_invocations"] = _metric(_LAMBDA, "Invocations", warmer, "Sum")
        found["warmer_duration_ms"] = _metric(_LAMBDA, "Duration", warmer, "Sum")
    for name, group in groups.items():
        if group is not None:
            found[name] = _metric(_LOGS, "IncomingBytes", {"LogGroupName": group}, "Sum")
    return found


def _metric(namespace: str, name: str, dimensions: Dimensions, statistic: str) -> Metric:
    return Metric(namespace, name, tuple(dimensions.items()), statistic)
