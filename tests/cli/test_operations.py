"""A stage that was really deployed, to a local AWS that runs it: its address, its logs, a command, warm instances."""

import json
import urllib.request

import pytest

from tests.build.conftest import UP, WSGI, write_files
from tests.sandbox import sandbox  # noqa: F401

TILL = """\
import os, sys
print("in", os.path.basename(os.environ["LAMBDA_TASK_ROOT"]) == os.path.basename(os.getcwd()), os.environ["UP_STAGE"])
print("the till is empty", file=sys.stderr)
sys.exit(int(sys.argv[1]))
"""


@pytest.fixture
def run(sandbox, tmp_path):  # noqa: F811
    project = write_files(tmp_path / "shop", {"app.py": WSGI, "till.py": TILL, "up.yml": f"{UP}exec: true\n"})
    return lambda *words: sandbox.run(*words, folder=project, check=False)


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
