"""Bytecode for the target's Python, so that nothing is compiled at a cold start, when the disk cannot be written."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from upproxy.build.archive import Member
from upproxy.build.errors import BuildError
from upproxy.build.interpreter import Interpreter
from upproxy.build.target import Target

_COMPILER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "compiler.py")
_ENVIRONMENT = {"PYTHONHASHSEED": "0", "LC_ALL": "C"}  # nothing else, so that nothing else has an influence

_FEW = 8  # files that are not worth another process

GROUP = 32
"""How many files of packages are compiled by one process: they change together or not at all."""


class Failure(NamedTuple):
    """A file that could not be compiled, and why."""

    name: str
    reason: str


def add(
    members: Sequence[Member], target: Target, interpreter: Interpreter | None, root: str = "/var/task", group: int = 1
) -> tuple[list[Member], list[Failure]]:
    """Return members with the bytecode of the Python files among them, and what could not be compiled.

    `root` is the folder that they will lie in, which tracebacks show. So many files as `group` says are compiled by one
    process, which is faster, and makes the bytes depend on all of them. Without an interpreter nothing is added. Raises
    BuildError where the interpreter fails.
    """
    sources = sorted(member for member in members if member.name.endswith(".py"))
    if interpreter is None or not sources:
        return list(members), []
    groups = [sources[start : start + group] for start in range(0, len(sources), group)]
    workers = min(os.cpu_count() or 1, 1 + len(sources) // _FEW)
    parts = [groups[start::workers] for start in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        answers = [pair for part in pool.map(lambda part: _compile(part, interpreter, root), parts) for pair in part]
    added = [Member(_cached(name, target), content) for name, kind, content in answers if kind == b"c"]
    failures = [Failure(name, content.decode("utf-8", "replace")) for name, kind, content in answers if kind != b"c"]
    return [*members, *added], sorted(failures)


def _cached(name: str, target: Target) -> str:
    folder, file = os.path.split(name)
    return os.path.join(folder, "__pycache__", f"{file.removesuffix('.py')}.{target.cache_tag}.pyc")


def _compile(groups: Sequence[Sequence[Member]], interpreter: Interpreter, root: str) -> list[tuple[str, bytes, bytes]]:
    """Return names, kinds of answers and answers of the compiler, as it has them."""
    frames = []
    for group in groups:
        frames.append(_number(len(group)))
        for source in group:
            name = f"{root}/{source.name}".encode()
            frames += [_number(len(name)), _number(len(source.data)), name, source.data]
    # Not -I, which would have the hash seed ignored.
    done = subprocess.run(
        [interpreter.path, "-s", "-S", "-P", _COMPILER],
        input=b"".join(frames),
        capture_output=True,
        env=_ENVIRONMENT,
        check=False,
    )
    if done.returncode:
        last = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:]
        raise BuildError(f"{interpreter.path} cannot compile: {' '.join(last) or f'exit code {done.returncode}'}")
    answers, at = [], 0
    for source in itertools.chain.from_iterable(groups):
        end = at + 5 + int.from_bytes(done.stdout[at + 1 : at + 5], "little")
        answers.append((source.name, done.stdout[at : at + 1], done.stdout[at + 5 : end]))
        at = end
    return answers


def _number(value: int) -> bytes:
    return value.to_bytes(4, "little")
