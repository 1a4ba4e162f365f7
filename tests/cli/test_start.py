"""`upproxy start` as its users have it: real processes, a real app, signals, a terminal."""

import http.client
import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest

from upproxy.cli.start import parse_address

CHECKOUT = str(Path(__file__).parents[2])

FLASK = """
import os, sys
from flask import Flask, request
app = Flask(__name__)

@app.get("/")
def home():
    return {greeting!r}

@app.get("/pid")
def pid():
    return str(os.getpid())

@app.post("/echo")
def echo():
    print("echoing", flush=True)
    return request.get_data()
"""


class Started:
    """A running `upproxy start`, its output gathered line by line."""

    def __init__(self, process, outputs):
        self.process = process
        self.url = ""
        self._lines = []
        self._changed = threading.Condition()
        self._readers = [threading.Thread(target=self._read, args=(output,), daemon=True) for output in outputs]
        for reader in self._readers:
            reader.start()

    def _read(self, output):
        with suppress(OSError), output:  # EIO is how a terminal ends
            for line in output:
                with self._changed:
                    self._lines.append(line.rstrip("\r\n"))
                    self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    @property
    def output(self):
        return "\n".join(self._lines)

    def until(self, pattern, count=1):
        """Wait until so many lines have matched; return the last of the matches."""
        found = []
        seen = 0
        while len(found) < count:
            with self._changed:
                while seen == len(self._lines):
                    assert any(reader.is_alive() for reader in self._readers), self.output
                    assert self._changed.wait(60), self.output
                lines, seen = self._lines[seen:], len(self._lines)
            found += filter(None, (re.search(pattern, line) for line in lines))
        return found[count - 1]

    def get(self, path="/", *, data=None, **fields):
        """Return status and body."""
        try:
            with urllib.request.urlopen(urllib.request.Request(self.url + path, data, fields)) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def ready(self):
        self.url = self.until(r"serving on (http://\S+)")[1]
        return self

    def family(self):
        """The process and all that descend from it."""
        parents = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with suppress(OSError):
                    parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        family = {self.process.pid}
        while more := {pid for pid, parent in parents.items() if parent in family} - family:
            family |= more
        return family

    def children(self, what):
        """Those of the family whose command line names something."""
        return {pid for pid in self.family() if what.encode() in Path(f"/proc/{pid}/cmdline").read_bytes()}

    def wait(self):
        code = self.process.wait(timeout=60)
        for reader in self._readers:
            reader.join(timeout=60)
        return code


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def gone(pids):
    """Wait until none of the processes lives."""
    while any(alive(pid) for pid in pids):
        time.sleep(0.01)
    return True


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text(FLASK.format(greeting="hello"))
    (tmp_path / "requirements.txt").write_text("flask\n")
    return tmp_path


@pytest.fixture
def start(project):
    started = []

    def start(*arguments, terminal=False, address="127.0.0.1:0"):
        command = [sys.executable, "-m", "upproxy", "start", "-C", str(project), "--address", address, *arguments]
        environment = {**os.environ, "TERM": "xterm"}
        if terminal:
            ours, theirs = pty.openpty()
            process = subprocess.Popen(
                command, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
            )
            os.close(theirs)
            outputs = [os.fdopen(ours, encoding="utf-8", errors="replace", newline="\n")]
        else:
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            outputs = [process.stdout, process.stderr]
        started.append(Started(process, outputs))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            family = one.family()
            one.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                one.process.wait(timeout=20)
            for pid in family:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        one.wait()


def test_the_app_is_served_and_its_lines_are_json_in_a_pipe(start):
    served = start("--no-reload").ready()
    assert served.get() == (200, "hello")
    assert served.get("/echo", data=b"\xc3\xa4") == (200, "ä")
    line = json.loads(served.until(r'\{.*"path": ?"/echo".*\}')[0])
    assert (line["status"], line["method"], line["stage"]) == (200, "POST", "development")
    printed = json.loads(served.until(r'\{.*"echoing".*\}')[0])
    assert (printed["level"], printed["request_id"]) == ("info", line["request_id"])
    assert "Flask app" in served.output


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_it_and_leaves_no_process(start, how):
    served = start().ready()
    family = served.family()
    assert int(served.get("/pid")[1]) in family
    assert len(family) >= 3
    served.process.send_signal(how)
    assert served.wait() == 130
    assert gone(family)
    assert "Traceback" not in served.output


def test_a_stream_and_a_slow_request_do_not_keep_it_from_ending(start, project):
    (project / "app.py").write_text(
        "import time\n"
        "from flask import Flask, Response\n"
        "app = Flask(__name__)\n"
        "@app.get('/stream')\n"
        "def stream():\n"
        "    def forever():\n"
        "        while True:\n"
        "            yield 'data: x\\n\\n'\n"
        "            time.sleep(0.05)\n"
        "    return Response(forever(), mimetype='text/event-stream')\n"
    )
    served = start().ready()
    family = served.family()
    with urllib.request.urlopen(f"{served.url}/stream") as reply:
        assert reply.readline() == b"data: x\n"
        served.process.send_signal(signal.SIGINT)
        with suppress(http.client.IncompleteRead, ConnectionError):
            reply.read()
    assert served.wait() == 130
    assert gone(family)


def test_killed_by_force_it_still_leaves_no_process(start):
    served = start().ready()
    family = served.family()
    served.process.kill()
    served.wait()
    assert gone(family)


def frozen(pids):
    """Wait until all of the processes are stopped."""
    while any(not stopped(pid) for pid in pids):
        time.sleep(0.01)
    return True


def stopped(pid):
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGSEGV])
def test_frozen_instances_end_with_it_by_whatever_signal(start, how):
    served = start("--lambda", "--no-reload").ready()
    assert served.get() == (200, "hello")
    family = served.family()
    instances = {served.process.pid, *served.children("upproxy.local.watchdog")}
    assert frozen(family - instances)
    served.process.send_signal(how)
    served.wait()
    assert gone(family)


def test_on_lambda_instances_are_kept_warm(start, project):
    (project / "up.yml").write_text("name: shop\nwarm: {count: 2}\n")
    served = start("--lambda", "--no-reload", "--speed", "150", "--idle-timeout", "900").ready()
    warmed = [json.loads(served.until('.*"message": "warmed".*', count=count)[0]) for count in (1, 2)]
    assert [(line["level"], line["distinct"], line["failed"]) for line in warmed] == [("info", 2, 0)] * 2
    assert warmed[1]["cold"] == 0
    assert served.get() == (200, "hello")
    request = json.loads(served.until('.*"message": "request".*')[0])
    assert "cold" not in request


def test_on_lambda_it_logs_what_lambda_does_and_starts_more_instances(start, project):
    (project / "app.py").write_text(
        FLASK.format(greeting="hello") + "\nimport threading\n@app.get('/hold')\ndef hold():\n"
        "    open('held', 'w').close()\n    threading.Event().wait(20)\n    return 'held'\n"
    )
    served = start("--lambda", "--no-reload", "--max-instances", "2", "--memory", "300").ready()
    first = served.get("/pid")[1]
    assert served.get("/pid")[1] == first

    def hold():
        with suppress(OSError):  # we end it before it answers
            served.get("/hold")

    holding = threading.Thread(target=hold)
    holding.start()
    while not (project / "held").exists():
        time.sleep(0.01)
    assert served.get("/pid")[1] != first
    served.until(r"^START RequestId: \S+ Version: \$LATEST$")
    report = served.until(
        r"^REPORT RequestId: .*Memory Size: 300 MB\tMax Memory Used: (\d+) MB\tInit Duration: .* ms\t$"
    )
    assert 10 < int(report[1]) < 300


def test_during_the_start_it_can_be_ended_too(start):
    served = start("-c", "echo starting; sleep 600")
    served.until("starting")
    family = served.family()
    served.process.send_signal(signal.SIGINT)
    assert served.wait() == 130
    assert gone(family)


def test_a_second_signal_does_not_wait_for_an_app_that_ignores_the_first(start):
    served = start("-c", "trap '' TERM; echo stubborn; while :; do sleep 600; done")
    served.until('"message": "stubborn"')
    family = served.family()
    served.process.send_signal(signal.SIGINT)
    served.process.send_signal(signal.SIGINT)
    assert served.wait() == 130
    assert gone(family)


def test_a_change_is_served_and_a_mistake_explained_until_it_is_mended(start, project):
    served = start(terminal=True).ready()
    first = served.get("/pid")[1]
    (project / "app.py").write_text(FLASK.format(greeting="changed"))
    served.until("reloaded")
    assert served.get() == (200, "changed")
    assert served.get("/pid")[1] != first
    assert gone({int(first)})
    (project / "shop.py").write_text("def broken(:\n")
    (project / "app.py").write_text("import shop\n" + FLASK.format(greeting="never"))
    served.until(r"shop\.py:1: SyntaxError")
    status, page = served.get(Accept="text/html")
    assert status == 500
    assert "shop.py:1: SyntaxError" in page
    assert json.loads(served.get()[1])["message"].startswith("shop.py:1: SyntaxError")
    (project / "app.py").write_text("def broken(:\n")
    served.until(r"app\.py:1 does not parse")
    (project / "app.py").write_text(FLASK.format(greeting="mended"))
    served.until("reloaded", 2)
    assert served.get() == (200, "mended")


def test_no_request_fails_while_the_app_is_replaced(start, project):
    served = start().ready()
    over = threading.Event()
    answers = []

    def ask():
        while not over.is_set():
            answers.append(served.get())

    asking = [threading.Thread(target=ask) for _ in range(3)]
    for thread in asking:
        thread.start()
    try:
        for count in (1, 2):
            (project / "app.py").write_text(FLASK.format(greeting=f"version {count}"))
            served.until("reloaded", count)
    finally:
        over.set()
        for thread in asking:
            thread.join()
    assert set(answers) <= {(200, "hello"), (200, "version 1"), (200, "version 2")}
    assert served.get() == (200, "version 2")


def test_in_a_terminal_the_first_start_may_fail(start, project):
    (project / "app.py").write_text("from flask import Flask\nimport nosuchmodule\napp = Flask(__name__)\n")
    served = start(terminal=True).ready()
    served.until(r"needs the module 'nosuchmodule'")
    status, page = served.get(Accept="text/html")
    assert status == 500
    assert "pip install -r requirements.txt" in page
    (project / "app.py").write_text(FLASK.format(greeting="at last"))
    served.until("reloaded")
    assert served.get() == (200, "at last")
    assert re.search(r"GET / 200 in [\d.]+ ms", served.until(r"GET / 200.*")[0])


@pytest.mark.parametrize(
    ("source", "arguments", "code", "message"),
    [
        ("import nosuchmodule\nfrom flask import Flask\napp = Flask(__name__)\n", (), 1, "the module 'nosuchmodule'"),
        ("from flask import Flask\napp = Flask(__name__)\ndef broken(:\n", (), None, "SyntaxError|syntax"),
        ("", ("-c", "nosuchcommand"), 1, "there is no command 'nosuchcommand'"),
        ("", ("-c", "exit 7"), 1, "7"),
        ("", (), 2, "."),
        (None, ("-C", "/nowhere"), 2, "/nowhere"),
        (None, ("--address", "nonsense"), 2, "is no address"),
        (None, ("--source", "pigeon"), 2, "pigeon"),
        (None, ("--concurrency", "0"), 2, "concurrency"),
        (None, ("--lambda", "--concurrency", "2"), 2, "does not go with --lambda"),
        (None, ("--max-instances", "2"), 2, "--max-instances is of no use without --lambda"),
        (None, ("--memory", "256"), 2, "--memory is of no use without --lambda"),
        (None, ("--speed", "60"), 2, "--speed is of no use without --lambda"),
        (None, ("--lambda", "--memory", "64"), 2, "--memory"),
        (None, ("--lambda", "--provisioned", "3", "--max-instances", "2"), 2, "--provisioned 3 is more than"),
    ],
)  # fmt: skip
def test_what_cannot_start_says_why_in_one_message(start, project, source, arguments, code, message):
    if source is not None:
        (project / "app.py").write_text(source)
        (project / "requirements.txt").unlink()
    failed = start("--no-reload", *arguments)
    ended = failed.wait()
    assert ended in ((1, 2) if code is None else (code,)), failed.output
    errors = re.findall(r"^error: .*$", failed.output, re.MULTILINE)
    assert len(errors) == 1, failed.output
    assert re.search(message, errors[0]), failed.output
    # No file of ours is named; the folder that the checkout lies in may have our name, too.
    told = failed.output.replace(sys.prefix, "").replace(CHECKOUT, "")
    assert "upproxy/" not in told.replace("upproxy/launchers/", "")


@pytest.mark.parametrize("arguments", [(), ("--lambda",)])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("from flask import Flask\nimport nosuchmodule\napp = Flask(__name__)\n", "nosuchmodule"),
        ("from flask import Flask\napp = Flask(__name__)\nraise SystemExit(7)\n", "code 7"),
    ],
)
def test_it_says_so_too_while_it_watches_for_changes(start, project, arguments, source, message):
    (project / "app.py").write_text(source)
    failed = start(*arguments)
    assert failed.wait() == 1, failed.output
    (error,) = re.findall(r"^error: .*$", failed.output, re.MULTILINE)
    assert message in error


def test_what_lambda_cannot_carry_and_what_it_can(start, project):
    (project / "app.py").write_text(
        "import threading\n"
        "from flask import Flask, Response, request\n"
        "app = Flask(__name__)\n"
        "released = threading.Event()\n"
        "@app.get('/events')\n"
        "def events():\n"
        "    def two():\n"
        "        yield 'data: 1\\n\\n'\n"
        "        released.wait()\n"
        "        yield 'data: 2\\n\\n'\n"
        "    return Response(two(), mimetype='text/event-stream')\n"
        "@app.get('/release')\n"
        "def release():\n"
        "    released.set()\n"
        "    return request.headers['X-Forwarded-Proto']\n"
    )
    served = start("--no-reload").ready()
    with urllib.request.urlopen(f"{served.url}/events") as reply:
        assert reply.readline() == b"data: 1\n"  # before the second is made
        assert served.get("/release") == (200, "http")  # beside the stream
        assert reply.read() == b"\ndata: 2\n\n"
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    host, port = served.url.removeprefix("http://").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.request("GET", "/", headers=upgrade | {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})
    refused = connection.getresponse()
    assert (refused.status, "server-sent events" in refused.read().decode()) == (501, True)
    connection.request("HEAD", "/release")
    head = connection.getresponse()
    assert (head.status, head.read()) == (200, b"")
    connection.close()


def test_a_busy_port(start):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        failed = start(address=f":{port}")
        assert failed.wait() == 4
    assert f"port {port} is in use" in failed.output
    assert "--address" in failed.output


def test_a_crashed_app_is_restarted(start):
    served = start("--no-reload").ready()
    os.kill(int(served.get("/pid")[1]), signal.SIGKILL)
    served.until("the app is restarted")
    assert served.get() == (200, "hello")


@pytest.mark.parametrize("source", ["function_url", "http_api", "http_api_v1", "rest_api", "alb", "alb_multi"])
def test_every_source(start, source):
    served = start("--no-reload", "--source", source).ready()
    assert served.get("/echo", data=b"a=1") == (200, "a=1")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:3000", ("127.0.0.1", 3000)),
        (":80", ("127.0.0.1", 80)),
        ("8080", ("127.0.0.1", 8080)),
        ("0.0.0.0:1", ("0.0.0.0", 1)),
        ("[::1]:3000", ("::1", 3000)),
        ("localhost:0", ("localhost", 0)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text) == address


GUNICORN = "gunicorn --timeout 1 --keep-alive 1 app:app"


def test_a_gunicorn_that_would_not_survive_a_freeze_is_warned_of(start):
    served = start("--lambda", "--no-reload", "-c", GUNICORN).ready()
    assert served.get() == (200, "hello")
    served.until(r"warning: gunicorn has `--timeout 1`; better `0`: the arbiter kills a worker that Lambda froze")


def test_the_inferred_gunicorn_survives_a_freeze(start, project):
    (project / "requirements.txt").write_text("flask\ngunicorn\n")
    served = start("--lambda", "--no-reload").ready()
    served.until("run by gunicorn")
    pid = served.get("/pid")[1]
    instances = served.family() - {served.process.pid} - served.children("upproxy.local.watchdog")
    assert len(instances) == 3  # the runtime process, the arbiter and the worker
    for _ in range(2):
        assert served.get("/echo", data=b"posted") == (200, "posted")
        assert frozen(instances)
        time.sleep(3)  # the freeze itself: three times the time-out of the test above
        assert served.get("/echo", data=b"thawed") == (200, "thawed")
    assert served.get("/pid")[1] == pid
