"""What a run leaves in its file."""

from __future__ import annotations

from typing import Any, TypedDict

from bench.goals import Verdict
from bench.machine import Machine
from bench.rounds import Check, NotRun, Row


class Results(TypedDict):
    """`complete` is false while a run goes on, and stays so where it was interrupted.

    `figures` are those of commands, by the part of the bench; `warmth` the ways to keep instances warm.
    """

    machine: Machine
    harness: Check
    complete: bool
    goals: list[Verdict]
    rows: list[Row]
    not_run: list[NotRun]
    figures: dict[str, list[dict[str, Any]]]
    warmth: list[dict[str, Any]]
