"""The sandbox as a whole: it leaves nothing behind, also when it cannot start or end as it should."""

import asyncio
import os
import socket
import tempfile

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.local.sandbox.conftest import RUNTIME, zipped
from tests.sandbox import aws, sandbox  # noqa: F401  # fixtures
from upproxy.cli.sandbox import interpreter
from upproxy.local.sandbox import Options, Sandbox
from upproxy.local.sandbox import sandbox as module


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


class Broken(Exception):
    pass


@pytest.mark.parametrize("part", ["Watchdog", "Urls", "Schedules", "Engine"])
def test_nothing_is_left_of_a_start_that_fails(tmp_path, monkeypatch, part):
    def fail(*_, **__):
        raise Broken

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(module, part, fail)
    port = free_port()

    async def start():
        async with Sandbox(Options(python=interpreter, port=port)):
            raise AssertionError("it has started")

    with pytest.raises(Broken):
        asyncio.run(start())
    assert os.listdir(tmp_path) == []
    socket.create_server(("127.0.0.1", port)).close()


def test_all_ends_although_a_part_cannot(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    port = free_port()

    async def run():
        async with Sandbox(Options(python=interpreter, port=port)) as made:

            async def fail():
                raise Broken

            made._ends.push_async_callback(fail)
            assert os.listdir(tmp_path)

    with pytest.raises(Broken):
        asyncio.run(run())
    assert os.listdir(tmp_path) == []
    socket.create_server(("127.0.0.1", port)).close()


def test_there_are_no_functions_where_there_is_no_region(aws, role):  # noqa: F811
    client = boto3.client("lambda", region_name="mars-1")
    with pytest.raises(ClientError, match="there is no region mars-1") as error:
        client.create_function(
            FunctionName="far", Runtime=RUNTIME, Handler="app.handler", Role=role, Code={"ZipFile": zipped("")}
        )
    assert error.value.response["Error"]["Code"] == "UnrecognizedClientException"


def test_calls_that_are_too_large_are_refused(aws, monkeypatch):  # noqa: F811
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket="large")
    monkeypatch.setattr(module, "_BODY", 10_000)
    s3.put_object(Bucket="large", Key="a", Body=bytes(9_000))
    with pytest.raises(ClientError) as error:
        s3.put_object(Bucket="large", Key="a", Body=bytes(20_000))
    assert error.value.response["Error"]["Code"] == "EntityTooLarge"


def test_the_last_calls_are_remembered(aws):  # noqa: F811
    boto3.client("s3").list_buckets()
    assert [(call.service, call.operation) for call in aws.calls] == [("s3", "GET Bucket")]
    assert aws.calls.maxlen
