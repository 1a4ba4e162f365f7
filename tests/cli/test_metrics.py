"""`upproxy metrics` on what AWS would have measured, and the examples of docs/metrics.md."""

import json
import os
import re
import signal
import threading
from pathlib import Path

import click
import pytest

from tests.aws.moto_server import REGION
from tests.cli.measured_shop import NOW, shop
from tests.observe.metrics.played import Played
from upproxy.aws.errors import AccessDenied, AwsError
from upproxy.cli.output import Output

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "metrics.md").read_text()


@pytest.fixture
def played(monkeypatch):
    """AWS with nothing measured; `use` puts another in its place."""
    current = [Played()]
    current[0].use = lambda another: current.__setitem__(0, another)
    monkeypatch.setattr("upproxy.cli.stage.Session", lambda *_: current[0])
    monkeypatch.setattr("time.time", lambda: NOW)
    monkeypatch.setattr("upproxy.aws.waiting.FIRST", 0.001)
    return current[0]


def lines(done):
    assert done.status == 0, done.err
    return {line.strip().split("  ")[0]: line for line in reversed(done.out.splitlines()) if line}


def test_the_examples_of_the_page(run, played):
    played.use(shop())
    done = run("metrics", "-s", "production")
    example = re.search(r"^\$ upproxy metrics -s production\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
    assert (done.status, done.out, done.err) == (0, example, "")
    assert max(map(len, done.out.splitlines())) <= 80
    shown = json.loads(re.search(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1])
    whole = json.loads(run("metrics", "-s", "production", "--json").out)
    assert_part(shown, whole)
    named = set(re.findall(r"^\| `(\w+)`", PAGE, re.MULTILINE))
    assert named == {*whole["regions"][0]["figures"], "gateway_log_bytes"}


def assert_part(part, whole):
    """What the page shows is what there is; a list is cut after its first elements."""
    if isinstance(part, dict):
        for name, value in part.items():
            assert_part(value, whole[name])
    elif isinstance(part, list):
        for one, another in zip(part, whole, strict=False):
            assert_part(one, another)
    else:
        assert part == whole


def test_nothing_was_measured(run, played):
    done = run("metrics")
    shown = lines(done)
    assert shown["requests"].split() == ["requests", "–", "–"]
    assert "warmed" not in shown
    assert shown["total without requests, compute, init, endpoint, logs"].split()[-2:] == ["–", "–"]
    assert done.err == f"shop-staging has not been invoked in {REGION} in that time; -S goes further back\n"
    [region] = json.loads(run("metrics", "--json").out)["regions"]
    figure = region["figures"]["requests"]
    assert (figure["now"], figure["before"], set(figure["course"])) == (None, None, {None})
    assert region["cost"]["total"] == {"period_usd": None, "month_usd": None}


def test_how_far_back(run, played):
    document = json.loads(run("metrics", "--json", "-S", "1h30m").out)
    assert (document["before"], document["start"], document["end"]) == (
        "2026-09-21T11:14:00Z", "2026-09-21T12:44:00Z", "2026-09-21T14:14:00Z"
    )  # fmt: skip
    assert document["step_s"] == 300
    assert "figures come a minute or two late" not in run("metrics", "-S", "1h").err
    played.measure("AWS/Lambda", "Invocations", NOW - 200, 1.0, FunctionName="shop-staging")
    assert "figures come a minute or two late" in run("metrics", "-S", "5m").err
    done = run("metrics", "-S", "yesterday")
    assert done.status == 2
    assert "'yesterday' is not a duration such as 90s, 1h30m or 2d" in done.err
    done = run("metrics", "-S", "181d", "--json")
    assert (done.status, json.loads(done.err)["message"]) == (
        2, "-S: expected 180d at most, since CloudWatch keeps metrics for 455 days",
    )  # fmt: skip


def test_a_log_that_is_not_kept_so_long(run, played):
    played.log_group["retentionInDays"] = 7
    assert (
        "the log of shop-staging goes back 7 days only: what is told by it is left out"
        in run("metrics", "-S", "8d").err
    )
    played.log_group = None
    assert "shop-staging has no log in eu-central-1: what is told by it is left out" in run("metrics").err


@pytest.mark.parametrize(
    ("stack", "endpoint", "dimensions"),
    [
        ({"HttpApi": "a1b2"}, "HTTP API", {"ApiId": "a1b2"}),
        ({"RestApi": "c3d4"}, "REST API", {"ApiName": "shop-staging", "Stage": "live"}),
    ],
)
def test_what_takes_the_requests(run, played, stack, endpoint, dimensions):
    played.stack = stack
    played.measure("AWS/ApiGateway", "Count", NOW - 600, 1_000_000.0, **dimensions)
    played.function = {"MemorySize": 1024, "Architectures": ["arm64"]}
    shown = lines(run("metrics"))
    assert f"{REGION}: {endpoint}, arm64, 1024 MB" in shown
    assert shown["requests"].split()[1] == "1.0M"
    assert shown["endpoint"].split()[1] == ("$1.00" if endpoint == "HTTP API" else "$3.50")


@pytest.mark.parametrize(
    ("requests", "faults", "latency", "shown"),
    [
        (99_999, 50, 9.96, ("99,999", "50 (<0.1 %)", "10.0 ms")),
        (123_456, 1_235, 99.96, ("123k", "1,235 (1.0 %)", "100 ms")),
        (1_234_567, 123_457, 999.6, ("1.2M", "123k (10 %)", "1.00 s")),
        (3, 0, 12_345.0, ("3", "0 (0 %)", "12.3 s")),
    ],
)
def test_figures_small_and_large(run, played, requests, faults, latency, shown):
    api = {"ApiId": "a1b2"}
    played.stack = {"HttpApi": "a1b2"}
    for name, value in (("Count", requests), ("5xx", faults), ("Latency", latency)):
        played.measure("AWS/ApiGateway", name, NOW - 600, float(value), **api)
    found = lines(run("metrics"))
    count, share, time = shown
    assert found["requests"].split()[1] == count
    assert f" {share}  " in found["5xx"]
    assert f" {time}  " in found["latency p50"]
    parts = json.loads(run("metrics", "--json").out)["regions"][0]["cost"]
    assert parts["endpoint"]["period_usd"] == pytest.approx(requests / 1e6)


def test_several_regions(run, played, project):
    (project / "up.yml").write_text("name: shop\nregions: [eu-central-1, us-east-1]\n")
    played.measure("AWS/Lambda", "UrlRequestCount", NOW - 600, 3.0, FunctionName="shop-staging")
    done = run("metrics")
    assert [line for line in done.out.splitlines() if "Function URL" in line] == [
        f"{region}: Function URL, x86_64, 512 MB" for region in ("eu-central-1", "us-east-1")
    ]
    regions = json.loads(run("metrics", "--json").out)["regions"]
    assert [one["region"] for one in regions] == ["eu-central-1", "us-east-1"]
    assert [one["region"] for one in json.loads(run("metrics", "--json", "--region", "eu-west-1").out)["regions"]] == [
        "eu-west-1"
    ]


def test_not_deployed(run, played):
    played.function = None
    done = run("metrics", "--json")
    assert done.status == 1
    assert json.loads(done.err) == {
        "code": "not_deployed",
        "message": "shop is not deployed to staging in eu-central-1",
        "hint": "`upproxy deploy staging` does that.",
    }


def test_deployed_to_one_of_two_regions(run, played, project, monkeypatch):
    from upproxy.cli import metric_sources
    from upproxy.deploy import live

    (project / "up.yml").write_text("name: shop\nregions: [eu-central-1, us-east-1]\n")
    found = metric_sources.source

    def source(stage, region):
        if region == "us-east-1":
            raise live.missing(stage.names, region)
        return found(stage, region)

    monkeypatch.setattr(metric_sources, "source", source)
    done = run("metrics", "--json")
    assert [one["region"] for one in json.loads(done.out)["regions"]] == ["eu-central-1"]
    assert "shop is not deployed to staging in us-east-1" in done.err


@pytest.mark.parametrize("operation", ["GetMetricData", "StartQuery", "GetQueryResults", "DescribeLogGroups"])
def test_what_is_not_allowed(run, played, operation):
    action = f"x:{operation}"
    played.failing[operation] = AccessDenied("no", action=action, resource="*")
    done = run("metrics")
    assert done.status == 3
    assert json.dumps({"Effect": "Allow", "Action": action, "Resource": "*"}) in done.err


def test_the_table_of_what_is_needed(run, played):
    played.failing["GetMetricData"] = KeyboardInterrupt()
    run("metrics")
    del played.failing["GetMetricData"]
    run("metrics")
    page = (DOCS / "operations.md").read_text()
    actions = re.search(r"^\| `metrics` \| (.*) \|$", page, re.MULTILINE)[1]
    assert set(re.findall(r":(\w+)`", actions)) == {operation for operation, _ in played.calls}


def test_an_interruption_leaves_no_query_behind(run, played):
    played.failing["GetMetricData"] = KeyboardInterrupt()
    assert run("metrics").status == 130
    assert played.stopped


def test_an_interruption_while_several_regions_are_waited_for(run, played, project, monkeypatch):
    """Only the main thread hears of it, and it is others that wait for the queries."""
    (project / "up.yml").write_text("name: shop\nregions: [eu-central-1, us-east-1]\n")
    together, over = threading.Barrier(2), threading.Event()

    def wait(_):
        if together.wait(30) == 0:
            os.kill(os.getpid(), signal.SIGINT)
        over.wait(30)
        raise AwsError("too late")

    monkeypatch.setattr(played, "_get_query_results", wait)
    try:
        assert run("metrics").status == 130
        assert [operation for operation, _ in played.calls].count("StopQuery") == 2
    finally:
        over.set()


def test_colours_are_where_good_and_bad_are_clear(run, played, monkeypatch):
    played.use(shop())
    plain = run("metrics", "-s", "production").out
    monkeypatch.setattr(Output, "coloured", lambda *_: True)
    shown = run("metrics", "-s", "production").out
    assert click.unstyle(shown) == plain
    colours = [(line[:13].strip(), re.findall(r"\x1b\[(3\d)m", line)) for line in shown.splitlines()]
    found = {click.unstyle(name): colour for name, colour in colours if colour}
    assert found == {
        "5xx": ["31"], "latency p50": ["32"], "duration": ["32"], "cold starts": ["31"],
    }  # fmt: skip
