"""What `start` and `logs` show: every line of the proxy and the app, through structlog.

In a terminal as a readable console, in a pipe as the JSON lines that Lambda would log.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Collection, MutableMapping
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from structlog.typing import Processor

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# Everything that moves a terminal's cursor or its mind: C0 and C1 controls, DEL, and the bidirectional overrides.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069]")
_MULTILINE = ("exception", "stack")  # fields that structlog shows as paragraphs of their own
_HIDDEN = ("ip", "request_id", "stage", "version")  # of no use beside the one app of this machine
_ANOTHER_DAY = "%Y-%m-%d %H:%M:%S"
_ACCESS = frozenset(("duration", "method", "path", "size", "status"))


class Console:
    """Writes lines to a stream. `coloured` says whether it is a terminal that a person reads.

    Fields named in `hidden` are left out where they are for a person.
    """

    def __init__(
        self, stream: TextIO | None = None, *, readable: bool, coloured: bool, hidden: Collection[str] = _HIDDEN
    ) -> None:
        self._stream = stream or sys.stdout
        self._hidden = hidden
        self._readable = readable
        self._coloured = coloured

    def load(self) -> None:
        """Import what renders a line, which takes a while, before there is a line."""
        self._render  # noqa: B018

    @cached_property
    def _render(self) -> Processor:
        if self._readable:
            from structlog.dev import ConsoleRenderer

            return ConsoleRenderer(colors=self._coloured, pad_event_to=0, sort_keys=False)
        from structlog.processors import JSONRenderer

        return JSONRenderer()

    def line(self, source: str, line: bytes) -> None:
        """Show a line of the runtime process: JSON from the proxy, or anything, such as a traceback on `stderr`."""
        entry = _parse(line)
        if entry is None:
            text = line.decode("utf-8", "backslashreplace").rstrip("\r")
            if not text:
                return
            entry = {"level": "error" if source == "stderr" else "info", "message": text}
        self.entry(entry if "timestamp" in entry else {"timestamp": _now(), **entry})

    def log(self, level: str, message: str, **fields: Any) -> None:
        """Show a line of our own. `level` is debug, info, warn, error or fatal."""
        self.entry({"timestamp": _now(), "level": level, "message": message, **fields})

    def platform(self, line: str) -> None:
        """Show a line that Lambda itself would log: START, END, REPORT. A pipe gets it as it is."""
        if self._readable:
            self.entry(
                {"timestamp": _now(), "level": "info", "message": line.strip().replace("\t", "  ").replace("\n", "  ")}
            )
        else:
            self._put(line)

    def entry(self, entry: dict[str, Any]) -> None:
        """Show the fields of a line, among them `timestamp` and `level`."""
        self._put(str(self._render(None, "", _readable(entry, self._hidden) if self._readable else entry)))

    def _put(self, line: str) -> None:
        try:
            self._stream.write(line + "\n")
            self._stream.flush()
        except (OSError, ValueError):  # nobody reads any more; there is nowhere left to say so
            return


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _parse(line: bytes) -> dict[str, Any] | None:
    if line[:1] != b"{" or line.rstrip()[-1:] != b"}":
        return None
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return entry if isinstance(entry, dict) and isinstance(entry.get("level"), str) else None


def _readable(entry: dict[str, Any], hidden: Collection[str]) -> MutableMapping[str, Any]:
    """Arrange an entry for ConsoleRenderer: what happened first, no field that says nothing here, nothing harmful."""
    entry = {harmless(key): _harmless_value(key, value) for key, value in entry.items()}
    shown: dict[str, Any] = {"timestamp": _clock(entry.pop("timestamp")), "level": _level(entry.pop("level"))}
    message = entry.pop("message", entry.pop("event", ""))
    if entry.keys() >= _ACCESS:
        query = entry.pop("query", "")
        target = f"{entry.pop('path')}{'?' if query else ''}{query}"
        duration = entry.pop("duration")
        took = duration if isinstance(duration, str) else f"{duration} ms"
        message = f"{entry.pop('method')} {target} {entry.pop('status')} in {took}"
    shown["event"] = message if isinstance(message, str) else str(message)
    shown.update((key, value) for key, value in entry.items() if key not in hidden and key not in shown)
    return shown


def _level(level: str) -> str:
    return {"warn": "warning", "fatal": "critical"}.get(level, level)


def _clock(timestamp: Any) -> str:
    """Return the local time of day, with the day where that is not today; of anything else its text."""
    try:
        moment = datetime.fromisoformat(timestamp).astimezone()
        return moment.strftime("%H:%M:%S" if moment.date() == datetime.now().astimezone().date() else _ANOTHER_DAY)
    except (TypeError, ValueError):
        return str(timestamp)


def _harmless_value(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return "\n".join(map(harmless, value.split("\n"))) if key in _MULTILINE else harmless(value)
    if isinstance(value, (dict, list)):
        return harmless(json.dumps(value, ensure_ascii=False))
    return value


def harmless(text: str) -> str:
    """Take out colours, and make every other control character visible, so that no text can steer a terminal."""
    return _CONTROL.sub(_visible, _COLOUR.sub("", text))


def _visible(match: re.Match[str]) -> str:
    character = match[0]
    return character if character == "\t" else character.encode("unicode_escape").decode("ascii")
