"""Metrics in log lines: the Embedded Metric Format.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

_METRICS = 100  # of a directive
_DIMENSIONS = 30  # of a set
_VALUES = 100  # of a metric in a line
MOST = 2**360  # that CloudWatch takes as a value, and as its opposite


class Value(NamedTuple):
    """A value that a line carries: of which metric and moment (ms since 1970)."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]
    unit: str
    moment: int
    value: float


class Embedded(NamedTuple):
    """What a line carries, and what is wrong with it: parts that are not as specified carry nothing."""

    values: list[Value]
    faults: list[str]


def embedded(message: str) -> Embedded | None:
    """Read a line; None for one that is not of the format."""
    if '"CloudWatchMetrics"' not in message:
        return None
    try:
        root = json.loads(message)
    except (ValueError, RecursionError):
        return None
    meta = root.get("_aws") if isinstance(root, dict) else None
    if not isinstance(meta, dict) or "CloudWatchMetrics" not in meta:
        return None
    directives, moment = meta["CloudWatchMetrics"], meta.get("Timestamp")
    faults: list[str] = []
    if not isinstance(moment, int) or isinstance(moment, bool):
        faults.append("_aws.Timestamp is no whole number")
    elif not isinstance(directives, list):
        faults.append("_aws.CloudWatchMetrics is no array")
    else:
        return Embedded([one for directive in directives for one in _values(root, directive, moment, faults)], faults)
    return Embedded([], faults)


def _values(root: Mapping[str, Any], directive: Any, moment: int, faults: list[str]) -> Iterator[Value]:
    if not isinstance(directive, dict):
        faults.append("a directive is no object")
        return
    namespace = directive.get("Namespace")
    sets, metrics = directive.get("Dimensions"), directive.get("Metrics")
    if not isinstance(namespace, str) or not 0 < len(namespace) <= 255:
        faults.append("Namespace is no text of 1 to 255 characters")
    elif not isinstance(sets, list) or not sets:
        faults.append("Dimensions is no array of arrays")
    elif not isinstance(metrics, list) or len(metrics) > _METRICS:
        faults.append(f"Metrics is no array of up to {_METRICS} objects")
    else:
        known = [found for one in sets if (found := _dimensions(root, one, faults)) is not None]
        for metric in metrics:
            for name, unit, value in _targets(root, metric, faults):
                for dimensions in known:
                    yield Value(namespace, name, dimensions, unit, moment, value)


def _dimensions(root: Mapping[str, Any], names: Any, faults: list[str]) -> Mapping[str, str] | None:
    if not isinstance(names, list) or len(names) > _DIMENSIONS or not all(isinstance(one, str) for one in names):
        faults.append(f"a set of dimensions is no array of up to {_DIMENSIONS} names")
        return None
    found = {name: root.get(name) for name in names}
    for name, value in found.items():
        if not isinstance(value, str) or not value:
            faults.append(f"the dimension {name} is no text of the line")
            return None
    return found  # type: ignore[return-value]


def _targets(root: Mapping[str, Any], metric: Any, faults: list[str]) -> Iterator[tuple[str, str, float]]:
    name = metric.get("Name") if isinstance(metric, dict) else None
    unit = metric.get("Unit", "None") if isinstance(metric, dict) else None
    if not isinstance(name, str) or not isinstance(unit, str):
        faults.append("a metric is no object with a Name")
        return
    target = root.get(name)
    values: list[Any] = target if isinstance(target, list) else [target]
    if len(values) > _VALUES or not all(_is_number(one) for one in values):
        faults.append(f"{name} is no number of the line, and no array of up to {_VALUES}")
        return
    for value in values:
        yield name, unit, float(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= MOST
