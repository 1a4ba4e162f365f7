"""The handler with botocore itself, against a server that speaks Lambda's API; and what is free, by the API's model."""

import json
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import botocore.session
import pytest
from botocore.stub import ANY, Stubber

from upproxy.warmer import warmer
from upproxy.warmer.warmer import Lambda, Target

ALIAS = "/2015-03-31/functions/shop-production/aliases/live"
THREE = Target("shop-production", "live", 3)
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}  # fmt: skip


class Api(ThreadingHTTPServer):
    """Lambda's API, as far as it is needed: an instance for each message that another one is held by."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.reserved = 8
        self.refusal = None
        self.version = "7"
        self.together = threading.Barrier(3)
        self.paths = []
        self.thread = threading.Thread(target=self.serve_forever)
        self.thread.start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}"

    def close(self):
        self.together.abort()
        self.shutdown()
        self.thread.join()
        self.server_close()


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def reply(self, status, document, **fields):
        body = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **fields}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        self.server.paths.append(self.path)
        if self.path == ALIAS and self.server.version is not None:
            self.reply(200, {"Name": "live", "FunctionVersion": self.server.version})
        elif self.path == ALIAS or self.server.reserved is None:
            self.reply(403, {"Message": "not authorized"}, X_Amzn_ErrorType="AccessDeniedException")
        else:
            self.reply(200, {"ReservedConcurrentExecutions": self.server.reserved})

    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])) or b"{}")
        if not self.path.startswith("/2015-03-31"):  # of CloudWatch
            self.reply(403, {"message": "no"}, X_Amzn_ErrorType="AccessDenied")
            return
        self.server.paths.append(self.path)
        if self.server.refusal is not None:
            self.reply(**self.server.refusal)
            return
        assert message == {"upproxy": {"warm": {"hold_ms": 75}}}
        place = self.server.together.wait(10)
        self.reply(200, {"instance": f"i-{place}", "cold": place == 0})


@pytest.fixture
def api(monkeypatch):
    one = Api()
    for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": one.url}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv(
        "UPPROXY_WARM_TARGETS", json.dumps([{"function": "shop-production", "qualifier": "live", "count": 3}])
    )
    yield one
    one.close()


class Context:
    def get_remaining_time_in_millis(self):
        return 60_000


def run(capsys):
    assert warmer.handler({}, Context()) is None
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_the_live_version_is_invoked_in_parallel(api, capsys):
    """By its number: metrics and alarms of the alias count requests alone."""
    unknown, line = run(capsys)
    assert unknown["assumed"] == 10  # the metrics are refused
    assert (line["asked"], line["WarmDistinct"], line["WarmCold"], line["WarmFailed"]) == (3, 3, 1, 0)
    path = "/2015-03-31/functions/shop-production/invocations?Qualifier=7"
    assert api.paths == [ALIAS, "/2019-09-30/functions/shop-production/concurrency", *[path] * 3]


def test_without_a_live_version_it_says_so(api, capsys):
    api.version = None
    [line] = run(capsys)
    assert (line["level"], line["asked"], line["WarmDistinct"], line["WarmFailed"]) == ("warn", 0, 0, 1)
    assert "not authorized" in line["reason"]
    assert api.paths == [ALIAS]


def test_without_the_right_to_look_it_is_a_small_account(api, capsys):
    api.reserved = None
    unknown, line = run(capsys)
    assert "not authorized" in unknown["message"]
    assert line["WarmDistinct"] == 3


@pytest.mark.parametrize(
    ("refusal", "reason", "throttled"),
    [
        ({"status": 429, "document": {"Reason": "ConcurrentInvocationLimitExceeded", "message": "Rate Exceeded."},
          "X_Amzn_ErrorType": "TooManyRequestsException"}, "Rate Exceeded.", True),
        ({"status": 200, "document": {"errorMessage": "boom"}, "X_Amz_Function_Error": "Unhandled"}, "boom", False),
        ({"status": 500, "document": {"message": "try later"}, "X_Amzn_ErrorType": "ServiceException"}, "later", False),
    ],
)  # fmt: skip
def test_refusals(api, capsys, refusal, reason, throttled):
    api.refusal = refusal
    line = run(capsys)[-1]
    assert reason in line["reason"]
    assert line.get("throttled", False) == throttled
    assert (line["WarmDistinct"], line["WarmFailed"]) == (0, 3 if throttled else 6)
    assert len(api.paths) == 2 + line["WarmFailed"], "botocore tried by itself"


def test_no_targets(monkeypatch):
    monkeypatch.delenv("UPPROXY_WARM_TARGETS", raising=False)
    with pytest.raises(ValueError, match="UPPROXY_WARM_TARGETS"):
        warmer.handler({}, Context())


@pytest.fixture
def clients(monkeypatch):
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    session = botocore.session.get_session()
    api, metrics = session.create_client("lambda"), session.create_client("cloudwatch")
    with Stubber(api) as stubbed, Stubber(metrics) as measured:
        yield Lambda(api, metrics), stubbed, measured
        stubbed.assert_no_pending_responses()
        measured.assert_no_pending_responses()


def measure(measured, metric, dimensions, *values):
    moment = datetime.now(UTC)
    points = [{"Timestamp": moment - timedelta(minutes=at), "Maximum": value} for at, value in enumerate(values)]
    expected = {
        "Namespace": "AWS/Lambda", "MetricName": metric, "Dimensions": dimensions, "StartTime": ANY, "EndTime": ANY,
        "Period": 60, "Statistics": ["Maximum"],
    }  # fmt: skip
    measured.add_response("get_metric_statistics", {"Datapoints": points}, expected)


def test_what_is_free_of_its_own_concurrency(clients):
    aws, stubbed, measured = clients
    stubbed.add_response(
        "get_function_concurrency", {"ReservedConcurrentExecutions": 20}, {"FunctionName": "shop-production"}
    )
    measure(measured, "ConcurrentExecutions", [{"Name": "FunctionName", "Value": "shop-production"}], 3.0, 7.0, 2.0)
    assert aws.free(THREE) == 13


def test_what_is_free_of_the_accounts(clients):
    aws, stubbed, measured = clients
    stubbed.add_response("get_function_concurrency", {}, {"FunctionName": "shop-production"})
    limit = {"UnreservedConcurrentExecutions": 900, "ConcurrentExecutions": 1000}
    stubbed.add_response("get_account_settings", {"AccountLimit": limit}, {})
    measure(measured, "UnreservedConcurrentExecutions", [])
    assert aws.free(THREE) == 900


def test_it_is_a_function_as_one_file(tmp_path):
    """A managed runtime imports the file by itself; botocore only once it is called."""
    (tmp_path / "warmer.py").write_bytes(Path(warmer.__file__).read_bytes())
    script = "import sys, warmer; print(callable(warmer.handler), 'botocore' in sys.modules, 'upproxy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True", "False", "False"]
