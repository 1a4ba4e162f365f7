"""The command line as a process: exit statuses, what goes where, and what is imported."""

import io
import json
import os
import pty
import signal
import subprocess
import sys
import textwrap

import pytest

from tests.cli import terminal
from upproxy import __version__
from upproxy.cli import errors
from upproxy.cli.frame import COMMANDS
from upproxy.cli.output import Output
from upproxy.config import ConfigError


def upproxy(*arguments, directory=None, **environment):
    return subprocess.run(
        [sys.executable, "-m", "upproxy", *arguments],
        cwd=directory,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


@pytest.fixture
def project(tmp_path):
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    (tmp_path / "up.yml").write_text(
        "name: shop\nenvironment: {API_KEY: abc, DEBUG: 1}\nstages: {beta: {environment: {DEBUG: 0}}}\n"
    )
    return tmp_path


def with_command(tmp_path, body):
    """Run the command line in a process with one more command, `try`, whose function has this body."""
    (tmp_path / "trial.py").write_text(
        "import click, os, signal\nfrom upproxy.cli import errors\n"
        "@click.command()\n@click.pass_obj\ndef command(call):\n    " + body.replace("\n", "\n    ") + "\n"
    )
    (tmp_path / "run.py").write_text(
        textwrap.dedent(
            """
            import sys
            from upproxy.cli import frame
            frame.COMMANDS["try"] = ("trial", "A trial.")
            sys.exit(frame.main())
            """
        )
    )

    def run(*arguments, **options):
        return subprocess.run(
            [sys.executable, str(tmp_path / "run.py"), *arguments],
            **{"capture_output": True, "text": True, "timeout": 60} | options,
        )

    return run


# --- Help, and what it costs


def test_help_imports_little():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "upproxy", "--help"], capture_output=True, text=True
    )
    assert done.returncode == 0
    roots = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.splitlines()}
    assert "click" in roots
    assert roots & {"pydantic", "yaml", "aiohttp", "boto3", "rich", "structlog", "asyncio", "watchfiles"} == set()


def test_help_lists_all_commands():
    done = upproxy("--help")
    assert done.returncode == 0
    assert done.stderr == ""
    for name, (_, summary) in COMMANDS.items():
        assert f"{name} " in done.stdout
        assert summary in done.stdout


def test_bare_command_is_help(tmp_path):
    assert upproxy(directory=tmp_path).stdout == upproxy("--help").stdout == upproxy("-h").stdout


def test_bare_command_is_a_deploy_where_there_is_a_configuration(tmp_path):
    (tmp_path / "up.yml").write_text("name: 7\n")
    done = upproxy(directory=tmp_path)
    assert done.returncode == 2
    assert "up.yml:1: name: expected a text" in done.stderr


def test_bare_command_offers_a_configuration_in_a_terminal(tmp_path):
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    command = [sys.executable, "-m", "upproxy"]
    status, shown = terminal.in_terminal(command, tmp_path, os.environ, [b"", b"", b""])
    assert (status, b"Name" in shown) == (0, True)
    assert (tmp_path / "up.yml").is_file()


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_has_help(name):
    done = upproxy(name, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    for flag in ("-C DIR", "-s, --stage", "-v, --verbose", "--json", "--yes", "--no-input", "--no-color", "--region"):
        assert flag in done.stdout


# --- Usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["conifg"], "there is no command 'conifg'\nDid you mean `upproxy config`?"),
        (["xyzzy"], "`upproxy --help` lists the commands."),
        (["config", "--manfest"], "Did you mean '--manifest'?"),
        (["--josn", "config"], "Did you mean '--json'?"),
        (["config", "extra"], "Got unexpected extra argument (extra)"),
        (["config", "-C"], "Option '-C' requires an argument."),
        (["config", "--manifest", "--schema"], "Ask for one of them."),
        (["config", "-C", "/nowhere"], "there is no folder /nowhere"),
    ],
)
def test_wrong_usage(arguments, said):
    done = upproxy(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.startswith("error: ")


@pytest.mark.parametrize(
    "arguments", [["--json", "conifg"], ["config", "--manfest", "--json"], ["config", "--json", "x"]]
)
def test_wrong_usage_as_json(arguments):
    done = upproxy(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    error = json.loads(done.stderr)
    assert set(error) == {"code", "message", "hint"}
    assert error["code"] == "usage"


@pytest.mark.parametrize("arguments", [["version"], ["--version"]])
def test_version(arguments):
    done = upproxy(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"upproxy {__version__} (Python 3.")


def test_version_as_json():
    assert json.loads(upproxy("--json", "version").stdout)["version"] == __version__


# --- config


def test_config_hides_secrets(project):
    done = upproxy("config", directory=project)
    assert done.returncode == 0
    assert "API_KEY: '********'" in done.stdout
    assert "abc" not in done.stdout + done.stderr
    assert "Flask app `app:app` (app.py)" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [["-C", "DIR", "-s", "beta", "--json", "config"], ["config", "--stage=beta", "--json", "-C", "DIR"],
     ["--json", "config", "-C", "DIR", "-s", "beta"]],
)  # fmt: skip
def test_flags_before_and_after(project, arguments):
    done = upproxy(*(str(project) if word == "DIR" else word for word in arguments))
    resolved = json.loads(done.stdout)
    assert (resolved["stage"], resolved["environment"]) == ("beta", {"API_KEY": "********", "DEBUG": "0"})
    assert json.loads(done.stderr.splitlines()[0])["level"] == "info"


def test_manifest(project):
    done = upproxy("config", "--manifest", "--python", "python3.13", "-C", str(project))
    manifest = json.loads(done.stdout)
    assert manifest["upstream"]["command"] == ["python3.13", "{launchers}/wsgi.py", "{fd}", "app:app"]
    assert manifest["upstream"]["environment"] == {"API_KEY": "abc", "DEBUG": "1"}


def test_schema_needs_no_project(tmp_path):
    done = upproxy("config", "--schema", directory=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["title"] == "up.yml"


def test_region(project):
    done = upproxy("config", "--json", "--region", "eu-west-1", "-C", str(project))
    assert json.loads(done.stdout)["regions"] == ["eu-west-1"]


def test_warnings(project):
    (project / "up.yml").write_text("name: x\napp: a:b\nproxy: {command: ./x}\n")
    said = "`app` is not used, since there is `proxy.command`"
    assert f"warning: {said}\n" in upproxy("config", directory=project).stderr
    lines = upproxy("config", "--json", directory=project).stderr.splitlines()
    assert {"level": "warning", "message": said} in map(json.loads, lines)


def test_bad_configuration(project):
    (project / "up.yml").write_text("name: x\nlambda: {memory: big, timout: 3}\n")
    done = upproxy("config", directory=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        'error: up.yml:2: lambda.memory: expected a whole number, found the text "big"\n'
        "up.yml:2: lambda.timout: is not a known key; did you mean `timeout`?\n"
    )
    error = json.loads(upproxy("config", "--json", directory=project).stderr)
    assert error["code"] == "configuration"
    assert error["message"].startswith("up.yml:2: lambda.memory")


# --- How commands end


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("pass", 0, None),
        ("raise errors.CommandError('no', 'try')", 1, "failed"),
        ("raise errors.UsageError('no', 'try')", 2, "usage"),
        ("raise errors.PermissionDenied('no', 'try')", 3, "permission"),
        ("raise errors.Conflict('no', 'try')", 4, "conflict"),
        ("raise errors.BuildFailed('no', 'try')", 5, "build"),
        ("raise errors.Unhealthy('no', 'try')", 6, "unhealthy"),
        ("return 130", 130, None),
        ("raise SystemExit(7)", 7, None),
        ("raise click.ClickException('no')", 1, "failed"),
        ("1 / 0", 1, "internal"),
        ("raise KeyboardInterrupt", 130, None),
        ("raise click.Abort", 130, None),
        ("os.kill(os.getpid(), signal.SIGINT)", 130, None),
    ],
)
def test_status(tmp_path, body, status, code):
    done = with_command(tmp_path, body)("try", "--json")
    assert (done.returncode, done.stdout) == (status, "")
    if code:
        assert json.loads(done.stderr)["code"] == code
    else:
        assert done.stderr == ""


def test_traceback_only_when_asked_for(tmp_path):
    run = with_command(tmp_path, "1 / 0")
    quiet, verbose = run("try"), run("-v", "try")
    assert quiet.stderr == (
        "error: ZeroDivisionError: division by zero\nThis is a fault of upproxy: run again with -v for the traceback.\n"
    )
    assert "Traceback" in verbose.stderr
    assert (quiet.returncode, verbose.returncode) == (1, 1)


def test_reader_that_has_enough(tmp_path):
    run = with_command(tmp_path, "for _ in range(100_000): call.output.text('x' * 100)")
    with subprocess.Popen(["head", "-1"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as head:
        done = run("try", capture_output=False, stdout=head.stdin, stderr=subprocess.PIPE)
        head.stdin.close()
    assert (done.returncode, done.stderr) == (0, "")


def test_terminated_by_signal_in_the_middle(tmp_path):
    with_command(tmp_path, "call.output.note('ready')\nsignal.pause()")
    with subprocess.Popen(
        [sys.executable, str(tmp_path / "run.py"), "try"], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
        assert process.stderr.read() == ""


def test_questions_need_a_terminal(tmp_path):
    run = with_command(tmp_path, "call.output.text(str(call.output.confirm('Really?')))")
    refused = run("try", stdin=subprocess.DEVNULL)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert "Really?" in refused.stderr
    assert "--yes" in refused.stderr
    assert run("try", "--yes", stdin=subprocess.DEVNULL).stdout == "True\n"


def in_terminal(arguments, typed, environment):
    """Run a command on a pseudo-terminal and return its exit status and all that it shows."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(sys.executable, [sys.executable, *arguments], environment)
    try:
        os.write(terminal, typed)
        shown = b""
        while True:
            try:
                piece = os.read(terminal, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
    finally:
        _, status = os.waitpid(pid, 0)
        os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown.decode()


TERMINAL = {**os.environ, "TERM": "xterm-256color"}


@pytest.mark.parametrize(("typed", "answer"), [(b"y\n", "True"), (b"n\n", "False")])
def test_questions_on_a_terminal(tmp_path, typed, answer):
    with_command(tmp_path, "call.output.text(str(call.output.confirm('Really?')))")
    status, shown = in_terminal([str(tmp_path / "run.py"), "try"], typed, TERMINAL)
    assert status == 0
    assert "Really?" in shown
    assert answer in shown


@pytest.mark.parametrize("variables", [{"CI": "true"}, {"TERM": "dumb"}])
def test_no_questions_there(tmp_path, variables):
    with_command(tmp_path, "call.output.confirm('Really?')")
    assert in_terminal([str(tmp_path / "run.py"), "try"], b"y\n", TERMINAL | variables)[0] == 2


@pytest.mark.parametrize(
    ("variables", "flags", "coloured"),
    [
        ({}, [], True),
        ({"NO_COLOR": "1"}, [], False),
        ({"NO_COLOR": ""}, [], True),
        ({"CI": "true"}, [], False),
        ({"TERM": "dumb"}, [], False),
        ({}, ["--no-color"], False),
        ({}, ["--json"], False),
    ],
)
def test_colour(variables, flags, coloured):
    _, shown = in_terminal(["-m", "upproxy", "conifg", *flags], b"", TERMINAL | variables)
    assert ("\x1b[" in shown) == coloured


def test_errors_from_below_are_known():
    told = errors.known(ConfigError("no", hint="yes"))
    assert told is not None
    assert (told.code, told.status, told.message, told.hint) == ("configuration", 2, "no", "yes")
    assert errors.known(ValueError()) is None


def test_every_name_of_a_lower_error_exists():
    import importlib

    for name in errors._LOWER_LAYERS:
        module, _, attribute = name.rpartition(".")
        assert issubclass(getattr(importlib.import_module(module), attribute), Exception)


def test_json_is_readable_text(capsys):
    Output(as_json=True).document({"ü": 1}, indent=None)
    assert capsys.readouterr().out == '{"ü": 1}\n'


@pytest.mark.parametrize(
    "write",
    [
        lambda output, text: output.table(("A", "B"), [(text, "b")]),
        Output.note,
        Output.warn,
        lambda output, text: output.error(errors.CommandError(text)),
        lambda output, text: output.error(errors.CommandError("no", text)),
    ],
)
def test_what_others_have_written_gives_a_terminal_no_orders(capsys, write):
    """Such as a commit's author, or an app that does not start."""
    write(Output(), "\x1b[31mred\x1b[0m \x1b]0;title\x07\x9b2J\r\b end")
    shown = "".join(capsys.readouterr())
    assert "red ]0;title2J end" in shown
    assert [char for char in shown if not char.isprintable() and char != "\n"] == []


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_text_and_not_markup(monkeypatch):
    monkeypatch.setattr(sys, "stderr", Terminal())
    monkeypatch.setenv("TERM", "xterm")
    with Output(environment={}).progress() as report:
        report("failed: [/app/x] [red]\x1b]0;title")
    assert "failed: [/app/x] [red]]0;title" in sys.stderr.getvalue()
