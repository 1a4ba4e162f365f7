"""One-off commands on the runtime process, as a direct invocation asks for them."""

from __future__ import annotations

import base64
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.ways import HANDLER, ROOT, Lambda, manifest
from tests.proxy.runtime.conftest import APP
from tests.proxy.runtime.events import http
from tests.proxy.runtime.test_process import payload
from upproxy.local.invocation import FunctionError
from upproxy.proxy.runtime.api import PAYLOAD_LIMIT
from upproxy.proxy.runtime.exec import HEAD, TAIL, Printed

Starter = Callable[..., Lambda]


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", code, *arguments]


def asked(command: Any, **options: Any) -> dict[str, Any]:
    return {"upproxy": {"exec": {"command": command, **options}}}


def run(
    one: Lambda, command: Any, *, deadline: float = 30.0, request_id: str = "request-1", **options: Any
) -> dict[str, Any]:
    return payload(one.invoke(asked(command, **options), timeout=deadline, request_id=request_id))


def text(answer: dict[str, Any], stream: str) -> str:
    pieces = [*answer["head"], *answer["tail"]]
    return b"".join(base64.b64decode(data) for name, data in pieces if name == stream).decode()


@pytest.fixture
def allowed(start: Starter) -> Lambda:
    return start(exec=True)


def marked(name: str, value: str) -> list[int]:
    """Return the processes that have a variable."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            if f"{name}={value}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0"):
                found.append(int(pid))
        except OSError:
            pass
    return found


def test_what_it_prints_and_its_exit_code(allowed: Lambda) -> None:
    code = "import sys; print('out'); sys.stdout.flush(); print('err', file=sys.stderr); sys.exit(int(sys.argv[1]))"
    answer = run(allowed, python(code, "7"))
    assert (answer["exit_code"], answer["timed_out"], answer["cut"]) == (7, False, 0)
    assert (text(answer, "stdout"), text(answer, "stderr")) == ("out\n", "err\n")
    assert answer["duration_ms"] > 0
    assert payload(allowed.invoke(http("/echo")))["statusCode"] == 200, "the app was left alone"


def test_it_has_nothing_to_read(allowed: Lambda) -> None:
    answer = run(allowed, python("import sys; print(repr(sys.stdin.read()))"))
    assert text(answer, "stdout") == "''\n"


def test_ended_by_a_signal(allowed: Lambda) -> None:
    assert run(allowed, ["sh", "-c", "kill -TERM $$"])["exit_code"] == -signal.SIGTERM


def test_it_runs_as_the_app_does(start: Starter, tmp_path: Path) -> None:
    upstream = {"environment": {"GREETING": "hello ${NAME_OF_IT}"}, "private": ["PROXY_SECRET"]}
    environment = {"NAME_OF_IT": "you", "PROXY_SECRET": "s3cret"}
    one = start(exec=True, upstream=upstream, environment=environment)
    answer = run(one, python("import json, os; print(json.dumps([os.getcwd(), dict(os.environ)]))"))
    folder, variables = json.loads(text(answer, "stdout"))
    assert folder == str(ROOT)
    assert (variables["GREETING"], variables["UP_STAGE"]) == ("hello you", "staging")
    assert variables["AWS_LAMBDA_FUNCTION_NAME"] == "app-staging"
    assert not variables.keys() & {"AWS_LAMBDA_RUNTIME_API", "UPPROXY_MANIFEST", "PROXY_SECRET"}


def test_the_log_has_the_program_and_who_asked_and_no_argument(allowed: Lambda) -> None:
    run(allowed, ["printf", "%s", "--password=s3cret"], by="arn:aws:iam::123456789012:user/ada")
    said = {
        "level": "info", "program": "printf", "arguments": 2, "by": "arn:aws:iam::123456789012:user/ada",
        "request_id": "request-1",
    }  # fmt: skip
    (begun,) = allowed.lines.wait_for(message="a command is run")
    (ended,) = allowed.lines.wait_for(message="the command has ended")
    assert begun.items() >= said.items()
    assert ended.items() >= {**said, "exit_code": 0, "timed_out": False, "printed": 17}.items()
    assert "s3cret" not in json.dumps(allowed.lines.all)
    assert not [line for line in allowed.lines.all if line["message"] == "request"], "no request was made"


@pytest.mark.parametrize("parts", [{}, {"exec": False}, {"exec": "yes"}], ids=str)
def test_it_has_to_be_allowed(start: Starter, parts: dict[str, Any], tmp_path: Path) -> None:
    one = start(**parts)
    reply = one.invoke(asked(["touch", str(tmp_path / "made")]))
    assert isinstance(reply, FunctionError)
    assert "exec: true" in reply.message
    assert not (tmp_path / "made").exists()


def test_http_cannot_ask_for_it(allowed: Lambda, tmp_path: Path) -> None:
    message = json.dumps(asked(["touch", str(tmp_path / "made")]))
    event = http("/echo", "POST", headers={"content-type": "application/json"}, body=message)
    seen = json.loads(payload(allowed.invoke(event))["body"])
    assert base64.b64decode(seen["body"]).decode() == message
    reply = allowed.invoke({**asked(["touch", str(tmp_path / "made")]), "requestContext": {}})
    assert isinstance(reply, FunctionError)
    assert not (tmp_path / "made").exists()


@pytest.mark.parametrize(
    "options",
    [
        {}, {"command": "ls"}, {"command": []}, {"command": [""]}, {"command": ["ls", 1]}, {"command": ["a\0b"]},
        {"command": ["\ud800"]}, {"command": ["ls"], "timeout": 0}, {"command": ["ls"], "timeout": -1},
        {"command": ["ls"], "timeout": "1"},
    ],
    ids=str,
)  # fmt: skip
def test_messages_that_are_wrong(allowed: Lambda, options: dict[str, Any]) -> None:
    assert isinstance(allowed.invoke({"upproxy": {"exec": options}}), FunctionError)
    assert run(allowed, ["true"])["exit_code"] == 0


def test_files_alone_have_no_command(start: Starter, tmp_path: Path) -> None:
    document = {
        "manifest_version": 1, "name": "app", "stage": "staging", "version": "", "upstream": None, "exec": True,
        "events": {"base_path": "", "streaming": False, "triggers": None},
    }  # fmt: skip
    one = Lambda(document, tmp_path)
    try:
        reply = one.invoke(asked(["true"]))
        assert isinstance(reply, FunctionError)
        assert "files alone" in reply.message
    finally:
        one.close()


def test_programs_that_cannot_be_started(allowed: Lambda, tmp_path: Path) -> None:
    missing = run(allowed, ["no-such-program"])
    assert (missing["exit_code"], missing["error"]) == (127, "cannot start no-such-program: No such file or directory")
    (tmp_path / "plain").write_text("not a program")
    refused = run(allowed, [str(tmp_path / "plain")])
    assert refused["exit_code"] == 126
    assert "Permission denied" in refused["error"]
    assert run(allowed, ["sh", "-c", "x" * 200_000])["exit_code"] == 126, "an argument too long for the system"


# --- its end ----------------------------------------------------------------------------------------------------------

# A command with a child in its group that has another environment, one in a session of its own, and one that nobody is
# the parent of; all of them hold its output open.
FAMILY = """
import os, subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(sleep, env={"OUR_MARK": os.environ["OUR_MARK"]})
subprocess.Popen(sleep, start_new_session=True)
orphan = f"import subprocess; subprocess.Popen({sleep!r}, start_new_session=True)"
subprocess.Popen([sys.executable, "-c", orphan]).wait()
print("started", flush=True)
if sys.argv[1] == "stay":
    time.sleep(600)
"""


@pytest.mark.parametrize(
    ("how", "options", "deadline"), [("stay", {"timeout": 4}, 30.0), ("stay", {}, 5.0), ("leave", {}, 30.0)]
)
def test_nothing_of_it_is_left(start: Starter, how: str, options: dict[str, Any], deadline: float) -> None:
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    one = start(exec=True)
    answer = run(one, ["env", f"OUR_MARK={mark}", *python(FAMILY, how)], deadline=deadline, **options)
    assert text(answer, "stdout") == "started\n"
    assert (answer["timed_out"], answer["exit_code"]) == ((True, None) if how == "stay" else (False, 0))
    ended = time.monotonic() + 30
    while marked("OUR_MARK", mark):  # killed, and not yet taken off the list by the system
        assert time.monotonic() < ended
    assert payload(one.invoke(http("/echo")))["statusCode"] == 200


def test_the_app_and_other_commands_go_on_beside_it(start: Starter, tmp_path: Path) -> None:
    """The command waits for a file that only the end of the others makes."""
    one = start(exec=True, slots=3)
    go = tmp_path / "go"
    waits = f"until [ -e {go} ]; do sleep 0.01; done; echo done"
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(target=lambda: answers.append(run(one, ["sh", "-c", waits])))
    thread.start()
    try:
        one.lines.wait_for(message="a command is run")
        assert payload(one.invoke(http("/echo")))["statusCode"] == 200
        assert run(one, ["true"], request_id="request-2")["exit_code"] == 0
        assert not answers
    finally:
        go.touch()
        thread.join(30)
    assert text(answers[0], "stdout") == "done\n"


def test_an_app_that_crashes_meanwhile_is_not_taken_for_it(allowed: Lambda) -> None:
    pid = payload(allowed.invoke(http("/pid")))["body"]
    answer = run(allowed, ["sh", "-c", f"kill -9 {pid}; sleep 0.2; exit 3"])
    assert answer["exit_code"] == 3
    allowed.lines.wait_for(message="the app was ended by signal 9")
    assert payload(allowed.invoke(http("/echo")))["statusCode"] == 200


def test_as_the_first_process_of_a_container(tmp_path: Path) -> None:
    """Orphans are reaped there, and a command's end is not taken for one of theirs, nor for the app's."""
    script = tmp_path / "main.py"
    script.write_text(
        "import sys, posix\nposix.getpid = lambda: 1\nfrom upproxy.proxy.__main__ import main\nsys.exit(main())\n"
    )
    one = Lambda(manifest(APP, exec=True), tmp_path, command=(sys.executable, str(script)))
    try:
        for code in range(3):
            assert payload(one.invoke(http("/kill")))["statusCode"] == 502
            assert run(one, ["sh", "-c", f"sleep 0.01 & exit {code}"])["exit_code"] == code
        assert payload(one.invoke(http("/echo")))["statusCode"] == 200
    finally:
        one.close()


def test_behind_the_plain_handler(tmp_path: Path) -> None:
    one = Lambda(manifest(APP, exec=True), tmp_path, command=HANDLER)
    try:
        answer = run(one, ["sh", "-c", "echo out; exit 3"])
        assert (answer["exit_code"], text(answer, "stdout")) == (3, "out\n")
        assert run(one, ["sleep", "600"], timeout=0.1)["timed_out"]
        assert payload(one.invoke(http("/echo")))["statusCode"] == 200
    finally:
        one.close()


# --- what it prints ---------------------------------------------------------------------------------------------------


def test_of_much_output_the_reply_has_both_ends(allowed: Lambda) -> None:
    code = "import sys; sys.stdout.buffer.write(b'begin' + b'x' * 65536 * 160 + b'end')"
    reply = allowed.invoke(asked(python(code)))
    answer = payload(reply)
    assert len(reply.payload) < PAYLOAD_LIMIT
    printed = text(answer, "stdout")
    assert printed.startswith("beginx")
    assert printed.endswith("xend")
    assert len(printed) + answer["cut"] == 160 * 65536 + 8
    assert len(printed) > (HEAD + TAIL) * 0.99


def test_bytes_that_are_no_text(allowed: Lambda) -> None:
    answer = run(allowed, python("import sys; sys.stdout.buffer.write(bytes(range(256)))"))
    assert base64.b64decode(answer["head"][0][1]) == bytes(range(256))


@pytest.mark.parametrize("size", [1, 31, 32, 33, 1000, 65536, HEAD + TAIL + 1])
@pytest.mark.parametrize("streams", [("stdout",), ("stdout", "stderr")])
def test_what_is_kept_is_bounded_and_nothing_is_lost_unseen(size: int, streams: tuple[str, ...]) -> None:
    printed = Printed()
    total = 3 * (HEAD + TAIL) if size > 1 else 400_000
    count = total // size + 1
    for number in range(count):
        printed.take(streams[number % len(streams)], b"%d" % (number % 10) * size)
    answer = printed.described()
    kept = [(stream, base64.b64decode(data)) for stream, data in (*answer["head"], *answer["tail"])]
    assert printed.total == count * size
    assert sum(len(data) for _, data in kept) + answer["cut"] == count * size
    assert len(json.dumps(answer, separators=(",", ":"))) < PAYLOAD_LIMIT - 10_000
    assert kept[0][1][:1] == b"0"
    assert kept[-1][1][-1:] == b"%d" % ((count - 1) % 10)
    if answer["cut"]:
        head = sum(len(base64.b64decode(data)) for _, data in answer["head"])
        whole = b"".join(b"%d" % (number % 10) * size for number in range(count))
        assert b"".join(data for _, data in kept) == whole[:head] + whole[head + answer["cut"] :]
