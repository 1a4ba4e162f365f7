"""`compress` from up.yml to the options of the middleware."""

from upproxy.config import load
from upproxy.proxy.middleware.compress import Options


def options(folder):
    return load(folder, command="./x").manifest()["middleware"].get("compress")


def test_off_unless_enabled(write):
    assert options(write({"up.yml": "name: x\n"})) is None
    assert options(write({"up.yml": "name: x\ncompress: {min_size: 1}\n"})) is None


def test_defaults_are_those_of_the_middleware(write):
    section = options(write({"up.yml": "name: x\ncompress: {enable: true}\n"}))
    assert section == {"min_size": Options.min_size, "types": Options.types}
    assert Options.from_manifest(section).types == Options.types


def test_what_is_said(write):
    text = "name: x\ncompress: {enable: true, min_size: 0, types: [text/*, application/*+json]}\n"
    assert options(write({"up.yml": text})) == {"min_size": 0, "types": ["text/*", "application/*+json"]}
