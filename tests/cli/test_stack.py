"""`upproxy stack`, `domains` and `export`, with AWS as moto plays it."""

import io
import json
import sys
from types import SimpleNamespace

import boto3
import pytest

from tests.aws.moto_server import REGION
from tests.aws.released import release
from upproxy.cli import output
from upproxy.cli.frame import main

pytestmark = pytest.mark.filterwarnings("ignore:Tried to parse")  # types that moto only records

NAME = "upproxy-shop-production"
WARM = "warm: {count: 2}\n"
DOMAIN = "endpoint: http_api\nstages: {production: {domain: shop.example, path: /v1, zone: false}}\n"


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    return tmp_path


@pytest.fixture
def run(project, aws, monkeypatch, capsys):
    """Run a command in the project, in this process, with what up.yml says."""
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 0)

    def run(*words, says=WARM, status=0):
        (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n{says}")
        ended = main([*words, "-s", "production", "-C", str(project)])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        assert ended == status, err
        return SimpleNamespace(out=out, err=err, document=json.loads(out) if "--json" in words and out else None)

    return run


@pytest.fixture
def released(aws):
    release()


def stacks():
    return [one["StackName"] for one in boto3.client("cloudformation").describe_stacks()["Stacks"]]


def test_a_plan_has_a_line_for_each_resource(run):
    done = run("stack", "plan")
    lines = [line.split() for line in done.out.splitlines()]
    assert ["+", "AWS::Lambda::Function", "Warmer"] in lines
    assert {line[0] for line in lines} == {"+"}
    assert f"create the stack {NAME} in {REGION}" in done.err
    assert stacks() == []


def test_a_plan_as_json(run):
    [stack] = run("stack", "plan", "--json").document["stacks"]
    assert (stack["stack"], stack["region"], stack["what"], stack["destructive"]) == (NAME, REGION, "create", False)
    assert {"action": "add", "type": "AWS::Lambda::Function", "id": "Warmer", "physical_id": None, "maybe": False,
            "properties": []} in stack["changes"]  # fmt: skip


def test_no_feature_no_stack(run):
    done = run("stack", "plan", says="")
    assert (done.out, done.err) == ("", f"nothing to change in {NAME} ({REGION})\n")
    assert run("stack", "apply", says="").out == ""
    assert run("stack", "status", says="").err == f"there is no stack {NAME} in {REGION}\n"


def test_from_apply_to_delete(run, released):
    assert "stale" in run("stack", "status").err
    run("stack", "apply")
    assert stacks() == [NAME]
    assert "nothing to change" in run("stack", "plan").err
    status = run("stack", "status")
    assert "stale" not in status.err
    assert "AWS::IAM::Role" in status.out
    [described] = run("stack", "status", "--json").document["stacks"]
    assert (described["status"], described["current"]) == ("CREATE_COMPLETE", True)
    assert "stale" in run("stack", "status", says="warm: {count: 3}\n").err

    asked = run("stack", "delete", status=2)
    assert "this needs an answer: Delete shop-production" in asked.err
    assert stacks() == [NAME]
    run("stack", "delete", "--yes")
    assert stacks() == []
    assert boto3.client("lambda").list_functions()["Functions"] == []
    assert boto3.client("iam").list_roles()["Roles"] == []
    assert boto3.client("logs").describe_log_groups()["logGroups"] == []
    assert "shop-production is deleted" in run("stack", "delete", "--yes").err


def test_where_the_function_is_not_ours_nothing_is_deleted(run, released):
    run("stack", "apply")
    functions = boto3.client("lambda")
    arn = functions.get_function(FunctionName="shop-production")["Configuration"]["FunctionArn"]
    functions.untag_resource(Resource=arn, TagKeys=list(functions.list_tags(Resource=arn)["Tags"]))
    assert "does not have our tags" in run("stack", "delete", "--yes", status=4).err
    assert stacks() == [NAME]


def test_removals_have_to_be_confirmed(run, released):
    run("stack", "apply")
    done = run("stack", "apply", says="", status=2)
    assert "- AWS::Lambda::Function" in done.out
    assert "this needs an answer" in done.err
    assert stacks() == [NAME]
    run("stack", "apply", "--yes", says="")
    assert stacks() == []


def test_a_no_changes_nothing(run, released, monkeypatch):
    run("stack", "apply")
    monkeypatch.setattr(output.Output, "interactive", True)
    monkeypatch.setattr(sys, "stdin", io.StringIO("n\n"))
    assert "stopped; the stack is as it was" in run("stack", "apply", says="", status=1).err
    assert stacks() == [NAME]


def test_before_the_first_release(run):
    done = run("stack", "apply", status=1)
    assert "shop-production has no release" in done.err
    assert "upproxy deploy production" in done.err
    assert stacks() == []


def test_a_stack_of_others(run):
    body = '{"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}'
    boto3.client("cloudformation").create_stack(StackName=NAME, TemplateBody=body)
    for words in (("plan",), ("apply",), ("status",), ("delete", "--yes")):
        assert "was not made by upproxy" in run("stack", *words, status=4).err
    assert stacks() == [NAME]


def test_a_certificate_that_is_awaited(run, released, monkeypatch):
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 60)
    done = run("stack", "apply", says=DOMAIN, status=1)
    assert "the certificate for shop.example is not issued yet" in done.err
    assert "  CNAME  " in done.err
    assert stacks() == []
    assert json.loads(run("stack", "apply", "--json", says=DOMAIN, status=1).err.splitlines()[-1])["code"] == "pending"
    listed = run("domains", "ls", says=DOMAIN)
    assert "pending validation" in listed.out
    monkeypatch.setattr("moto.settings.ACM_VALIDATION_WAIT", 0)
    applied = run("stack", "apply", says=DOMAIN)
    assert applied.out.splitlines()[-1] == "https://shop.example/v1"
    assert len(boto3.client("acm").list_certificates()["CertificateSummaryList"]) == 1
    [domain] = run("domains", "ls", "--json", says=DOMAIN).document
    assert domain == {"domain": "shop.example", "stage": "production", "region": REGION, "certificate": "ISSUED",
                      "target": domain["target"]}  # fmt: skip
    deleted = run("stack", "delete", "--yes", says=DOMAIN)
    assert "left in DNS" in deleted.err
    assert boto3.client("acm").list_certificates()["CertificateSummaryList"] == []


def test_domains_without_a_gateway_do_not_pass(run):
    done = run("domains", "check", says=DOMAIN, status=1)
    assert "shop.example (production, eu-central-1): there is no gateway yet; certificate none" in done.out
    [found] = run("domains", "check", "--json", says=DOMAIN, status=1).document
    assert found["leads"] is None


def test_no_domains(run):
    assert "no stage has a domain" in run("domains").err
    assert run("domains", "check").out == ""
    assert run("domains", "ls", "--json").document == []


def test_why_there_is_a_gateway_is_told(run):
    says = DOMAIN.replace("endpoint: http_api\n", "")
    assert "shop.example needs a gateway in place of a Function URL: an HTTP API" in run("stack", "plan", says=says).err


def test_an_export_needs_no_aws(run, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    done = run("export")
    assert "Transform: AWS::Serverless-2016-10-31" in done.out
    assert "CodeUri: .upproxy/production.zip" in done.out
    assert "upproxy build -s production" in done.err
    document = run("export", "--json", says="environment: {A: '${TOKEN}'}\n").document
    assert document["Resources"]["App"]["Properties"]["FunctionName"] == "shop-production"
    assert list(document["Parameters"]) == ["SecretToken"]
