"""What good files come to: scalars, stages, the manifest, the example and the schema."""

import json
import os
import shutil

import pytest

from upproxy.config import ConfigError, load, masked, to_yaml
from upproxy.config.document import parse
from upproxy.config.inference.source import Sources
from upproxy.config.settings import StageSettings
from upproxy.config.stages import resolve
from upproxy.config.validate import known_paths
from upproxy.proxy.manifest import HealthOptions, LogOptions, Manifest, UpstreamOptions

EXAMPLE = os.path.join(os.path.dirname(__file__), "..", "..", "up.yml.example")


def settings(text: str, stage: str = "development") -> StageSettings:
    return resolve(parse(text, "up.yml"), stage)


def test_scalars_are_what_they_look_like():
    data = parse(
        "on: NO\nyes: off\ntime: 22:22\nzip: 01234\nnull key: ~\n404: x\nhex: 0x1F\ntrue: TRUE\n"
        "n: -1.5e3\nd: 2026-01-01\n",
        "up.yml",
    ).data
    assert data == {
        "on": "NO", "yes": "off", "time": "22:22", "zip": "01234", "null key": None, "404": "x", "hex": "0x1F",
        "true": True, "n": -1500.0, "d": "2026-01-01",
    }  # fmt: skip


def test_environment_is_as_written():
    environment = settings(
        "name: x\nenvironment: {A: 1.10, B: True, C: yes, D: 1e3, E: 007, F: '', G: '${NAME}', H: , I: 0x1F,"
        " J: 12345678901234567890123}\n"
    ).environment
    assert environment == {
        "A": "1.10", "B": "True", "C": "yes", "D": "1e3", "E": "007", "F": "", "G": "${NAME}", "I": "0x1F",
        "J": "12345678901234567890123",
    }  # fmt: skip


def test_other_texts_as_written():
    found = settings(
        "name: x\npython: 3.12\nerror_pages: {variables: {a: 1}}\nheaders: {/: {A: 0}}\nlambda: {tags: {a: true}}\n"
    )
    assert found.python == "3.12"
    assert found.error_pages.variables == {"a": "1"}
    assert found.headers == {"/": {"A": "0"}}
    assert found.lambda_.tags == {"a": "true"}


def test_anchors_and_merges():
    text = """
        name: x
        environment: &shared {A: 1, B: 2}
        stages:
          staging:
            environment:
              <<: *shared
              B: 3
          production:
            environment:
              <<: [{C: 1.0}, {C: 2, D: 4}]
        """
    assert settings(text, "staging").environment == {"A": "1", "B": "3"}
    assert settings(text, "production").environment == {"A": "1", "B": "2", "C": "1.0", "D": "4"}


def test_stages_are_laid_over():
    text = """
        name: x
        lambda: {memory: 1024, layers: [a, b], snapstart: true, vpc: {subnets: [s]}}
        logs: {disable: true}
        stages:
          beta:
            lambda: {memory: 256, layers: [], snapstart: false}
            logs: {disable: }
            name: y
            domain: beta.example
        """
    beta = settings(text, "beta")
    assert (beta.lambda_.memory, beta.lambda_.layers, beta.lambda_.snapstart) == (256, [], False)
    assert beta.lambda_.vpc.subnets == ["s"]
    assert (beta.logs.disable, beta.name, beta.domain) == (False, "y", "beta.example")
    for stage in ("development", "staging", "production"):
        assert settings(text, stage).lambda_.memory == 1024


def test_unknown_stage():
    with pytest.raises(ConfigError, match="known ones are development, staging, production, beta") as caught:
        settings("name: x\nstages: {beta: }\n", "prod")
    assert caught.value.hint == "Did you mean production?"


def test_empty_sections_are_defaults():
    assert settings("name: x\nlambda:\nproxy:\nstages:\n").lambda_.memory == 512


def test_json_file(tmp_path):
    (tmp_path / "up.json").write_text('{\n\t"name": "x",\n\t"environment": {"A": "\\ud83d\\ude00 \\/", "B": 1.50}\n}')
    config = load(str(tmp_path), command="./x")
    assert config.file == str(tmp_path / "up.json")
    assert config.settings.environment == {"A": "\U0001f600 /", "B": "1.50"}


def test_surrogates():
    text = '{"name": "x", "headers": {"/\\ud83d\\ude00": {"A": "\\ud800"}, "/\\udc00": {}}}'
    assert settings(text).headers == {"/\U0001f600": {"A": "\ufffd"}, "/\ufffd": {}}


def test_yaml_wins_over_json_and_says_so(tmp_path):
    (tmp_path / "up.json").write_text('{"name": "j"}')
    (tmp_path / "up.yml").write_text("name: y")
    config = load(str(tmp_path), command="./x")
    assert config.name == "y"
    assert config.warnings == ("up.json is not read, since there is up.yml",)


@pytest.mark.parametrize(
    ("folder", "name"),
    [("shop", "shop"), ("My Shop!", "my-shop"), ("3d", "app-3d"), ("ü", "app"), ("a" * 80, "a" * 48)],
)
def test_no_file(folder, name, tmp_path):
    (tmp_path / folder).mkdir()
    config = load(str(tmp_path / folder), command="./x")
    assert (config.name, config.file, config.stage) == (name, None, "development")


def test_no_folder():
    with pytest.raises(ConfigError, match="there is no folder /nowhere"):
        load("/nowhere")


def test_manifest_is_what_the_proxy_reads(tmp_path):
    (tmp_path / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n")
    (tmp_path / "up.yml").write_text(
        "name: shop\nproxy: {timeout: 20, listen_timeout: 2.5, linger: 250}\nenvironment: {B: 1, A: '${SECRET}'}\n"
        "triggers: {path: /events}\nlogs: {stdout: debug}\nhealth: {path: /up}\n"
        "stages: {production: {path: /api/, endpoint: http_api}}\n"
    )
    document = load(str(tmp_path)).manifest()
    assert list(document) == [
        "manifest_version", "name", "stage", "version", "upstream", "events", "logs", "health", "exec", "middleware",
    ]  # fmt: skip
    manifest = Manifest(json.loads(json.dumps(document)))
    assert (manifest.name, manifest.stage, manifest.version) == ("shop", "development", "")
    assert manifest.upstream == UpstreamOptions(
        command=["python3", "{launchers}/asgi.py", "{fds}", "main:app"],
        environment={"A": "${SECRET}", "B": "1"},
        private=[],
        timeout=20,
        listen_timeout=2.5,
        linger=250,
    )
    assert vars(manifest.events) == {"base_path": "", "streaming": True, "triggers": "/events"}
    assert manifest.logs == LogOptions(
        disable=False, stdout="debug", stderr="error", fields=[], redact=[], sample=1, request_id=None, metrics=False
    )
    assert manifest.health == HealthOptions(path="/up", timeout=10)
    production = Manifest(load(str(tmp_path), "production").manifest())
    assert (production.events.base_path, production.events.streaming) == ("/api", False)


@pytest.mark.parametrize("fds", ["{fd}", "fd://{fd}", "{fds}"])
def test_a_server_may_take_over_a_socket(tmp_path, fds):
    (tmp_path / "up.yml").write_text(f"name: shop\nproxy: {{command: [./serve, '{fds}']}}\n")
    assert load(str(tmp_path)).manifest()["upstream"]["command"] == ["./serve", fds]


def test_manifest_is_the_same_every_time(tmp_path):
    (tmp_path / "up.yml").write_text("name: x\nenvironment: {B: 1, A: 2}\n")
    first, second = (json.dumps(load(str(tmp_path), command="./x").manifest()) for _ in range(2))
    assert first == second
    assert first.index('"A"') < first.index('"B"')


def test_resolved_is_a_configuration_again(tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "up.yml")
    config = load(str(tmp_path), "production")
    resolved = config.resolved()
    del resolved["stage"]
    shared = {key: value for key, value in resolved.items() if key not in ("domain", "path", "zone", "cert")}
    again = parse(to_yaml(shared | {"stages": {"production": resolved}}), "up.yml")
    assert resolve(again, "production") == config.settings


def keys_of(data, path=()):
    """Go through the paths of a document, with `*` for what people name themselves, as `known_paths` does."""
    known = set(known_paths(StageSettings))
    if isinstance(data, dict):
        for key, value in data.items():
            here = (*path, key) if (*path, key) in known else (*path, "*")
            yield here
            yield from keys_of(value, here)
    elif isinstance(data, list):
        for value in data:
            yield from keys_of(value, (*path, "*"))


def test_example_mentions_every_key(tmp_path):
    with open(EXAMPLE, encoding="utf-8") as file:
        data = parse(file.read(), "up.yml.example").data
    stages = data.pop("stages")
    mentioned = set(keys_of(data))
    for stage in stages.values():
        mentioned |= set(keys_of(stage))
    assert set(known_paths(StageSettings)) - mentioned == set()


@pytest.mark.parametrize("stage", ["development", "staging", "production"])
def test_example_loads(stage, tmp_path):
    shutil.copy(EXAMPLE, tmp_path / "up.yml")
    config = load(str(tmp_path), stage)
    assert config.name == "shop"
    assert config.warnings == (
        (
            f"`auth[4].basic`: {'REST API' if stage == 'production' else 'Function URL'}s rename WWW-Authenticate, so "
            "that browsers do not ask for the password; `endpoint: http_api` leaves it as it is"
        ),
        *(f"`{key}` is not used, since there is `proxy.command`" for key in ("app", "server")),
    )


def test_masked():
    hidden = masked(
        {
            "API_KEY": "abc", "DB_PASSWORD": "x", "SECRET": "${SECRET}", "TOKEN": "", "KEYBOARD": "qwertz",
            "DEBUG": "1", "DATABASE_URL": "postgres://ann:pw@db/shop", "SENTRY_DSN": "https://abc@sentry.example/1",
        }
    )  # fmt: skip
    assert hidden == {
        "API_KEY": "********", "DB_PASSWORD": "********", "SECRET": "${SECRET}", "TOKEN": "", "KEYBOARD": "qwertz",
        "DEBUG": "1", "DATABASE_URL": "postgres://********@db/shop", "SENTRY_DSN": "********",
    }  # fmt: skip


def test_a_file_is_parsed_once(tmp_path):
    (tmp_path / "app.py").write_text("x = 1\n")
    sources = Sources(str(tmp_path))
    assert sources.module("app.py") is sources.module("app.py")
