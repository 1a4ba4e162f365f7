"""docs/stack.md and docs/alerts.md say what is so."""

import json
import re
from pathlib import Path

import pytest

from tests.deploy.stack.configurations import configuration
from tests.notifier.conftest import alarm, event
from upproxy.config.alerts import METRICS, Action, Alert, wanted
from upproxy.notifier import notifier

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "stack.md").read_text()
ALERTS = (ROOT / "docs" / "alerts.md").read_text()


def called(module):
    """The calls that a module makes, by their names in the API."""
    text = (ROOT / "upproxy" / "aws" / f"{module}.py").read_text()
    return set(re.findall(r'\.(?:call|pages)\(\s*"(\w+)"', text))


@pytest.mark.parametrize(
    ("service", "module", "more"),
    [
        ("CloudFormation", "stacks", set()),
        ("ACM, with a domain", "certificates", {"AddTagsToCertificate"}),  # which requesting one with tags needs
        ("Route 53, with a domain or `dns`", "zones", set()),
    ],
)
def test_all_calls_are_listed(service, module, more):
    [listed] = re.findall(rf"^\| {re.escape(service)} \| (.*) \|$", DOCUMENT, re.MULTILINE)
    assert set(listed.split(", ")) == called(module) | more


def test_all_metrics_are_listed():
    [table] = re.findall(r"\| metric \|.*?\n\n", ALERTS, re.DOTALL)
    assert set(re.findall(r"`((?:http|lambda)\.\w+)`", table)) == set(METRICS)
    for metric in METRICS.values():
        assert metric.name in table


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", DOCUMENT + ALERTS, re.DOTALL))
def test_examples_are_valid(block, tmp_path):
    assert configuration(tmp_path, block).warnings == ()


def test_the_defaults_are_listed(tmp_path):
    [table] = re.findall(r"\| raised by \|.*?\n\n", ALERTS, re.DOTALL)
    rows = table.strip().splitlines()[2:]
    for alert, row in zip(wanted(configuration(tmp_path, "alerts: true").settings), rows, strict=True):
        assert f"`{alert.metric}` {alert.statistic} {alert.operator} " in row
        assert ("two periods" in row) == (alert.evaluation_periods == 2)
        assert "5 minutes" in row
        assert alert.period == "5m"


def test_all_keys_of_alerts_and_actions_are_listed():
    tables = re.findall(r"^\| (?:key|`type`) \|.*?\n\n", ALERTS, re.DOTALL | re.MULTILINE)
    listed = set(re.findall(r"`(\w+)`", "".join(tables)))
    assert {*Alert.model_fields, *Action.model_fields} - {"name", "type", "gifs"} <= listed


def test_what_a_webhook_gets_is_listed():
    [documented] = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", ALERTS, re.DOTALL)]
    sent = notifier.webhook(notifier.Notice.read(event(alarm())["Records"][0]["Sns"], "shop", "production"))
    assert list(sent) == list(documented)
    assert {name: type(value) for name, value in sent.items()} == {
        name: type(value) for name, value in documented.items()
    }
