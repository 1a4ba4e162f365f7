"""How much is kept of metrics, and that percentiles are those of a plain reading."""

import math

from hypothesis import given
from hypothesis import strategies as st

from upproxy.local.sandbox.cloudwatch.metrics import MINUTE, Metric, Metrics
from upproxy.local.sandbox.cloudwatch.samples import Sample, Summary

ONE, OTHER = (Metric.of("us-east-1", "app", name, {}) for name in ("one", "other"))


def within(metrics, metric, end=1e9):
    return [(start, sum(sample.values.values())) for start, _, sample in metrics.within(metric, 0, end)]


def test_the_oldest_minute_goes_first_of_all_metrics():
    metrics = Metrics(most=100)
    metrics.put(ONE, 0, "Count", 1)
    metrics.put(OTHER, 30, "Count", 1)
    for value in range(82):
        metrics.put(ONE, MINUTE, "Count", value)
    assert within(metrics, ONE) == [(0, 1), (MINUTE, 82)]
    metrics.put_summary(ONE, MINUTE, "Count", Summary(2, 5, 2, 3))
    metrics.put(ONE, MINUTE, "Count", 1_000)
    assert within(metrics, ONE) == [(MINUTE, 83)]
    assert metrics.all("us-east-1") == {ONE}


def test_a_value_that_comes_again_takes_no_room():
    metrics = Metrics(most=12)
    for _ in range(1_000):
        metrics.put(ONE, 0, "Count", 1)
        metrics.put(ONE, MINUTE, "Count", 0)
    assert within(metrics, ONE) == [(0, 1_000), (MINUTE, 1_000)]


def test_the_last_minute_is_never_dropped():
    metrics = Metrics(most=10)
    for value in range(50):
        metrics.put(ONE, 0, "Count", value)
    assert within(metrics, ONE) == [(0, 50)]


def test_the_end_is_not_within():
    metrics = Metrics()
    for minute in range(4):
        metrics.put(ONE, minute * MINUTE, "Count", 1)
    assert [start for start, _ in within(metrics, ONE, end=2 * MINUTE)] == [0, MINUTE]


@given(
    st.lists(st.floats(0, 1e6), min_size=1, max_size=50),
    st.one_of(st.floats(0, 100), st.sampled_from([0.0, 50.0, 99.9, 100.0])),
)
def test_percentiles_of_a_plain_reading(values, percent):
    """Nearest rank: of the values in order, the one at which so many percent have been passed."""
    percent = round(percent, 4)
    sample = Sample()
    for value in values:
        sample.add(value)
    rank = max(1, math.ceil(round(len(values) * percent / 100, 9)))
    assert sample.statistic(f"p{percent:g}" if percent != 100 else "p100") == sorted(values)[rank - 1]
