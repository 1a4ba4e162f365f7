"""A stage that was really deployed, to a local AWS that runs it: its address, its logs, a command, warm instances."""

import json
import os
import re
import subprocess
import sys
import urllib.request

import pytest

from tests.aws.moto_server import NOBODY, without_aws
from tests.build.conftest import UP, WSGI, write_files
from tests.cli.program import Program

TILL = """\
import os, sys
print("in", os.path.basename(os.environ["LAMBDA_TASK_ROOT"]) == os.path.basename(os.getcwd()), os.environ["UP_STAGE"])
print("the till is empty", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def local_aws():
    """A local AWS as a process; what another one needs to reach it."""
    program = Program("sandbox", "--port", "0", "--no-delays", environment=NOBODY)
    try:
        exports = [program.out.get(timeout=60) for _ in range(5)]
        yield {**NOBODY, **dict(re.fullmatch(r"export (\w+)=(.+)\n", line).groups() for line in exports)}
    finally:
        program.close()


@pytest.fixture
def run(local_aws, tmp_path):
    project = write_files(tmp_path / "shop", {"app.py": WSGI, "till.py": TILL, "up.yml": f"{UP}exec: true\n"})
    environment = {**without_aws(dict(os.environ)), **local_aws}

    def run(*words):
        return subprocess.run(
            [sys.executable, "-m", "upproxy", "-C", str(project), *words],
            env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=110,
        )  # fmt: skip

    return run


def test_what_was_deployed_is_looked_after(run):
    deployed = run("deploy")
    assert deployed.returncode == 0, deployed.stderr
    url = run("url").stdout.strip()
    assert url == deployed.stdout.strip()
    with urllib.request.urlopen(url, timeout=60) as answer:
        assert answer.read() == b"hello"

    done = run("exec", "--", "python3", "till.py", "7")
    assert (done.returncode, done.stdout, done.stderr) == (7, "in True staging\n", "the till is empty\n")
    done = run("exec", "--timeout", "1", "--", "sleep", "600")
    assert done.returncode == 124

    warmed = json.loads(run("warm", "now", "--count", "2", "--json").stdout)["regions"][0]
    assert (warmed["distinct"], warmed["failed"]) == (2, 0)

    lines = [json.loads(line) for line in run("logs", "--json").stdout.splitlines()]
    messages = [line["message"] for line in lines]
    assert [line for line in lines if line.get("cold") is True and line.get("type") == "platform.report"]
    assert messages.count("request") == 1
    ended = [line for line in lines if line["message"] == "the command has ended"]
    assert [(line["exit_code"], line["timed_out"]) for line in ended] == [(7, False), (None, True)]
    assert not [line for line in lines if line.get("type") in ("platform.start", "platform.end")]

    missing = run("exec", "-s", "production", "--", "true")
    assert (missing.returncode, missing.stderr.splitlines()[1]) == (125, "`upproxy deploy production` does that.")
