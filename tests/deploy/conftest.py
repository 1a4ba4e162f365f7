"""A small project, and what is wanted of it."""

from datetime import UTC, datetime

import pytest

from tests.aws.moto_server import aws
from upproxy import config
from upproxy.build.target import Target
from upproxy.deploy import wanted
from upproxy.deploy.environment import Variable

__all__ = ["aws"]
ACCOUNT = wanted.Account("aws", "123456789012")


def load(folder, document="", stage="staging"):
    """Write a project with a configuration, and load it."""
    (folder / "app.py").write_text("def app(environ, start_response): ...\n")
    (folder / "up.yml").write_text(f"name: shop\napp: app:app\n{document}")
    return config.load(str(folder), stage)


def variable(name, value="secret", version=1):
    return Variable(name, version, datetime(2026, 1, 1, tzinfo=UTC), value)


@pytest.fixture
def want(tmp_path):
    """Return what a configuration asks for, by its text."""

    def make(document="", secrets=(), python="3.13"):
        found = load(tmp_path, document)
        target = Target(python, found.settings.lambda_.architecture)
        return wanted.of(found, target, ACCOUNT, list(secrets))

    return make
