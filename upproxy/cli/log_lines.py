"""How log lines are written: as JSON, as lines for people, or with each field in a line of its own."""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from upproxy.cli.output import Output
from upproxy.local.console import Console, harmless
from upproxy.observe.logs.entry import brief
from upproxy.observe.logs.levels import level_of
from upproxy.observe.logs.measure import measured
from upproxy.observe.logs.paragraphs import Shown, paragraphs

_HEAD = ("timestamp", "level", "message", "exception")  # of what is expanded
_HIDDEN = ("stage", "version")  # of the one stage that was asked for


def write_json(output: Output, portions: Iterable[list[Shown]]) -> int:
    """Write each entry as a JSON object, and return how many it were."""
    return _write(output, ([json.dumps(entry) for _, _, entry in portion] for portion in portions))


def write_readable(output: Output, portions: Iterable[list[Shown]], also: Collection[str], *, expanded: bool) -> int:
    """Write what people read, and return how many paragraphs it were; `also` names fields that are not to be hidden."""
    hidden = [name for name in _HIDDEN if name not in also]
    shown = _expanded if expanded else _line

    def written() -> Iterator[list[str]]:
        text = io.StringIO()
        console = Console(text, readable=True, coloured=output.coloured(), hidden=hidden)
        for portion in paragraphs(portions):
            lines = []
            for one in portion:
                text.seek(text.truncate(0))
                shown(console, text, _for_people(one.entry if expanded else brief(one.entry), one.more))
                lines.append(text.getvalue().removesuffix("\n"))
            yield lines

    return _write(output, written())


def _write(output: Output, portions: Iterable[list[str]]) -> int:
    """Write portions, each at once, so that an interruption cuts no line off."""
    count = 0
    for lines in filter(None, portions):
        output.text("\n".join(lines).encode("utf-8", "backslashreplace").decode())
        count += len(lines)
    return count


def _line(console: Console, _: io.StringIO, entry: dict[str, Any]) -> None:
    console.entry(entry)


def _expanded(console: Console, text: io.StringIO, entry: dict[str, Any]) -> None:
    console.entry({name: entry[name] for name in _HEAD if name in entry})
    fields = {harmless(name): value for name, value in entry.items() if name not in _HEAD}
    width = max(map(len, fields), default=0)
    for name, value in fields.items():
        said = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        text.write(f"  {name:{width}}  {harmless(said)}\n")


def _for_people(entry: Mapping[str, Any], more: Iterable[str]) -> dict[str, Any]:
    """Return an entry with measures in units, and with all but the first line of its message as a paragraph below."""
    shown = measured(entry)
    shown["level"] = level_of(shown["level"]) or shown["level"]
    message = shown.get("message")
    first, *rest = message.splitlines() if isinstance(message, str) and message else [message]
    if first is not None:
        shown["message"] = first
    if below := [*rest, *more]:
        own = shown.get("exception")
        shown["exception"] = "\n".join([*below, own] if isinstance(own, str) else below)
    return shown
