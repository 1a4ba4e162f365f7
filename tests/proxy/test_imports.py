"""Who may import whom, and what the runtime process may load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import upproxy
from tests.proxy.scripting import LIMIT, ScriptedServer

PACKAGE = Path(upproxy.__file__).parent
PROXY = "upproxy.proxy."


def module_of(path: Path) -> str:
    parts = ["upproxy", *path.relative_to(PACKAGE).with_suffix("").parts]
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports when it runs, wherever the import stands; not those for annotations only."""
    found: set[str] = set()

    def visit(node: ast.AST) -> None:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            for other in node.orelse:
                visit(other)
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            assert node.module
            for alias in node.names:
                inner = PACKAGE.parent / Path(*node.module.split("."), alias.name)
                is_module = inner.with_suffix(".py").exists() or (inner / "__init__.py").exists()
                found.add(f"{node.module}.{alias.name}" if is_module else node.module)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text()))
    return found


FILES = {
    module_of(path): imports_of(path)
    for path in PACKAGE.rglob("*.py")
    if path.relative_to(PACKAGE).parts[0] != "launchers"
}
LAUNCHERS = {path.name: imports_of(path) for path in PACKAGE.glob("launchers/*.py")}

# What each part of the package may import of the others; `cli` joins them all.
PARTS = {
    "proxy": set(),
    "config": {"proxy"},
    "build": {"config", "proxy"},
    "aws": set(),
    "deploy": {"config", "build", "aws", "notifier", "warmer"},
    "observe": {"aws", "config"},
    "notifier": set(),
    "warmer": set(),
    "local": {"config", "proxy", "warmer"},
}


def part_of(module: str) -> str:
    return module.split(".")[1] if module.startswith("upproxy.") else ""


def test_every_part_is_in_the_table():
    folders = {path.parent.name for path in PACKAGE.glob("*/*.py")}
    assert folders <= {*PARTS, "cli", "launchers"}


@pytest.mark.parametrize("module", sorted(FILES))
def test_parts_import_only_what_the_table_says(module):
    part = part_of(module)
    if part not in PARTS:
        return
    for imported in FILES[module]:
        if other := part_of(imported):
            assert other == part or other in PARTS[part], f"{module} imports {imported}"


VENDORED = {"pybase64", "jwt"}  # beside the proxy where the build was asked for it, on first use
STANDARD = {*sys.stdlib_module_names, "compression"}  # the latter from Python 3.14 on; works without


@pytest.mark.parametrize("module", sorted(FILES))
def test_foreign_libraries_have_one_home(module):
    homes = {"yaml": "config", "lark": "observe", "aiohttp": "local", "boto3": "aws", "botocore": "aws"}
    guests = {"botocore": {"notifier", "warmer"}, "lark": {"local"}}  # what these run beside, the sandbox's queries
    for imported in FILES[module]:
        root = imported.partition(".")[0]
        if root in homes:
            assert part_of(module) in {homes[root], *guests.get(root, ())}, f"{module} imports {imported}"
        if part_of(module) == "proxy":
            known = root == "upproxy" or root in STANDARD or root in VENDORED
            assert known, f"{module} imports {imported}"


def test_launchers_import_nothing_of_ours_but_what_lies_beside_them():
    for name, imported in LAUNCHERS.items():
        for module in imported:
            assert not module.startswith("upproxy.") or module.startswith("upproxy.launchers"), f"{name}: {module}"


@pytest.mark.parametrize("module", ["upproxy.notifier.notifier", "upproxy.warmer.warmer"])
def test_small_functions_are_one_file_for_a_runtime_that_has_botocore(module):
    assert all(one.partition(".")[0] in {*STANDARD, "botocore"} for one in FILES[module])


BOTTOM = {"lean", "waiting", "messages", "errors", "options", "manifest", "poller", "log", "http1", "vendor"}
LAYERS = {"events": 1, "middleware": 1, "upstream": 1, "chain": 2, "runtime": 3, "__main__": 4}


@pytest.mark.parametrize("module", sorted(name for name in FILES if name.startswith(PROXY)))
def test_inside_the_proxy_layers_rest_on_lower_ones(module):
    own = module.removeprefix(PROXY).split(".")[0]
    assert own in BOTTOM or own in LAYERS, f"{module} is in no layer"
    for imported in FILES[module]:
        if not imported.startswith(PROXY):
            continue
        other = imported.removeprefix(PROXY).split(".")[0]
        if own in BOTTOM:
            assert other in BOTTOM, f"{module} imports {imported}"
        elif own != other and other not in BOTTOM:
            assert LAYERS[other] < LAYERS[own], f"{module} imports {imported}"


def test_the_bottom_has_no_circle():
    """Each module of the bottom can be put after all that it imports."""
    left = {name: {i.removeprefix(PROXY) for i in FILES[PROXY + name] if i.startswith(PROXY)} for name in BOTTOM}
    while left:
        free = {name for name, needs in left.items() if not needs & left.keys()}
        assert free, f"a circle among {sorted(left)}"
        for name in free:
            del left[name]


def test_nothing_is_named_after_nothing():
    names = {part for path in PACKAGE.rglob("*") for part in (path.stem, path.name)}
    assert not names & {"utils", "util", "helpers", "helper", "common", "misc"}


# --- what is loaded ---------------------------------------------------------------------------------------------------

DENIED = {
    "asyncio", "socket", "json", "signal", "re", "enum", "typing", "threading", "functools", "contextlib", "urllib",
    "ssl", "http", "email", "logging", "subprocess", "dataclasses", "inspect", "yaml", "structlog", "aiohttp", "boto3",
}  # fmt: skip
BUDGET = {(3, 11): 74, (3, 12): 74, (3, 13): 75}  # modules, Python's own 23 among them

APP = """
import socket, sys
listener = socket.socket(fileno=int(sys.argv[1]))
while True:
    connection, _ = listener.accept()
    while connection.recv(65536):
        connection.sendall(b"HTTP/1.1 200 OK\\r\\ncontent-length: 5\\r\\n\\r\\nhello")
"""
# Runs the file as a script, as the bootstrap does, and says at the end what it has loaded.
HARNESS = """
import sys
path = sys.argv[1]
namespace = {"__name__": "upproxy_main", "__file__": path, "__package__": ""}
with open(path, "rb") as file:
    exec(compile(file.read(), path, "exec"), namespace)
code = namespace["main"]()
print("\\0".join(sys.modules), file=sys.stderr)
sys.exit(code)
"""
EVENT = {
    "version": "2.0", "rawPath": "/", "rawQueryString": "", "headers": {"host": "x.lambda-url.eu-west-1.on.aws"},
    "requestContext": {"domainName": "x.lambda-url.eu-west-1.on.aws", "http": {"method": "GET", "path": "/"}},
    "isBase64Encoded": False,
}  # fmt: skip


def test_the_runtime_process_loads_no_more_than_it_needs(tmp_path):
    """It serves one request from an empty environment, then ends on SIGTERM."""
    manifest = {
        "manifest_version": 1,
        "name": "shop",
        "stage": "staging",
        "upstream": {"command": [sys.executable, "-I", "-S", "-c", APP, "{fd}"]},
    }
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps(manifest))
    replies: list[bytes] = []
    served = threading.Event()

    def runtime_api(peer):
        while head := peer.read_head():
            if head.startswith(b"GET"):
                if replies:
                    served.set()
                    peer.wait_for_end()
                    return
                event = json.dumps(EVENT).encode()
                peer.send(
                    b"HTTP/1.1 200 OK\r\nLambda-Runtime-Aws-Request-Id: id\r\ncontent-length: %d\r\n\r\n%b"
                    % (len(event), event)
                )
            else:
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                replies.append(peer.read(int(fields[b"content-length"])))
                peer.send(b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n")

    server = ScriptedServer(runtime_api)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", HARNESS, str(PACKAGE / "proxy" / "__main__.py")],
        env={"AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{server.address[1]}", "UPPROXY_MANIFEST": str(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert served.wait(LIMIT)
        process.terminate()
        out, err = process.communicate(timeout=LIMIT)
    finally:
        process.kill()
        process.wait()
        server.close()
    assert process.returncode == 0, out + err
    assert b"hello" in replies[0]
    modules = err.decode().strip().split("\0")
    assert "upproxy.proxy.waiting" in modules
    assert not {name.partition(".")[0] for name in modules} & (DENIED | VENDORED)
    assert len(modules) <= BUDGET[sys.version_info[:2]], sorted(modules)
