"""What takes the requests of a stage: what up.yml says, or what a domain makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from upproxy.config.errors import Path
    from upproxy.config.inference import App
    from upproxy.config.settings import StageSettings

HTTP_API_TIMEOUT = 30  # seconds
_BUFFERED = ("waitress", "gunicorn")


class Endpoint(NamedTuple):
    """What takes the requests: `kind`, and `why` it is not the one in up.yml, empty where it is."""

    kind: Literal["function_url", "http_api", "rest_api"]
    why: str = ""

    @property
    def streams(self) -> bool:
        """Whether it passes on a reply while it is made; HTTP APIs do not."""
        return self.kind != "http_api"

    @property
    def is_gateway(self) -> bool:
        """Whether it is part of API Gateway, which has domains and throttling."""
        return self.kind != "function_url"


def of(settings: StageSettings, app: App) -> Endpoint:
    """Return what takes the requests. Function URLs have no domain of their own, so that a domain needs a gateway."""
    if settings.endpoint != "function_url" or settings.domain is None:
        return Endpoint(settings.endpoint)
    because = f"{settings.domain} needs a gateway in place of a Function URL"
    if app.command is None:
        return Endpoint("http_api", f"{because}: an HTTP API, since files need no streaming")
    if app.server in _BUFFERED:
        return Endpoint(
            "http_api", f"{because}: an HTTP API, since WSGI apps rarely stream (`endpoint: rest_api` does)"
        )
    return Endpoint("rest_api", f"{because}: a REST API, since the app may stream (`endpoint: http_api` costs less)")


def conflicts(settings: StageSettings) -> Iterator[tuple[Path, str]]:
    """Go through what does not fit together: paths, each with what was expected."""
    if settings.cert is not None and len(settings.regions) > 1:
        yield ("cert",), "expected none with several regions, each of which needs a certificate of its own"


def warnings(settings: StageSettings) -> Iterator[str]:
    """Go through sentences about what is allowed and may not be what is meant."""
    if settings.throttle is not None and settings.endpoint == "function_url":
        yield "nothing is throttled: `throttle` needs `endpoint: http_api` or `rest_api`, or a domain"
    if settings.endpoint == "http_api" and settings.proxy.timeout > HTTP_API_TIMEOUT:
        yield (
            f"an HTTP API waits {HTTP_API_TIMEOUT} seconds for a reply and then answers 503, although "
            f"`proxy.timeout` is {settings.proxy.timeout:g}"
        )
