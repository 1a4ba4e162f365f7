"""What the benchmarks install for themselves, into a folder that git ignores, once: the rivals, newest versions.

What cannot be installed here is left out of the measurement, and the results say why.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable, Iterable
from importlib.metadata import distributions

from uv import find_uv_bin

from bench.cases import ROOT

FOLDER = os.path.join(ROOT, ".bench")
VENV = os.path.join(FOLDER, "venv")
ADAPTER = os.path.join(FOLDER, "adapter", "bin", "lambda-adapter")
VENDORED = os.path.join(FOLDER, "vendored")  # the proxy beside a folder with pybase64, as in an artefact
ARTEFACT = os.path.join(FOLDER, "artefact")
REQUIREMENTS = os.path.join(ROOT, "bench", "requirements.txt")
ADAPTER_VERSION = ">=1.0.0-rc1"  # of the crate; pre-releases count, since only they run several requests at once
PATIENCE = 900  # seconds that a compiler may take
PYTHON = f"{sys.version_info[0]}.{sys.version_info[1]}"


class NotInstalled(Exception):
    """Something could not be installed. The text is the last of what the installer said."""


def install(names: Iterable[str], progress: Callable[[str], None]) -> dict[str, str]:
    """Install those of the parts below that are not there yet; return what could not be, with the reason."""
    os.makedirs(FOLDER, exist_ok=True)
    missing = {}
    for name in names:
        progress(f"installing: {name}")
        try:
            PARTS[name]()
        except (NotInstalled, OSError) as error:
            missing[name] = str(error)
    return missing


def python() -> str:
    """The interpreter that runs the apps and the rivals' adapters: the bench's own, if it is there."""
    own = os.path.join(VENV, "bin", "python")
    return own if os.path.exists(os.path.join(VENV, "installed")) else sys.executable


def versions() -> dict[str, str]:
    """The versions of what is in its environment, and of the adapter."""
    found = {}
    if python() != sys.executable:
        site = os.path.join(VENV, "lib", f"python{PYTHON}", "site-packages")
        found = {each.name.lower(): each.version for each in distributions(path=[site])}
    try:
        with open(os.path.join(FOLDER, "adapter", ".crates.toml"), "rb") as file:
            for crate in tomllib.load(file)["v1"]:
                name, version, _ = crate.split(" ", 2)
                found[name] = version
    except FileNotFoundError:
        pass
    return found


def _venv() -> None:
    with open(REQUIREMENTS) as file:
        wanted = file.read()
    ready = os.path.join(VENV, "installed")
    if _read(ready) == wanted:
        return
    shutil.rmtree(VENV, ignore_errors=True)
    _run(find_uv_bin(), "venv", "--quiet", "--python", sys.executable, VENV)
    _pip("--python", os.path.join(VENV, "bin", "python"), "--compile-bytecode", "-r", REQUIREMENTS)
    with open(ready, "w") as file:
        file.write(wanted)


def _adapter() -> None:
    if os.path.exists(ADAPTER):
        return
    if not shutil.which("cargo"):
        raise NotInstalled("there is no cargo, which would compile it")
    root = os.path.dirname(os.path.dirname(ADAPTER))
    _run("cargo", "install", "lambda_web_adapter", "--locked", "--version", ADAPTER_VERSION, "--root", root)


def _vendored() -> None:
    package = os.path.join(VENDORED, "upproxy")
    vendor = os.path.join(VENDORED, "vendor")
    if not os.path.exists(vendor):
        _pip("--python", sys.executable, "--compile-bytecode", "--target", vendor, "pybase64")
    if not os.path.lexists(package):
        os.symlink(os.path.join(ROOT, "upproxy"), package)


def _artefacts() -> None:
    """Build an artefact of the FastAPI app, and beside it what the usual zip of it has: no bytecode. Always anew."""
    shutil.rmtree(ARTEFACT, ignore_errors=True)
    project = os.path.join(ARTEFACT, "project")
    ours, usual = os.path.join(ARTEFACT, "ours"), os.path.join(ARTEFACT, "usual")
    packages = "fastapi", "uvicorn", "httptools"
    os.makedirs(project)
    _app(project)
    for name, text in {
        "requirements.txt": "\n".join(packages),
        "up.yml": f"name: bench\npython: {PYTHON}\napp: bench.apps.fastapi_app:app\n",
    }.items():
        with open(os.path.join(project, name), "w") as file:
            file.write(text)
    _run(sys.executable, "-m", "upproxy", "build", "-C", project)
    with zipfile.ZipFile(os.path.join(project, ".upproxy", "staging.zip")) as archive:
        archive.extractall(ours)
    os.chmod(os.path.join(ours, ".upproxy", "bootstrap"), 0o755)
    _pip("--python", sys.executable, "--link-mode", "copy", "--target", usual, *packages, "mangum")
    _app(usual)


def _app(folder: str) -> None:
    apps = os.path.join(folder, "bench", "apps")
    os.makedirs(apps)
    for name in ("__init__.py", "answers.py", "fastapi_app.py"):
        shutil.copy(os.path.join(ROOT, "bench", "apps", name), apps)
    shutil.copy(os.path.join(ROOT, "bench", "__init__.py"), os.path.dirname(apps))


def _pip(*arguments: str) -> None:
    _run(find_uv_bin(), "pip", "install", "--quiet", *arguments)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise NotInstalled(f"{os.path.basename(command[0])} took more than {PATIENCE} s") from None
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise NotInstalled(f"{os.path.basename(command[0])}: {lines[-1].strip()}")


def _read(path: str) -> str:
    try:
        with open(path) as file:
            return file.read()
    except FileNotFoundError:
        return ""


PACKAGES, WEB_ADAPTER, PYBASE64, ARTEFACTS = "packages from PyPI", "Lambda Web Adapter", "pybase64", "artefacts"
PARTS = {PACKAGES: _venv, WEB_ADAPTER: _adapter, PYBASE64: _vendored, ARTEFACTS: _artefacts}
