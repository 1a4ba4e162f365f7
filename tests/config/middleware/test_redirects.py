"""What up.yml may say of redirects, and what it may not."""

import pytest

from upproxy.config import ConfigError, load

HEAD = "name: x\ntriggers: {path: /events}\nredirects:\n"


def test_manifest(write):
    rules = (
        "  /blog/*: {location: 'https://blog.example/:splat', status: 301}\n  /ü/:id: {location: /ö/:id, force: true}\n"
    )
    section = load(write({"up.yml": HEAD + rules}), command="./x").manifest()["middleware"]["redirects"]
    assert section == {
        "rules": [
            {"path": "/blog/*", "location": "https://blog.example/:splat", "status": 301, "force": False},
            {"path": "/ü/:id", "location": "/%C3%B6/:id", "status": 200, "force": True},
        ],
        "triggers": "/events",
    }
    assert "redirects" not in load(write({"up.yml": "name: x\n"}), command="./x").manifest()["middleware"]


@pytest.mark.parametrize(
    ("rule", "path", "message"),
    [
        ("a: {location: /b}", "redirects.a", "a path that starts with /"),
        ("/*/*: {location: /b}", "redirects./*/*", "at most one"),
        ("/a: {location: b}", "redirects./a.location", "a path that starts with /"),
        ("/a: {location: //evil.example, status: 301}", "redirects./a.location", "one slash"),
        ("/*: {location: 'https://:splat/', status: 301}", "redirects./*.location", "no names in it"),
        ("/*: {location: 'https://a.example:splat', status: 301}", "redirects./*.location", "no names in it"),
        ("/:a: {location: 'https://[fe80::a]/', status: 301}", "redirects./:a.location", "no names in it"),
        ("/*: {location: 'https://user@a.example/', status: 301}", "redirects./*.location", "no names in it"),
        ("/*: {location: 'javascript:alert(1)', status: 301}", "redirects./*.location", "or an address"),
        ('/a: {location: "/b\\nc"}', "redirects./a.location", "control characters"),
        ("/a/*: {location: /b/*}", "redirects./a/*.location", ":splat"),
        ("/a/:id: {location: '/b/:name'}", "redirects./a/:id.location", "not `:name`"),
        ("/a: {location: 'https://a.example/'}", "redirects./a.location", "stays within the app"),
        ("/a: {location: /b, status: 404}", "redirects./a.status", "expected 200, 301"),
        ("/a: {location: /b, forse: true}", "redirects./a.forse", "did you mean `force`"),
        ("/*: {location: '/new/:splat', status: 302}", "redirects./*.location", "for ever, by `/*`"),
        ("/a: {location: /Events/}", "redirects./a.location", "for the events"),
        ("/a/*: {location: '/:splat'}", "redirects./a/*.location", "for the events"),
        ("/a/:x: {location: '/ev:x'}", "redirects./a/:x.location", "for the events"),
    ],
)
def test_bad(rule, path, message, write):
    with pytest.raises(ConfigError) as caught:
        load(write({"up.yml": f"{HEAD}  {rule}\n"}), command="./x")
    assert message in str(caught.value)
    assert (caught.value.path, caught.value.line) == (path, 4)


def test_rules_that_lead_to_each_other(write):
    rules = (
        "  /a: {location: /b/1, status: 301}\n"
        "  /b/:id: {location: '/c/:id', status: 302}\n"
        "  /c/*: {location: /a, status: 308}\n"
        "  /d: {location: /a, status: 301}\n"
    )
    with pytest.raises(ConfigError) as caught:
        load(write({"up.yml": HEAD + rules}), command="./x")
    assert [problem.line for problem in caught.value.problems] == [4, 5, 6], "the last only leads into the circle"
    assert "for ever, by `/a`, `/b/:id`, `/c/*`" in caught.value.problems[0].message


@pytest.mark.parametrize(
    "rules",
    [
        "  /a: {location: /b, status: 301}\n  /b: {location: /a}\n",  # a rewrite is the end
        "  /a: {location: /b, status: 301}\n  /b: {location: 'https://a.example/a', status: 301}\n",
        "  /a: {location: /a/, status: 301}\n",
        "  /a/*: {location: '/b/:splat', status: 301}\n  /b/x: {location: /c, status: 301}\n",
    ],
)
def test_rules_that_come_to_an_end(write, rules):
    assert len(load(write({"up.yml": HEAD + rules}), command="./x").settings.redirects) == rules.count("location")


def test_patterns_that_match_the_same(write):
    with pytest.raises(ConfigError, match="matches the same paths"):
        load(write({"up.yml": f"{HEAD}  /a/:b: {{location: /c}}\n  /a/:d: {{location: /e}}\n"}), command="./x")
