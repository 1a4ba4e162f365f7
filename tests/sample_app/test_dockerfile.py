"""The Dockerfile, without a Docker engine: its instructions are read, and carried out below a temporary folder.

`pip install` is left out: the packages are those of the environment that runs the tests.
"""

import fnmatch
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field

import pytest

from tests.conformance.ways import Lambda
from tests.sample_app.exchanges import EXCHANGES
from upproxy.local.sources import HttpRequest

CONTEXT = pathlib.Path(__file__).parents[2]


@dataclass
class Stage:
    base: str
    name: str
    arguments: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    directory: str = "/"
    steps: list[tuple[str, str, str]] = field(default_factory=list)  # instruction, rest, directory
    entrypoint: list[str] = field(default_factory=list)


def instructions(text):
    """Yield (instruction, rest) with continued lines joined."""
    joined = re.sub(r"\\\n\s*", "", re.sub(r"(?m)^#.*\n", "", text))
    for line in filter(None, map(str.strip, joined.splitlines())):
        name, _, rest = line.partition(" ")
        yield name, rest.strip()


def stages(text, **arguments):
    """Read a Dockerfile into its stages, with build arguments filled in."""
    found = []
    shared = {}
    for name, rest in instructions(text):
        scope = found[-1].arguments if found and name != "FROM" else shared
        expanded = re.sub(r"\$\{(\w+)\}", lambda match, scope=scope: scope[match[1]], rest)
        if name == "ARG":
            key, _, default = expanded.partition("=")
            scope[key] = arguments.get(key, default)
        elif name == "FROM":
            base, _, alias = expanded.partition(" AS ")
            found.append(Stage(base, alias))
        elif name == "WORKDIR":
            found[-1].directory = expanded
        elif name == "ENV":
            key, _, value = expanded.partition("=")
            found[-1].environment[key] = value
        elif name == "ENTRYPOINT":
            found[-1].entrypoint = json.loads(expanded)
        else:
            assert name in ("COPY", "RUN"), name
            found[-1].steps.append((name, expanded, found[-1].directory))
    return found


def is_ignored(path):
    """Whether .dockerignore keeps a path of the context out: the last rule that matches it or a parent decides."""
    ignored = False
    for rule in filter(None, (CONTEXT / ".dockerignore").read_text().splitlines()):
        pattern = rule.removeprefix("!")
        candidates = [path, *path.parents][:-1]
        if not rule.startswith("#") and any(
            fnmatch.fnmatch(each.name, pattern[3:])
            if pattern.startswith("**/")
            else fnmatch.fnmatch(str(each), pattern)
            for each in candidates
        ):
            ignored = not rule.startswith("!")
    return ignored


class Image:
    """Stages carried out below a folder, each with a root of its own."""

    def __init__(self, folder, app):
        self.roots = {}
        self.left_out = []
        self.stages = stages((CONTEXT / "Dockerfile").read_text(), APP_DIR=app)
        for stage in self.stages:
            self.root = self.roots[stage.name] = folder / (stage.name or "final")
            for instruction, rest, directory in stage.steps:
                (self.root / directory[1:]).mkdir(parents=True, exist_ok=True)
                getattr(self, instruction.lower())(rest, directory)

    def copy(self, rest, directory):
        words = rest.split()
        source_root = CONTEXT
        if words[0].startswith("--from="):
            source_root = self.roots[words.pop(0).removeprefix("--from=")]
        *sources, target = words
        destination = self.root / os.path.join(directory, target)[1:]
        for source in sources:
            path = source_root / source.lstrip("/")
            if source_root is CONTEXT:
                assert not is_ignored(pathlib.PurePath(source)), source
            if path.is_dir():
                ignored = shutil.ignore_patterns("__pycache__") if source_root is CONTEXT else None
                shutil.copytree(path, destination, dirs_exist_ok=True, ignore=ignored)
            else:
                into = destination / path.name if target.endswith("/") or target == "." else destination
                into.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, into)

    def run(self, command, directory):
        if command.startswith("pip install "):
            self.left_out.append(shlex.split(command))
            return
        command = command.replace("/var/task", str(self.root / "var/task"))
        subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.root / directory[1:],
            env={"PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        )


@pytest.fixture(scope="module", params=["sample_app/flask", "sample_app/fastapi"])
def image(request, tmp_path_factory):
    return Image(tmp_path_factory.mktemp("image"), request.param)


def test_image_holds_the_proxy_and_the_app_alone(image):
    task = image.roots[""] / "var/task"
    assert {path.name for path in (task / ".upproxy").iterdir()} == {"manifest.json", "upproxy"}
    shipped = {path.name for path in (task / ".upproxy/upproxy").iterdir()}
    assert shipped == {"__init__.py", "__pycache__", "proxy", "launchers"}
    assert {path.name for path in task.iterdir()} >= {".upproxy", "requirements.txt", "up.yml", "templates", "static"}
    manifest = json.loads((task / ".upproxy/manifest.json").read_text())
    assert manifest["stage"] == "production"
    assert manifest["upstream"]["command"][0] == "python3"  # the image's, whatever built it


def test_stages_agree(image):
    builder, final = image.stages
    assert builder.base == final.base == "python:3.13-slim"  # packages are built for what they run on
    assert final.environment["LAMBDA_TASK_ROOT"] == final.directory == "/var/task"
    python, *options, script = final.entrypoint
    assert python == "/usr/local/bin/python3"  # where the official images have it
    assert options == ["-I", "-S"]
    assert (image.roots[""] / script[1:]).is_file()
    own, app = image.left_out
    assert own[-1] == "."
    requirements, target = app[app.index("-r") + 1], app[app.index("--target") + 1]
    assert (image.roots["builder"] / requirements[1:]).is_file()
    assert target == "/var/task/.upproxy/packages"  # where the proxy looks for them


def test_everything_has_bytecode_that_is_not_checked(image):
    proxy = image.roots[""] / "var/task/.upproxy/upproxy"
    sources = list(proxy.rglob("*.py"))
    assert len(sources) > 20
    for source in sources:
        code = source.parent / "__pycache__" / f"{source.stem}.{sys.implementation.cache_tag}.pyc"
        assert int.from_bytes(code.read_bytes()[4:8], "little") == 0b01, source  # PEP 552: hash, unchecked


def test_everything_can_be_read_by_any_user(image):
    for path in (image.roots["builder"] / "var/task").rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444, path


def test_default_app_is_there():
    builder, _ = stages((CONTEXT / "Dockerfile").read_text())
    assert (CONTEXT / builder.arguments["APP_DIR"] / "requirements.txt").is_file()


def test_entrypoint_serves_the_app(image, tmp_path):
    final = image.stages[-1]
    root = image.roots[""]
    script = str(root / final.entrypoint[-1][1:])
    task = root / "var/task"
    manifest = task / ".upproxy/manifest.json"
    function = Lambda(
        json.loads(manifest.read_text()),
        tmp_path,
        directory=task,
        command=(sys.executable, *final.entrypoint[1:-1], script),
        environment={
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "UPPROXY_MANIFEST": "",  # the one that is found by itself
            "LAMBDA_TASK_ROOT": str(task),
        },
    )

    def send(exchange):
        headers = [(name.encode(), value.encode()) for name, value in exchange.headers.items()]
        request = HttpRequest(
            exchange.method,
            exchange.path,
            [(b"host", b"image.test"), *headers],
            exchange.body,
            client="203.0.113.7",
            host="image.test",
            port=443,
            scheme="https",
        )
        reply = function.send("function_url", request)
        fields = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in reply.headers]
        return reply.status, fields, reply.body

    try:
        function.ready()
        for exchange in EXCHANGES:
            exchange.run(send)
    finally:
        function.close()
