"""HTTP APIs and REST APIs at addresses of this machine: a port each, with the events and replies of their kind.

What they are made of stays with moto and is looked up for each request, so that it does not matter who made it. A REST
API serves what it is, not what it was at its last deployment.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from aiohttp import web

from upproxy.local.environment import ACCOUNT
from upproxy.local.gateway import Gateway
from upproxy.local.invocation import Reply
from upproxy.local.sandbox.access import Caller, is_key
from upproxy.local.sandbox.cloudwatch.counting import HTTP_API, REST_API, Counting, Dimensions
from upproxy.local.sandbox.errors import Answer
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.invocations import Invocations
from upproxy.local.sandbox.targets import Target, is_foreign
from upproxy.local.sources import HttpRequest, Source
from upproxy.local.sources.http_api import HttpApi, HttpApiVersion1
from upproxy.local.sources.rest_api import RestApi

Document = dict[str, Any]
Backend = Callable[[str, str], Any]
"""Returns moto's state of a service in a region."""

DEFAULT = "$default"
_LAMBDA = re.compile(
    r"(?:arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/[0-9-]+/functions/)?"
    r"arn:aws[a-z-]*:lambda:(?P<region>[a-z0-9-]+):\d{12}:function:(?P<name>[^:/]+)(?::(?P<qualifier>[^:/]+))?"
    r"(?:/(?P<way>invocations|response-streaming-invocations))?"
)
_APIS = re.compile(r"/(?:v2/apis|restapis)(?:/([a-z0-9]+))?")


@dataclass(frozen=True)
class Route:
    """Where a request goes: to an integration, by a source of events whose stage is this.

    `prefix` is the part of the path that the function does not see, `source_arn` what the function's policy has to
    allow, `signed` says that the caller has to have signed.
    """

    integration: str
    source: str
    stage: str
    prefix: str
    base: str
    source_arn: str
    signed: bool


class _Integration:
    """A function behind a gateway, whose time is counted."""

    def __init__(self, target: Target, region: str, sets: Sequence[Dimensions], counting: Counting) -> None:
        self._target = target
        self._region = region
        self._sets = sets
        self._counting = counting

    async def invoke(
        self,
        event: bytes,
        *,
        timeout: float,  # noqa: ASYNC109
        request_id: str,
        trace_id: str,
        tenant_id: str,
    ) -> Reply:
        """Invoke the target."""
        with self._counting.integration(self._region, self._sets):
            return await self._target.invoke(
                event, timeout=timeout, request_id=request_id, trace_id=trace_id, tenant_id=tenant_id
            )


class _Passage(Gateway):
    """One route, with the source of events that it makes."""

    def __init__(
        self, route: Route, api: str, domain: str, integration: _Integration, log: Callable[..., None]
    ) -> None:
        streams = route.integration.endswith("/response-streaming-invocations")
        super().__init__(integration, _source(route, api, domain), streaming=streams, timeout=0, log=log)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request."""
        return await self._handle(request)


class _Within(Source):
    """A source that does not see a part of the path."""

    def __init__(self, inner: Source, prefix: str) -> None:
        self._prefix = prefix
        self._inner = inner
        for name in ("name", "streams", "max_request", "max_reply", "timeout", "tenants", "default_type", "refusals",
                     "refusal_pattern", "refusal_type"):  # fmt: skip
            setattr(self, name, getattr(inner, name))
        self.reply = inner.reply  # type: ignore[method-assign]
        self.head = inner.head  # type: ignore[method-assign]

    def event(self, request: HttpRequest, *, request_id: str, epoch_ms: int) -> dict[str, Any]:
        """Build the event of the rest of the path."""
        rest = request.target.removeprefix(self._prefix)
        within = replace(request, target=rest if rest.startswith("/") else f"/{rest}")
        return self._inner.event(within, request_id=request_id, epoch_ms=epoch_ms)


class Api:
    """An API by its region and id, with its address. `kind` is `apis` or `restapis`."""

    def __init__(self, apis: Apis, region: str, kind: str, identifier: str) -> None:
        self.region = region
        self.kind = kind
        self.identifier = identifier
        self.address = ""
        self._apis = apis
        self._runner: web.ServerRunner | None = None

    async def start(self) -> None:
        """Serve on a port of its own."""
        listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        server = web.Server(
            lambda request: self._apis.serve(request, self), handler_cancellation=True, access_log=None,
            auto_decompress=False, max_line_size=65_536, max_field_size=65_536,
        )  # fmt: skip
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    async def close(self) -> None:
        """Stop serving."""
        if self._runner is not None:
            await self._runner.cleanup()


class Apis:
    """All APIs. `key` is the access key of those whom IAM lets in."""

    def __init__(
        self,
        backend: Backend,
        functions: Functions,
        invocations: Invocations,
        counting: Counting,
        *,
        key: str,
        log: Callable[..., None],
    ) -> None:
        self._backend = backend
        self._functions = functions
        self._invocations = invocations
        self._counting = counting
        self._key = key
        self._log = log
        self._apis: dict[str, Api] = {}
        self._passages: dict[tuple[str, str, Route], _Passage] = {}

    def address(self, identifier: str) -> str | None:
        """Return the address of an API; None for one that is not served."""
        api = self._apis.get(identifier)
        return api.address if api is not None else None

    async def seen(self, region: str, method: str, path: str, answer: Answer) -> Answer:
        """Look at what moto answered: serve new APIs, stop with deleted ones, tell local addresses."""
        match = _APIS.fullmatch(path.rstrip("/"))
        if match is None or answer.status >= 300:
            return answer
        kind = "restapis" if path.startswith("/restapis") else "apis"
        if method == "DELETE":
            if (api := self._apis.pop(match[1] or "", None)) is not None:
                await api.close()
            return answer
        document = json.loads(answer.body)
        found = document.get("items") or document.get("item") if match[1] is None and method == "GET" else [document]
        for one in found or []:
            identifier = one.get("apiId") or one.get("id")
            if identifier not in self._apis:
                api = self._apis[identifier] = Api(self, region, kind, identifier)
                await api.start()
                self._log("info", f"the API {identifier} is served at {api.address}")
            if "apiEndpoint" in one:
                one["apiEndpoint"] = self._apis[identifier].address
        return Answer(answer.status, answer.headers, json.dumps(document).encode())

    async def serve(self, request: web.BaseRequest, api: Api) -> web.StreamResponse:
        """Answer a request to the address of an API."""
        if is_foreign(request.host, request.headers.get("Origin")):
            return _refusal(403, "requests of other origins and for other names are refused")
        state = self._state(api)
        if state is None:
            return _refusal(404, "Not Found")
        path = request.raw_path.partition("?")[0]
        find = _http_route if api.kind == "apis" else _rest_route
        return await self._pass(request, api, find(api, state, request.method, path, ""))

    def is_domain(self, host: str) -> bool:
        """Whether there is a custom domain of that name."""
        return any(host in self._domains(region) for region in {api.region for api in self._apis.values()})

    async def serve_domain(self, request: web.BaseRequest, host: str) -> web.StreamResponse:
        """Answer a request to a custom domain: the longest mapping that its path begins with leads to an API."""
        path = request.raw_path.partition("?")[0]
        if is_foreign(request.host, request.headers.get("Origin"), frozenset((host,))):
            return _refusal(403, "requests of other origins are refused")
        for region in {api.region for api in self._apis.values()}:
            mappings = [one for one in self._backend("apigatewayv2", region).api_mappings.values()
                        if one.domain_name == host]  # fmt: skip
            for one in sorted(mappings, key=lambda one: -len(one.api_mapping_key)):
                base = f"/{one.api_mapping_key}" if one.api_mapping_key else ""
                api = self._apis.get(one.api_id)
                if api is not None and (path == base or path.startswith(f"{base}/")):
                    state = self._state(api)
                    if state is None:
                        break
                    find = _http_route if api.kind == "apis" else _rest_route
                    return await self._pass(request, api, find(api, state, request.method, path, base, one.stage))
        return _refusal(404, "Not Found")

    async def _pass(self, request: web.BaseRequest, api: Api, route: Route | None) -> web.StreamResponse:
        if route is None:
            return _refusal(404 if api.kind == "apis" else 403, "Not Found" if api.kind == "apis" else
                            "Missing Authentication Token")  # fmt: skip
        sets = self._sets(api, route.stage)
        with self._counting.request(api.region, HTTP_API if api.kind == "apis" else REST_API, sets) as counted:
            response = await self._answer(request, api, route, sets)
            counted.status = response.status
            return response

    async def _answer(
        self, request: web.BaseRequest, api: Api, route: Route, sets: Sequence[Dimensions]
    ) -> web.StreamResponse:
        match = _LAMBDA.fullmatch(route.integration)
        if match is None:
            self._log("error", f"the sandbox serves integrations with Lambda alone, and not {route.integration}")
            return _refusal(500, "Internal Server Error")
        if route.signed and not is_key(Caller.of(request.headers, request.query_string), self._key, "execute-api"):
            return _refusal(403, "Forbidden" if api.kind == "apis" else "Missing Authentication Token")
        target = Target(self._functions, self._invocations, match["region"], match["name"], match["qualifier"] or "")
        if not target.lets_in("apigateway.amazonaws.com", route.source_arn):
            self._log("error", f"the policy of {match['name']} does not let {route.source_arn} in")
            return _refusal(500, "Internal Server Error")
        key = (api.identifier, request.host, route)
        if key not in self._passages:
            integration = _Integration(target, api.region, sets, self._counting)
            self._passages[key] = _Passage(route, api.identifier, request.host, integration, self._log)
        return await self._passages[key].handle(request)

    async def close(self) -> None:
        """Stop serving."""
        for api in self._apis.values():
            await api.close()

    def _state(self, api: Api) -> Any:
        service = "apigatewayv2" if api.kind == "apis" else "apigateway"
        return self._backend(service, api.region).apis.get(api.identifier)

    def _sets(self, api: Api, stage: str) -> Sequence[Dimensions]:
        """Return the dimensions that a request to a stage counts for; a REST API goes by what is ASCII of its name."""
        if api.kind == "apis":
            dimension = {"ApiId": api.identifier}
        else:
            name = str(self._state(api).name).encode("ascii", "ignore").decode()
            dimension = {"ApiName": name or api.identifier}
        return dimension, {**dimension, "Stage": stage}

    def _domains(self, region: str) -> set[str]:
        return {*self._backend("apigatewayv2", region).domain_names, *self._backend("apigateway", region).domain_names}


def _http_route(api: Api, state: Any, method: str, path: str, base: str, named: str = "") -> Route | None:
    """Find the route of an HTTP API: the exact one before one with variables, that before `$default`."""
    first = path.removeprefix(base).split("/")[1] if path.removeprefix(base).startswith("/") else ""
    stage = named or (first if first in state.stages else DEFAULT)
    if stage not in state.stages:
        return None
    prefix = base + (f"/{stage}" if stage != DEFAULT and not named else "")
    rest = path.removeprefix(prefix) or "/"
    keys = {one.route_key: one for one in state.routes.values()}
    key = _best_key(keys, method, rest)
    if key is None or keys[key].target is None:
        return None
    integration = state.integrations.get(keys[key].target.removeprefix("integrations/"))
    if integration is None:
        return None
    version = integration.payload_format_version or "1.0"
    way = key if key == DEFAULT else f"{key.split(' ')[0].replace('ANY', '*')}{key.split(' ')[1]}"
    return Route(
        integration.integration_uri, "http_api" if version == "2.0" else "http_api_v1", stage, prefix, "",
        f"arn:aws:execute-api:{api.region}:{ACCOUNT}:{api.identifier}/{stage}/{way}",
        keys[key].authorization_type == "AWS_IAM",
    )  # fmt: skip


def _best_key(keys: Iterable[str], method: str, path: str) -> str | None:
    found: list[tuple[int, int, str]] = []
    for key in keys:
        if key == DEFAULT:
            found.append((0, 0, key))
            continue
        verb, _, pattern = key.partition(" ")
        if verb in ("ANY", method) and _fits(pattern, path):
            found.append((len(pattern.split("/")) * 2 - pattern.count("{") - 100 * pattern.count("+}") + 1_000,
                          verb != "ANY", key))  # fmt: skip
    return max(found)[2] if found else None


def _rest_route(api: Api, state: Any, method: str, path: str, base: str, named: str = "") -> Route | None:
    """Find the method of a REST API, whose public address has the stage."""
    stage = named or path.split("/")[1]
    if stage not in state.stages:
        return None
    prefix = base if named else f"/{stage}"
    rest = path.removeprefix(prefix) or "/"
    fitting = [one for one in state.resources.values() if _fits(one.get_path(), rest)]
    for resource in sorted(fitting, key=lambda one: (one.get_path().count("{"), -len(one.get_path()))):
        for verb in (method, "ANY"):
            found = resource.resource_methods.get(verb)
            if found is not None and found.method_integration is not None:
                return Route(
                    found.method_integration.uri, "rest_api", stage, prefix, base if named else "",
                    f"arn:aws:execute-api:{api.region}:{ACCOUNT}:{api.identifier}/{stage}/"
                    f"{'*' if verb == 'ANY' else verb}{resource.get_path()}",
                    found.authorization_type == "AWS_IAM",
                )  # fmt: skip
    return None


def _fits(pattern: str, path: str) -> bool:
    """Whether a path is one of those that a pattern such as `/{proxy+}` or `/items/{id}` means."""
    words = [
        ".+" if word.endswith("+}") else "[^/]+" if word.startswith("{") else re.escape(word)
        for word in pattern.strip("/").split("/")
    ]
    return re.fullmatch("/".join(words), path.strip("/")) is not None


def _source(route: Route, api: str, domain: str) -> Source:
    if route.source == "rest_api":
        rest = RestApi(route.stage, route.base, default_domain=not route.base)
        rest.api_id, rest.domain = api, domain
        return _Within(rest, route.prefix)
    made: HttpApi | HttpApiVersion1 = (
        HttpApi(route.stage) if route.source == "http_api" else HttpApiVersion1(route.stage)
    )
    made.api_id, made.domain = api, domain
    return _Within(made, route.prefix)


def _refusal(status: int, message: str) -> web.Response:
    return web.json_response({"message": message}, status=status)
