"""`upproxy url` and `open`, with AWS as moto plays it, and tools of the desktop that write down what they are given."""

import io
import json
import subprocess
import sys
import zipfile

import boto3
import pytest

from tests.aws.moto_server import REGION


def deployed(region=REGION, *, client=lambda service, region: boto3.client(service, region_name=region)):
    """Make the function with its alias and URL, which is returned."""
    role = client("iam", region).create_role(RoleName=f"role-{region}", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("app.py", "")
    functions = client("lambda", region)
    functions.create_function(
        FunctionName="shop-staging", Runtime="python3.13", Role=role, Handler="a.b",
        Code={"ZipFile": archive.getvalue()}, Publish=True,
    )  # fmt: skip
    functions.create_alias(FunctionName="shop-staging", Name="live", FunctionVersion="1")
    made = functions.create_function_url_config(FunctionName="shop-staging", Qualifier="live", AuthType="NONE")
    return made["FunctionUrl"]


def stacked(**outputs):
    """Make the stage's stack."""
    template = {
        "Resources": {"Topic": {"Type": "AWS::SNS::Topic"}},
        "Outputs": {name: {"Value": value} for name, value in outputs.items()},
    }
    boto3.client("cloudformation", region_name=REGION).create_stack(
        StackName="upproxy-shop-staging", TemplateBody=json.dumps(template)
    )


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """Nothing but tools that are made here is found; each writes what it is given to a file of its name."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    for name in ("WAYLAND_DISPLAY", "DISPLAY", "BROWSER"):
        monkeypatch.delenv(name, raising=False)

    def make(name, status=0):
        path = folder / name
        path.write_text(
            f"#!{sys.executable}\nimport sys\n"
            f"open({str(tmp_path / name)!r}, 'w').write(' '.join(sys.argv[1:]) + '|' + sys.stdin.read())\n"
            f"sys.exit({status})\n"
        )
        path.chmod(0o755)
        return tmp_path / name

    return make


def test_the_function_url(run):
    url = deployed()
    assert run("url").out == f"{url}\n"
    assert json.loads(run("url", "--json").out) == {"regions": [{"region": REGION, "url": url}]}


def test_not_deployed(run):
    done = run("url", "--json")
    assert (done.status, done.out, json.loads(done.err)["code"]) == (1, "", "not_deployed")


def test_deployed_without_what_up_yml_wants(run, project):
    deployed()
    boto3.client("lambda", region_name=REGION).delete_function_url_config(FunctionName="shop-staging", Qualifier="live")
    done = run("url")
    assert done.status == 1
    assert done.err == (
        "error: shop-staging has no Function URL in eu-central-1, although up.yml wants one\n"
        "`upproxy deploy staging` makes it.\n"
    )
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\nendpoint: http_api\n")
    assert "shop-staging has no gateway in eu-central-1" in run("url").err
    stacked(Other="x")
    assert "shop-staging has no gateway in eu-central-1" in run("url").err


def test_the_gateway(run, project):
    (project / "up.yml").write_text(f"name: shop\nregions: [{REGION}]\nendpoint: http_api\n")
    stacked(Url="https://abc.execute-api.eu-central-1.amazonaws.com/")
    assert run("url").out == "https://abc.execute-api.eu-central-1.amazonaws.com/\n"


@pytest.mark.parametrize(
    ("path", "address"), [("", "https://shop.example/"), (", path: /api", "https://shop.example/api")]
)
def test_the_domain(run, project, path, address):
    (project / "up.yml").write_text(
        f"name: shop\nregions: [{REGION}]\nstages: {{staging: {{domain: shop.example{path}}}}}\n"
    )
    deployed()
    assert "has no domain" in run("url").err
    stacked()
    assert run("url").out == f"{address}\n"


def test_several_regions(run, project, tools):
    (project / "up.yml").write_text(f"name: shop\nregions: [us-east-1, {REGION}]\n")
    urls = [deployed("us-east-1"), deployed()]
    assert run("url").out.splitlines() == urls
    copied = tools("pbcopy")
    assert run("url", "-c").out.splitlines() == urls
    assert copied.read_text() == f"|{urls[0]}"
    assert run("url", "--region", REGION).out.splitlines() == urls[1:]


@pytest.mark.parametrize(
    ("name", "variable", "words"),
    [
        ("wl-copy", "WAYLAND_DISPLAY", ""), ("xclip", "DISPLAY", "-selection clipboard"),
        ("xsel", "DISPLAY", "--clipboard --input"), ("pbcopy", "", ""),
    ],
)  # fmt: skip
def test_copying(run, tools, monkeypatch, name, variable, words):
    url = deployed()
    copied = tools(name)
    if variable:
        assert run("url", "--copy").status == 1
        monkeypatch.setenv(variable, ":0")
    done = run("url", "--copy")
    assert (done.status, done.out, done.err) == (0, f"{url}\n", "copied\n")
    assert copied.read_text() == f"{words}|{url}"


def test_a_tool_that_fails_gives_way_to_the_next(run, tools, monkeypatch):
    monkeypatch.setenv("DISPLAY", ":0")
    url = deployed()
    tools("xclip", status=1)
    done = run("url", "-c")
    assert (done.status, done.out) == (1, f"{url}\n")
    assert done.err == "error: there is no clipboard here\nwl-copy, xclip, xsel or pbcopy has to be there and work.\n"
    copied = tools("xsel")
    assert run("url", "-c").status == 0
    assert copied.read_text().endswith(url)


@pytest.mark.parametrize("words", [("open",), ("url", "-o")])
def test_the_browser(words, project, server, tools, tmp_path):
    """In processes: the webbrowser module looks for browsers once."""
    url = deployed(client=server.client)
    opened = tools("the-browser")
    environment = {**server.environment, "PATH": str(tmp_path / "tools"), "BROWSER": "the-browser %s"}

    def run():
        return subprocess.run(
            [sys.executable, "-m", "upproxy", *words, "-C", str(project)],
            env=environment, capture_output=True, stdin=subprocess.DEVNULL, timeout=60, text=True,
        )  # fmt: skip

    done = run()
    assert done.returncode == 0, done.stderr
    assert opened.read_text() == f"{url}|"
    assert (done.stdout, done.stderr) == (("", f"opening {url}\n") if words == ("open",) else (f"{url}\n", ""))
    del environment["BROWSER"]
    done = run()
    assert done.returncode == 1
    assert f"error: no browser could be opened for {url}\n" in done.stderr
