"""Zips that somebody made to do harm, or that are broken, do no harm here."""

import asyncio
import io
import os
import stat
import zipfile

import pytest

from upproxy.local.failure import Failure
from upproxy.local.sandbox.configuration import coded
from upproxy.local.sandbox.state import Version
from upproxy.local.sandbox.unpacked import Unpacked


def archive(*members):
    """Pack members: a name, the content, and the mode of its file."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content, mode in members:
            info = zipfile.ZipInfo(name)
            info.external_attr = mode << 16
            target.writestr(info, content)
    return packed.getvalue()


def unpack(folder, code):
    version = Version({"FunctionName": "packed", **coded(code)}, code)
    return asyncio.run(Unpacked(str(folder / "code")).unpack(version))


def test_files_are_below_the_folder_with_their_permissions(tmp_path):
    place = unpack(tmp_path, archive(("app.py", "1", 0o100644), ("bin/run", "2", 0o100755)))
    assert stat.S_IMODE(os.stat(f"{place}/app.py").st_mode) == 0o644
    assert os.access(f"{place}/bin/run", os.X_OK)


@pytest.mark.parametrize("name", ["../../outside", "{folder}/outside"])
def test_nothing_outside_the_folder_is_written_or_given_permissions(tmp_path, name):
    outside = tmp_path / "outside"
    outside.write_text("kept")
    outside.chmod(0o600)
    place = unpack(tmp_path, archive((name.format(folder=tmp_path), "replaced", 0o100777)))
    assert outside.read_text() == "kept"
    assert stat.S_IMODE(outside.stat().st_mode) == 0o600
    assert os.path.realpath(place).startswith(os.path.realpath(tmp_path / "code"))


def test_a_link_is_a_file_that_leads_nowhere(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("kept")
    place = unpack(tmp_path, archive(("link", str(secret), 0o120777)))
    assert not os.path.islink(f"{place}/link")
    with open(f"{place}/link") as file:
        assert file.read() == str(secret)


def test_folders_can_be_deleted_again_whatever_their_permissions(tmp_path):
    place = unpack(tmp_path, archive(("closed/", "", 0o040555), ("closed/app.py", "", 0o100444)))
    assert os.stat(f"{place}/closed").st_mode & stat.S_IWUSR


def lying(code, size=10):
    """Say that the only member of a zip has another size, in both of its headers."""
    local, central = code.index(b"PK\x03\x04"), code.index(b"PK\x01\x02")
    told = size.to_bytes(4, "little")
    code = code[: local + 22] + told + code[local + 26 :]
    return code[: central + 24] + told + code[central + 28 :]


@pytest.mark.parametrize(
    "code",
    [
        archive(("app.py", "content " * 9, 0o100644)).replace(b"app.py", b"\x00pp.py", 1),
        lying(archive(("app.py", "x" * 1_000_000, 0o100644))),
        archive(("a", "", 0o100644), ("a/b", "", 0o100644)),
        archive(("app.py", "x" * 1_000, 0o100644))[:-30],
    ],
    ids=["two names", "larger than it says", "file and folder", "cut off"],
)
def test_what_cannot_be_unpacked_is_told_and_leaves_nothing(tmp_path, code):
    with pytest.raises(Failure, match="the code of packed cannot be unpacked"):
        unpack(tmp_path, code)
    assert os.listdir(tmp_path / "code") == []
