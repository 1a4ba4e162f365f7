"""What a type of resource is: how it is made, changed and deleted, and what is told of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from upproxy.local.sandbox.cloudformation.services import Document, Services, lowered, part

_PLACE = re.compile(r"\{(\w+)\}")


class Made(NamedTuple):
    """A resource that there is: what `Ref` gives, and its attributes."""

    physical_id: str
    attributes: Document


class Kind(Protocol):
    """A type. A change of a property that is `fixed` replaces the resource; of None every change does.

    All methods raise ApiError. `name` is the one that CloudFormation makes up for a resource without.
    """

    @property
    def fixed(self) -> frozenset[str] | None:
        """The properties that cannot be changed."""

    async def create(self, services: Services, properties: Document, name: str) -> Made:
        """Make one."""

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:
        """Change one."""

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one."""


class Replaced:
    """A type of which every change makes a new one."""

    fixed: frozenset[str] | None = None

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Never called."""
        raise AssertionError(made.physical_id)


@dataclass(frozen=True)
class Rest:
    """A type that is a collection of API Gateway or Scheduler.

    `{Name}` in `path` is a property that is no part of the body; `identifier` is the member of the answer that `Ref`
    gives. `attributes` are others, by the paths of members to them.
    """

    service: str
    path: str
    identifier: str
    fixed: frozenset[str] | None = None
    attributes: dict[str, tuple[str | int, ...]] = field(default_factory=dict)
    tags_as_map: bool = False

    async def create(self, services: Services, properties: Document, name: str) -> Made:  # noqa: ARG002
        """Make one."""
        answer = await services.rest(self.service, "POST", self._collection(properties), self._body(properties))
        return Made(str(answer[self.identifier]), {key: _at(answer, path) for key, path in self.attributes.items()})

    async def change(self, services: Services, made: Made, before: Document, after: Document) -> Made:  # noqa: ARG002
        """Change one."""
        body = {**self._body(after)}
        body.pop("tags", None)
        await services.rest(self.service, "PATCH", self._item(made, after), body)
        return made

    async def delete(self, services: Services, made: Made, properties: Document) -> None:
        """Delete one."""
        await services.rest(self.service, "DELETE", self._item(made, properties))

    def _collection(self, properties: Document) -> str:
        return _PLACE.sub(lambda match: part(properties[match[1]]), self.path)

    def _item(self, made: Made, properties: Document) -> str:
        return f"{self._collection(properties)}/{part(made.physical_id)}"

    def _body(self, properties: Document) -> Document:
        placed = set(_PLACE.findall(self.path))
        body: Document = lowered({key: value for key, value in properties.items() if key not in placed})
        if "Tags" in properties:
            body.pop("Tags", None)
            tags = properties["Tags"]
            body["tags"] = mapped(tags) if isinstance(tags, list) else tags
        return body


def mapped(tags: list[Document]) -> dict[str, str]:
    """Return a list of tags as a map."""
    return {one["Key"]: one["Value"] for one in tags}


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        value = value[step]
    return value
