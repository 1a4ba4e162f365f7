"""`upproxy sandbox` as a process: what it prints, and that nothing is left behind."""

import json
import os
import select
import signal
import subprocess
import sys

import boto3
import pytest

from tests.local.sandbox.conftest import ECHO, RUNTIME, TRUST, zipped

COMMAND = [sys.executable, "-m", "upproxy", "sandbox"]


@pytest.fixture
def started(tmp_path):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    process = subprocess.Popen(
        [*COMMAND, "--port", "0", "--no-delays", "--json"], stdout=subprocess.PIPE, text=True, start_new_session=True,
        env={**environment, "TMPDIR": str(tmp_path)},
    )  # fmt: skip
    try:
        yield process, json.loads(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_says_how_to_reach_it_and_leaves_nothing_behind(started, tmp_path, number):
    process, told = started
    environment = told["environment"]
    assert environment["AWS_ENDPOINT_URL"] == told["address"]
    session = boto3.Session(
        aws_access_key_id=environment["AWS_ACCESS_KEY_ID"], aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
        region_name=environment["AWS_DEFAULT_REGION"],
    )  # fmt: skip
    iam = session.client("iam", endpoint_url=told["address"])
    role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]["Arn"]
    client = session.client("lambda", endpoint_url=told["address"])
    source = {"ZipFile": zipped(ECHO + "import os\n" + ECHO.replace("event)}", "os.getpid())}"))}
    client.create_function(FunctionName="left", Runtime=RUNTIME, Handler="app.handler", Role=role, Code=source)
    pid = int(json.loads(client.invoke(FunctionName="left", Payload=b"{}")["Payload"].read())["body"])
    assert _lives(pid)
    [folder] = tmp_path.iterdir()
    [watchdog] = [one for one in _children(process.pid) if b"watchdog" in _command(one)]
    process.send_signal(number)
    process.wait(30)
    _gone(watchdog)
    assert not _lives(pid)
    assert not folder.exists()


def test_a_port_that_is_taken_is_told(started):
    _, told = started
    done = subprocess.run(
        [*COMMAND, "--port", told["address"].rpartition(":")[2]], capture_output=True, text=True, timeout=60
    )
    assert done.returncode != 0
    assert "cannot listen on port" in done.stderr


def _lives(pid):
    """Whether a process is there, and not only what is left of one that nobody has waited for."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _children(pid):
    found = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True).stdout
    return [int(one) for one in found.split()]


def _command(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def _gone(pid):
    """Wait for the end of a process that is not ours to wait for."""
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    select.select([end], [], [], 30)
    os.close(end)
