"""Levels of log lines: five names, and what else other libraries write for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

LEVELS: Final[Mapping[str, tuple[str, ...]]] = {
    "debug": ("debug",),
    "info": ("info",),
    "warn": ("warn", "warning"),
    "error": ("error",),
    "fatal": ("fatal", "critical"),
}

_LEVEL_OF: Final = {name: level for level, names in LEVELS.items() for name in names}


def level_of(word: str) -> str:
    """Return the level that a word in any case names; "" for other words."""
    return _LEVEL_OF.get(word.lower(), "")


def spellings(level: str) -> tuple[str, ...]:
    """Return how lines write a level: `warn` as warn, WARN, Warn, warning, WARNING, Warning."""
    return tuple(spelt for name in LEVELS[level] for spelt in (name, name.upper(), name.capitalize()))
