"""Time that passes faster than it does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from time import monotonic


class Clock:
    """Passes `speed` times as fast from its making on."""

    def __init__(self, speed: float = 1.0) -> None:
        self._speed = speed
        self._epoch = datetime.now(UTC)
        self._began = monotonic()

    def now(self) -> datetime:
        """Return the time as it passes here."""
        return self._epoch + timedelta(seconds=(monotonic() - self._began) * self._speed)

    def until(self, moment: datetime) -> float:
        """Return how many seconds it really takes until a moment here; 0 for one that has been."""
        return max(0.0, (moment - self.now()).total_seconds() / self._speed)
