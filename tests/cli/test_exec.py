"""`upproxy exec` in a terminal, a pipe and as JSON, to a real runtime process behind Lambda's API."""

import json
import os
import pty
import subprocess
import sys

import pytest

from tests.aws.moto_server import REGION
from tests.cli.lambda_api import CONFIGURATION, INVOKE, LambdaApi
from tests.conformance.ways import Lambda, manifest
from tests.proxy.runtime.conftest import APP
from upproxy.local.invocation import FunctionError


@pytest.fixture
def api(project, aws, monkeypatch, tmp_path):
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\nexec: true\n")
    one = Lambda(manifest(APP, exec=True), tmp_path)

    def invoke(payload):
        reply = one.invoke(payload, timeout=api.timeout_of_the_function)
        if isinstance(reply, FunctionError):
            document = {"errorMessage": reply.message, "errorType": reply.kind}
            return {"X-Amz-Function-Error": "Unhandled"}, json.dumps(document).encode()
        return {}, reply.payload

    api = LambdaApi(invoke)
    api.lines = one.lines
    monkeypatch.setenv("AWS_ENDPOINT_URL_LAMBDA", api.url)
    yield api
    api.close()
    one.close()


def python(code):
    return [sys.executable, "-c", code]


def test_output_and_exit_status_are_the_commands(run, api):
    done = run("exec", "--", *python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"))
    assert (done.status, done.out, done.err) == (3, "out\n", "err\n")
    assert api.asked == [f"GET {CONFIGURATION}", f"POST {INVOKE}"]
    (line,) = api.lines.wait_for(message="a command is run")
    assert line["by"].startswith("arn:aws:")


def test_words_and_bytes_arrive_as_they_are(run, api):
    code = "import os, sys; sys.stdout.buffer.write(b'|'.join(map(os.fsencode, sys.argv[1:])) + b'\\xff\\x00')"
    done = run("exec", *python(code), "--json", "-s", "--", "a b", "ü", "\udcff")
    assert (done.status, done.out) == (0, "--json|-s|--|a b|ü|\udcff\udcff\x00")


def test_as_json(run, api):
    done = run("exec", "--json", "--", *python("import sys; print('ü'); sys.exit(4)"))
    document = json.loads(done.out)
    assert document.pop("duration_ms") > 0
    assert document == {"exit_code": 4, "stdout": "ü\n", "stderr": "", "cut": 0}
    assert (done.status, done.err) == (4, "")


def test_what_is_left_out_of_much_output_is_told(run, api):
    done = run("exec", "--", *python("print('begin' + 'x' * 9_000_000 + 'end')"))
    left_out = int(done.err.split()[0].lstrip("[").replace(",", ""))
    assert done.out.startswith("beginx")
    assert done.out.endswith("xend\n")
    assert len(done.out) + left_out == 9_000_009


def test_the_time_out(run, api):
    done = run("exec", "--timeout", "0.2", "--", "sleep", "600")
    assert done.status == 124
    assert "the command was ended after 0." in done.err
    assert "--timeout gives it longer" in done.err
    done = run("exec", "--json", "--timeout", "0.2", "--", "sleep", "600")
    assert json.loads(done.out)["exit_code"] is None
    assert json.loads(done.err)["code"] == "timed_out"


def test_the_functions_own_time_out_bounds_it(run, api):
    done = run("exec", "--timeout", "29.5", "--", "true")
    assert done.status == 125
    assert "--timeout is at most 29 here" in done.err
    api.timeout_of_the_function = 2
    done = run("exec", "--", "sleep", "600")
    assert (done.status, "the command was ended after" in done.err) == (124, True)


@pytest.mark.parametrize(
    ("words", "status", "said"),
    [
        (["no-such-program"], 127, "cannot start no-such-program: No such file"),
        (["/"], 126, "Permission denied"),
        (["sh", "-c", "kill -9 $$"], 128 + 9, ""),
        (["sh", "-c", "exit 255"], 255, ""),
    ],
)
def test_other_ends(run, api, words, status, said):
    done = run("exec", "--", *words)
    assert done.status == status
    assert said in done.err


# --- failures of ours are told apart ----------------------------------------------------------------------------------


def test_it_has_to_be_allowed_in_up_yml(run, api, project):
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\nstages: {{production: {{exec: true}}}}\n")
    done = run("exec", "--", "true")
    assert done.status == 125
    assert "exec: true" in done.err
    assert api.asked == []
    assert run("exec", "-s", "production", "--", "true").err.startswith("error: shop is not deployed to production")


def test_it_has_to_be_allowed_where_it_is_deployed(run, api):
    api.invoke = lambda payload: (
        {"X-Amz-Function-Error": "Unhandled"},
        b'{"errorType": "ProxyError", "errorMessage": "commands are not allowed here"}',
    )
    done = run("exec", "--", "true")
    assert done.status == 125
    assert "shop-staging did not run it: commands are not allowed here\n`upproxy deploy staging`" in done.err


@pytest.mark.parametrize("payload", [b"null", b"[]", b"{}", b"no JSON", b'{"exit_code": 0}'])
def test_a_function_that_is_not_of_upproxy(run, api, payload):
    api.invoke = lambda _: ({}, payload)
    done = run("exec", "--", "true")
    assert done.status == 125
    assert "shop-staging does not know commands" in done.err


def test_not_deployed(run, api):
    api.deployed = False
    done = run("exec", "--json", "--", "true")
    assert (done.status, done.out) == (125, "")
    assert json.loads(done.err) == {
        "code": "not_deployed",
        "message": "shop is not deployed to staging in eu-central-1",
        "hint": "`upproxy deploy staging` does that.",
    }


@pytest.mark.parametrize("code", ["ExpiredTokenException", "AccessDeniedException"])
def test_refusals_of_aws(run, api, code):
    api.refusal = 403, code
    done = run("exec", "--json", "--", "true")
    assert (done.status, json.loads(done.err)["code"]) == (125, "permission")


def test_without_a_command(run, api):
    done = run("exec")
    assert done.status == 2
    assert "COMMAND" in done.err


def test_the_first_of_several_regions(run, api, project):
    (project / "up.yml").write_text("name: shop\nregions: [us-east-1, eu-central-1]\nexec: true\n")
    done = run("exec", "--", "true")
    assert (done.status, done.err) == (0, "in us-east-1; --region names another\n")


def test_the_region_of_up_yml_is_enough(run, api, monkeypatch):
    monkeypatch.delenv("AWS_DEFAULT_REGION")
    assert run("exec", "--", "true").status == 0


# --- in a terminal ----------------------------------------------------------------------------------------------------


def in_terminal(project, api, words, answer):
    """Run the command line on a terminal; return its status and what the terminal shows."""
    ours, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "upproxy", "exec", "-C", str(project), *words],
        stdin=its, stdout=its, stderr=its, env={**os.environ, "TERM": "xterm", "AWS_ENDPOINT_URL": api.url},
    )  # fmt: skip
    os.close(its)
    shown = b""
    try:
        while b"[y/N]" not in shown:
            shown += os.read(ours, 4096)
        os.write(ours, answer)
        while True:
            try:
                data = os.read(ours, 4096)
            except OSError:  # the other side is closed
                break
            shown += data
        return process.wait(30), shown
    finally:
        process.kill()
        process.wait()
        os.close(ours)


@pytest.mark.parametrize(("answer", "asked"), [(b"n\n", False), (b"y\n", True)])
def test_production_is_asked_about(project, api, answer, asked):
    status, shown = in_terminal(project, api, ["-s", "production", "--", "rm", "-r", "a b"], answer)
    assert b"Run `rm -r 'a b'` on shop-production?" in shown
    assert (b"nothing was run" in shown) != asked
    assert bool(api.asked) == asked
    assert status == 125
