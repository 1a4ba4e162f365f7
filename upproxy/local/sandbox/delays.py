"""How long AWS takes for what it does not do at once."""

from __future__ import annotations

from typing import NamedTuple


class Delays(NamedTuple):
    """Seconds: that a new or changed function and a new version are in the making, and until a new role is known.

    That a query of logs takes (`query`), and between the updates of a Live Tail (`live_tail`). Until
    an alarm whose state somebody has set is evaluated again (`alarm`).
    """

    create: float = 1.0
    update: float = 0.7
    publish: float = 1.0
    role: float = 4.0
    query: float = 1.0
    live_tail: float = 1.0
    alarm: float = 10.0


NONE = Delays(create=0, update=0, publish=0, role=0, query=0, live_tail=0.02, alarm=0)
