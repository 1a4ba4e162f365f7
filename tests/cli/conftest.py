"""A project, and commands about it in this process, with AWS as moto plays it."""

from types import SimpleNamespace

import pytest

from tests.aws.moto_server import REGION, aws, nobody, running_server, server
from upproxy.cli.frame import main

__all__ = ["aws", "nobody", "running_server", "server"]


@pytest.fixture
def project(tmp_path):
    """A Flask app called shop, for one region."""
    (tmp_path / "app.py").write_text("from flask import Flask\napp = Flask(__name__)\n")
    (tmp_path / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\n")
    return tmp_path


@pytest.fixture
def run(project, aws, capfdbinary):
    """Run a command in the project; bytes that are no text come as surrogates."""

    def run(*words):
        status = main(["-C", str(project), *words])
        out, err = (stream.decode("utf-8", "surrogateescape") for stream in capfdbinary.readouterr())
        assert "Traceback" not in err
        return SimpleNamespace(status=status, out=out, err=err)

    return run
