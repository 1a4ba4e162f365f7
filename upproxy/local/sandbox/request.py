"""Requests of Lambda's API, and lists in pages."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote

from upproxy.local.sandbox.configuration import Document
from upproxy.local.sandbox.errors import ApiError
from upproxy.local.sandbox.state import split_name

_PAGE = 50  # versions or functions of an answer


class _Given(Document):
    """An object of a body; a member that is needed and not there is the caller's mistake."""

    def __missing__(self, key: str) -> Any:
        message = f"1 validation error detected: Value null at '{key}' failed to satisfy constraint"
        raise ApiError("ValidationException", f"{message}: Member must not be null")


class Request:
    """A call: the region, what is in the path, the query, and the body."""

    def __init__(
        self, region: str, path: Mapping[str, str], query: str, headers: Mapping[str, str], body: bytes
    ) -> None:
        self.region = region
        self.lists = parse_qs(query, keep_blank_values=True)
        self.query = {name: values[0] for name, values in self.lists.items()}
        self.headers = headers
        self.raw = body
        self._path = path

    @property
    def name(self) -> str:
        """The function's name, also where it is given by its ARN."""
        return split_name(unquote(self._path["name"]))[0]

    @property
    def qualifier(self) -> str:
        """What comes after the name: a version or alias; empty for none."""
        return self.query.get("Qualifier") or split_name(unquote(self._path.get("name", "")))[1]

    def part(self, name: str) -> str:
        """Return a further part of the path."""
        return unquote(self._path[name])

    @property
    def document(self) -> Document:
        """The body. Raises ApiError."""
        try:
            found = json.loads(self.raw or b"{}", object_hook=_Given)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ApiError("InvalidRequestContentException", "Could not parse request body into json")
        return found


def page(key: str, items: list[Document], request: Request) -> tuple[int, Document]:
    """Return the part of a list that a call asks for, and where the next one begins. Raises ApiError."""
    given = [request.query.get("Marker") or "0", request.query.get("MaxItems") or str(_PAGE)]
    if not all(re.fullmatch("[0-9]{1,9}", one) for one in given):
        raise ApiError("InvalidParameterValueException", "The Marker or MaxItems is not one that was given.")
    start, size = int(given[0]), max(1, min(int(given[1]), _PAGE))
    answer: Document = {key: items[start : start + size]}
    if start + size < len(items):
        answer["NextMarker"] = str(start + size)
    return HTTPStatus.OK, answer
