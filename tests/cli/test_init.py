"""`upproxy init`: a file that is read back as it was meant, and never written over another."""

import json
import os
import sys

import pytest

from tests.aws.moto_server import NOBODY, without_aws
from tests.cli.terminal import in_terminal
from upproxy import config
from upproxy.cli.frame import main

CLEAN = without_aws(os.environ)


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name, value in NOBODY.items():
        monkeypatch.setenv(name, value)
    folder = tmp_path / "My shop"
    folder.mkdir()
    (folder / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    return folder


def test_what_is_proposed(project, capsys):
    assert main(["init", "--yes", "-C", str(project)]) == 0
    out, err = capsys.readouterr()
    assert out == f"{project / 'up.yml'}\n"
    assert "Flask app `app:app` (app.py)" in err
    assert "`upproxy start` serves the app here" in err
    settings = config.load(str(project), "production").settings
    assert (settings.name, settings.regions, settings.endpoint) == ("my-shop", ["us-east-1"], "function_url")
    assert sorted(os.listdir(project)) == ["app.py", "up.yml"]
    assert os.stat(project / "up.yml").st_mode & 0o777 == 0o666 & ~umask()


def umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_what_flags_say(project, capsys):
    flags = ("--name", "True", "--region", "eu-central-1", "--endpoint", "rest_api", "--yes", "--json")
    assert main(["init", *flags, "-C", str(project)]) == 0
    document = json.loads(capsys.readouterr().out)
    path = str(project / "up.yml")
    assert document == {"path": path, "name": "True", "regions": ["eu-central-1"], "endpoint": "rest_api"}
    settings = config.load(str(project)).settings
    assert (settings.name, settings.regions, settings.endpoint) == ("True", ["eu-central-1"], "rest_api")


def test_the_region_is_the_usual_one(project, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "eu-north-1")
    assert main(["init", "--yes", "-C", str(project)]) == 0
    assert config.load(str(project)).settings.regions == ["eu-north-1"]


@pytest.mark.parametrize("name", ["up.yml", "up.yaml", "up.json"])
def test_a_file_that_is_there_is_left_alone(project, capsys, name):
    (project / name).write_text("name: mine\n")
    assert main(["init", "--yes", "-C", str(project)]) == 4
    assert f"there is {name} already" in capsys.readouterr().err
    assert (project / name).read_text() == "name: mine\n"
    assert sorted(os.listdir(project)) == ["app.py", name]


def test_a_link_to_nothing_is_left_alone(project, capsys):
    (project / "up.yml").symlink_to(project / "elsewhere.yml")
    assert main(["init", "--yes", "-C", str(project)]) == 4
    assert not (project / "elsewhere.yml").exists()


def test_a_file_that_comes_meanwhile_is_left_alone(project, capsys, monkeypatch):
    link = os.link

    def late(source, path):
        (project / "up.yml").write_text("name: theirs\n")
        link(source, path)

    monkeypatch.setattr(os, "link", late)
    assert main(["init", "--yes", "-C", str(project)]) == 4
    assert (project / "up.yml").read_text() == "name: theirs\n"
    assert sorted(os.listdir(project)) == ["app.py", "up.yml"]


def test_nothing_is_left_where_it_cannot_be_written(project, capsys, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "link", full)
    assert main(["init", "--yes", "-C", str(project)]) == 1
    assert "up.yml: No space left on device" in capsys.readouterr().err
    assert os.listdir(project) == ["app.py"]


def test_without_an_app(tmp_path, capsys, project):
    empty = tmp_path / "true"
    empty.mkdir()
    assert main(["init", "--yes", "-C", str(empty)]) == 0
    assert "warning: no app was found" in capsys.readouterr().err
    (empty / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    assert config.load(str(empty)).name == "true"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--name", "1x"), "name: expected a name of letters"),
        (("--region", "nowhere"), "region: expected a region, such as eu-central-1"),
        (("--endpoint", "alb"), "'alb' is not one of"),
    ],
)
def test_wrong_answers(project, capsys, flags, said):
    assert main(["init", "--yes", *flags, "-C", str(project)]) == 2
    assert said in capsys.readouterr().err
    assert os.listdir(project) == ["app.py"]


def test_nobody_to_ask(project, capsys):
    assert main(["init", "--no-input", "-C", str(project)]) == 2
    assert "this needs an answer: Name" in capsys.readouterr().err
    assert os.listdir(project) == ["app.py"]


def test_no_folder(tmp_path, capsys):
    assert main(["init", "--yes", "-C", str(tmp_path / "nowhere")]) == 2


def test_a_terminal_asks_and_asks_again(project):
    typed = [b"1 bad", b"good", b"", b"http_api"]
    command = [sys.executable, "-m", "upproxy", "init"]
    status, shown = in_terminal(command, project, CLEAN | NOBODY, typed)
    assert status == 0, shown
    assert b"Name [my-shop]: " in shown
    assert b"Error: name: expected a name of letters" in shown
    settings = config.load(str(project)).settings
    assert (settings.name, settings.regions, settings.endpoint) == ("good", ["us-east-1"], "http_api")
