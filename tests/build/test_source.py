"""Which of the project's files are taken."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys

import pytest

from tests.build.conftest import write_files
from upproxy.build import source
from upproxy.build.errors import BuildError


def collect(folder, **options):
    """Return the names of what is taken, and the rules of what is not."""
    left_out = []
    members = source.collect(str(folder), left_out.append, **options)
    return [member.name for member in members], {entry.path: entry.rule for entry in left_out}


def test_what_is_left_out_by_itself(tmp_path):
    write_files(
        tmp_path,
        {
            "app.py": "", "tests/test_app.py": "", "data/a.bin": b"\0", ".git/config": "", ".env": "SECRET=1",
            "__pycache__/app.pyc": "", "old.pyc": "", "shop.egg-info/PKG-INFO": "", "node_modules/a/b.js": "",
            "environment/pyvenv.cfg": "", "environment/bin/python": "", "up.yml": "", ".upproxy/staging.zip": "",
            "static/up.yml": "",
        },
    )  # fmt: skip
    taken, left_out = collect(tmp_path)
    assert taken == ["app.py", "data/a.bin", "static/up.yml", "tests/test_app.py"]
    assert left_out == {
        ".env": ".* (default)",
        ".git/": ".* (default)",
        ".upproxy/": "the folder of builds",
        "__pycache__/": "__pycache__/ (default)",
        "environment/": "a virtual environment",
        "node_modules/": "node_modules/ (default)",
        "old.pyc": "*.py[co] (default)",
        "shop.egg-info/": "*.egg-info/ (default)",
        "up.yml": "/up.yml (default)",
    }


def test_upignore_adds_and_takes_back(tmp_path):
    ignore = "# notes\n\n*.md\n!keep.md\n/data/*\n!/data/kept\n!.well-known\n!.upproxy\n"
    files = ("a.md", "keep.md", "data/lost", "data/kept/x", ".well-known/apple", ".upproxy/a.zip", ".env")
    write_files(tmp_path, {".upignore": ignore, **dict.fromkeys(files, "")})
    taken, left_out = collect(tmp_path)
    assert taken == [".well-known/apple", "data/kept/x", "keep.md"]
    assert left_out["a.md"] == "*.md (.upignore:3)"
    assert left_out["data/lost"] == "/data/* (.upignore:5)"
    assert left_out[".upproxy/"] == "the folder of builds"


PATTERNS = (
    "*.log", "!keep.log", "/build", "docs/", "a/**/z", "**/tmp", "foo/*", "!foo/bar", "\\#odd", "\\!odd", "space\\ ",
    "[a-c].txt", "?.md", "deep/er/", "*~", "x/y",
)  # fmt: skip


@pytest.mark.parametrize("count", range(1, len(PATTERNS) + 1))
def test_as_git_does_it(tmp_path, count):
    """git itself, with the same patterns, is what decides."""
    names = (
        "a.log", "keep.log", "build/x", "sub/build/x", "docs/i", "docs.txt", "a/z", "a/b/z", "a/b/c/z", "tmp",
        "q/tmp/r", "foo/a", "foo/bar/b", "#odd", "!odd", "space ", "a.txt", "d.txt", "m.md", "mm.md", "deep/er/x",
        "deep/other", "f~", "x/y/1", "w/x/y",
    )  # fmt: skip
    write_files(tmp_path, {".upignore": "\n".join(PATTERNS[:count]) + "\n", **dict.fromkeys(names, "")})
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    listed = subprocess.run(
        ["git", "-c", "core.quotePath=false", "ls-files", "-z", "--others", "--exclude-from=.upignore"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert sorted(collect(tmp_path, defaults=[".git/"])[0]) == sorted(filter(None, listed.stdout.split("\0")))


def test_links_in_the_project_are_followed(tmp_path):
    write_files(tmp_path, {"data/a": "A", "app.py": ""})
    (tmp_path / "link").symlink_to("data/a")
    (tmp_path / "folder").symlink_to("data")
    members = source.collect(str(tmp_path), lambda _: None)
    assert {member.name: member.data for member in members if "app" not in member.name} == {
        "data/a": b"A", "folder/a": b"A", "link": b"A",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("/etc/hostname", "out of the project"),
        ("../beside", "out of the project"),
        ("nothing", "which is not there"),
        ("loop", "which is not there"),
        (".", "leads back"),
        ("../shop", "leads back"),
    ],
)
def test_links_that_lead_elsewhere_are_refused_unless_left_out(tmp_path, target, said):
    project = write_files(tmp_path / "shop", {"app.py": ""})
    (tmp_path / "beside").mkdir()
    (project / "loop").symlink_to(target)
    with pytest.raises(BuildError, match=said) as refused:
        collect(project)
    assert "loop" in str(refused.value)
    assert ".upignore" in refused.value.hint
    (project / ".upignore").write_text("loop\n")
    assert collect(project)[0] == ["app.py"]


def test_two_links_that_lead_to_one_another_are_refused(tmp_path):
    write_files(tmp_path, {"a/x": "", "b/y": ""})
    (tmp_path / "a" / "to_b").symlink_to("../b")
    (tmp_path / "b" / "to_a").symlink_to("../a")
    with pytest.raises(BuildError, match="leads back"):
        collect(tmp_path)


def test_the_executable_bit_alone_is_kept(tmp_path):
    write_files(tmp_path, {"run": "", "data": ""})
    (tmp_path / "run").chmod(0o700)
    (tmp_path / "data").chmod(0o606)
    members = source.collect(str(tmp_path), lambda _: None)
    assert [(member.name, member.executable) for member in members] == [("data", False), ("run", True)]


def test_pipes_are_left_out(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert collect(tmp_path) == ([], {"pipe": "no regular file"})


def test_a_name_that_is_no_utf_8(tmp_path):
    (tmp_path / os.fsdecode(b"caf\xe9.txt")).touch()
    with pytest.raises(BuildError, match=r"caf\\xe9\.txt is no UTF-8"):
        collect(tmp_path)
    (tmp_path / ".upignore").write_text("*.txt\n")
    assert collect(tmp_path)[1] == {".upignore": ".* (default)", "caf\\xe9.txt": "*.txt (.upignore:1)"}


def test_an_ignore_file_that_cannot_be_understood(tmp_path):
    (tmp_path / ".upignore").write_bytes(b"\xff\xfe")
    with pytest.raises(BuildError, match="no UTF-8"):
        collect(tmp_path)
    (tmp_path / ".upignore").write_text("ok\n!\n")
    with pytest.raises(BuildError, match="cannot be read"):
        collect(tmp_path)


@pytest.mark.parametrize("changes", [1, 2, 3])
def test_a_file_that_grows_while_it_is_read(tmp_path, monkeypatch, changes):
    """It is written to between the reading and the look at it afterwards."""
    path = tmp_path / "log"
    path.write_text("line\n")
    looks = itertools.count(1)

    def fstat(fd):
        look = next(looks)
        if look % 2 == 0 and look // 2 <= changes:
            with open(path, "a") as file:
                file.write("line\n")
        return os.stat(fd)

    monkeypatch.setattr(source.os, "fstat", fstat)
    if changes == 3:
        with pytest.raises(BuildError, match="log changes while it is read"):
            collect(tmp_path)
    else:
        members = source.collect(str(tmp_path), lambda _: None)
        assert members[0].data == path.read_bytes()


def test_what_may_not_be_read(tmp_path):
    write_files(tmp_path, {"app.py": "", "secret": ""})
    (tmp_path / "secret").chmod(0)
    # Root may read everything, but not without the capabilities.
    powerless = ["setpriv", "--inh-caps=-all", "--bounding-set=-all"] if os.geteuid() == 0 else []
    code = "import sys; from upproxy.build import source; source.collect(sys.argv[1], print)"
    done = subprocess.run([*powerless, sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True)
    assert "BuildError: cannot read secret: Permission denied" in done.stderr


def test_a_large_tree(tmp_path):
    write_files(tmp_path, {f"{number % 100}/{number}.txt": "" for number in range(10_000)})
    assert len(collect(tmp_path)[0]) == 10_000
