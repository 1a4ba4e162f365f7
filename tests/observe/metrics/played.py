"""AWS as far as `metrics` asks it, played: a session that gives out services which know what was measured.

moto has neither percentiles nor CloudWatch Logs Insights.
"""

import math
import statistics
from collections import defaultdict
from datetime import UTC, datetime

from botocore import xform_name

from upproxy.aws.errors import InvalidRequest, NotFound, QuotaExceeded
from upproxy.observe.metrics import reports

MEGABYTE = 1_000_000


class Played:
    """A session of one region. `points` are measured, by namespace, name and dimensions, `reports` are REPORT lines.

    Both at moments in seconds since 1970; a report is a duration, an initialisation or None, in ms, and MB.
    `calls` are operations with their parameters; one whose name is in `failing` fails with what is there.
    """

    def __init__(self, region="eu-central-1"):
        self.region = region
        self.points = defaultdict(list)
        self.reports = []
        self.function = {"MemorySize": 512, "Architectures": ["x86_64"]}
        self.stack = {}
        self.log_group = {"logGroupName": "/aws/lambda/shop-staging", "creationTime": 0}
        self.calls = []
        self.failing = {}
        self.busy = 0  # times that there is no room for a query
        self.statuses = ["Scheduled", "Running", "Complete"]
        self.stopped = False

    def service(self, name, region=None, **_):
        return _Service(self)

    def measure(self, namespace, name, at, value, **dimensions):
        self.points[namespace, name, frozenset(dimensions.items())].append((at, value))

    def report(self, at, duration_ms, init_ms=None, used_mb=80):
        self.reports.append((at, duration_ms, init_ms, used_mb))

    def answer(self, operation, parameters):
        self.calls.append((operation, parameters))
        if operation in self.failing:
            raise self.failing[operation]
        return getattr(self, f"_{xform_name(operation)}")(parameters)

    def _get_function_configuration(self, _):
        if self.function is None:
            raise NotFound("no function")
        return self.function

    def _list_stack_resources(self, asked):
        if not self.stack:
            raise InvalidRequest(f"Stack with id {asked['StackName']} does not exist")
        return {
            "StackResourceSummaries": [
                {"LogicalResourceId": name, "PhysicalResourceId": value} for name, value in self.stack.items()
            ]
        }

    def _describe_log_groups(self, _):
        return {"logGroups": [self.log_group] if self.log_group else []}

    def _get_metric_data(self, asked):
        queries = asked["MetricDataQueries"]
        assert len(queries) <= 500
        start, end = asked["StartTime"].timestamp(), asked["EndTime"].timestamp()
        return {"MetricDataResults": [self._result(one, start, end) for one in queries]}

    def _result(self, query, start, end):
        metric, period = query["MetricStat"]["Metric"], query["MetricStat"]["Period"]
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric["Dimensions"])
        found = defaultdict(list)
        for at, value in self.points[metric["Namespace"], metric["MetricName"], dimensions]:
            if start <= at < end:
                found[start + (at - start) // period * period].append(value)
        return {
            "Id": query["Id"],
            "Timestamps": [datetime.fromtimestamp(at, UTC) for at in sorted(found)],
            "Values": [_statistic(query["MetricStat"]["Stat"], found[at]) for at in sorted(found)],
            "StatusCode": "Complete",
        }

    def _start_query(self, asked):
        if self.busy:
            self.busy -= 1
            raise QuotaExceeded("30 queries run", code="LimitExceededException")
        self._asked = asked["startTime"], asked["endTime"], asked["queryString"]
        return {"queryId": "q"}

    def _get_query_results(self, _):
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return {"status": status, "results": self._rows() if status == "Complete" else []}

    def _stop_query(self, _):
        self.stopped = True
        return {"success": True}

    def _rows(self):
        start, end, text = self._asked
        unit = next(one for one in (60, 300, 3600) if text == reports.query(one))
        portions = defaultdict(list)
        for at, *report in self.reports:
            if start <= at <= end:
                portions[at // unit * unit].append(report)
        return [_row(at, portions[at], text.partition(" by ")[2]) for at in sorted(portions)]


class _Service:
    def __init__(self, played):
        self._played = played

    def call(self, operation, **parameters):
        return self._played.answer(operation, parameters)

    def pages(self, operation, **parameters):
        yield self._played.answer(operation, parameters)


def _row(at, found, bin_):
    inits = [init for _, init, _ in found if init is not None]
    values = {
        bin_: f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S.000}",
        "count(*)": len(found),
        "count(@initDuration)": len(inits),
        "sum(@billedDuration)": sum(math.ceil(duration + (init or 0)) for duration, init, _ in found),
        "max(@maxMemoryUsed)": f"{max(used for *_, used in found) * MEGABYTE:.1E}",
        **({"sum(@initDuration)": sum(inits)} if inits else {}),
    }
    return [{"field": field, "value": str(value)} for field, value in values.items()]


def _statistic(name, values):
    if name.startswith("p"):
        return sorted(values)[max(0, math.ceil(len(values) * float(name[1:]) / 100) - 1)]
    return {"Sum": sum, "Average": statistics.fmean, "Maximum": max}[name](values)
