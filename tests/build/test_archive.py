"""The zip: its bytes, and that there is never half of one."""

from __future__ import annotations

import errno
import os
import random
import resource
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from upproxy.build import archive
from upproxy.build.archive import Member
from upproxy.build.errors import BuildError

MEMBERS = [
    Member("app.py", b"print('hello')\n" * 100),
    Member("bin/run", b"#!/bin/sh\n", executable=True),
    Member("empty", b""),
    Member("ä/ö.txt", "ü".encode()),
    Member("random", random.Random(1).randbytes(10_000)),
]


def write(path: Path, members: list[Member] = MEMBERS) -> bytes:
    archive.write(str(path), archive.pack(members))
    return path.read_bytes()


def test_other_tools_read_it(tmp_path):
    write(tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as opened:
        assert opened.testzip() is None
        assert {name: opened.read(name) for name in opened.namelist()} == {one.name: one.data for one in MEMBERS}
        modes = {info.filename: info.external_attr >> 16 for info in opened.infolist()}
        assert modes == {one.name: 0o100755 if one.executable else 0o100644 for one in MEMBERS}
        assert {info.date_time for info in opened.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in opened.infolist()} == {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}


def test_the_bytes_do_not_depend_on_order_umask_or_place(tmp_path):
    first = write(tmp_path / "a.zip")
    (tmp_path / "other").mkdir()
    old = os.umask(0o077)
    try:
        assert write(tmp_path / "other" / "b.zip", MEMBERS[::-1]) == first
    finally:
        os.umask(old)


def test_what_was_packed_once_goes_into_another_as_it_is(tmp_path):
    packed = archive.pack(MEMBERS[:3])
    archive.write(str(tmp_path / "part.zip"), packed)
    archive.write(str(tmp_path / "whole.zip"), [*archive.read(str(tmp_path / "part.zip")), *archive.pack(MEMBERS[3:])])
    assert (tmp_path / "whole.zip").read_bytes() == write(tmp_path / "at_once.zip")


def test_extracted_as_it_was(tmp_path):
    archive.extract(archive.pack(MEMBERS), str(tmp_path / "out"))
    for member in MEMBERS:
        path = tmp_path / "out" / member.name
        assert path.read_bytes() == member.data
        assert os.access(path, os.X_OK) == member.executable


def test_two_of_one_name_are_refused(tmp_path):
    with pytest.raises(BuildError, match=r"two files for app\.py"):
        write(tmp_path / "a.zip", [*MEMBERS, MEMBERS[0]])
    assert os.listdir(tmp_path) == []


def test_more_than_a_zip_holds_is_refused(tmp_path):
    one = archive.pack([Member("x", b"")])[0]
    with pytest.raises(BuildError, match="65536 files"):
        archive.write(str(tmp_path / "a.zip"), (one._replace(name=str(number)) for number in range(65_536)))


def test_an_old_one_stays_when_a_new_one_cannot_be_written(tmp_path):
    """The file may not grow beyond a limit, as on a full disk."""
    old = write(tmp_path / "a.zip")
    code = (
        "import resource, signal, sys; from upproxy.build import archive\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try: archive.write(sys.argv[1], archive.pack([archive.Member('x', __import__('os').urandom(1_000_000))]))\n"
        "except OSError as error: print(error.errno)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.zip")], capture_output=True, text=True)
    assert done.stdout.strip() == str(errno.EFBIG), done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
    assert os.listdir(tmp_path) == ["a.zip"]
    assert (tmp_path / "a.zip").read_bytes() == old


def test_an_interrupt_leaves_nothing_behind(tmp_path, monkeypatch):
    old = write(tmp_path / "a.zip")

    def interrupted(fd):
        raise KeyboardInterrupt

    monkeypatch.setattr(archive.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "a.zip", MEMBERS[:2])
    assert os.listdir(tmp_path) == ["a.zip"]
    assert (tmp_path / "a.zip").read_bytes() == old
