"""The manifest: the resolved configuration that the build leaves beside the proxy, as JSON.

No validation here beyond the version: `upproxy.config` wrote the file.
"""

from __future__ import annotations

from upproxy.proxy import lean
from upproxy.proxy.options import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

VERSION = 1


class UpstreamOptions(Options):
    """How the app is started and waited for (`proxy` in up.yml). Times are seconds.

    A `command` that is a list is executed as it is, with `{fd}` replaced by the number of a listening socket that it
    inherits, `{fds}` by the numbers of that and of a unix one that gets the requests (`7,8`; on Linux alone), and
    `{launchers}` by the folder of the launchers. A text runs through `sh -c`, has to listen on `$PORT`, and is polled.
    `private` are variables that only the proxy may see. `linger` is how many ms the proxy waits after a reply for an
    app that still works, before it lets Lambda freeze both.
    """

    command: list[str] | str
    environment: dict[str, str] = {}  # noqa: RUF012  # never changed in place
    private: list[str] = []  # noqa: RUF012
    timeout: float = 15
    listen_timeout: float = 15
    linger: float = 0


class EventOptions(Options):
    """What the event sources need to know.

    `base_path` is cut from a REST API's paths, `streaming` says that the endpoint takes streamed replies, `triggers`
    is the path of the app that events which are no HTTP requests are posted to.
    """

    base_path: str = ""
    streaming: bool = False
    triggers: str | None = None


class LogOptions(Options):
    """The access line and the app's output (`logs` in up.yml). Levels are debug, info, warn, error or fatal.

    `fields` are added to the access line, the values of what `redact` names are kept out of it. `sample` is the share
    of answers with a status of 2xx that have a line. `request_id` is a header field that is trusted to carry the id of
    a request. `metrics` adds a line in CloudWatch's embedded metric format.
    """

    disable: bool = False
    stdout: str = "info"
    stderr: str = "error"
    fields: list[str] = []  # noqa: RUF012  # never changed in place
    redact: list[str] = []  # noqa: RUF012
    sample: float = 1
    request_id: str | None = None
    metrics: bool = False


class HealthOptions(Options):
    """What the deploy's health gate asks the app. `timeout` is in seconds."""

    path: str = "/"
    timeout: float = 10


class Manifest:
    """The whole of it. `version` is the release's name, empty for local runs.

    `upstream` is None where there is no app, but files alone. `exec` allows commands beside the app.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        found = document.get("manifest_version")
        if found != VERSION:
            raise ManifestError(
                f"the manifest is of version {found!r}, this proxy reads version {VERSION}: "
                "build both with the same upproxy"
            )
        self.name: str = document["name"]
        self.stage: str = document["stage"]
        self.version: str = document.get("version", "")
        for section in ("upstream", "events", "logs", "health", "middleware"):
            if not isinstance(document.get(section), dict | None):
                raise ManifestError(f"the manifest's {section} is no JSON object")
        upstream = document["upstream"]
        self.upstream = None if upstream is None else UpstreamOptions.from_manifest(upstream)
        if self.upstream is not None and not isinstance(upstream["command"], str | list):
            raise ManifestError("the manifest's command is neither a text nor a list")
        self.events = EventOptions.from_manifest(document.get("events"))
        self.logs = LogOptions.from_manifest(document.get("logs"))
        self.exec: bool = document.get("exec") is True
        self.health = HealthOptions.from_manifest(document.get("health"))
        self.middleware: dict[str, Any] = document.get("middleware") or {}


class ManifestError(Exception):
    """There is no manifest, or none that this proxy can read."""


class UnsetVariable(ManifestError):
    """A value refers to a variable that the environment does not have."""


def expand(text: str, environment: Mapping[bytes, bytes]) -> str:
    """Replace each `${NAME}` by the environment's value. Raises UnsetVariable."""
    before, *rest = text.split("${")
    parts = [before]
    for piece in rest:
        name, brace, after = piece.partition("}")
        if not brace:
            parts += "${", piece
            continue
        value = environment.get(name.encode())
        if value is None:
            raise UnsetVariable(f"the environment has no {name}, which up.yml refers to as ${{{name}}}")
        parts += value.decode("utf-8", "surrogateescape"), after
    return "".join(parts)


def load(path: str) -> Manifest:
    """Read the manifest file. Raises ManifestError with a sentence for people."""
    try:
        with open(path, "rb", buffering=0) as file:
            document = lean.loads(file.read())
    except OSError as error:
        raise ManifestError(f"cannot read the manifest {path}: {error.strerror}") from None
    except lean.JSONError as error:
        raise ManifestError(f"the manifest {path} is no JSON: {error}") from None
    if not isinstance(document, dict):
        raise ManifestError(f"the manifest {path} is no JSON object")
    try:
        return Manifest(document)
    except KeyError as missing:
        raise ManifestError(f"the manifest {path} lacks {missing}") from None
