"""What takes the requests: said in up.yml, or made of a domain."""

import pytest

from upproxy.config import load

FASTAPI = "from fastapi import FastAPI\napp = FastAPI()\n"
FLASK = "from flask import Flask\napp = Flask(__name__)\n"


def loaded(tmp_path, text, source="", command=None, stage="production"):
    (tmp_path / "up.yml").write_text(f"name: shop\n{text}")
    if source:
        (tmp_path / "app.py").write_text(source)
    return load(str(tmp_path), stage, command)


DOMAIN = "stages: {production: {domain: shop.example}}\n"


@pytest.mark.parametrize(
    ("text", "source", "command", "kind", "word"),
    [
        ("", FLASK, None, "function_url", ""),
        (DOMAIN, FLASK, None, "http_api", "WSGI"),
        (DOMAIN, FASTAPI, None, "rest_api", "may stream"),
        (DOMAIN, "", "node server.js", "rest_api", "may stream"),
        (DOMAIN + "type: static\n", "", None, "http_api", "files"),
        (DOMAIN + "endpoint: rest_api\n", FLASK, None, "rest_api", ""),
        (DOMAIN + "endpoint: http_api\n", FASTAPI, None, "http_api", ""),
    ],
)
def test_kinds(tmp_path, text, source, command, kind, word):
    config = loaded(tmp_path, text, source, command)
    assert config.endpoint.kind == kind
    assert word in config.endpoint.why
    assert bool(config.endpoint.why) == bool(word)
    assert config.manifest()["events"]["streaming"] == (kind != "http_api")


def test_another_stage_has_no_gateway(tmp_path):
    assert not loaded(tmp_path, DOMAIN, FLASK, stage="staging").endpoint.is_gateway


def test_throttle_without_a_gateway(tmp_path):
    text = "throttle: {rate: 10}\n"
    assert any("nothing is throttled" in warning for warning in loaded(tmp_path, text, FLASK).warnings)
    assert not any("throttle" in warning for warning in loaded(tmp_path, text + DOMAIN, FLASK).warnings)


def test_a_reply_that_an_http_api_does_not_wait_for(tmp_path):
    text = "proxy: {timeout: 31}\n"
    assert any("answers 503" in warning for warning in loaded(tmp_path, text + DOMAIN, FLASK).warnings)
    assert not any("answers 503" in warning for warning in loaded(tmp_path, text + DOMAIN, FASTAPI).warnings)


def test_what_depends_on_the_endpoint_goes_by_the_implied_one(tmp_path):
    auth = "auth: [{path: /*, basic: {users: {me: '${PASSWORD}'}}}]\n"
    assert any("rename" in warning for warning in loaded(tmp_path, auth, FLASK).warnings)
    assert not any("rename" in warning for warning in loaded(tmp_path, auth + DOMAIN, FLASK).warnings)
    assert loaded(tmp_path, DOMAIN, FLASK).resolved()["endpoint"] == "http_api"
