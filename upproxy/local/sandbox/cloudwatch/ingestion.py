"""What becomes of log events besides being kept: they are counted, and those that carry metrics become metrics."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from upproxy.local.sandbox.cloudwatch.api import FUTURE, PAST
from upproxy.local.sandbox.cloudwatch.counting import Counting
from upproxy.local.sandbox.cloudwatch.emf import embedded
from upproxy.local.sandbox.cloudwatch.metrics import Metric, Metrics


class Ingestion:
    """Takes events of logs."""

    def __init__(self, metrics: Metrics, counting: Counting, log: Callable[..., None]) -> None:
        self._metrics = metrics
        self._counting = counting
        self._log = log

    def seen(self, region: str, body: bytes) -> None:
        """Look at a call of PutLogEvents that has been answered."""
        given = json.loads(body)
        for one in given["logEvents"]:
            self.take(region, given["logGroupName"], one["message"])

    def take(self, region: str, group: str, message: str) -> None:
        """Take an event that a log group has kept. Metrics that are not as specified are left out, and told of."""
        self._counting.ingested(region, group, len(message.encode()))
        found = embedded(message)
        if found is None:
            return
        faults = list(found.faults)
        for one in found.values:
            moment = one.moment / 1000
            if -PAST <= moment - time.time() <= FUTURE:
                metric = Metric.of(region, one.namespace, one.name, one.dimensions)
                self._metrics.put(metric, moment, one.unit, one.value)
            else:
                faults.append("_aws.Timestamp is not of the past two weeks")
        if faults:
            self._log("warn", f"a metric in {group} is left out: {'; '.join(dict.fromkeys(faults))}")
