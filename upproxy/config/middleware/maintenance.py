"""`maintenance`: an answer in place of the app."""

# ruff: noqa: RUF012  # pydantic copies mutable defaults

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upproxy.config.derive import Strict
from upproxy.config.values import Duration, Network, seconds
from upproxy.proxy.middleware.maintenance import Options

if TYPE_CHECKING:
    from upproxy.config.settings import Settings


class Maintenance(Strict):
    """An answer (503) in place of the app while somebody works on it."""

    enable: bool = False
    """Give it."""
    retry_after: Duration = "5m"
    """When clients are told to try again."""
    allow: list[Network] = []
    """Networks, such as `10.0.0.0/8`, whose clients reach the app."""


def section(settings: Settings, directory: str) -> dict[str, Any] | None:  # noqa: ARG001
    """Return the middleware's options."""
    maintenance = settings.maintenance
    if not maintenance.enable:
        return None
    return vars(Options(retry_after=seconds(maintenance.retry_after), allow=maintenance.allow))
