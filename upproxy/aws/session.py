"""The one way to AWS: credentials, region, retries, and a seam that all calls go through."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import boto3
from botocore import xform_name
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from upproxy.aws.errors import translated

ATTEMPTS = 8  # of each call, the first one included
CONNECT_TIMEOUT = 10  # seconds
READ_TIMEOUT = 60.0  # seconds

for _name in ("auth", "endpoint", "parsers"):  # would write what is sent and received, secrets among it, at DEBUG
    logging.getLogger(f"botocore.{_name}").setLevel(logging.INFO)


class Service:
    """A service in a region. `call` is the only place where anything is sent."""

    def __init__(self, connect: Callable[[], Any], lock: threading.Lock, name: str, region: str) -> None:
        """Take what makes botocore's client, which one thread may do at a time."""
        self._connect = connect
        self._lock = lock
        self._client: Any = None
        self.name = name
        self.region = region

    @property
    def client(self) -> Any:
        """What botocore calls a client; made for the first call, since that takes as long as a few. Raises AwsError."""
        with self._lock, translating(self.name, "connect"):
            if self._client is None:
                self._client = self._connect()
            return self._client

    def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """Make a call by its name in the API, such as `GetFunction`, and return its answer. Raises AwsError."""
        with translating(self.name, operation):
            answer: dict[str, Any] = getattr(self.client, xform_name(operation))(**parameters)
        return answer

    def pages(self, operation: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """Go through the pages of an answer. Raises AwsError."""
        with translating(self.name, operation):
            yield from self.client.get_paginator(xform_name(operation)).paginate(**parameters)


@contextmanager
def translating(service: str, operation: str) -> Iterator[None]:
    """Turn what botocore raises, or lets through, into an AwsError."""
    try:
        yield
    except (ClientError, BotoCoreError, OSError, ValueError) as error:
        raise translated(error, service, operation) from error


class Session:
    """Credentials and a region, from the places that all tools of AWS look at, and the services that they open.

    `profile` and `region` win over the environment. An `impatient` one is for somebody who waits for each answer. Safe
    to use from several threads.
    """

    def __init__(self, profile: str | None = None, region: str | None = None, *, impatient: bool = False) -> None:
        region = region or os.environ.get("AWS_REGION")  # which all other tools of AWS hear
        with translating("sts", "GetCallerIdentity"):
            self._session: Any = boto3.session.Session(profile_name=profile, region_name=region)
        self._timeout, self._attempts = (5.0, 2) if impatient else (READ_TIMEOUT, ATTEMPTS)
        self._lock = threading.Lock()
        self._services: dict[tuple[Any, ...], Service] = {}
        self._identity: Mapping[str, str] = {}

    @property
    def region(self) -> str:
        """The region. Raises CredentialsError where none is named."""
        region: str | None = self._session.region_name
        if not region:
            raise translated(NoRegionError(), "sts", "GetCallerIdentity")
        return region

    @property
    def credentials(self) -> Any:
        """What botocore found: `access_key`, and where in `method`; None for nothing. Raises AwsError."""
        with translating("sts", "GetCallerIdentity"):
            return self._session.get_credentials()

    @property
    def identity(self) -> Mapping[str, str]:
        """Who calls: `Account`, `Arn`, `UserId`; asked for once. Raises AwsError."""
        if not self._identity:
            self._identity = self.service("sts").call("GetCallerIdentity")
        return self._identity

    @property
    def account(self) -> str:
        """The number of the account. Raises AwsError."""
        return self.identity["Account"]

    @property
    def partition(self) -> str:
        """`aws`, or that of a part of AWS which is kept apart, such as `aws-cn`. Raises AwsError."""
        return self.identity["Arn"].split(":")[1]

    def partition_of(self, region: str) -> str:
        """Return the partition that a region belongs to, by its name. Raises AwsError."""
        with translating("sts", "GetCallerIdentity"):
            return str(self._session.get_partition_for_region(region))

    def service(
        self,
        name: str,
        region: str | None = None,
        *,
        read_timeout: float | None = None,
        attempts: int | None = None,
        **options: Any,
    ) -> Service:
        """Return a service by its name in boto3, one for each region and set of options, which are botocore's own.

        `read_timeout` is the seconds that an answer may take, `attempts` how often a call is made that fails for no
        reason of its own. Raises CredentialsError where no region is named.
        """
        region = region or self.region
        read_timeout, attempts = read_timeout or self._timeout, attempts or self._attempts
        key = (name, region, read_timeout, attempts, repr(options))
        config = Config(
            connect_timeout=CONNECT_TIMEOUT,
            read_timeout=read_timeout,
            retries={"mode": "adaptive", "total_max_attempts": attempts},
            user_agent_extra="upproxy",
            **options,
        )

        def connect() -> Any:
            return self._session.client(name, region_name=region, config=config)

        return self._services.setdefault(key, Service(connect, self._lock, name, region))
