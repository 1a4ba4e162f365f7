"""Bytecode for the target's Python, so that nothing is compiled at a cold start, when the disk cannot be written."""

from __future__ import annotations

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


class Failure(NamedTuple):
    """A file that could not be compiled, and why."""

    name: str
    reason: str


def add(
    members: Sequence[Member], target: Target, interpreter: Interpreter | None, root: str = "/var/task"
) -> tuple[list[Member], list[Failure]]:
    """Return members with the bytecode of the Python files among them, and what could not be compiled.

    `root` is the folder that they will lie in, which tracebacks show. Without an interpreter nothing is added. Raises
    BuildError where the interpreter fails.
    """
    sources = [member for member in members if member.name.endswith(".py")]
    if interpreter is None or not sources:
        return list(members), []
    workers = min(os.cpu_count() or 1, 1 + len(sources) // 8)
    parts = [sources[start::workers] for start in range(workers)]
    with ThreadPoolExecutor(workers) as pool:
        answers = list(pool.map(lambda part: _compile(part, interpreter, root), parts))
    added, failures = [], []
    for member, (kind, content) in (
        pair for part, found in zip(parts, answers, strict=True) for pair in zip(part, found, strict=True)
    ):
        if kind == b"c":
            added.append(Member(_cached(member.name, target), content))
        else:
            failures.append(Failure(member.name, content.decode("utf-8", "replace")))
    return [*members, *added], sorted(failures)


def _cached(name: str, target: Target) -> str:
    folder, file = os.path.split(name)
    return os.path.join(folder, "__pycache__", f"{file.removesuffix('.py')}.{target.cache_tag}.pyc")


def _compile(sources: Sequence[Member], interpreter: Interpreter, root: str) -> list[tuple[bytes, bytes]]:
    frames = []
    for source in sources:
        name = f"{root}/{source.name}".encode()
        frames += [len(name).to_bytes(4, "little"), len(source.data).to_bytes(4, "little"), name, source.data]
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
    for _ in sources:
        end = at + 5 + int.from_bytes(done.stdout[at + 1 : at + 5], "little")
        answers.append((done.stdout[at : at + 1], done.stdout[at + 5 : end]))
        at = end
    return answers
