"""A small bar chart as SVG: panels side by side, a bar for each row, its value beside it."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

LABELS = 170  # px for the names of the rows
PANEL = 270
BAR = 22
STEP = 34
TOP = 44
VALUE = 70  # px that are kept free for the value
COLOURS = "#b9443c", "#d9a13b", "#2f7d5b", "#4a6fa5"
ABSENT = "not run"


class Panel(NamedTuple):
    """A title, and a value and its text for each row; the value is None where there is none."""

    title: str
    values: Sequence[float | None]
    texts: Sequence[str]


def draw(title: str, rows: Sequence[str], panels: Sequence[Panel], colours: Sequence[str] = COLOURS) -> str:
    """Return the document."""
    width, height = LABELS + PANEL * len(panels), TOP + STEP * len(rows) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        "<style>text { font: 13px system-ui, sans-serif } .title { font-weight: bold }</style>",
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#fff"/>',
    ]
    for at, name in enumerate(rows):
        parts.append(f'<text x="{LABELS - 10}" y="{_middle(at)}" text-anchor="end">{escape(name)}</text>')
    for number, panel in enumerate(panels):
        left = LABELS + PANEL * number
        most = max(filter(None, panel.values), default=1)
        parts.append(f'<text x="{left}" y="24" class="title">{escape(panel.title)}</text>')
        for at, (value, text) in enumerate(zip(panel.values, panel.texts, strict=True)):
            if value is None:
                parts.append(f'<text x="{left}" y="{_middle(at)}" fill="#888">{ABSENT}</text>')
                continue
            length = max(1.0, (PANEL - VALUE) * value / most)
            parts.append(
                f'<rect x="{left}" y="{TOP + STEP * at}" width="{length:.1f}" height="{BAR}" rx="2" '
                f'fill="{colours[at % len(colours)]}"/>'
            )
            parts.append(f'<text x="{left + length + 6:.1f}" y="{_middle(at)}">{escape(text)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _middle(at: int) -> int:
    return TOP + STEP * at + 16
