"""`upproxy build --check`: real artefacts under the emulated Runtime API."""

from __future__ import annotations

import json
import os
import re
import socket
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.build.conftest import HERE, MOUNTS, UP, WSGI, built, failure, write_files
from tests.conformance.ways import Lambda
from upproxy.build import archive
from upproxy.local.sources import HttpRequest

ROOT = Path(__file__).parents[2]

LOOKS = """\
import json, os, sys
tried = {}
for folder in (os.environ["LAMBDA_TASK_ROOT"], "/tmp", "/", "/var"):
    try:
        with open(os.path.join(folder, "upproxy-test"), "w"):
            tried[folder] = True
    except OSError:
        tried[folder] = False
tried["listing"] = os.listdir("/tmp")
import boto3
tried["boto3"] = boto3.__file__

def app(environ, start_response):
    start_response("500 No", [])
    print(json.dumps({**tried, "cwd": os.getcwd(), "seen": sorted(os.environ)}), file=sys.stderr)
    return [b""]
"""


WAITS = """\
import socket

def app(environ, start_response):
    with socket.create_connection(("127.0.0.1", {port})) as told:
        told.recv(1)
    start_response("200 OK", [])
    return [b"told"]
"""


def test_a_check_does_not_end_another_one(upproxy, project, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor() as pool:
        listener.settimeout(60)
        waiting = write_files(
            tmp_path / "waiting", {"app.py": WAITS.format(port=listener.getsockname()[1]), "up.yml": UP}
        )
        first = pool.submit(upproxy, "build", "-C", str(waiting), "--check")
        asked, _ = listener.accept()
        with asked:
            second = upproxy("build", "-C", str(project), "--check")
        assert second.returncode == 0, second.stderr
        assert first.result().returncode == 0, first.result().stderr


def test_a_sample_app(upproxy, tmp_path):
    project = tmp_path / "flask"
    write_files(project, {path.name: path.read_bytes() for path in (ROOT / "sample_app/flask").glob("*.*")})
    for folder in ("static", "templates"):
        write_files(project / folder, {p.name: p.read_bytes() for p in (ROOT / "sample_app/flask" / folder).iterdir()})
    (project / "up.yml").write_text(f"name: notes\npython: {HERE}\n")
    done = upproxy("build", "-C", str(project), "--check", "--json")
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)["check"]
    assert seen["status"] == 200
    assert seen["answered"] >= seen["ready"] > 0
    assert seen["memory"] > 10_000_000
    assert seen["sandboxed"] == MOUNTS


@pytest.mark.skipif(not MOUNTS, reason="no mount namespaces here")
def test_only_tmp_can_be_written_and_the_runtime_has_boto3(upproxy, project):
    write_files(project, {"app.py": LOOKS, "up.yml": UP + "environment: {OWN: x}\n"})
    error = failure(upproxy("build", "-C", str(project), "--check", "--json", UPPROXY_TEST_SECRET="1"))
    assert error["message"] == "GET / is answered with 500"
    line = next(json.loads(line) for line in error["hint"].splitlines() if "listing" in line)
    saw = json.loads(line["message"]) if "listing" not in line else line
    root = saw["cwd"]
    assert {name: saw[name] for name in (root, "/tmp", "/", "/var")} == {
        root: False,
        "/tmp": True,
        "/": False,
        "/var": False,
    }
    assert saw["listing"] == ["upproxy-test"]
    assert saw["boto3"].endswith("/runtime/boto3/__init__.py")
    assert {"LAMBDA_TASK_ROOT", "AWS_REGION", "OWN", "PORT"} <= set(saw["seen"])
    assert not {"UPPROXY_TEST_SECRET", "HOME", "AWS_LAMBDA_RUNTIME_API", "VIRTUAL_ENV"} & set(saw["seen"])
    assert not os.path.exists("/tmp/upproxy-test")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("import klingon\n", "needs the module 'klingon'"),
        ("raise SystemExit(3)\n", "exit"),
        ("def app(environ, start_response):\n    import os\n    os._exit(1)\n", "502"),
    ],
)
def test_what_does_not_run_fails_and_says_why(upproxy, project, source, said):
    write_files(project, {"app.py": source})
    error = failure(upproxy("build", "-C", str(project), "--check", "--json"))
    assert said in error["message"] + error["hint"]


def test_another_processor_cannot_be_checked(upproxy, project):
    other = "x86_64" if os.uname().machine in ("aarch64", "arm64") else "arm64"
    write_files(project, {"up.yml": f"{UP}lambda: {{architecture: {other}}}\n"})
    error = failure(upproxy("build", "-C", str(project), "--check", "--json"))
    assert f"cannot run what is built for Python {HERE} on {other}" in error["message"]


def test_large_bodies_go_through_what_is_vendored(upproxy, project, tmp_path):
    """The artefact as anybody may run it: unzipped somewhere, its bootstrap started."""
    app = (
        "def app(environ, start_response):\n"
        "    body = environ['wsgi.input'].read(int(environ['CONTENT_LENGTH']))\n"
        "    start_response('200 OK', [('Content-Type', 'application/octet-stream')])\n    return [body]\n"
    )
    write_files(project, {"app.py": app})
    task = tmp_path / "task"
    with built(upproxy("build", "-C", str(project))) as artefact:
        archive.extract(archive.read(artefact.filename), str(task))
    document = json.loads((task / ".upproxy" / "manifest.json").read_text())
    ways = Lambda(
        document, tmp_path, directory=task, command=(str(task / ".upproxy" / "bootstrap"),),
        environment={"UPPROXY_MANIFEST": ""},
    )  # fmt: skip
    try:
        ways.ready()
        maps = Path(f"/proc/{ways.instance.pid}/maps")
        for size, loaded in ((10, False), (1_000_000, True)):
            body = os.urandom(size)
            headers = [
                (b"host", b"x"),
                (b"content-length", b"%d" % size),
                (b"content-type", b"application/octet-stream"),
            ]
            reply = ways.send("function_url", HttpRequest("POST", "/", headers, body, "192.0.2.1", "x", 443, "https"))
            assert (reply.status, reply.body) == (200, body)
            assert (f"{task}/.upproxy/vendor/pybase64/" in maps.read_text()) == loaded
    finally:
        ways.close()


ASGI = """\
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})
"""


@pytest.mark.parametrize(
    ("server", "app", "added"),
    [
        ("gunicorn", WSGI, {"gunicorn"}),
        ("hypercorn", ASGI, {"hypercorn", "h2", "h11", "hpack", "hyperframe", "priority", "wsproto"}),
        ("uvicorn", ASGI, {"uvicorn", "httptools", "click", "h11"}),
    ],
)
def test_a_server_that_is_asked_for_is_added_and_serves(upproxy, project, server, app, added):
    write_files(project, {"app.py": app, "up.yml": UP.replace("waitress", server)})
    done = upproxy("build", "-C", str(project), "--check", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["check"]["status"] == 200
    with zipfile.ZipFile(said["path"]) as artefact:
        infos = re.findall(r"\.upproxy/packages/([a-z0-9_]+)-[^/]*\.dist-info/METADATA", "\n".join(artefact.namelist()))
    assert set(infos) == added


def test_without_namespaces_it_is_told(upproxy, project):
    done = upproxy("build", "-C", str(project), "--check", PATH="/nowhere")
    assert done.returncode == 0, done.stderr
    assert "answered with 200" in done.stderr
    assert "warning: the check ran without a sandbox" in done.stderr
