"""Values that had better not appear on a screen."""

from __future__ import annotations

import re
from collections.abc import Mapping

MASK = "********"

_SECRET_NAME = re.compile(
    r"secret|passw|token|api_?key|(^|_)key$|credential|private|(^|_)dsn$|salt|signature", re.IGNORECASE
)
_LOGIN_IN_URL = re.compile(r"(?<=://)[^/@\s]+(?=@)")
_REFERENCE = re.compile(r"\$\{\w+\}")


def masked(environment: Mapping[str, str]) -> dict[str, str]:
    """Hide what looks like a secret by its name, and logins in addresses. References such as `${NAME}` stay."""
    return {
        name: value
        if not value or _REFERENCE.fullmatch(value)
        else MASK
        if _SECRET_NAME.search(name)
        else _LOGIN_IN_URL.sub(MASK, value)
        for name, value in environment.items()
    }
