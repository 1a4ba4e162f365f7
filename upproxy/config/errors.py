"""What can be wrong with a configuration, said so that a person can put it right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Path = tuple[str | int, ...]


def dotted(path: Path) -> str:
    """Write a path as people read it: `stages.production.inject.head[0].type`."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


class Problem(NamedTuple):
    """One thing wrong: a sentence, the path of the key, and the line (0 when there is none)."""

    message: str
    path: Path = ()
    line: int = 0

    def describe(self, file: str | None) -> str:
        """Put the file, line and path before the sentence."""
        where = f"{file}:{self.line}" if file and self.line else file
        return ": ".join(part for part in (where, dotted(self.path), self.message) if part)


class ConfigError(Exception):
    """The configuration cannot be used. `str(error)` has one line a problem; `hint` is the next step.

    `line` and `path` are those of the first problem; `problems` holds all of them.
    """

    def __init__(
        self,
        message: str = "",
        *,
        hint: str = "",
        file: str | None = None,
        line: int = 0,
        path: Path = (),
        problems: Sequence[Problem] = (),
    ) -> None:
        self.problems = list(problems) or [Problem(message, path, line)]
        self.file = file
        self.line = self.problems[0].line
        self.path = dotted(self.problems[0].path)
        self.hint = hint
        self.message = "\n".join(problem.describe(file) for problem in self.problems)
        super().__init__(self.message)
