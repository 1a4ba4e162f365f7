"""How long AWS takes for what it does not do at once."""

from __future__ import annotations

from typing import NamedTuple


class Delays(NamedTuple):
    """Seconds: that a new or changed function and a new version are in the making, and until a new role is known.

    And that a query of logs takes.
    """

    create: float = 1.0
    update: float = 0.7
    publish: float = 1.0
    role: float = 4.0
    query: float = 1.0


NONE = Delays(**dict.fromkeys(Delays._fields, 0))
