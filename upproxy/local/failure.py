"""Why the app does not run, in words for the person who can change that."""

from __future__ import annotations

import os
import re

SHOWN = 30  # lines of the app's output that are kept

_MISSING_MODULE = re.compile(r"ModuleNotFoundError: No module named '([^']+)'")
_WRONG_SOURCE = re.compile(r"(SyntaxError|IndentationError|TabError): (.+)")
_FILE = re.compile(r'File "([^"]+)", line (\d+)')
_MISSING_COMMAND = re.compile(r"(?:\d+: )?([^\s:]+): (?:command )?not found")


class Failure(Exception):
    """What happened, what to do next, and the last lines that the app printed."""

    def __init__(self, message: str, *, hint: str = "", output: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.output = output


def explain(message: str, *, python: str, directory: str) -> Failure:
    """Make sense of a failed start. `message` is the runtime's: a reason, then the last lines that the app printed."""
    reason, *lines = message.split("\n")
    output = tuple(line for line in lines if line.strip())[-SHOWN:]
    text = "\n".join(output)
    if found := _last(_MISSING_MODULE, text):
        name = found[1]
        top = name.partition(".")[0]
        if any(os.path.exists(os.path.join(directory, top + end)) for end in ("", ".py")):
            hint = f"{top} is in {directory}: is the name after it right?"
        else:
            hint = (
                f"Install what the app needs into its environment: {python} -m pip install {_install(directory, top)}"
            )
        return Failure(f"the app needs the module {name!r}, which {python} does not have", hint=hint, output=output)
    if found := _last(_WRONG_SOURCE, text):
        where = _last(_FILE, text[: found.start()])
        place = f"{os.path.relpath(where[1], directory)}:{where[2]}: " if where else ""
        return Failure(f"{place}{found[1]}: {found[2]}", hint="Correct it and save.", output=output)
    if "127" in reason and (found := _last(_MISSING_COMMAND, text)):
        hint = "Install it, or set proxy.command in up.yml or -c to a command that exists."
        return Failure(f"there is no command {found[1]!r}", hint=hint, output=output)
    return Failure(reason, hint="The app's last lines say more." if output else "", output=output)


def _last(pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    last = None
    for last in pattern.finditer(text):  # noqa: B007
        pass
    return last


def _install(directory: str, module: str) -> str:
    if os.path.isfile(os.path.join(directory, "requirements.txt")):
        return "-r requirements.txt"
    if os.path.isfile(os.path.join(directory, "pyproject.toml")):
        return "-e ."
    return module
