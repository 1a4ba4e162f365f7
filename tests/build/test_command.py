"""`upproxy build` as a process: what comes out, and what goes wrong."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from tests.build.conftest import HERE, MOUNTS, UP, WSGI, built, elf, failure, make_wheel, write_files
from upproxy.build import size
from upproxy.build.packages import pinned

TAG = f"cpython-{HERE.replace('.', '')}"


def test_the_layout(upproxy, project):
    write_files(project, {"static/a.css": "a", "run.sh": "#!/bin/sh\n"})
    (project / "run.sh").chmod(0o755)
    done = upproxy("build", "-C", str(project))
    with built(done) as artefact:
        names = artefact.namelist()
        assert names == sorted(names)
        own = [name for name in names if not name.startswith(".upproxy/")]
        assert own == [f"__pycache__/app.{TAG}.pyc", "app.py", "requirements.txt", "run.sh", "static/a.css"]
        assert artefact.getinfo("run.sh").external_attr >> 16 == 0o100755
        assert artefact.getinfo(".upproxy/bootstrap").external_attr >> 16 == 0o100755
        manifest = json.loads(artefact.read(".upproxy/manifest.json"))
        assert manifest["stage"] == "staging"
        assert manifest["upstream"]["command"] == ["python3", "{launchers}/wsgi.py", "{fd}", "app:app"]
        for path in ("upproxy/proxy/__main__.py", "upproxy/launchers/wsgi.py", "packages/waitress/__init__.py"):
            folder, _, file = path.rpartition("/")
            assert f".upproxy/{path}" in names
            assert f".upproxy/{folder}/__pycache__/{file.removesuffix('.py')}.{TAG}.pyc" in names
        assert ".upproxy/vendor/pybase64/__init__.py" in names
        assert not any(name.startswith(".upproxy/vendor/jwt") for name in names)
        assert not any(re.search(r"upproxy/(cli|config|build|local)/", name) for name in names)
    assert done.stdout == f"{project}/.upproxy/staging.zip\n"
    assert f"added waitress {pinned()['waitress']}, since the dependencies have no server" in done.stderr
    assert (project / ".upproxy" / ".gitignore").read_text() == "*\n"


def test_the_bytes_are_the_same_elsewhere(upproxy, project, tmp_path):
    """In another folder, with other modes, dates, umask, locale, time zone, and nothing in the cache."""
    write_files(
        project, {"ä.txt": "ö", "lib/__init__.py": "S = {'http', 'https', 'ws'}\n", "a-b": "", "a/b": "", "a.b": ""}
    )
    make_wheel(project / "wheels", "shop", {"shop.py": "x = 1\n"}, scripts="till = shop:main")
    write_files(project, {"requirements.txt": "./wheels/shop-1.0-py3-none-any.whl\n"})
    first = built(upproxy("build", "-C", str(project)))
    other = tmp_path / "a longer name" / "copy"
    shutil.copytree(project, other, ignore=shutil.ignore_patterns(".upproxy"))
    for path in other.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(0o700 if path.is_dir() else 0o600)
    second = built(
        upproxy(
            "build", "-C", str(other), before=("sh", "-c", 'umask 077; exec "$@"', "sh"),
            XDG_CACHE_HOME=str(tmp_path / "cache"), LC_ALL="C", TZ="Asia/Tokyo", PYTHONHASHSEED="7",
            PYTHONDONTWRITEBYTECODE="1", SOURCE_DATE_EPOCH="1000000000", HOME=str(tmp_path),
        )
    )  # fmt: skip
    assert Path(first.filename).read_bytes() == Path(second.filename).read_bytes()


def test_a_changed_line_changes_its_own_file_alone(upproxy, project):
    write_files(project, {"lib.py": "def f():\n    return 'a'\n"})
    with built(upproxy("build", "-C", str(project))) as artefact:
        before = {name: artefact.read(name) for name in artefact.namelist()}
    write_files(project, {"lib.py": "def f():\n    return 'b'\n"})
    done = upproxy("build", "-C", str(project))
    with built(done) as artefact:
        after = {name: artefact.read(name) for name in artefact.namelist()}
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"lib.py", f"__pycache__/lib.{TAG}.pyc"}
    assert "installing" not in done.stderr  # what is kept is not touched


def test_the_cache_knows_when_the_dependencies_change(upproxy, project, tmp_path):
    variables = {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    make_wheel(project / "wheels", "shop", {"shop.py": "x = 1\n"})
    write_files(project, {"requirements.txt": "./wheels/shop-1.0-py3-none-any.whl\n"})
    installs = [f"installing what requirements.txt names for Python {HERE} on x86_64"]
    assert built(upproxy("build", "-C", str(project), **variables)).read(".upproxy/packages/shop.py") == b"x = 1\n"
    make_wheel(project / "wheels", "shop", {"shop.py": "x = 2\n"})
    done = upproxy("build", "-C", str(project), **variables)
    assert [line for line in done.stderr.splitlines() if "requirements.txt names" in line] == installs
    assert built(done).read(".upproxy/packages/shop.py") == b"x = 2\n"
    assert "installing" not in upproxy("build", "-C", str(project), **variables).stderr
    for part in (tmp_path / "cache" / "upproxy" / "build").glob("*/part.zip"):
        part.write_bytes(part.read_bytes()[:-100])
    assert built(upproxy("build", "-C", str(project), **variables)).testzip() is None
    assert installs[0] in upproxy("build", "-C", str(project), "--no-cache", **variables).stderr


def test_verbose_lists_what_is_left_out_and_why(upproxy, project):
    write_files(project, {".upignore": "*.md\n", "notes.md": "", ".env": "SECRET=1"})
    done = upproxy("build", "-C", str(project), "-v")
    assert done.returncode == 0
    lines = done.stderr.splitlines()
    assert "left out: notes.md: *.md (.upignore:1)" in lines
    assert "left out: .env: .* (default)" in lines
    assert any(re.match(r"left out: waitress-.*/RECORD: metadata", line) for line in lines)


def test_json(upproxy, project):
    done = upproxy("build", "-C", str(project), "--json", "-s", "production", "-o", str(project / "out.zip"))
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert said["path"] == f"{project}/out.zip"
    assert (said["python"], said["architecture"]) == (HERE, "x86_64")
    assert said["zipped"] == os.path.getsize(said["path"])
    with zipfile.ZipFile(said["path"]) as artefact:
        assert said["files"] == len(artefact.namelist())
        assert said["unzipped"] == sum(info.file_size for info in artefact.infolist()) == sum(said["packages"].values())
        assert "out.zip" not in artefact.namelist()
    for line in done.stderr.splitlines():
        assert json.loads(line)["level"] in ("info", "warning")
    assert upproxy("build", "-C", str(project), "-s", "production", "-o", said["path"]).returncode == 0
    again = json.loads(upproxy("build", "-C", str(project), "--json", "-s", "production", "-o", said["path"]).stdout)
    assert again == said  # the zip of before is not in the new one


def test_sizes(upproxy, project):
    write_files(project, {"large.bin": os.urandom(3_000_000), "data/small.txt": "x"})
    done = upproxy("build", "-C", str(project), "--size")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert lines[0] == "By package"
    assert re.match(r"files of the project +2\.86 MB +2\.86 MB +█{20,}", lines[2])
    largest = lines.index("The largest files") + 2
    assert re.match(r"large\.bin +2\.86 MB", lines[largest])
    assert any(line.startswith("waitress ") for line in lines)
    assert lines[-1] == f"{project}/.upproxy/staging.zip"


@pytest.mark.parametrize(
    ("unzipped", "zipped", "said"),
    [(250, 50, []), (251, 50, ["251 MB unzipped"]), (250, 51, ["51 MB zipped"]), (300, 60, ["300 MB", "60 MB"])],
)
def test_what_is_too_large_is_told_with_what_to_do(unzipped, zipped, said):
    from upproxy.build.archive import Packed

    data = memoryview(bytes(zipped * size.MB))
    found = size.warnings([Packed(".upproxy/packages/torch/lib.so", data, unzipped * size.MB, 0, 8, False)])
    assert len(found) == len(said)
    for sentence, start in zip(found, said, strict=True):
        assert sentence.startswith(start)
        assert "torch" in sentence
    assert all("--image" in sentence for sentence in found if "unzipped" in sentence)


def test_hooks(upproxy, project):
    """They see the stage, their output is shown, and what they make is built."""
    hooks = (
        "hooks:\n  prebuild: echo one $UP_STAGE\n  build: [echo two >&2, \"echo 'made' > made.txt\"]\n"
        "  postbuild: ls .upproxy/staging.zip\n  clean: rm made.txt\n"
    )
    write_files(project, {"up.yml": UP + hooks})
    done = upproxy("build", "-C", str(project))
    with built(done) as artefact:
        assert artefact.read("made.txt") == b"made\n"
    assert not (project / "made.txt").exists()
    shown = [line for line in done.stderr.splitlines() if line in ("one staging", "two", ".upproxy/staging.zip")]
    assert shown == ["one staging", "two", ".upproxy/staging.zip"]
    assert done.stdout == f"{project}/.upproxy/staging.zip\n"
    done = upproxy("build", "-C", str(project), "--json")
    said = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert [line for line in said if line in shown] == shown


def test_a_hook_that_fails_stops_the_build(upproxy, project):
    hooks = "hooks:\n  prebuild: [touch a, exit 3, touch b]\n  clean: touch cleaned\n"
    write_files(project, {"up.yml": UP + hooks})
    error = failure(upproxy("build", "-C", str(project), "--json"))
    assert error["message"] == "the hook prebuild ended with exit code 3: exit 3"
    there = set(os.listdir(project))
    assert {"a", "cleaned"} <= there
    assert not {"b", ".upproxy"} & there


def test_a_static_site(upproxy, tmp_path):
    files = {
        "up.yml": f"name: site\ntype: static\npython: {HERE}\n",
        "index.html": "<p>hello",
        "requirements.txt": "nonsense ][",
    }
    site = write_files(tmp_path / "site", files)
    done = upproxy("build", "-C", str(site), "--check")
    with built(done) as artefact:
        names = artefact.namelist()
        assert "index.html" in names
        assert not any(name.startswith(".upproxy/packages") for name in names)
        assert json.loads(artefact.read(".upproxy/manifest.json"))["upstream"] is None
    assert "GET / answered with 200" in done.stderr


AUTH = """\
auth:
  - jwt: {jwks: keys.json, audience: [shop]}
"""


def test_what_checks_tokens_is_vendored_where_tokens_are_asked_for(upproxy, project):
    key = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}
    write_files(project, {"up.yml": UP + AUTH, "keys.json": json.dumps({"keys": [key]})})
    with built(upproxy("build", "-C", str(project))) as artefact:
        names = artefact.namelist()
        assert {".upproxy/vendor/jwt/__init__.py", ".upproxy/vendor/cryptography/__init__.py"} <= set(names)
        rules = json.loads(artefact.read(".upproxy/manifest.json"))["middleware"]["auth"]["rules"]
        assert rules[0]["jwt"]["keys"][0]["x"] == key["x"]


def test_no_secret_is_in_the_artefact(upproxy, project):
    write_files(
        project,
        {"up.yml": UP + "environment: {TOKEN: '${UPPROXY_TEST_SECRET}'}\n", ".env": "UPPROXY_TEST_SECRET=hunter2"},
    )
    done = upproxy("build", "-C", str(project), UPPROXY_TEST_SECRET="hunter2")
    with built(done) as artefact:
        assert not [name for name in artefact.namelist() if b"hunter2" in artefact.read(name)]
        assert b"${UPPROXY_TEST_SECRET}" in artefact.read(".upproxy/manifest.json")


@pytest.mark.parametrize(
    ("files", "said", "hint"),
    [
        ({"requirements.txt": "-r none.txt\n"}, "none.txt", ""),
        ({"requirements.txt": "flask===\n"}, "flask===", ""),
        ({"requirements.txt": "./wheels/none.whl\n"}, "none.whl", ""),
        ({"requirements.txt": "idna==99\n"}, "idna==99", ""),
        ({"uv.lock": "[", "pyproject.toml": "[project]\nname='a'\nversion='1'\n"}, "cannot read uv.lock", ""),
        ({"lib.so": elf(0xB7)}, "lib.so in the project is compiled for arm64", ".upignore"),
        ({"up.yml": UP + "lambda: {runtime: provided.al2023}\n"}, "provided.al2023", "--image"),
        ({"up.yml": UP.replace(HERE, "3.14") + "lambda: {runtime: python3.13}\n"}, "differ", "Leave one"),
        ({"up.yml": "name: a\nproxy: {command: node server.js}\n"}, "`node`", "--image"),
        ({"up.yml": "name: a\nproxy: {command: uv run app.py}\n"}, "`uv`", "Leave `uv run` out"),
        ({"up.yml": "name: a\n", "app.py": "", "package.json": '{"scripts": {"start": "node"}}'}, "`node`", "--image"),
        ({"up.yml": UP + "environment: {AWS_LAMBDA_EXEC_WRAPPER: otel}\n"}, "otel", "/opt/otel-instrument"),
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_error(upproxy, project, files, said, hint):
    write_files(project, files)
    error = failure(upproxy("build", "-C", str(project), "--json"))
    assert said in error["message"]
    assert hint in error["hint"]
    assert not (project / ".upproxy").exists()


def test_without_a_network(upproxy, project):
    write_files(project, {"requirements.txt": "idna==3.7\n"})
    variables = {"UV_DEFAULT_INDEX": "http://127.0.0.1:1/simple", "UV_HTTP_RETRIES": "0", "UV_NO_CACHE": "1"}
    error = failure(upproxy("build", "-C", str(project), "--json", **variables))
    assert "the network cannot be reached" in error["message"]
    assert "127.0.0.1:1/simple/idna" in error["message"]


def test_source_that_the_target_cannot_compile_is_a_warning(upproxy, project):
    write_files(project, {"old.py": "print 'hello'\n"})
    done = upproxy("build", "-C", str(project))
    assert done.returncode == 0
    assert f"warning: old.py does not compile on Python {HERE}: line 1" in done.stderr


FULL = """\
mount -t tmpfs -o size=1m none "$1" || exit 99
disk=$1; shift
"$@"; status=$?
ls -A "$disk" >&2
exit $status
"""


@pytest.mark.skipif(not MOUNTS, reason="no mount namespaces here")
def test_a_full_disk(upproxy, project, tmp_path):
    """A file system of 1 MB, in a mount namespace of its own."""
    disk = tmp_path / "disk"
    disk.mkdir()
    write_files(project, {"large.bin": os.urandom(2_000_000)})
    namespace = ("unshare", "--map-root-user", "--mount", "sh", "-c", FULL, "sh", str(disk))
    done = upproxy("build", "-C", str(project), "--json", "-o", str(disk / "a.zip"), before=namespace)
    error = failure(done)  # its last line is the error: what lies on the disk would be listed after it
    assert "No space left on device" in error["message"]


def alive(pid: int) -> bool:
    """Whether a process runs; one that nobody has waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def test_interrupted(environment, project):
    """In the midst of it: the zip of before is still there, and nothing beside it."""
    (project / ".upproxy").mkdir()
    old = project / ".upproxy" / "staging.zip"
    old.write_text("old")
    write_files(project, {"up.yml": UP + "hooks: {build: 'sleep 60 & echo $! > child; touch reached; wait'}\n"})
    process = subprocess.Popen(
        [sys.executable, "-m", "upproxy", "build", "-C", str(project)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        while not (project / "reached").exists():
            assert process.poll() is None
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does it
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 130, err
    assert (out, b"Traceback" in err) == (b"", False)
    child = int((project / "child").read_text())
    while alive(child):  # it has been killed, and ends in a moment
        time.sleep(0.01)
    assert os.listdir(project / ".upproxy") == ["staging.zip"]
    assert old.read_text() == "old"


def test_image(upproxy, project):
    done = upproxy("build", "-C", str(project), "--image")
    assert done.returncode == 0, done.stderr
    image = project / ".upproxy" / "image"
    assert done.stdout == f"{image}\n"
    text = (image / "Dockerfile").read_text()
    assert f"FROM python:{HERE}-slim\n" in text
    assert 'ENTRYPOINT ["/var/task/.upproxy/bootstrap"]' in text
    assert os.access(image / "task" / ".upproxy" / "bootstrap", os.X_OK)
    assert (image / "task" / "app.py").read_text() == WSGI
    write_files(project, {"more.txt": ""})
    (project / "app.py").write_text(WSGI + "# changed\n")
    assert upproxy("build", "-C", str(project), "--image").returncode == 0
    assert (image / "task" / "more.txt").exists()
    assert os.listdir(project / ".upproxy").count("image") == 1
    assert not [name for name in os.listdir(project / ".upproxy") if name.startswith(".") and name != ".gitignore"]


def test_an_image_for_node(upproxy, tmp_path):
    files = {"package.json": '{"scripts": {"start": "node server.js"}}', "server.js": "", "node_modules/a/index.js": ""}
    shop = write_files(tmp_path / "shop", {**files, "up.yml": f"name: shop\npython: {HERE}\n"})
    assert upproxy("build", "-C", str(shop), "--image").returncode == 0
    image = shop / ".upproxy" / "image"
    assert "FROM node:22-bookworm-slim\n" in (image / "Dockerfile").read_text()
    assert [path.name for path in (image / "task/.upproxy/vendor/pybase64").glob("*.so")] == [
        "_pybase64.cpython-311-x86_64-linux-gnu.so"  # for Debian's Python, whatever up.yml says of the runtime's
    ]
    assert (image / "task" / "node_modules" / "a" / "index.js").exists()


def test_an_image_takes_no_other_folders_place(upproxy, project, tmp_path):
    other = write_files(tmp_path / "other", {"precious": ""})
    error = failure(upproxy("build", "-C", str(project), "--image", "--json", "-o", str(other)))
    assert "no folder of an image" in error["message"]
    assert (other / "precious").exists()


def test_layer(upproxy, project):
    done = upproxy("build", "-C", str(project), "--layer")
    with built(done) as layer:
        names = layer.namelist()
        assert "upproxy/bootstrap" in names
        assert f"upproxy/upproxy/proxy/__pycache__/__main__.{TAG}.pyc" in names
        assert {name.partition("/")[0] for name in names} == {"upproxy"}
        assert "upproxy/manifest.json" not in names


def test_flags_that_do_not_go_together(upproxy, project):
    done = upproxy("build", "-C", str(project), "--layer", "--check")
    assert done.returncode == 2
    assert "do not go together" in done.stderr
