"""What the benches of commands measure, as a value beside its target."""

from __future__ import annotations

from typing import NamedTuple


class Figure(NamedTuple):
    """A measured value beside its target: `values` are those of each round."""

    name: str
    value: float
    target: float
    unit: str
    values: list[float]

    def __str__(self) -> str:
        verdict = "as wanted" if self.value <= self.target else "MISSED"
        return f"{self.name}: {self.value:.2f}{self.unit} (target {self.target}{self.unit}, {verdict})"


class WrongAnswer(Exception):
    """What was started does not answer as the app does."""
