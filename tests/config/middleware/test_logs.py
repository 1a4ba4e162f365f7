"""`logs` from up.yml to what the runtime reads."""

from upproxy.proxy.manifest import LogOptions

DEFAULTS = {
    "disable": False, "stdout": "info", "stderr": "error", "fields": [], "redact": [], "sample": 1.0,
    "request_id": None, "metrics": False,
}  # fmt: skip


def test_defaults_are_those_of_the_runtime(manifest):
    assert manifest("")["logs"] == DEFAULTS
    options = LogOptions.from_manifest({})
    assert {key: getattr(options, key) for key in DEFAULTS} == DEFAULTS


def test_what_is_said(manifest):
    text = (
        "logs: {disable: true, stdout: debug, stderr: warn, fields: [upstream, instance, header.x-tenant], "
        "redact: [voucher, 'user[pin]'], sample: 0.25, request_id: X-Correlation-Id, metrics: true}\n"
    )
    assert manifest(text)["logs"] == {
        "disable": True, "stdout": "debug", "stderr": "warn", "fields": ["upstream", "instance", "header.x-tenant"],
        "redact": ["voucher", "user[pin]"], "sample": 0.25, "request_id": "X-Correlation-Id", "metrics": True,
    }  # fmt: skip


def test_where_auth_takes_keys_from_is_no_business_of_the_log(manifest):
    text = (
        "logs: {redact: [voucher]}\n"
        "auth:\n"
        "  - {path: /a/*, api_key: {keys: ['${A}'], header: X-Partner, query: partner}}\n"
        "  - {path: /b/*, api_key: {keys: ['${B}'], header: null, query: partner}}\n"
    )
    assert manifest(text)["logs"]["redact"] == ["voucher", "X-Partner", "partner"]
