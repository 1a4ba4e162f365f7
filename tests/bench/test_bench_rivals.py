"""Rivals are installed where that is possible, are fed as Lambda would, and are left out with a reason otherwise."""

import http.client
import json
import sys

import pytest

from bench import installed, rounds
from bench.candidates import environment
from bench.cases import CASES
from bench.processes import DriverProcess
from bench.rivals import RIVALS, WebAdapter


def test_the_driver_takes_extensions_beside_the_runtime():
    driver = DriverProcess("bench.feeder")
    try:
        host, _, port = driver.address.rpartition(":")
        extension = http.client.HTTPConnection(host, int(port), timeout=20)
        extension.request("POST", "/2020-01-01/extension/register", b'{"events": []}', {"lambda-extension-name": "a"})
        driver.process.send({"case": "starlette/get", "count": 1})
        answer = extension.getresponse()
        assert (answer.status, bool(answer.headers["Lambda-Extension-Identifier"])) == (200, True)
        assert json.load(answer)["functionName"] == "bench"
        extension.request("GET", "/2020-01-01/extension/event/next")
        runtime = http.client.HTTPConnection(host, int(port), timeout=20)
        runtime.request("GET", "/2018-06-01/runtime/invocation/next")
        event = runtime.getresponse()
        assert json.load(event)["rawPath"] == "/small"
        path = f"/2018-06-01/runtime/invocation/{event.headers['Lambda-Runtime-Aws-Request-Id']}/response"
        runtime.request("POST", path, CASES["starlette/get"].reply())
        assert runtime.getresponse().status == 202
        assert len(driver.process.answer()["latencies"]) == 1
        extension.close()
        runtime.close()
    finally:
        driver.process.stop()


def test_what_cannot_be_installed_is_said(monkeypatch, tmp_path):
    monkeypatch.setattr(installed, "FOLDER", str(tmp_path))
    monkeypatch.setattr(installed, "ADAPTER", str(tmp_path / "adapter" / "bin" / "lambda-adapter"))
    monkeypatch.setattr(installed.shutil, "which", lambda name: None)
    told = []
    missing = installed.install([installed.WEB_ADAPTER], told.append)
    assert missing == {installed.WEB_ADAPTER: "there is no cargo, which would compile it"}
    assert told == ["installing: Lambda Web Adapter"]


def test_the_last_words_of_an_installer_are_the_reason(monkeypatch):
    program = "import sys; sys.exit('first\\nno such package')"
    monkeypatch.setitem(installed.PARTS, installed.PACKAGES, lambda: installed._run(sys.executable, "-c", program))
    (reason,) = installed.install([installed.PACKAGES], lambda _: None).values()
    assert reason.endswith(": no such package")


def test_without_its_own_environment_the_apps_run_in_that_of_development(monkeypatch, tmp_path):
    monkeypatch.setattr(installed, "VENV", str(tmp_path))
    monkeypatch.setattr(installed, "FOLDER", str(tmp_path))
    assert installed.python() == sys.executable
    assert installed.versions() == {}
    (tmp_path / "installed").touch()
    assert installed.python() == str(tmp_path / "bin" / "python")
    (tmp_path / "adapter").mkdir()
    (tmp_path / "adapter" / ".crates.toml").write_text(
        '[v1]\n"lambda_web_adapter 1.2.3 (registry)" = ["lambda-adapter"]\n'
    )
    assert installed.versions()["lambda_web_adapter"] == "1.2.3"


def test_rivals_are_told_of_concurrency_as_lambda_tells_them():
    variables = environment(CASES["starlette/echo-x64"])
    assert variables["AWS_LAMBDA_MAX_CONCURRENCY"] == "64"
    assert "AWS_LAMBDA_MAX_CONCURRENCY" not in environment(CASES["starlette/get"])
    assert all(kind.needs in installed.PARTS and kind.is_rival for kind in RIVALS)


@pytest.mark.soak
@pytest.mark.parametrize("name", ["starlette/get", "starlette/get-streamed", "flask/form", "django/cold-start"])
def test_rivals_answer_as_we_do(name):
    missing = installed.install([installed.PACKAGES, installed.WEB_ADAPTER], lambda _: None)
    assert missing == {}
    outcome = rounds.measure(CASES[name], rounds=1, count=5, missing={})
    assert WebAdapter.name in {row["candidate"] for row in outcome.rows}
    left_out = {(one["case"], one["candidate"]) for one in outcome.not_run}
    assert left_out == set()
