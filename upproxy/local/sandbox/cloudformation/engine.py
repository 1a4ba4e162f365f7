"""Makes stacks what they shall be, and what they were when that fails."""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Callable
from typing import Any

from upproxy.local.sandbox.cloudformation import functions, gateways, others
from upproxy.local.sandbox.cloudformation.kinds import Kind
from upproxy.local.sandbox.cloudformation.services import Services
from upproxy.local.sandbox.cloudformation.stacks import DELETED, Resource, Stack, Wanted, now
from upproxy.local.sandbox.cloudformation.template import Document, ordered, pseudo, resolved
from upproxy.local.sandbox.errors import ApiError

KINDS: dict[str, Kind] = {**gateways.KINDS, **functions.KINDS, **others.KINDS}

_API_ADDRESS = re.compile(r"https://([a-z0-9]+)\.execute-api\.[a-z0-9-]+\.amazonaws\.com(?=/|$)")
_ABSENT = re.compile("NotFound|NoSuch")
_LETTERS = string.ascii_uppercase + string.digits

Undo = tuple[str, Resource, Resource | None]
"""What to undo: `made` or `changed`, the resource, and what it was before."""


class Engine:
    """Works on the stacks of all regions. `services` gives those of a region, `address` that of an API by its id."""

    def __init__(self, services: Callable[[str], Services], address: Callable[[str], str | None]) -> None:
        self._services = services
        self._address = address

    async def create(self, stack: Stack, wanted: Wanted) -> None:
        """Create a stack; what was made is deleted again when something fails."""
        stack.move("CREATE_IN_PROGRESS", "User Initiated")
        stack.was = wanted
        try:
            await self._make(stack, wanted, [])
            self._tell(stack, wanted)
        except Exception as error:  # noqa: BLE001  # a mistake of ours must not leave it in the making
            stack.move("ROLLBACK_IN_PROGRESS", f"The following resource(s) failed to create. {_reason(error)}")
            stack.move("ROLLBACK_COMPLETE" if await self._clear(stack) else "ROLLBACK_FAILED")
        else:
            stack.move("CREATE_COMPLETE")

    async def update(self, stack: Stack, wanted: Wanted) -> None:
        """Update a stack; all is as it was before when something fails."""
        stack.move("UPDATE_IN_PROGRESS", "User Initiated")
        stack.updated = now()
        before = dict(stack.resources)
        undo: list[Undo] = []
        try:
            left = await self._make(stack, wanted, undo)
            self._tell(stack, wanted)
        except Exception as error:  # noqa: BLE001  # as above
            stack.move("UPDATE_ROLLBACK_IN_PROGRESS", f"The following resource(s) failed to update. {_reason(error)}")
            stack.resources = before
            stack.move("UPDATE_ROLLBACK_COMPLETE" if await self._undo(stack, undo) else "UPDATE_ROLLBACK_FAILED")
            return
        stack.was = wanted
        stack.move("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        for resource in reversed(left):
            await self._remove(stack, resource)
        stack.move("UPDATE_COMPLETE")

    async def delete(self, stack: Stack) -> None:
        """Delete a stack with all that it has, the last first."""
        stack.move("DELETE_IN_PROGRESS", "User Initiated")
        if await self._clear(stack):
            stack.deleted = now()
            stack.move(DELETED)
        else:
            failed = [one.logical_id for one in stack.resources.values() if one.status == "DELETE_FAILED"]
            stack.move("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}].")

    # --- parts

    async def _make(self, stack: Stack, wanted: Wanted, undo: list[Undo]) -> list[Resource]:
        """Make what is missing and change what is different. Returns what is left over. Raises ApiError."""
        old = dict(stack.resources)
        stack.resources = {}
        left: list[Resource] = []
        try:
            for name in ordered(wanted.resources):
                found = wanted.resources[name]
                properties = resolved(found.get("Properties") or {}, self._finder(stack, wanted))
                retained = found.get("DeletionPolicy") == "Retain"
                resource = Resource(name, found["Type"], properties, retained=retained)
                before = old.pop(name, None)
                if before is not None and not _is_replaced(before, resource):
                    stack.resources[name] = resource
                    resource.made, resource.status = before.made, before.status
                    if before.properties != properties:
                        undo.append(("changed", resource, before))
                        await self._change(stack, resource, before)
                    continue
                if before is not None:
                    left.append(before)
                stack.resources[name] = resource
                undo.append(("made", resource, before))
                await self._create(stack, resource)
        finally:
            left[:0] = old.values()
        return left

    async def _create(self, stack: Stack, resource: Resource) -> None:
        stack.mark(resource, "CREATE_IN_PROGRESS")
        name = f"{stack.name}-{resource.logical_id}-{''.join(secrets.choice(_LETTERS) for _ in range(12))}"
        try:
            resource.made = await self._kind(resource).create(self._services(stack.region), resource.properties, name)
        except Exception as error:  # noqa: BLE001  # as above
            raise self._failed(stack, resource, "CREATE_FAILED", error) from None
        stack.mark(resource, "CREATE_COMPLETE")

    async def _change(self, stack: Stack, resource: Resource, before: Resource) -> None:
        """Change a resource that has been made as `before` says. Raises ApiError."""
        assert resource.made is not None  # noqa: S101
        stack.mark(resource, "UPDATE_IN_PROGRESS")
        try:
            resource.made = await self._kind(resource).change(
                self._services(stack.region), resource.made, before.properties, resource.properties
            )
        except Exception as error:  # noqa: BLE001  # as above
            raise self._failed(stack, resource, "UPDATE_FAILED", error) from None
        stack.mark(resource, "UPDATE_COMPLETE")

    async def _remove(self, stack: Stack, resource: Resource) -> bool:
        """Delete a resource, whose own absence is no failure."""
        if resource.made is None or resource.status == DELETED:
            return True
        if resource.retained:
            stack.mark(resource, "DELETE_SKIPPED")
            return True
        stack.mark(resource, "DELETE_IN_PROGRESS")
        try:
            await self._kind(resource).delete(self._services(stack.region), resource.made, resource.properties)
        except Exception as error:  # noqa: BLE001  # as above
            if not (isinstance(error, ApiError) and (error.status == 404 or _ABSENT.search(error.code))):
                self._failed(stack, resource, "DELETE_FAILED", error)
                return False
        stack.mark(resource, DELETED)
        return True

    async def _clear(self, stack: Stack) -> bool:
        """Delete all resources, each before what it needs. Returns whether that worked."""
        for resource in reversed(stack.resources.values()):
            if not await self._remove(stack, resource):
                return False
        return True

    async def _undo(self, stack: Stack, undo: list[Undo]) -> bool:
        """Make all as it was, the last first. Returns whether that worked."""
        for what, resource, before in reversed(undo):
            if what == "made":
                await self._remove(stack, resource)
            elif before is not None and resource.made is not None:
                try:
                    await self._change(stack, before, resource)
                except ApiError:
                    return False
        return True

    def _tell(self, stack: Stack, wanted: Wanted) -> None:
        """Work out the outputs; the address of an API that is served here is its local one."""
        outputs = resolved(wanted.template.get("Outputs") or {}, self._finder(stack, wanted))
        for one in outputs.values():
            if isinstance(one.get("Value"), str):
                one["Value"] = _API_ADDRESS.sub(self._local, one["Value"])
        stack.outputs = outputs

    def _local(self, match: re.Match[str]) -> str:
        return (self._address(match[1]) or match[0]).rstrip("/")

    def _finder(self, stack: Stack, wanted: Wanted) -> Callable[[str, str], Any]:
        defaults = {name: one.get("Default") for name, one in (wanted.template.get("Parameters") or {}).items()}

        def find(name: str, attribute: str) -> Any:
            if name.startswith("AWS::"):
                return pseudo(name, region=stack.region, stack_name=stack.name, stack_id=stack.identifier)
            if name in defaults:
                return wanted.parameters.get(name, defaults[name])
            made = stack.resources[name].made
            assert made is not None  # noqa: S101  # it was made before what refers to it
            if not attribute:
                return made.physical_id
            if attribute not in made.attributes:
                raise ApiError(
                    "ValidationError", f"Requested attribute {attribute} does not exist in schema for {name}"
                )
            return made.attributes[attribute]

        return find

    def _kind(self, resource: Resource) -> Kind:
        return KINDS[resource.kind]

    def _failed(self, stack: Stack, resource: Resource, status: str, error: Exception) -> ApiError:
        """Mark a resource that could not be worked on, and return what to tell of it."""
        stack.mark(resource, status, _reason(error))
        return ApiError("ValidationError", f"[{resource.logical_id}]")


def _reason(error: Exception) -> str:
    """Return why something failed; what nobody has thought of is named as it is."""
    if isinstance(error, ApiError):
        return f"{error.code}: {error}"
    return f"the property {error} is missing" if isinstance(error, KeyError) else f"InternalFailure: {error!r}"


def _is_replaced(before: Resource, after: Resource) -> bool:
    fixed = KINDS[after.kind].fixed
    changed = {
        name
        for name in {*before.properties, *after.properties}
        if before.properties.get(name) != after.properties.get(name)
    }
    return bool(changed if fixed is None else changed & fixed)


def check(template: Document, capabilities: list[str]) -> None:
    """Raise ApiError for types that are not known, and for IAM's where the call does not say that it may."""
    kinds = {one["Type"] for one in template["Resources"].values()}
    if unknown := sorted(kinds - KINDS.keys()):
        raise ApiError("ValidationError", f"Template format error: Unrecognized resource types: [{', '.join(unknown)}]")
    iam = [one for one in template["Resources"].values() if one["Type"].startswith("AWS::IAM::")]
    named = any("RoleName" in one.get("Properties", {}) for one in iam)
    needed = "CAPABILITY_NAMED_IAM" if named else "CAPABILITY_IAM"
    if iam and not {needed, "CAPABILITY_NAMED_IAM"} & {*capabilities}:
        raise ApiError("InsufficientCapabilitiesException", f"Requires capabilities : [{needed}]")
    ordered(template["Resources"])
