"""Waiting for AWS: bounded, and told about."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from upproxy.aws.errors import TimedOut

FIRST = 0.2  # seconds before the second look
LONGEST = 3.0  # seconds between two looks
TOLD_AFTER = 2.0  # seconds of waiting after which people are told

T = TypeVar("T")


def wait(
    look: Callable[[], T | None],
    what: str,
    *,
    timeout: float,
    report: Callable[[str], None],
    hint: str = "",
    longest: float = LONGEST,
) -> T:
    """Look until there is something other than None, and return it.

    `what` is waited for, told to people when it takes longer than a moment; `timeout` is in seconds. Raises TimedOut
    with the `hint`, and whatever `look` raises.
    """
    began = time.monotonic()
    pause = FIRST
    told = False
    while (found := look()) is None:
        waited = time.monotonic() - began
        if waited + pause > timeout:
            raise TimedOut(
                f"{what}: not within {timeout:.0f} s",
                hint=hint or "It may still come about; run it again in a minute: it goes on where it stopped.",
            )
        if not told and waited > TOLD_AFTER:
            report(f"waiting for {what}")
            told = True
        time.sleep(pause)
        pause = min(pause * 1.5, longest)
    return found
