"""`upproxy logs` with a query, about an app that was really deployed to a local AWS, and has traffic."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from tests.build.conftest import UP, write_files
from tests.cli.program import Program
from tests.sandbox import aws, fetch, sandbox
from upproxy.cli.frame import main

__all__ = ["aws", "sandbox"]

SHOP = """\
import time, traceback, sys

def app(environ, start_response):
    path = environ["PATH_INFO"]
    status = "200 OK"
    if path == "/slow":
        time.sleep(0.3)
    if path == "/broken":
        status = "500 Internal Server Error"
        try:
            {}["money"]
        except KeyError:
            traceback.print_exc()
            sys.stderr.flush()
    start_response(status, [("Content-Type", "text/plain")])
    return [b"hello"]
"""
AT_ONCE = 4
REQUESTS = 60  # while they are followed


@pytest.fixture(scope="module")
def shop(sandbox, tmp_path_factory):
    """The address of the app, and what runs a command about it."""
    project = write_files(tmp_path_factory.mktemp("shop"), {"app.py": SHOP, "up.yml": UP})
    url = sandbox.run("deploy", folder=project).stdout.strip().rstrip("/")
    return SimpleNamespace(url=url, project=project)


def test_errors_and_slow_requests(shop, aws, capsys):
    def logs(*words):
        assert main(["-C", str(shop.project), "logs", *words]) == 0
        return capsys.readouterr().out.splitlines()

    assert [fetch(shop.url + path)[0] for path in ("/fast", "/broken", "/slow", "/fast")] == [200, 500, 200, 200]

    errors = [json.loads(line) for line in logs("--json", "error")]
    assert {line["level"] for line in errors} == {"error"}
    assert [line["path"] for line in errors if line["message"] == "request"] == ["/broken"]
    (request_id,) = {line["request_id"] for line in errors}
    printed = [line["message"] for line in errors if line["message"] != "request"]
    assert (printed[0], printed[-1]) == ("Traceback (most recent call last):", "KeyError: 'money'")

    read = logs("error")
    head = next(number for number, line in enumerate(read) if "Traceback" in line)
    assert f"request_id={request_id}" in read[head]
    assert read[head + 1 : head + len(printed)] == printed[1:]

    slow = [json.loads(line) for line in logs("--json", "duration > 200ms path != /fast")]
    assert [line["path"] for line in slow] == ["/slow"]
    assert all(line["duration"] > 200 for line in map(json.loads, logs("--json", "duration > 200ms")))
    assert any("GET /slow 200 in " in line for line in logs("duration > 200ms"))
    assert any("cold start took" in line for line in logs("cold = true"))


def test_following_while_traffic_runs(shop, sandbox):
    one = Program(
        "logs", "-f", "-C", str(shop.project), "--json", 'path = "/followed/*" or "never said"',
        environment=sandbox.process_environment,
    )  # fmt: skip
    paths = [f"/followed/{number}" for number in range(REQUESTS)]
    try:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            sent = pool.map(lambda path: fetch(shop.url + path), paths)
            shown = [json.loads(one.out.get(timeout=60))["path"] for _ in paths]
            assert {status for status, _ in sent} == {200}
        fetch(f"{shop.url}/followed/last")  # later looks see all that was before it, too
        assert json.loads(one.out.get(timeout=60))["path"] == "/followed/last"
        assert sorted(shown) == sorted(paths)
        one.process.send_signal(signal.SIGINT)
        assert one.process.wait(60) == 130
        assert one.out.get(timeout=60) is None
        assert one.err.get(timeout=60) is None
    finally:
        one.close()
