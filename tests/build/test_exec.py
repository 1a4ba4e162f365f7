"""A command beside an app that was built: what the app's packages bring is there for it."""

from __future__ import annotations

import base64
import json
from pathlib import Path

from tests.build.conftest import UP, Run, make_wheel, write_files
from tests.build.test_projects import serving


def test_a_script_of_the_packages_runs_in_the_apps_folder(upproxy: Run, project: Path, tmp_path: Path) -> None:
    till = "import os, app\ndef main(): print(os.getcwd(), os.environ['CURRENCY'], app.app.__name__)\n"
    make_wheel(project / "wheels", "shop", {"shop.py": till}, scripts="till = shop:main")
    write_files(project, {"requirements.txt": "./wheels/shop-1.0-py3-none-any.whl\n"})
    write_files(project, {"up.yml": f"{UP}exec: true\nenvironment: {{CURRENCY: CHF}}\n"})
    with serving(upproxy("build", "-C", str(project)), tmp_path) as started:
        # A script has its own folder on the path, and not the one that it is started in.
        command = ["sh", "-c", "PYTHONPATH=$PWD:$PYTHONPATH exec till"]
        answer = json.loads(started.invoke({"upproxy": {"exec": {"command": command}}}).payload)
    printed = b"".join(base64.b64decode(data) for _, data in answer["head"]).decode()
    assert (answer["exit_code"], printed) == (0, f"{tmp_path / 'task'} CHF app\n")
