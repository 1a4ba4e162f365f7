"""Figures of the last minutes, as CloudWatch tells them."""

import time
from datetime import UTC, datetime, timedelta

import boto3


class Figures:
    """Asks CloudWatch for the last minutes."""

    def __init__(self):
        self._client = boto3.client("cloudwatch")

    def __call__(self, *names, statistic="Sum", namespace="AWS/Lambda", **dimensions):
        """Return one figure for each name; 0 for none."""
        now = datetime.now(UTC)
        metrics = [
            {
                "Namespace": namespace, "MetricName": name,
                "Dimensions": [{"Name": key, "Value": value} for key, value in dimensions.items()],
            }
            for name in names
        ]  # fmt: skip
        queries = [
            {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 86_400, "Stat": statistic}}
            for number, metric in enumerate(metrics)
        ]
        found = self._client.get_metric_data(
            StartTime=now - timedelta(minutes=30), EndTime=now + timedelta(minutes=1), MetricDataQueries=queries
        )["MetricDataResults"]
        return tuple(sum(one["Values"]) for one in found)

    def wait(self, wanted, *names, **more):
        """Wait until the figures are those."""
        until = time.monotonic() + 30
        while (found := self(*names, **more)) != wanted:
            assert time.monotonic() < until, found
            time.sleep(0.01)
