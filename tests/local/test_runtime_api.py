"""The emulated Runtime API as a runtime sees it, over real sockets."""

import asyncio
import base64
import json
import time

import pytest

from upproxy.local.invocation import Buffered, FunctionError, Stream, StreamBroken, Throttled
from upproxy.local.runtime_api import PAYLOAD_LIMIT

PRELUDE = b'{"statusCode":200,"headers":{}}'
NULS = bytes(8)


def invoke(api, event=b"{}", timeout=30, **values):
    return asyncio.create_task(api.invoke(event, timeout=timeout, **values))


async def begun(api, connect, **values):
    """An invocation that the runtime has: its task, the connection and the fields that it came with."""
    client = await connect()
    poll = client.poll()
    task = invoke(api, **values)
    _, fields, _ = await poll
    return task, client, fields["lambda-runtime-aws-request-id"], fields


async def test_an_event_goes_out_and_its_reply_comes_back(api, connect):
    before = time.time()
    task, client, request_id, fields = await begun(
        api, connect, event=b'{"a":1}', timeout=7, request_id="id-1", trace_id="Root=1-2-3", tenant_id="blue"
    )
    assert request_id == "id-1"
    assert fields["lambda-runtime-invoked-function-arn"] == api.arn
    assert fields["lambda-runtime-trace-id"] == "Root=1-2-3"
    assert fields["lambda-runtime-aws-tenant-id"] == "blue"
    assert fields["lambda-runtime-invocation-id"]
    assert (before + 7) * 1000 - 1 <= int(fields["lambda-runtime-deadline-ms"]) <= (time.time() + 7) * 1000
    assert "lambda-runtime-client-context" not in fields
    assert await client.respond("id-1", b'{"statusCode":200}') == (
        202, {"content-type": "application/json", "content-length": "15"}, b'{"status":"OK"}',
    )  # fmt: skip
    assert await task == Buffered(b'{"statusCode":200}')
    assert api.ready.is_set()
    assert api.idle.is_set()


async def test_an_event_waits_for_the_poll_and_a_poll_for_the_event(api, connect):
    task = invoke(api, b"first")
    first, second = await connect(), await connect()
    assert (await first.poll())[2] == b"first"
    poll = second.poll()
    later = invoke(api, b"second", request_id="b")
    assert (await poll)[2] == b"second"
    await second.respond("b", b"done")
    assert await later == Buffered(b"done")
    assert not task.done()


async def test_a_poll_whose_connection_is_gone_gets_nothing(api, connect, until):
    gone, there = await connect(), await connect()
    poll = gone.poll()
    await until(lambda: api._pollers)
    poll.cancel()
    await gone.close()
    await until(lambda: not api._pollers)
    task = invoke(api, b"x", request_id="x")
    assert (await there.poll())[2] == b"x"
    await there.respond("x", b"y")
    assert await task == Buffered(b"y")


async def test_the_runtime_reports_an_error(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    status, _, _ = await client.call(
        "POST",
        f"/2018-06-01/runtime/invocation/{request_id}/error",
        b'{"errorMessage":"no","errorType":"ValueError"}',
        Lambda_Runtime_Function_Error_Type="Unhandled",
    )
    assert status == 202
    error = await task
    assert isinstance(error, FunctionError)
    assert (error.kind, error.message) == ("Unhandled", "no")


async def test_a_reply_to_an_unknown_or_answered_invocation_is_refused(api, connect):
    client = await connect()
    status, _, body = await client.respond("nobody", b"{}")
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidRequestID")
    task, client, request_id, _ = await begun(api, connect)
    await client.respond(request_id, b"{}")
    await task
    assert (await client.respond(request_id, b"{}"))[0] == 400


async def test_a_reply_has_to_echo_the_nonce_of_its_own_invocation(api, connect):
    task, client, request_id, fields = await begun(api, connect)
    assert (await client.respond(request_id, b"{}", Lambda_Runtime_Invocation_Id="another"))[0] == 400
    nonce = fields["lambda-runtime-invocation-id"]
    assert (await client.respond(request_id, b"{}", Lambda_Runtime_Invocation_Id=nonce))[0] == 202
    await task


@pytest.mark.parametrize(("size", "status"), [(PAYLOAD_LIMIT, 202), (PAYLOAD_LIMIT + 1, 413)])
async def test_a_buffered_reply_has_a_limit(api, connect, size, status):
    task, client, request_id, _ = await begun(api, connect)
    answer, _, body = await client.respond(request_id, bytes(size))
    assert answer == status
    reply = await task
    if status == 202:
        assert reply == Buffered(bytes(size))
    else:
        assert json.loads(body)["errorType"] == "RequestEntityTooLarge"
        assert reply.kind == "Function.ResponseSizeTooLarge"


async def test_an_invocation_that_takes_too_long_is_gone(api, connect):
    task, client, request_id, _ = await begun(api, connect, timeout=0.05)
    error = await task
    assert error.kind == "Sandbox.Timedout"
    assert error.message.endswith("Task timed out after 0.05 seconds")
    status, _, body = await client.respond(request_id, b"{}")
    assert (status, json.loads(body)["errorType"]) == (410, "InvokeTimeout")
    assert api.idle.is_set()


async def test_an_event_that_nobody_takes_in_time_is_throttled(api):
    with pytest.raises(Throttled):
        await api.invoke(b"{}", timeout=0.02)
    assert api.idle.is_set()


async def test_a_caller_that_goes_away_leaves_the_runtime_alone(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    task.cancel()
    assert (await client.respond(request_id, b"{}"))[0] == 202
    assert api.idle.is_set()
    queued = invoke(api, b"never")
    await asyncio.sleep(0)
    queued.cancel()
    with pytest.raises(asyncio.CancelledError):
        await queued
    task, client, _, _ = await begun(api, connect, event=b"next")
    assert api._queue == {}
    task.cancel()


async def test_the_end_of_the_process_ends_all_that_it_held(api, connect):
    held, _, _, _ = await begun(api, connect)
    waiting = invoke(api)
    await asyncio.sleep(0)
    api.fail("Runtime.ExitError", "Runtime exited with error: exit status 1")
    assert (await held).kind == (await waiting).kind == (await api.invoke(b"{}", timeout=1)).kind == "Runtime.ExitError"
    assert api.idle.is_set()


async def test_init_errors_are_called_back_until_the_first_poll(api, connect):
    client = await connect()
    path = "/2018-06-01/runtime/init/error"
    body = b'{"errorMessage":"no module","errorType":"ImportError"}'
    assert (await client.call("POST", path, body, Lambda_Runtime_Function_Error_Type="Runtime.Import"))[0] == 202
    assert [(error.kind, error.message) for error in api.errors] == [("Runtime.Import", "no module")]
    poll = client.poll()
    await api.ready.wait()
    status, _, answer = await (await connect()).call("POST", path, body)
    assert (status, json.loads(answer)["errorType"]) == (403, "InvalidStateTransition")
    poll.cancel()


async def test_an_error_without_json_still_has_a_message(api, connect):
    await (await connect()).call("POST", "/2018-06-01/runtime/init/error", b"out of luck")
    assert (api.errors[0].kind, api.errors[0].message) == ("Runtime.Unknown", "out of luck")


async def test_restore_waits_until_it_is_asked_for(api, connect):
    client = await connect()
    restoring = asyncio.create_task(client.call("GET", "/2018-06-01/runtime/restore/next"))
    await api.snapshotted.wait()
    assert not restoring.done()
    api.restore()
    assert (await restoring)[0] == 200
    assert (await client.call("POST", "/2018-06-01/runtime/restore/error", b'{"errorMessage":"stale"}'))[0] == 202
    assert api.errors[0].message == "stale"


async def test_what_is_not_there_is_not_found(api, connect):
    client = await connect()
    assert (await client.call("GET", "/2018-06-01/runtime/nothing"))[0] == 404
    assert (await client.call("POST", "/2018-06-01/runtime/invocation/next"))[0] == 404
    assert (await client.call("POST", "/2018-06-01/runtime/invocation/x/other"))[0] == 404


# --- streaming


async def test_a_streamed_reply_comes_chunk_by_chunk(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    client.chunk(PRELUDE[:9])
    client.chunk(PRELUDE[9:] + NULS[:3])
    client.chunk(NULS[3:] + b"one")
    stream = await task
    assert isinstance(stream, Stream)
    assert stream.prelude == PRELUDE
    assert await anext(stream) == b"one"
    client.chunk(b"two")
    assert await anext(stream) == b"two"
    assert not api.idle.is_set()
    client.end()
    assert [chunk async for chunk in stream] == []
    assert (await client.answer())[0] == 202
    assert api.idle.is_set()


async def test_an_empty_stream_and_one_of_another_type(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    client.chunk(PRELUDE + NULS)
    client.end()
    assert [chunk async for chunk in await task] == []
    assert (await client.answer())[0] == 202
    poll = client.poll()
    task = invoke(api, request_id="raw")
    await poll
    client.send(
        b"POST /2018-06-01/runtime/invocation/raw/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n"
        b"Lambda-Runtime-Function-Response-Mode: streaming\r\n\r\n"
    )
    client.chunk(b"plain")
    client.end()
    stream = await task
    assert stream.prelude == b""
    assert b"".join([chunk async for chunk in stream]) == b"plain"


async def test_a_failure_midway_is_told_by_the_trailers(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    client.chunk(PRELUDE + NULS + b"half")
    error = base64.b64encode(b'{"errorMessage":"the app died","errorType":"UpstreamDied"}').decode()
    client.end("Lambda-Runtime-Function-Error-Type: UpstreamDied", f"Lambda-Runtime-Function-Error-Body: {error}")
    stream = await task
    assert await anext(stream) == b"half"
    with pytest.raises(StreamBroken, match="the app died") as broken:
        await anext(stream)
    assert broken.value.error.kind == "UpstreamDied"
    assert (await client.answer())[0] == 202
    assert api.idle.is_set()


@pytest.mark.parametrize("sent", [b"", PRELUDE, PRELUDE + NULS + b"half"])
async def test_a_stream_that_is_cut_is_an_error(api, connect, sent):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    if sent:
        client.chunk(sent)
    await client.close()
    reply = await task
    if NULS in sent:
        with pytest.raises(StreamBroken):
            [chunk async for chunk in reply]
    else:
        assert reply.kind == "Runtime.TruncatedResponse"
    await api.idle.wait()


@pytest.mark.parametrize("ends", [True, False])
async def test_a_stream_without_a_prelude_is_an_error(api, connect, ends):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    client.chunk(b"x" * (100 if ends else 20_000))
    if ends:
        client.end()
    assert (await task).kind == "Runtime.InvalidResponse"
    assert (await client.answer())[0] == (202 if ends else 400)


async def test_a_stream_that_nobody_reads_any_more_is_gone(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    client.chunk(PRELUDE + NULS + b"x")
    stream = await task
    stream.close()
    assert api.idle.is_set()
    status, fields, _ = await client.answer()
    assert (status, fields["connection"]) == (410, "close")
    assert await client.reader.read() == b""


async def test_a_stream_to_a_caller_that_is_gone_already(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    task.cancel()
    client.stream(request_id)
    client.chunk(PRELUDE + NULS + b"x")
    assert (await client.answer())[0] == 410
    assert api.idle.is_set()


async def test_a_stream_over_time_is_broken_off(api, connect):
    task, client, request_id, _ = await begun(api, connect, timeout=0.05)
    client.stream(request_id)
    client.chunk(PRELUDE + NULS + b"x")
    stream = await task
    with pytest.raises(StreamBroken, match="timed out"):
        [chunk async for chunk in stream]
    assert (await client.answer())[0] == 410


async def test_a_reader_that_is_slow_holds_the_runtime_back(api, connect, until):
    task, client, request_id, _ = await begun(api, connect)
    client.stream(request_id)
    client.chunk(PRELUDE + NULS)
    stream = await task
    total = 16 << 20
    body = bytes(total)
    client.chunk(body)
    client.end()
    writing = asyncio.create_task(client.writer.drain())
    await until(lambda: stream._paused)
    assert stream._held < total
    assert not writing.done()
    assert sum([len(chunk) async for chunk in stream]) == total
    await writing
    assert (await client.answer())[0] == 202


async def test_an_unknown_response_mode_is_refused(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    status, _, body = await client.respond(request_id, b"{}", Lambda_Runtime_Function_Response_Mode="magic")
    assert (status, json.loads(body)["errorType"]) == (400, "InvalidFunctionResponseMode")
    await client.respond(request_id, b"{}")
    await task


# --- HTTP


async def test_a_buffered_reply_may_be_chunked_and_expect_a_go_ahead(api, connect):
    task, client, request_id, _ = await begun(api, connect)
    client.send(
        f"POST /2018-06-01/runtime/invocation/{request_id}/response HTTP/1.1\r\n"
        "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    )
    assert await client.reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    client.chunk(b'{"a":')
    client.chunk(b"1}")
    client.end()
    assert (await client.answer())[0] == 202
    assert await task == Buffered(b'{"a":1}')


async def test_bytes_may_come_one_by_one_and_requests_at_once(api, connect):
    client = await connect()
    message = (
        b"POST /2018-06-01/runtime/invocation/x/response HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"3;ext=1\r\nabc\r\n0\r\nTrailer-One: a\r\n\r\n"
    )
    for byte in message:
        client.send(bytes([byte]))
        await client.writer.drain()
    assert (await client.answer())[0] == 400
    client.send(message * 3)
    assert [(await client.answer())[0] for _ in range(3)] == [400, 400, 400]


@pytest.mark.parametrize(
    "bad",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n",
        b"GET / HTTP/1.1\r\nX: " + b"x" * 140_000,
    ],
)
async def test_what_is_no_http_is_refused(connect, bad):
    client = await connect()
    client.send(bad)
    status, fields, _ = await client.answer()
    assert (status, fields["connection"]) == (400, "close")
    assert await client.reader.read() == b""


# --- extensions


async def test_an_extension_registers_and_hears_of_invocations(api, connect):
    extension = await connect()
    status, fields, body = await extension.call(
        "POST", "/2020-01-01/extension/register", b'{"events":["INVOKE"]}', Lambda_Extension_Name="agent"
    )
    assert (status, json.loads(body)["functionName"]) == (200, "shop-development")
    identifier = fields["lambda-extension-identifier"]
    event = asyncio.create_task(
        extension.call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
    )
    task, _, request_id, _ = await begun(api, connect)
    status, _, body = await event
    assert (status, json.loads(body)["eventType"], json.loads(body)["requestId"]) == (200, "INVOKE", request_id)
    api.extensions.post({"eventType": "SHUTDOWN", "shutdownReason": "spindown", "deadlineMs": 0})
    api.extensions.post({"eventType": "INVOKE", "requestId": "later"})
    _, _, body = await extension.call("GET", "/2020-01-01/extension/event/next", Lambda_Extension_Identifier=identifier)
    assert json.loads(body) == {"eventType": "INVOKE", "requestId": "later"}  # it had not asked for SHUTDOWN
    task.cancel()


@pytest.mark.parametrize(
    ("name", "body", "kind"),
    [
        ("", b'{"events":[]}', "Extension.InvalidExtensionName"),
        ("agent", b"[1]", "InvalidRequestFormat"),
        ("agent", b'{"events":["LUNCH"]}', "Extension.InvalidEventType"),
        ("taken", b'{"events":[]}', "Extension.InvalidExtensionState"),
    ],
)
async def test_a_registration_that_is_wrong_is_refused(connect, name, body, kind):
    client = await connect()
    path = "/2020-01-01/extension/register"
    await client.call("POST", path, b'{"events":[]}', Lambda_Extension_Name="taken")
    status, _, answer = await client.call("POST", path, body, Lambda_Extension_Name=name)
    assert (status, json.loads(answer)["errorType"]) == (403, kind)


async def registered(connect, events=b'{"events":["INVOKE"]}'):
    """Return the connection of an extension, and the field that it names itself by."""
    client = await connect()
    _, fields, _ = await client.call("POST", "/2020-01-01/extension/register", events, Lambda_Extension_Name="agent")
    return client, {"Lambda_Extension_Identifier": fields["lambda-extension-identifier"]}


async def test_nothing_is_quiet_while_an_extension_works(api, connect, until):
    extension, identity = await registered(connect)
    path = "/2020-01-01/extension/event/next"
    runtime = await connect()
    poll = runtime.poll()
    await until(lambda: api._polled)
    assert not api.ready.is_set()  # it has not polled
    listening = asyncio.create_task(extension.call("GET", path, **identity))
    await api.ready.wait()
    assert api.quiet_times == 1
    task = invoke(api)
    _, fields, _ = await poll
    await listening
    await runtime.respond(fields["lambda-runtime-aws-request-id"], b"{}")
    await task
    runtime.poll()
    await until(lambda: api._pollers)
    assert api.quiet_times == 1
    listening = asyncio.create_task(extension.call("GET", path, **identity))
    await until(lambda: api.quiet_times == 2)


async def test_nothing_waits_for_an_extension_that_has_gone(api, connect, until):
    extension, identity = await registered(connect)
    listening = asyncio.create_task(extension.call("GET", "/2020-01-01/extension/event/next", **identity))
    await until(lambda: not any(one.at_work for one in api.extensions._by_identifier.values()))
    await extension.close()
    (await connect()).poll()
    await api.ready.wait()
    with pytest.raises(asyncio.IncompleteReadError):
        await listening


async def test_an_extension_that_cannot_start_ends_the_start(api, connect):
    extension, identity = await registered(connect)
    path = "/2020-01-01/extension/init/error"
    body = b'{"errorMessage":"no licence","errorType":"x"}'
    status, _, answer = await extension.call("POST", path, body, **identity)
    assert (status, json.loads(answer)["errorType"]) == (403, "Extension.MissingHeader")
    kind = {"Lambda_Extension_Function_Error_Type": "Extension.NoLicence"}
    assert (await extension.call("POST", path, body, **kind))[0] == 403
    assert (await extension.call("POST", path, body, **kind, **identity))[0] == 202
    assert [(error.kind, error.message) for error in api.errors] == [("Extension.NoLicence", "no licence")]


async def test_an_extension_that_cannot_go_on_ends_what_is_in_flight(api, connect):
    extension, identity = await registered(connect, b'{"events":[]}')
    task, _, _, _ = await begun(api, connect)
    kind = {"Lambda_Extension_Function_Error_Type": "Extension.Full"}
    body = b'{"errorMessage":"disk full"}'
    assert (await extension.call("POST", "/2020-01-01/extension/exit/error", body, **kind, **identity))[0] == 202
    reply = await task
    assert reply.kind == "Extension.ExitError"
    assert "agent exited with error: disk full" in reply.message


@pytest.mark.parametrize("fields", [{}, {"Lambda_Extension_Identifier": "nobody"}])
async def test_an_extension_has_to_be_known(connect, fields):
    client = await connect()
    assert (await client.call("GET", "/2020-01-01/extension/event/next", **fields))[0] == 403
