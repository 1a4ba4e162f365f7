"""docs/stack.md says what is so."""

import re
from pathlib import Path

import pytest

from tests.deploy.stack.configurations import configuration
from upproxy.config.alerts import METRICS

ROOT = Path(__file__).parents[3]
DOCUMENT = (ROOT / "docs" / "stack.md").read_text()


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
    [table] = re.findall(r"\| metric \|.*?\n\n", DOCUMENT, re.DOTALL)
    assert set(re.findall(r"`((?:http|lambda)\.\w+)`", table)) == set(METRICS)
    for metric in METRICS.values():
        assert metric.name in table


@pytest.mark.parametrize("block", re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL))
def test_examples_are_valid(block, tmp_path):
    assert configuration(tmp_path, block).warnings == ()
