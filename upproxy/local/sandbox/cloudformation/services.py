"""Calls that CloudFormation makes of other services, as their clients would make them."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import quote, urlencode

from multidict import CIMultiDict

from upproxy.local.sandbox.errors import Answer, ApiError

Document = dict[str, Any]
Send = Callable[[str, str, str, str, Mapping[str, str], bytes], Awaitable[Answer]]
"""Answers a request by service, region, method, target, header fields and body."""

_XML_CODE = re.compile(r"<Code>(.*?)</Code>", re.DOTALL)
_XML_MESSAGE = re.compile(r"<Message>(.*?)</Message>", re.DOTALL)


class Services:
    """Other services in a region. All methods raise ApiError for what these refuse."""

    def __init__(self, send: Send, region: str) -> None:
        self._send = send
        self.region = region

    async def rest(self, service: str, method: str, path: str, document: Document | None = None) -> Document:
        """Call a service whose operations are paths and whose bodies are JSON."""
        body = b"" if document is None else json.dumps(document).encode()
        return _document(await self._call(service, method, path, {"Content-Type": "application/json"}, body))

    async def target(self, service: str, operation: str, document: Document) -> Document:
        """Call a service whose operations are in a header, with the prefix that its model has."""
        headers = {"X-Amz-Target": operation, "Content-Type": "application/x-amz-json-1.1"}
        return _document(await self._call(service, "POST", "/", headers, json.dumps(document).encode()))

    async def query(self, service: str, version: str, action: str, parameters: Document) -> str:
        """Call a service of the query protocol; return the XML."""
        pairs = [("Action", action), ("Version", version), *_flat("", parameters)]
        headers = {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"}
        return (await self._call(service, "POST", "/", headers, urlencode(pairs).encode())).body.decode()

    async def xml(self, service: str, path: str, body: str) -> str:
        """Call a service whose bodies are XML; return the XML."""
        headers = {"Content-Type": "application/xml"}
        return (await self._call(service, "POST", path, headers, body.encode())).body.decode()

    async def _call(self, service: str, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        fields = CIMultiDict(headers)
        fields["Host"] = f"{service}.{self.region}.amazonaws.com"
        answer = await self._send(service, self.region, method, target, fields, body)
        if answer.status >= 300:
            raise _refused(answer)
        return answer


def part(value: Any) -> str:
    """Quote a part of a path."""
    return quote(str(value), safe="")


def lowered(value: Any) -> Any:
    """Return properties with the names that API Gateway's API has for them: the first letter is small."""
    if isinstance(value, list):
        return [lowered(one) for one in value]
    if isinstance(value, dict):
        return {key[:1].lower() + key[1:]: one if key == "Tags" else lowered(one) for key, one in value.items()}
    return value


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    """Write a value as the query protocol does: `Tags.member.1.Key`."""
    if isinstance(value, dict):
        return [pair for key, one in value.items() for pair in _flat(f"{prefix}.{key}" if prefix else key, one)]
    if isinstance(value, list):
        return [pair for at, one in enumerate(value, 1) for pair in _flat(f"{prefix}.member.{at}", one)]
    return [(prefix, str(value).lower() if isinstance(value, bool) else str(value))]


def _document(answer: Answer) -> Document:
    found = json.loads(answer.body) if answer.body.strip() else {}
    return found if isinstance(found, dict) else {}


def _refused(answer: Answer) -> ApiError:
    """Read an error of any protocol."""
    text = answer.body.decode("utf-8", "replace")
    headers = {name.lower(): value for name, value in answer.headers}
    try:
        found = json.loads(text)
        code = headers.get("x-amzn-errortype") or found.get("__type") or found.get("code") or "Failure"
        message = found.get("message") or found.get("Message") or text
    except (ValueError, AttributeError):
        named, told = _XML_CODE.search(text), _XML_MESSAGE.search(text)
        code, message = named[1] if named else "Failure", told[1] if told else text[:300]
    return ApiError(code.rpartition("#")[2].partition(":")[0], message, answer.status)
