"""What Slack and webhooks are told, by real HTTP, and what becomes of it where they do not take it."""

import json
import socket
import time

import pytest

from tests.notifier.conftest import CONFIGURATION, REASON, alarm, event
from upproxy.notifier import notifier
from upproxy.notifier.notifier import Undelivered, notify


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(notifier, "FIRST_PAUSE", 0.01)


@pytest.fixture
def tell(receiver, capsys):
    """Tell of a message; returns what was logged. What is logged never has the address in it."""

    def told(message, action="chat", url=None, seconds=30):
        given = receiver.url if url is None else url
        try:
            notify(event(message, action), CONFIGURATION, lambda _: given, time.monotonic() + seconds)
        finally:
            told.out = capsys.readouterr().out
            assert "secret" not in told.out
            assert "another" not in told.out
        return [json.loads(line) for line in told.out.splitlines()]

    return told


def test_a_webhook(tell, receiver):
    [line] = tell(alarm(), "hook")
    assert (line["level"], line["action"], line["state"]) == ("info", "hook", "ALARM")
    [(path, kind, document)] = receiver.posted
    assert path == "/services/a-secret?key=another"
    assert kind == "application/json; charset=utf-8"
    assert document == {
        "version": 1,
        "id": "95df01b4-ee98-5cb9-9903-4c221d41eb5e",
        "test": False,
        "app": "shop",
        "stage": "production",
        "region": "eu-central-1",
        "account": "123456789012",
        "alarm": "shop-production-http.latency-p95-above",
        "description": "The app is <slow>: p95 of http.latency > 7500 ms in 5m, 2 times in a row",
        "state": "ALARM",
        "previous": "OK",
        "since": "2026-11-26T13:00:12.345Z",
        "reason": REASON,
        "value": 8123.5,
        "metric": {
            "namespace": "upproxy",
            "name": "Latency",
            "dimensions": {"App": "shop", "Stage": "production"},
        },
        "statistic": "p95",
        "operator": ">",
        "threshold": 7500.0,
        "period": 300,
        "evaluation_periods": 2,
        "console": "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        "#alarmsV2:alarm/shop-production-http.latency-p95-above",
        "logs": "upproxy logs -s production -S 25m 'duration > 7500ms'",
    }


def texts(document):
    first, second, third = document["blocks"]
    assert [one["type"] for one in document["blocks"]] == ["section", "section", "context"]
    [more] = third["elements"]
    assert {one["type"] for one in (first["text"], second["text"], more)} == {"mrkdwn"}
    return first["text"]["text"], second["text"]["text"], more["text"]


def test_slack(tell, receiver):
    tell(alarm())
    [(_, _, document)] = receiver.posted
    assert document["channel"] == "#shop"
    said = "The app is &lt;slow&gt;: p95 of http.latency &gt; 7500 ms in 5m, 2 times in a row"
    assert document["text"] == f"ALARM shop production: {said}"
    head, facts, more = texts(document)
    assert head == f":red_circle: *shop production* {said}"
    moment = "<!date^1795698012^{date_short_pretty} {time}|2026-11-26 13:00 UTC>"
    assert facts == f"now *8,123.5 ms* · since {moment} · in eu-central-1"
    assert more == (
        "<https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1"
        "#alarmsV2:alarm/shop-production-http.latency-p95-above|alarm in the console>  "
        "`upproxy logs -s production -S 25m 'duration &gt; 7500ms'`"
    )


def test_it_is_over(tell, receiver):
    tell(alarm("OK", "ALARM", "Threshold Crossed: 1 datapoint [3.0 (26/11/26 13:05:00)] was not greater than ..."))
    [(_, _, document)] = receiver.posted
    head, facts, _ = texts(document)
    assert head.startswith(":large_green_circle: *shop production* over: The app is")
    assert "now *3 ms*" in facts


def test_a_test_is_one(tell, receiver):
    tell(alarm(reason=f"{notifier.TEST}, sent by somebody"), "hook")
    tell(alarm(reason=f"{notifier.TEST}, sent by somebody"))
    (_, _, document), (_, _, message) = receiver.posted
    assert (document["test"], document["value"]) == (True, None)
    head, facts, _ = texts(message)
    assert "Test, nothing is wrong. The app is" in head
    assert "now" not in facts


@pytest.mark.parametrize(
    ("trigger", "value", "logs"),
    [
        ({"MetricName": "5xx", "ExtendedStatistic": None, "Statistic": "AVERAGE"}, "12.3 %", "status >= 500"),
        ({"MetricName": "5xx", "ExtendedStatistic": None, "Statistic": "SUM"}, "0.12345", "status >= 500"),
        ({"Namespace": "AWS/Lambda", "MetricName": "Errors", "Statistic": "SUM"}, "0.12345", "error"),
        ({"Namespace": "AWS/Lambda", "MetricName": "Duration", "ExtendedStatistic": "p99"}, "0.12345 ms",
         "duration > 7500ms"),
    ],
)  # fmt: skip
def test_values_have_units_and_logs_a_query(tell, receiver, trigger, value, logs):
    reason = "Threshold Crossed: 1 datapoint [0.12345 (26/11/26 13:00:00)] was greater than the threshold (0.1)."
    tell(alarm(reason=reason, trigger=trigger))
    _, facts, more = texts(receiver.posted[0][2])
    assert f"now *{value}*" in facts
    assert f"'{logs.replace('>', '&gt;')}'" in more


@pytest.mark.parametrize("metric", ["4xx", "5xx", "ColdStarts", "Duration", "Latency", "Errors"])
def test_queries_are_ones_that_logs_knows(metric):
    from upproxy.observe.logs.query.parse import parse

    document = alarm(trigger={"MetricName": metric})
    notice = notifier.Notice.read(event(document)["Records"][0]["Sns"], "shop", "production")
    assert parse(notice.logs.partition("'")[2].removesuffix("'"))


def test_other_partitions_have_consoles_of_their_own(tell, receiver):
    arn = "arn:aws-cn:cloudwatch:cn-north-1:123456789012:alarm:a b/c"
    tell(alarm(AlarmArn=arn), "hook")
    assert receiver.posted[0][2]["console"] == (
        "https://cn-north-1.console.amazonaws.cn/cloudwatch/home?region=cn-north-1#alarmsV2:alarm/a%20b%2Fc"
    )


def test_a_new_alarm_that_is_fine_is_no_news(tell, receiver):
    assert tell(alarm("OK", "INSUFFICIENT_DATA")) == []
    assert tell(alarm("INSUFFICIENT_DATA", "ALARM")) == []
    assert receiver.posted == []
    tell(alarm("ALARM", "INSUFFICIENT_DATA"))
    assert len(receiver.posted) == 1


@pytest.mark.parametrize("answer", [(429, {}), (429, {"Retry-After": "0"}), (500, {}), (503, {"Retry-After": "soon"})])
def test_what_may_go_well_the_next_time_is_tried_again(tell, receiver, answer):
    receiver.answers = [answer, answer]
    [line] = tell(alarm())
    assert line["message"] == "told"
    assert len(receiver.posted) == 3
    assert receiver.posted[0] == receiver.posted[2]


def test_for_as_long_as_there_is_time(tell, receiver):
    receiver.answers = [(500, {})] * 100
    with pytest.raises(Undelivered, match="chat: the answer was 500"):
        tell(alarm(), seconds=0.5)
    assert len(receiver.posted) > 2
    assert '"could not be told"' in tell.out


def test_longer_than_there_is_time_is_not_waited(tell, receiver):
    receiver.answers = [(429, {"Retry-After": "3600"})]
    with pytest.raises(Undelivered, match="429"):
        tell(alarm())
    assert len(receiver.posted) == 1


@pytest.mark.parametrize("status", [301, 307, 400, 403, 404, 410])
def test_what_is_final_is_not_tried_again(tell, receiver, status):
    receiver.answers = [(status, {"Location": receiver.url})]
    with pytest.raises(Undelivered, match=f"the answer was {status}"):
        tell(alarm())
    assert len(receiver.posted) == 1


def test_silence(tell, receiver, monkeypatch):
    monkeypatch.setattr(notifier, "TIMEOUT", 0.1)
    receiver.answers = [None]
    [line] = tell(alarm())
    assert line["message"] == "told"
    assert len(receiver.posted) == 2


def test_nobody_is_there(tell):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Undelivered, match="ConnectionRefusedError") as caught:
        tell(alarm(), url=f"http://127.0.0.1:{port}/a-secret", seconds=0.2)
    assert "a-secret" not in repr(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    "url",
    ["", "a-secret", "http://hooks.example/a-secret", "ftp://127.0.0.1/a-secret", "https://", "https://[::1/a-secret",
     "https://hooks.example:port/a-secret", "https://me:a-secret@hooks.example/", "https://hooks.example/a secret",
     "https://hooks.example/ä", "https://hooks.example/a\nsecret", "http://localhost.example/a-secret"],
)  # fmt: skip
def test_addresses_that_are_not_asked(tell, receiver, url):
    with pytest.raises(Undelivered, match="the address") as caught:
        tell(alarm(), url=url)
    assert "secret" not in str(caught.value)
    assert receiver.posted == []


@pytest.mark.parametrize(
    "given",
    [None, [], {}, {"Records": None}, {"Records": [None]}, {"Records": [{}]}, {"Records": [{"Sns": {}}]},
     {"Records": [{"Sns": {"TopicArn": 3}}]}, event(alarm(), "other"), event("hello"), event("[]"), event("{}"),
     event(alarm(AlarmArn="arn")), event(alarm(StateChangeTime="now")), event(alarm(trigger={"Threshold": None})),
     event(alarm(trigger={"ComparisonOperator": "GreaterThanUpperThreshold"}))],
)  # fmt: skip
def test_what_is_no_alarm_of_ours_is_left(receiver, capsys, given):
    notify(given, CONFIGURATION, lambda _: receiver.url, time.monotonic() + 5)
    [line] = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (line["level"], line["message"]) == ("error", "this is no alarm of ours, and was left")
    assert receiver.posted == []


def test_one_that_fails_keeps_none_of_the_others(receiver, capsys):
    receiver.answers = [(404, {})]
    both = {"Records": [*event(alarm())["Records"], *event(alarm(), "hook")["Records"]]}
    with pytest.raises(Undelivered, match=r"^chat: the answer was 404$"):
        notify(both, CONFIGURATION, lambda _: receiver.url, time.monotonic() + 5)
    assert len(receiver.posted) == 2
