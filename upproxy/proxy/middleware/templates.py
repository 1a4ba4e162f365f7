"""Pages with places for values: `{{ name }}`, and nothing else. There is no code.

What is filled in is escaped for HTML: safe between tags and in quoted attribute values, not in scripts and styles.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_ESCAPES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;", ord('"'): "&quot;", ord("'"): "&#39;"}


class TemplateError(ValueError):
    """The page is no template: `str(error)` says why, `line` is where."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Template:
    """A page. Raises TemplateError for a `{{` without its `}}`."""

    def __init__(self, text: str) -> None:
        first, *rest = text.split("{{")
        self._parts = [first]  # text, name, text, name, …, text
        line = 1 + first.count("\n")
        self.names: list[tuple[str, int]] = []
        """What it asks for, each with its line."""
        for piece in rest:
            name, end, after = piece.partition("}}")
            if not end:
                raise TemplateError("`{{` without `}}`", line)
            self.names.append((name.strip(), line))
            self._parts += name.strip(), after
            line += piece.count("\n")

    def render(self, values: Mapping[str, str]) -> str:
        """Fill in the values; names that there is none for come to nothing."""
        parts = self._parts.copy()
        parts[1::2] = [escape(values.get(name, "")) for name in parts[1::2]]
        return "".join(parts)


def escape(text: str) -> str:
    """Make a text safe between tags and in quoted attribute values."""
    return text.translate(_ESCAPES)
