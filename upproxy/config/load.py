"""A project folder to its configuration for one stage."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Any

from upproxy.config import alerts, document, endpoint, middleware, warm
from upproxy.config.endpoint import Endpoint
from upproxy.config.errors import ConfigError
from upproxy.config.inference import App, infer
from upproxy.config.settings import StageSettings
from upproxy.config.stages import check_stage, resolve
from upproxy.config.values import NAME, STAGES
from upproxy.proxy.manifest import VERSION, EventOptions

FILES = ("up.yml", "up.yaml", "up.json")
"""Names of the configuration file; the first that exists is read."""


@dataclass(frozen=True)
class Config:
    """What is known of an app at one stage.

    `settings` holds every key of up.yml with its default, and what a domain makes of `endpoint`; `app` says how the app
    is started, `endpoint` what takes its requests on AWS and why. `found` is a sentence that says what was inferred and
    how to override it; `warnings` are sentences for people, one each. `document` is what the configuration file says,
    None where there is none.
    """

    directory: str
    stage: str
    document: document.Document | None
    settings: StageSettings
    app: App
    endpoint: Endpoint
    warnings: tuple[str, ...]

    @property
    def file(self) -> str | None:
        """The configuration file."""
        return self.document.file if self.document else None

    @property
    def name(self) -> str:
        """The app's name."""
        return self.settings.name

    @property
    def found(self) -> str:
        """What starts the app, and how to override it."""
        return self.app.found

    def resolved(self) -> dict[str, Any]:
        """Return all settings of the stage with their defaults, as plain data under the keys of up.yml."""
        resolved = self.settings.model_dump(mode="json", by_alias=True)
        resolved["alerts"] = [alert.model_dump(mode="json") for alert in alerts.wanted(self.settings)]
        return {"stage": self.stage, **resolved}

    def manifest(self) -> dict[str, Any]:
        """Return what `upproxy.proxy.manifest` reads, as plain data in a fixed order; references stay unexpanded.

        Function URLs and REST APIs take streamed replies, HTTP APIs cannot; the codecs of other events know that they
        do not stream. Raises ConfigError for what up.yml refers to and is not there, such as a folder or public keys.
        """
        settings = self.settings
        events = EventOptions(
            base_path=(settings.path or "").rstrip("/"),
            streaming=self.endpoint.streams,
            triggers=settings.triggers.path if settings.triggers else None,
        )
        sections = settings.model_dump(mode="json", include={"proxy", "logs"})
        return {
            "manifest_version": VERSION,
            "name": settings.name,
            "stage": self.stage,
            "version": "",
            "upstream": None
            if self.app.command is None
            else {
                **sections["proxy"],
                "command": self.app.command,
                "environment": dict(sorted(settings.environment.items())),
                "private": middleware.private(settings),
            },
            "events": vars(events),
            "logs": {
                **sections["logs"],
                "metrics": settings.logs.metrics or alerts.metrics_needed(settings),
                "redact": [*settings.logs.redact, *middleware.secrets(settings)],
            },
            "health": {"path": settings.health.path, "timeout": settings.health.timeout},
            "exec": settings.exec,
            "middleware": self._middleware(),
        }

    def _middleware(self) -> dict[str, Any]:
        try:
            return middleware.sections(self.settings, self.directory, self.stage)
        except ConfigError as error:
            [problem, *others] = error.problems
            if self.document is None or error.file or others:
                raise
            path = ("stages", self.stage, *problem.path)
            if path not in self.document:
                path = problem.path
            line = self.document.line(path) if path in self.document else 0
            raise ConfigError(problem.message, hint=error.hint, file=self.file, line=line, path=path) from None


def load(directory: str, stage: str = "development", command: str | None = None, python: str = "python3") -> Config:
    """Read the configuration of a project folder for a stage, and find out how its app is started.

    `command` overrides what starts the app; `python` is the interpreter put into commands that are inferred, a
    name or an absolute path, since a command may start in a folder of the project. A folder without a configuration
    file has all defaults and the folder's name. Raises ConfigError.
    """
    if not os.path.isdir(directory):
        raise ConfigError(f"there is no folder {directory}")
    there = [name for name in FILES if os.path.isfile(os.path.join(directory, name))]
    warnings = [f"{name} is not read, since there is {there[0]}" for name in there[1:]]
    if there:
        said = document.read(os.path.normpath(os.path.join(directory, there[0])))
        settings = resolve(said, stage)
    else:
        said = None
        check_stage(stage, list(STAGES))
        settings = StageSettings.model_validate({"name": name_of(directory)})
    app = infer(directory, settings, command, python)
    if app.command is None:
        settings = settings.model_copy(update={"type": "static"})
    chosen = endpoint.of(settings, app)
    settings = settings.model_copy(update={"endpoint": chosen.kind})
    warnings += [*middleware.warnings(settings), *warm.warnings(settings), *alerts.warnings(settings)]
    warnings += [*app.warnings, *endpoint.warnings(settings)]
    return Config(directory, stage, said, settings, app, chosen, tuple(warnings))


def name_of(directory: str) -> str:
    """Make a valid name for an app of its folder's."""
    folder = os.path.basename(os.path.realpath(directory))
    name = re.sub(r"[^a-zA-Z0-9]+", "-", folder).strip("-").lower()[:48].strip("-")
    return name if re.search(NAME, name) else f"app-{name}"[:48].strip("-")
