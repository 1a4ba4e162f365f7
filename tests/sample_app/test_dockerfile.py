"""The Dockerfile, without a Docker engine: its instructions are read, and carried out below a temporary folder.

`pip install .` is left out: the command line is the one that runs the tests. The apps are built for its Python.
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
from upproxy.build import target as targets
from upproxy.config import load
from upproxy.local.sources import HttpRequest

CONTEXT = pathlib.Path(__file__).parents[2]
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


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
        self.stages = stages((CONTEXT / "Dockerfile").read_text(), APP_DIR=str(app), PYTHON=PYTHON)
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
            path = CONTEXT / source if source_root is CONTEXT else source_root / source.lstrip("/")
            if source_root is CONTEXT and not os.path.isabs(source):  # the apps of the tests are elsewhere
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
        command = command.replace("/build/", f"{self.root}/build/")
        subprocess.run(
            ["/bin/sh", "-c", command],
            cwd=self.root / directory[1:],
            env={**os.environ, "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}"},
            check=True,
            capture_output=True,
            text=True,
        )


def project(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def sample(name, folder):
    """Copy a sample app, for the Python that runs the tests."""
    shutil.copytree(CONTEXT / "sample_app" / name, folder, ignore=shutil.ignore_patterns(".*", "__pycache__"))
    file = folder / "up.yml"
    file.write_text(f"{file.read_text()}python: '{PYTHON}'\n")
    return folder


@pytest.fixture(scope="module", params=["flask", "fastapi"])
def image(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("image")
    return Image(folder, sample(request.param, folder / "app"))


def test_image_holds_the_proxy_and_the_app_alone(image):
    task = image.roots[""] / "var/task"
    shipped = {path.name for path in (task / ".upproxy/upproxy").iterdir()}
    assert shipped == {"__init__.py", "__pycache__", "proxy", "launchers"}
    assert {path.name for path in task.iterdir()} >= {".upproxy", "requirements.txt", "templates", "static"}
    manifest = json.loads((task / ".upproxy/manifest.json").read_text())
    assert manifest["stage"] == "production"


def test_stages_agree(image):
    builder, final = image.stages
    assert builder.base == final.base == f"python:{PYTHON}-slim"  # packages are built for what they run on
    assert final.environment["LAMBDA_TASK_ROOT"] == final.directory == "/var/task"
    (bootstrap,) = final.entrypoint
    assert os.access(image.roots[""] / bootstrap[1:], os.X_OK)
    ((*_, own),) = image.left_out
    assert own == "."


def test_everything_can_be_read_by_any_user(image):
    for path in (image.roots[""] / "var/task").rglob("*"):
        assert path.stat().st_mode & 0o444 == 0o444, path


def test_the_defaults_go_together():
    builder, final = stages((CONTEXT / "Dockerfile").read_text())
    app = CONTEXT / builder.arguments["APP_DIR"]
    assert (app / "requirements.txt").is_file()
    found = load(str(app), "production")
    assert builder.base == final.base == f"python:{targets.of(found).python}-slim"


def started(image, folder):
    """Start the image's entrypoint as a runtime process."""
    root = image.roots[""]
    task = root / "var/task"
    (bootstrap,) = image.stages[-1].entrypoint
    return Lambda(
        json.loads((task / ".upproxy/manifest.json").read_text()),
        folder,
        directory=task,
        command=(str(root / bootstrap[1:]),),
        environment={
            "PATH": f"{os.path.dirname(sys.executable)}:{os.environ['PATH']}",
            "UPPROXY_MANIFEST": "",  # the one that is found by itself
            "LAMBDA_TASK_ROOT": str(task),
        },
    )


def test_entrypoint_serves_the_app(image, tmp_path):
    function = started(image, tmp_path)

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


PYPROJECT = """
[project]
name = "shop"
version = "1"
dependencies = ["starlette"]
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

app = Starlette(routes=[Route("/", lambda _: PlainTextResponse("hello from a project"))])
"""
BARE = """
def app(environ, start_response):
    start_response("200 OK", [("content-type", "text/plain")])
    return [b"hello from a project"]
"""


@pytest.mark.parametrize(
    "files",
    [
        {"pyproject.toml": PYPROJECT, "main.py": STARLETTE},  # names no server
        {"wsgi.py": BARE},  # names nothing at all
        {"up.yml": "name: shop\ntype: static\n", "index.html": "hello from a project"},
    ],
    ids=["pyproject", "nothing", "static"],
)
def test_any_other_app(files, tmp_path):
    config = {"up.yml": f"{files.get('up.yml', 'name: shop')}\npython: '{PYTHON}'\n"}
    function = started(Image(tmp_path, project(tmp_path / "app", {**files, **config})), tmp_path)
    try:
        function.ready()
        host = "image.test"
        request = HttpRequest("GET", "/", [(b"host", b"image.test")], b"", "203.0.113.7", host, 443, "https")
        assert function.send("function_url", request).body == b"hello from a project"
    finally:
        function.close()
