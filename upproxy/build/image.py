"""The files of a container image: for languages that AWS's Python runtimes do not have, and for more than 250 MB."""

from __future__ import annotations

import os
import shutil
import tempfile

from upproxy.build import archive
from upproxy.build import target as targets
from upproxy.build.artefact import Artefact
from upproxy.build.errors import BuildError
from upproxy.build.target import Target
from upproxy.config import Config

MARK = ".upproxy-image"  # a folder without it is not ours to replace
_DEBIAN = "3.11"  # Python in Debian 12, bookworm
_IMAGES = {
    **dict.fromkeys(("node", "npm", "npx", "yarn", "pnpm"), "node:22-bookworm-slim"),
    "go": "golang:1.24-bookworm",
}
_PLATFORMS = {"x86_64": "linux/amd64", "arm64": "linux/arm64"}

_DOCKERFILE = """\
# syntax=docker/dockerfile:1
# Written by `upproxy build --image`, and written anew by the next one. From this folder:
#
#     docker build --platform {platform} --provenance=false -t {name} .
#
{base}
# The folder that the app is started in.
ENV LAMBDA_TASK_ROOT=/var/task
WORKDIR /var/task
COPY task ./
# It takes the place of a runtime client: AWS's Lambda base images are not needed.
ENTRYPOINT ["/var/task/.upproxy/bootstrap"]
"""
_PYTHON = """\
FROM python:{python}-slim
"""
_OTHER = """\
FROM {image}
# The proxy needs Python's standard library, 3.11 or newer, and nothing else of it.
RUN apt-get update && apt-get install -y --no-install-recommends python3 && rm -rf /var/lib/apt/lists/*
"""


def target(config: Config) -> Target:
    """Return what is built for: the Python of the image, which beside another language is Debian's."""
    found = targets.of(config)
    return found if _base(config) is None else found._replace(python=_DEBIAN)


def write(path: str, artefact: Artefact, config: Config) -> None:
    """Write the folder of an image, in one step in place of an older one.

    Raises BuildError where the path is something else, and OSError.
    """
    if os.path.lexists(path) and not os.path.exists(os.path.join(path, MARK)):
        raise BuildError(f"{path} is there, and no folder of an image", "Choose another with --output.")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    aside = tempfile.mkdtemp(prefix=".", dir=os.path.dirname(path))
    try:
        os.chmod(aside, 0o755)  # noqa: S103  # mkdtemp keeps everybody else out
        archive.extract(artefact.members, os.path.join(aside, "task"))
        with open(os.path.join(aside, "Dockerfile"), "w", encoding="utf-8") as file:
            file.write(dockerfile(artefact, config))
        with open(os.path.join(aside, MARK), "w", encoding="utf-8"):
            pass
        old = f"{aside}.old"
        if os.path.exists(path):
            os.rename(path, old)
        os.rename(aside, path)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def dockerfile(artefact: Artefact, config: Config) -> str:
    """Return the Dockerfile for an app: on Debian, with Python and, where the command asks for it, Node.js."""
    python, architecture = artefact.target
    other = _base(config)
    base = _PYTHON.format(python=python) if other is None else _OTHER.format(image=other)
    return _DOCKERFILE.format(platform=_PLATFORMS[architecture], name=config.name, base=base.rstrip())


def _base(config: Config) -> str | None:
    """Return the image of the language that the command is in, None for Python."""
    command = config.app.command
    words = command.split() if isinstance(command, str) else []
    return next((_IMAGES[word] for word in words if word in _IMAGES), None)
