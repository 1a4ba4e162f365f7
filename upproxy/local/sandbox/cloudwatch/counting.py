"""What AWS counts of functions, their addresses and logs while they are used.

https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
https://docs.aws.amazon.com/lambda/latest/dg/urls-monitoring.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
https://docs.aws.amazon.com/apigateway/latest/developerguide/api-gateway-metrics-and-dimensions.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CloudWatch-Logs-Monitoring-CloudWatch-Metrics.html
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple

from upproxy.local.environment import LATEST
from upproxy.local.sandbox.cloudwatch.metrics import Metric, Metrics
from upproxy.local.sandbox.state import Invoked

Dimensions = Mapping[str, str]

_COUNT, _MS, _BYTES = "Count", "Milliseconds", "Bytes"
_LAMBDA = "AWS/Lambda"


class Endpoint(NamedTuple):
    """How the metrics of a kind of address are called."""

    namespace: str
    requests: str
    client_errors: str
    server_errors: str
    latency: str


URL = Endpoint(_LAMBDA, "UrlRequestCount", "Url4xxCount", "Url5xxCount", "UrlRequestLatency")
HTTP_API = Endpoint("AWS/ApiGateway", "Count", "4xx", "5xx", "Latency")
REST_API = Endpoint("AWS/ApiGateway", "Count", "4XXError", "5XXError", "Latency")


@dataclass
class Request:
    """A request to an address; `status` is 0 for one that got no answer."""

    status: int = 0


@dataclass(frozen=True)
class _Begun:
    """An invocation that goes on: since when, in seconds since 1970, and what it counts for."""

    region: str
    moment: float
    sets: Sequence[Dimensions]
    reserved: bool


class Counting:
    """Counts, as AWS does it: whether an invocation or a request failed is 0 or 1, so that averages are rates."""

    def __init__(self, metrics: Metrics, now: Callable[[], float] = time.time) -> None:
        self._metrics = metrics
        self._now = now
        self._begun: dict[str, _Begun] = {}
        self._at_once: Counter[Metric] = Counter()

    # --- invocations

    def began(self, invoked: Invoked, request_id: str, *, reserved: bool) -> None:
        """Note that an invocation begins; `reserved` says whether its function has concurrency of its own.

        Of each that has begun it has to be told how it ends.
        """
        begun = _Begun(invoked.version.region, self._now(), _sets(invoked), reserved)
        self._begun[request_id] = begun
        self._at_once.update(_concurrencies(begun))

    def throttled(self, request_id: str) -> None:
        """Note that an invocation has found no room."""
        begun = self._begun.pop(request_id)
        self._at_once.subtract(_concurrencies(begun))
        self._put(begun.region, _LAMBDA, begun.sets, begun.moment, {"Throttles": (1, _COUNT)})

    def ended(self, request_id: str, duration_ms: float, *, failed: bool) -> None:
        """Note that an invocation has ended.

        How many there were at once is noted as each ends, when there are as many as there have been since another one
        did; all else at the moment at which it began.
        """
        begun = self._begun.pop(request_id, None)
        if begun is None:
            return
        for metric in _concurrencies(begun):
            self._metrics.put(metric, self._now(), _COUNT, self._at_once[metric])
            self._at_once[metric] -= 1
        values = {
            "Invocations": (1.0, _COUNT),
            "Errors": (float(failed), _COUNT),
            "Throttles": (0.0, _COUNT),
            "Duration": (duration_ms, _MS),
        }
        self._put(begun.region, _LAMBDA, begun.sets, begun.moment, values)

    # --- requests

    @contextmanager
    def request(self, region: str, endpoint: Endpoint, sets: Sequence[Dimensions]) -> Iterator[Request]:
        """Count what is done within as a request to an address."""
        request, moment, began = Request(), self._now(), time.monotonic()
        try:
            yield request
        finally:
            values = {
                endpoint.requests: (1.0, _COUNT),
                endpoint.client_errors: (float(400 <= request.status < 500), _COUNT),
                endpoint.server_errors: (float(request.status >= 500), _COUNT),
                endpoint.latency: ((time.monotonic() - began) * 1000, _MS),
            }
            self._put(region, endpoint.namespace, sets, moment, values)

    @contextmanager
    def integration(self, region: str, sets: Sequence[Dimensions]) -> Iterator[None]:
        """Take the time of what is done within, which a gateway has somebody else do."""
        moment, began = self._now(), time.monotonic()
        try:
            yield
        finally:
            took = (time.monotonic() - began) * 1000
            self._put(region, HTTP_API.namespace, sets, moment, {"IntegrationLatency": (took, _MS)})

    # --- logs

    def ingested(self, region: str, group: str, size: int) -> None:
        """Count a log event of so many bytes."""
        sets: Sequence[Dimensions] = ({}, {"LogGroupName": group})
        values = {"IncomingLogEvents": (1.0, _COUNT), "IncomingBytes": (float(size), _BYTES)}
        self._put(region, "AWS/Logs", sets, self._now(), values)

    def _put(
        self,
        region: str,
        namespace: str,
        sets: Sequence[Dimensions],
        moment: float,
        values: Mapping[str, tuple[float, str]],
    ) -> None:
        for dimensions in sets:
            for name, (value, unit) in values.items():
                self._metrics.put(Metric.of(region, namespace, name, dimensions), moment, unit, value)


def url_sets(name: str, qualifier: str) -> Sequence[Dimensions]:
    """Return the dimensions that a request to a Function URL counts for."""
    return {"FunctionName": name}, {"FunctionName": name, "Resource": f"{name}:{qualifier or LATEST}"}


def _sets(invoked: Invoked) -> Sequence[Dimensions]:
    """Return the dimensions that an invocation counts for.

    The version that was executed is told of an alias alone, which may have several.
    """
    version, qualifier = invoked
    function = {"FunctionName": version.name}
    resource = {**function, "Resource": f"{version.name}:{qualifier}" if qualifier else version.name}
    if qualifier in ("", version.number):
        return {}, function, resource
    return {}, function, resource, {**resource, "ExecutedVersion": version.number}


def _concurrencies(begun: _Begun) -> list[Metric]:
    """Return the metrics of how many invocations there are at once that one counts for."""
    found = [Metric.of(begun.region, _LAMBDA, "ConcurrentExecutions", one) for one in begun.sets]
    return found if begun.reserved else [*found, Metric.of(begun.region, _LAMBDA, "UnreservedConcurrentExecutions", {})]
