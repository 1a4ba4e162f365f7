"""The parts of an artefact: the project's files, the proxy, the app's packages, and what the proxy asks for."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from upproxy import __version__
from upproxy.build import archive, bytecode, cache, dependencies, interpreter, source, uv
from upproxy.build.archive import Member, Packed
from upproxy.build.bootstrap import VARIABLE, bootstrap
from upproxy.build.cache import Part
from upproxy.build.errors import BuildError
from upproxy.build.packages import Folder, check_machine
from upproxy.build.source import LeftOut
from upproxy.build.target import Target
from upproxy.config import Config

MANIFEST = ".upproxy/manifest.json"
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_FOREIGN = frozenset(("node", "npm", "npx", "yarn", "pnpm", "bun", "deno", "go", "ruby", "php", "java", "dotnet"))
_RUNNERS = frozenset(("uv", "poetry", "pipenv", "pdm", "hatch", "rye"))
_SERVERS = {"uvicorn": ("uvicorn", "httptools")}  # what is added with a server; why: docs/build.md


@dataclass(frozen=True, kw_only=True)
class Options:
    """What is asked of a build. `managed` says that AWS's own Python runtime will run it, not an image."""

    allow_sdist: bool = False
    anew: bool = False
    managed: bool = True
    skip: str = ""


@dataclass
class Artefact:
    """What was built. `notes` and `warnings` are sentences for people, `left_out` what is not in it."""

    target: Target
    members: list[Packed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def manifest_member(manifest: Mapping[str, Any]) -> Member:
    """Return the file that has a stage's manifest; nothing else in an artefact depends on the stage."""
    return Member(MANIFEST, (json.dumps(manifest, indent=1, ensure_ascii=False) + "\n").encode())


class Builder:
    """Puts an artefact together. `report` is called with a sentence before each step that may take long.

    `interpreter` is a Python of the target's version, None where there is none.
    """

    def __init__(self, target: Target, options: Options, report: Callable[[str], None]) -> None:
        self._options = options
        self._report = report
        self._target = target
        self.interpreter = interpreter.find(target.python, report)
        self.artefact = Artefact(target)
        if self.interpreter is None:
            self.artefact.warnings.append(
                f"no bytecode: there is no Python {target.python} here, and uv cannot get one; the app starts slower. "
                f"Install Python {target.python}, or build for another: `python` in up.yml"
            )

    def project(self, config: Config) -> Artefact:
        """Build a whole project. Raises BuildError and ConfigError."""
        _check_command(config, managed=self._options.managed)
        manifest = manifest_member(config.manifest())
        self._source(config)
        self._files(
            bootstrap(self._target, ".upproxy/bootstrap", config.settings.environment.get(VARIABLE, "")),
            manifest,
        )
        self._proxy(".upproxy/", "/var/task")
        if config.app.command is not None:
            self._packages(config)
        self._vendor(config)
        return self.artefact

    def layer(self) -> Artefact:
        """Build the proxy alone, as a layer that is unpacked to /opt."""
        self._files(bootstrap(self._target, "upproxy/bootstrap", layer=True))
        self._proxy("upproxy/", "/opt")
        return self.artefact

    def _files(self, *members: Member) -> None:
        self.artefact.members += archive.pack(members)

    def _source(self, config: Config) -> None:
        options = self._options
        defaults = [one for one in source.DEFAULTS if options.managed or one != "node_modules/"]
        left_out = self.artefact.left_out
        members = source.collect(config.directory, left_out.append, defaults=defaults, skip=options.skip)
        for member in members:
            check_machine(member.name, member.data, self._target, "the project")
        # A site of files alone has nothing to run.
        compiler = None if config.app.command is None else self.interpreter
        compiled, failures = bytecode.add(members, self._target, compiler)
        self.artefact.warnings += [
            f"{failure.name} does not compile on Python {self._target.python}: {failure.reason}" for failure in failures
        ]
        self._files(*compiled)

    def _proxy(self, prefix: str, root: str) -> None:
        """Add the proxy and the launchers, which lie under `root` on Lambda."""
        members = list(_own(prefix))
        key = cache.key("proxy", self._compiler, self._target, root, *(f"{one.name} {one.data!r}" for one in members))

        def make() -> Part:
            compiled, failures = bytecode.add(members, self._target, self.interpreter, root, bytecode.GROUP)
            assert not failures, failures  # noqa: S101  # our own files compile on every version
            return Part(archive.pack(compiled), [], [])

        self._part(key, make)

    def _packages(self, config: Config) -> None:
        wanted = dependencies.find(config.directory)
        own = wanted is None or wanted.locked or wanted.asked or not self._options.managed
        without = () if own else dependencies.OF_THE_RUNTIME
        server = _SERVERS.get(config.app.server, (config.app.server,) if config.app.server else ())
        key = self._key(
            "packages", wanted and (wanted.file, wanted.fingerprint), without, server, self._options.allow_sdist
        )

        def make() -> Part:
            with tempfile.TemporaryDirectory(prefix="upproxy-build-") as work:
                folder = Folder(work, self._target)
                notes = []
                if wanted is None:
                    notes.append(
                        "no packages: there is no uv.lock, pylock.toml, poetry.lock, requirements.txt or "
                        "pyproject.toml with dependencies"
                    )
                else:
                    self._report(f"installing what {wanted.file} names for {self._target}")
                    folder.install(wanted, config.directory, allow_sdist=self._options.allow_sdist, without=without)
                    folder.check_built(None if self._options.allow_sdist else wanted.sources)
                if server and (added := folder.add(server[0])):
                    added += folder.add(*server[1:])
                    notes.append(f"added {', '.join(added)}, since the dependencies have no server")
                return self._finished(folder, ".upproxy/packages/", notes)

        self._part(key, make)

    def _vendor(self, config: Config) -> None:
        """Add what the proxy loads on first use: base64 for large bodies, and what checks tokens."""
        names = ["pybase64"]
        if any(rule.jwt is not None for rule in config.settings.auth):
            names += ["pyjwt", "cryptography"]

        def make() -> Part:
            with tempfile.TemporaryDirectory(prefix="upproxy-build-") as work:
                self._report(f"installing {', '.join(names)} for the proxy")
                folder = Folder(work, self._target)
                folder.add(*names)
                return self._finished(folder, ".upproxy/vendor/", [])

        self._part(self._key("vendor", names), make)

    def _finished(self, folder: Folder, prefix: str, notes: list[str]) -> Part:
        self._report("compiling and compressing packages")
        members, left_out = folder.members(prefix, self.interpreter if self._target.runs_here else None)
        compiled, failures = bytecode.add(members, self._target, self.interpreter, group=bytecode.GROUP)
        left_out += [LeftOut(f"bytecode of {failure.name}", failure.reason) for failure in failures]
        return Part(archive.pack(compiled), notes, left_out)

    def _part(self, key: str, make: Callable[[], Part]) -> None:
        part = cache.part(key, make, anew=self._options.anew)
        self.artefact.members += part.members
        self.artefact.notes += part.notes
        self.artefact.left_out += part.left_out

    def _key(self, *parts: object) -> str:
        return cache.key(*parts, self._target, self._compiler, uv.version(), _tools())

    @property
    def _compiler(self) -> str:
        return self.interpreter.version if self.interpreter else ""


@functools.cache
def _tools() -> str:
    """Return a hash of what builds: its version alone would not tell of a change to it."""
    digest = hashlib.sha256(__version__.encode())
    folder = os.path.dirname(os.path.abspath(__file__))
    for name in sorted(os.listdir(folder)):
        if os.path.isfile(os.path.join(folder, name)):
            digest.update(archive.digest(os.path.join(folder, name)).encode())
    return digest.hexdigest()


def _own(prefix: str) -> Iterator[Member]:
    """Go through the files of the proxy and the launchers."""
    for folder in ("", "proxy", "launchers"):
        for here, folders, files in os.walk(os.path.join(_PACKAGE, folder)):
            folders[:] = sorted(name for name in folders if folder and name != "__pycache__")
            for file in sorted(files):
                if file.endswith(".py") and (folder or file == "__init__.py"):
                    path = os.path.join(here, file)
                    with open(path, "rb") as stream:
                        yield Member(f"{prefix}upproxy/{os.path.relpath(path, _PACKAGE)}", stream.read())


def _check_command(config: Config, *, managed: bool) -> None:
    """See that Lambda has what the command runs. Raises BuildError."""
    command = config.app.command
    if not isinstance(command, str) or config.settings.lambda_.layers:
        return
    words = [word for word in command.rpartition("; ")[2].split() if "=" not in word and word != "exec"]
    first = words[0] if words else ""
    if first in _RUNNERS:
        raise BuildError(
            f"the app is started by `{first}`, which is not there on Lambda",
            f"Leave `{first} run` out of the command: the packages are on the app's path there.",
        )
    if managed and first in _FOREIGN:
        raise BuildError(
            f"the app is started by `{first}`, which AWS's Python runtimes do not have",
            "Build a container image: `upproxy build --image`.",
        )
