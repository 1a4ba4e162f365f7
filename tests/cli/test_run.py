"""`upproxy run`: hooks by themselves."""

import json

import pytest

from upproxy.cli.frame import main
from upproxy.cli.run import HOOKS
from upproxy.config.settings import Hooks


@pytest.fixture
def project(tmp_path):
    (tmp_path / "index.html").write_text("hello")
    (tmp_path / "up.yml").write_text(
        "name: shop\n"
        "hooks: {build: ['echo $UP_STAGE > made', 'echo more; cat made'], clean: rm made, predeploy: exit 7}\n"
        "stages: {production: {hooks: {build: touch production}}}\n"
    )
    return tmp_path


def test_the_hooks_are_those_of_up_yml():
    assert tuple(Hooks.model_fields) == HOOKS


def test_a_hook_runs_in_the_project_with_its_stage(project, capfd):
    assert main(["run", "build", "-C", str(project)]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert err.splitlines() == ["build: echo $UP_STAGE > made", "build: echo more; cat made", "more", "staging"]
    assert (project / "made").read_text() == "staging\n"
    assert main(["run", "clean", "-C", str(project)]) == 0
    assert not (project / "made").exists()


def test_the_hook_of_a_stage(project, capfd):
    assert main(["run", "build", "-s", "production", "-C", str(project)]) == 0
    assert (project / "production").exists()


def test_as_json_what_it_prints_is_notes(project, capfd):
    assert main(["run", "build", "--json", "-C", str(project)]) == 0
    out, err = capfd.readouterr()
    assert out == ""
    assert [json.loads(line)["message"] for line in err.splitlines()][2:] == ["more", "staging"]


@pytest.mark.parametrize(
    ("hook", "status", "said"),
    [
        ("predeploy", 5, "the hook predeploy ended with exit code 7: exit 7"),
        ("postbuild", 2, "up.yml has no hook postbuild"),
        ("deploy", 2, "'deploy' is not one of 'prebuild'"),
    ],
)
def test_what_goes_wrong(project, capfd, hook, status, said):
    assert main(["run", hook, "-C", str(project)]) == status
    assert said in capfd.readouterr().err
