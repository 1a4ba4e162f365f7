"""Which file says what a project depends on, and what is asked of uv. uv itself reads and writes the locks."""

from __future__ import annotations

import os
import subprocess
import textwrap

import pytest
from uv import find_uv_bin

from tests.build.conftest import make_wheel, write_files
from upproxy.build import dependencies, poetry, requirements
from upproxy.build.dependencies import installed
from upproxy.build.errors import BuildError
from upproxy.build.packages import Folder
from upproxy.build.target import Target

TARGET = Target("3.13", "arm64")
PROJECT = """\
[project]
name = "shop"
version = "1"
requires-python = ">=3.11"
dependencies = ["idna==3.10"]
[project.optional-dependencies]
extra = ["iniconfig==2.0.0"]
[dependency-groups]
dev = ["iniconfig==2.0.0"]
docs = ["iniconfig==2.0.0"]
[tool.uv]
default-groups = ["dev", "docs"]
"""
POETRY = """\
[[package]]
name = "idna"
version = "3.10"
files = [
    {hash = "sha256:946d195a0d259cbba61165e88e65941f16e9b36ea6ddb97f00452bae8b1287d3"},
]
[[package]]
name = "iniconfig"
version = "2.0.0"
files = []
[[package]]
name = "local"
version = "1.0"
files = []
[package.source]
type = "file"
url = "wheels/local-1.0-py3-none-any.whl"
[metadata]
lock-version = "2.1"
"""


def put(folder, wanted, **options):
    """Install what a project depends on; return names and versions."""
    work = folder.parent / "work"
    work.mkdir()
    target = Folder(str(work), TARGET)
    target.install(wanted, str(folder), **options)
    return installed(target.path)


def test_the_first_of_the_files_wins(tmp_path):
    write_files(tmp_path, {"pyproject.toml": PROJECT})
    assert dependencies.find(str(tmp_path)).file == "pyproject.toml"
    write_files(tmp_path, {"requirements.txt": ""})
    assert dependencies.find(str(tmp_path)).file == "requirements.txt"
    write_files(tmp_path, {"poetry.lock": POETRY})
    assert dependencies.find(str(tmp_path)).file == "poetry.lock"
    write_files(tmp_path, {"pylock.toml": 'lock-version = "1.0"\npackages = []\n'})
    assert dependencies.find(str(tmp_path)).file == "pylock.toml"
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=tmp_path, check=True)
    assert dependencies.find(str(tmp_path)).file == "uv.lock"


def test_no_file_names_any(tmp_path):
    assert dependencies.find(str(tmp_path)) is None
    write_files(tmp_path, {"pyproject.toml": "[tool.ruff]\n"})
    assert dependencies.find(str(tmp_path)) is None


def test_uv_lock_without_groups_and_extras(tmp_path):
    folder = write_files(tmp_path / "shop", {"pyproject.toml": PROJECT})
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=folder, check=True)
    wanted = dependencies.find(str(folder))
    assert wanted.locked
    assert "--hash=sha256:" in wanted.text
    assert put(folder, wanted) == {"idna": "3.10"}


def test_uv_lock_with_a_local_project_and_with_nothing(tmp_path):
    build = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    sources = '[tool.uv.sources]\npartly = {path = "../part", editable = true}\n'
    folder = write_files(tmp_path / "shop", {"pyproject.toml": PROJECT.replace("idna==3.10", "partly") + sources})
    part = {"pyproject.toml": f'[project]\nname = "partly"\nversion = "3"\n{build}', "partly/__init__.py": ""}
    write_files(tmp_path / "part", part)
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=folder, check=True)
    wanted = dependencies.find(str(folder))
    assert put(folder, wanted) == {"partly": "3"}
    write_files(tmp_path / "part", {"partly/more.py": ""})
    assert dependencies.find(str(folder)).fingerprint != wanted.fingerprint
    empty = write_files(tmp_path / "other" / "shop", {"pyproject.toml": PROJECT.replace('"idna==3.10"', "")})
    subprocess.run([find_uv_bin(), "lock", "-q"], cwd=empty, check=True)
    assert put(empty, dependencies.find(str(empty))) == {}


def test_pylock(tmp_path):
    folder = write_files(tmp_path / "shop", {"pyproject.toml": PROJECT})
    subprocess.run([find_uv_bin(), "export", "-q", "--no-default-groups", "-o", "pylock.toml"], cwd=folder, check=True)
    (folder / "uv.lock").unlink()
    wanted = dependencies.find(str(folder))
    assert (wanted.file, wanted.locked) == ("pylock.toml", True)
    assert put(folder, wanted) == {"idna": "3.10"}


OF_POETRY = """\
[tool.poetry.dependencies]
python = "^3.11"
idna = "^3.1"
local = {path = "wheels/local-1.0-py3-none-any.whl"}
iniconfig = {version = "*", optional = true}
[tool.poetry.group.dev.dependencies]
iniconfig = "*"
"""
OF_THE_STANDARD = '[project]\nname = "shop"\nversion = "1"\ndependencies = ["idna>=2", "local"]\n'


@pytest.mark.parametrize("said", [OF_POETRY, OF_THE_STANDARD])
def test_poetry_lock(tmp_path, said):
    """What the project names itself is installed, in the versions of the lock; groups and extras are not."""
    folder = write_files(tmp_path / "shop", {"pyproject.toml": said, "poetry.lock": POETRY})
    make_wheel(folder / "wheels", "local", {"local.py": ""})
    assert put(folder, dependencies.find(str(folder))) == {"idna": "3.10", "local": "1.0"}


def test_poetry_lock_is_held_to_its_hashes(tmp_path):
    folder = write_files(
        tmp_path / "shop",
        {"pyproject.toml": PROJECT, "poetry.lock": POETRY.replace("946d", "0000")},
    )
    with pytest.raises(BuildError, match="Hash mismatch"):
        put(folder, dependencies.find(str(folder)))


def test_poetry_lock_of_older_versions(tmp_path):
    """Hashes at the end; several versions of one package, of which nothing says which is for what."""
    old = '[[package]]\nname = "a"\nversion = "1"\n[metadata]\n[metadata.files]\na = [{hash = "sha256:00"}]\n'
    write_files(tmp_path, {"poetry.lock": old, "pyproject.toml": "[tool.poetry.dependencies]\na = '*'\n"})
    assert poetry.read(str(tmp_path)) == ("a\n", "a==1 --hash=sha256:00\n")
    write_files(tmp_path, {"poetry.lock": '[[package]]\nname = "a"\nversion = "2"\n' + old})
    with pytest.raises(BuildError, match="several versions of a"):
        poetry.read(str(tmp_path))


def test_poetry_lock_from_elsewhere(tmp_path):
    lock = textwrap.dedent("""\
        [[package]]
        name = "a"
        version = "1"
        markers = 'sys_platform == "linux"'
        [package.source]
        type = "git"
        url = "https://example.org/a.git"
        resolved_reference = "abc"
        subdirectory = "below"
        [[package]]
        name = "b"
        version = "1"
        [package.source]
        type = "url"
        url = "https://example.org/b-1.tar.gz"
        [[package]]
        name = "c"
        version = "1"
        [package.source]
        type = "directory"
        url = "../c"
        [metadata]
        """)
    project = '[project]\ndependencies = ["a[x]; python_version > \'3\'", "b", "c"]\n'
    shop = write_files(tmp_path / "shop", {"poetry.lock": lock, "pyproject.toml": project})
    asked, locked = poetry.read(str(shop))
    assert asked.splitlines() == [
        'a[x] @ git+https://example.org/a.git@abc#subdirectory=below ; python_version > "3"',
        "b @ https://example.org/b-1.tar.gz",
        f"c @ file://{tmp_path}/c",
    ]
    assert 'a @ git+https://example.org/a.git@abc#subdirectory=below ; sys_platform == "linux"' in locked.splitlines()
    (tmp_path / "c").mkdir()
    assert sorted(dependencies.find(str(shop)).sources) == ["a", "c"]


def test_requirements_with_all_that_they_name(tmp_path):
    folder = write_files(
        tmp_path / "shop", {"requirements.txt": "-r more/base.txt\n./wheels/local-1.0-py3-none-any.whl\n"}
    )
    write_files(
        folder,
        {
            "more/base.txt": 'idna\niniconfig ; sys_platform == "win32"\n-c ../limits.txt\n',
            "limits.txt": "idna==3.10\n",
        },
    )
    make_wheel(folder / "wheels", "local", {"local.py": ""})
    wanted = dependencies.find(str(folder))
    assert not wanted.locked
    assert put(folder, wanted) == {"idna": "3.10", "local": "1.0"}


def test_a_local_project_is_built_whatever_else_has_to_be_a_wheel(tmp_path):
    build = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
    folder = write_files(
        tmp_path / "shop",
        {
            "requirements.txt": "-e ./part\n",
            "part/pyproject.toml": f'[project]\nname = "partly"\nversion = "3"\n{build}',
            "part/partly/__init__.py": "",
        },
    )
    wanted = dependencies.find(str(folder))
    assert wanted.sources == ("partly",)
    assert put(folder, wanted) == {"partly": "3"}
    assert (tmp_path / "work" / "packages" / "partly" / "__init__.py").exists()  # not a link to where it is edited


@pytest.mark.parametrize("changed", ["requirements.txt", "more/base.txt", "limits.txt", "part/code.py", "wheel"])
def test_the_fingerprint_follows_all_that_is_read(tmp_path, changed):
    write_files(
        tmp_path,
        {
            "requirements.txt": "-r more/base.txt\n./wheels/local-1.0-py3-none-any.whl\n",
            "more/base.txt": "-c ../limits.txt\n./part\n",  # packages are relative to the project's folder
            "limits.txt": "idna==3.10\n", "part/code.py": "x = 1\n",
        },
    )  # fmt: skip
    make_wheel(tmp_path / "wheels", "local", {"local.py": ""})
    before = dependencies.find(str(tmp_path)).fingerprint
    assert dependencies.find(str(tmp_path)).fingerprint == before
    write_files(tmp_path, {"app.py": "", "part/__pycache__/code.pyc": "", "part/.git/HEAD": ""})
    assert dependencies.find(str(tmp_path)).fingerprint == before
    if changed == "wheel":
        make_wheel(tmp_path / "wheels", "local", {"local.py": "x = 1"})
    else:
        with open(tmp_path / changed, "a") as file:
            file.write("# more\n")
    assert dependencies.find(str(tmp_path)).fingerprint != before


def test_the_fingerprint_is_the_same_in_another_folder(tmp_path):
    files = {"requirements.txt": "-r more/base.txt\n./part\n", "more/base.txt": "idna\n", "part/code.py": ""}
    one, other = (write_files(tmp_path / name, files) for name in ("a", "b"))
    assert dependencies.find(str(one)).fingerprint == dependencies.find(str(other)).fingerprint


def test_settings_of_tools_do_not_change_the_fingerprint_of_pyproject(tmp_path):
    write_files(tmp_path, {"pyproject.toml": PROJECT})
    before = dependencies.find(str(tmp_path)).fingerprint
    write_files(tmp_path, {"pyproject.toml": PROJECT + "[tool.ruff]\nline-length = 100\n"})
    assert dependencies.find(str(tmp_path)).fingerprint == before
    write_files(tmp_path, {"pyproject.toml": PROJECT.replace("3.10", "3.9")})
    assert dependencies.find(str(tmp_path)).fingerprint != before


@pytest.mark.parametrize(
    ("line", "asked"),
    [
        ("boto3", False),
        ("boto3  # any", False),
        ("flask", False),
        ("boto3>=1.35", True),
        ("Boto3[crt]", True),
        ("botocore==1.40.0", True),
    ],
)
def test_what_the_runtime_has_is_asked_for_by_its_version(tmp_path, line, asked):
    write_files(tmp_path, {"requirements.txt": line + "\n"})
    assert dependencies.find(str(tmp_path)).asked is asked
    write_files(tmp_path, {"pyproject.toml": f'[project]\nname = "a"\ndependencies = ["{line.partition("  #")[0]}"]\n'})
    (tmp_path / "requirements.txt").unlink()
    assert dependencies.find(str(tmp_path)).asked is asked


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("uv.lock", "broken [", "cannot read uv.lock: Failed to parse `uv.lock`"),
        ("pylock.toml", "broken [", "pylock.toml is broken"),
        ("poetry.lock", "broken [", "poetry.lock is broken"),
        ("poetry.lock", "", "poetry.lock has no metadata"),
        ("pyproject.toml", "broken [", "pyproject.toml is broken"),
        ("pyproject.toml", '[project]\ndependencies = ["a b c"]\n', "'a b c'"),
        ("pyproject.toml", '[tool.poetry.dependencies]\na = "*"\n', "no poetry.lock"),
        ("requirements.txt", "-r none.txt\n", r"none\.txt, which .*requirements\.txt names: No such file"),
        ("requirements.txt", b"\xff", "no UTF-8"),
        ("Pipfile", "", "does not read Pipfile"),
    ],
)
def test_what_cannot_be_understood_is_named(tmp_path, file, content, said):
    files = {file: content} if file == "pyproject.toml" else {"pyproject.toml": "[tool.ruff]\n", file: content}
    write_files(tmp_path, files)
    with pytest.raises(BuildError, match=said):
        dependencies.find(str(tmp_path))


def test_requirements_that_are_a_link_to_nothing(tmp_path):
    (tmp_path / "requirements.txt").symlink_to("nothing")
    with pytest.raises(BuildError, match="No such file"):
        dependencies.find(str(tmp_path))


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("git+https://example.org/shop.git@v1#egg=till&subdirectory=x", "till"),
        ("git+https://example.org/shop.git@v1", "shop"),
        ("till @ git+ssh://git@example.org/shop.git", "till"),
        ("-e git+https://example.org/shop.git", "shop"),
    ],
)
def test_repositories_are_built(line, name):
    assert requirements.parse(line, os.curdir).sources == [name]
