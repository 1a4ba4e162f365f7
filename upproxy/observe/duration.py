"""How long ago: `90s`, `1h30m`, `2d`."""

from __future__ import annotations

import re

_SECONDS = {"w": 604_800, "d": 86_400, "h": 3_600, "m": 60, "s": 1}
_DURATION = re.compile("".join(rf"(?:([0-9]{{1,6}}){unit})?" for unit in _SECONDS))
EXPECTED = "a duration such as 90s, 1h30m or 2d"


def seconds(text: str) -> int:
    """Return the seconds of a duration; its units are w, d, h, m and s, in this order. Raises ValueError."""
    found = _DURATION.fullmatch(text)
    numbers = found.groups("0") if found else ("0",) * len(_SECONDS)
    total = sum(int(number) * each for number, each in zip(numbers, _SECONDS.values(), strict=True))
    if not total:
        raise ValueError(f"{text!r} is not {EXPECTED}")
    return total
