"""`upproxy env` as a process and in a terminal, with AWS as moto plays it; and that nothing shows a value."""

import io
import json
import os
import subprocess
import sys
from types import SimpleNamespace

import boto3
import pytest

from tests.aws.moto_server import NOBODY, REGION, without_aws
from tests.cli.terminal import in_terminal
from upproxy.cli.frame import main

CLEAN = without_aws(os.environ)
UPPROXY = [sys.executable, "-m", "upproxy"]
PATH = "/upproxy/shop/staging/"
SECRET = "hunter2-hunter2"


@pytest.fixture
def project(project):
    """The one of all commands, with a tag of its own."""
    with open(project / "up.yml", "a", encoding="utf-8") as file:
        file.write("lambda: {tags: {team: shop}}\n")
    return project


@pytest.fixture
def env(project, aws, monkeypatch, capfdbinary):
    """Run `upproxy env` in the project, in this process."""

    def run(*arguments, given=b"", ok=True):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        status = main(["env", *arguments, "-C", str(project)])
        out, err = capfdbinary.readouterr()
        assert "-v" in arguments or b"Traceback" not in err
        assert not ok or status == 0, err
        return SimpleNamespace(returncode=status, stdout=out, stderr=err)

    return run


@pytest.fixture
def ssm(aws):
    return boto3.client("ssm", region_name=REGION)


def as_process(words, project, environment, given=b""):
    return subprocess.run(
        [*UPPROXY, *words], cwd=project, env=CLEAN | environment, input=given, capture_output=True, timeout=60
    )


def test_a_variable_from_its_addition_to_its_removal(env, ssm):
    done = env()
    assert (done.stdout, done.stderr) == (
        b"", b"shop-staging has no secret variables; `upproxy env add NAME` adds one\n",
    )  # fmt: skip
    done = env("add", "DB_URL", given=SECRET.encode() + b"\n")
    assert done.stdout == b""
    assert done.stderr.decode().splitlines() == [
        "kept DB_URL of shop-staging in eu-central-1: version 1", "the app has it after `upproxy deploy staging`",
    ]  # fmt: skip
    tags = ssm.list_tags_for_resource(ResourceType="Parameter", ResourceId=PATH + "DB_URL")["TagList"]
    assert {tag["Key"] for tag in tags} == {"team", "upproxy:app", "upproxy:stage"}
    env("add", "DB_URL", given=b"another")

    header, row = env("ls").stdout.decode().splitlines()
    assert header.split() == ["NAME", "VERSION", "CHANGED", "REGION"]
    assert row.split()[:2] == ["DB_URL", "2"]
    assert row.split()[-1] == REGION
    assert row.index("2") == header.index("VERSION")
    assert env("get", "DB_URL").stdout == b"another\n"
    assert env("export").stdout == b"export DB_URL='another'\n"

    done = env("rm", "DB_URL")
    assert (done.stdout, done.stderr) == (
        b"", b"removed DB_URL of shop-staging in eu-central-1; the app has it until `upproxy deploy staging`\n",
    )  # fmt: skip
    assert ssm.get_parameters_by_path(Path=PATH)["Parameters"] == []


def test_as_json(env):
    document = json.loads(env("add", "DB_URL", "--json", given=b"one").stdout)
    kept = {"name": "DB_URL", "region": REGION, "version": 1}
    assert document == {"app": "shop", "stage": "staging", "variables": [kept]}
    [listed] = json.loads(env("ls", "--json").stdout)["variables"]
    assert set(listed) == {"name", "region", "version", "modified"}
    assert listed["modified"].endswith("+00:00")
    assert json.loads(env("get", "DB_URL", "--json").stdout) == {"name": "DB_URL", "value": "one", "version": 1}
    assert json.loads(env("export", "--json").stdout) == {"DB_URL": "one"}
    assert json.loads(env("rm", "DB_URL", "--json").stdout)["removed"] == ["DB_URL"]
    assert json.loads(env("--json").stdout)["variables"] == []


def test_stages_and_regions(env, project):
    (project / "up.yml").write_text("name: shop\nregions: [eu-central-1, us-east-1]\n")
    env("add", "AB", "-s", "production", given=b"one")
    env("add", "CD", "-s", "production", "--region", "us-east-1", given=b"two")
    assert b"no secret variables" in env("ls").stderr
    done = env("ls", "-s", "production")
    rows = [line.split() for line in done.stdout.decode().splitlines()[1:]]
    assert [(row[0], row[-1]) for row in rows] == [("AB", "eu-central-1"), ("AB", "us-east-1"), ("CD", "us-east-1")]
    assert done.stderr == b"warning: CD is not set in eu-central-1, but in other regions\n"
    env("rm", "AB", "CD", "-s", "production")
    assert json.loads(env("ls", "--json", "-s", "production").stdout)["variables"] == []


@pytest.mark.parametrize(
    ("given", "kept"),
    [(b"a\n", "a"), (b"a\r\n", "a"), (b"a\n\n", "a\n"), (b"two\nlines\n", "two\nlines"), ("ü ".encode(), "ü ")],
)
def test_what_is_piped_in_is_the_value(env, ssm, given, kept):
    env("add", "AB", given=given)
    assert ssm.get_parameter(Name=PATH + "AB", WithDecryption=True)["Parameter"]["Value"] == kept


@pytest.mark.parametrize(
    ("given", "said"),
    [(b"", b"is empty"), (b"\n", b"is empty"), (b"\xff", b"is no UTF-8"), (b"a\0b", b"has a NUL"),
     (b"x" * 4097, b"has 4,097 bytes"), (b"x" * 4096, b"bytes together, and Lambda takes 4,096")],
)  # fmt: skip
def test_values_that_are_not_kept(env, ssm, given, said):
    done = env("add", "AB", given=given, ok=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert said in done.stderr
    assert ssm.get_parameters_by_path(Path=PATH)["Parameters"] == []


@pytest.mark.parametrize(
    "words",
    [(f"DB_URL={SECRET}", "-v"), ("DB_URL", SECRET), ("DB_URL", f"--{SECRET}", "--json")],
)
def test_a_value_is_no_argument_and_is_not_repeated(env, ssm, words):
    done = env("add", *words, given=b"x", ok=False)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"never its value" in done.stderr
    assert SECRET.encode() not in done.stderr
    assert ssm.get_parameters_by_path(Path=PATH)["Parameters"] == []


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("add",), 2, b"the name of the variable is missing"),
        (("add", "A-B"), 2, b"'A-B' is no name for a variable"),
        (("add", "AWS_REGION"), 2, b"AWS_REGION is set by AWS"),
        (("get",), 2, b"Missing argument 'NAME'"),
        (("get", "AB"), 1, b"shop-staging has no variable AB in eu-central-1"),
        (("rm", "AB", "CD"), 1, b"has no variable AB or CD"),
        (("set", "AB"), 2, b"No such command 'set'"),
        (("ls", "-s", "nowhere"), 2, b"there is no stage 'nowhere'"),
    ],
)
def test_wrong_usage(env, arguments, status, said):
    done = env(*arguments, given=b"x", ok=False)
    assert (done.returncode, done.stdout) == (status, b"")
    assert said in done.stderr


def test_without_credentials(project):
    done = as_process(["env", "ls"], project, NOBODY)
    assert (done.returncode, done.stdout) == (3, b"")
    assert done.stderr.startswith(b"error: there are no AWS credentials\n")


def test_what_up_yml_makes_of_them(env, project):
    (project / "up.yml").write_text(f'name: shop\nregions: [{REGION}]\nenvironment: {{AB: plain, CD: "x-${{EF}}"}}\n')
    done = env("add", "AB", given=SECRET.encode())
    assert b"warning: the app never sees AB: `environment` in up.yml gives it another value; `AB: ${AB}`" in done.stderr
    done = env()
    assert b"warning: the app never sees AB" in done.stderr
    assert b"up.yml refers to ${EF}, which is not set in eu-central-1: the app would not start" in done.stderr


def test_addresses_of_alerts(env, project):
    action = '{name: chat, type: slack, url: "${SLACK_URL}"}'
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\nalerts: true\nactions: [{action}]\n")
    said = b"`actions` refer to ${SLACK_URL}, which is not set in eu-central-1: alarms would tell nobody there"
    assert said in env().stderr
    done = env("add", "SLACK_URL", given=SECRET.encode())
    assert b"alerts go there from now on; the app does not have it" in done.stderr
    assert said not in env().stderr


# --- In a terminal


def test_a_terminal_is_asked_and_shows_nothing(project, server):
    status, shown = in_terminal([*UPPROXY, "env", "add", "AB"], project, CLEAN | server.environment, [SECRET.encode()])
    assert status == 0, shown
    assert b"Value of AB: " in shown
    assert SECRET.encode() not in shown
    assert server.client("ssm").get_parameter(Name=PATH + "AB", WithDecryption=True)["Parameter"]["Value"] == SECRET


def test_a_terminal_with_nobody_to_ask(project, server):
    status, shown = in_terminal([*UPPROXY, "env", "add", "AB", "--no-input"], project, CLEAN | server.environment)
    assert status == 2
    assert b"there is nobody to ask for the value of AB" in shown


@pytest.mark.parametrize("words", [("get", "AB"), ("export",)])
def test_a_terminal_that_shows_a_value_is_warned_of(project, server, words):
    as_process(["env", "add", "AB"], project, server.environment, b"one")
    status, shown = in_terminal([*UPPROXY, "env", *words], project, CLEAN | server.environment)
    assert status == 0
    assert b"one" in shown
    assert b"secret values are on this screen now" in shown


# --- Nothing shows a value

EVERYTHING = (
    ("env", "add", "DB_URL"), ("env", "add", "DB_URL", "--json"), ("env", "add", "DB_URL", "-v"), ("env",),
    ("env", "ls"), ("env", "ls", "--json"), ("env", "ls", "-v"), ("env", "get", "OTHER"), ("env", "get", "OTHER", "-v"),
    ("env", "rm", "OTHER", "--json"), ("config", "-s", "staging"), ("config", "-s", "staging", "--json"),
    ("config", "-s", "staging", "--manifest"), ("policy", "-s", "staging"), ("doctor", "-s", "staging", "-v"),
    ("doctor", "-s", "staging", "--json"), ("env", "rm", "DB_URL", "-v"),
)  # fmt: skip


def test_no_command_shows_a_value(env, project, monkeypatch, capfdbinary):
    (project / "up.yml").write_text(
        f"name: shop\nregions: [{REGION}]\nenvironment: {{MORE: x, DATABASE: '${{DB_URL}}'}}\n"
    )
    env("add", "DB_URL", given=SECRET.encode())
    assert SECRET in env("get", "DB_URL").stdout.decode()
    for words in EVERYTHING:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(SECRET.encode())))
        status = main([*words, "-C", str(project)])
        out, err = capfdbinary.readouterr()
        assert SECRET.encode() not in out + err, words
        assert status == (1 if "OTHER" in words else 0), (words, err)
