"""What starts the app: said by the person, or found by reading the project, never by running it.

The order: `-c`, `proxy.command`, `app`, the Procfile, Django's manage.py, an app object in the usual Python files,
package.json, main.go, an app object in any other Python file, index.html. With `server` only app objects count.
"""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Iterable
from typing import NamedTuple

from upproxy.config.errors import ConfigError
from upproxy.config.inference import django, others, places, servers
from upproxy.config.inference.dependencies import Dependencies
from upproxy.config.inference.source import Sources
from upproxy.config.settings import StageSettings

OVERRIDE = "`app:`, `server:` or `proxy: {command: …}` in up.yml, or `-c COMMAND`, say otherwise"

MAX_FOUND = 4
"""App objects after which the search ends; the first is taken and the others are told."""


class App(NamedTuple):
    """How the app is started.

    `command` is as in `UpstreamOptions`, None for a site of files alone; `found` is a sentence that says what was found
    and how to override it; `framework`, `target` (`module:app`) and `server` are empty for a command of the person's
    own.
    """

    command: list[str] | str | None
    found: str
    framework: str = ""
    target: str = ""
    server: str = ""
    warnings: tuple[str, ...] = ()


class _Target(NamedTuple):
    """An app object as it can be started: the folder that it is imported from, and by which means it gets there."""

    attribute: str
    module: str
    folder: str
    framework: str
    interface: str
    where: str
    others: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return f"{self.module}:{self.attribute}"


def infer(directory: str, settings: StageSettings, command: str | None, python: str) -> App:
    """Return how the app of a folder is started. Raises ConfigError with where was looked and what to write.

    `command` is the person's own from the command line; `python` is the interpreter put into commands.
    """
    dependencies = Dependencies(directory, python)
    if command:
        return _own(command, "the command of `-c`", dependencies)
    if settings.type == "static":
        unused = [key for key in ("app", "server", "triggers") if getattr(settings, key)]
        unused += ["proxy.command"] if settings.proxy.command else []
        idle = tuple(f"`{key}` is not used, since `type: static` means that there is no app" for key in unused)
        return App(None, f"a static site in {_shown(settings.static.dir)}, as `type` says", warnings=idle)
    if settings.proxy.command:
        app = _own(settings.proxy.command, "the command of `proxy.command`", dependencies)
        unused = [key for key in ("app", "server") if getattr(settings, key)]
        idle = tuple(f"`{key}` is not used, since there is `proxy.command`" for key in unused)
        return app._replace(warnings=(*app.warnings, *idle))
    sources = Sources(directory)
    if settings.app:
        return _served(_named(settings.app, directory, sources, settings), settings, python, dependencies)
    by_source = settings.server is not None  # which asks for an app object
    if not by_source and (text := others.procfile(directory)):
        return _own(text, f"the `web` command of the Procfile; {OVERRIDE}", dependencies)
    if target := _django(directory, settings, dependencies) or _python(sources, places.usual(directory)):
        return _served(target, settings, python, dependencies)
    if not by_source and (text := others.package_json(directory)):
        return _own(text, f"the start script of package.json; {OVERRIDE}", dependencies)
    if not by_source and (program := others.go(directory)):
        return App(program[0], f"{program[1]}, run by `{program[0]}`; {OVERRIDE}")
    if target := _python(sources, places.everywhere(directory)):
        return _served(target, settings, python, dependencies)
    if others.static(directory):
        return App(None, f"a static site, by its index.html, in {_shown(settings.static.dir)}; {OVERRIDE}")
    raise _nothing(sources)


def _own(text: str | list[str], found: str, dependencies: Dependencies) -> App:
    if isinstance(text, list):
        return App(text, found)
    completed, notes = servers.complete(text, dependencies)
    return App(completed, found, warnings=tuple(notes))


def _django(directory: str, settings: StageSettings, dependencies: Dependencies) -> _Target | None:
    """Prefer WSGI, on which a request costs far less, unless the project brings an ASGI server alone."""
    project = django.find(directory)
    if not project or not project.apps:
        return None
    asked = _interface(settings)
    brought = [one for one in ("wsgi", "asgi") if dependencies.first_of(servers.able(one))]
    wanted = [asked] if asked else [*brought, "wsgi", "asgi"]
    interface = next((one for one in wanted if one in project.apps), next(iter(project.apps)))
    module, _, attribute = project.apps[interface].partition(":")
    where = os.path.join(project.folder, "manage.py")
    return _Target(attribute, module, project.folder, "Django", interface, where)


def _python(sources: Sources, files: Iterable[str]) -> _Target | None:
    """Return the first app object of these files; in one folder an object comes before a function that makes one."""
    found = list(itertools.islice((best for file in files for best in sources.candidates(file)[:1]), MAX_FOUND))
    if not found:
        return None
    folder = os.path.dirname(found[0][0].file)
    beside = [pair for pair in found if os.path.dirname(pair[0].file) == folder]
    module, candidate = best = min(beside, key=lambda pair: pair[1].is_factory)
    rest = tuple(f"{other.attribute} in {where.file}" for where, other in found if (where, other) != best)
    return _Target(candidate.attribute, module.name, module.root, *candidate.framework, module.file, rest)


_APP = re.compile(r"([A-Za-z_][\w.]*):([A-Za-z_]\w*(?:\(\))?)")


def _named(app: str, directory: str, sources: Sources, settings: StageSettings) -> _Target:
    """Look at the app object that `app` names, for its interface."""
    match = _APP.fullmatch(app)
    if not match:
        raise ConfigError(
            f"`app: {app}` is no app object", hint="Write module:object or module:function(), such as shop.web:app."
        )
    name, attribute = match[1], match[2]
    for root in ("", "src"):
        file = sources.file_of(name, root)
        if not file:
            continue
        module = sources.module(file)
        if module is None:
            unreadable = sources.unreadable.get(file)
            reason = f"does not parse: {unreadable.reason}" if unreadable else "cannot be read"
            line = unreadable.line if unreadable else 0
            raise ConfigError(f"{reason}; `app` names it", file=os.path.join(directory, file), line=line)
        framework = module.lookup(attribute)
        interface = framework.interface if framework else _interface(settings)
        if interface is None:
            raise ConfigError(
                f"cannot tell by its source what `app: {app}` is",
                hint="Name a server: `server: waitress` or `server: gunicorn` for WSGI, `server: uvicorn` or "
                "`server: hypercorn` for ASGI.",
            )
        return _Target(attribute, name, root, framework.name if framework else interface.upper(), interface, file)
    if interface := _interface(settings):
        return _Target(attribute, name, "", interface.upper(), interface, name)
    raise ConfigError(
        f"`app: {app}`: there is no module {name} in {directory}",
        hint=f"Is it {name.replace('.', '/')}.py or src/{name.replace('.', '/')}.py? "
        "For a module of an installed package name its `server` too.",
    )


def _interface(settings: StageSettings) -> str | None:
    """Tell the interface by the server that is asked for."""
    return next(iter(servers.SERVERS[settings.server])) if settings.server else None


def _served(target: _Target, settings: StageSettings, python: str, dependencies: Dependencies) -> App:
    try:
        server, why = servers.choose(target.interface, dependencies, settings.server)
    except servers.Unsuitable as error:
        raise ConfigError(
            f"{target.framework} app `{target.name}`: {error}", hint="Change `server` in up.yml or leave it out."
        ) from None
    command = servers.command(server, target.interface, target.name, python, dependencies)
    rest = f"; also there: {', '.join(target.others)}" if target.others else ""
    found = f"{target.framework} app `{target.name}` ({target.where}), run by {server}, {why}{rest}; {OVERRIDE}"
    return App(_placed(command, target.folder), found, target.framework, target.name, server)


def _placed(command: list[str], folder: str) -> list[str]:
    """Start a command so that a folder other than the project's is imported from.

    `src` is put on the path, since such a project runs from its own folder; another folder is a project of its own.
    """
    if not folder:
        return command
    if os.path.basename(folder) == "src":
        return ["sh", "-c", 'PYTHONPATH="$PWD/$0${PYTHONPATH:+:$PYTHONPATH}" exec "$@"', folder, *command]
    return ["sh", "-c", 'cd "$0" && exec "$@"', folder, *command]


def _shown(folder: str | None) -> str:
    return "this folder" if folder in (None, ".") else f"the folder {folder}"


def _nothing(sources: Sources) -> ConfigError:
    if unreadable := list(sources.unreadable.values()):
        told = "; ".join(f"{one.file}:{one.line} does not parse: {one.reason}" for one in unreadable)
        return ConfigError(told, hint=f"Correct it; no other app was found in {sources.directory}.")
    names = ", ".join(f"{name}.py" for name in places.FILES)
    return ConfigError(
        f"no app found in {sources.directory}: no Procfile, manage.py, {names} with an app object (there, in a "
        f"folder or in src), package.json with a start script, main.go or index.html",
        hint="Say what to run: `app: module:object` or `proxy: {command: …}` in up.yml, or `-c COMMAND`.",
    )
