"""The file that starts the proxy, run by a real shell; what it would start says how it was called."""

from __future__ import annotations

import os
import subprocess

import pytest

from tests.build.conftest import write_files
from upproxy.build import archive
from upproxy.build.bootstrap import bootstrap
from upproxy.build.errors import BuildError
from upproxy.build.target import Target

TARGET = Target("3.13", "x86_64")
PYTHON = '#!/bin/sh\necho "$0 $*"\n/usr/bin/env\n'


@pytest.fixture
def task(tmp_path):
    def make(wrapper="", *, layer=False):
        name = "upproxy/bootstrap" if layer else ".upproxy/bootstrap"
        archive.extract(archive.pack([bootstrap(TARGET, name, wrapper, layer=layer)]), str(tmp_path / "task"))
        write_files(tmp_path, {"bin/python3": PYTHON, "bin/python3.13": PYTHON, "lang/python3.12": PYTHON})
        for name in ("bin/python3", "bin/python3.13", "lang/python3.12"):
            (tmp_path / name).chmod(0o755)
        return tmp_path / "task"

    return make


def start(task, *words, directory=None, path=None, **variables):
    """Run words; return the first line of the output, the environment that was seen, and how it ended.

    There is no other program on the path, and none may be run on the way: each costs a millisecond of a cold start.
    """
    done = subprocess.run(
        words,
        cwd=directory or "/",
        env={"PATH": path or f"{task.parent}/bin", **variables},
        capture_output=True,
        text=True,
    )
    first, _, rest = done.stdout.partition("\n")
    seen = dict(line.split("=", 1) for line in rest.splitlines() if "=" in line)
    return first, seen, done


def test_in_place_of_a_runtime(task):
    """Called as an exec wrapper is, with the command of the managed runtime."""
    root = task()
    python = f"{root.parent}/lang/python3.12"
    said, seen, _ = start(root, f"{root}/.upproxy/bootstrap", python, "/var/runtime/bootstrap.py")
    assert said == f"{python} -I -S {root}/.upproxy/upproxy/proxy/__main__.py"
    assert seen["LAMBDA_TASK_ROOT"] == str(root)


def test_as_an_entrypoint(task):
    root = task()
    said, _, _ = start(root, f"{root}/.upproxy/bootstrap")
    assert said == f"{root.parent}/bin/python3.13 -I -S {root}/.upproxy/upproxy/proxy/__main__.py"
    (root.parent / "bin" / "python3.13").unlink()
    said, seen, _ = start(root, f"{root}/.upproxy/bootstrap", LAMBDA_TASK_ROOT="/elsewhere")
    assert said.startswith(f"{root.parent}/bin/python3 -I -S ")
    assert seen["LAMBDA_TASK_ROOT"] == "/elsewhere"


@pytest.mark.parametrize(
    ("directory", "word"), [("", ".upproxy/bootstrap"), (".upproxy", "./bootstrap"), ("", "./.upproxy/bootstrap")]
)
def test_by_a_relative_path(task, directory, word):
    root = task()
    said, _, _ = start(root, word, directory=root / directory)
    path = os.path.normpath(said.split()[-1])
    assert path == f"{root}/.upproxy/upproxy/proxy/__main__.py"
    assert os.path.isabs(said.split()[-1])


def test_without_any_python(task):
    root = task()
    empty = root.parent / "empty"
    empty.mkdir()
    (empty / "sh").symlink_to("/bin/sh")
    _, _, done = start(root, f"{root}/.upproxy/bootstrap", path=str(empty))
    assert done.returncode == 127
    assert "there is no Python" in done.stderr


def test_another_wrapper_is_called_with_what_to_start(task, tmp_path):
    wrapper = write_files(tmp_path, {"it's/wrap": '#!/bin/sh\nWRAPPED=1 exec "$@"\n'}) / "it's" / "wrap"
    wrapper.chmod(0o755)
    root = task(str(wrapper))
    said, seen, _ = start(root, f"{root}/.upproxy/bootstrap")
    assert said == f"{root.parent}/bin/python3.13 -I -S {root}/.upproxy/upproxy/proxy/__main__.py"
    assert seen["WRAPPED"] == "1"
    wrapper.unlink()
    said, seen, done = start(root, f"{root}/.upproxy/bootstrap")
    assert said.endswith("__main__.py")
    assert "it's/wrap is not there" in done.stderr


@pytest.mark.parametrize("wrapper", ["otel", "./wrap", "${WRAPPER}"])
def test_a_wrapper_that_cannot_be_one(wrapper):
    with pytest.raises(BuildError, match="no absolute path"):
        bootstrap(TARGET, "bootstrap", wrapper)


def test_our_own_as_the_other_wrapper_is_no_circle():
    assert bootstrap(TARGET, "b", "/var/task/.upproxy/bootstrap") == bootstrap(TARGET, "b")


def test_in_a_layer(task):
    root = task(layer=True)
    said, seen, _ = start(
        root,
        f"{root}/upproxy/bootstrap",
        LAMBDA_TASK_ROOT="/var/task",
        LAMBDA_RUNTIME_DIR="/var/runtime",
        PYTHONPATH="/own",
    )
    assert said == f"{root.parent}/bin/python3.13 -I -S {root}/upproxy/upproxy/proxy/__main__.py"
    assert seen["UPPROXY_MANIFEST"] == "/var/task/upproxy.json"
    assert seen["PYTHONPATH"] == ("/var/task:/opt/python:/opt/python/lib/python3.13/site-packages:/var/runtime:/own")
