"""One runtime process under an emulated Runtime API: real processes throughout."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from upproxy.local.invocation import Buffered, FunctionError
from upproxy.local.runtime_process import StartFailed


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


async def invoke(instance, **event):
    return await instance.invoke(json.dumps(event).encode(), timeout=30, request_id="", trace_id="")


async def test_ready_invoke_stop(start):
    instance = await start()
    await instance.ready()
    assert json.loads((await invoke(instance, a=1)).payload)["body"] == '{"a": 1}'
    pid = instance.pid
    await instance.stop()
    assert instance.exited.done()
    assert not alive(pid)
    assert (await invoke(instance)).kind == "Runtime.ExitError"


async def test_what_it_prints_comes_in_lines(start):
    instance = await start()
    await instance.ready()
    text = "ein Wort\n\nzwei " + "x" * 100_000
    await invoke(instance, do="print", text=text)
    for source in ("stdout", "stderr"):
        await instance.lines.until(source, text.split("\n")[-1].encode())
    assert [line.decode() for source, line in instance.lines if source == "stdout"] == text.split("\n")


async def test_an_init_error_says_why_and_the_output_is_there(start):
    instance = await start("init-error:no database")
    with pytest.raises(StartFailed, match="no database") as failed:
        await instance.ready()
    assert failed.value.exit_code == 1
    assert failed.value.error.kind == "Init"
    assert ("stderr", b"Traceback of it") in instance.lines


async def test_an_end_before_the_first_poll_is_a_failed_start(start):
    instance = await start("exit:3")
    with pytest.raises(StartFailed, match="exit status 3") as failed:
        await instance.ready()
    assert failed.value.exit_code == 3


async def test_a_command_that_does_not_exist(start):
    with pytest.raises(FileNotFoundError):
        await start(command=("/nowhere/python",))


@pytest.mark.parametrize(("event", "message"), [({"do": "exit", "code": 5}, "exit status 5")])
async def test_a_crash_ends_what_it_held(start, event, message):
    instance = await start(AWS_LAMBDA_MAX_CONCURRENCY="2")
    await instance.ready()
    held = asyncio.create_task(invoke(instance, do="hang"))
    crashed = asyncio.create_task(invoke(instance, **event))
    replies = await asyncio.gather(held, crashed)
    assert all(isinstance(reply, FunctionError) and message in reply.message for reply in replies)
    assert await instance.exited == 5


async def test_killed_from_outside(start):
    instance = await start()
    await instance.ready()
    held = asyncio.create_task(invoke(instance, do="hang"))
    await asyncio.sleep(0)
    os.kill(instance.pid, 9)
    assert "signal: killed" in (await held).message
    assert await instance.exited == -9


@pytest.mark.parametrize("crash", [True, False])
async def test_nothing_of_its_session_is_left(start, until, crash):
    instance = await start("child")
    await instance.ready()
    child = int(instance.lines[0][1])
    assert alive(child)
    if crash:
        await invoke(instance, do="exit", code=1)
        await instance.exited
    else:
        await instance.stop()
    await until(lambda: not alive(child))  # the signal is sent; the kernel takes its time


async def test_one_that_ignores_sigterm_is_killed(start):
    instance = await start("deaf")
    await instance.ready()
    await instance.stop(grace=0.1)
    assert instance.exited.result() == -9


async def test_one_that_never_starts_can_be_stopped(start):
    instance = await start("hang")
    await instance.lines.until("stdout", b"hanging")
    waiting = asyncio.create_task(instance.ready())
    await instance.stop()
    with pytest.raises(StartFailed):
        await waiting


async def test_the_official_client_as_runtime(start, tmp_path):
    """awslambdaric is what AWS runs; it has to find everything as it is on Lambda."""
    (tmp_path / "handler.py").write_text(
        "import os\n"
        "def handle(event, context):\n"
        "    if event.get('fail'):\n"
        "        raise ValueError('as asked')\n"
        "    return {'event': event, 'id': context.aws_request_id, 'arn': context.invoked_function_arn,\n"
        "            'left': context.get_remaining_time_in_millis(), 'trace': os.environ.get('_X_AMZN_TRACE_ID')}\n"
    )
    instance = await start(
        command=(sys.executable, "-m", "awslambdaric", "handler.handle"),
        LAMBDA_TASK_ROOT=str(tmp_path),
        PYTHONPATH=str(tmp_path),
    )
    await instance.ready()
    reply = await instance.invoke(b'{"a":[1]}', timeout=20, request_id="id-7", trace_id="Root=1-2-3")
    assert isinstance(reply, Buffered)
    answer = json.loads(reply.payload)
    assert 0 < answer.pop("left") <= 20_000
    assert answer == {"event": {"a": [1]}, "id": "id-7", "arn": instance.api.arn, "trace": "Root=1-2-3"}
    failed = await invoke(instance, fail=True)
    assert (failed.kind, failed.message) == ("ValueError", "as asked")
    assert isinstance(await invoke(instance), Buffered)


async def test_the_official_client_reports_a_handler_that_cannot_be_imported(start, tmp_path):
    (tmp_path / "handler.py").write_text("import nothing_like_it\n")
    instance = await start(
        command=(sys.executable, "-m", "awslambdaric", "handler.handle"),
        LAMBDA_TASK_ROOT=str(tmp_path),
        PYTHONPATH=str(tmp_path),
    )
    with pytest.raises(StartFailed, match="nothing_like_it") as failed:
        await instance.ready()
    assert failed.value.error.kind == "Runtime.ImportModuleError"
