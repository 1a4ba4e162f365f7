"""Notice that this environment was frozen: Lambda tells neither of the freeze nor of the thaw.

No clock tells it alone: some stand still over a freeze and some do not. So a timer beats, and a beat that comes much
too late by the wall clock was frozen away. Only of use with one slot: environments of several are not frozen.
"""

from __future__ import annotations

from time import monotonic, time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from upproxy.proxy.log import Log
    from upproxy.proxy.waiting import Loop

BEAT = 0.5  # seconds between beats
LATE = 1.5  # seconds of wall time without a beat that can only be a freeze; shorter ones do no harm


class Freezing:
    """Counts the time that the environment was frozen, until the app has been told."""

    def __init__(self, loop: Loop, log: Log) -> None:
        self._loop = loop
        self._log = log
        self._seen = time()
        self.untold = 0.0  # seconds that the app was frozen and has not been told of
        self._beat()

    def _beat(self) -> None:
        self.look()
        self._loop.call_at(monotonic() + BEAT, self._beat)

    def look(self) -> None:
        """See whether time is missing, and log it. Called with each invocation too, which may come before the beat."""
        now = time()
        missing = now - self._seen
        self._seen = now
        if missing >= LATE:
            self.untold += missing
            self._log.write("info", "thawed", frozen_ms=round(missing * 1000))

    def tell(self) -> int:
        """Return how many ms the app was frozen since it was last told."""
        untold, self.untold = self.untold, 0.0
        return round(untold * 1000)
