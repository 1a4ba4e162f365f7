"""Real failures of real interpreters, in words."""

import subprocess
import sys

import pytest

from upproxy.local import error_page
from upproxy.local.failure import Failure, explain


def failing(directory, source):
    """What the runtime says of an app with this source that did not start."""
    (directory / "app.py").write_text(source)
    ended = subprocess.run(
        [sys.executable, "-c", "import app"], cwd=directory, capture_output=True, text=True, check=False
    )
    return explain(
        f"the app exited with code {ended.returncode}\n{ended.stderr}",
        python="/venv/bin/python",
        directory=str(directory),
    )


@pytest.mark.parametrize(
    ("file", "install"),
    [("requirements.txt", "-r requirements.txt"), ("pyproject.toml", "-e ."), ("notes.txt", "nosuchpackage")],
)
def test_a_module_that_is_not_installed(tmp_path, file, install):
    (tmp_path / file).touch()
    failure = failing(tmp_path, "import nosuchpackage.part\n")
    assert "'nosuchpackage'" in failure.message
    assert failure.hint.endswith(f"/venv/bin/python -m pip install {install}")
    assert failure.output[-1].startswith("ModuleNotFoundError")


def test_a_module_of_the_app_itself_is_not_to_be_installed(tmp_path):
    (tmp_path / "shop").mkdir()
    failure = failing(tmp_path, "import shop.wrong\n")
    assert "pip" not in failure.hint


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1\ndef f(:\n", "app.py:2: SyntaxError"),
        ("if 1:\nx = 2\n", "app.py:2: IndentationError"),
    ],
)
def test_source_that_is_wrong(tmp_path, source, message):
    assert failing(tmp_path, source).message.startswith(message)


def test_a_command_that_does_not_exist(tmp_path):
    ended = subprocess.run(["sh", "-c", "nosuchcommand --port 1"], capture_output=True, text=True, check=False)
    failure = explain(
        f"the app exited with code {ended.returncode}\n{ended.stderr}", python="python", directory=str(tmp_path)
    )
    assert failure.message == "there is no command 'nosuchcommand'"
    assert "-c" in failure.hint


def test_anything_else_is_the_reason_and_the_last_lines(tmp_path):
    failure = failing(tmp_path, "raise SystemExit('no database')\n")
    assert (failure.message, failure.output) == ("the app exited with code 1", ("no database",))
    assert explain("it took too long", python="python", directory="/").hint == ""


def test_the_page_shows_everything_and_runs_nothing():
    failure = Failure("<b>&", hint="<script>", output=("{braces}", "</pre><script>alert(1)</script>"))
    page = error_page.as_html(failure).decode()
    assert "&lt;b&gt;&amp;" in page
    assert "{braces}" in page
    assert "<script>" not in page
