"""Resources of Lambda: functions and who may invoke them."""

from __future__ import annotations

import asyncio
import base64
import io
import uuid
import zipfile
from time import monotonic

from upproxy.local.sandbox.cloudformation.kinds import Kind, Made, Replaced, mapped
from upproxy.local.sandbox.cloudformation.services import Document, Services, part
from upproxy.local.sandbox.errors import ApiError

_ROLE_WAIT = 30.0  # seconds that a role is waited for, which has only just been made
_LOOK = 0.1  # seconds between looks
_FUNCTIONS = "/2015-03-31/functions"


class Function:
    """A function, whose code may stand in the template."""

    fixed: frozenset[str] | None = frozenset(("FunctionName", "PackageType"))

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one and wait until it can be invoked."""
        wanted = {**properties, "FunctionName": properties.get("FunctionName") or name[:64]}
        wanted["Code"] = _code(properties)
        wanted["Tags"] = mapped(properties.get("Tags") or [])
        reserved = wanted.pop("ReservedConcurrentExecutions", None)
        made = await _with_role(services, "POST", _FUNCTIONS, wanted)
        name = made["FunctionName"]
        await _settled(services, name)
        if reserved is not None:
            await self._reserve(services, name, reserved)
        return Made(name, {"Arn": made["FunctionArn"]})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:
        """Change its configuration and code."""
        path = f"{_FUNCTIONS}/{part(made.physical_id)}"
        left_out = ("FunctionName", "Code", "Tags", "ReservedConcurrentExecutions", "Architectures", "PackageType")
        await _with_role(
            services, "PUT", f"{path}/configuration", {key: one for key, one in after.items() if key not in left_out}
        )
        await _settled(services, made.physical_id)
        if before.get("Code") != after.get("Code"):
            await services.rest("lambda", "PUT", f"{path}/code", _code(after))
            await _settled(services, made.physical_id)
        reserved = after.get("ReservedConcurrentExecutions")
        if before.get("ReservedConcurrentExecutions") != reserved:
            await self._reserve(services, made.physical_id, reserved)
        if tags := mapped(after.get("Tags") or []):
            await services.rest("lambda", "POST", f"/2017-03-31/tags/{part(made.attributes['Arn'])}", {"Tags": tags})
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:  # noqa: ARG002
        """Delete one."""
        await services.rest("lambda", "DELETE", f"{_FUNCTIONS}/{part(made.physical_id)}")

    async def _reserve(self, services: Services, name: str, count: int | None) -> None:
        path = f"/2017-10-31/functions/{part(name)}/concurrency"
        if count is None:
            await services.rest("lambda", "DELETE", path)
        else:
            await services.rest("lambda", "PUT", path, {"ReservedConcurrentExecutions": count})


class Permission(Replaced):
    """A statement in the policy of a function, version or alias."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Add it."""
        statement = f"{name[:80]}-{uuid.uuid4().hex[:8]}"
        wanted = {key: one for key, one in properties.items() if key != "FunctionName"}
        path = f"{_FUNCTIONS}/{part(properties['FunctionName'])}/policy"
        await services.rest("lambda", "POST", path, {**wanted, "StatementId": statement})
        return Made(statement, {"Id": statement})

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Take it away."""
        path = f"{_FUNCTIONS}/{part(properties['FunctionName'])}/policy/{part(made.physical_id)}"
        await services.rest("lambda", "DELETE", path)


async def _with_role(services: Services, method: str, path: str, wanted: Document) -> Document:
    """Call, and wait for a role that Lambda does not know yet, as CloudFormation does. Raises ApiError."""
    until = monotonic() + _ROLE_WAIT
    while True:
        try:
            return await services.rest("lambda", method, path, wanted)
        except ApiError as error:
            if "cannot be assumed" not in str(error) or monotonic() > until:
                raise
        await asyncio.sleep(_LOOK)


async def _settled(services: Services, name: str) -> None:
    """Wait until nothing is in the making."""
    while True:
        found = await services.rest("lambda", "GET", f"{_FUNCTIONS}/{part(name)}/configuration")
        if found.get("State") != "Pending" and found.get("LastUpdateStatus") != "InProgress":
            return
        await asyncio.sleep(_LOOK)


def _code(properties: Document) -> Document:
    """Return the code as the API takes it: text in the template becomes a zip with one file."""
    code = dict(properties["Code"])
    if "ZipFile" in code:
        packed = io.BytesIO()
        ending = "js" if str(properties.get("Runtime", "")).startswith("nodejs") else "py"
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(zipfile.ZipInfo(f"index.{ending}"), code["ZipFile"])
        code["ZipFile"] = base64.b64encode(packed.getvalue()).decode()
    return code


KINDS: dict[str, Kind] = {"AWS::Lambda::Function": Function(), "AWS::Lambda::Permission": Permission()}
