"""The Extensions API: who has registered, and which events wait for whom.

https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections import deque
from http import HTTPStatus
from typing import Any

from upproxy.local.wire import Connection

EVENTS = frozenset({"INVOKE", "SHUTDOWN"})
SHUTDOWN_EXTERNAL = 2.0  # seconds, where an extension has asked for the event: only external ones may
SHUTDOWN_INTERNAL = 0.5


class Extension:
    """One that has registered; at most one of its connections polls at a time."""

    def __init__(self, name: str, events: frozenset[str]) -> None:
        self.name = name
        self.events = events
        self.identifier = str(uuid.uuid4())
        self.gone = False  # its connection has been closed since its last poll
        self._connection: Connection | None = None
        self._polls = False
        self._pending: deque[bytes] = deque()

    @property
    def at_work(self) -> bool:
        """Whether it has something to do still before it polls; one that asked for no events never has."""
        return bool(self.events) and not self._polls and not self.gone

    def poll(self, connection: Connection) -> None:
        """Answer the connection with the next event, when there is one."""
        self._connection = connection
        self._polls = True
        self.gone = False
        self._send()

    def post(self, event: dict[str, Any]) -> None:
        """Send an event, if it has asked for such."""
        if event["eventType"] in self.events:
            self._pending.append(json.dumps(event).encode())
            self._send()

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is gone."""
        if self._connection is connection:
            self._connection = None
            self._polls = False
            self.gone = True

    def _send(self) -> None:
        if self._polls and self._pending and self._connection is not None:
            identity = [("Lambda-Extension-Event-Identifier", str(uuid.uuid4()))]
            self._polls = False
            self._connection.reply(HTTPStatus.OK, self._pending.popleft(), fields=identity)


class ExtensionRefused(Exception):
    """A call that the Extensions API answers with 403."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


class Extensions:
    """All extensions of one execution environment."""

    def __init__(self) -> None:
        self._by_identifier: dict[str, Extension] = {}
        self._left = asyncio.Event()

    def __len__(self) -> int:
        return len(self._by_identifier)

    @property
    def all_wait(self) -> bool:
        """Whether none of them is at work."""
        return not any(extension.at_work for extension in self._by_identifier.values())

    @property
    def grace(self) -> float:
        """Seconds that Lambda gives an environment with these extensions to shut down.

        https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html
        """
        if any("SHUTDOWN" in extension.events for extension in self._by_identifier.values()):
            return SHUTDOWN_EXTERNAL
        return SHUTDOWN_INTERNAL if self._by_identifier else 0.0

    async def leave(self) -> None:
        """Wait until all who have asked for SHUTDOWN have closed their connections."""
        while any("SHUTDOWN" in extension.events and not extension.gone for extension in self._by_identifier.values()):
            self._left.clear()
            await self._left.wait()

    def register(self, name: str, body: bytes) -> Extension:
        """Take in a new extension. Raises ExtensionRefused."""
        if not name:
            raise ExtensionRefused("Extension.InvalidExtensionName", "Empty extension name")
        if any(extension.name == name for extension in self._by_identifier.values()):
            raise ExtensionRefused("Extension.InvalidExtensionState", "Extension with this name already registered")
        try:
            events = frozenset(json.loads(body).get("events") or ())
        except (ValueError, AttributeError, TypeError):
            raise ExtensionRefused("InvalidRequestFormat", "the body is no JSON object with a list of events") from None
        if unknown := events - EVENTS:
            raise ExtensionRefused("Extension.InvalidEventType", f"{min(map(str, unknown))}: no such event")
        extension = Extension(name, events)
        self._by_identifier[extension.identifier] = extension
        return extension

    def find(self, identifier: str) -> Extension:
        """Return the extension of this identifier. Raises ExtensionRefused."""
        if not identifier:
            raise ExtensionRefused("Extension.MissingExtensionIdentifier", "Missing Lambda-Extension-Identifier header")
        extension = self._by_identifier.get(identifier)
        if extension is None:
            raise ExtensionRefused("Extension.InvalidExtensionIdentifier", "Invalid Lambda-Extension-Identifier")
        return extension

    def post(self, event: dict[str, Any]) -> None:
        """Send an event to each that asked for such."""
        for extension in self._by_identifier.values():
            extension.post(event)

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is gone."""
        for extension in self._by_identifier.values():
            extension.forget(connection)
        self._left.set()
