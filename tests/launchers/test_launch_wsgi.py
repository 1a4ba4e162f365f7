"""The WSGI launcher under Flask and plain apps."""

import ast
import socket
import subprocess
import sys
import time

from tests.launchers.launched import LAUNCHERS, segments

FLASK = """
    import logging, sys
    from flask import Flask, Response, request, url_for
    from werkzeug.middleware.proxy_fix import ProxyFix

    app = Flask(__name__)
    logging.basicConfig(format="APP %(message)s", level=logging.INFO)

    @app.get("/where")
    def where():
        app.logger.info("logged")
        return {"url": request.url, "here": url_for("where"),
                "client": request.remote_addr, "secure": request.is_secure}

    @app.post("/length")
    def length():
        return str(len(request.get_data()))

    @app.get("/exit-in-stream")
    def exit_in_stream():
        def parts():
            yield b"begun"
            sys.exit(1)
        return Response(parts())

    @app.get("/big")
    def big():
        print("made", flush=True)
        return b"x" * 20_000_000
"""

FORWARDED = {
    "Host": "shop.example",
    "X-Forwarded-For": "203.0.113.7",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "443",
    "X-Forwarded-Prefix": "/prod",
}
WHERE = {"url": "https://shop.example/prod/where", "here": "/prod/where", "client": "203.0.113.7", "secure": True}


def is_listening(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except ConnectionError:
        return False
    return True


def json(text):
    return ast.literal_eval(text.replace("true", "True"))


def test_flask_knows_its_public_url(launch):
    app = launch("wsgi", "main:app", {"main.py": FLASK})
    status, body = app.get("/where", FORWARDED)
    assert (status, json(body)) == (200, WHERE)
    app.terminate()
    assert app.finish() == (0, "", "APP logged\n")  # the app's own format


def test_flask_with_proxy_fix_sees_the_same(launch):
    fix = "\n    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=1, x_proto=1, x_port=1, x_prefix=1)\n"
    app = launch("wsgi", "main:app", {"main.py": FLASK + fix})
    assert json(app.get("/where", FORWARDED)[1]) == WHERE


def test_flask_run_at_the_end_of_the_file_starts_no_other_server(launch):
    app = launch("wsgi", "main:app", {"main.py": FLASK + "\n    app.run(port=9)\n"})
    assert app.get("/where")[0] == 200
    app.terminate()
    assert "Ignoring a call to 'app.run()'" in app.finish()[1]


def test_large_upload(launch):
    app = launch("wsgi", "main:app", {"main.py": FLASK})
    connection = app.connect()
    connection.request("POST", "/length", body=b"x" * 6_000_000)
    assert connection.getresponse().read() == b"6000000"
    connection.close()


def test_large_answer_in_flight_is_sent_whole_after_sigterm(launch):
    """The client reads nothing until the server has been asked to end."""
    app = launch("wsgi", "main:app", {"main.py": FLASK})
    connection = socket.create_connection(("127.0.0.1", app.port))
    connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
    assert app.process.stdout.readline() == "made\n"
    app.terminate()
    while is_listening(app.port):  # until the server has begun to end
        time.sleep(0.01)
    with connection, connection.makefile("rb") as answer:
        while answer.readline() != b"\r\n":
            pass
        assert len(answer.read(20_000_000)) == 20_000_000
    assert app.finish()[0] == 0


def test_exit_in_a_stream_ends_it(launch):
    app = launch("wsgi", "main:app", {"main.py": FLASK})
    with socket.create_connection(("127.0.0.1", app.port), timeout=30) as connection:
        connection.sendall(b"GET /exit-in-stream HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert answer.endswith(b"\r\n5\r\nbegun\r\n")  # without the last chunk: the client can tell
    assert app.get("/where")[0] == 200


def test_environ_obeys_the_standard(launch):
    source = """
    from wsgiref.validate import validator

    @validator
    def app(environ, start_response):
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [repr(type(environ["SERVER_SOFTWARE"])).encode()]
    """
    app = launch("wsgi", "main:app", {"main.py": source})
    assert app.get("/", FORWARDED) == (200, "<class 'str'>")


def test_errors_are_logged_whatever_logging_the_app_sets_up(launch):
    source = """
    import logging.config
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True, "handlers": {
        "out": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}}, "root": {"handlers": ["out"]}})

    def app(environ, start_response):
        raise LookupError("nothing there")
    """
    app = launch("wsgi", "main:app", {"main.py": source})
    assert app.get()[0] == 500
    app.terminate()
    assert "LookupError: nothing there" in app.finish()[1]


def test_as_many_threads_as_requests_can_be_under_way(launch):
    """All six have to be inside the view at the same time."""
    source = """
    import os, threading
    meeting = threading.Barrier(6, timeout=20)

    def app(environ, start_response):
        meeting.wait()
        body = os.environ["AWS_LAMBDA_MAX_CONCURRENCY"].encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]
    """
    app = launch("wsgi", "main:app", {"main.py": source}, AWS_LAMBDA_MAX_CONCURRENCY="6")
    connections = [app.connect() for _ in range(6)]
    for connection in connections:
        connection.request("GET", "/")
    assert [connection.getresponse().read() for connection in connections] == [b"6"] * 6
    for connection in connections:
        connection.close()


WRITES = """
    import io
    from flask import Flask, Response, request

    app = Flask(__name__)

    @app.get("/small")
    def small():
        return b"small"

    @app.get("/empty")
    def empty():
        return b""

    @app.get("/nothing")
    def nothing():
        return Response(status=204)

    @app.get("/large")
    def large():
        return b"x" * 1_000_000

    @app.get("/file")
    def file():
        return Response(request.environ["wsgi.file_wrapper"](io.BytesIO(b"file")), direct_passthrough=True)

    @app.get("/parts")
    def parts():
        return Response(iter([b"one", b"", b"two"]))
"""


def test_head_and_body_are_one_write(launch):
    app = launch("wsgi", "main:app", {"main.py": WRITES})
    connection = app.connect()
    for number, (method, path, body) in enumerate(
        [("GET", "/small", b"small"), ("GET", "/empty", b""), ("HEAD", "/small", b""), ("GET", "/small", b"small")]
    ):
        connection.request(method, path)
        assert connection.getresponse().read() == body
        assert segments(connection.sock) == number + 1
    for path, body in [("/large", b"x" * 1_000_000), ("/file", b"file"), ("/nothing", b""), ("/parts", b"onetwo")]:
        connection.request("GET", path)
        assert connection.getresponse().read() == body
    connection.close()


def test_two_sockets_are_refused(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        done = subprocess.run(
            [sys.executable, LAUNCHERS / "wsgi.py", f"{one.fileno()},{two.fileno()}", "main:app"],
            cwd=tmp_path, pass_fds=[one.fileno(), two.fileno()], capture_output=True, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (2, "waitress is given one socket\n")
