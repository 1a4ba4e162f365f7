"""The sandbox, put together: one address that takes the calls of all services, and what answers them."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import socket
import tempfile
import uuid
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Self

from aiohttp import web
from multidict import CIMultiDict

from upproxy.local.clock import Clock
from upproxy.local.environment import runtime_folder
from upproxy.local.fleet import Scaling
from upproxy.local.sandbox import calls
from upproxy.local.sandbox.access import Caller, Denied, check
from upproxy.local.sandbox.apis import Apis
from upproxy.local.sandbox.calls import Call, Fault
from upproxy.local.sandbox.cloudformation.api import CloudFormation
from upproxy.local.sandbox.cloudformation.engine import Engine
from upproxy.local.sandbox.cloudformation.services import Services
from upproxy.local.sandbox.cloudwatch.api import CloudWatch
from upproxy.local.sandbox.cloudwatch.counting import Counting
from upproxy.local.sandbox.cloudwatch.ingestion import Ingestion
from upproxy.local.sandbox.cloudwatch.metrics import Metrics
from upproxy.local.sandbox.delays import Delays
from upproxy.local.sandbox.errors import Answer, ApiError, answer, internal
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.insights.api import Insights
from upproxy.local.sandbox.invocations import Invocations, Python
from upproxy.local.sandbox.lambda_api import LambdaApi
from upproxy.local.sandbox.live_tail import LiveTail
from upproxy.local.sandbox.logs import Logs
from upproxy.local.sandbox.moto import Moto
from upproxy.local.sandbox.notifications import SERVICES, Notifications
from upproxy.local.sandbox.schedules import Schedules
from upproxy.local.sandbox.urls import Urls
from upproxy.local.watchdog import Watchdog

_BODY = 128 * 1024 * 1024  # bytes of a call
_CALLS = 10_000  # that are remembered
_CODE = "/upproxy-code/"  # where zips are fetched from, for who has been told the address
_CODE_LIFE = 600  # seconds that such an address is good for


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to play.

    `port` 0 takes any, `scaling` is that of each version of a function; schedules go by a time that passes `speed`
    times as fast.
    """

    python: Python
    port: int = 0
    region: str = "us-east-1"
    delays: Delays = field(default_factory=Delays)
    scaling: Scaling = field(default_factory=lambda: Scaling(most=10, idle_timeout=300))
    speed: float = 1.0
    log: Callable[..., None] = lambda *_, **__: None
    console: Callable[[str, str], None] = lambda *_: None


class Sandbox:
    """A local AWS; an asynchronous context manager. `calls` are the last that came, `faults` what shall go wrong."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self.key = f"AKIA{secrets.token_hex(8).upper()}"
        self.calls: deque[Call] = deque(maxlen=_CALLS)
        self.faults: list[Fault] = []
        self._codes: dict[str, bytes] = {}
        self._roles: dict[str, datetime] = {}

    @property
    def address(self) -> str:
        """The address that takes all calls."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def environment(self) -> dict[str, str]:
        """What a program has to have in its environment to call it."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": self.key,
            "AWS_SECRET_ACCESS_KEY": "sandbox",
            "AWS_DEFAULT_REGION": self._options.region,
            "AWS_REGION": self._options.region,
        }

    def address_of(self, api: str) -> str | None:
        """Return the address of an HTTP API or REST API by its id; None for one that there is not."""
        return self._apis.address(api)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as ends:
            await self._start(ends)
            self._ends = ends.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._ends.aclose()

    async def _start(self, ends: AsyncExitStack) -> None:
        """Start everything, and say how it ends: the last first, and all of it, whatever goes wrong."""
        options = self._options
        self._moto = await asyncio.to_thread(Moto)
        ends.callback(self._moto.close)
        listener = ends.enter_context(socket.create_server(("127.0.0.1", options.port), backlog=256))
        self._port = listener.getsockname()[1]
        self._hosts = frozenset((f"127.0.0.1:{self._port}", f"localhost:{self._port}"))
        self._folder = tempfile.mkdtemp(prefix="upproxy-sandbox-")
        ends.callback(shutil.rmtree, self._folder, ignore_errors=True)
        watchdog = Watchdog(self._folder)
        ends.callback(watchdog.close)
        metrics = Metrics()
        counting = Counting(metrics)
        self._cloudwatch = CloudWatch(metrics)
        self._ingestion = Ingestion(metrics, counting, options.log)
        self._insights = Insights(self._moto.backend, options.delays)
        ends.push_async_callback(self._insights.close)
        logs = Logs(self._logs, self._ingestion, options.console)
        self._invocations = Invocations(
            logs,
            counting,
            folder=self._folder,
            watchdog=watchdog,
            python=options.python,
            runtime=runtime_folder(self._folder),
            environment=self.environment,
            scaling=options.scaling,
            log=options.log,
        )
        ends.push_async_callback(self._invocations.close)
        runner = web.ServerRunner(
            web.Server(self._handle, access_log=None, auto_decompress=False), shutdown_timeout=0.5
        )
        ends.push_async_callback(runner.cleanup)
        self.functions = self._invocations.functions = Functions(
            options.delays, known_role=self._known_role, fetch=self._fetch, changed=self._invocations.changed
        )
        urls = Urls(self.functions, self._invocations, counting, key=self.key, log=options.log)
        ends.push_async_callback(urls.close)
        self._lambda = LambdaApi(self.functions, self._invocations, url_of=urls.open, code_url=self._code_url)
        self._apis = Apis(
            self._moto.backend, self.functions, self._invocations, counting, key=self.key, log=options.log
        )
        ends.push_async_callback(self._apis.close)
        self._schedules = Schedules(
            self._moto.backend, self.functions, self._invocations, clock=Clock(options.speed), log=options.log
        )
        ends.push_async_callback(self._schedules.close)
        self._notifications = Notifications(
            self._moto.backend,
            self.functions,
            self._invocations,
            services=self._services,
            back=options.delays.alarm,
            log=options.log,
        )
        ends.push_async_callback(self._notifications.close)
        engine = Engine(self._services, self._apis.address)
        self._cloudformation = CloudFormation(engine, self._fetch)
        ends.push_async_callback(self._cloudformation.close)
        await runner.setup()
        await web.SockSite(runner, listener).start()

    def kill(self) -> None:
        """Kill everything that runs, for ways out that leave no time."""
        self._invocations.kill()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        request_id = str(uuid.uuid4())

        def refused(service: str, error: ApiError) -> Answer:
            return answer(service, error, request_id, request.headers.get("Content-Type", ""))

        if request.path.startswith(_CODE) and (code := self._codes.get(request.path.removeprefix(_CODE))) is not None:
            return web.Response(body=code, content_type="application/zip")
        host = request.host.rpartition(":")[0] or request.host
        if self._apis.is_domain(host):
            return await self._apis.serve_domain(request, host)
        try:
            caller = check(request.headers, request.query_string, self._hosts, self.key)
        except Denied as denied:
            claimed = Caller.of(request.headers, request.query_string)
            error = ApiError("AccessDeniedException", str(denied), 403)
            return _response(refused(claimed.service if claimed is not None else "", error), request_id)
        try:
            body = await _body(request)
        except ApiError as error:
            return _response(refused(caller.service, error), request_id)
        call = self._call(caller, request, body)
        self.calls.append(call)
        faults = [one for one in self.faults if one.hits(call)]
        if (early := await self._fail(request, [one for one in faults if not one.late])) is not None:
            return _response(refused(caller.service, early), request_id)
        try:
            if (call.service, call.operation) == ("logs", "StartLiveTail"):
                return await self._tail(caller.region, request, body)
            done = await self._answer(caller, request, body)
        except ApiError as error:
            done = refused(caller.service, error)
        except Exception as error:  # noqa: BLE001  # a fault of ours is an answer, too
            self._options.log("error", f"the sandbox failed in {call.service} {call.operation}: {error!r}")
            done = refused(caller.service, internal(repr(error)))
        if (late := await self._fail(request, [one for one in faults if one.late])) is not None:
            done = refused(caller.service, late)
        return _response(done, request_id)

    async def _tail(self, region: str, request: web.BaseRequest, body: bytes) -> web.StreamResponse:
        """Send a Live Tail for as long as somebody listens. Raises ApiError."""
        tail = LiveTail(self._logs, region, body, self._options.delays.live_tail)
        response = web.StreamResponse(headers={"Content-Type": "application/vnd.amazon.eventstream"})
        await response.prepare(request)
        with suppress(ConnectionResetError):
            async for message in tail.messages():
                await response.write(message)
        return response

    async def _fail(self, request: web.BaseRequest, faults: list[Fault]) -> ApiError | None:
        for fault in faults:
            if fault.act is not None:
                fault.act()
            if fault.drop and request.transport is not None:
                request.transport.abort()
                raise ConnectionResetError
            if fault.error is not None:
                return fault.error
        return None

    async def _answer(self, caller: Caller, request: web.BaseRequest, body: bytes) -> Answer:
        if caller.service == "cloudformation":
            return await self._cloudformation.call(caller.region, body)
        return await self._send(caller.service, caller.region, request.method, request.raw_path, request.headers, body)

    async def _send(
        self, service: str, region: str, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Have a service answer a request. Raises ApiError."""
        path, _, query = target.partition("?")
        if service == "lambda":
            if not self._moto.knows(region):
                raise ApiError("UnrecognizedClientException", f"there is no region {region}")
            return await self._lambda.call(region, method, path, query, headers, body)
        if service == "scheduler":
            self._schedules.check(method, path, body)
        fields = {name.lower(): value for name, value in headers.items()}
        operation = calls.operation(service, method, path, query, fields, body)
        content_type = fields.get("content-type", "")
        if service == "monitoring" and self._cloudwatch.knows(operation):
            return self._cloudwatch.call(region, operation, content_type, body)
        if service == "logs" and self._insights.knows(operation):
            return self._insights.call(region, operation, content_type, body)
        answer = await self._moto.call(method, target, headers, body)
        if service == "scheduler":
            self._schedules.seen(region)
        elif service in SERVICES:
            self._notifications.seen(service, region)
        if service == "logs" and operation == "PutLogEvents" and answer.status == HTTPStatus.OK:
            self._ingestion.seen(region, body)
        return await self._apis.seen(region, method, path, answer) if service == "apigateway" else answer

    def _services(self, region: str) -> Services:
        return Services(self._sent, region)

    async def _sent(
        self, service: str, region: str, method: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        """Have a service answer another one of AWS. Raises ApiError."""
        scope = f"{self.key}/{datetime.now(UTC):%Y%m%d}/{region}/{service}/aws4_request"
        signed = CIMultiDict(headers)
        signed["Authorization"] = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=0"
        return await self._send(service, region, method, target, signed, body)

    def _call(self, caller: Caller, request: web.BaseRequest, body: bytes) -> Call:
        headers = {name.lower(): value for name, value in request.headers.items()}
        path, query = request.path, request.query_string
        if caller.service == "lambda":
            name = self._lambda.operation(request.method, path)
        else:
            name = calls.operation(caller.service, request.method, path, query, headers, body)
        return Call(caller.service, name, caller.region)

    def _logs(self, region: str) -> Any:
        """Return moto's state of CloudWatch Logs in a region."""
        return self._moto.backend("logs", region)

    # --- what Lambda needs of other services

    def _known_role(self, arn: str) -> bool:
        """Whether Lambda can assume a role by now."""
        name = arn.rpartition("/")[2]
        try:
            role = self._moto.backend("iam", "aws").get_role(name)
        except Exception:  # noqa: BLE001  # moto's error for a role that is not there
            return False
        if "lambda.amazonaws.com" not in str(role.assume_role_policy_document):
            return False
        age = (datetime.now(UTC) - role.create_date.replace(tzinfo=UTC)).total_seconds()
        return bool(age >= self._options.delays.role)

    def _fetch(self, bucket: str, key: str, version: str | None) -> bytes:
        """Return an object of S3 for Lambda. Raises ApiError."""
        from moto.s3.exceptions import MissingBucket

        try:
            found, code = self._moto.backend("s3", "aws").get_object(bucket, key, version), "NoSuchKey"
        except MissingBucket:
            found, code = None, "NoSuchBucket"
        if found is None:
            message = f"Error occurred while GetObject. S3 Error Code: {code}. S3 Error Message: it does not exist."
            raise ApiError("InvalidParameterValueException", message)
        content: bytes = found.value
        return content

    def _code_url(self, code: bytes) -> str:
        """Return an address that nobody can guess and that is good for a while, as a presigned one is."""
        name = secrets.token_urlsafe(24)
        self._codes[name] = code
        asyncio.get_running_loop().call_later(_CODE_LIFE, self._codes.pop, name, None)
        return f"{self.address}{_CODE}{name}"


async def _body(request: web.BaseRequest) -> bytes:
    """Return the body of a call. Raises ApiError for one that is too large to be kept here."""
    pieces, size = [], 0
    async for piece in request.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > _BODY:
            raise ApiError("EntityTooLarge", f"the sandbox takes {_BODY} bytes in a call", 413)
    return b"".join(pieces)


def _response(done: Answer, request_id: str) -> web.Response:
    """Answer with what was done, and with the id of the request where a service has given none."""
    fields = CIMultiDict((name, value) for name, value in done.headers if name.lower() != "content-length")
    fields.setdefault("x-amzn-RequestId", request_id)
    return web.Response(status=done.status, body=done.body, headers=fields)
