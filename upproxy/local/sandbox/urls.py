"""Function URLs at addresses of this machine: a port each, with the gateway that `start` has, too."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from upproxy.local.gateway import Gateway
from upproxy.local.sandbox.access import Caller, is_key
from upproxy.local.sandbox.cloudwatch.counting import URL, Counting, url_sets
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.invocations import Invocations
from upproxy.local.sandbox.policies import Policy, allows
from upproxy.local.sandbox.targets import Target, is_foreign
from upproxy.local.sources import SOURCES, HttpReply

_FORBIDDEN = json.dumps({"Message": "Forbidden"}).encode()
_GRANTS = {
    "lambda:InvokeFunctionUrl": ("StringEquals", "lambda:FunctionUrlAuthType", "NONE"),
    "lambda:InvokeFunction": ("Bool", "lambda:InvokedViaFunctionUrl", "true"),
}
"""What a public URL needs: both, since October 2025."""


class Url(Gateway):
    """The URL of a function or alias, on a port of its own."""

    def __init__(
        self,
        functions: Functions,
        invocations: Invocations,
        counting: Counting,
        where: tuple[str, str, str],
        *,
        key: str,
        log: Callable[..., None],
    ) -> None:
        """Take the region, the function's name and the qualifier, and the access key of those whom IAM lets in."""
        target = Target(functions, invocations, *where)
        super().__init__(target, SOURCES["function_url"], streaming=True, timeout=0, log=log)
        self._functions = functions
        self._counting = counting
        self._where = where
        self._key = key

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if is_foreign(request.host, request.headers.get("Origin")):
            return await self._send(request, self._forbidden())
        region, *function = self._where
        with self._counting.request(region, URL, url_sets(*function)) as counted:
            response = await self._answer(request)
            counted.status = response.status
            return response

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        region, name, qualifier = self._where
        try:
            function = self._functions.find(region, name)
            settings = function.urls[qualifier]
            self._functions.resolve(*self._where)
        except (ApiError, KeyError):
            return await self._send(request, self._forbidden())
        policy = function.policies.get(qualifier, Policy())
        if not (self._is_signed(request) if settings["AuthType"] == "AWS_IAM" else _is_public(policy)):
            return await self._send(request, self._forbidden())
        self._streaming = settings["InvokeMode"] == "RESPONSE_STREAM"
        return await super()._handle(request)

    def _is_signed(self, request: web.BaseRequest) -> bool:
        return is_key(Caller.of(request.headers, request.query_string), self._key, "lambda")

    def _forbidden(self) -> HttpReply:
        headers = [(b"content-type", b"application/json"), (b"x-amzn-errortype", b"AccessDeniedException")]
        return HttpReply(403, headers, _FORBIDDEN)


class Urls:
    """All Function URLs that there have been.

    An address is kept for as long as the sandbox lives: one that is made again for the same qualifier is the same. In
    between it answers 403.
    """

    def __init__(
        self,
        functions: Functions,
        invocations: Invocations,
        counting: Counting,
        *,
        key: str,
        log: Callable[..., None],
    ) -> None:
        self._functions = functions
        self._invocations = invocations
        self._counting = counting
        self._key = key
        self._log = log
        self._open: dict[tuple[str, str, str], tuple[Url, str]] = {}

    async def open(self, region: str, name: str, qualifier: str) -> str:
        """Serve a URL and return its address."""
        where = (region, name, qualifier)
        if where not in self._open:
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            url = Url(self._functions, self._invocations, self._counting, where, key=self._key, log=self._log)
            self._open[where] = url, f"http://127.0.0.1:{listener.getsockname()[1]}/"
            await url.start(listener)
        return self._open[where][1]

    async def close(self) -> None:
        """Stop serving."""
        for url, _ in self._open.values():
            await url.close()


def _is_public(policy: Policy) -> bool:
    """Whether a policy lets everybody call a URL that asks nobody who they are."""

    def grants(statement: Mapping[str, Any], action: str) -> bool:
        operator, key, value = _GRANTS[action]
        conditions = statement.get("Condition") or {}
        return (
            statement["Principal"] in ("*", {"AWS": "*"})
            and allows(statement, action)
            and conditions in ({}, {operator: {key: value}})
        )

    return all(any(grants(statement, action) for statement in policy.statements) for action in _GRANTS)
