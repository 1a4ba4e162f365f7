"""`warm`, and Up's names for it: how many instances are kept warm, how often, and when."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from upproxy.config.derive import Strict
from upproxy.config.values import DURATION, Duration, seconds
from upproxy.config.window import WINDOW, Window, WindowError

if TYPE_CHECKING:
    from upproxy.config.errors import Path
    from upproxy.config.settings import Settings

MOST = 200
"""Each takes a thread and a connection of the small function that warms them."""


def _minutes(rate: str) -> str:
    if seconds(rate) % 60:
        raise PydanticCustomError("rate", "expected whole minutes, which schedules go by, such as 5m")
    return rate


def _window(text: str) -> str:
    try:
        Window.parse(text)
    except WindowError as error:
        raise PydanticCustomError("window", "expected {sentence}", {"sentence": str(error)}) from None
    return text


Count = Annotated[int, Field(ge=1, le=MOST)]
Rate = Annotated[Duration, AfterValidator(_minutes), WithJsonSchema({"type": "string", "pattern": DURATION})]
WindowText = Annotated[str, AfterValidator(_window), WithJsonSchema({"type": "string", "pattern": WINDOW})]


class Warm(Strict):
    """Instances kept thawed on a schedule."""

    count: Annotated[int, Field(ge=0, le=MOST)] = 0
    """How many; 0 for none."""
    rate: Rate = "5m"
    """How often, in whole minutes."""
    window: WindowText | None = None
    """When, such as `Mon-Fri 08:00-20:00 Europe/London`; absent for always."""


@dataclass(frozen=True)
class Warming:
    """What is wanted: `count` instances, every `rate` seconds, within a window or always."""

    count: int
    rate: int
    window: Window | None


def warming(settings: Settings) -> Warming | None:
    """Return what is wanted, whichever names say it; None where nothing is."""
    own, ups = settings.warm, settings.lambda_
    if own.count:
        return Warming(own.count, seconds(own.rate), Window.parse(own.window) if own.window else None)
    if ups.warm:
        return Warming(ups.warm_count, seconds(ups.warm_rate), None)
    return None


def conflicts(settings: Settings) -> Iterator[tuple[Path, str]]:
    """Go through what does not fit together: paths, each with what was expected."""
    if settings.warm.count and settings.lambda_.warm:
        yield ("lambda", "warm"), "expected only one of `warm.count` and Up's `lambda.warm`"
        return
    wanted, reserved = warming(settings), settings.lambda_.concurrency
    if wanted and reserved is not None and wanted.count > reserved // 2:
        most = f"at most {reserved // 2}, half of `lambda.concurrency`: the other half is left to requests"
        if settings.warm.count:
            yield ("warm", "count"), f"expected {most}"
        else:
            yield ("lambda", "warm"), f"expected a `warm_count` of {most}"


def warnings(settings: Settings) -> Iterator[str]:
    """Go through sentences about what is allowed and may not be what is meant."""
    said = settings.warm.model_fields_set
    if said and "count" not in said and not settings.lambda_.warm:
        yield "nothing is kept warm: `warm` has no `count`"
