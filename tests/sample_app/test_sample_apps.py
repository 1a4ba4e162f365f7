"""Both sample apps, served directly: each route, what they log, and how they end."""

import http.client
import json
import pathlib
import signal

import pytest

from tests.launchers.launched import Launched
from tests.sample_app.exchanges import EXCHANGES

FOLDER = pathlib.Path(__file__).parents[2] / "sample_app"
APPS = {"flask": ("wsgi", "app:app"), "fastapi": ("asgi", "main:app")}


def serve(framework):
    return Launched(*APPS[framework], FOLDER / framework, PYTHONDONTWRITEBYTECODE="1")


def output(app, framework):
    """Where it logs to."""
    return app.process.stderr if framework == "flask" else app.process.stdout


def logged(stream, text):
    """Read on until a line holds the text, and return the line."""
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"the app ended without logging {text!r}")


@pytest.fixture(scope="module", params=APPS)
def framework(request):
    return request.param


@pytest.fixture
def served(framework):
    with serve(framework) as one:
        yield one


@pytest.fixture(scope="module")
def shared(framework):
    """One process for all requests that it survives."""
    with serve(framework) as one:
        yield one


@pytest.mark.parametrize("exchange", EXCHANGES, ids=lambda exchange: exchange.name)
def test_exchange(shared, exchange):
    exchange.run(lambda one: shared.request(one.method, one.path, one.headers, one.body))


def test_head(shared):
    status, _, body = shared.request("HEAD", "/bytes/1000")
    assert (status, body) in ((200, b""), (405, b""))  # FastAPI adds no HEAD to a GET


def test_prefix_of_the_public_address(shared):
    headers = {"X-Forwarded-Prefix": "/prod", "X-Forwarded-Proto": "https", "Host": "notes.example"}
    page = shared.request("GET", "/", headers)[2].decode()
    assert 'href="/prod/api/notes"' in page
    assert "/prod/static/style.css" in page
    assert shared.request("GET", "/static/style.css", headers)[0] == 200
    assert dict(shared.request("GET", "/redirect", headers)[1]).get("location", "/prod/notes") == "/prod/notes"
    seen = json.loads(shared.request("GET", "/echo", headers)[2])
    assert (seen["url"], seen["root"], seen["path"]) == ("https://notes.example/prod/echo", "/prod", "/echo")
    assert "<code>/none</code>" in shared.request("GET", "/none", {**headers, "Accept": "text/html"})[2].decode()


def test_events_come_one_by_one(served):
    """The first is there while the app still waits to make the second."""
    connection = served.connect()
    connection.request("GET", "/events?count=2&pause=30")
    response = connection.getresponse()
    assert response.readline() == b"id: 1\n"
    connection.close()


def test_job_works_on_after_the_answer(served, framework):
    assert served.request("POST", "/jobs")[0] == 202
    assert "job 1: step 3 of 3" in logged(output(served, framework), "step 3 of 3")


def test_crash_is_logged(served, framework):
    assert served.request("GET", "/crash")[0] == 500
    assert "RuntimeError: this view always crashes" in logged(output(served, framework), "RuntimeError: ")


def test_kill_ends_the_process_in_the_middle_of_the_request(served):
    with pytest.raises((ConnectionError, http.client.HTTPException)):
        served.request("POST", "/kill")
    assert served.process.wait(timeout=30) == -signal.SIGKILL


def test_lines_of_fastapi_are_json_and_carry_the_request_id():
    with serve("fastapi") as app:
        app.request("POST", "/jobs", {"X-Request-Id": "id-1"})
        line = json.loads(logged(app.process.stdout, "step 3 of 3"))
        assert line.pop("timestamp").endswith("Z")
        assert line == {"message": "job 1: step 3 of 3", "level": "info", "job": 1, "step": 3, "request_id": "id-1"}
        app.request("GET", "/crash", {"X-Request-Id": "id-2"})
        line = json.loads(logged(app.process.stdout, "Exception in ASGI application"))
        assert (line["level"], line["request_id"]) == ("error", "id-2")
        assert line["exception"].endswith("RuntimeError: this view always crashes")
