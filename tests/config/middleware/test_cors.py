"""`cors` from up.yml to the options of the middleware, and what is no such thing."""

from upproxy.proxy.middleware.cors import Options


def test_off_unless_enabled(manifest):
    assert "cors" not in manifest("cors: {allowed_origins: [https://a.example]}\n")["middleware"]


def test_defaults(manifest):
    section = manifest("cors: {enable: true}\n")["middleware"]["cors"]
    assert section == {
        "allowed_origins": ["*"], "allowed_methods": ["GET", "HEAD", "POST"], "allowed_headers": [],
        "exposed_headers": [], "max_age": 0, "allow_credentials": False, "allow_private_network": False, "debug": False,
    }  # fmt: skip
    assert Options.from_manifest({"allowed_origins": ["*"], "allowed_methods": []}).max_age == section["max_age"]


def test_what_is_said(manifest):
    text = (
        "cors: {enable: true, allowed_origins: [https://shop.example, 'https://*.shop.example', 'http://localhost:*', "
        "'http://[::1]:3000', app://x, 'null'], allowed_methods: ['*'], allowed_headers: [X-Cart], "
        "exposed_headers: [X-Total], max_age: 600, allow_private_network: true, debug: true}\n"
    )
    section = manifest(text)["middleware"]["cors"]
    assert section["allowed_origins"][3:] == ["http://[::1]:3000", "app://x", "null"]
    assert (section["allowed_methods"], section["max_age"], section["debug"]) == (["*"], 600, True)
    assert (section["allowed_headers"], section["exposed_headers"]) == (["x-cart"], ["x-total"]), "in small letters"


def test_ports_that_are_not_the_schemes_own(manifest):
    text = "cors: {enable: true, allowed_origins: ['http://a.example:443', 'https://a.example:80']}\n"
    assert len(manifest(text)["middleware"]["cors"]["allowed_origins"]) == 2
