"""Whether DNS leads from a stage's domain to its gateway."""

from __future__ import annotations

import socket
import threading
from typing import Literal

TIMEOUT = 5.0  # seconds
_HTTPS = 443

Leads = Literal["here", "elsewhere", "nowhere"]


def leads(domain: str, target: str, timeout: float = TIMEOUT) -> Leads:
    """Say where a domain leads, seen from here: to the addresses of `target`, to others, or to none within seconds."""
    names = (domain, target)
    found: dict[str, set[str]] = {name: set() for name in names}
    # The system's resolver has no time-out that can be set, so that it is asked by threads that nobody waits for.
    threads = [
        threading.Thread(target=_resolve, args=(name, found), daemon=True, name=f"resolve {name}") for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
    addresses = found[domain]
    if not addresses:
        return "nowhere"
    return "here" if addresses & found[target] else "elsewhere"


def _resolve(name: str, found: dict[str, set[str]]) -> None:
    try:
        found[name] = {str(one[4][0]) for one in socket.getaddrinfo(name, _HTTPS, type=socket.SOCK_STREAM)}
    except (OSError, UnicodeError):
        pass
