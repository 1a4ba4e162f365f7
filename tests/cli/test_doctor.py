"""`upproxy doctor`: what it finds, what it ends with, and that nothing stops it from looking."""

import json
import os
import re
import subprocess
import sys

import boto3
import pytest

from tests.aws.moto_server import ACCOUNT, NOBODY, REGION, SOMEBODY, without_aws
from upproxy.aws import identity
from upproxy.aws.errors import AccessDenied, InvalidRequest
from upproxy.aws.functions import Functions
from upproxy.aws.identity import Denied
from upproxy.build import interpreter
from upproxy.cli.diagnosis import OK, PROBLEM, WARNING, quotas
from upproxy.cli.frame import main
from upproxy.config.settings import StageSettings
from upproxy.deploy.stack.stack import Seen, Stack

SECRET = "hunter2-hunter2"
ROOMY = {
    "AccountLimit": {"ConcurrentExecutions": 1000, "UnreservedConcurrentExecutions": 900, "TotalCodeSize": 80 * 10**9},
    "AccountUsage": {"TotalCodeSize": 10**9, "FunctionCount": 3},
}


@pytest.fixture
def here(monkeypatch):
    """Somebody with all permissions, whose account has room; what moto does not know is told here."""
    monkeypatch.setattr(identity, "principal", lambda *_: f"arn:aws:iam::{ACCOUNT}:user/me")
    monkeypatch.setattr(identity, "denied", lambda *_: [])
    monkeypatch.setattr(Functions, "account", lambda _: ROOMY)
    monkeypatch.setattr(interpreter, "here", lambda version: interpreter.Interpreter("/usr/bin/python3", version))
    return monkeypatch


def examined(capsys, project, *arguments):
    """Return the exit status, and the findings by check: level, message and hint."""
    status = main(["doctor", "--json", "-C", str(project), *arguments])
    out, err = capsys.readouterr()
    assert err == ""
    document = json.loads(out)
    assert document["ok"] is (status == 0)
    found = {}
    for one in document["findings"]:
        assert set(one) == {"check", "level", "message", "hint"}
        found.setdefault(one["check"], (one["level"], one["message"], one["hint"]))
    return status, found


def test_all_is_well(aws, here, project, capsys):
    status, found = examined(capsys, project)
    assert status == 0
    assert {level for level, _, _ in found.values()} == {OK}
    assert list(found) == [
        "upproxy", "project", "app", "python", "credentials", "region", "account", "clock", "concurrency",
        "code storage", "variables", "stack", "permissions",
    ]  # fmt: skip
    assert re.fullmatch("the key ….{4} from the environment", found["credentials"][1])
    assert found["region"][1] == "eu-central-1, by up.yml"
    assert found["account"][1].startswith(f"{ACCOUNT}, as ")


def test_for_people(aws, here, project, capsys):
    (project / "up.yml").write_text("name: shop\nenvironment: {AB: '${CD}'}\n")
    assert main(["doctor", "-C", str(project)]) == 2
    out, err = capsys.readouterr()
    assert err == ""
    assert "ok       project       shop, stage staging, up.yml\n" in out
    assert (
        "problem  variables     up.yml refers to ${CD}, which is not set in eu-central-1: the app would not start\n"
        "                       `upproxy env add CD -s staging`\n"
    ) in out


# --- The project


def test_no_project(aws, here, tmp_path, capsys):
    status, found = examined(capsys, tmp_path)
    assert status == 0
    assert found["project"][0] == WARNING
    assert found["project"][1].startswith("there is none here: ")
    assert "upproxy init" in found["project"][2]
    assert found["account"][0] == OK


def test_no_folder(aws, here, tmp_path, capsys):
    status, found = examined(capsys, tmp_path / "nowhere")
    assert status == 2
    assert found["project"][:2] == (PROBLEM, f"there is no folder {tmp_path / 'nowhere'}")


@pytest.mark.parametrize("text", ["name: 1 2\n", "nam: shop\n", "name: [\n", "name: shop\napp: nowhere:app\n"])
def test_a_project_that_is_wrong_does_not_keep_it_from_the_rest(aws, here, project, capsys, text):
    (project / "up.yml").write_text(text)
    status, found = examined(capsys, project)
    assert status == 2
    assert found["project"][0] == PROBLEM
    assert found["account"][0] == OK


def test_a_runtime_without_python(aws, here, project, capsys):
    (project / "up.yml").write_text("name: shop\nlambda: {runtime: nodejs22.x}\n")
    status, found = examined(capsys, project)
    assert (status, found["python"][0]) == (5, PROBLEM)


def test_no_interpreter_of_that_version(aws, here, project, capsys):
    here.setattr(interpreter, "here", lambda _: None)
    status, found = examined(capsys, project)
    assert (status, found["python"]) == (
        0, (WARNING, "Python 3.13 on x86_64, of which there is none here", "The build downloads one, with uv."),
    )  # fmt: skip


# --- Credentials and region


def test_nothing_at_all(nobody, tmp_path):
    """As a process, in an empty folder, without credentials, region and network."""
    done = subprocess.run(
        [sys.executable, "-m", "upproxy", "doctor"], cwd=tmp_path, env=without_aws(dict(os.environ)) | NOBODY,
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (3, "")
    assert "problem  credentials   there are none\n" in done.stdout
    assert "account" not in done.stdout


def test_no_region(nobody, here, tmp_path, capsys, unused_tcp_port):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        nobody.setenv(name, "x")
    nobody.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
    status, found = examined(capsys, tmp_path)
    assert (status, found["region"][:2]) == (3, (PROBLEM, "there is no AWS region"))
    assert "Could not connect" in found["account"][1]


def test_no_network(aws, here, project, capsys, monkeypatch, unused_tcp_port):
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused_tcp_port}")
    status, found = examined(capsys, project)
    assert status == 1
    assert found["account"][0] == PROBLEM
    assert list(found)[-1] == "account"


def test_a_profile_that_does_not_exist(aws, here, project, capsys):
    (project / "up.yml").write_text("name: shop\nprofile: nowhere\n")
    status, found = examined(capsys, project)
    assert (status, found["credentials"][:2]) == (3, (PROBLEM, "The config profile (nowhere) could not be found"))


@pytest.mark.parametrize(
    ("text", "variables", "flags", "said"),
    [
        ("regions: [eu-west-1, us-east-1]", {}, (), "eu-west-1, us-east-1, by up.yml"),
        ("regions: [eu-west-1]", {"AWS_REGION": "us-east-1"}, ("--region", "us-east-2"), "us-east-2, by --region"),
        ("", {"AWS_REGION": "us-east-1"}, (), "us-east-1, by AWS_REGION"),
        ("", {}, (), "eu-central-1, by AWS_DEFAULT_REGION"),
        ("profile: shop", {"AWS_DEFAULT_REGION": None}, (), "eu-north-1, by the profile"),
    ],
)
def test_where_the_region_comes_from(aws, here, project, capsys, tmp_path, text, variables, flags, said):
    (tmp_path / "config").write_text(
        "[profile shop]\nregion = eu-north-1\naws_access_key_id=a\naws_secret_access_key=b\n"
    )
    here.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in variables.items():
        here.setenv(name, value) if value else here.delenv(name)
    (project / "up.yml").write_text(f"name: shop\n{text}\n")
    assert examined(capsys, project, *flags)[1]["region"] == (OK, said, "")


def test_the_profile_is_named(aws, here, project, capsys, tmp_path):
    (tmp_path / "config").write_text("[profile shop]\naws_access_key_id = a-key-1234\naws_secret_access_key = b\n")
    here.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    (project / "up.yml").write_text(f"name: shop\nprofile: shop\nregions: [{REGION}]\n")
    said = examined(capsys, project)[1]["credentials"][1]
    assert said == "the key …1234 from the configuration file, profile shop by up.yml"


def test_a_profile_is_not_named_where_the_keys_of_the_environment_win(aws, here, project, capsys, tmp_path):
    (tmp_path / "config").write_text("[profile shop]\naws_access_key_id = a-key-1234\naws_secret_access_key = b\n")
    here.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    here.setenv("AWS_PROFILE", "shop")
    assert examined(capsys, project)[1]["credentials"][1].endswith("from the environment")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        here.delenv(name, raising=False)
    said = examined(capsys, project)[1]["credentials"][1]
    assert said == "the key …1234 from the configuration file, profile shop by AWS_PROFILE"


@pytest.mark.parametrize(
    ("off", "level", "status"), [(0.4, OK, 0), (-59, OK, 0), (90, WARNING, 0), (301, PROBLEM, 3), (-4000, PROBLEM, 3)]
)
def test_the_clock(aws, here, project, capsys, off, level, status):
    here.setattr(identity, "seconds_off", lambda *_: off)
    ended, found = examined(capsys, project)
    assert (ended, found["clock"][0]) == (status, level)


# --- The account


def test_the_root_user(aws, here, project, capsys):
    arn = f"arn:aws:iam::{ACCOUNT}:root"
    here.setattr(identity, "caller", lambda *_: {"Account": ACCOUNT, "Arn": arn, "ResponseMetadata": {}})
    here.setattr(identity, "principal", lambda *_: None)
    status, found = examined(capsys, project)
    assert status == 0
    assert found["account"][0] == WARNING
    assert "permissions" not in found


def test_permissions_that_are_missing(aws, here, project, capsys):
    many = [Denied(f"lambda:Action{number}", "") for number in range(10)]
    here.setattr(identity, "denied", lambda *_: [Denied("iam:CreateRole", "by the organisation"), *many])
    status, found = examined(capsys, project)
    level, message, hint = found["permissions"]
    assert (status, level) == (3, PROBLEM)
    assert message.startswith(
        f"missing in {REGION}, as IAM simulates it: iam:CreateRole (denied by the organisation), "
    )
    assert message.endswith("lambda:Action6 and 3 more")
    assert "upproxy policy" in hint


@pytest.mark.parametrize(
    ("error", "said"),
    [(AccessDenied("no", action="iam:S", resource="*"), "iam:SimulatePrincipalPolicy is not allowed"),
     (InvalidRequest("what?"), "not looked at: what?")],
)  # fmt: skip
def test_permissions_that_cannot_be_looked_at(aws, here, project, capsys, error, said):
    def denied(*_):
        raise error

    here.setattr(identity, "denied", denied)
    status, found = examined(capsys, project)
    assert (status, found["permissions"][0]) == (0, WARNING)
    assert said in found["permissions"][1]


def limits(most, free=None, used=0):
    limit = {"ConcurrentExecutions": most, "UnreservedConcurrentExecutions": most if free is None else free}
    return {"AccountLimit": {**limit, "TotalCodeSize": 80 * 10**9}, "AccountUsage": {"TotalCodeSize": used}}


@pytest.mark.parametrize(
    ("account", "keys", "expected"),
    [
        (limits(1000), {}, (OK, "1,000 instances at once in eu-central-1, 1,000 of them unreserved", 0)),
        (limits(10), {}, (WARNING, "10 instances at once in eu-central-1 for all functions together", 0)),
        (limits(1000), {"lambda": {"concurrency": 900}}, (OK, "1,000 instances", 0)),
        (limits(1000), {"lambda": {"concurrency": 901}}, (PROBLEM, "100 of which cannot be reserved: 901", 4)),
        (limits(10), {"lambda": {"concurrency": 1}}, (PROBLEM, "cannot be reserved", 4)),
        (limits(1000, 8), {"warm": {"count": 4}}, (OK, "8 of them unreserved", 0)),
        (limits(1000, 8), {"warm": {"count": 5}}, (WARNING, "half of those are kept warm, not 5", 0)),
        (limits(1000, 8), {"warm": {"count": 5}, "lambda": {"concurrency": 10}}, (OK, "1,000 instances", 0)),
    ],
)
def test_concurrency(account, keys, expected):
    found = next(quotas(account, REGION, StageSettings.model_validate({"name": "shop", **keys})))
    level, said, status = expected
    assert (found.check, found.level, found.status) == ("concurrency", level, status)
    assert said in found.message
    assert bool(found.hint) is (level != OK)


@pytest.mark.parametrize(("used", "level"), [(0, OK), (64 * 10**9, OK), (65 * 10**9, WARNING)])
def test_code_storage(used, level):
    *_, found = quotas(limits(1000, used=used), REGION, StageSettings.model_validate({"name": "shop"}))
    assert (found.check, found.level) == ("code storage", level)


def test_quotas_that_cannot_be_looked_at(aws, here, project, capsys):
    def account(_):
        raise AccessDenied("lambda GetAccountSettings: no", action="lambda:GetAccountSettings", resource="*")

    here.setattr(Functions, "account", account)
    status, found = examined(capsys, project)
    assert (status, found["quotas"][0]) == (0, WARNING)


def test_variables(aws, here, project, capsys):
    ssm = boto3.client("ssm", region_name=REGION)
    ssm.put_parameter(Name="/upproxy/shop/staging/DB_URL", Value=SECRET, Type="SecureString")
    status, found = examined(capsys, project)
    assert status == 0
    assert found["variables"][1].startswith("1 secret in eu-central-1; ")
    assert SECRET not in str(found)
    ssm.put_parameter(Name="/upproxy/shop/staging/BIG", Value=SECRET * 270, Type="SecureString")
    status, found = examined(capsys, project)
    assert (status, found["variables"][0]) == (2, PROBLEM)
    assert "the largest are BIG 4,0" in found["variables"][1]
    assert SECRET not in str(found)


def seen(status, current):
    return Seen(status, (), {}, current, ())


@pytest.mark.parametrize(
    ("found_is", "level", "said", "status"),
    [
        (seen("", True), OK, "none, and nothing that needs one, in eu-central-1", 0),
        (seen("", False), OK, "not there yet: `upproxy deploy` makes it, in eu-central-1", 0),
        (seen("UPDATE_COMPLETE", True), OK, "UPDATE_COMPLETE in eu-central-1, as up.yml asks for it", 0),
        (seen("UPDATE_COMPLETE", False), WARNING, "and not what up.yml asks for", 0),
        (seen("UPDATE_IN_PROGRESS", True), WARNING, "UPDATE_IN_PROGRESS in eu-central-1", 0),
        (seen("UPDATE_ROLLBACK_FAILED", True), PROBLEM, "UPDATE_ROLLBACK_FAILED in eu-central-1", 1),
    ],
)
def test_the_stack(aws, here, project, capsys, found_is, level, said, status):
    here.setattr(Stack, "look", lambda _: found_is)
    ended, found = examined(capsys, project)
    assert (ended, found["stack"][0]) == (status, level)
    assert said in found["stack"][1]


def test_a_stack_that_was_not_made_by_us(aws, here, project, capsys):
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName="upproxy-shop-staging",
        TemplateBody=json.dumps({"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}),
    )
    status, found = examined(capsys, project)
    assert (status, found["stack"][0]) == (4, PROBLEM)


def test_several_regions(aws, here, project, capsys):
    (project / "up.yml").write_text("name: shop\nregions: [eu-central-1, us-east-1]\n")
    main(["doctor", "-C", str(project)])
    out = capsys.readouterr().out
    for region in ("eu-central-1", "us-east-1"):
        assert f"variables     0 secret in {region}" in out
        assert f"all that a deploy to {region} needs" in out


def test_against_a_server(project, server):
    done = subprocess.run(
        [sys.executable, "-m", "upproxy", "doctor", "-C", str(project)],
        env=without_aws(dict(os.environ)) | server.environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert f"ok       account       {ACCOUNT}, as user/moto" in done.stdout
    assert SOMEBODY["AWS_SECRET_ACCESS_KEY"] not in done.stdout
