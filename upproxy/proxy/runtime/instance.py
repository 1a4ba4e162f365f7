"""Who this instance is, and what it has done so far."""

from __future__ import annotations

import posix
from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class Instance:
    """One execution environment's life. `init_ms` is set once the app was ready."""

    def __init__(self, started: float, version: str) -> None:
        """Take the `time.monotonic()` moment at which the process began."""
        self.id = posix.urandom(6).hex()
        self.version = version
        self.started = started
        self.init_ms = 0.0
        self.served = 0  # requests of the app; messages of our own do not count
        self.turns = 0  # invocations of every kind, this one included
        self._born = time() - (monotonic() - started)

    def describe(self) -> dict[str, Any]:
        """Say who it is: `age_s` goes by the wall clock, since the other one stands still while frozen."""
        return {
            "instance": self.id,
            "cold": self.turns <= 1,
            "init_ms": round(self.init_ms, 1),
            "age_s": round(time() - self._born, 3),
            "served": self.served,
            "version": self.version,
        }
