"""The way of a release by the command line, on the local AWS: what a person types, and what they get."""

import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.sandbox import ROOT, aws, fetch, sandbox  # noqa: F401
from upproxy.aws.session import Session
from upproxy.local.sandbox.calls import Fault, is_read
from upproxy.local.sandbox.errors import ApiError

PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"
APP = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"one"]
"""


@pytest.fixture
def project(tmp_path, request):
    name = "".join(filter(str.isalnum, request.node.name))[-30:]
    (tmp_path / "app.py").write_text(APP)
    (tmp_path / "up.yml").write_text(f"name: t{name}\napp: app:app\nserver: waitress\npython: {PYTHON}\n")
    return tmp_path


def change(project, text):
    (project / "app.py").write_text(APP.replace("one", text))


def left(session):
    """List what is there of anything that a deploy makes, by the APIs of AWS."""
    functions = session.service("lambda").call("ListFunctions")["Functions"]
    roles = session.service("iam").call("ListRoles")["Roles"]
    groups = session.service("logs").call("DescribeLogGroups")["logGroups"]
    parameters = session.service("ssm").call("DescribeParameters")["Parameters"]
    stacks = session.service("cloudformation").call("DescribeStacks")["Stacks"]
    buckets = session.service("s3").call("ListBuckets")["Buckets"]
    return [functions, roles, groups, parameters, stacks, buckets]


@pytest.mark.parametrize("sample", ["flask", "fastapi"])
def test_a_sample_app_comes_changes_goes_back_and_leaves_nothing(sandbox, aws, tmp_path, sample):  # noqa: F811
    project = tmp_path / sample
    shutil.copytree(Path(ROOT, "sample_app", sample), project, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    with open(project / "up.yml", "a") as file:
        file.write(f"python: '{sys.version_info.major}.{sys.version_info.minor}'\n")  # not every machine has the newest
    before = left(Session())
    first = sandbox.run("deploy", folder=project)
    url = first.stdout.strip()
    assert "is public: everybody" in first.stderr
    assert "version 1 is live: it answered with 200" in first.stderr
    assert "Notes, a small" in fetch(url)[1]
    page = project / "templates" / "index.html"
    page.write_text(page.read_text().replace("Notes, a small", "Memos, a small"))
    second = sandbox.run("deploy", folder=project)
    assert (second.stdout.strip(), "version 2 is live" in second.stderr) == (url, True)
    assert "Memos, a small" in fetch(url)[1]
    sandbox.clear()
    back = sandbox.run("rollback", folder=project)
    assert "version 1" in back.stderr
    asked = [call.operation for call in sandbox.calls]
    assert asked.index("GetFunctionConfiguration") < asked.index("UpdateAlias")  # it is awake before it is live
    listed = json.loads(sandbox.run("deploys", "--json", folder=project).stdout)
    assert [(one["version"], one["live"]) for one in listed] == [("2", False), ("1", True)]
    assert "Notes, a small" in fetch(url)[1]
    sandbox.run("stack", "delete", "--yes", folder=project)
    assert left(Session()) == before
    assert fetch(url)[0] == 403


def test_what_is_live_is_not_deployed_again(sandbox, aws, project):  # noqa: F811
    sandbox.run("deploy", folder=project)
    sandbox.clear()
    again = sandbox.run("deploy", folder=project)
    assert "nothing to do: version 1 is live and the same" in again.stderr
    assert [call for call in sandbox.calls if not is_read(call)] == []
    assert sandbox.run("deploy", "--dry-run", folder=project).stdout == ""


def test_a_dry_run_says_what_would_be_done_and_does_nothing(sandbox, aws, project):  # noqa: F811
    sandbox.clear()
    done = sandbox.run("deploy", "--dry-run", folder=project)
    assert "us-east-1: publish a version" in done.stdout
    assert [call for call in sandbox.calls if not is_read(call)] == []


def test_json(sandbox, aws, project):  # noqa: F811
    (region,) = json.loads(sandbox.run("deploy", "--json", folder=project).stdout)["regions"]
    assert (region["region"], region["version"], region["released"]) == ("us-east-1", "1", True)
    assert region["health"]["status"] == 200
    change(project, "two")
    sandbox.run("deploy", folder=project)
    back = json.loads(sandbox.run("rollback", "--json", folder=project).stdout)
    assert back["regions"] == [{"region": "us-east-1", "version": "1", "was": "2"}]


def test_an_ill_release_ends_with_6_and_says_what_the_app_said(sandbox, aws, project):  # noqa: F811
    sandbox.run("deploy", folder=project)
    (project / "app.py").write_text("raise RuntimeError('no database')\n")
    ill = sandbox.run("deploy", folder=project, check=False)
    assert ill.returncode == 6
    assert "RuntimeError: no database" in ill.stderr
    assert "Traceback" not in ill.stderr.partition("error: ")[0]


def test_a_release_is_promoted_with_the_other_stages_configuration(sandbox, aws, project):  # noqa: F811
    up = project / "up.yml"
    up.write_text(up.read_text() + "headers: {/*: {X-Robots-Tag: ''}}\nstages: {production: {lambda: {memory: 300}}}\n")
    sandbox.run("deploy", folder=project)
    change(project, "two")  # which is not promoted: what is live is
    url = sandbox.run("promote", "staging", "production", folder=project).stdout.strip()
    assert fetch(url) == (200, "one")
    name = up.read_text().splitlines()[0].removeprefix("name: ")
    found = Session().service("lambda").call("GetFunction", FunctionName=f"{name}-production")
    assert found["Configuration"]["MemorySize"] == 300
    assert found["Tags"]["upproxy:stage"] == "production"


def test_a_release_is_promoted_to_where_the_other_stage_is(sandbox, aws, project):  # noqa: F811
    up = project / "up.yml"
    up.write_text(up.read_text() + "stages: {production: {regions: [eu-west-1]}}\n")
    sandbox.run("deploy", folder=project)
    url = sandbox.run("promote", "staging", "production", folder=project).stdout.strip()
    assert fetch(url) == (200, "one")


@pytest.mark.parametrize("other", ["proxy: {command: 'python app.py'}", "lambda: {architecture: arm64}"])
def test_a_promotion_that_needs_a_build(sandbox, aws, project, other):  # noqa: F811
    up = project / "up.yml"
    up.write_text(f"{up.read_text()}stages: {{production: {{{other}}}}}\n")
    sandbox.run("deploy", folder=project)
    done = sandbox.run("promote", "staging", "production", folder=project, check=False)
    assert (done.returncode, "need builds of their own" in done.stderr) == (5, True)


def test_pruning(sandbox, aws, project):  # noqa: F811
    for text in ("one", "two", "three"):
        change(project, text)
        sandbox.run("deploy", folder=project)
    would = sandbox.run("prune", "--keep", "1", "--dry-run", folder=project)
    assert would.stdout.splitlines() == ["us-east-1: version 1"]
    assert sandbox.run("prune", "--keep", "1", folder=project).stdout == would.stdout
    assert len(json.loads(sandbox.run("deploys", "--json", folder=project).stdout)) == 2


def test_a_rollback_that_fails_in_one_region_of_two_says_so(sandbox, aws, project):  # noqa: F811
    up = project / "up.yml"
    up.write_text(up.read_text() + "regions: [us-east-1, eu-west-1]\n")
    sandbox.run("deploy", folder=project)
    change(project, "two")
    sandbox.run("deploy", folder=project)
    sandbox.clear()
    said = "The RevisionId provided does not match the latest RevisionId."
    sandbox.faults.append(Fault(operation="UpdateAlias", error=ApiError("PreconditionFailedException", said, 412)))
    done = sandbox.run("rollback", folder=project, check=False)
    assert (done.returncode, done.stderr.count("is live again in")) == (4, 1), done.stderr
    again = sandbox.run("rollback", "1", folder=project)
    assert (again.stderr.count("nothing to do in"), again.stderr.count("is live again in")) == (1, 1)


def test_one_region_of_two_is_taken_down(sandbox, aws, project):  # noqa: F811
    up = project / "up.yml"
    up.write_text(up.read_text() + "regions: [us-east-1, eu-west-1]\n")
    _, url = sandbox.run("deploy", folder=project).stdout.splitlines()
    gone = sandbox.run("stack", "delete", "--yes", "--region", "us-east-1", folder=project)
    assert "in eu-west-1 needs it" in gone.stderr
    assert fetch(url) == (200, "one")


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["rollback"], 1, "is not deployed to staging"),
        (["deploys", "production"], 1, "is not deployed to production"),
        (["prune"], 1, "`upproxy deploy staging` does that."),
        (["promote", "staging", "production"], 1, "is not deployed to staging"),
        (["promote", "staging", "staging"], 2, "both stages are the same"),
        (["deploy", "staging", "-s", "production"], 2, "two stages are named"),
        (["deploy", "nowhere"], 2, "nowhere"),
    ],
)
def test_what_cannot_be_done(sandbox, aws, project, words, status, said):  # noqa: F811
    done = sandbox.run(*words, folder=project, check=False)
    assert (done.returncode, said in done.stderr) == (status, True), done.stderr


def test_somebody_is_asked_before_the_app_is_public(sandbox, aws, project):  # noqa: F811
    """On a terminal: no is the end of it, with nothing made."""
    sandbox.clear()
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "upproxy", "deploy"], cwd=project, env=sandbox.process_environment | {"TERM": "xterm"},
        stdin=terminal, stdout=subprocess.PIPE, stderr=terminal,
    )  # fmt: skip
    os.close(terminal)
    shown = b""
    with process:
        try:
            while data := os.read(controller, 4096):
                shown += data
                if shown.endswith(b"[y/N]: "):
                    os.write(controller, b"n\n")
        except OSError:
            pass
    os.close(controller)
    assert process.returncode == 1
    assert b"is public" in shown
    assert b"nothing was changed" in shown
    assert [call for call in sandbox.calls if not is_read(call)] == []


@pytest.mark.parametrize(
    ("operation", "number"),
    [
        ("CreateFunction", signal.SIGKILL),
        ("PublishVersion", signal.SIGINT),
        ("CreateAlias", signal.SIGKILL),
        ("CreateFunctionUrlConfig", signal.SIGINT),
    ],
)
def test_a_killed_command_is_made_up_for_by_the_next(sandbox, aws, project, operation, number):  # noqa: F811
    process = subprocess.Popen(
        [sys.executable, "-m", "upproxy", "deploy"], cwd=project, env=sandbox.process_environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    sandbox.faults.append(Fault(operation=operation, act=lambda: process.send_signal(number), drop=True))
    _, said = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), said
    if number == signal.SIGINT:
        assert b"run it again, and it goes on" in said
    sandbox.clear()
    url = sandbox.run("deploy", folder=project).stdout.strip()
    assert fetch(url) == (200, "one")


def test_requests_are_answered_while_releases_come_and_go(sandbox, aws, project):  # noqa: F811
    url = sandbox.run("deploy", folder=project).stdout.strip()
    seen, failed, stop = set(), [], time.monotonic() + 60
    change(project, "two")
    process = subprocess.Popen(
        [sys.executable, "-m", "upproxy", "deploy"], cwd=project, env=sandbox.process_environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    while process.poll() is None and time.monotonic() < stop:
        status, body = fetch(url)
        seen.add(body)
        if status != 200:
            failed.append((status, body))
    assert process.wait(60) == 0
    assert failed == []
    assert "one" in seen
    assert fetch(url) == (200, "two")


def test_missing_credentials_are_told_before_anything_is_built(sandbox, project):  # noqa: F811
    nobody = {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": "", "AWS_CONFIG_FILE": "/dev/null",
              "AWS_SHARED_CREDENTIALS_FILE": "/dev/null"}  # fmt: skip
    done = sandbox.run("deploy", folder=project, check=False, env=nobody)
    assert (done.returncode, "credentials" in done.stderr) == (3, True)
    assert "installing" not in done.stderr


def test_what_is_denied_is_told_with_the_statement_that_would_allow_it(sandbox, aws, project):  # noqa: F811
    said = (
        "User: arn:aws:iam::123456789012:user/ann is not authorized to perform: iam:CreateRole on resource: "
        "arn:aws:iam::123456789012:role/upproxy-x because no identity-based policy allows the iam:CreateRole action"
    )
    sandbox.faults.append(Fault(operation="CreateRole", error=ApiError("AccessDenied", said, 403)))
    done = sandbox.run("deploy", folder=project, check=False)
    assert done.returncode == 3
    statement = json.loads(done.stderr.splitlines()[-1])
    assert statement == {
        "Effect": "Allow", "Action": "iam:CreateRole", "Resource": "arn:aws:iam::123456789012:role/upproxy-x",
    }  # fmt: skip
