"""A project to what Lambda runs: a small, reproducible zip, a container image's files, or a layer."""

from __future__ import annotations

from upproxy.build.artefact import Artefact, Builder, Options
from upproxy.build.errors import BuildError

__all__ = ["Artefact", "BuildError", "Builder", "Options"]
