"""AWS as moto plays it: in this process for code, as a server for the command line."""

import os
import urllib.request
from collections.abc import Iterator, Mapping

import boto3
import pytest
from moto import mock_aws
from moto.server import ThreadedMotoServer

REGION = "eu-central-1"
ACCOUNT = "123456789012"
NOBODY = {
    "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}  # fmt: skip
"""An environment without credentials."""
SOMEBODY = {
    **NOBODY, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION,
}  # fmt: skip


def without_aws(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment without anything that AWS's tools look at."""
    return {name: value for name, value in environment.items() if not name.startswith("AWS_")}


def set_alone(monkeypatch, variables: dict[str, str]) -> None:
    """Give this process variables, and nothing else that AWS's tools look at."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def nobody(monkeypatch):
    """No credentials, no region."""
    set_alone(monkeypatch, NOBODY)
    return monkeypatch


@pytest.fixture
def aws(monkeypatch):
    """AWS in this process, empty."""
    set_alone(monkeypatch, SOMEBODY)
    with mock_aws():
        yield


class Server:
    """AWS at an address; `environment` is what a process needs to reach it."""

    def __init__(self) -> None:
        self._server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
        self._server.start()
        host, port = self._server.get_host_and_port()
        self.url = f"http://{host}:{port}"
        self.environment = {**SOMEBODY, "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str, region: str = REGION):
        return boto3.client(
            service, region_name=region, endpoint_url=self.url, aws_access_key_id="testing",
            aws_secret_access_key="testing",
        )  # fmt: skip

    def reset(self) -> None:
        urllib.request.urlopen(urllib.request.Request(f"{self.url}/moto-api/reset", method="POST")).close()

    def close(self) -> None:
        self._server.stop()


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    server = Server()
    try:
        yield server
    finally:
        server.close()


@pytest.fixture
def server(running_server) -> Server:
    """AWS as a server, empty."""
    running_server.reset()
    return running_server
