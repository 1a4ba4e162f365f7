"""`maintenance` from up.yml to the options of the middleware."""

import pytest


def test_off_unless_enabled(manifest):
    assert "maintenance" not in manifest("maintenance: {retry_after: 1h}\n")["middleware"]


def test_defaults(manifest):
    assert manifest("maintenance: {enable: true}\n")["middleware"]["maintenance"] == {"retry_after": 300, "allow": []}


@pytest.mark.parametrize(("duration", "seconds"), [("30s", 30), ("10m", 600), ("2h", 7200), ("1d", 86400)])
def test_what_is_said(manifest, duration, seconds):
    allow = "[203.0.113.0/24, 198.51.100.1, '2001:db8::/32']"
    assert manifest(f"maintenance: {{enable: true, retry_after: {duration}, allow: {allow}}}\n")["middleware"][
        "maintenance"
    ] == {
        "retry_after": seconds,
        "allow": ["203.0.113.0/24", "198.51.100.1/32", "2001:db8::/32"],
    }


def test_in_one_stage(manifest):
    text = "stages: {staging: {maintenance: {enable: true}}}\n"
    assert "maintenance" in manifest(text, "staging")["middleware"]
    assert "maintenance" not in manifest(text, "production")["middleware"]
