"""The benchmark of warming: its arrivals, its costs, its chart, and all of it once, in a hurry."""

import json
import statistics
import xml.etree.ElementTree as ET

import pytest

from bench import warmth
from bench.chart import Panel, draw
from bench.warmth import COUNT, GAP, STRATEGIES, Outcome, Reports, arrivals, percentile
from upproxy.observe import prices


def test_arrivals_are_the_same_again_and_as_they_should_be():
    many = arrivals(4_000)
    assert many[:50] == arrivals(50)
    assert many != arrivals(4_000, seed=2)
    assert {burst.size for burst in many} == set(range(1, COUNT + 1))
    gaps = [burst.gap for burst in many]
    assert statistics.mean(gaps) == pytest.approx(GAP, rel=0.05)
    assert statistics.stdev(gaps) == pytest.approx(GAP, rel=0.05)  # as long as the mean: that is what is Poisson


def test_what_a_report_says():
    reports = Reports()
    reports("START RequestId: a Version: $LATEST")
    reports(
        "REPORT RequestId: a\tDuration: 13.50 ms\tBilled Duration: 564 ms\tMemory Size: 256 MB\t"
        "Max Memory Used: 59 MB\tInit Duration: 550.26 ms\t"
    )
    reports(
        "REPORT RequestId: b\tDuration: 3.00 ms\tBilled Duration: 3 ms\tMemory Size: 256 MB\tMax Memory Used: 59 MB\t"
    )
    assert reports == {"a": (564.0, True), "b": (3.0, False)}


def test_percentiles():
    assert [percentile([1, 2, 3, 4], percent) for percent in (0, 25, 50, 51, 99, 100)] == [1, 1, 2, 3, 4, 4]
    assert percentile([7], 50) == 7


def test_the_chart_is_a_picture_with_every_value():
    text = draw("a < b", ["x & y", "z"], [Panel("p99", [0.0, 12.0], ["0 ms", "12 ms"]), Panel("none", [0, 0], "ab")])
    root = ET.fromstring(text)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == ["x & y", "z", "p99", "0 ms", "12 ms", "none", "a", "b"]
    bars = [float(element.get("width")) for element in root.iter("{http://www.w3.org/2000/svg}rect")][1:]
    assert bars[0] < bars[1]


async def test_each_way_once():
    outcomes = [await warmth.measure(strategy, arrivals(2), speed=900) for strategy in STRATEGIES]
    requests = sum(burst.size for burst in arrivals(2))
    for outcome in outcomes:
        assert isinstance(outcome, Outcome)
        assert outcome.requests == requests
        assert 0 < outcome.p50 <= outcome.p99
        assert 0 <= outcome.cold <= 1000
        assert outcome.monthly > 0
    nothing, ping, warmer = outcomes
    assert (nothing.ticks, nothing.distinct, nothing.warming) == (0, (0, 0), 0)
    assert ping.ticks > 0
    assert ping.distinct == (1, 1)
    assert warmer.ticks > 0
    assert 1 <= warmer.distinct[0] <= warmer.distinct[1]  # how many it reaches in such a hurry is the machine's matter
    assert min(warmer.warming, ping.warming) > 0
    written = warmth.table(outcomes)
    assert all(f"| {strategy} |" in written for strategy in STRATEGIES)
    assert prices.DATE in written
    ET.fromstring(warmth.plot(outcomes))
    json.dumps([vars(outcome) for outcome in outcomes])
