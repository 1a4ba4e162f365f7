"""Whatever a file holds, the answer is a configuration or a sentence, never anything else."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from upproxy.config import Config, ConfigError, load
from upproxy.config.settings import StageSettings
from upproxy.config.validate import known_paths

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(["${A}", "/x", "5m", "*", "1.10"]),
)
KNOWN = {part for path in known_paths(StageSettings) for part in path}
KEYS = st.sampled_from(sorted(KNOWN | {"stages", "production"}))
TREES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | st.text(max_size=4), inner, max_size=4)
)
TOKENS = st.sampled_from(
    ["name: ", "x", "\n", "  ", "- ", "&a ", "*a ", "<<: ", "{", "}", "[", "]", ",", ": ", "'", '"', "#", "|", ">", "~",
     "!!str ", "? ", "%YAML", "---", "...", "\t", "\0", "\ufeff", "1e999", "0x", "stages:", "lambda:", "@", "`", "\x85"]
)  # fmt: skip
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"))

quick = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def outcome(directory) -> Config | None:
    try:
        config = load(str(directory), command="./x")
    except ConfigError as error:
        return None if str(error) else pytest.fail("an error without words")
    json.dumps(config.manifest(), allow_nan=False)
    json.dumps(config.resolved(), allow_nan=False)
    return config


@quick
@given(st.binary(max_size=80) | st.lists(TOKENS, max_size=25).map(lambda parts: "".join(parts).encode()))
def test_any_text(tmp_path, content):
    (tmp_path / "up.yml").write_bytes(content)
    outcome(tmp_path)


@quick
@given(st.dictionaries(KEYS, TREES, max_size=6))
def test_any_tree(tmp_path, tree):
    (tmp_path / "up.json").write_text(json.dumps({"name": "x"} | tree), encoding="utf-8")
    outcome(tmp_path)


@quick
@given(st.dictionaries(st.from_regex(r"[A-Z]{1,5}", fullmatch=True), TEXT, max_size=4))
def test_any_environment_arrives(tmp_path, environment):
    """What JSON says is what the app gets, but for NUL and lone surrogates, which no environment can hold."""
    (tmp_path / "up.json").write_text(json.dumps({"name": "x", "environment": environment}), encoding="utf-8")
    config = outcome(tmp_path)
    assert config is not None
    assert config.settings.environment == environment
