"""`upproxy policy` prints a policy that AWS's own linter accepts."""

import json

import pytest
from cfnlint.api import lint_all

from tests.aws.moto_server import ACCOUNT, NOBODY, REGION
from upproxy.cli.frame import main

TEXT = """\
name: shop
regions: [eu-central-1]
stages:
  production:
    domain: shop.example
    warm: {count: 3}
    alerts: [{metric: http.latency, statistic: p95, threshold: 1}]
"""


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    (tmp_path / "up.yml").write_text(TEXT)
    return tmp_path


def printed(project, capsys, *arguments):
    status = main(["policy", "-C", str(project), *arguments])
    out, err = capsys.readouterr()
    assert status == 0, err
    return json.loads(out), err


def test_the_account_is_that_of_the_credentials(project, aws, capsys):
    document, err = printed(project, capsys)
    assert err == ""
    arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:shop-staging"
    assert arn in document["Statement"][0]["Resource"]
    assert printed(project, capsys, "--json")[0] == document


def test_without_credentials_the_account_is_named(project, monkeypatch, capsys):
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    document, _ = printed(project, capsys, "--account", "210987654321", "--region", "us-east-1")
    assert "arn:aws:lambda:us-east-1:210987654321:function:shop-staging" in document["Statement"][0]["Resource"]
    assert main(["policy", "-C", str(project)]) == 3
    assert "there are no AWS credentials" in capsys.readouterr().err


def test_other_parts_of_aws_have_other_arns(project, aws, capsys):
    document, _ = printed(project, capsys, "--account", "210987654321", "--region", "cn-north-1")
    assert document["Statement"][0]["Resource"][0] == "arn:aws-cn:lambda:cn-north-1:210987654321:function:shop-staging"


@pytest.mark.parametrize("account", ["12", "12345678901x", "arn:aws:iam::123456789012:root"])
def test_an_account_that_is_none(project, account, capsys):
    assert main(["policy", "-C", str(project), "--account", account]) == 2
    assert "is no account's number" in capsys.readouterr().err


def test_one_that_is_too_long_is_told(project, aws, capsys):
    _, err = printed(project, capsys, "-s", "production")
    assert "and a managed policy takes 6,144" in err


@pytest.mark.parametrize("stage", ["staging", "production"])
def test_the_linter_of_aws_finds_nothing(project, aws, capsys, stage):
    document, _ = printed(project, capsys, "-s", stage)
    policy = {"Type": "AWS::IAM::ManagedPolicy", "Properties": {"PolicyDocument": document}}
    template = json.dumps({"Resources": {"Policy": policy}})
    assert [match for match in lint_all(template) if not match.rule.id.startswith("I")] == []
