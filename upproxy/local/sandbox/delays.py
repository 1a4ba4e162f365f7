"""How long AWS takes for what it does not do at once."""

from __future__ import annotations

from typing import NamedTuple


class Delays(NamedTuple):
    """Seconds: a new or changed function and a new version are in the making, a role is not known, a query runs."""

    create: float = 1.0
    update: float = 0.7
    publish: float = 1.0
    role: float = 4.0
    query: float = 1.0


NONE = Delays(0, 0, 0, 0, 0)
