"""What stands before a function: it invokes what a qualifier stands for at the moment, for those who may."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any
from urllib.parse import urlsplit

from upproxy.local.failure import Failure
from upproxy.local.invocation import FunctionError, Reply
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.functions import Functions
from upproxy.local.sandbox.invocations import Invocations
from upproxy.local.sandbox.policies import Policy, allows


class Target:
    """A function's version or alias, by its region, name and qualifier: a gateway's backend."""

    def __init__(self, functions: Functions, invocations: Invocations, region: str, name: str, qualifier: str) -> None:
        self.region = region
        self.name = name
        self.qualifier = qualifier
        self._functions = functions
        self._invocations = invocations

    async def invoke(
        self,
        event: bytes,
        *,
        timeout: float,  # noqa: ARG002, ASYNC109  # that of the version that it turns out to be
        request_id: str,
        trace_id: str,
        tenant_id: str,
    ) -> Reply:
        """Invoke what the qualifier stands for now."""
        try:
            invoked = self._functions.invoked(self.region, self.name, self.qualifier)
            return await self._invocations.reply(invoked, event, request_id, trace_id=trace_id, tenant_id=tenant_id)
        except ApiError as error:
            return FunctionError.of(error.code, str(error))
        except Failure as failure:
            return FunctionError.of("Runtime.ExitError", failure.message)

    def lets_in(self, service: str, source: str) -> bool:
        """Whether a service may invoke it on behalf of a resource, by the policy of the qualifier."""
        try:
            policy = self._functions.find(self.region, self.name).policies.get(self.qualifier, Policy())
        except ApiError:
            return False
        return any(
            allows(one, "lambda:InvokeFunction")
            and one["Principal"] == {"Service": service}
            and _holds(one.get("Condition") or {}, source)
            for one in policy.statements
        )


def _holds(conditions: Mapping[str, Mapping[str, str]], source: str) -> bool:
    """Whether the conditions of a statement are met; what is not known is not."""
    account = source.split(":")[4] if source.count(":") > 4 else ""
    known: dict[str, Any] = {"AWS:SourceArn": source, "AWS:SourceAccount": account}
    return all(
        key in known and (fnmatchcase(known[key], value) if operator == "ArnLike" else known[key] == value)
        for operator, pairs in conditions.items()
        for key, value in pairs.items()
    )


def is_foreign(host: str, origin: str | None, domains: frozenset[str] = frozenset()) -> bool:
    """Whether a request is for another name than that of this machine, or comes from a page that is not of it.

    Without that any page that a browser shows could have functions do things here, also by a name of its own that it
    lets resolve to the loopback address.
    """
    return not _is_near(f"http://{host}", domains) or (origin is not None and not _is_near(origin, domains))


def _is_near(address: str, domains: frozenset[str]) -> bool:
    try:
        name = urlsplit(address).hostname or ""
    except ValueError:
        return False
    if name == "localhost" or name.endswith(".localhost") or name in domains:
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
