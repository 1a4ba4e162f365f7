import os
import sys

import pytest

from upproxy.local.environment import app_python, function_arn, runtime_environment, server_path


def environment(base=None, python=sys.executable, **values):
    settings = {"function_name": "shop-development", "directory": "/shop", "manifest": "/m.json", "memory": 512}
    return runtime_environment(base or {}, python=python, concurrency=16, **settings | values)


def venv(folder):
    (folder / "bin").mkdir(parents=True)
    (folder / "pyvenv.cfg").touch()
    python = folder / "bin" / "python"
    python.symlink_to(sys.executable)
    return str(python)


def test_what_lambda_reserves_is_there_and_the_users_own_too():
    found = environment({"DATABASE": "here", "LAMBDA_TASK_ROOT": "/elsewhere"})
    assert found["DATABASE"] == "here"
    assert found["LAMBDA_TASK_ROOT"] == "/shop"
    reserved = (
        "AWS_DEFAULT_REGION AWS_EXECUTION_ENV AWS_LAMBDA_FUNCTION_MEMORY_SIZE AWS_LAMBDA_FUNCTION_NAME "
        "AWS_LAMBDA_FUNCTION_VERSION AWS_LAMBDA_INITIALIZATION_TYPE AWS_LAMBDA_LOG_GROUP_NAME "
        "AWS_LAMBDA_LOG_STREAM_NAME AWS_REGION LAMBDA_RUNTIME_DIR LAMBDA_TASK_ROOT TZ _HANDLER"
    )
    assert set(reserved.split()) <= found.keys()
    assert found["AWS_LAMBDA_MAX_CONCURRENCY"] == "16"


@pytest.mark.parametrize(
    ("base", "region"),
    [({}, "us-east-1"), ({"AWS_DEFAULT_REGION": "b"}, "b"), ({"AWS_REGION": "a", "AWS_DEFAULT_REGION": "b"}, "a")],
)
def test_the_region(base, region):
    found = environment(base)
    assert (found["AWS_REGION"], found["AWS_DEFAULT_REGION"]) == (region, region)
    assert function_arn("f", region) == f"arn:aws:lambda:{region}:123456789012:function:f"


def test_commands_are_found_in_the_apps_own_environment(tmp_path):
    python = venv(tmp_path / ".venv")
    found = environment({"PATH": "/usr/bin"}, python=python)
    assert found["PATH"] == f"{tmp_path}/.venv/bin{os.pathsep}/usr/bin"
    assert found["VIRTUAL_ENV"] == f"{tmp_path}/.venv"


def test_the_interpreter_is_the_projects_then_the_activated_one_then_ours(tmp_path):
    assert app_python(str(tmp_path), {}) == sys.executable
    active = venv(tmp_path / "active")
    variables = {"VIRTUAL_ENV": str(tmp_path / "active")}
    assert app_python(str(tmp_path), variables) == active
    second = venv(tmp_path / "venv")
    assert app_python(str(tmp_path), variables) == second
    first = venv(tmp_path / ".venv")
    assert app_python(str(tmp_path), variables) == first


def test_the_servers_are_where_it_says():
    assert os.path.isfile(os.path.join(server_path(), "waitress", "__init__.py"))
