"""What can be wrong with a query, told so that a person sees where."""

from __future__ import annotations

import re
import unicodedata

BEFORE, AFTER = 50, 20  # characters of a long query that are shown around the place
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff]")


class QueryError(Exception):
    """A query cannot be understood. `str(error)` has the sentence, the query and a caret below the place.

    `column` counts characters from 1, `hint` is the next step.
    """

    def __init__(self, message: str, query: str, position: int, hint: str = "") -> None:
        self.message = message
        self.query = query
        self.column = position + 1
        self.hint = hint
        super().__init__(f"the query cannot be read at column {self.column}: {message}\n{_pointed_at(query, position)}")


def _pointed_at(query: str, position: int) -> str:
    """Return the query, or what is around the place, and a caret in the line below."""
    first = max(0, position - BEFORE)
    before = ("…" if first else "") + _CONTROL.sub(" ", query[first:position])
    after = _CONTROL.sub(" ", query[position : position + AFTER])
    return f"  {before}{after}{'…' if position + AFTER < len(query) else ''}\n  {' ' * _columns(before)}^"


def _columns(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(character) else 2 if unicodedata.east_asian_width(character) in "WF" else 1
        for character in text
    )
