"""What deploys really call, on the local AWS, is what `upproxy policy` allows; and no secret is seen on the way."""

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from tests.aws.moto_server import ACCOUNT, set_alone, without_aws
from tests.deploy.permissions import recording, refused
from upproxy import config
from upproxy.aws.functions import Functions
from upproxy.aws.session import Session
from upproxy.cli.frame import main
from upproxy.deploy.policy import statements
from upproxy.deploy.wanted import Account

REGION = "us-east-1"
SECRET = "hunter2-hunter2"
CLEAN = without_aws(dict(os.environ))
UP_YML = f"""\
name: shop
regions: [{REGION}]
python: {sys.version_info[0]}.{sys.version_info[1]}
proxy: {{command: exec python3 app.py}}
environment: {{KEY: "x-${{API_KEY}}"}}
lambda: {{concurrency: 20}}
warm: {{count: 1}}
alerts: true
actions: [{{name: team, type: email, emails: [team@shop.example]}}]
"""


@pytest.fixture
def sandbox(monkeypatch):
    """A local AWS, which calls of this process go to."""
    words = [sys.executable, "-m", "upproxy", "sandbox", "--port", "0", "--no-delays", "--json"]
    with subprocess.Popen(words, env=CLEAN, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        try:
            document = json.loads(process.stdout.readline())
            set_alone(monkeypatch, document["environment"])
            yield
        finally:
            process.terminate()
            process.wait(60)


@pytest.fixture
def project(tmp_path):
    """An app that needs no packages."""
    (tmp_path / "app.py").write_text(
        "import os, http.server\n"
        "class Handler(http.server.BaseHTTPRequestHandler):\n"
        "    def do_GET(self):\n"
        "        self.send_response(200)\n"
        "        self.end_headers()\n"
        "http.server.HTTPServer(('127.0.0.1', int(os.environ['PORT'])), Handler).serve_forever()\n"
    )
    (tmp_path / "up.yml").write_text(UP_YML)
    return tmp_path


def assert_nowhere_else(function):
    """The secret is in the function's environment, and neither in its code nor in the arguments of any process."""
    found = Functions(Session(), REGION)
    assert found.find(function)["Configuration"]["Environment"]["Variables"]["API_KEY"].startswith(SECRET)
    with zipfile.ZipFile(io.BytesIO(found.download(function, "live"))) as code:
        assert not any(SECRET.encode() in code.read(name) for name in code.namelist())
    assert SECRET not in subprocess.run(["ps", "-A", "-o", "args="], capture_output=True, text=True, check=True).stdout


def test_every_call_of_a_stage_is_allowed(sandbox, project, monkeypatch, capfdbinary):
    shown = b""

    def run(*words, given=b""):
        nonlocal shown
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        status = main([*words, "-C", str(project)])
        out, err = capfdbinary.readouterr()
        shown += out + err
        assert status == 0, err.decode()
        return out.decode()

    def allowing():
        return statements(config.load(str(project), "staging"), Account("aws", ACCOUNT), [REGION])

    with recording(ACCOUNT) as needs:
        run("env", "add", "API_KEY", given=SECRET.encode())
        run("deploy", "--yes")
        run("env", "add", "API_KEY", given=SECRET.encode() + b"2")
        assert "version" in run("deploy", "--json", "--yes", "-v")
        assert_nowhere_else("shop-staging")
        run("deploys")
        run("rollback", "--json")
        run("prune", "--yes")
        run("stack", "apply", "--yes")
        run("stack", "status")
        run("alerts")
        run("alerts", "test")
    assert refused(allowing(), needs) == []
    done = {need.action for need in needs}
    assert {
        "lambda:CreateFunction", "lambda:UpdateAlias", "lambda:CreateFunctionUrlConfig", "iam:PassRole",
        "ssm:GetParametersByPath", "cloudformation:CreateChangeSet", "cloudwatch:SetAlarmState",
        "sns:ListSubscriptionsByTopic",
    } <= done  # fmt: skip

    (project / "up.yml").write_text(UP_YML.replace("warm: {count: 1}", "endpoint: http_api"))
    with recording(ACCOUNT) as needs:
        run("deploy", "--yes")
        run("stack", "plan")
        run("stack", "apply", "--yes")
        run("deploy", "--yes", "--dry-run")
        run("env", "rm", "API_KEY")
        run("stack", "delete", "--yes")
    assert refused(allowing(), needs) == []
    assert {"lambda:DeleteFunctionUrlConfig", "lambda:DeleteFunction", "iam:DeleteRole"} <= {n.action for n in needs}
    # That a statement which is missing would be missed.
    less = [one for one in allowing() if one["Sid"] != "WithoutResource"]
    assert {need.action for need in refused(less, needs)} == {"acm:ListCertificates", "logs:DescribeLogGroups"}
    assert SECRET.encode() not in shown
