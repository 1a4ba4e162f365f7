"""The option that says from how long ago."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click


def since(default: str) -> Callable[[Any], Any]:
    """Return the option -S, in seconds, None where it is not given; `default` is what its help says."""
    return click.option(
        "-S",
        "--since",
        metavar="DURATION",
        callback=_seconds,
        help=f"From how long ago, such as 90s, 1h30m or 2d.  [default: {default}]",
    )


def _seconds(_context: click.Context, _option: click.Parameter, value: str | None) -> int | None:
    from upproxy.observe import duration

    try:
        return None if value is None else duration.seconds(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from None
