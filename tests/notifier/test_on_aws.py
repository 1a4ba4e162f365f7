"""The handler with botocore itself, against a server that speaks the API of SSM."""

import json
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.notifier.conftest import CONFIGURATION, alarm, event
from upproxy.notifier import notifier

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}  # fmt: skip


class Parameters(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.headers["X-Amz-Target"], asked))
        value = self.server.values.get(asked["Name"])
        body = {"Parameter": {"Value": value}} if value else {"__type": "ParameterNotFound"}
        self.send_response(200 if value else 400)
        self.end_headers()
        self.wfile.write(json.dumps(body).encode())


@pytest.fixture
def ssm(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Parameters)
    server.asked, server.values = [], {}
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    more = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}",
        notifier.CONFIGURATION: json.dumps(CONFIGURATION),
    }
    for name, value in {**CREDENTIALS, **more}.items():
        monkeypatch.setenv(name, value)
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


class Context:
    def get_remaining_time_in_millis(self):
        return 60_000


def test_the_address_is_read_when_it_is_needed(ssm, receiver):
    ssm.values["/upproxy/shop/production/SLACK_URL"] = receiver.url + "\n"
    notifier.handler(event(alarm()), Context())
    assert len(receiver.posted) == 1
    asked = {"Name": "/upproxy/shop/production/SLACK_URL", "WithDecryption": True}
    assert ssm.asked == [("AmazonSSM.GetParameter", asked)]


def test_an_address_that_is_not_set(ssm, capsys):
    with pytest.raises(notifier.Undelivered, match=r"^chat: /upproxy/shop/production/SLACK_URL cannot be read"):
        notifier.handler(event(alarm()), Context())
    line = json.loads(capsys.readouterr().out)
    assert "`upproxy env add` sets" in line["reason"]


def test_it_is_a_function_as_one_file(tmp_path):
    (tmp_path / "notifier.py").write_bytes(Path(notifier.__file__).read_bytes())
    script = (
        "import sys, notifier; print(callable(notifier.handler), 'botocore' in sys.modules, 'upproxy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.split() == ["True", "False", "False"]
