"""`upproxy alerts` on a local AWS, whose alarms, topics and notifier are those of a stack that was really made."""

import io
import json
import sys
from types import SimpleNamespace

import boto3
import pytest

from tests.aws.moto_server import REGION
from tests.aws.released import release
from tests.notifier.conftest import receiver
from tests.sandbox import aws, sandbox
from upproxy.cli.frame import main

__all__ = ["aws", "receiver", "sandbox"]

ALERTS = """
alerts:
  - {metric: http.5xx, statistic: avg, threshold: 0.05, period: 5m, action: incidents, description: Errors}
  - {metric: lambda.errors, statistic: sum, threshold: 3, action: [team, incidents]}
  - {metric: lambda.throttles, statistic: sum, threshold: 3, action: team, disable: true}
actions:
  - {name: team, type: email, emails: [team@shop.example]}
  - {name: incidents, type: webhook, url: "${INCIDENTS_URL}"}
"""
SHORT = ["http.5xx-avg-above", "lambda.errors-sum-above", "lambda.throttles-sum-above"]


@pytest.fixture
def run(tmp_path, aws, monkeypatch, capsys):
    """Run a command about production, in this process, with what up.yml says."""
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")

    def run(*words, says=ALERTS, given="", status=0):
        (tmp_path / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n{says}")
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given.encode())))
        ended = main([*words, "-s", "production", "-C", str(tmp_path)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert ended == status, err
        return SimpleNamespace(out=out, err=err, document=json.loads(out) if "--json" in words and out else None)

    return run


def test_from_an_alarm_to_whom_it_tells(run, receiver, sandbox):
    """Everything on the way is real: CloudFormation's resources, the alarm, the topic, the notifier, the request."""
    assert "has no alarms in eu-central-1. Write `alerts: true`" in run("alerts", says="").err
    assert "`upproxy deploy production` makes them" in run("alerts", "test", status=1).err
    release()
    run("env", "add", "INCIDENTS_URL", given=receiver.url)
    applied = run("stack", "apply")
    assert "+ AWS::SNS::Subscription" in applied.out
    assert receiver.url not in f"{applied.out}{applied.err}"

    listed = run("alerts")
    head, *rows = listed.out.splitlines()
    assert head.split() == ["ALERT", "STATE", "SINCE", "TELLS", "WHEN"]
    assert [row.split()[0] for row in rows[:3]] == SHORT
    assert rows[0].endswith("incidents         Errors: http.5xx > 5 % of requests in 5m")
    assert "team, incidents" in rows[1]
    assert "nobody: disabled" in rows[2]
    assert rows[3:] == ["incidents: ${INCIDENTS_URL}", "team: team@shop.example"]
    assert listed.err == ""

    [region] = run("alerts", "ls", "--json").document["regions"]
    assert [one["alert"] for one in region["alarms"]] == SHORT
    assert region["alarms"][1]["name"] == "shop-production-lambda.errors-sum-above"
    assert region["alarms"][1]["actions"] == ["team", "incidents"]
    assert {"name": "team", "tells": [{"to": "team@shop.example", "ready": True}]} in region["actions"]

    sent = run("alerts", "test")
    assert sent.out == f"{REGION}: lambda.errors-sum-above was raised, and tells team, incidents\n"
    first, second = (document for _, _, document in posted(receiver, 2))
    raised, over = (first, second) if first["state"] == "ALARM" else (second, first)
    assert (raised["state"], raised["previous"], raised["test"]) == ("ALARM", "OK", True)
    assert (over["state"], over["previous"]) == ("OK", "ALARM")
    assert raised["alarm"] == "shop-production-lambda.errors-sum-above"
    assert raised["description"] == "sum of lambda.errors > 3 in 1m"
    assert "with `upproxy alerts test`: nothing is wrong" in raised["reason"]
    assert raised["metric"] == {
        "namespace": "AWS/Lambda",
        "name": "Errors",
        "dimensions": {"FunctionName": "shop-production", "Resource": "shop-production:live"},
    }

    done = run("alerts", "test", "team", "shop-production-http.5xx-avg-above", "--json").document
    assert [one["alarm"].removeprefix("shop-production-") for one in done["sent"]] == SHORT[:2]
    posted(receiver, 6)

    said = run("alerts", "test", "teem", status=2).err
    assert "there is no alert or action teem" in said
    assert "Did you mean team?" in said
    assert "it is disabled" in run("alerts", "test", "lambda.throttles-sum-above", status=1).err

    logged = [line for function, line in sandbox.lines if "notifier" in function]
    assert any('"message": "told"' in line for line in logged)
    assert not any("a-secret" in line for line in logged)

    run("env", "rm", "INCIDENTS_URL")
    said = "${INCIDENTS_URL} is not set in eu-central-1: `upproxy env add INCIDENTS_URL -s production`"
    assert said in run("alerts").err
    run("stack", "delete", "--yes")
    assert boto3.client("sns", region_name=REGION).list_subscriptions()["Subscriptions"] == []


def posted(receiver, count):
    """Wait for what has been posted."""
    with receiver.came:
        assert receiver.came.wait_for(lambda: len(receiver.posted) >= count, 60)
    return receiver.posted
