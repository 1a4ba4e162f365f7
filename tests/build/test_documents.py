"""The examples of docs/build.md are read by the tools that they are for; the layer serves what they deploy."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from pathlib import Path

import hcl2
import pytest

from tests.build.conftest import UP, built, write_files
from tests.conformance.ways import Lambda, manifest
from upproxy import config
from upproxy.build import archive
from upproxy.local.sources import HttpRequest

TEXT = (Path(__file__).parents[2] / "docs" / "build.md").read_text()


def block(language: str, word: str) -> str:
    """Return the example in a language that has a word in it."""
    return next(found for found in re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL) if word in found)


def test_the_sam_template(tmp_path):
    """Checked as CloudFormation's own linter does it, after SAM's transformation."""
    write_files(tmp_path, {"template.yml": block("yaml", "Transform"), ".upproxy/layer.zip": "zip"})
    lint = Path(sys.executable).with_name("cfn-lint")
    done = subprocess.run([lint, "template.yml"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_terraform_file():
    found = hcl2.loads(block("hcl", "resource"))
    kinds = sorted(name.strip('"') for resource in found["resource"] for name in resource)
    assert kinds == ["aws_iam_role", "aws_lambda_function", "aws_lambda_function_url", "aws_lambda_layer_version"]


def test_the_cdk_app():
    tree = ast.parse(block("python", "aws_cdk"))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    assert {"lambda_.LayerVersion", "lambda_.Function", "shop.add_function_url"} <= set(calls)


def test_all_start_the_bootstrap_where_the_layer_has_it():
    for language, word in (("yaml", "Transform"), ("python", "aws_cdk"), ("hcl", "resource")):
        example = block(language, word)
        assert "/opt/upproxy/bootstrap" in example
        assert ".upproxy/layer.zip" in example
        assert "RESPONSE_STREAM" in example


def test_the_ignore_file_and_the_wrapper(tmp_path):
    write_files(tmp_path, {"up.yml": f"{UP}{block('yaml', 'otel')}", "app.py": "app = 1\n"})
    found = config.load(str(tmp_path))
    assert found.settings.environment["AWS_LAMBDA_EXEC_WRAPPER"] == "/opt/otel-instrument"


@pytest.mark.parametrize("option", sorted(set(re.findall(r"^\| `(--?[a-z-]+)", TEXT, re.MULTILINE))))
def test_every_option_exists(upproxy, option):
    assert option in upproxy("build", "--help").stdout


def test_the_layer_serves_a_function_that_has_it(upproxy, project, tmp_path):
    """As in /opt: beside the function's own folder, which holds its packages and the manifest."""
    opt = tmp_path / "opt"
    with built(upproxy("build", "-C", str(project), "--layer")) as layer:
        archive.extract(archive.read(str(layer.filename)), str(opt))
    document = manifest("exec python3 -m http.server $PORT --bind 127.0.0.1")
    task = write_files(tmp_path / "function", {"upproxy.json": json.dumps(document), "page.txt": "hello"})
    started = Lambda(
        document, tmp_path, directory=task, command=(str(opt / "upproxy" / "bootstrap"), sys.executable),
        environment={"UPPROXY_MANIFEST": ""},
    )  # fmt: skip
    try:
        started.ready()
        request = HttpRequest("GET", "/page.txt", [(b"host", b"x")], b"", "192.0.2.1", "x", 443, "https")
        assert started.send("http_api", request).body == b"hello"
    finally:
        started.close()
    assert (opt / "upproxy" / "upproxy" / "proxy" / "__pycache__").is_dir()
