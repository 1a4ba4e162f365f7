"""The manifest and the options that it fills."""

from __future__ import annotations

import json

import pytest

from upproxy.proxy.manifest import VERSION, EventOptions, LogOptions, Manifest, ManifestError, UpstreamOptions, load
from upproxy.proxy.options import Options

LEAST = {"manifest_version": VERSION, "name": "shop", "stage": "staging", "upstream": {"command": "serve"}}


def test_the_least_manifest_has_all_defaults(tmp_path):
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(LEAST))
    manifest = load(str(path))
    assert (manifest.name, manifest.stage, manifest.version) == ("shop", "staging", "")
    assert manifest.upstream == UpstreamOptions(command="serve")
    assert (manifest.upstream.timeout, manifest.upstream.listen_timeout, manifest.upstream.environment) == (15, 15, {})
    assert manifest.events == EventOptions()
    assert (manifest.events.base_path, manifest.events.streaming, manifest.events.triggers) == ("", False, None)
    assert (manifest.logs.disable, manifest.logs.stdout, manifest.logs.stderr) == (False, "info", "error")
    assert (manifest.health.path, manifest.health.timeout) == ("/", 10)


def test_what_is_written_is_what_is_read():
    sections = {"logs": {"stdout": "debug"}, "events": {"triggers": "/events"}, "health": {"path": "/up"}}
    manifest = Manifest({**LEAST, **sections, "version": "7"})
    assert manifest.version == "7"
    assert manifest.logs.stdout == "debug"
    assert manifest.logs.stderr == "error"
    assert manifest.events.triggers == "/events"
    assert manifest.health.path == "/up"


@pytest.mark.parametrize("found", [None, 0, 2, "1", [1]])
def test_another_version_is_refused_by_naming_both(found):
    with pytest.raises(ManifestError) as raised:
        Manifest({**LEAST, "manifest_version": found})
    assert repr(found) in str(raised.value)
    assert str(VERSION) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"), [("", "no JSON"), ("{", "no JSON"), ("[1]", "no JSON object"), ("null", "no JSON object")]
)
def test_a_file_that_is_no_manifest_is_named(tmp_path, text, words):
    path = tmp_path / "manifest.json"
    path.write_text(text)
    with pytest.raises(ManifestError, match=words) as raised:
        load(str(path))
    assert str(path) in str(raised.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(ManifestError, match="cannot read") as raised:
            load(str(path))
        assert str(path) in str(raised.value)


def test_options_are_compared_by_their_values():
    assert LogOptions(stdout="info") != LogOptions(stdout="debug")
    assert LogOptions.from_manifest(None) == LogOptions()
    assert LogOptions() != EventOptions()
    assert repr(LogOptions(stdout="info")) == "LogOptions(stdout='info')"
    with pytest.raises(TypeError):
        hash(Options())
