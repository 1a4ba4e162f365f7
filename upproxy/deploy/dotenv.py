"""Variables as text for a shell, or a `.env` file.

There is no standard for such files. A shell reads back exactly what was written; so do the usual libraries, but for
values that have an apostrophe beside `$` or a backtick.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_SPECIAL = re.compile(r'[\\"$`]')


def write(values: Mapping[str, str]) -> str:
    """Return lines such as `export NAME='value'`."""
    return "".join(f"export {name}={_quoted(value)}\n" for name, value in values.items())


def _quoted(value: str) -> str:
    if "'" not in value:
        return f"'{value}'"  # nothing in it means anything but itself
    return '"' + _SPECIAL.sub(r"\\\g<0>", value) + '"'
