"""Commands that people write: what is added where they name a server."""

import os
import subprocess
import sys

import pytest

from upproxy.config import load
from upproxy.config.inference.dependencies import Dependencies
from upproxy.config.inference.servers import complete

NOTHING = Dependencies("/nonexistent")


@pytest.mark.parametrize(
    "command",
    [
        "node server.js",
        "./server --port $PORT",
        "echo gunicorn",
        "pip install uvicorn && python app.py",
        "python gunicorn.py",
        "./gunicorn-wrapper app:app",
        "",
    ],
)
def test_left_alone(command):
    assert complete(command, NOTHING) == (command, [])


UVICORN = ' --port "$PORT" --timeout-keep-alive 1000000 --forwarded-allow-ips 127.0.0.1 --timeout-graceful-shutdown 2'


@pytest.mark.parametrize(
    "before",
    [
        "",
        "exec ",
        "FOO=1 BAR=2 ",
        "uv run ",
        "poetry run ",
        "python -m ",
        ".venv/bin/python3.12 -u -m ",
        ".venv/bin/",
        "cd x && ",
        "(cd x; ",
    ],
)
def test_added(before):
    text, notes = complete(f"{before}uvicorn main:app", NOTHING)
    assert text == f"{before}uvicorn{UVICORN} main:app"
    assert notes[0] == 'added `--port "$PORT"` to uvicorn: the proxy says which port'
    assert len(notes) == 4


def test_only_what_is_missing():
    text, notes = complete("uvicorn main:app --port=$PORT --timeout-keep-alive 100", NOTHING)
    assert text == (
        "uvicorn --forwarded-allow-ips 127.0.0.1 --timeout-graceful-shutdown 2"
        " main:app --port=$PORT --timeout-keep-alive 100"
    )
    assert len(notes) == 2


def test_gunicorn():
    text, notes = complete("gunicorn -t 30 -b 0.0.0.0:8000 app:app", NOTHING)
    assert " --timeout " not in text
    assert "--keep-alive 86400" in text
    assert "--forwarder-headers ''" in text
    assert "gunicorn has `--bind 0.0.0.0:8000`, but the proxy looks for it on $PORT: write $PORT there" in notes
    assert any("has `--timeout 30`; better `0`" in note for note in notes)


def test_hypercorn():
    text, notes = complete("hypercorn -w 4 app:app", NOTHING)
    assert text == 'hypercorn --bind "127.0.0.1:$PORT" --keep-alive 1000000 -w 4 app:app'
    assert any("has `--workers 4`" in note for note in notes)


def test_nothing_is_missing_afterwards():
    for command in ("gunicorn app:app", "uvicorn app:app", "hypercorn app:app"):
        once, _ = complete(command, NOTHING)
        assert complete(once, NOTHING) == (once, [])


def test_warnings_say_it(tmp_path):
    (tmp_path / "Procfile").write_text("web: uvicorn main:app --port $PORT\n")
    config = load(str(tmp_path))
    assert config.app.command.startswith("uvicorn --timeout-keep-alive")
    assert len(config.warnings) == 3


@pytest.mark.parametrize("server", ["gunicorn", "uvicorn", "hypercorn"])
def test_servers_know_the_options(server):
    """The installed servers have every option that is added."""
    help_text = subprocess.run(
        [sys.executable, "-m", server, "--help"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "COLUMNS": "300"},
    ).stdout  # fmt: skip
    text, _ = complete(f"{server} app:app", NOTHING)
    options = [word for word in text.split() if word.startswith("--")]
    assert options
    assert [option for option in options if option not in help_text] == []


def test_versions(tmp_path):
    (tmp_path / "requirements.txt").write_text(
        "# x\n-r other.txt\nGunicorn [gevent] == 21.2.0 ; python_version > '3'\nflask\n"
    )
    (tmp_path / "uv.lock").write_text('[[package]]\nname = "Uvicorn"\nversion = "0.30.1"\n')
    (tmp_path / "pyproject.toml").write_text("not toml [")
    found = Dependencies(str(tmp_path))
    assert found.named == {"gunicorn": "21.2.0", "flask": ""}
    versions = [found.version(name) for name in ("gunicorn", "uvicorn", "flask")]
    assert versions == [(21, 2, 0), (0, 30, 1), None]
    assert found.first_of(("uvicorn", "gunicorn")) == "gunicorn"
    assert found.first_of(("waitress",)) is None


def test_installed_version_wins(tmp_path):
    (tmp_path / "requirements.txt").write_text("gunicorn==20.0\n")
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "lib" / "python3.12" / "site-packages" / "gunicorn-23.0.0.dist-info").mkdir(parents=True)
    assert Dependencies(str(tmp_path), str(tmp_path / "venv/bin/python")).version("gunicorn") == (23, 0, 0)
