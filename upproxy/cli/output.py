"""The output contract, in one place.

Data go to stdout, everything else to stderr. With `--json` stdout is one JSON document or JSON lines, and what goes to
stderr is JSON lines: `{"level", "message"}` for notes, `{"code", "message", "hint"}` for the error that ends a command.
Colour and prompts are for terminals only; NO_COLOR, CI and TERM=dumb are honoured.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, TextIO

import click

from upproxy.cli.errors import CommandError, UsageError

_BAR = 30  # characters of the longest bar
_SECRET = 1_000_000  # bytes of a secret after which no more is read
_ORDERS = re.compile(r"\x1b\[[0-9;]*m|[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # colours whole, else what makes them one
_WIDTH = 120  # characters of a line that no terminal shows


class Cell(NamedTuple):
    """A text in a table, on a terminal in a colour."""

    text: str
    colour: str | None = None


class Output:
    """Where a command's results, notes and questions go."""

    def __init__(
        self,
        *,
        as_json: bool = False,
        colour: bool = True,
        ask: bool = True,
        assume_yes: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.as_json = as_json
        self._assume_yes = assume_yes
        plain = bool(environment.get("CI")) or environment.get("TERM") == "dumb"
        self._may_colour = colour and not plain and not environment.get("NO_COLOR") and not as_json
        self._may_ask = ask and not plain and not as_json

    def coloured(self, stream: TextIO | None = None) -> bool:
        """Whether colour may be written to a stream, stdout by default."""
        return self._may_colour and (stream or sys.stdout).isatty()

    @property
    def interactive(self) -> bool:
        """Whether a person can be asked."""
        return self._may_ask and sys.stdin.isatty() and sys.stderr.isatty()

    def text(self, text: str, colour: str | None = None) -> None:
        """Write data that are text already, on a terminal in a colour."""
        _write(sys.stdout, click.style(text, fg=colour) if colour and self.coloured() else text)

    def document(self, value: Any, *, indent: int | None = 2) -> None:
        """Write data as JSON, one document; without indent one line."""
        _write(sys.stdout, json.dumps(value, indent=indent, ensure_ascii=False))

    def note(self, message: str) -> None:
        """Tell of progress or of a decision, on stderr."""
        self._tell("info", message, "")

    def warn(self, message: str) -> None:
        """Tell of something doubtful, on stderr."""
        self._tell("warning", message, "warning: ", "yellow")

    @contextmanager
    def progress(self) -> Iterator[Callable[[str], None]]:
        """Tell of long steps while they last, by calling what this gives; on a terminal with something that turns."""
        if not self.coloured(sys.stderr):
            yield self.note
            return
        from rich.console import Console
        from rich.text import Text

        with Console(stderr=True).status("") as status:
            yield lambda sentence: status.update(Text(_tamed(sentence)))

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[str | Cell]], right: Collection[int] = ()) -> None:
        """Write data as lines of aligned columns under their names; `right` has the numbers of those of numbers."""
        cells = [[one if isinstance(one, Cell) else Cell(one) for one in line] for line in (columns, *rows)]
        lines = [[Cell(_tamed(text), colour) for text, colour in line] for line in cells]
        widths = [max(len(cell.text) for cell in column) for column in zip(*lines, strict=True)]
        for number, line in enumerate(lines):
            written = []
            for place, (cell, width) in enumerate(zip(line, widths, strict=True)):
                text = f"{cell.text:{'>' if place in right else '<'}{width}}"
                written.append(click.style(text, fg=cell.colour) if cell.colour and self.coloured() else text)
            text = "  ".join(written).rstrip()
            _write(sys.stdout, click.style(text, bold=True) if number == 0 and self.coloured() else text)

    def bars(self, title: str, rows: Sequence[tuple[str, int, int]], units: tuple[str, str]) -> None:
        """Write data as a table: a name, two sizes in bytes under the names of `units`, and a bar for the first."""
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text

        largest = max((first for _, first, _ in rows), default=0) or 1
        table = Table(box=None, pad_edge=False)
        table.add_column()
        for unit in units:
            table.add_column(unit, justify="right")
        table.add_column()
        for name, first, second in rows:
            bar = Text("█" * -(-first * _BAR // largest), style="cyan")
            table.add_row(Text(name), _megabytes(first), _megabytes(second), bar)
        _write(sys.stdout, title)
        colour = self.coloured()
        width = None if sys.stdout.isatty() else _WIDTH
        Console(file=sys.stdout, no_color=not colour, highlight=False, width=width).print(table)

    def error(self, error: CommandError) -> None:
        """Tell what a command failed with, and the next step."""
        if self.as_json:
            document = {"code": error.code, "message": error.message, "hint": error.hint}
            _write(sys.stderr, json.dumps(document, ensure_ascii=False))
            return
        _write(sys.stderr, self._styled("error: ", "red") + _tamed(error.message))
        if error.hint:
            _write(sys.stderr, _tamed(error.hint))

    def confirm(self, question: str) -> bool:
        """Ask a yes-or-no question. `--yes` answers it; raises UsageError where nobody can."""
        if self._assume_yes:
            return True
        self._must_ask(question)
        return click.confirm(question, err=True)

    def ask(self, question: str, proposed: str, check: Callable[[str], str]) -> str:
        """Ask for a text, again where `check` raises UsageError. `--yes` takes what is proposed.

        Raises UsageError where nobody can be asked.
        """
        if self._assume_yes:
            return check(proposed)
        self._must_ask(question)

        def answer(text: str) -> str:
            try:
                return check(text)
            except UsageError as error:
                raise click.BadParameter(error.message) from None

        answered: str = click.prompt(question, default=proposed, value_proc=answer, err=True)
        return answered

    def _must_ask(self, question: str) -> None:
        if not self.interactive:
            raise UsageError(f"this needs an answer: {question}", hint="Run it in a terminal, or add --yes.")

    def secret(self, what: str, *, twice: bool = False) -> bytes:
        """Read what nobody may see: in a terminal it is asked for and not shown, otherwise it is all of stdin.

        Raises UsageError for a terminal with nobody to ask.
        """
        if not sys.stdin.isatty():
            return sys.stdin.buffer.read(_SECRET)
        if not self.interactive:
            raise UsageError(f"there is nobody to ask for the {what}", hint="Pipe it in, or run this in a terminal.")
        again = "Once more" if twice else False
        typed: str = click.prompt(what[:1].upper() + what[1:], hide_input=True, confirmation_prompt=again, err=True)
        return typed.encode(errors="surrogateescape")

    def _tell(self, level: str, message: str, prefix: str, colour: str | None = None) -> None:
        if self.as_json:
            _write(sys.stderr, json.dumps({"level": level, "message": message}, ensure_ascii=False))
        else:
            _write(sys.stderr, (self._styled(prefix, colour) if colour else prefix) + _tamed(message))

    def _styled(self, text: str, colour: str) -> str:
        return click.style(text, fg=colour, bold=True) if self.coloured(sys.stderr) else text


def _megabytes(size: int) -> str:
    return f"{size / 1_048_576:.2f} MB"


def _tamed(text: str) -> str:
    """Return a text without what a terminal takes for orders: others have written parts of it."""
    return _ORDERS.sub("", text)


def _write(stream: TextIO, text: str) -> None:
    stream.write(text if text.endswith("\n") else text + "\n")
    stream.flush()
