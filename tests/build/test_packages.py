"""Packages for the target: real wheels, made here, installed by uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.build.conftest import HERE, elf, make_wheel, write_files
from upproxy.build import dependencies, interpreter, trim
from upproxy.build.elf import machine
from upproxy.build.errors import BuildError
from upproxy.build.packages import Folder, pinned
from upproxy.build.target import VERSIONS, Target

X86, ARM = 0x3E, 0xB7
INTEL, GRAVITON = Target(HERE, "x86_64"), Target(HERE, "arm64")


def filled(tmp_path, *wheels, target=INTEL, **options):
    """Install wheels into a folder."""
    shop = write_files(tmp_path / "shop", {"requirements.txt": "".join(f"{wheel}\n" for wheel in wheels)})
    (tmp_path / "work").mkdir()
    folder = Folder(str(tmp_path / "work"), target)
    folder.install(dependencies.find(str(shop)), str(shop), **options)
    return folder


def test_what_nobody_reads_is_left_out_and_the_rest_stays(tmp_path):
    files = {
        "shop/__init__.py": "", "shop/py.typed": "", "shop/web.pyi": "", "shop/__pycache__/web.pyc": "",
        "shop-1.0.dist-info/licenses/LICENSE": "MIT", "shop-1.0.dist-info/top_level.txt": "shop",
        "shop/data/WHEEL": "",
    }  # fmt: skip
    folder = filled(tmp_path, make_wheel(tmp_path, "shop", files, scripts="till = shop:main"))
    members, left_out = folder.members("packages/", None)
    assert sorted(member.name for member in members) == [
        "packages/bin/till",
        "packages/shop-1.0.dist-info/METADATA",
        "packages/shop-1.0.dist-info/entry_points.txt",
        "packages/shop-1.0.dist-info/licenses/LICENSE",
        "packages/shop-1.0.dist-info/top_level.txt",
        "packages/shop/__init__.py",
        "packages/shop/data/WHEEL",
        "packages/shop/py.typed",
    ]
    rules = dict(left_out)
    assert rules["shop/web.pyi"] == "type stubs"
    assert rules["shop-1.0.dist-info/RECORD"] == rules["shop-1.0.dist-info/WHEEL"]


def test_scripts_run_on_whichever_python_there_is(tmp_path):
    wheel = make_wheel(
        tmp_path,
        "shop",
        {"shop.py": "import sys\ndef main(): print('till', sys.executable)\n"},
        scripts="till = shop:main",
    )
    folder = filled(tmp_path, wheel)
    script = next(member for member in folder.members("", None)[0] if member.name == "bin/till")
    assert script.executable
    assert script.data.startswith(b"#!/usr/bin/env python3\n")
    assert os.fsencode(sys.prefix) not in script.data
    elsewhere = write_files(tmp_path / "elsewhere", {"till": script.data})
    (elsewhere / "till").chmod(0o755)
    (elsewhere / "python3").symlink_to(sys.executable)
    environment = {"PATH": f"{elsewhere}:/usr/bin:/bin", "PYTHONPATH": folder.path}
    done = subprocess.run(["till"], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f"till {elsewhere}/python3\n"


def test_code_for_another_processor_is_named(tmp_path):
    """The tag of the wheel says that it runs everywhere."""
    wheel = make_wheel(tmp_path, "shop", {"shop/fast.so": elf(ARM)})
    folder = filled(tmp_path, wheel)
    with pytest.raises(BuildError, match=r"shop/fast\.so in packages is compiled for arm64.* runs on x86_64"):
        folder.members("", None)


def test_code_for_this_processor_is_taken(tmp_path):
    folder = filled(tmp_path, make_wheel(tmp_path, "shop", {"shop/fast.so": elf(ARM)}), target=GRAVITON)
    assert "shop/fast.so" in [member.name for member in folder.members("", None)[0]]


@pytest.mark.parametrize(
    ("head", "found"),
    [
        (elf(X86), "x86_64"),
        (elf(ARM), "arm64"),
        (elf(0x1234), "machine 0x1234"),
        (b"\x7fELF\x01\x02" + bytes(12) + b"\x00\x14", "machine 0x14"),
        (b"\x7fELF", None),
        (b"#!/bin/sh", None),
        (b"", None),
    ],
)
def test_machines(head, found):
    assert machine(head) == found


def test_the_machine_of_real_programs():
    with open(interpreter.find(HERE, print).path, "rb") as file:
        assert machine(file.read(20)) == {"aarch64": "arm64"}.get(os.uname().machine, os.uname().machine)


@pytest.mark.parametrize("architecture", ["x86_64", "arm64"])
@pytest.mark.parametrize("version", VERSIONS)
def test_of_several_wheels_the_one_for_the_target_is_taken(tmp_path, version, architecture):
    """Wheels for glibc up to 2.26 on Python 3.11, up to 2.34 after it; what is newer is not taken."""
    wheels = tmp_path / "wheels"
    number = version.replace(".", "")
    for processor in ("x86_64", "aarch64"):
        for glibc in ("2_17", "2_28", "2_39"):
            tag = f"cp{number}-cp{number}-manylinux_{glibc}_{processor}"
            make_wheel(wheels, "upproxy_test_fast", {"fast.txt": f"{glibc} {processor}"}, tag=tag)
    make_wheel(wheels, "upproxy_test_fast", {"fast.txt": "win"}, tag=f"cp{number}-cp{number}-win_amd64")
    target = Target(version, architecture)
    folder = filled(tmp_path, f"--no-index\n--find-links {wheels}\nupproxy_test_fast", target=target)
    with open(os.path.join(folder.path, "fast.txt")) as file:
        processor = {"x86_64": "x86_64", "arm64": "aarch64"}[architecture]
        assert file.read() == f"{'2_17' if version == '3.11' else '2_28'} {processor}"


def test_no_wheel_for_the_target_names_the_package_the_tags_and_three_ways_out(tmp_path):
    make_wheel(tmp_path / "wheels", "upproxy_test_fast", {}, tag="cp313-cp313-win_amd64")
    with pytest.raises(BuildError) as failed:
        filled(
            tmp_path, f"--no-index\n--find-links {tmp_path}/wheels\nupproxy_test_fast", target=Target("3.13", "arm64")
        )
    assert "upproxy-test-fast has no wheel for Python 3.13 on arm64" in str(failed.value)
    assert "manylinux_2_28_aarch64" in str(failed.value)
    for way in ("another version", "--allow-sdist", "--image"):
        assert way in failed.value.hint


SDIST = """\
[project]
name = "upproxy-test-{name}"
version = "1.0"
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[tool.setuptools]
py-modules = ["{name}"]
"""


def sdist(tmp_path, name, setup=""):
    """Make a source distribution; return the folder that it is in."""
    source = write_files(
        tmp_path / "source" / f"upproxy_test_{name}-1.0",
        {
            "pyproject.toml": SDIST.format(name=name), f"{name}.py": "x = 1\n",
            **({"setup.py": setup} if setup else {}),
            "PKG-INFO": f"Metadata-Version: 2.1\nName: upproxy-test-{name}\nVersion: 1.0\n",
        },
    )  # fmt: skip
    (tmp_path / "sdists").mkdir()
    subprocess.run(
        ["tar", "czf", tmp_path / "sdists" / f"upproxy_test_{name}-1.0.tar.gz", source.name],
        cwd=source.parent,
        check=True,
    )
    return f"--find-links {tmp_path}/sdists\nupproxy-test-{name}"


def test_a_source_distribution_is_built_only_where_it_may_be(tmp_path):
    wanted = sdist(tmp_path, "pure")
    with pytest.raises(BuildError, match=r"upproxy-test-pure has no wheel for Python"):
        filled(tmp_path, wanted)
    (tmp_path / "again").mkdir()
    folder = filled(tmp_path / "again", wanted, allow_sdist=True)
    folder.check_built()
    assert dependencies.installed(folder.path) == {"upproxy-test-pure": "1.0"}


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler here")
def test_what_is_compiled_here_is_refused(tmp_path):
    wanted = sdist(
        tmp_path, "fast", "from setuptools import Extension, setup\nsetup(ext_modules=[Extension('_x', ['x.c'])])\n"
    )
    source = tmp_path / "source" / "upproxy_test_fast-1.0"
    write_files(source, {"x.c": "int PyInit__x(void) { return 0; }\n"})
    subprocess.run(
        ["tar", "czf", tmp_path / "sdists" / "upproxy_test_fast-1.0.tar.gz", source.name], cwd=source.parent, check=True
    )
    folder = filled(tmp_path, wanted, allow_sdist=True)
    with pytest.raises(BuildError, match="upproxy_test_fast was compiled on this machine") as refused:
        folder.check_built()
    assert "--image" in refused.value.hint


TESTED = {"shop/__init__.py": "from shop import web\n", "shop/web.py": "", "shop/tests/test_web.py": "import shop\n"}


def trimmed(tmp_path, files, target=INTEL):
    folder = filled(tmp_path, make_wheel(tmp_path, "shop", files), target=target)
    removed = trim.tests(folder.path, interpreter.find(HERE, print))
    there = {
        os.path.relpath(os.path.join(here, name), folder.path)
        for here, _, names in os.walk(folder.path)
        for name in names
        if ".dist-info" not in here
    }
    return removed, there


def test_tests_of_packages_are_left_out(tmp_path):
    removed, there = trimmed(tmp_path, {**TESTED, "shop/deep/tests/data": "", "shop/test/x.py": ""})
    assert [entry.path for entry in removed] == ["shop/deep/tests/", "shop/tests/"]
    assert there - {".lock"} == {"shop/__init__.py", "shop/web.py", "shop/test/x.py"}


@pytest.mark.parametrize(
    "needed",
    [
        {"shop/web.py": "import importlib\nimportlib.import_module('shop.tests.test_web')\n"},  # seen on import
        {"shop/late.py": "def f():\n    from shop.tests import test_web\n"},  # seen in the source
        {"shop/late.py": "from .tests import test_web\n"},
    ],
)
def test_tests_that_the_package_needs_stay(tmp_path, needed):
    removed, there = trimmed(tmp_path, {**TESTED, **needed})
    assert removed == []
    assert "shop/tests/test_web.py" in there


def test_packages_that_cannot_be_imported_here_keep_their_tests(tmp_path):
    removed, there = trimmed(tmp_path, {**TESTED, "shop/web.py": "raise OSError('no display')\n"})
    assert removed == []
    assert "shop/tests/test_web.py" in there


def test_what_is_added_fits_what_is_there(tmp_path):
    """The project has an older click: uvicorn is added, and click stays as it is."""
    folder = filled(tmp_path, "click==8.1.8")
    assert folder.add("uvicorn") == [f"uvicorn {pinned()['uvicorn']}"]
    assert folder.add("uvicorn", "h11") == []
    found = dependencies.installed(folder.path)
    assert found == {"click": "8.1.8", "h11": pinned()["h11"], "uvicorn": pinned()["uvicorn"]}


@pytest.mark.parametrize("version", VERSIONS)
def test_all_that_is_added_exists_for_every_target(tmp_path, version):
    for architecture in ("x86_64", "arm64"):
        (tmp_path / architecture).mkdir()
        folder = Folder(str(tmp_path / architecture), Target(version, architecture))
        folder.add(*pinned())
        found = dependencies.installed(folder.path)
        assert found == {name: pinned()[name] for name in found}
        folder.members("", None)


def test_what_the_runtime_has_is_left_out(tmp_path):
    make_wheel(tmp_path / "wheels", "boto3", {"boto3.py": ""})
    make_wheel(tmp_path / "wheels", "shop", {"shop.py": ""})
    wanted = f"--no-index\n--find-links {tmp_path}/wheels\nboto3\nshop"
    folder = filled(tmp_path, wanted, without=dependencies.OF_THE_RUNTIME)
    assert dependencies.installed(folder.path) == {"shop": "1.0"}
