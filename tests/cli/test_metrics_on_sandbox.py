"""`upproxy metrics` of an app that was really deployed to a local AWS, and has traffic."""

import json

from tests.build.conftest import UP, write_files
from tests.sandbox import fetch, sandbox

__all__ = ["sandbox"]

SHOP = """\
def app(environ, start_response):
    status = {"/none": "404 Not Found", "/broken": "500 Internal Server Error"}.get(environ["PATH_INFO"], "200 OK")
    start_response(status, [("Content-Type", "text/plain")])
    return [b"hello"]
"""
PATHS = ("", "/none", "/broken", "", "")


def test_requests_and_what_the_warmer_has_done(sandbox, tmp_path):
    project = write_files(
        tmp_path, {"app.py": SHOP, "up.yml": f"{UP}endpoint: http_api\nwarm: {{count: 2, rate: 60m}}\n"}
    )
    deployed = sandbox.run("deploy", "--yes", folder=project)
    url = deployed.stdout.strip().rstrip("/")
    for path in PATHS:
        fetch(f"{url}{path or '/'}")
    sandbox.run("warm", "now", folder=project)

    [region] = json.loads(sandbox.run("metrics", "--json", folder=project).stdout)["regions"]
    figures = {name: figure["now"] for name, figure in region["figures"].items()}
    assert (region["endpoint"], region["architecture"]) == ("http_api", "x86_64")
    assert (figures["requests"], figures["http_4xx"], figures["http_5xx"]) == (5, 1, 1)
    assert (figures["invocations"], figures["errors"], figures["throttles"]) == (5, 0, 0)
    assert 0 < figures["latency_p50_ms"] <= figures["latency_p90_ms"] <= figures["latency_p99_ms"]
    assert figures["all_invocations"] > figures["invocations"]  # the check of the release, and messages
    assert figures["all_cold_starts"] >= 1
    assert figures["billed_ms"] > figures["init_ms"] > 0
    assert 10 * 1_048_576 < figures["memory_used_max_bytes"] < region["memory_bytes"]
    assert all(figure["before"] is None for figure in region["figures"].values())
    # The warmer itself ticks when its schedule says so, which may be after all this.
    assert all(part["period_usd"] > 0 for name, part in region["cost"].items() if name != "warmer")

    table = sandbox.run("metrics", folder=project)
    assert "HTTP API, x86_64, 512 MB" in table.stdout
    assert table.stderr == ""
    missing = sandbox.run("metrics", "-s", "production", folder=project, check=False)
    assert (missing.returncode, missing.stderr.splitlines()[1]) == (1, "`upproxy deploy production` does that.")
