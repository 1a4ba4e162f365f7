"""Bytecode: for the right Python, and the same whatever else was compiled."""

from __future__ import annotations

import glob
import importlib.util
import marshal
import os
import random
import subprocess
import sys
import types
from pathlib import Path

import pytest

from tests.build.conftest import HERE, write_files
from upproxy.build import bytecode, interpreter
from upproxy.build.archive import Member
from upproxy.build.errors import BuildError
from upproxy.build.interpreter import Interpreter
from upproxy.build.target import VERSIONS, Target

TARGET = Target(HERE, "x86_64")
OURS = interpreter.find(HERE, print)


def folder_of(module: types.ModuleType) -> str:
    return os.path.dirname(str(module.__file__))


def sources(count: int) -> list[Member]:
    """Return real modules: the standard library's."""
    paths = sorted(glob.glob(os.path.join(folder_of(os), "*.py")))[:count]
    return [Member(os.path.basename(path), Path(path).read_bytes()) for path in paths]


def compiled(members, **options):
    found, failures = bytecode.add(members, TARGET, OURS, **options)
    assert failures == []
    return {member.name: member.data for member in found if member.name.endswith(".pyc")}


def test_it_is_not_compared_with_its_source_and_names_where_it_will_lie():
    (name, data), *_ = compiled([Member("shop/web.py", b"def f(): pass\n")]).items()
    assert name == f"shop/__pycache__/web.{TARGET.cache_tag}.pyc"
    assert data[:4] == importlib.util.MAGIC_NUMBER
    assert data[4:8] == b"\1\0\0\0"  # by hash, unchecked (PEP 552)
    assert data[8:16] == importlib.util.source_hash(b"def f(): pass\n")
    assert marshal.loads(data[16:]).co_filename == "/var/task/shop/web.py"


def test_python_takes_it(tmp_path):
    """The source says something else, as nobody notices: it is not looked at."""
    data = compiled([Member("web.py", b"SAID = 'bytecode'\n")])
    write_files(tmp_path, {"web.py": "SAID = 'source'\n", **data})
    done = subprocess.run(
        [sys.executable, "-c", "import web; print(web.SAID)"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.stdout == "bytecode\n"


def test_the_bytes_do_not_depend_on_what_else_is_compiled_or_in_which_order():
    members = sources(60)
    whole = compiled(members)
    shuffled = members[:]
    random.Random(1).shuffle(shuffled)
    assert compiled(shuffled) == whole
    alone = {name: data for member in members[:8] for name, data in compiled([member]).items()}
    assert alone == {name: whole[name] for name in alone}


def test_sets_of_constants_are_the_same_in_any_company():
    """marshal writes the members of a set by the bytes that they have, which depend on what is interned."""
    one = Member("one.py", b"def f(x): return x in {'http', 'https', 'ws'}\n")
    other = Member("other.py", b"http = https = ws = 1\n")
    name = f"__pycache__/one.{TARGET.cache_tag}.pyc"
    assert compiled([other, one])[name] == compiled([one])[name]


def test_groups_are_the_same_again_and_again():
    members = sources(60)
    random.Random(1).shuffle(members)
    assert compiled(members, group=16) == compiled(members[::-1], group=16)


@pytest.mark.parametrize("group", [1, 4])
def test_what_cannot_be_compiled_is_told_and_the_rest_is_not_lost(group):
    bad = {
        "syntax.py": b"def f(:\n", "null.py": b"a\0b", "encoding.py": b"# coding: klingon\n",
        "deep.py": b"(" * 100_000, "latin.py": b"s = '\xe9'\n",
    }  # fmt: skip
    members = [Member(name, data) for name, data in bad.items()] + [Member("good.py", b"x = 1\n")]
    found, failures = bytecode.add(members, TARGET, OURS, group=group)
    assert [failure.name for failure in failures] == sorted(bad)
    assert dict(failures)["syntax.py"].startswith("line 1: ")
    assert [member.name for member in found if member.name.endswith(".pyc")] == [
        f"__pycache__/good.{TARGET.cache_tag}.pyc"
    ]


def test_an_interpreter_that_fails_is_named(tmp_path):
    broken = write_files(tmp_path, {"python": "#!/bin/sh\necho no memory >&2\nexit 3\n"}) / "python"
    broken.chmod(0o755)
    with pytest.raises(BuildError, match="cannot compile: no memory"):
        bytecode.add([Member("a.py", b"")], TARGET, Interpreter(str(broken), "none"))


def test_without_an_interpreter_the_source_is_all():
    members = [Member("a.py", b"")]
    assert bytecode.add(members, TARGET, None) == (members, [])


@pytest.mark.parametrize("version", VERSIONS)
def test_each_version_has_its_own(version):
    """Those that are there: this one at least."""
    found = next(filter(None, (interpreter._asked(path, version) for path in interpreter._there(version))), None)
    if found is None:
        assert version != HERE
        pytest.skip(f"there is no Python {version} here")
    assert found.version.startswith(f"{version}.")
    members, failures = bytecode.add([Member("a.py", b"x = 1\n")], Target(version, "arm64"), found)
    assert failures == []
    magic = subprocess.run(
        [found.path, "-c", "import importlib.util as u; print(u.MAGIC_NUMBER.hex())"], capture_output=True, text=True
    ).stdout.strip()
    assert members[1].data[:4].hex() == magic


def test_the_interpreter_is_no_virtual_environment():
    """Its packages would be mistaken for the app's."""
    done = subprocess.run(
        [OURS.path, "-c", "import sys; print(sys.prefix == sys.base_prefix)"], capture_output=True, text=True
    )
    assert done.stdout == "True\n"


def test_a_version_that_nobody_has():
    said = []
    assert interpreter.find("3.99", said.append) is None
    assert said == ["getting Python 3.99 for its bytecode"]
