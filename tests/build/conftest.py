"""Small projects, small wheels, and the command as a process."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

HERE = f"{sys.version_info[0]}.{sys.version_info[1]}"
"""The version of Python that runs the tests, which is there to compile for."""

MOUNTS = subprocess.run(["unshare", "--map-root-user", "--mount", "true"], capture_output=True).returncode == 0
"""Whether there are mount namespaces here."""

WSGI = """\
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]
"""
UP = f"name: shop\napp: app:app\nserver: waitress\npython: {HERE}\n"


def elf(machine: int) -> bytes:
    """Return the head of a program for a processor, by its number."""
    return b"\x7fELF\x02\x01\x01" + bytes(9) + (3).to_bytes(2, "little") + machine.to_bytes(2, "little") + bytes(44)


def write_files(folder: Path, files: Mapping[str, str | bytes]) -> Path:
    """Write files, by path."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def make_wheel(
    folder: Path, name: str, files: Mapping[str, str | bytes], *, tag: str = "py3-none-any", scripts: str = ""
) -> Path:
    """Write a wheel of version 1.0 (PEP 427), with console scripts such as `shop = shop:main`."""
    info = f"{name}-1.0.dist-info"
    members: dict[str, bytes] = {path: c.encode() if isinstance(c, str) else c for path, c in files.items()}
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    members[f"{info}/WHEEL"] = f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n".encode()
    if scripts:
        members[f"{info}/entry_points.txt"] = f"[console_scripts]\n{scripts}\n".encode()
    lines = [f"{path},sha256={_hash(content)},{len(content)}" for path, content in members.items()]
    members[f"{info}/RECORD"] = "\n".join([*lines, f"{info}/RECORD,,", ""]).encode()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in members.items():
            wheel.writestr(member, content)
    return path


def _hash(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache of builds, which all tests of a session share."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def environment(kept: Path) -> dict[str, str]:
    # uv's own cache stays where it is.
    uv = os.environ.get("UV_CACHE_DIR") or os.path.expanduser("~/.cache/uv")
    return {**os.environ, "XDG_CACHE_HOME": str(kept), "UV_CACHE_DIR": uv}


@pytest.fixture
def upproxy(environment: dict[str, str]) -> Run:
    """Run the command line; `before` are words to put before it."""

    def run(*arguments: str, before: tuple[str, ...] = (), **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, sys.executable, "-m", "upproxy", *arguments],
            env={**environment, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=110,
        )

    return run


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A WSGI app without dependencies, whose server the build adds."""
    return write_files(tmp_path / "shop", {"app.py": WSGI, "up.yml": UP, "requirements.txt": ""})


def built(done: subprocess.CompletedProcess[str]) -> zipfile.ZipFile:
    """Open what a build wrote."""
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(done.stdout.strip())


def failure(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return the error of a build with --json, which is one line of JSON, and no traceback."""
    assert done.returncode == 5, (done.returncode, done.stdout, done.stderr)
    assert not any(line.startswith("Traceback") for line in done.stderr.splitlines())
    assert done.stdout == ""
    error = json.loads(done.stderr.splitlines()[-1])
    assert error["code"] == "build"
    return error
